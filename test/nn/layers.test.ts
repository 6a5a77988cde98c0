/**
 * Layers and losses against PyTorch's own modules: keys and shapes of the state, outputs, gradients, and buffers after a step.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { conv2d, logSoftmax, manualSeed, nn, noGrad, ones, randn, type Tensor, tensor, tidy, zeros } from 'wgrad';
import results from '../golden/modules.json';
import { stream } from '../ops/database';
import { ENTRIES, FUNCTIONS } from '../ops/elementwise/rows';
import { requireClose } from '../proofs/compare';

type Name = keyof typeof results;
type Input =
	| readonly number[]
	| { readonly uniform: readonly number[] }
	| { readonly values: readonly number[] }
	| { readonly classes: readonly number[] };

/** The cases of test/golden/modules.py, which defines the same in Python. */
const CASES: Readonly<Record<Name, () => readonly [nn.Module, ...Input[]]>> = {
	Conv1d: () => [new nn.Conv1d(2, 4, 3, { stride: 2, padding: 1, groups: 2 }), [2, 2, 7]],
	'Conv1d reflect': () => [new nn.Conv1d(2, 3, 3, { padding: 2, paddingMode: 'reflect' }), [1, 2, 6]],
	Conv2d: () => [new nn.Conv2d(2, 3, [3, 2], { dilation: [1, 2], bias: false }), [1, 2, 5, 6]],
	'Conv2d same': () => [new nn.Conv2d(1, 2, [3, 4], { padding: 'same' }), [1, 1, 5, 5]],
	'Conv2d circular same': () => [new nn.Conv2d(1, 2, [3, 4], { padding: 'same', paddingMode: 'circular' }), [1, 1, 5, 5]],
	'Conv2d replicate': () => [new nn.Conv2d(1, 2, 3, { padding: [2, 1], paddingMode: 'replicate' }), [1, 1, 4, 5]],
	Conv3d: () => [new nn.Conv3d(1, 2, [2, 1, 2], { padding: [1, 0, 0] }), [1, 1, 3, 3, 3]],
	ConvTranspose1d: () => [new nn.ConvTranspose1d(4, 2, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }), [1, 4, 4]],
	ConvTranspose2d: () => [
		new nn.ConvTranspose2d(2, 3, 3, { stride: [2, 1], padding: [1, 0], outputPadding: [1, 0] }),
		[1, 2, 3, 4],
	],
	MaxPool1d: () => [new nn.MaxPool1d(3, { stride: 2, padding: 1 }), [1, 2, 7]],
	AvgPool1d: () => [new nn.AvgPool1d(2, { ceilMode: true }), [1, 2, 7]],
	AdaptiveAvgPool1d: () => [new nn.AdaptiveAvgPool1d(3), [1, 2, 7]],
	AdaptiveMaxPool2d: () => [new nn.AdaptiveMaxPool2d([2, null]), [1, 2, 5, 3]],
	BatchNorm1d: () => [new nn.BatchNorm1d(3), [4, 3]],
	BatchNorm3d: () => [new nn.BatchNorm3d(2, { momentum: 0.3 }), [2, 2, 2, 1, 3]],
	GroupNorm: () => [new nn.GroupNorm(2, 4), [2, 4, 3]],
	InstanceNorm1d: () => [new nn.InstanceNorm1d(3, { affine: true }), [2, 3, 5]],
	InstanceNorm2d: () => [new nn.InstanceNorm2d(2, { trackRunningStats: true }), [2, 2, 3, 2]],
	'InstanceNorm2d unbatched': () => [new nn.InstanceNorm2d(2), [2, 3, 2]],
	LocalResponseNorm: () => [new nn.LocalResponseNorm(3, { alpha: 0.5, k: 2 }), [1, 5, 2]],
	Bilinear: () => [new nn.Bilinear(2, 3, 4), [5, 2], [5, 3]],
	Unflatten: () => [new nn.Unflatten(1, [2, 3]), [2, 6]],
	Unfold: () => [new nn.Unfold([2, 3], { padding: 1 }), [1, 2, 3, 4]],
	Fold: () => [new nn.Fold([3, 4], 2), [1, 8, 6]],
	ConstantPad1d: () => [new nn.ConstantPad1d([1, 2], 3.5), [1, 2, 3]],
	ZeroPad2d: () => [new nn.ZeroPad2d([1, -1, 2, 0]), [1, 1, 3, 3]],
	ConstantPad2d: () => [new nn.ConstantPad2d(1, -2), [1, 1, 2, 3]],
	ReflectionPad1d: () => [new nn.ReflectionPad1d([2, 1]), [1, 2, 4]],
	ReflectionPad2d: () => [new nn.ReflectionPad2d([1, 2, 0, 1]), [1, 1, 3, 4]],
	ReplicationPad1d: () => [new nn.ReplicationPad1d(2), [1, 2, 3]],
	ReplicationPad2d: () => [new nn.ReplicationPad2d([1, 2, 3, 0]), [1, 1, 2, 3]],
	PReLU: () => [new nn.PReLU(3), [2, 3, 2]],
	'PReLU one': () => [new nn.PReLU(), [5]],
	'RReLU eval': () => [new nn.RReLU().eval(), [7]],
	GLU: () => [new nn.GLU(1), [2, 4, 3]],
	Tanhshrink: () => [new nn.Tanhshrink(), [5]],
	Softshrink: () => [new nn.Softshrink(0.3), [9]],
	Hardshrink: () => [new nn.Hardshrink(), [9]],
	Threshold: () => [new nn.Threshold(0.1, 20), [9]],
	Softmin: () => [new nn.Softmin(1), [2, 5]],
	Softmax2d: () => [new nn.Softmax2d(), [1, 3, 2, 2]],
	SmoothL1Loss: () => [new nn.SmoothL1Loss({ beta: 0.5 }), [2, 3], [2, 3]],
	HuberLoss: () => [new nn.HuberLoss({ delta: 0.5, reduction: 'sum' }), [2, 3], [2, 3]],
	BCELoss: () => [new nn.BCELoss(), { uniform: [2, 3] }, { uniform: [2, 3] }],
	KLDivLoss: () => [new nn.KLDivLoss({ reduction: 'batchmean' }), [2, 3], { uniform: [2, 3] }],
	PoissonNLLLoss: () => [new nn.PoissonNLLLoss(), [2, 3], { uniform: [2, 3] }],
	GaussianNLLLoss: () => [new nn.GaussianNLLLoss({ full: true }), [2, 3], [2, 3], { uniform: [2, 3] }],
	HingeEmbeddingLoss: () => [new nn.HingeEmbeddingLoss({ margin: 0.5 }), [4], { values: [1, -1, -1, 1] }],
	MultiMarginLoss: () => [new nn.MultiMarginLoss({ p: 2 }), [3, 4], { classes: [1, 0, 3] }],
	CosineEmbeddingLoss: () => [new nn.CosineEmbeddingLoss({ margin: 0.1 }), [3, 4], [3, 4], { values: [1, -1, -1] }],
	TripletMarginLoss: () => [new nn.TripletMarginLoss({ swap: true }), [3, 4], [3, 4], [3, 4]],
	CosineSimilarity: () => [new nn.CosineSimilarity({ dim: -1 }), [3, 4], [3, 4]],
	Upsample: () => [new nn.Upsample({ scaleFactor: 2 }), [1, 2, 2, 3]],
	'Upsample bilinear': () => [new nn.Upsample({ size: [5, 4], mode: 'bilinear', alignCorners: true }), [1, 2, 3, 3]],
	'Upsampling nearest': () => [new nn.UpsamplingNearest2d({ scaleFactor: 2 }), [1, 1, 2, 3]],
	'Upsampling bilinear': () => [new nn.UpsamplingBilinear2d({ size: [3, 5] }), [1, 1, 2, 3]],
	ChannelShuffle: () => [new nn.ChannelShuffle(2), [1, 6, 2, 1]],
	ConvTranspose3d: () => [new nn.ConvTranspose3d(2, 1, [1, 2, 2], { stride: 2, outputPadding: [1, 0, 1] }), [1, 2, 2, 1, 2]],
	MaxPool3d: () => [new nn.MaxPool3d([1, 2, 2], { padding: [0, 1, 0] }), [1, 1, 2, 3, 4]],
	AvgPool3d: () => [new nn.AvgPool3d(2, { stride: 1 }), [1, 1, 2, 3, 3]],
	AdaptiveAvgPool3d: () => [new nn.AdaptiveAvgPool3d([1, null, 2]), [1, 1, 2, 2, 3]],
	AdaptiveMaxPool1d: () => [new nn.AdaptiveMaxPool1d(2), [1, 2, 5]],
	AdaptiveMaxPool3d: () => [new nn.AdaptiveMaxPool3d([1, null, 2]), [1, 1, 2, 2, 3]],
	ConstantPad3d: () => [new nn.ConstantPad3d([1, 0, 0, 1, 2, 0], 0.5), [1, 1, 1, 2, 2]],
	ReflectionPad3d: () => [new nn.ReflectionPad3d([1, 0, 0, 1, 1, 0]), [1, 1, 2, 2, 2]],
	ReplicationPad3d: () => [new nn.ReplicationPad3d(1), [1, 1, 1, 2, 1]],
	PairwiseDistance: () => [new nn.PairwiseDistance({ p: 1, keepdim: true }), [3, 4], [3, 4]],
	MarginRankingLoss: () => [new nn.MarginRankingLoss({ margin: 0.5 }), [3], [3], { values: [1, -1, -1] }],
	SoftMarginLoss: () => [new nn.SoftMarginLoss({ reduction: 'sum' }), [3], { values: [1, -1, -1] }],
	MultiLabelMarginLoss: () => [new nn.MultiLabelMarginLoss(), [4], { classes: [3, 0, -1, 1] }],
	MultiLabelSoftMarginLoss: () => [new nn.MultiLabelSoftMarginLoss(), [2, 3], { uniform: [2, 3] }],
	TripletMarginWithDistanceLoss: () => [new nn.TripletMarginWithDistanceLoss({ margin: 3 }), [3, 4], [3, 4], [3, 4]],
	'weight norm': () => [nn.weightNorm(new nn.Conv1d(2, 3, 2)), [1, 2, 4]],
	'weight norm of all': () => [nn.weightNorm(new nn.Linear(3, 2), { dim: null }), [2, 3]],
	PixelShuffle: () => [new nn.PixelShuffle(2), [1, 8, 2, 3]],
	PixelUnshuffle: () => [new nn.PixelUnshuffle(2), [1, 2, 4, 2]],
};

/** Both compute in float64 from values that float32 represents exactly. */
const ALLOWED = { relative: 1e-9, absolute: 1e-11 };

function draw(name: string, shape: readonly number[], low = -1, high = 1): Tensor {
	const next = stream(name);
	const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(low + next() * (high - low)));
	return tensor(values, { shape, dtype: 'float64', device: 'cpu' });
}

function inputOf(name: string, input: Input): Tensor {
	if ('uniform' in input) return draw(name, input.uniform, 0.1, 0.9);
	if ('values' in input && Array.isArray(input.values)) return tensor(input.values, { dtype: 'float64', device: 'cpu' });
	if ('classes' in input) return tensor(input.classes, { dtype: 'int32', device: 'cpu' });
	return draw(name, input as readonly number[]);
}

for (const [name, make] of Object.entries(CASES)) {
	test(`${name} gives PyTorch's results`, async () => {
		const [module, ...inputs] = make();
		const expected = results[name as Name];
		module.to('float64');
		assert.equal(
			Object.fromEntries(Object.entries(module.stateDict()).map(([key, value]) => [key, value.shape])),
			expected.state,
		);
		noGrad(() => {
			for (const [key, parameter] of module.namedParameters()) parameter.copy_(draw(`${name}/${key}`, parameter.shape));
		});
		const tensors = inputs.map((input, i) => inputOf(`${name}/${i}`, input));
		tensors[0]!.requiresGrad_();
		const forward = (of: nn.Module) => (of as unknown as { forward(...inputs: Tensor[]): Tensor }).forward(...tensors);
		const copy = module.clone();
		const output = forward(module);
		assert.equal(Array.from(await noGrad(() => forward(copy)).data()), Array.from(await output.data()), 'a clone');
		assert.equal(output.shape, expected.shape);
		requireClose(name, await output.data(), expected.output, ALLOWED);
		output
			.mul(draw(`${name}/gradient`, output.shape))
			.sum()
			.backward();
		requireClose(`${name}: gradient`, await tensors[0]!.grad!.data(), expected.gradient, ALLOWED);
		for (const [key, values] of Object.entries(expected.parameters as Record<string, number[]>)) {
			const parameter = new Map<string, Tensor>(module.namedParameters()).get(key)!;
			requireClose(`${name}: gradient of ${key}`, await parameter.grad!.data(), values, ALLOWED);
		}
		for (const [key, values] of Object.entries(expected.buffers as Record<string, number[]>)) {
			requireClose(`${name}: ${key}`, await module.buffer(key).data(), values, ALLOWED);
		}
	});
}

test('transposed convolutions reach every output size that their stride allows', () => {
	const layer = new nn.ConvTranspose2d(1, 1, 3, { stride: 2, padding: 1 });
	for (const size of [7, 8]) assert.equal(layer.forward(zeros([1, 1, 4, 4]), [size, 7]).shape, [1, 1, size, 7]);
	assert.throws(
		() => layer.forward(zeros([1, 1, 4, 4]), [9, 7]),
		/ConvTranspose2d: outputSize \[9, 7\] is impossible for input \[1, 1, 4, 4\]: it must lie between \[7, 7\] and \[8, 8\]/,
	);
});

test('initial values lie within the bounds of PyTorch', async () => {
	manualSeed(5);
	const bounds: [nn.Parameter, number][] = [
		[new nn.ConvTranspose1d(8, 12, 5, { groups: 2 }).weight, 1 / Math.sqrt(6 * 5)],
		[new nn.Conv3d(4, 16, 2).bias!, 1 / Math.sqrt(4 * 8)],
		[new nn.Bilinear(9, 5, 7).weight, 1 / 3],
	];
	for (const [parameter, bound] of bounds) {
		const values = Array.from(await parameter.data(), Math.abs);
		assert.ok(Math.max(...values) <= bound && Math.max(...values) > 0.7 * bound);
	}
	assert.equal(Array.from(await new nn.PReLU(2).weight.data()), [0.25, 0.25]);
});

test('channel dropout drops whole channels, and none in inference', async () => {
	manualSeed(5);
	for (const [layer, shape] of [
		[new nn.Dropout1d(0.5), [3, 40, 5]],
		[new nn.Dropout2d({ p: 0.5 }), [3, 40, 5, 1]],
		[new nn.Dropout3d(0.5), [3, 40, 1, 5, 1]],
	] as const) {
		const values = Array.from(await layer.forward(ones(shape)).data());
		for (let i = 0; i < values.length; i += 5) assert.is(new Set(values.slice(i, i + 5)).size, 1);
		assert.equal(new Set(values), new Set([0, 2]));
		assert.ok(Array.from(await layer.eval().forward(ones(shape)).data()).every((value) => value === 1));
	}
	assert.throws(() => new nn.Dropout2d(2), /Dropout2d: p must lie in \[0, 1\], not 2/);
});

test('alpha dropout keeps mean 0 and variance 1, and dropped elements share one value', async () => {
	manualSeed(6);
	const values = Array.from(await new nn.AlphaDropout(0.3).forward(randn([10000])).data());
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
	assert.ok(Math.abs(mean) < 0.05 && Math.abs(variance - 1) < 0.06, `${mean}, ${variance}`);
	// scale (x - saturation p) where kept, scale saturation (1 - p) where dropped
	const scale = 1 / Math.sqrt(0.7 * (1 + 0.3 * 1.7580993 ** 2));
	const channels = await new nn.FeatureAlphaDropout(0.3).forward(zeros([5, 40, 3])).data();
	for (let i = 0; i < channels.length; i += 3) assert.is(new Set(channels.slice(i, i + 3)).size, 1);
	const found = [...new Set(channels)].sort((a, b) => a - b);
	requireClose('alpha dropout of zeros', found, [-scale * 1.7580993 * 0.7, scale * 1.7580993 * 0.3], {
		relative: 1e-6,
		absolute: 1e-7,
	});
	const x = ones([3]);
	assert.is(new nn.AlphaDropout().eval().forward(x), x);
});

test('embeddings of given rows, and embedding bags', async () => {
	const rows = tensor(
		[
			[1, 2],
			[3, 4],
			[5, 9],
		],
		{ dtype: 'float64', device: 'cpu' },
	);
	const layer = nn.Embedding.fromPretrained(rows, { paddingIdx: 0 });
	const indices = tensor([2, 0, 1], { dtype: 'int32', device: 'cpu' });
	assert.equal(await layer.forward(indices).toArray(), [
		[5, 9],
		[1, 2],
		[3, 4],
	]);
	assert.is(layer.weight.requiresGrad, false);
	assert.is(nn.Embedding.fromPretrained(rows, { freeze: false }).weight.requiresGrad, true);
	assert.throws(
		() => nn.Embedding.fromPretrained(zeros([3])),
		/Embedding.fromPretrained: weight must be \[rows, columns\], not \[3\]/,
	);

	const bag = new nn.EmbeddingBag(3, 2, { mode: 'sum', dtype: 'float64', device: 'cpu' });
	bag.loadStateDict({ weight: rows });
	const offsets = tensor([0, 2], { dtype: 'int32', device: 'cpu' });
	assert.equal(await bag.forward(indices, offsets).toArray(), [
		[6, 11],
		[3, 4],
	]);
});

test('weight norm does not change the weight, and throws without one', async () => {
	const layer = new nn.Linear(3, 2);
	const [x, before] = [ones([1, 3]), await layer.weight.data()];
	const expected = await layer.forward(x).data();
	nn.weightNorm(layer);
	requireClose('weight', await layer.weight.data(), before, { relative: 1e-6, absolute: 1e-7 });
	requireClose('output', await layer.forward(x).data(), expected, { relative: 1e-6, absolute: 1e-6 });
	assert.equal(
		layer.namedParameters().map(([path]) => path),
		['bias', 'weight_g', 'weight_v'],
	);
	tidy(() => void layer.forward(x));
	requireClose('weight after a step', await layer.weight.data(), before, { relative: 1e-6, absolute: 1e-7 });
	assert.throws(() => nn.weightNorm(new nn.ReLU()), /weightNorm: ReLU has no parameter 'weight'/);
});

test('parameters by name are in the state, and move with the module', () => {
	const dict = new nn.ParameterDict({ a: new nn.Parameter(ones([2])) }).set('b', new nn.Parameter(zeros([3])));
	assert.equal(Object.keys(dict.stateDict()), ['a', 'b']);
	dict.to('float64');
	assert.is(dict.get('b').dtype, 'float64');
	assert.throws(() => dict.get('c'), /ParameterDict: no parameter 'c'; it has: a, b/);
	const list = new nn.ParameterList([ones([2])]).append(zeros([3]));
	assert.equal(Object.keys(list.stateDict()), ['0', '1']);
	assert.ok([...list].every((parameter) => parameter instanceof nn.Parameter && parameter.requiresGrad));
});

test('wrong arguments throw in the constructor', () => {
	assert.throws(
		() => new nn.Conv1d(3, 4, 3, { groups: 2 }),
		/Conv1d: 3 input and 4 output channels must both be multiples of the 2 groups/,
	);
	assert.throws(() => new nn.Conv2d(1, 1, 3, { padding: 'same', stride: 2 }), /Conv2d: padding 'same' keeps the size/);
	assert.throws(
		() => new nn.Conv2d(1, 1, 3, { paddingMode: 'mirror' as 'reflect' }),
		/Conv2d: paddingMode must be 'zeros', 'reflect', 'replicate' or 'circular', not 'mirror'/,
	);
	assert.throws(() => new nn.GroupNorm(3, 4), /GroupNorm: 4 channels must be a multiple of the 3 groups/);
	assert.throws(() => new nn.ReflectionPad2d([1, 2]), /ReflectionPad2d: padding \[1,2\] has 2 numbers; give one or 4/);
});

test('the CTC layer equals its function, with lengths as numbers or tensors', async () => {
	manualSeed(5);
	const logProbs = logSoftmax(randn([6, 2, 4]), -1);
	const targets = tensor(
		[
			[1, 2],
			[3, 0],
		],
		{ dtype: 'int32' },
	);
	const layer = new nn.CTCLoss({ reduction: 'sum' });
	const numbers = await layer.forward(logProbs, targets, [6, 5], [2, 1]).item();
	const lengths = (values: number[]) => tensor(values, { dtype: 'int32' });
	assert.is(await layer.forward(logProbs, targets, lengths([6, 5]), lengths([2, 1])).item(), numbers);
});

test('batch norm without momentum averages over all batches, also those before a saved state', async () => {
	manualSeed(6);
	const batches = Array.from({ length: 3 }, () => randn([8, 2]));
	const means = await Promise.all(batches.map((batch) => batch.mean(0).data()));
	const variances = await Promise.all(batches.map((batch) => batch.var(0).data()));
	const first = new nn.BatchNorm1d(2, { momentum: null });
	first.forward(batches[0]!);
	first.forward(batches[1]!);
	const layer = new nn.BatchNorm1d(2, { momentum: null });
	layer.loadStateDict(first.stateDict());
	layer.forward(batches[2]!);
	for (const [buffer, seen] of [
		[layer.runningMean, means],
		[layer.runningVar, variances],
	] as const) {
		const average = [0, 1].map((channel) => seen.reduce((sum, values) => sum + values[channel]!, 0) / 3);
		(await buffer.data()).forEach((value, channel) => {
			assert.ok(Math.abs(value - average[channel]!) < 1e-6, `${value} instead of ${average[channel]}`);
		});
	}
});

for (const [name, { layer }] of ENTRIES) {
	if (layer === undefined) continue;
	test(`${layer} computes ${name}`, async () => {
		const make = nn[layer] as new () => { forward(x: Tensor): Tensor };
		const x = draw(layer, [4, 9], -8, 8);
		const compute: (x: Tensor) => Tensor = FUNCTIONS[name];
		const y = new make().forward(x);
		assert.equal(Array.from(await y.data()), Array.from(await compute(x).data()));
	});
}

test('the first options come by position, too', () => {
	const at = (layer: nn.Module) => layer.toString();
	const pairs: readonly (readonly [nn.Module, nn.Module])[] = [
		[new nn.MaxPool2d(3, 2, 1), new nn.MaxPool2d(3, { stride: 2, padding: 1 })],
		[new nn.MaxPool1d(3, 2, { padding: 1 }), new nn.MaxPool1d(3, { stride: 2, padding: 1 })],
		[new nn.AvgPool2d([2, 3], [1, 2]), new nn.AvgPool2d([2, 3], { stride: [1, 2] })],
		[new nn.Conv2d(2, 4, 3, 2, 1, 1, 2), new nn.Conv2d(2, 4, 3, { stride: 2, padding: 1, groups: 2 })],
		[new nn.Conv1d(2, 4, 3, 1, 'same', { bias: false }), new nn.Conv1d(2, 4, 3, { padding: 'same', bias: false })],
		[new nn.ConvTranspose2d(2, 4, 3, 2, 1, 1), new nn.ConvTranspose2d(2, 4, 3, { stride: 2, padding: 1, outputPadding: 1 })],
		[new nn.LSTM(2, 3, 2), new nn.LSTM(2, 3, { numLayers: 2 })],
		[new nn.GRU(2, 3, 2, true, true), new nn.GRU(2, 3, { numLayers: 2, batchFirst: true })],
		[new nn.RNN(2, 3, 2, { nonlinearity: 'relu' }), new nn.RNN(2, 3, { numLayers: 2, nonlinearity: 'relu' })],
	];
	for (const [short, long] of pairs) {
		assert.is(at(short), at(long));
		assert.equal(Object.keys(short.stateDict()), Object.keys(long.stateDict()));
	}
	assert.throws(() => new nn.MaxPool2d(3, 2, { stride: 1 }), /MaxPool2d: stride is given by position and in the options/);
	assert.throws(() => new nn.LSTM(2, 3, 'two' as never), /LSTM: numLayers must be a whole number of at least 1, not 'two'/);
});

test('functions take their first options by position, too', async () => {
	const x = randn([1, 2, 6, 5]);
	const weight = randn([4, 2, 3, 3]);
	const pairs: readonly (readonly [Tensor, Tensor])[] = [
		[x.clamp(0, 1), x.clamp({ min: 0, max: 1 })],
		[x.clamp(null, 0.5), x.clamp({ max: 0.5 })],
		[conv2d(x, weight, null, 2, 1), conv2d(x, weight, null, { stride: 2, padding: 1 })],
		[x.maxPool2d(3, 2, 1), x.maxPool2d(3, { stride: 2, padding: 1 })],
		[x.avgPool2d(2, 1, 1, false, false), x.avgPool2d(2, { stride: 1, padding: 1, countIncludePad: false })],
		[x.dropout(1), zeros(x.shape)],
		[x.dropout(0.9, false), x],
	];
	for (const [short, long] of pairs) assert.equal(await short.toArray(), await long.toArray());
});

test.run();
