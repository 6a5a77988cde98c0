/** Runs with every optimizer, schedule and kind of data resume within an epoch with the same bits. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crossEntropy, optim, type Tensor } from 'wgrad';
import { DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler } from 'wgrad/data';
import { type Data, fit, MemoryStore, ModelCheckpoint, type Scheduler } from 'wgrad/train';
import { linear, points, weightsOf } from './setting';

const [x, y] = points(30);
const { lrScheduler } = optim;

interface Parts {
	readonly optimizer?: (params: Tensor[]) => optim.Optimizer<optim.CommonOptions>;
	readonly scheduler?: (optimizer: optim.Optimizer<optim.CommonOptions>) => Scheduler;
	readonly data?: () => Data;
}

const adam = (params: Tensor[]) => new optim.Adam(params, { lr: 0.02 });

/** Two epochs of four steps, saved after the sixth. */
async function run({ optimizer = adam, scheduler, data }: Parts, store: MemoryStore, resume: boolean) {
	const model = linear();
	const own = optimizer(model.parameters());
	const schedule = scheduler?.(own);
	const history = await fit(model, data?.() ?? [x, y], {
		loss: crossEntropy,
		optimizer: own,
		...(schedule && {
			scheduler: { scheduler: schedule, interval: schedule instanceof lrScheduler.ReduceLROnPlateau ? 'epoch' : 'step' },
		}),
		epochs: 2,
		batchSize: 8,
		seed: 1,
		callbacks: resume ? [] : [new ModelCheckpoint('run', { store, everySteps: 6, everyEpochs: 0 })],
		verbose: 0,
		...(resume && { resumeFrom: { name: 'run', store } }),
	});
	const groups = own.paramGroups.map(({ params: _, ...options }) => options);
	return { steps: history.steps, weights: await weightsOf(model), groups };
}

async function assertGoesOn(parts: Parts, what: string): Promise<void> {
	const store = new MemoryStore();
	const whole = await run(parts, store, false);
	assert.is(whole.steps, 8, what);
	assert.equal(await run(parts, store, true), whole, what);
}

const { SGD, AdamW, Adamax, NAdam, RAdam, Lion, Muon, RMSprop, Adagrad, Adadelta, LBFGS } = optim;
const optimizers: Record<string, Parts['optimizer']> = {
	SGD: (params) => new SGD(params, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
	Adam: (params) => new optim.Adam(params, { amsgrad: true, l1: 0.001 }),
	AdamW: (params) => new AdamW(params),
	Adamax: (params) => new Adamax(params),
	NAdam: (params) => new NAdam(params),
	RAdam: (params) => new RAdam(params),
	Lion: (params) => new Lion(params),
	Muon: (params) => new Muon(params.filter(({ ndim }) => ndim === 2)),
	RMSprop: (params) => new RMSprop(params, { momentum: 0.5, centered: true }),
	Adagrad: (params) => new Adagrad(params, { lrDecay: 0.1 }),
	Adadelta: (params) => new Adadelta(params),
	LBFGS: (params) => new LBFGS(params, { lr: 0.1, maxIter: 3 }),
	'two groups': ([first, ...rest]) =>
		new SGD(
			[
				{ params: [first!], lr: 0.1 },
				{ params: rest, momentum: 0.5 },
			],
			{ lr: 0.2 },
		),
};
for (const [name, optimizer] of Object.entries(optimizers)) test(name, () => assertGoesOn({ optimizer: optimizer! }, name));

const schedules: Record<string, Parts['scheduler']> = {
	StepLR: (own) => new lrScheduler.StepLR(own, 3),
	MultiStepLR: (own) => new lrScheduler.MultiStepLR(own, [2, 7]),
	ConstantLR: (own) => new lrScheduler.ConstantLR(own, { totalIters: 7 }),
	LinearLR: (own) => new lrScheduler.LinearLR(own, { totalIters: 7 }),
	ExponentialLR: (own) => new lrScheduler.ExponentialLR(own, 0.7),
	PolynomialLR: (own) => new lrScheduler.PolynomialLR(own, { totalIters: 9 }),
	CosineAnnealingLR: (own) => new lrScheduler.CosineAnnealingLR(own, 7),
	CosineAnnealingWarmRestarts: (own) => new lrScheduler.CosineAnnealingWarmRestarts(own, 2, { tMult: 2 }),
	OneCycleLR: (own) => new lrScheduler.OneCycleLR(own, 0.1, { totalSteps: 9 }),
	CyclicLR: (own) => new lrScheduler.CyclicLR(own, 0.01, 0.1, { stepSizeUp: 3 }),
	LambdaLR: (own) => new lrScheduler.LambdaLR(own, (step) => 1 / (1 + step)),
	MultiplicativeLR: (own) => new lrScheduler.MultiplicativeLR(own, () => 0.9),
	SequentialLR: (own) =>
		new lrScheduler.SequentialLR(own, [new lrScheduler.LinearLR(own), new lrScheduler.ExponentialLR(own, 0.5)], [7]),
	ChainedScheduler: (own) =>
		new lrScheduler.ChainedScheduler([new lrScheduler.StepLR(own, 3), new lrScheduler.ExponentialLR(own, 0.5)]),
	WarmupLR: (own) => new lrScheduler.WarmupLR(own, 7, { after: new lrScheduler.CosineAnnealingLR(own, 5) }),
	ReduceLROnPlateau: (own) => new lrScheduler.ReduceLROnPlateau(own, { patience: 0, threshold: 10 }),
};
for (const [name, scheduler] of Object.entries(schedules)) test(name, () => assertGoesOn({ scheduler: scheduler! }, name));

const batches = () => [0, 8, 16, 22].map((at) => [x.narrow(0, at, 8), y.narrow(0, at, 8)] as const);
const data: Record<string, Parts['data']> = {
	'a loader without a seed': () => new DataLoader(new TensorDataset(x, y), { batchSize: 8, shuffle: true }),
	'a weighted sampler': () => {
		const sampler = new WeightedRandomSampler(
			Array.from({ length: 30 }, (_, i) => 1 + (i % 3)),
			30,
		);
		return new DataLoader(new TensorDataset(x, y), { batchSize: 8, sampler });
	},
	'a stream': () =>
		new IterableDataset(function* () {
			for (let i = 0; i < 30; i++) yield [x.select(0, i).clone(), y.select(0, i).clone()];
		}),
	'a list of batches': () => ({
		*[Symbol.iterator]() {
			yield* batches();
		},
	}),
};
for (const [name, make] of Object.entries(data)) test(name, () => assertGoesOn({ data: make! }, name));

test.run();
