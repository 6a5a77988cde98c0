/** What calls of a compiled function return and leave behind, when they are recorded again, and when they run as usual. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	autocast,
	type Compiled,
	compile,
	counters,
	customOp,
	detectAnomaly,
	init,
	keep,
	manualSeed,
	memory,
	mseLoss,
	nn,
	noGrad,
	ones,
	optim,
	profile,
	rand,
	shutdown,
	sync,
	Tensor,
	tensor,
	tidy,
	zeros,
} from 'wgrad';
import { untilFused } from './fused';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

const numbers = async (x: Tensor) => [...(await x.data())];

/** Runs `fn` and returns what it warns. */
async function warnings(fn: () => void | Promise<void>): Promise<string[]> {
	const told: string[] = [];
	const { warn } = console;
	console.warn = (message: string) => void told.push(message);
	try {
		await fn();
	} finally {
		console.warn = warn;
	}
	return told;
}

test('results are new tensors in arrays and objects; numbers in the arguments are data', async () => {
	const f = compile((pair: readonly Tensor[], options: { readonly factor: Tensor }, name: string) => {
		const sum = pair[0]!.add(pair[1]!);
		return { name, values: [sum, sum.mul(options.factor)], first: pair[0]! };
	});
	const results = [];
	for (let i = 0; i < 5; i++) {
		const pair = [tensor([i, 1]), tensor([2, i])];
		const result = f(pair, { factor: i as never }, 'a');
		assert.is(result.first, pair[0]);
		assert.is(result.name, 'a');
		results.push(result);
	}
	assert.equal([f.report().recorded, f.report().replayed], [2, 3]);
	for (const [i, { values }] of results.entries()) {
		assert.equal(await numbers(values[0]!), [i + 2, 1 + i]);
		assert.equal(await numbers(values[1]!), [(i + 2) * i, (1 + i) * i]);
	}
	assert.is(f([ones([2]), ones([2])], { factor: 1 as never }, 'b').name, 'b');
	assert.is(f.report().recorded, 3);
});

test('random numbers are those of the function, and its generator advances as much', async () => {
	const draw = () =>
		rand([3])
			.add(nn.init.normal_(zeros([3])).mul(0))
			.sub(rand([3]));
	const run = async (fn: () => Tensor) => {
		manualSeed(5);
		const made = Array.from({ length: 5 }, () => fn());
		return [...(await Promise.all(made.map(numbers))), await numbers(rand([2]))];
	};
	const f = compile(draw);
	assert.equal(await run(f), await run(() => tidy(draw)));
	assert.is(f.report().replayed, 3);
});

test('a write into an argument or into a tensor from outside counts as a write', async () => {
	const total = zeros([2]);
	const f = compile((x: Tensor) => {
		total.add_(x);
		x.mul_(2);
	});
	for (let i = 0; i < 4; i++) {
		using x = ones([2]);
		const before = [x.storage.version, total.storage.version];
		f(x);
		assert.equal([x.storage.version, total.storage.version], [before[0]! + 1, before[1]! + 1]);
		assert.equal(await numbers(x), [2, 2]);
	}
	assert.equal(await numbers(total), [4, 4]);
	assert.is(f.report().replayed, 2);
	const weight = ones([2], { requiresGrad: true });
	const square = weight.mul(total).mul(total).sum();
	f(ones([2]));
	assert.throws(() => square.backward(), /overwritten/);
});

test('modes, frozen parameters, new memory and other hooks are found', async () => {
	const model = new nn.Sequential(new nn.Linear(3, 3), new nn.Dropout(0.5));
	const f = compile((x: Tensor) => {
		model.zeroGrad();
		const y = model.forward(x);
		y.sum().backward();
		return y.detach();
	});
	const x = rand([2, 3]);
	const run = async (times: number) => {
		const expected: number[][] = [];
		const found: number[][] = [];
		for (const [fn, list] of [
			[() => tidy(() => model.forward(x).detach()), expected],
			[() => f(x), found],
		] as const) {
			manualSeed(1);
			for (let i = 0; i < times; i++) list.push(await numbers(fn()));
		}
		assert.equal(found, expected);
	};
	await run(4);
	assert.is(f.report().recorded, 2);
	model.eval();
	await run(4);
	assert.is(f.report().recorded, 4);
	model.train();
	await run(2);
	assert.is(f.report().recorded, 4);
	const [weight, bias] = model.parameters() as [Tensor, Tensor];
	weight.requiresGrad_(false);
	await run(3);
	assert.is(f.report().recorded, 6);
	assert.is(weight.grad, null);
	assert.is.not(bias.grad, null);
	noGrad(() => weight.adopt(rand([3, 3])));
	await run(3);
	assert.is(f.report().recorded, 8);
	const seen: number[][] = [];
	const hook = model.registerForwardHook((_, [input]) => void seen.push((input as Tensor).shape as number[]));
	await run(1);
	hook.remove();
	assert.is(seen.length, 2);
	assert.is(f.report().reason, null);
});

test('gradients are tensors as after the function: new, kept, and with their values', async () => {
	const weight = keep(ones([2], { requiresGrad: true }));
	const f = compile((x: Tensor) => {
		weight.grad = null;
		weight.mul(x).sum().backward();
	});
	const seen: Tensor[] = [];
	for (let i = 0; i < 4; i++) {
		tidy(() => f(tensor([i, 2 * i])));
		seen.push(weight.grad!);
	}
	assert.is(f.report().replayed, 2);
	for (const [i, gradient] of seen.entries()) assert.equal(await numbers(gradient), [i, 2 * i]);
	const g = compile((x: Tensor) => x.square().sum().backward());
	for (let i = 1; i < 5; i++) {
		using leaf = tensor([i], { requiresGrad: true });
		g(leaf);
		assert.equal(await numbers(leaf.grad!), [2 * i]);
	}
	assert.is(g.report().replayed, 2);
});

test('a customOp, and a function of a tensor that shares memory with an argument', async () => {
	const cube = customOp({
		name: 'cube',
		forward: (context, x: Tensor) => {
			context.saveForBackward(x);
			return x.mul(x).mul(x);
		},
		backward: (context, gradient) => gradient.mul(context.saved[0]!.square()).mul(3),
	});
	const data = tensor([1, 2, 3, 4]);
	const f = compile((x: Tensor) => {
		const leaf = x.detach().requiresGrad_();
		cube(leaf).sum().backward();
		return leaf.grad!.add(data.narrow(0, 0, 2));
	});
	for (let i = 0; i < 4; i++) assert.equal(await numbers(f(data.narrow(0, 2, 2))), [28, 50]);
	assert.is(f.report().replayed, 2);
	// The same signature with other memory.
	assert.equal(await numbers(f(tensor([0, 0, 1, 2]).narrow(0, 2, 2))), [4, 14]);
});

test('what cannot be replayed runs as usual, with one warning that names the reason', async () => {
	const x = ones([2]);
	let calls = 0;
	const made: Tensor[] = [];
	const outside = ones([2], { requiresGrad: true }).mul(2);
	const cases: Readonly<Record<string, readonly [fn: (x: Tensor) => unknown, reason: RegExp]>> = {
		'a readback': [(y) => void y.sum().item(), /reads a tensor back/],
		'a number that changes': [(y) => y.mul(++calls), /of 'mul', has another value of its parameter 's/],
		'a launch that comes and goes': [(y) => (++calls % 2 === 0 ? y.neg() : y.neg().neg()), /launch/],
		'numbers of the host that change': [(y) => y.add(tensor([++calls, 1])), /uploads other numbers/],
		'a tensor that stays': [(y) => void made.push(keep(y.add(1))), /keeps a tensor/],
		'a tensor on the CPU': [(y) => y.add(tensor([1]).to('webgpu')).add(ones([2], { device: 'cpu' }).to('webgpu')), /CPU/],
		'a result with a graph': [(y) => y.mul(outside.detach().requiresGrad_()), /requires a gradient/],
		'a graph from outside': [(y) => y.mul(outside).sum().detach(), /graph that was recorded outside/],
		'a hook': [
			(y) => {
				const leaf = y.detach().requiresGrad_();
				leaf.registerHook((gradient) => gradient.mul(2));
				leaf.sum().backward();
			},
			/hook/,
		],
		'a seed': [
			() => {
				manualSeed(1);
				return rand([2]);
			},
			/seeds the random numbers/,
		],
		'an object': [() => new Map(), /returns a Map/],
	};
	for (const [name, [fn, reason]] of Object.entries(cases)) {
		const told = await warnings(async () => {
			const f = compile(fn);
			for (let i = 0; i < 12; i++) await f(x);
			assert.is(f.report().replayed, 0, name);
			assert.ok(f.report().eager > 0, name);
		});
		assert.is(told.length, 1, `${name}: ${told}`);
		assert.match(told[0]!, reason, name);
	}
	for (const tensor of made) tensor.dispose();
	const told = await warnings(async () => {
		const f = compile((y: Tensor) => y.exp());
		for (let i = 0; i < 4; i++) autocast(() => f(x));
	});
	assert.match(told.join(), /within autocast/);
});

test('a value of the host that changes later is found by a check, and told', async () => {
	let factor = 2;
	let isOn = false;
	const x = ones([2]);
	const cases = [(y: Tensor) => y.mul(factor), (y: Tensor) => (isOn ? y.neg() : y.neg().neg()), (y: Tensor) => y.mul(2)];
	const told = await warnings(async () => {
		const [byFactor, bySwitch, steady] = cases.map((fn) => compile(fn)) as [
			Compiled<[Tensor], Tensor>,
			...Compiled<[Tensor], Tensor>[],
		];
		for (let i = 0; i < 60; i++) {
			if (i === 30) [factor, isOn] = [3, true];
			for (const f of [byFactor, bySwitch!, steady!]) f(x).dispose();
		}
		assert.equal([steady!.report().checked, steady!.report().eager, steady!.report().reason], [2, 0, null]);
		for (const f of [byFactor, bySwitch!]) {
			assert.equal([f.report().checked, f.report().plans], [2, []]);
			assert.match(f.report().reason!, /something else than the calls replayed before it: launch 1|it launches 1/);
		}
		assert.equal(await numbers(byFactor(x)), [3, 3]);
	});
	assert.is(told.length, 2);
	assert.match(told[0]!, /another value of its parameter/);
});

test('Math.random() in the function, which may choose the same in the first calls', async () => {
	const { random } = Math;
	const told = await warnings(async () => {
		const f = compile((x: Tensor) => (Math.random() < 2 ? x.neg() : x));
		for (let i = 0; i < 8; i++) f(ones([1])).dispose();
		assert.is(f.report().replayed, 0);
	});
	assert.match(told.join(), /calls Math.random\(\)/);
	assert.is(Math.random, random);
});

test('a bounded number of signatures, and one warning if there are too many', async () => {
	const f = compile((x: Tensor) => x.mul(2), { signatures: 2 });
	const told = await warnings(() => {
		for (let round = 0; round < 6; round++) for (let n = 1; n < 5; n++) f(ones([n])).dispose();
	});
	assert.is(told.length, 1);
	assert.match(told[0]!, /more than 2 signatures/);
	assert.ok(f.report().plans.length <= 2);
});

test('an async function is refused', () => {
	assert.throws(() => compile(async (x: Tensor) => x.add(1))(ones([1])), /compile: the function must not be async/);
});

test('an error in the function reaches the caller, and the next call is recorded', async () => {
	let fails = true;
	const f = compile((x: Tensor) => {
		if (fails) throw new Error('mine');
		return x.add(1);
	});
	assert.throws(() => f(ones([1])), /mine/);
	fails = false;
	for (let i = 0; i < 3; i++) assert.equal(await numbers(f(ones([1]))), [2]);
});

test('replays leave no tensors and no memory behind, hold none between calls, and count as launches', async () => {
	const model = new nn.Linear(64, 64);
	const optimizer = new optim.Adam(model.parameters());
	const step = compile((x: Tensor) => {
		optimizer.zeroGrad();
		const loss = mseLoss(model.forward(x), x);
		loss.backward();
		optimizer.step();
		return loss.detach();
	});
	const x = rand([16, 64]);
	const run = () => step(x).dispose();
	for (let i = 0; i < 4; i++) run();
	await untilFused(step);
	for (let i = 0; i < 2; i++) run();
	await sync();
	const [held, before] = [memory(), counters()];
	for (let i = 0; i < 10; i++) run();
	await sync();
	const [after, end] = [memory(), counters()];
	assert.is(after.tensors, held.tensors);
	assert.equal(after.gpu, held.gpu);
	const each = (end.launches - before.launches) / 10;
	const rows = await profile(() => run());
	assert.is(
		rows.rows.reduce((sum, { launches }) => sum + launches, 0),
		each,
	);
	assert.ok(rows.rows.some(({ operation }) => operation.split(', ').includes('linear')));
	await detectAnomaly(() => run());
	assert.is(step.report().eager, 1);
	step.dispose();
	run();
	assert.equal([step.report().eager, step.report().plans], [2, []]);
});

test('indices out of range are reported by a replay too', async () => {
	const table = rand([4, 2]);
	const f = compile((indices: Tensor) => table.indexSelect(0, indices));
	for (let i = 0; i < 3; i++) await f(tensor([i], { dtype: 'int32' })).data();
	const bad = f(tensor([9], { dtype: 'int32' }));
	let error: unknown;
	await bad.data().catch((reason: unknown) => {
		error = reason;
	});
	assert.match(String(error), /index 9/);
	assert.is(f.report().replayed, 2);
});

test('a lost device is told, and the next one works', async () => {
	const weight = keep(ones([2]));
	const f = compile((x: Tensor) => x.mul(weight));
	for (let i = 0; i < 3; i++) f(ones([2]));
	await shutdown();
	await init({ device: 'webgpu' });
	assert.throws(() => f(ones([2])), /lost|shut down/);
	weight.copy_(ones([2]).mul(3));
	for (let i = 0; i < 4; i++) assert.equal(await numbers(f(ones([2]))), [3, 3]);
	assert.ok(f.report().replayed >= 2);
	assert.instance(weight, Tensor);
});

test('on the CPU all calls run as usual, without a warning', async () => {
	const f = compile((x: Tensor) => x.mul(2));
	const told = await warnings(async () => {
		for (let i = 0; i < 4; i++) assert.equal(await numbers(f(ones([2], { device: 'cpu' }))), [2, 2]);
	});
	assert.equal(told, []);
	assert.is(f.report().replayed, 0);
});

test.run();
