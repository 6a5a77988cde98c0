/** Optimizers against PyTorch's trajectories in float64, against composed forms, and through their state dicts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { full, memory, noGrad, ones, optim, type Tensor, tensor, tidy, zeros } from 'wgrad';
import golden from '../golden/optim.json';
import { requireClose } from '../proofs/compare';
import { descend, flat, lbfgs, OPTIMIZERS, problem, trajectory } from './problem';

const EXACT = { relative: 1e-10, absolute: 1e-12 };

for (const [name, states] of Object.entries(golden.optimizers)) {
	test(`30 steps by ${name} follow PyTorch's`, async () => {
		requireClose(name, (await trajectory(name, 'cpu', 'float64')).flat(), states.flat(), EXACT);
	});
}

const SEARCHES = {
	fixed: { lr: 0.5, maxIter: 4 },
	strongWolfe: { maxIter: 6, historySize: 3, lineSearchFn: 'strongWolfe' },
	far: { lr: 30, maxIter: 6, lineSearchFn: 'strongWolfe' },
} as const;

for (const [name, options] of Object.entries(SEARCHES)) {
	test(`L-BFGS (${name}) follows PyTorch's, with as many evaluations`, async () => {
		const expected = golden.lbfgs[name as keyof typeof SEARCHES];
		const { losses, states, evaluations } = await lbfgs(options, 'cpu', 'float64');
		assert.is(evaluations, expected.evaluations);
		// Differences of nearly equal gradients steer the direction: rounding grows from step to step.
		requireClose('losses', losses, expected.losses, { relative: 1e-9, absolute: 1e-12 });
		requireClose('parameters', states.flat(), expected.states.flat(), { relative: 1e-7, absolute: 1e-8 });
	});
}

test('L-BFGS needs an async closure and a single group', async () => {
	const { params } = problem('cpu', 'float64');
	const optimizer = new optim.LBFGS(params);
	assert.throws(() => optimizer.step(), /LBFGS.step: it needs an async closure/);
	let message = '';
	await (optimizer.step(() => 1) as unknown as Promise<number>).catch((error) => {
		message = error.message;
	});
	assert.match(message, /the closure must be async/);
	assert.throws(() => new optim.LBFGS(params.map((param) => ({ params: [param] }))), /one group/);
});

test('L-BFGS minimises the given penalties, too', async () => {
	const x = tensor([3, -2], { dtype: 'float64', requiresGrad: true, device: 'cpu' });
	const optimizer = new optim.LBFGS([x], { weightDecay: 2, lineSearchFn: 'strongWolfe' });
	await optimizer.step(async () => {
		optimizer.zeroGrad();
		const loss = x.sub(4).square().sum();
		loss.backward();
		return loss.item();
	});
	// The minimum of (x - 4)^2 + x^2 is at 2.
	requireClose('x', await x.data(), [2, 2], { relative: 1e-6, absolute: 0 });
});

test('L-BFGS leaks nothing once its history is full', async () => {
	for (const lineSearchFn of [null, 'strongWolfe'] as const) {
		const x = tensor([3, -2, 1], { dtype: 'float64', requiresGrad: true });
		const optimizer = new optim.LBFGS([x], { lr: 0.1, maxIter: 3, historySize: 2, l1: 0.01, lineSearchFn });
		const counts: number[] = [];
		for (let step = 0; step < 7; step++) {
			await optimizer.step(async () => {
				optimizer.zeroGrad();
				const loss = tidy(() => {
					const sum = x.square().square().sum();
					sum.backward();
					return sum.detach();
				});
				const value = await loss.item();
				loss.dispose();
				return value;
			});
			counts.push(memory().tensors);
		}
		// The collector may free tensors of earlier tests in between.
		assert.ok(counts[6]! <= counts[3]!, `${lineSearchFn}: ${counts}`);
	}
});

test('an L-BFGS state saved half way gives the same result', async () => {
	const options = { maxIter: 3, historySize: 3, lineSearchFn: 'strongWolfe' } as const;
	const whole = await lbfgs(options, 'cpu', 'float64', 4);
	const half = await lbfgs(options, 'cpu', 'float64', 2);
	const resumed = problem('cpu', 'float64');
	noGrad(() => {
		let offset = 0;
		const values = half.states.at(-1)!;
		for (const param of resumed.params) {
			param.copy_(tensor(values.slice(offset, offset + param.size), { shape: param.shape, dtype: 'float64', device: 'cpu' }));
			offset += param.size;
		}
	});
	const optimizer = new optim.LBFGS(resumed.params);
	optimizer.loadStateDict(half.optimizer.stateDict());
	for (let step = 0; step < 2; step++) {
		await optimizer.step(async () => {
			optimizer.zeroGrad();
			const value = resumed.loss();
			value.backward();
			return value;
		});
	}
	assert.equal(await flat(resumed.params), whole.states.at(-1));
});

const MORE: typeof OPTIMIZERS = {
	...OPTIMIZERS,
	lion: (p) => new optim.Lion(p, { lr: 0.01, weightDecay: 0.1 }),
	'nadam decoupled': (p) => new optim.NAdam(p, { lr: 0.02, weightDecay: 0.1, decoupledWeightDecay: true }),
	muon: (p) => new optim.Muon([...p].slice(0, 1), { lr: 0.02 }),
};

for (const [name, make] of Object.entries(MORE)) {
	test(`a state of ${name} saved half way gives the same result`, async () => {
		const [whole, half, resumed] = [problem('cpu', 'float64'), problem('cpu', 'float64'), problem('cpu', 'float64')];
		descend(whole, make(whole.params), 12);
		const first = make(half.params);
		descend(half, first, 7);
		noGrad(() => resumed.params.map((param, i) => param.copy_(half.params[i]!)));
		const second = make(resumed.params);
		second.loadStateDict(first.stateDict());
		descend(resumed, second, 5);
		assert.equal(await flat(resumed.params), await flat(whole.params));
	});
}

/** Lion's step and decay for one element, computed by hand as in the paper. */
test('Lion steps along the sign of a mean, with decay of the parameter', async () => {
	const x = tensor([0.5, -2, 3], { dtype: 'float64', requiresGrad: true, device: 'cpu' });
	const optimizer = new optim.Lion([x], { lr: 0.1, betas: [0.8, 0.6], weightDecay: 0.3, l1: 0.05 });
	let [p, m] = [
		[0.5, -2, 3],
		[0, 0, 0],
	];
	for (let step = 0; step < 6; step++) {
		optimizer.zeroGrad();
		x.pow(3).sub(x).sum().backward();
		optimizer.step();
		const g = p.map((v) => 3 * v * v - 1 + 0.05 * Math.sign(v));
		const direction = g.map((v, i) => Math.sign(0.8 * m[i]! + 0.2 * v));
		m = g.map((v, i) => 0.6 * m[i]! + 0.4 * v);
		p = p.map((v, i) => v - 0.1 * (direction[i]! + 0.3 * v));
	}
	requireClose('x', await x.data(), p, EXACT);
});

/** The product of a and b, in plain loops. */
function product(a: number[][], b: number[][]): number[][] {
	return a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));
}

for (const [rows, columns] of [
	[3, 5],
	[6, 2],
] as const) {
	test(`Muon orthogonalises the direction of a ${rows} x ${columns} matrix`, async () => {
		const start = Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => Math.sin(3 * i + 7 * j + 1)));
		const gradient = start.map((row, i) => row.map((value, j) => Math.cos(5 * i + 2 * j) + value));
		const weight = tensor(start, { dtype: 'float64', requiresGrad: true, device: 'cpu' });
		const optimizer = new optim.Muon([weight], { lr: 0.1, weightDecay: 0.2, momentum: 0.9 });
		weight
			.mul(tensor(gradient, { dtype: 'float64', device: 'cpu' }))
			.sum()
			.backward();
		optimizer.step();
		// With a buffer of zeros, the lookahead of Nesterov's form is a multiple of the gradient; the norm divides the factor out.
		const length = Math.sqrt(gradient.flat().reduce((sum, value) => sum + value * value, 0));
		let x = gradient.map((row) => row.map((value) => value / length));
		for (let i = 0; i < 5; i++) {
			const gram = product(
				x,
				x[0]!.map((_, j) => x.map((row) => row[j]!)),
			);
			const [first, second] = [product(gram, x), product(gram, product(gram, x))];
			x = x.map((row, i) => row.map((value, j) => 3.4445 * value - 4.775 * first[i]![j]! + 2.0315 * second[i]![j]!));
		}
		const factor = 0.1 * Math.sqrt(Math.max(1, rows / columns));
		const expected = start.map((row, i) => row.map((value, j) => value * (1 - 0.1 * 0.2) - factor * x[i]![j]!));
		requireClose('weight', await weight.data(), expected.flat(), EXACT);
	});
}

test('Muon rejects parameters that are not matrices', () => {
	assert.throws(() => new optim.Muon([zeros([3])]), /Muon: it takes matrices, not a parameter of shape \[3\]/);
});

test('decoupled decay acts only on the parameter', async () => {
	for (const make of [optim.NAdam, optim.RAdam]) {
		const [a, b] = [problem('cpu', 'float64'), problem('cpu', 'float64')];
		const options = { lr: 0.1, weightDecay: 0.5 };
		descend(a, new make(a.params, { ...options, decoupledWeightDecay: true }), 1);
		descend(b, new make(b.params, { lr: 0.1 }), 1);
		const start = await flat(problem('cpu', 'float64').params);
		const plain = await flat(b.params);
		requireClose(
			make.name,
			await flat(a.params),
			plain.map((value, i) => value - 0.05 * start[i]!),
			EXACT,
		);
	}
});

test('errors name the options out of range', () => {
	const params = [zeros([2])];
	assert.throws(() => new optim.RMSprop(params, { alpha: -1 }), /RMSprop: alpha must be at least 0, not -1/);
	assert.throws(() => new optim.Adadelta(params, { rho: 1.5 }), /Adadelta: rho must lie in \[0, 1\]/);
	assert.throws(() => new optim.NAdam(params, { betas: [1, 0.9] }), /NAdam: betas must lie in \[0, 1\), not 1/);
	assert.throws(() => new optim.Adagrad(params, { lr: -1 }), /Adagrad: lr must be at least 0/);
});

test('the state of another kind of optimizer throws', () => {
	const kinds: typeof OPTIMIZERS = {
		...MORE,
		sgd: (p: Iterable<Tensor>) => new optim.SGD(p, { momentum: 0.9 }),
		adam: (p: Iterable<Tensor>) => new optim.Adam(p),
	};
	const made = Object.values(kinds).map((make) => {
		const place = problem('cpu', 'float64');
		const optimizer = make(place.params);
		descend(place, optimizer, 1);
		return optimizer;
	});
	const message = /^(\w+)\.loadStateDict: the state belongs to another kind of optimizer: its group 0 (has|lacks) /;
	for (const from of made) {
		for (const to of made) {
			if (from.constructor === to.constructor) to.loadStateDict(from.stateDict());
			else if (from instanceof optim.Muon || to instanceof optim.Muon)
				assert.throws(() => to.loadStateDict(from.stateDict()), /loadStateDict: the state has groups of/);
			else assert.throws(() => to.loadStateDict(from.stateDict()), message);
		}
	}
	assert.throws(
		() => made[0]!.loadStateDict({} as never),
		/loadStateDict: the state is damaged or belongs to another object: state is missing/,
	);
});

test("a state's options and tensors must fit", () => {
	const place = problem('cpu', 'float64');
	const optimizer = new optim.Adam(place.params);
	descend(place, optimizer, 1);
	const { state, paramGroups } = optimizer.stateDict();
	const wrong = (own: optim.ParamState) => () =>
		optimizer.loadStateDict({ state: { ...state, 0: { ...state[0], ...own } }, paramGroups });
	assert.throws(wrong({ expAvg: zeros([3]) }), /'expAvg' of parameter 0 has shape \[3\], the parameter \[3,5\]/);
	assert.throws(wrong({ step: zeros([2]) }), /'step' of parameter 0 is neither a number nor a tensor of one element/);
	assert.throws(wrong({ step: full([], 1.5) }), /'step' of parameter 0 is 1.5, which is not a number of steps/);
	wrong({ step: zeros([]) })();
	assert.is(optimizer.stateDict().state[0]!.step, 0);
	assert.throws(
		() => new optim.Adam(place.params.map((param) => ({ params: [param] }))).loadStateDict({ state, paramGroups }),
		/the state has groups of 2 parameters, but the optimizer has 1, 1/,
	);
});

test('AdamW takes the state and the options of Adam, including amsgrad, as in PyTorch', async () => {
	const [first, second] = [problem('cpu', 'float64'), problem('cpu', 'float64')];
	const options = { lr: 0.01, weightDecay: 0 };
	const adam = new optim.Adam(first.params, { ...options, amsgrad: true });
	descend(first, adam, 3);
	const adamW = new optim.AdamW(second.params, { lr: 1 });
	adamW.loadStateDict(adam.stateDict());
	noGrad(() => second.params.map((param, i) => param.copy_(first.params[i]!)));
	descend(first, adam, 3);
	descend(second, adamW, 3);
	assert.equal(await flat(second.params), await flat(first.params));
});

test('EMA averages, swaps in and out exactly, copies, and saves', async () => {
	const weight = ones([3], { dtype: 'float64', device: 'cpu' });
	const ema = new optim.EMA([weight], { decay: 0.5 });
	noGrad(() => weight.fill_(3));
	ema.update();
	noGrad(() => weight.fill_(7));
	ema.update();
	assert.equal(Array.from(await ema.averages[0]!.data()), [4.5, 4.5, 4.5]);
	ema.swap();
	assert.equal(Array.from(await weight.data()), [4.5, 4.5, 4.5]);
	assert.throws(() => ema.update(), /swap/);
	ema.swap();
	assert.equal(Array.from(await weight.data()), [7, 7, 7]);
	const other = new optim.EMA([weight], { decay: 0.5 });
	other.loadStateDict(ema.stateDict());
	other.copyTo();
	assert.equal(Array.from(await weight.data()), [4.5, 4.5, 4.5]);
	const warm = new optim.EMA([weight], { decay: 0.999, warmup: true });
	noGrad(() => weight.fill_(0));
	warm.update();
	requireClose('warm-up', await warm.averages[0]!.data(), [0.45, 0.45, 0.45], EXACT);
});

test.run();
