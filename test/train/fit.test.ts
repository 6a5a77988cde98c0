/** `fit` against written-out loops, option by option. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, cat, crossEntropy, manualSeed, memory, mseLoss, nllLoss, nn, optim, randn, type Tensor, tensor, tidy } from 'wgrad';
import { DataLoader, IterableDataset, TensorDataset } from 'wgrad/data';
import { Accuracy, ConfusionMatrix } from 'wgrad/metrics';
import { column, evaluate, type FitOptions, fit, predict, TerminateOnNaN } from 'wgrad/train';
import { heldTensors } from '../collected';
import { assertClose, assertRejects, linear, points, weightsOf } from './setting';

const [x, y] = points(50);

type Rest = Partial<FitOptions> & { lr?: number };

async function fitLinear(data: Parameters<typeof fit>[1], { lr = 0.5, ...options }: Rest = {}) {
	const model = linear();
	const optimizer = options.optimizer ?? new optim.SGD(model.parameters(), { lr });
	const loss = options.trainStep === undefined ? { loss: crossEntropy } : {};
	const history = await fit(model, data, { ...loss, batchSize: 16, shuffle: false, verbose: 0, ...options, optimizer });
	return { model, history, weights: await weightsOf(model) };
}

/** The same loop by hand; `change` may modify gradients. */
async function byHand(
	batches: readonly (readonly [Tensor, Tensor])[],
	epochs = 1,
	change: (model: nn.Module) => void = () => {},
) {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
	for (let epoch = 0; epoch < epochs; epoch++) {
		for (const [input, target] of batches) {
			tidy(() => {
				optimizer.zeroGrad();
				crossEntropy(model.forward(input), target).backward();
				change(model);
				optimizer.step();
			});
		}
	}
	return weightsOf(model);
}

function split(size: number): [Tensor, Tensor][] {
	const starts = Array.from({ length: Math.ceil(50 / size) }, (_, i) => i * size);
	return starts.map((at) => {
		const length = Math.min(size, 50 - at);
		return [x.narrow(0, at, length), y.narrow(0, at, length)];
	});
}

test('weights and losses equal those of the loop by hand', async () => {
	const { weights, history } = await fitLinear([x, y], { epochs: 3 });
	assert.equal(weights, await byHand(split(16), 3));
	assert.is(history.epochs.length, 3);
	assert.is(history.steps, 12);
	assert.equal(column(history, 'epoch'), [1, 2, 3]);
	assert.equal(column(history, 'step'), [4, 8, 12]);
	assert.equal(column(history, 'lr'), [0.5, 0.5, 0.5]);
	assert.is(history.stoppedEarly, false);
	assert.is(history.settings.optimizer, 'SGD');
	const first = linear();
	const losses = await Promise.all(split(16).map(([a, b]) => crossEntropy(first.forward(a), b).item()));
	const untrained = losses.reduce((sum, loss, i) => sum + loss * split(16)[i]![0].shape[0]!, 0) / 50;
	const { history: still } = await fitLinear([x, y], { lr: 0 });
	assert.is(still.epochs[0]!.loss, untrained, 'the mean over samples, not over batches');
});

test('data may be tensors, a dataset, a loader, a stream or a list of batches', async () => {
	const { weights } = await fitLinear([x, y]);
	const copies = () => split(16).map((batch) => batch.map((field) => field.clone()));
	const stream = new IterableDataset(function* () {
		for (let i = 0; i < 50; i++) yield [x.select(0, i).clone(), y.select(0, i).clone()];
	});
	for (const data of [new TensorDataset(x, y), new DataLoader(new TensorDataset(x, y), { batchSize: 16 }), stream, copies()]) {
		assert.equal((await fitLinear(data)).weights, weights, data.constructor.name);
	}
	async function* generated() {
		yield* copies();
	}
	assert.equal((await fitLinear(generated())).weights, weights, 'a generator');
});

test('a loader continues its epochs, and the same seed gives the same order', async () => {
	const loader = () => new DataLoader(new TensorDataset(x, y), { batchSize: 16, shuffle: true, seed: 3 });
	const once = loader();
	const { weights } = await fitLinear(once, { epochs: 2 });
	assert.is(once.epoch, 2);
	const twice = loader();
	const model = linear();
	for (let i = 0; i < 2; i++) {
		await fit(model, twice, { loss: crossEntropy, optimizer: new optim.SGD(model.parameters(), { lr: 0.5 }), verbose: 0 });
	}
	assert.equal(await weightsOf(model), weights);
	const seeded = async (seed: number) => (await fitLinear([x, y], { shuffle: true, seed })).weights;
	assert.equal(await seeded(4), await seeded(4));
	assert.not.equal(await seeded(4), await seeded(5));
	assert.not.equal(await seeded(4), (await fitLinear([x, y])).weights);
});

test('seed determines dropout, too', async () => {
	const run = async () => {
		manualSeed(1);
		const model = new nn.Sequential(
			new nn.Linear(4, 8, { device: 'cpu' }),
			new nn.Dropout(),
			new nn.Linear(8, 2, { device: 'cpu' }),
		);
		randn([Math.ceil(Math.random() * 3)]);
		manualSeed(Math.ceil(1e6 * Math.random()));
		const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
		await fit(model, [x, y], { loss: crossEntropy, optimizer, seed: 9, verbose: 0 });
		return weightsOf(model);
	};
	assert.equal(await run(), await run());
});

test('validation data, or the last part of the data', async () => {
	const metrics = { accuracy: new Accuracy(), high: (output: Tensor) => output.amax(1).mean() };
	const validationData: [Tensor, Tensor] = [x.narrow(0, 40, 10), y.narrow(0, 40, 10)];
	const train: [Tensor, Tensor] = [x.narrow(0, 0, 40), y.narrow(0, 0, 40)];
	const given = await fitLinear(train, { validationData, metrics, epochs: 2 });
	const taken = await fitLinear([x, y], { validationSplit: 0.2, metrics, epochs: 2 });
	assert.equal(taken.weights, given.weights);
	const strip = ({ history }: typeof given) => history.epochs.map(({ seconds: _, ...record }) => record);
	assert.equal(strip(taken), strip(given));
	const last = given.history.epochs[1]!;
	assert.equal(Object.keys(last), [
		'epoch',
		'step',
		'loss',
		'high',
		'accuracy',
		'valLoss',
		'valHigh',
		'valAccuracy',
		'lr',
		'seconds',
	]);
	const measured = await evaluate(given.model, validationData, { loss: crossEntropy, metrics, batchSize: 3 });
	assertClose(
		[measured.loss, measured.accuracy, measured.high],
		[last.valLoss!, last.valAccuracy!, last.valHigh!],
		1e-6,
		'evaluate',
	);
});

test('metrics see the predictions of training', async () => {
	const seen: number[] = [];
	const metrics = {
		accuracy: new Accuracy(),
		async late(output: Tensor, target: Tensor) {
			await new Promise((resolve) => setTimeout(resolve));
			return output.argmax(1).eq(target).to('float32').mean().item();
		},
		count: (output: Tensor) => {
			seen.push(output.shape[0]!);
			return output.shape[0]!;
		},
	};
	const { history } = await fitLinear([x, y], { metrics, lr: 0 });
	const { accuracy, late, count } = history.epochs[0]!;
	const own = await linear().forward(x).argmax(1).eq(y).to('float32').mean().item();
	assertClose([accuracy!, late!], [own, own], 1e-6, 'accuracy');
	assert.equal(seen, [16, 16, 16, 2]);
	assertClose([count!], [(16 * 48 + 2 * 2) / 50], 1e-12, 'weighted by samples');
});

test('accumulated batches step like one batch, also in the last group and batch', async () => {
	const { weights, history } = await fitLinear([x, y], { batchSize: 8, accumulateSteps: 3, epochs: 2 });
	assertClose(weights, await byHand(split(24), 2), 1e-6, 'weights');
	assert.is(history.steps, 6, 'groups of 24, 24 and 2 samples');
	const sum = new nn.CrossEntropyLoss({ reduction: 'sum' });
	const sums = await fitLinear([x, y], { loss: sum, lr: 0.01, batchSize: 8, accumulateSteps: 3 });
	assertClose(sums.weights, (await fitLinear([x, y], { loss: sum, lr: 0.01, batchSize: 24 })).weights, 1e-6, 'sums');
	// The mean divides by the weights of the targets, and leaves some targets out.
	const ignored = tidy(() =>
		y.sub(tensor(Int32Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? 2 + i : 0))).clamp({ max: 1 })),
	);
	const some = ignored.mul(1);
	for (const loss of [
		new nn.CrossEntropyLoss({ ignoreIndex: -1 }),
		new nn.CrossEntropyLoss({ ignoreIndex: -1, labelSmoothing: 0.1 }),
	]) {
		for (const classWeight of [undefined, { 1: 5 }]) {
			const options = { loss, ...(classWeight && { classWeight }) };
			const small = await fitLinear([x, some], { ...options, batchSize: 5, accumulateSteps: 4 });
			const large = await fitLinear([x, some], { ...options, batchSize: 20 });
			assertClose(small.weights, large.weights, 1e-6, 'ignored targets');
		}
	}
});

test('gradients are clipped as by hand', async () => {
	const norm = await fitLinear([x, y], { clipGradNorm: 0.1 });
	assert.equal(norm.weights, await byHand(split(16), 1, (model) => void optim.clipGradNorm(model.parameters(), 0.1)));
	const other = await fitLinear([x, y], { clipGradNorm: { maxNorm: 0.1, normType: Number.POSITIVE_INFINITY } });
	const largest = { normType: Number.POSITIVE_INFINITY };
	assert.equal(other.weights, await byHand(split(16), 1, (model) => void optim.clipGradNorm(model.parameters(), 0.1, largest)));
	const value = await fitLinear([x, y], { clipGradValue: 0.05 });
	assert.equal(value.weights, await byHand(split(16), 1, (model) => optim.clipGradValue(model.parameters(), 0.05)));
});

test('class weights: passed to losses that take a weight, applied to the samples of others', async () => {
	const weight = tensor([1, 4], { device: 'cpu' });
	const own = new nn.CrossEntropyLoss({ weight });
	const expected = await fitLinear([x, y], { loss: own });
	for (const classWeight of [{ 1: 4 }, [1, 4], weight]) {
		assert.equal((await fitLinear([x, y], { classWeight })).weights, expected.weights);
		const nll = await fitLinear([x, y], {
			loss: (output, target, options) => nllLoss(output.logSoftmax(1), target, options),
			classWeight,
		});
		const module = await fitLinear([x, y], { loss: new nn.CrossEntropyLoss(), classWeight });
		assert.equal(module.weights, expected.weights);
		assert.not.equal(nll.weights, expected.weights, 'a function of the user has its samples weighted instead');
	}
	const oneHot = y.oneHot(2).to('float32');
	const factors = [1, 4];
	const byStep = await fitLinear([x, oneHot], {
		trainStep: (model, [input, target]) => {
			const singles = mseLoss(model.forward(input as never) as Tensor, target!, { reduction: 'none' }).mean(1);
			return singles.mul(target!.matmul(tensor(factors.map((f) => [f]))).reshape([-1])).mean();
		},
	});
	const weighted = await fitLinear([x, oneHot], { loss: mseLoss, classWeight: { 1: 4 } });
	assertClose(weighted.weights, byStep.weights, 1e-6, 'one-hot targets');
	const { history } = await fitLinear([x, y], { classWeight: { 1: 4 }, validationData: [x, y], lr: 0 });
	const plain = await crossEntropy(linear().forward(x), y).item();
	assertClose([history.epochs[0]!.valLoss!], [plain], 1e-6, 'validation is not weighted');
});

test('sample weights: a list in the order of the data, or a function of a batch', async () => {
	const factors = Float32Array.from({ length: 50 }, (_, i) => (i % 3) / 2);
	const weight = tensor(factors, { device: 'cpu' });
	const byStep = (shuffle: boolean) =>
		fitLinear([x, weight, y], {
			shuffle,
			seed: 3,
			trainStep: (model, [input, factor, target]) => {
				const singles = crossEntropy(model.forward(input as never) as Tensor, target!, { reduction: 'none' });
				return singles.mul(factor!).mean();
			},
		});
	for (const shuffle of [false, true]) {
		const expected = (await byStep(shuffle)).weights;
		for (const sampleWeight of [factors, [...factors], weight]) {
			assert.equal((await fitLinear([x, y], { sampleWeight, shuffle, seed: 3 })).weights, expected);
		}
	}
	const function_ = await fitLinear(new DataLoader(new TensorDataset(x, y), { batchSize: 16 }), {
		sampleWeight: ([, target]) => target!.to('float32'),
	});
	const positives = await fitLinear([x, y], { sampleWeight: await y.data() });
	assert.equal(function_.weights, positives.weights);
	// Both weights together, in groups of batches with a smaller last batch.
	const both = await fitLinear([x, y], { sampleWeight: factors, classWeight: { 1: 4 }, loss: new nn.CrossEntropyLoss() });
	const product = await fitLinear([x, y], {
		sampleWeight: Array.from(factors, (factor, i) => factor * ((y.storage.hostData!() as Int32Array)[i] === 1 ? 4 : 1)),
	});
	assertClose(both.weights, product.weights, 1e-6, 'both');
	const small = await fitLinear([x, y], { sampleWeight: factors, batchSize: 5, accumulateSteps: 4 });
	assertClose(small.weights, (await fitLinear([x, y], { sampleWeight: factors, batchSize: 20 })).weights, 1e-6, 'groups');
	const part = await fitLinear([x, y], { sampleWeight: factors, validationSplit: 0.2 });
	const without = await fitLinear([x.narrow(0, 0, 40), y.narrow(0, 0, 40)], { sampleWeight: factors.subarray(0, 40) });
	assert.equal(part.weights, without.weights, 'the weights of the validation part are left out');
});

test('models with several inputs, and custom steps', async () => {
	class Sum extends nn.Module {
		layer = linear();
		override forward(a: Tensor, b: Tensor): Tensor {
			return this.layer.forward(add(a, b));
		}
	}
	const model = new Sum();
	const half = x.mul(0.5);
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
	await fit(model, [half, half, y], { loss: crossEntropy, optimizer, batchSize: 16, shuffle: false, verbose: 0 });
	const expected = await fitLinear([x, y]);
	assert.equal(await weightsOf(model), expected.weights);
	const outputs = await predict(model, [half, half, y], { batchSize: 7 });
	assertClose(Array.from(await outputs.data()), Array.from(await expected.model.forward(x).data()), 1e-6, 'predict');
	assert.equal((await predict(model, [half, half], { inputs: 2 })).shape, [50, 2]);

	const own = await fitLinear([x, y], {
		metrics: { accuracy: new Accuracy() },
		trainStep: (model, [input, target]) => {
			const output = model.forward(input as never) as Tensor;
			return { loss: crossEntropy(output, target!), output, target: target! };
		},
	});
	assert.equal(own.weights, expected.weights);
	assert.ok(own.history.epochs[0]!.accuracy! > 0.3);
});

test('an average of the weights is updated after each step', async () => {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.5 });
	const ema = new optim.EMA(model.parameters(), { decay: 0.5 });
	const weights = [await weightsOf(model)];
	const callbacks = [{ onBatchEnd: async () => void weights.push(await weightsOf(model)) }];
	await fit(model, [x, y], { loss: crossEntropy, optimizer, ema, batchSize: 16, callbacks, verbose: 0 });
	const average = weights.reduce((mean, next) => mean.map((value, i) => 0.5 * value + 0.5 * next[i]!));
	const found = await Promise.all(ema.averages.map((tensor) => tensor.data()));
	assertClose(
		found.flatMap((values) => Array.from(values)),
		average,
		1e-6,
		'averages',
	);
});

test('L-BFGS takes its steps', async () => {
	const model = linear();
	const optimizer = new optim.LBFGS(model.parameters(), { lineSearchFn: 'strongWolfe', maxIter: 5 });
	const weightDecay = optimizer.paramGroups[0]!;
	weightDecay.weightDecay = 1e-3;
	const options = { loss: crossEntropy, optimizer, epochs: 4, batchSize: 50, shuffle: false, verbose: 0 } as const;
	const { epochs } = await fit(model, [x, y], options);
	assert.is(epochs.length, 4);
	assert.ok(epochs[3]!.loss < 0.1 && epochs[0]!.loss > 0.4, `losses ${epochs.map(({ loss }) => loss)}`);
});

test('modes of modules are restored, and layers learn only while training', async () => {
	const norm = new nn.BatchNorm1d(4, { device: 'cpu' });
	const model = new nn.Sequential(norm, new nn.Linear(4, 2, { device: 'cpu' }));
	model.eval();
	const options = { loss: crossEntropy, optimizer: new optim.SGD(model.parameters(), { lr: 0.1 }), verbose: 0 } as const;
	const modes: boolean[] = [];
	const callbacks = [{ onBatchEnd: () => void modes.push(norm.training) }];
	await fit(model, [x, y], { ...options, batchSize: 50, validationData: [x, y], callbacks });
	assert.equal([model.training, modes], [false, [true]]);
	const before = await norm.buffer('running_mean').data();
	model.train();
	await evaluate(model, [x, y], { loss: crossEntropy });
	await predict(model, x);
	assert.equal([model.training, norm.training], [true, true]);
	assert.equal(await norm.buffer('running_mean').data(), before);
});

test('evaluate and predict', async () => {
	const model = linear();
	const { loss, confusion } = await evaluate(model, [x, y], {
		loss: crossEntropy,
		metrics: { confusion: new ConfusionMatrix() },
	});
	assertClose([loss], [await crossEntropy(model.forward(x), y).item()], 1e-6, 'loss');
	const alone = await evaluate(model, [x, y], { metrics: { accuracy: new Accuracy() } });
	assert.ok(alone.accuracy > 0 && Number.isNaN(alone.loss), 'metrics alone');
	assert.is(
		confusion.flat().reduce((a, b) => a + b),
		50,
	);
	const whole = await predict(model, x);
	const batches = await predict(model, new TensorDataset(x, y), { batchSize: 7 });
	assert.equal(await batches.data(), await whole.data());
	assert.equal(await cat([whole]).data(), await model.forward(x).data());
	assert.is(whole.requiresGrad, false);
	const identity = await predict(new nn.Identity(), x, { batchSize: 50 });
	assert.equal(await identity.data(), await x.data());
});

test('no tensor leaks', async () => {
	const model = linear();
	const optimizer = new optim.Adam(model.parameters());
	const run = async () => {
		const metrics = { accuracy: new Accuracy(), mine: (output: Tensor) => output.mean() };
		const options = {
			loss: crossEntropy,
			optimizer,
			metrics,
			validationSplit: 0.2,
			accumulateSteps: 2,
			classWeight: { 1: 2 },
		} as const;
		await fit(model, [x, y], { ...options, epochs: 2, batchSize: 8, verbose: 0 });
		optimizer.zeroGrad();
		(await predict(model, x)).dispose();
	};
	await run();
	const before = await heldTensors();
	await run();
	assert.ok(memory().tensors <= before, `${memory().tensors} tensors where ${before} were`);
});

test('wrong calls throw clear errors', async () => {
	const model = linear();
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
	const refuse = (data: unknown, options: object, message: RegExp) =>
		assertRejects(() => fit(model, data as [Tensor], { loss: crossEntropy, optimizer, verbose: 0, ...options }), message);
	await refuse([x, y], { epoch: 3 }, /fit: there is no option 'epoch'; its options are loss/);
	await assertRejects(() => fit({} as nn.Module, [x, y], { optimizer }), /fit: model must be a module, not an object/);
	await refuse([x, y], { optimizer: undefined }, /optimizer must be an optimizer of the model/);
	await refuse([x, y], { loss: undefined }, /pass either loss, such as crossEntropy, or trainStep/);
	await refuse([x, y], { loss: 'crossEntropy' }, /loss must be a function/);
	await refuse([x, y], { trainStep: () => x.sum() }, /either loss/);
	await refuse([x, y], { epochs: 1.5 }, /epochs must be a whole number/);
	await refuse([x, y], { accumulateSteps: 0 }, /accumulateSteps/);
	await refuse([x, y], { clipGradNorm: -1 }, /clipGradNorm must be at least 0/);
	await refuse([x, y], { batchSize: 0 }, /batchSize must be a whole number/);
	await refuse([x, y], { verbose: 3 }, /verbose must be 0, 1 or 2/);
	await refuse(x, {}, /data is one tensor/);
	await refuse({}, {}, /not a dataset/);
	await refuse([x], {}, /a batch of the data has 1 field/);
	await refuse([x, y], { loss: () => x }, /the loss of a batch must be a scalar, not a tensor of shape \[50, 4\]/);
	await refuse([x, y], { validationSplit: 1.2 }, /validationSplit must lie in \(0, 1\), not 1.2/);
	await refuse([x, y], { validationSplit: 0.2, validationData: [x, y] }, /either validationData or validationSplit/);
	await refuse(new DataLoader(new TensorDataset(x, y)), { validationSplit: 0.2 }, /validationSplit needs data as/);
	await refuse(new DataLoader(new TensorDataset(x, y)), { sampleWeight: [1] }, /with a loader pass a function/);
	await refuse([x, y], { sampleWeight: [1, 2] }, /sampleWeight has 2 factors for 50 samples/);
	await refuse([x, y], { sampleWeight: () => x }, /sampleWeight has shape \[50, 4\] for a batch of 32/);
	await refuse([x, y], { classWeight: { one: 2 } }, /classWeight names the class 'one'/);
	await refuse([x, y], { classWeight: { 5: 2 } }, /classWeight has 6 classes/);
	await refuse([x, y], { classWeight: { 1: -2 } }, /must be at least 0/);
	await refuse([x, y], { metrics: { loss: new Accuracy() } }, /cannot be named 'loss'/);
	await refuse([x, y], { metrics: { matrix: new ConfusionMatrix() } }, /metric 'matrix' is not a number/);
	await refuse([x, y], { metrics: { wrong: 3 } }, /must be an object of wgrad\/metrics or a function/);
	await refuse([x, y], { metrics: { wide: (output: Tensor) => output } }, /scalar tensor or a number/);
	await refuse(
		[x, y],
		{ loss: undefined, trainStep: () => model.weight.sum(), metrics: { accuracy: new Accuracy() } },
		/metrics need the output/,
	);
	await refuse([x, y], { loss: undefined, trainStep: async () => x.sum() }, /trainStep must not be async/);
	await refuse([x, y], { callbacks: [3] }, /a callback must be/);
	await refuse(
		[x, y],
		{ callbacks: [TerminateOnNaN] },
		/the callback TerminateOnNaN is a class; pass an instance: new TerminateOnNaN\(\)/,
	);
	const foreign = new optim.SGD(new nn.Linear(4, 3).parameters(), { lr: 0.1 });
	await refuse([x, y], { optimizer: foreign }, /the optimizer has none of the model's parameters/);
	await refuse([], {}, /no batches/);
	await refuse([x, y], { resumeFrom: 'dist/none.safetensors' }, /does not exist/);
});

test.run();
