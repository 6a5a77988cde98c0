/** Fusion under `compile`: which launches join, and that the fused kernels give the bits of the single ones. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	type Compiled,
	type CompileReport,
	compile,
	conv2d,
	counters,
	dropout,
	enableGrad,
	gelu,
	grad,
	init,
	layerNorm,
	manualSeed,
	matmul,
	maxPool2d,
	noGrad,
	rand,
	relu,
	shutdown,
	type Tensor,
	tidy,
	zeros,
} from 'wgrad';
import { untilFused } from './fused';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

type Body = (x: Tensor, y: Tensor) => Tensor | readonly Tensor[];

const listed = (result: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(result) ? result : [result as Tensor]);

async function bits(tensors: readonly Tensor[]): Promise<number[][]> {
	return Promise.all(tensors.map(async (tensor) => [...new Uint8Array((await tensor.data()).slice().buffer)]));
}

/** Runs a function as usual and fused, with other inputs than it was recorded with, and returns the report. */
async function requireSame(body: Body, shape = [6, 8], others = shape): Promise<CompileReport['plans'][number]> {
	const inputs = (seed: number): [Tensor, Tensor] => {
		manualSeed(seed);
		return [rand(shape).sub(0.5), rand(others).sub(0.5)];
	};
	const run = (fn: Body | Compiled<[Tensor, Tensor], Tensor | readonly Tensor[]>, seed: number) => fn(...inputs(seed));
	const f = compile((x: Tensor, y: Tensor) => noGrad(() => body(x, y)), { fuse: true });
	for (let i = 0; i < 2; i++) run(f, i);
	await untilFused(f);
	for (let i = 2; i < 4; i++) {
		const usual = tidy(() => noGrad(() => run(body, i)));
		assert.equal(await bits(listed(run(f, i))), await bits(listed(usual)));
	}
	const { reason, replayed, plans } = f.report();
	assert.equal([reason, replayed], [null, 2]);
	return plans[0]!;
}

test('a chain of 1,000 operations is one launch without temporaries', async () => {
	const { launches, eagerLaunches, temporaryBytes } = await requireSame((x) => {
		let y = x;
		for (let i = 0; i < 1000; i++) y = y.add(1);
		return y;
	});
	assert.equal([launches, eagerLaunches, temporaryBytes], [1, 1000, 0]);
});

test('products are not contracted with sums', async () => {
	const { launches } = await requireSame((x, y) => x.mul(y).add(x).mul(1.1).sub(y.mul(y)).div(0.7).add(x.mul(0.3)), [64, 64]);
	assert.is(launches, 1);
});

const FUSED: Record<string, { body: Body; shapes?: [number[], number[]]; launches: number }> = {
	'inputs that repeat, along rows': { body: (x, y) => x.add(y).mul(y).tanh(), shapes: [[6, 8], [8]], launches: 1 },
	'inputs that repeat, along columns': {
		body: (x, y) => x.mul(y).add(y).exp(),
		shapes: [
			[6, 8],
			[6, 1],
		],
		launches: 1,
	},
	'sizes that are no multiple of 4': { body: (x, y) => x.add(y).mul(x).neg(), shapes: [[3, 5], [5]], launches: 1 },
	'transposed views': { body: (x, y) => x.transpose(0, 1).add(1).mul(y.transpose(0, 1)).abs().contiguous(), launches: 1 },
	'comparisons, casts and bools': {
		body: (x, y) => [x.gt(y).logicalOr(x.lt(0)).to('int32').add(2).to('uint8'), x.ge(y), x.mul(9).to('int32').bitwiseAnd(5)],
		launches: 1,
	},
	'dropout, which draws other numbers in each call': {
		body: (x, y) => dropout(dropout(x.add(y), { p: 0.5 }).mul(2), { p: 0.3 }).add(x),
		launches: 1,
	},
	'values that others read': {
		body: (x, y) => {
			const sum = x.add(y);
			return [sum, sum.mul(2).tanh(), sum.sum(0), sum.sub(1)];
		},
		launches: 2,
	},
	'writes in place': {
		body: (x, y) => {
			const z = x.clone();
			z.mul_(2).add_(y).mul_(z.mul(3));
			return z.add(1);
		},
		launches: 1,
	},
	'writes into views, read whole only afterwards': {
		body: (x, y) => {
			const z = x.clone();
			z.narrow(1, 1, 3)
				.mul_(2)
				.add_(y.narrow(1, 0, 3));
			return z.mul(z).add(1);
		},
		launches: 3,
	},
	'parts of one tensor': {
		body: (x, y) => {
			const z = zeros([6, 16]);
			z.narrow(1, 0, 8).copy_(x.add(1));
			z.narrow(1, 8, 8).copy_(y.mul(x));
			return z;
		},
		launches: 2,
	},
	'no operation that needs others of its result': {
		body: (x) => {
			const y = relu(x.add(1));
			return y.sub(y.mean()).mul(y.flip(0).mul(2));
		},
		launches: 3,
	},
};

for (const [name, { body, shapes, launches }] of Object.entries(FUSED)) {
	test(`fuses ${name}`, async () => {
		const plan = await requireSame(body, ...(shapes ?? []));
		assert.is(plan.launches, launches);
		assert.ok(plan.eagerLaunches > launches);
	});
}

const EPILOGUES: Record<string, { body: Body; shapes: [number[], number[]]; launches: number }> = {
	'a product, by quads': {
		body: (x, y) => gelu(matmul(x, y).add(x)).mul(y.select(0, 0)),
		shapes: [
			[8, 8],
			[8, 8],
		],
		launches: 1,
	},
	'a product, by elements': {
		body: (x, y) => dropout(relu(matmul(x, y)), { p: 0.4 }).add(x),
		shapes: [
			[5, 7],
			[7, 7],
		],
		launches: 1,
	},
	'a product that others read': {
		body: (x, y) => {
			const z = matmul(x, y);
			return [z, z.tanh(), z.transpose(0, 1).add(1)];
		},
		shapes: [
			[6, 6],
			[6, 6],
		],
		launches: 2,
	},
	'a convolution': {
		body: (x, y) => relu(conv2d(x, y, null, { padding: 1 })).mul(x),
		shapes: [
			[2, 4, 6, 5],
			[4, 4, 3, 3],
		],
		launches: 2,
	},
	// On processors with AVX-512, lavapipe got this wrong: see copySign in shaders/math.wgsl.ts.
	'a product, with a function of a sum of functions': {
		body: (x, y) => matmul(x, y).tanh().add(x).tanh(),
		shapes: [
			[3, 4],
			[4, 4],
		],
		launches: 1,
	},
	'a product in float16, whose results are rounded before the next operation': {
		body: (x, y) => {
			const [a, b] = [x.to('float16'), y.to('float16')];
			return gelu(matmul(a, b).add(a)).mul(b).sub(a.mul(b));
		},
		shapes: [
			[8, 8],
			[8, 8],
		],
		launches: 3,
	},
	'normalised rows': { body: (x, y) => layerNorm(x, [8]).mul(y).add(x), shapes: [[6, 8], [8]], launches: 1 },
};

for (const [name, { body, shapes, launches }] of Object.entries(EPILOGUES)) {
	test(`operations join ${name}`, async () => {
		const plan = await requireSame(body, ...shapes);
		assert.is(plan.launches, launches);
		assert.ok(plan.eagerLaunches > launches);
	});
}

test('the gradient of an activation joins the gradient of pooling and of a layer', async () => {
	const [weight, matrix] = [rand([3, 3, 3, 3]).sub(0.5), rand([27, 5]).sub(0.5)];
	const body: Body = (x) => {
		const input = x.detach().requiresGrad_();
		const hidden = maxPool2d(relu(conv2d(relu(input), weight)), 2);
		return grad(
			gelu(matmul(hidden.reshape([-1, 27]), matrix))
				.square()
				.sum(),
			[input],
		) as Tensor[];
	};
	const { launches, eagerLaunches } = await requireSame((x, y) => enableGrad(() => body(x, y)), [2, 3, 9, 9]);
	assert.ok(launches <= eagerLaunches - 5, `${launches} of ${eagerLaunches} launches`);
});

test('more outputs than a launch can bind become several launches', async () => {
	const { launches } = await requireSame((x, y) => {
		const outputs = [x.add(y)];
		for (let i = 0; i < 24; i++) outputs.push(outputs.at(-1)!.mul(0.9).add(i));
		return outputs;
	});
	assert.ok(launches > 1 && launches < 12, `${launches} launches`);
});

test('gradients add up in the kernel that makes them', async () => {
	const weight = rand([6, 8]).requiresGrad_();
	const step = (x: Tensor): Tensor => {
		weight.mul(x).tanh().sum().backward();
		return weight.grad!.detach().clone();
	};
	const f = compile(step, { fuse: true });
	for (let i = 0; i < 4; i++) f(rand([6, 8]));
	await untilFused(f);
	const [x, start] = [rand([6, 8]), rand([6, 8])];
	const reset = () => noGrad(() => weight.grad!.copy_(start));
	reset();
	const usual = await bits([step(x)]);
	reset();
	const before = counters().launches;
	const replayed = f(x);
	assert.is(counters().launches - before, f.report().plans[0]!.launches);
	assert.equal(
		f.report().plans.map(({ launches }) => launches),
		[3],
	);
	assert.equal(await bits([replayed]), usual);
});

test('without fuse launches stay', async () => {
	const f = compile((x: Tensor) => noGrad(() => x.add(1).mul(2)));
	for (let i = 0; i < 3; i++) f(rand([4]));
	assert.equal([f.report().plans[0]!.launches, f.report().plans[0]!.isCompiling], [2, false]);
	assert.throws(() => compile((x: Tensor) => x, { fuse: 1 as never }), /fuse/);
});

test.run();
