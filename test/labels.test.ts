/** Every operation allocates memory and launches kernels under its own name, which errors and profiles show. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkpoint, customOp, enableGrad, full, grad, ones, optim, Tensor, tidy, zeros } from 'wgrad';
import { cpuBackend } from '../src/backends/cpu/backend';
import { currentOperation } from '../src/core/scope';
import { makeInputs } from './ops/database';
import { entries } from './ops/index';

type AnyFunction = (...args: never[]) => unknown;

/** The names under which `fn` allocates memory and runs kernels on the CPU. */
function namesDuring(fn: () => unknown): string[] {
	const { allocate, upload, kernels } = cpuBackend;
	const names = new Set<string>();
	const noting =
		(take: AnyFunction): AnyFunction =>
		(...args) => {
			names.add(currentOperation());
			return take(...args);
		};
	const noted = Object.fromEntries(Object.entries(kernels).map(([name, kernel]) => [name, noting(kernel)]));
	Object.assign(cpuBackend, { allocate: noting(allocate), upload: noting(upload), kernels: noted });
	try {
		fn();
	} finally {
		Object.assign(cpuBackend, { allocate, upload, kernels });
	}
	return [...names];
}

function requireNames(names: readonly string[], isRight: (name: string) => boolean, what: string): void {
	const wrong = names.filter((name) => !isRight(name));
	if (wrong.length > 0) throw new Error(`${what} works as ${wrong.map((name) => `'${name}'`).join(', ')}`);
}

/** Operations that the samples' calls use in addition. */
const BESIDES: Readonly<Record<string, string>> = { batchNorm: 'clone', instanceNorm: 'clone', ctcLoss: 'logSoftmax' };

// A layer works under the names of its parts: parameters, products, steps.
for (const entry of entries.filter(({ name }) => !name.startsWith('nn.'))) {
	test(entry.name, () => {
		for (const sample of entry.samples) {
			const options = sample.options ?? {};
			const given = makeInputs(entry, sample, 'cpu');
			const inputs = entry.steps?.prepare(given, options) ?? given;
			const names = namesDuring(() => (entry.steps ?? entry).call(inputs, options));
			requireNames(names, (name) => [entry.name, BESIDES[entry.name]].includes(name), `'${sample.label}'`);
		}
	});
}

for (const entry of entries) {
	const sample = entry.samples.find(({ gradient }) => gradient !== false);
	if (sample === undefined) continue;
	test(`${entry.name} backward`, () => {
		const inputs = makeInputs(entry, sample, 'cpu');
		const wanted = inputs.filter((x, i) => x.dtype.startsWith('float') && sample.inputs[i]!.gradient !== false);
		for (const x of wanted) if (x.isLeaf) x.requiresGrad_();
		const result = entry.call(inputs, sample.options ?? {});
		for (const y of [result].flat()) {
			if (!(y instanceof Tensor) || !y.requiresGrad) continue;
			const names = namesDuring(() => {
				y.backward(y.size === 1 ? undefined : y.detach(), { retainGraph: true });
			});
			requireNames(names, (name) => name === 'backward' || name.endsWith(' backward'), `'${sample.label}'`);
		}
	});
}

const failure = new Error('on purpose');
const fail = (): never => {
	throw failure;
};

test('no name outlives its operation, however that ends', async () => {
	const x = full([2], 3, { requiresGrad: true });
	const failing = customOp({
		name: 'failing',
		forward: (_, x: Tensor) => (x.size > 0 ? fail() : x),
		backward: (_, gradient) => gradient,
	});
	const failsBack = customOp({ name: 'failsBack', forward: (_, x: Tensor) => x.exp(), backward: fail });
	const late = customOp({
		name: 'late',
		forward: (async () => x) as unknown as (_: unknown, x: Tensor) => Tensor,
		backward: fail,
	});
	const ends = {
		'throws forward': () => failing(x),
		'throws backward': () => failsBack(x).sum().backward(),
		'throws in a tidy': () => tidy(() => failing(x)),
		'is async': () => late(x),
		'is refused': () => x.matmul(ones([3, 3])),
		'is walked twice': () => {
			const y = x.exp().sum();
			y.backward();
			y.backward();
		},
		'throws again in a checkpoint': () => {
			let runs = 0;
			const again = (x: Tensor) => (runs++ === 0 ? x.exp() : fail());
			checkpoint(again, x).sum().backward();
		},
	};
	for (const [name, call] of Object.entries(ends)) {
		assert.throws(call, () => true, name);
		assert.is(currentOperation(), '', name);
		assert.equal(
			namesDuring(() => zeros([2])),
			['zeros'],
			name,
		);
	}
	const reading = x.narrow(0, 1, 1).data();
	assert.is(currentOperation(), '', 'while a read waits');
	await reading;
});

test("a user's function works under the names that its user expects", () => {
	const x = full([2], 3, { requiresGrad: true });
	const cube = customOp({
		name: 'cube',
		forward: (context, x: Tensor) => {
			context.saveForBackward(x);
			const slope = x.square();
			// A walk within an operation is a part of it.
			const inner = slope.detach().requiresGrad_();
			enableGrad(() => grad([inner.exp().sum()], [inner]));
			return slope.mul(x);
		},
		backward: (context, gradient) => gradient.mul(context.saved[0]!.square()).mul(3),
	});
	let y = x;
	const forward = namesDuring(() => {
		y = cube(x);
	});
	assert.equal(forward, ['cube'], 'forward');
	y.registerHook((gradient) => {
		assert.equal(
			namesDuring(() => gradient.mul(2)),
			['mul'],
			'a hook',
		);
	});
	const one = ones([2]);
	assert.equal(
		namesDuring(() => y.backward(one)),
		['mul', 'cube backward'],
		'backward, with the hook',
	);
	const optimizer = new optim.SGD([x], { lr: 0.1 });
	const closure = () =>
		assert.equal(
			namesDuring(() => zeros([2])),
			['zeros'],
			'a closure',
		);
	assert.ok(namesDuring(() => optimizer.step(closure)).includes('SGD.step'));
});

test.run();
