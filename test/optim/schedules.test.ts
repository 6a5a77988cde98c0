/** Schedules against PyTorch's sequences of 200 steps, uninterrupted and restored half way. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { optim, zeros } from 'wgrad';
import golden from '../golden/optim.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

const { lrScheduler } = optim;
const EPOCHS = 200;
const EXACT = { relative: 1e-9, absolute: 1e-15 };

type Groups = optim.Optimizer<optim.CommonOptions>;
type Make = (optimizer: Groups) => optim.lrScheduler.LRScheduler;

function optimizerOf(base: 'sgd' | 'adam'): Groups {
	const groups = [{ params: [zeros([1])] }, { params: [zeros([1])], lr: 0.02 }];
	return base === 'sgd' ? new optim.SGD(groups, { lr: 0.1, momentum: 0.9 }) : new optim.Adam(groups, { lr: 0.1 });
}

const SCHEDULES: Readonly<Record<string, { make: Make; base?: 'adam' }>> = {
	StepLR: { make: (o) => new lrScheduler.StepLR(o, 30) },
	MultiStepLR: { make: (o) => new lrScheduler.MultiStepLR(o, [20, 50, 50, 120], { gamma: 0.5 }) },
	ConstantLR: { make: (o) => new lrScheduler.ConstantLR(o, { factor: 0.25, totalIters: 40 }) },
	LinearLR: { make: (o) => new lrScheduler.LinearLR(o, { startFactor: 0.1, endFactor: 0.8, totalIters: 150 }) },
	ExponentialLR: { make: (o) => new lrScheduler.ExponentialLR(o, 0.97) },
	PolynomialLR: { make: (o) => new lrScheduler.PolynomialLR(o, { totalIters: 150, power: 2 }) },
	CosineAnnealingLR: { make: (o) => new lrScheduler.CosineAnnealingLR(o, 45, { etaMin: 0.001 }) },
	CosineAnnealingWarmRestarts: {
		make: (o) => new lrScheduler.CosineAnnealingWarmRestarts(o, 20, { tMult: 2, etaMin: 0.001 }),
	},
	OneCycleLR: { make: (o) => new lrScheduler.OneCycleLR(o, [0.5, 0.2], { totalSteps: 200 }) },
	'OneCycleLR linear, three phases': {
		base: 'adam',
		make: (o) =>
			new lrScheduler.OneCycleLR(o, 0.5, { epochs: 20, stepsPerEpoch: 10, annealStrategy: 'linear', threePhase: true }),
	},
	CyclicLR: { make: (o) => new lrScheduler.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 15, stepSizeDown: 25 }) },
	'CyclicLR triangular2': {
		make: (o) => new lrScheduler.CyclicLR(o, [0.01, 0.02], 0.1, { stepSizeUp: 20, mode: 'triangular2' }),
	},
	'CyclicLR exp_range': {
		make: (o) => new lrScheduler.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 20, mode: 'exp_range', gamma: 0.99 }),
	},
	LambdaLR: { make: (o) => new lrScheduler.LambdaLR(o, [(t) => 0.95 ** t, (t) => 1 / (1 + t)]) },
	MultiplicativeLR: { make: (o) => new lrScheduler.MultiplicativeLR(o, (t) => (t % 2 === 1 ? 0.95 : 1.01)) },
	SequentialLR: {
		make: (o) =>
			new lrScheduler.SequentialLR(
				o,
				[
					new lrScheduler.ConstantLR(o, { factor: 0.1, totalIters: 10 }),
					new lrScheduler.CosineAnnealingLR(o, 60),
					new lrScheduler.ExponentialLR(o, 0.95),
				],
				[10, 100],
			),
	},
	'SequentialLR after cycles': {
		make: (o) => {
			const cycles = new lrScheduler.CyclicLR(o, [0.01, 0.03], 0.2, { stepSizeUp: 5 });
			return new lrScheduler.SequentialLR(o, [cycles, new lrScheduler.CosineAnnealingLR(o, 60)], [20]);
		},
	},
	ChainedScheduler: {
		make: (o) =>
			new lrScheduler.ChainedScheduler([
				new lrScheduler.ConstantLR(o, { factor: 0.1, totalIters: 30 }),
				new lrScheduler.ExponentialLR(o, 0.98),
			]),
	},
	WarmupLR: {
		make: (o) => new lrScheduler.WarmupLR(o, 25, { startFactor: 0.001, after: new lrScheduler.CosineAnnealingLR(o, 175) }),
	},
};

interface Sequence {
	readonly first: readonly number[];
	readonly second: readonly number[];
	readonly momentum?: readonly number[];
}

function momentumOf(optimizer: Groups): number {
	const { momentum, betas } = optimizer.paramGroups[0] as { momentum?: number; betas?: readonly number[] };
	return betas?.[0] ?? momentum ?? Number.NaN;
}

for (const [name, { make, base = 'sgd' }] of Object.entries(SCHEDULES)) {
	const expected = golden.schedules[name as keyof typeof golden.schedules] as Sequence;

	test(`${name} gives PyTorch's 200 rates`, () => {
		const optimizer = optimizerOf(base);
		const scheduler = make(optimizer);
		const [first, second, momentum]: number[][] = [[], [], []];
		for (let epoch = 0; epoch < EPOCHS; epoch++) {
			const [a, b] = scheduler.getLastLr();
			first!.push(a!);
			if (epoch % 25 === 0) second!.push(b!);
			if (epoch % 5 === 0) momentum!.push(momentumOf(optimizer));
			scheduler.step();
		}
		requireClose('first group', first!, expected.first, EXACT);
		requireClose('second group', second!, expected.second, EXACT);
		if (expected.momentum !== undefined) requireClose('momentum', momentum!, expected.momentum, EXACT);
	});

	test(`${name}, restored half way, gives the same remaining rates`, () => {
		const whole = make(optimizerOf(base));
		for (let epoch = 0; epoch < 77; epoch++) whole.step();
		const optimizer = optimizerOf(base);
		const resumed = make(optimizer);
		resumed.loadStateDict(JSON.parse(JSON.stringify(whole.stateDict())));
		for (let epoch = 77; epoch < EPOCHS; epoch++) {
			assert.equal(resumed.getLastLr(), whole.getLastLr());
			assert.is(momentumOf(optimizer), momentumOf(whole.optimizer));
			whole.step();
			resumed.step();
		}
	});
}

type Resume = (optimizer: Groups, lastEpoch: number) => optim.lrScheduler.LRScheduler;

/** The cases of RESUMED in test/golden/optim.py. */
const RESUMED: Readonly<Record<string, Resume>> = {
	StepLR: (o, lastEpoch) => new lrScheduler.StepLR(o, 4, { lastEpoch }),
	MultiStepLR: (o, lastEpoch) => new lrScheduler.MultiStepLR(o, [2, 5, 5, 12], { gamma: 0.5, lastEpoch }),
	ConstantLR: (o, lastEpoch) => new lrScheduler.ConstantLR(o, { factor: 0.25, totalIters: 4, lastEpoch }),
	LinearLR: (o, lastEpoch) => new lrScheduler.LinearLR(o, { startFactor: 0.1, endFactor: 0.8, totalIters: 9, lastEpoch }),
	ExponentialLR: (o, lastEpoch) => new lrScheduler.ExponentialLR(o, 0.97, { lastEpoch }),
	PolynomialLR: (o, lastEpoch) => new lrScheduler.PolynomialLR(o, { totalIters: 15, power: 2, lastEpoch }),
	CosineAnnealingLR: (o, lastEpoch) => new lrScheduler.CosineAnnealingLR(o, 5, { etaMin: 0.001, lastEpoch }),
	'CosineAnnealingLR without a least rate': (o, lastEpoch) => new lrScheduler.CosineAnnealingLR(o, 4, { lastEpoch }),
	CosineAnnealingWarmRestarts: (o, lastEpoch) =>
		new lrScheduler.CosineAnnealingWarmRestarts(o, 5, { tMult: 2, etaMin: 0.001, lastEpoch }),
	OneCycleLR: (o, lastEpoch) => new lrScheduler.OneCycleLR(o, [0.5, 0.2], { totalSteps: 30, lastEpoch }),
	CyclicLR: (o, lastEpoch) => new lrScheduler.CyclicLR(o, 0.01, 0.1, { stepSizeUp: 3, stepSizeDown: 4, lastEpoch }),
	'CyclicLR triangular2': (o, lastEpoch) =>
		new lrScheduler.CyclicLR(o, [0.01, 0.02], 0.1, { stepSizeUp: 2, mode: 'triangular2', lastEpoch }),
	LambdaLR: (o, lastEpoch) => new lrScheduler.LambdaLR(o, [(t) => 0.95 ** t, (t) => 1 / (1 + t)], { lastEpoch }),
	MultiplicativeLR: (o, lastEpoch) => new lrScheduler.MultiplicativeLR(o, (t) => (t % 2 === 1 ? 0.95 : 1.01), { lastEpoch }),
	ChainedScheduler: (o, lastEpoch) =>
		new lrScheduler.ChainedScheduler([
			new lrScheduler.CosineAnnealingLR(o, 6, { lastEpoch }),
			new lrScheduler.ExponentialLR(o, 0.98, { lastEpoch }),
		]),
};

/** Golden rates have 14 digits. */
const PRINTED = { relative: 1e-9, absolute: 1e-13 };

/** A new optimizer, or one restored after `lastEpoch` steps of a schedule, with the initial rates in its groups. */
function resumable(make: Resume, lastEpoch: number, loaded: boolean): Groups {
	const first = optimizerOf('sgd');
	const scheduler = make(first, -1);
	const initial = first.paramGroups.map(({ initialLr }) => initialLr!);
	for (let epoch = -1; loaded && epoch < lastEpoch; epoch++) scheduler.step();
	const optimizer = optimizerOf('sgd');
	if (loaded) optimizer.loadStateDict(first.stateDict());
	optimizer.paramGroups.forEach((group, i) => {
		group.initialLr = initial[i]!;
	});
	return optimizer;
}

for (const [name, make] of Object.entries(RESUMED)) {
	test(`${name} made with lastEpoch gives PyTorch's rates from there on, on a loaded and on a fresh optimizer`, () => {
		const expected = golden.resumed[name as keyof typeof golden.resumed];
		for (const kind of ['loaded', 'fresh'] as const) {
			expected[kind].forEach((steps, lastEpoch) => {
				const optimizer = resumable(make, lastEpoch, kind === 'loaded');
				const scheduler = make(optimizer, lastEpoch);
				// PyTorch's CyclicLR takes the current momentum as the least one and ignores the given one.
				const columns = name.startsWith('CyclicLR') ? 2 : 3;
				const rates = steps.map(() => {
					const now = [...scheduler.getLastLr(), momentumOf(optimizer)];
					scheduler.step();
					return now.slice(0, columns);
				});
				const wanted = steps.flatMap((step) => step.slice(0, columns));
				requireClose(`${kind}, lastEpoch ${lastEpoch}`, rates.flat(), wanted, PRINTED);
			});
		}
	});
}

/** Schedules with rates that depend only on the step. */
const BY_STEP: Readonly<Record<string, Resume>> = {
	...Object.fromEntries(
		['CosineAnnealingLR', 'CosineAnnealingWarmRestarts', 'CyclicLR', 'CyclicLR triangular2', 'LambdaLR'].map((name) => [
			name,
			RESUMED[name]!,
		]),
	),
	SequentialLR: (o, lastEpoch) => {
		const rise = new lrScheduler.LinearLR(o, { startFactor: 0.25, totalIters: 3 });
		const fall = new lrScheduler.CosineAnnealingLR(o, 8);
		return new lrScheduler.SequentialLR(o, [rise, fall, new lrScheduler.ExponentialLR(o, 0.9)], [3, 11], { lastEpoch });
	},
	WarmupLR: (o, lastEpoch) =>
		new lrScheduler.WarmupLR(o, 4, { startFactor: 0.5, after: new lrScheduler.ExponentialLR(o, 0.9), lastEpoch }),
};

for (const [name, make] of Object.entries(BY_STEP)) {
	test(`${name} made with any lastEpoch gives the rates of an uninterrupted run`, () => {
		const whole = make(optimizerOf('sgd'), -1);
		for (let lastEpoch = 0; lastEpoch < 60; lastEpoch++) {
			whole.step();
			for (const loaded of [false, true]) {
				const resumed = make(resumable(make, lastEpoch, loaded), lastEpoch);
				requireClose(`lastEpoch ${lastEpoch}`, resumed.getLastLr(), whole.getLastLr(), EXACT);
				requireClose('momentum', [momentumOf(resumed.optimizer)], [momentumOf(whole.optimizer)], EXACT);
				assert.is(resumed.lastEpoch, whole.lastEpoch);
			}
		}
	});
}

test('lastEpoch without initialLr throws, and an initialLr in the group is enough', () => {
	for (const [name, make] of Object.entries(RESUMED)) {
		assert.throws(() => make(optimizerOf('sgd'), 3), /lastEpoch 3, parameter group 0 needs its initialLr/, name);
	}
	const partly = optimizerOf('sgd');
	partly.paramGroups[0]!.initialLr = 0.1;
	assert.throws(() => new lrScheduler.StepLR(partly, 4, { lastEpoch: 3 }), /StepLR: .* parameter group 1 needs its initialLr/);
	const given = new optim.SGD([{ params: [zeros([1])], initialLr: 0.5 }], { lr: 0.1 });
	requireClose('rate', new lrScheduler.CosineAnnealingLR(given, 4, { lastEpoch: 1 }).getLastLr(), [0.25], EXACT);
	assert.throws(() => new optim.SGD([{ params: [zeros([1])], initialLr: -1 }]), /SGD: initialLr must be at least 0/);
});

function metrics(): number[] {
	const next = stream('metric');
	return Array.from({ length: EPOCHS }, () => Math.fround(2 * next() - 1));
}

const PLATEAUS = {
	ReduceLROnPlateau: { patience: 4, factor: 0.5, cooldown: 3, minLr: 1e-4 },
	'ReduceLROnPlateau max': { mode: 'max', thresholdMode: 'abs', threshold: 0.01, patience: 9 },
} as const;

for (const [name, options] of Object.entries(PLATEAUS)) {
	test(`${name} gives PyTorch's 200 rates, also restored half way`, () => {
		const make = () => new lrScheduler.ReduceLROnPlateau(new optim.SGD([zeros([1])], { lr: 0.1 }), options);
		let scheduler = make();
		const rates = metrics().map((metric, epoch) => {
			if (epoch === 13) {
				const state = JSON.parse(JSON.stringify(scheduler.stateDict()));
				scheduler = make();
				scheduler.loadStateDict(state);
			}
			scheduler.step(metric);
			return scheduler.getLastLr()[0]!;
		});
		requireClose(name, rates, golden.schedules[name as keyof typeof PLATEAUS].first, EXACT);
	});
}

test('a warm-up without a schedule after it stays at the base rate', () => {
	const optimizer = optimizerOf('adam');
	const scheduler = new lrScheduler.WarmupLR(optimizer, 4, { startFactor: 0.5 });
	const rates = Array.from({ length: 7 }, () => {
		const [rate] = scheduler.getLastLr();
		scheduler.step();
		return rate!;
	});
	requireClose('rates', rates, [0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1, 0.1], EXACT);
});

test('errors name the wrong settings', () => {
	const optimizer = optimizerOf('sgd');
	assert.throws(() => new lrScheduler.OneCycleLR(optimizer, [0.1], { totalSteps: 5 }), /maxLr has 1 values for 2/);
	assert.equal(
		optimizer.paramGroups.map(({ initialLr }) => initialLr),
		[undefined, undefined],
	);
	assert.throws(() => new lrScheduler.OneCycleLR(optimizer, 0.1, {}), /give totalSteps/);
	assert.throws(
		() => new lrScheduler.CyclicLR(new optim.Adagrad([zeros([1])]), 0.1, 1),
		/CyclicLR: the optimizer has neither momentum nor betas/,
	);
	assert.throws(() => new lrScheduler.SequentialLR(optimizer, [], []), /SequentialLR: 0 schedulers/);
	assert.throws(
		() => new lrScheduler.ChainedScheduler([new lrScheduler.StepLR(optimizer, 1), new lrScheduler.StepLR(optimizerOf('sgd'), 1)]),
		/same optimizer/,
	);
});

test.run();
