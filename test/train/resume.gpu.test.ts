/** On WebGPU: a run resumes with the same bits, moves between devices, and does not wait for losses at every step. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, crossEntropy, init, manualSeed, mul, nn, optim, randn, type Tensor } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import {
	EarlyStopping,
	evaluate,
	fit,
	MemoryStore,
	ModelCheckpoint,
	predict,
	type ResumeConfig,
	TerminateOnNaN,
} from 'wgrad/train';
import { linear, points, weightsOf } from './setting';

test.before(async () => {
	await init({ device: 'webgpu' });
});

async function run(data: readonly [Tensor, Tensor], store: MemoryStore | null, resumeFrom?: ResumeConfig) {
	manualSeed(3);
	const model = new nn.Sequential(
		new nn.Linear(4, 16),
		new nn.BatchNorm1d(16),
		new nn.ReLU(),
		new nn.Dropout(0.2),
		new nn.Linear(16, 2),
	);
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.02 });
	const ema = new optim.EMA(model.parameters(), { decay: 0.8 });
	const loader = new DataLoader(new TensorDataset(...data), {
		batchSize: 10,
		shuffle: true,
		seed: 4,
		transform: ([x, y]) => [add(x!, mul(randn(x!.shape), 0.1)), y!],
	});
	const history = await fit(model, loader, {
		loss: crossEntropy,
		optimizer,
		scheduler: { scheduler: new optim.lrScheduler.CosineAnnealingLR(optimizer, 14), interval: 'step' },
		ema,
		epochs: 2,
		accumulateSteps: 2,
		validationData: data,
		metrics: { accuracy: new Accuracy(), sure: (output) => output.softmax(1).amax(1).mean() },
		clipGradNorm: 1,
		callbacks: [
			...(store === null ? [] : [new ModelCheckpoint('{step}', { store, everySteps: 2 })]),
			new EarlyStopping({ patience: 9 }),
		],
		verbose: 0,
		...(resumeFrom && { resumeFrom }),
	});
	const averages = await Promise.all(ema.averages.map((average) => average.data()));
	const records = history.epochs.map(({ seconds: _, ...record }) => record);
	return { weights: [...(await weightsOf(model)), ...averages.flatMap((values) => Array.from(values))], records };
}

test('a run resumed from any checkpoint gives the same bits', async () => {
	const data = points(65, 'webgpu');
	const store = new MemoryStore();
	const whole = await run(data, null);
	assert.equal(await run(data, store), whole, 'writing checkpoints changes nothing');
	const names = await store.list('');
	assert.equal(names, ['2', '4', '6', '8']);
	for (const name of names) assert.equal(await run(data, null, { name, store }), whole, `from step ${name}`);
});

test('model and batches move to the requested device', async () => {
	const [x, y] = points(30, 'cpu');
	const model = linear(2, 'cpu');
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
	const options = { loss: crossEntropy, optimizer, batchSize: 8, verbose: 0 } as const;
	await fit(model, [x, y], {
		...options,
		device: 'webgpu',
		validationSplit: 0.2,
		classWeight: { 1: 2 },
		sampleWeight: new Array(30).fill(1),
	});
	assert.is(model.weight.device, 'webgpu');
	assert.is((await predict(model, x)).device, 'webgpu');
	const { loss } = await evaluate(model, [x, y], { loss: crossEntropy, device: 'cpu' });
	assert.is(model.weight.device, 'cpu');
	assert.ok(loss < 0.8);
});

test('a NaN loss is detected, and its step reported', async () => {
	const data = points(64, 'webgpu');
	const model = linear(2, 'webgpu');
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	let count = 0;
	const nan = new TerminateOnNaN();
	await fit(model, data, {
		trainStep: (model, [x, y]) => {
			if (++count === 13) for (const group of optimizer.paramGroups) group.lr = Number.MAX_VALUE;
			return crossEntropy(model.forward(x!), y!);
		},
		optimizer,
		epochs: 50,
		callbacks: [nan],
		verbose: 0,
	});
	assert.is(nan.step, 14, 'the step after the one that broke the weights');
});

test.run();
