/** Schedules against PyTorch's sequences of 200 steps, whole and restored half way. */
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

	test(`${name}, restored half way, gives the same rest`, () => {
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

function metrics(): number[] {
	const next = stream('metric');
	return Array.from({ length: EPOCHS }, () => Math.fround(2 * next() - 1));
}

const PLATEAUS = {
	ReduceLROnPlateau: { patience: 4, factor: 0.5, cooldown: 3, minLr: 1e-4 },
	'ReduceLROnPlateau max': { mode: 'max', thresholdMode: 'abs', threshold: 0.01, patience: 9 },
} as const;

for (const [name, options] of Object.entries(PLATEAUS)) {
	test(`${name} gives PyTorch's 200 rates, restored half way too`, () => {
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

test('wrong settings are refused by name', () => {
	const optimizer = optimizerOf('sgd');
	assert.throws(() => new lrScheduler.OneCycleLR(optimizer, [0.1], { totalSteps: 5 }), /maxLr has 1 values for 2/);
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
