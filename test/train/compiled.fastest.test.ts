/** `fit` with compiled steps: the bits of steps run as usual, replays where they are possible, and a reason where they are not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type CompileReport, crossEntropy, init, manualSeed, nn, optim, randint, randn, shutdown, type Tensor } from 'wgrad';
import { Accuracy } from 'wgrad/metrics';
import { type Callback, type FitOptions, fit, MemoryStore, ModelCheckpoint } from 'wgrad/train';
import { weightsOf } from './setting';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

const SAMPLES = 4 * 12 + 3;

function data(seed = 1): [Tensor, Tensor] {
	manualSeed(seed);
	return [randn([SAMPLES, 6]), randint(0, 4, [SAMPLES])];
}

function network(): nn.Sequential {
	manualSeed(2);
	return new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.GELU(), new nn.Dropout(0.2), new nn.Linear(8, 4));
}

type Options = Partial<FitOptions<nn.Sequential>>;

/** Trains; returns weights, history and average, and what `compile` did. */
async function outcome(compile: boolean, optionsOf: (model: nn.Sequential, optimizer: optim.AdamW) => Options, epochs = 3) {
	const model = network();
	const optimizer = new optim.AdamW(model.parameters(), { lr: 0.02 });
	const options = optionsOf(model, optimizer);
	let report: CompileReport | null = null;
	const watch: Callback = {
		onTrainEnd: ({ compiled }) => {
			report = compiled;
		},
	};
	const history = await fit(model, data(), {
		...(options.trainStep === undefined && { loss: crossEntropy }),
		optimizer,
		epochs,
		batchSize: 4,
		seed: 3,
		verbose: 0,
		compile,
		...options,
		callbacks: [...(options.callbacks ?? []), watch],
	});
	const averages = await Promise.all((options.ema?.averages ?? []).map(async (average) => [...(await average.data())]));
	const epochsOf = history.epochs.map(({ seconds: _, ...record }) => record);
	return { result: { weights: await weightsOf(model), epochs: epochsOf, averages }, report: report as CompileReport | null };
}

async function requireSame(optionsOf: (model: nn.Sequential, optimizer: optim.AdamW) => Options): Promise<CompileReport> {
	const usual = await outcome(false, optionsOf);
	const compiled = await outcome(true, optionsOf);
	assert.is(usual.report, null);
	assert.equal(compiled.result, usual.result);
	return compiled.report!;
}

test('schedule, clipping, average of weights, metrics, validation, sample weights, and another size of the last batch', async () => {
	const report = await requireSame((model, optimizer) => ({
		scheduler: new optim.lrScheduler.OneCycleLR(optimizer, 0.03, { totalSteps: 39 }),
		clipGradNorm: 0.5,
		clipGradValue: 0.1,
		ema: new optim.EMA(model.parameters()),
		metrics: { accuracy: new Accuracy(), largest: (output) => output.detach().amax() },
		validationData: data(4),
		sampleWeight: Array.from({ length: SAMPLES }, (_, i) => 1 + (i % 3)),
		classWeight: [1, 2, 1, 0.5],
	}));
	assert.is(report.reason, null);
	assert.ok(report.replayed > 25, JSON.stringify(report));
});

test('accumulation in float16 with recomputed activations', async () => {
	const report = await requireSame(() => ({ precision: 'float16', accumulateSteps: 3, clipGradNorm: 1, checkpoint: ['2'] }));
	assert.is(report.reason, null);
	assert.ok(report.replayed > 15, JSON.stringify(report));
});

test('a part frozen between epochs, evaluation mode, and a metric that reads back', async () => {
	const report = await requireSame((model) => ({
		metrics: { first: async (output) => (await output.data())[0]! },
		callbacks: [
			{
				onEpochBegin: ({ epoch }) => {
					for (const param of model.children()[0]!.parameters()) param.requiresGrad_(epoch !== 2);
					model.children()[1]!.train(epoch !== 2);
				},
			},
		],
	}));
	assert.is(report.reason, null);
	assert.ok(report.replayed > 20, JSON.stringify(report));
});

test('a step that cannot be replayed runs as usual without a warning, and the context tells why', async () => {
	const told: unknown[] = [];
	const { warn } = console;
	console.warn = (...message: unknown[]) => void told.push(message);
	try {
		const read = await requireSame(() => ({
			trainStep: (model, [x, y]) => {
				const loss = crossEntropy(model.forward(x!), y!);
				void loss.item();
				return loss;
			},
		}));
		assert.match(read.reason!, /reads a tensor back/);
		assert.is(read.replayed, 0);
		const hooked = await requireSame((model) => {
			model.children()[0]!.registerForwardHook((_, __, output) => (output as Tensor).mul(0.5));
			return {};
		});
		assert.match(hooked.reason!, /hook/);
	} finally {
		console.warn = warn;
	}
	assert.equal(told, []);
});

test('a killed run resumes compiled with the bits of an undisturbed one that runs as usual', async () => {
	const { result } = await outcome(false, () => ({}));
	const store = new MemoryStore();
	const checkpoint = new ModelCheckpoint('last', { store, everySteps: 11 });
	const killer: Callback = {
		onBatchEnd: ({ step }) => {
			if (step === 24) throw new Error('killed');
		},
	};
	let killed = '';
	await outcome(true, () => ({ callbacks: [checkpoint, killer] })).catch((error: Error) => {
		killed = error.message;
	});
	assert.match(killed, /killed/);
	const resumed = await outcome(true, () => ({ resumeFrom: { name: 'last', store } }));
	assert.equal(resumed.result, result);
	assert.ok(resumed.report!.replayed > 10);
});

test.run();
