/** Predictions, evaluations, other runs and random numbers during `fit` do not change its results, on both devices. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	add,
	checkpoint,
	crossEntropy,
	type Device,
	init,
	isGradEnabled,
	linspace,
	manualSeed,
	mul,
	nn,
	optim,
	randn,
	type Tensor,
} from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { evaluate, type FitOptions, findLearningRate, fit, MemoryStore, ModelCheckpoint, predict } from 'wgrad/train';
import { assertRejects, points, weightsOf } from './setting';

const DEVICES: readonly Device[] = ['cpu', 'webgpu'];

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** Draws random numbers in every kind of random layer, one of which draws again in the backward walk. */
class Noisy extends nn.Module {
	readonly first: nn.Linear;
	readonly norm: nn.BatchNorm1d;
	readonly drop = new nn.Dropout(0.3);
	readonly alpha = new nn.AlphaDropout(0.2);
	readonly last: nn.Linear;

	constructor(device: Device) {
		super();
		this.first = new nn.Linear(4, 8, { device });
		this.norm = new nn.BatchNorm1d(8, { device });
		this.last = new nn.Linear(8, 2, { device });
	}

	override forward(x: Tensor): Tensor {
		const hidden = this.norm.forward(this.first.forward(x));
		const noisy = this.training ? add(hidden, mul(randn(hidden.shape, { device: hidden.device }), 0.1)) : hidden;
		return this.last.forward(checkpoint((inner) => this.alpha.forward(this.drop.forward(inner.relu())), noisy));
	}
}

/** Calls `act` between the steps of `run` (on the CPU: turns of promises) until it ends. Returns the number of calls. */
async function meanwhile(run: Promise<unknown>, act: () => unknown): Promise<number> {
	let [times, ended] = [0, false];
	const end = () => {
		ended = true;
	};
	run.then(end, end);
	while (!ended) {
		await act();
		times++;
		await (times % 20 === 0 ? new Promise((resolve) => setTimeout(resolve)) : null);
	}
	return times;
}

interface Start {
	readonly done: Promise<{ weights: number[]; losses: unknown[] }>;
	readonly model: Noisy;
	readonly data: [Tensor, Tensor];
}

/** Starts a run with each kind of data: a loader that augments, tensors, and batches from a generator. */
function start(device: Device, kind: 'loader' | 'tensors' | 'batches', seed?: number, rest: Partial<FitOptions> = {}): Start {
	const data = points(60, device);
	const loader = new DataLoader(new TensorDataset(...data), {
		batchSize: 10,
		shuffle: true,
		transform: ([x, y]) => [add(x!, mul(randn(x!.shape, { device }), 0.1)), y!],
	});
	const batches = {
		*[Symbol.iterator]() {
			for (let i = 0; i < 6; i++) {
				const x = randn([10, 4], { device });
				yield [x, x.sum(1).gt(0).to('int32')];
			}
		},
	};
	manualSeed(5);
	const model = new Noisy(device);
	const run = fit(model, { loader, tensors: data, batches }[kind], {
		loss: crossEntropy,
		optimizer: new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }),
		epochs: 3,
		batchSize: 10,
		validationData: data,
		metrics: { accuracy: new Accuracy() },
		verbose: 0,
		...(seed !== undefined && { seed }),
		...rest,
	});
	const done = run.then(async ({ epochs }) => ({
		weights: await weightsOf(model),
		losses: epochs.map(({ seconds: _, ...record }) => record),
	}));
	return { done, model, data };
}

for (const device of DEVICES) {
	test(`predict while fit runs: all steps train, ${device}`, async () => {
		const x = linspace(-1, 1, 200, { device }).reshape([100, 2]);
		const y = x.sum(1).gt(0).to('int32');
		for (const measure of [
			(model: nn.Module) => predict(model, x),
			(model: nn.Module) => evaluate(model, [x, y], { loss: crossEntropy }),
		]) {
			const model = new nn.Sequential(new nn.Linear(2, 8, { device }), new nn.Dropout(0.5), new nn.Linear(8, 2, { device }));
			const steps = { training: 0, inference: 0, measured: 0 };
			model.registerForwardHook(() => {
				if (isGradEnabled()) steps[model.training ? 'training' : 'inference']++;
				else if (model.training) steps.measured++;
			});
			const optimizer = new optim.SGD(model.parameters());
			const run = fit(model, [x, y], { loss: crossEntropy, optimizer, epochs: 3, batchSize: 10, verbose: 0 });
			for (let i = 0; i < 5; i++) await measure(model);
			await run;
			assert.equal(steps, { training: 30, inference: 0, measured: 0 });
			assert.is(model.training, true);
		}
	});

	test(`predict and evaluate while fit runs change no bit and no frozen part, ${device}`, async () => {
		const frozen: Partial<FitOptions> = {
			callbacks: [
				{
					onTrainBegin: ({ model }) => void (model as Noisy).norm.eval(),
					onTrainEnd: ({ model }) => assert.is((model as Noisy).norm.training, false),
				},
			],
		};
		for (const rest of [{}, frozen]) {
			const alone = await start(device, 'loader', 7, rest).done;
			const { done, model, data } = start(device, 'loader', 7, rest);
			const times = await meanwhile(done, async () => {
				(await predict(model, data[0], { batchSize: 30 })).dispose();
				await evaluate(model, data, { loss: crossEntropy, metrics: { accuracy: new Accuracy() }, batchSize: 40 });
			});
			assert.ok(times > 2, `${times} times`);
			assert.equal(await done, alone);
			assert.is(model.norm.training, true, 'as before the run');
		}
	});

	test(`concurrent runs, and random draws between their steps, change no bit, ${device}`, async () => {
		for (const kind of ['loader', 'tensors', 'batches'] as const) {
			const alone = [await start(device, kind, 7).done, await start(device, kind, 8).done];
			assert.not.equal(alone[0], alone[1]);
			const runs = [start(device, kind, 7), start(device, kind, 8)];
			const both = Promise.all(runs.map(({ done }) => done));
			await meanwhile(both, () => randn([2], { device: 'cpu' }).dispose());
			assert.equal(await both, alone, kind);
		}
	});

	test(`without a seed, manualSeed determines a run, and draws during the run do not, ${device}`, async () => {
		const alone = await start(device, 'tensors').done;
		const { done } = start(device, 'tensors');
		await meanwhile(done, () => randn([2], { device: 'cpu' }).dispose());
		assert.equal(await done, alone);
	});

	test(`a run that is resumed beside another gives the same bits, ${device}`, async () => {
		const whole = await start(device, 'loader', 7).done;
		const store = new MemoryStore();
		const saving = start(device, 'loader', 7, { callbacks: [new ModelCheckpoint('{step}', { store, everySteps: 7 })] });
		await meanwhile(saving.done, () => randn([2], { device: 'cpu' }).dispose());
		assert.equal(await saving.done, whole);
		const resumed = start(device, 'loader', 7, { resumeFrom: { name: '14', store } });
		const [found] = await Promise.all([resumed.done, start(device, 'tensors', 8).done]);
		assert.equal(found, whole);
	});
}

test('a run with a seed and the learning-rate finder do not use the default generator', async () => {
	const { done, model, data } = start('cpu', 'batches', 7);
	await done;
	const optimizer = new optim.SGD(model.parameters());
	const draw = async (act: () => unknown) => {
		manualSeed(3);
		await act();
		return await randn([1], { device: 'cpu' }).item();
	};
	const expected = await draw(() => {});
	const options = { loss: crossEntropy, optimizer, verbose: 0 } as const;
	assert.is(await draw(() => fit(model, data, { ...options, seed: 7, validationData: data })), expected);
	assert.is(await draw(() => findLearningRate(model, data, { loss: crossEntropy, optimizer, steps: 5 })), expected);
});

test('a callback that evaluates changes no bit', async () => {
	const alone = await start('webgpu', 'tensors', 7).done;
	const { done, data } = start('webgpu', 'tensors', 7, {
		callbacks: [
			{
				async onBatchEnd({ model }) {
					randn([3]).dispose();
					await evaluate(model, data, { loss: crossEntropy });
				},
			},
		],
	});
	assert.equal(await done, alone);
});

test('a model and optimizer belong to their run until it ends', async () => {
	const { done, model, data } = start('cpu', 'tensors', 7);
	const loss = crossEntropy;
	const again = (of: nn.Module, optimizer = new optim.SGD(of.parameters())) => fit(of, data, { loss, optimizer, verbose: 0 });
	await assertRejects(() => again(model), /^fit: the model belongs to a fit that still runs\. Await it first/);
	await assertRejects(() => again(model.first), /^fit: the model belongs to a fit/);
	await assertRejects(() => again(new nn.Sequential(model.first)), /^fit: a part of the model, Linear, belongs to a fit/);
	const tied = new nn.Linear(4, 8);
	Object.assign(tied, { weight: model.first.weight });
	await assertRejects(() => again(tied), /^fit: a parameter of shape \[8,4\] belongs to a fit/);
	const optimizer = new optim.SGD(model.parameters());
	await assertRejects(
		() => findLearningRate(model, data, { loss, optimizer }),
		/^findLearningRate: the model belongs to a fit that still runs/,
	);
	await assertRejects(
		() => predict(model, data[0], { device: 'webgpu' }),
		/^predict: a fit that still runs trains the model on device 'cpu'; leave out device 'webgpu'/,
	);
	const expected = await done;
	assert.equal(await start('cpu', 'tensors', 7).done, expected, 'the refused calls changed nothing');
	const trainStep = () => {
		throw new Error('no step');
	};
	await assertRejects(() => fit(model, data, { trainStep, optimizer, verbose: 0 }), /no step/);
	await fit(model, data, { loss, optimizer, verbose: 0 });
});

test('a metric that two passes would update at once throws', async () => {
	const accuracy = new Accuracy();
	const metrics = { accuracy };
	const { done, model, data } = start('cpu', 'tensors', 7, {
		metrics,
		callbacks: [
			{
				async onBatchEnd() {
					await assertRejects(
						() => evaluate(model, data, { metrics }),
						/^evaluate: the metric 'accuracy' is in use by another fit/,
					);
				},
				async onEpochEnd() {
					assert.ok((await evaluate(model, data, { metrics })).accuracy > 0);
				},
			},
		],
	});
	assert.equal(await done, await start('cpu', 'tensors', 7).done);
});

test('train() and eval() apply from the next step on, and the modes are restored at the end', async () => {
	const modes: boolean[] = [];
	const { done, model } = start('cpu', 'tensors', 7, {
		epochs: 1,
		callbacks: [
			{
				onBatchBegin({ batch, model }) {
					if (batch === 3) model.eval();
					if (batch === 5) model.train();
				},
			},
		],
	});
	model.registerForwardHook(() => {
		if (isGradEnabled()) modes.push(model.training);
	});
	await done.catch(() => {});
	assert.equal(modes, [true, true, true, false, false, true]);
	assert.is(model.training, true);
});

test.run();
