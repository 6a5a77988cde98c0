/** Typical mistakes of users who come from PyTorch, Keras or plain JavaScript: each message names the cure. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	crossEntropy,
	einsum,
	full,
	init,
	io,
	jacobian,
	layerNorm,
	manualSeed,
	mseLoss,
	nn,
	ones,
	optim,
	rand,
	randn,
	type Tensor,
	tensor,
	WgradError,
	zeros,
} from 'wgrad';
import { readCsv } from 'wgrad/data';
import * as metrics from 'wgrad/metrics';
import { evaluate, fit, loadCheckpoint, MemoryStore, ModelCheckpoint, predict } from 'wgrad/train';

test.before(async () => {
	await init({ device: 'cpu' });
});

const x = tensor([
	[1, 2],
	[3, 4],
]);
/** Calls a method without type checks, as JavaScript allows. */
const method = (name: 'reshape' | 'view' | 'expand' | 'repeat' | 'tile' | 'permute' | 'sum' | 'softmax' | 'cumsum') =>
	loose(x[name].bind(x));
const loose = (fn: unknown) => fn as (...values: unknown[]) => unknown;
const make = (layer: unknown, ...values: unknown[]) => new (layer as new (...values: unknown[]) => unknown)(...values);
const model = new nn.Sequential(new nn.Linear(2, 2));
const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
const data: [Tensor, Tensor] = [x, x];
const FIT = { loss: mseLoss, optimizer, verbose: 0 };
const schedule = new optim.lrScheduler.ExponentialLR(optimizer, 1);
const foreign = x as unknown as Record<string, () => unknown>;

const MISTAKES: readonly (readonly [title: string, call: () => unknown, message: RegExp])[] = [
	['sizes one by one', () => loose(randn)(5), /randn: a shape is one array of numbers, not 5. Write \[5\], or \[5, \.\.\.\]/],
	[
		'several sizes one by one',
		() => loose(zeros)(2, 3),
		/zeros: options come as an object.* Several sizes or dims go into one array/,
	],
	['no shape', () => loose(rand)(), /rand: a shape is one array of numbers, not undefined/],
	['a size for a shape', () => loose(full)(3, 1), /full: a shape is one array of numbers, not 3. Write \[3\]/],
	[
		'reshape(2, 2)',
		() => method('reshape')(2, 2),
		/reshape: a shape is one array of numbers, not 2. Write \[2\], or \[2, \.\.\.\]/,
	],
	['view(-1)', () => method('view')(-1), /view: a shape is one array of numbers, not -1. Write \[-1\]/],
	['expand(2, 2)', () => method('expand')(2, 2), /expand: a shape is one array of numbers, not 2/],
	['repeat(2, 2)', () => method('repeat')(2, 2), /repeat: the list of repeats is one array of numbers, not 2/],
	['tile(2, 2)', () => method('tile')(2, 2), /tile: the list of repeats is one array of numbers/],
	[
		'permute(1, 0)',
		() => method('permute')(1, 0),
		/permute: the list of dims is one array of numbers, not 1. Write \[1\], or \[1, \.\.\.\]/,
	],
	[
		'dim among the options',
		() => method('sum')({ dim: 1 }),
		/sum: dims must be .*not an object. They come before the options: sum\(dim, /,
	],
	[
		'one dim among the options',
		() => method('softmax')({ dim: 1 }),
		/softmax: dim must be a number from -2 to 1, not an object. It comes before/,
	],
	['a dim left out', () => method('cumsum')(), /cumsum: dim must be a number from -2 to 1, not undefined/],
	['keepdim as an argument', () => method('sum')(1, true), /sum: options come as an object, { name: value }, not as true/],
	[
		'sizes of a layer in an object',
		() => make(nn.Linear, { inFeatures: 2, outFeatures: 3 }),
		/Linear: inFeatures must be .*not an object. Required arguments come one by one, before the options: \(inFeatures, outFeatures, /,
	],
	[
		'a size of a layer left out',
		() => make(nn.Linear, 2),
		/Linear: outFeatures must be a whole number of at least 0, not undefined/,
	],
	['channels in an object', () => make(nn.Conv2d, { inChannels: 1 }), /Conv2d: inChannels must be .*\(inChannels, outChannels, /],
	[
		'no embeddingDim',
		() => make(nn.Embedding, 10),
		/Embedding: embeddingDim must be a whole number of at least 0, not undefined/,
	],
	['no numFeatures', () => make(nn.BatchNorm2d), /BatchNorm2d: numFeatures must be a whole number of at least 0, not undefined/],
	[
		'dModel in an object',
		() => make(nn.TransformerEncoderLayer, { dModel: 8 }),
		/TransformerEncoderLayer: dModel must be .*not an object/,
	],
	['modules one by one', () => make(nn.ModuleList, new nn.ReLU(), new nn.ReLU()), /ModuleList: it takes one list of modules/],
	[
		'an array as parameter',
		() => make(nn.Parameter, [1]),
		/Parameter: data must be a tensor, not \[1\]. Make one with tensor\(\)/,
	],
	['int32 into a layer', () => model.forward(x.to('int32')), /linear: dtypes differ: int32 .*Convert one with .to\('float32'\)/],
	['an array into a layer', () => model.forward([[1, 2]] as never), /linear: input must be a tensor, not \[\[1, 2\]\]/],
	['a module for its state', () => loose(io.saveSafetensors)(model), /saveSafetensors: .*not a module. Pass its stateDict\(\)/],
	['a tensor for a state', () => loose(io.saveSafetensors)(x), /saveSafetensors: .*not one tensor. Name it: { name: tensor }/],
	[
		'a module as state',
		() => loose(model.loadStateDict.bind(model))(model),
		/loadStateDict\(Sequential\): .*Pass its stateDict\(\)/,
	],
	[
		'bytes as state',
		() => model.loadStateDict(new Uint8Array(8) as never),
		/loadStateDict\(Sequential\): .*io.loadSafetensors\(bytes\)/,
	],
	['no state', () => loose(model.loadStateDict.bind(model))(), /loadStateDict\(Sequential\): it takes tensors by name/],
	['a model for its parameters', () => make(optim.SGD, model, { lr: 0.1 }), /SGD: parameters must be a list of tensors/],
	['a tensor for parameters', () => make(optim.Adam, model.stateDict()), /Adam: .*such as model.parameters\(\)/],
	[
		'a model to clip',
		() => loose(optim.clipGradNorm)(model, 1),
		/clipGradNorm: parameters must be a list of tensors, such as model.parameters\(\)/,
	],
	[
		'a schedule without optimizer',
		() => make(optim.lrScheduler.StepLR, 10),
		/StepLR: optimizer must be an optimizer, such as new optim.Adam/,
	],
	['a tensor of a tensor', () => loose(tensor)(x), /tensor: the data is a tensor already. Copy one with clone\(\)/],
	['a tensor of tensors', () => loose(tensor)([x, x]), /tensor: the data is a tensor already.* join several with stack\(\)/],
	['a seed of text', () => loose(manualSeed)('a'), /manualSeed: seed a is not a 64-bit integer/],
	['minus', () => -(x as never), /operators such as -, \* and < do not compute with tensors. Use methods/],
	['greater', () => (x as never) > 1, /operators such as -, \* and < do not compute with tensors/],
	['times a promise of a number', () => Number(x), /for a number, await x.item\(\)/],
	['another device', () => x.add(full([2, 2], 1, { device: 'gpu' as never })), /unknown device 'gpu': it is 'cpu' or 'webgpu'/],
	[
		'target beside the input',
		() => loose(fit)(model, x, x, {}),
		/fit: pass inputs and target as one list: fit\(model, \[x, y\], /,
	],
	[
		'target beside, to judge',
		() => loose(evaluate)(model, x, x),
		/evaluate: pass inputs and target as one list: evaluate\(model, \[x, y\], /,
	],
	[
		'a class as loss',
		() => fit(model, data, { loss: nn.MSELoss as never, optimizer }),
		/fit: loss MSELoss is a class; pass an instance: new nn/,
	],
	[
		'a text as loss',
		() => fit(model, data, { loss: 'mse' as never, optimizer }),
		/fit: loss must be a function such as crossEntropy/,
	],
	[
		'no optimizer',
		() => fit(model, data, { loss: mseLoss } as never),
		/fit: optimizer must be an optimizer of the model.*new optim.Adam\(model.parameters/,
	],
	['no options', () => loose(fit)(model, data), /fit: options come as an object, { name: value }, not as undefined$/],
	['floating classes', () => crossEntropy(x, ones([2])), /crossEntropy: .*Classes must be int32: convert with .to\('int32'\)/],
	[
		'arrays to train on',
		() => loose(fit)(model, [[[1, 2]], [[1, 2]]], FIT),
		/fit: data must be \[x, y\] tensors, not arrays .*tensor\(x\)/,
	],
	['an array beside a tensor', () => loose(fit)(model, [[[1, 2]], x], FIT), /fit: data must be \[x, y\] tensors, not arrays/],
	['arrays to predict for', () => loose(predict)(model, [[1, 2]]), /predict: data must be \[x, y\] tensors, not arrays/],
	['a typed array', () => loose(predict)(model, new Float32Array(2)), /predict: data must be \[x, y\] tensors, not arrays/],
	[
		'metrics in a list',
		() => loose(fit)(model, data, { ...FIT, metrics: [metrics.accuracy] }),
		/fit: metrics must be named, \{ accuracy: /,
	],
	[
		'a class as metric',
		() => loose(fit)(model, data, { ...FIT, metrics: { right: metrics.Accuracy } }),
		/fit: metric 'right' is a class; pass an instance: new Accuracy\(\)/,
	],
	['no such file', () => readCsv('none.csv'), /readCsv: .*none.csv.*ENOENT/],
	[
		'a path for the bytes',
		() => loose(io.loadSafetensors)('model.safetensors'),
		/loadSafetensors: .*not 'model.safetensors'. Read them/,
	],
	[
		'a path for state',
		() => loose(model.loadStateDict.bind(model))('model.safetensors'),
		/what io.loadSafetensors\(bytes\) gives, not 'model/,
	],
	[
		'a path to save to',
		() => loose(io.saveSafetensors)({ x }, 'model.safetensors'),
		/saveSafetensors: it takes no path and returns the bytes/,
	],
	[
		'weights of classes for options',
		() => make(nn.CrossEntropyLoss, ones([2])),
		/CrossEntropyLoss: options come .* not as a tensor of shape/,
	],
	[
		'a weight for options',
		() => loose(layerNorm)(x, [2], ones([2])),
		/layerNorm: options come as an object.* not as a tensor of shape/,
	],
	['a list of factors', () => loose(einsum)('ij,jk', [x, x]), /einsum: tensors come one by one, not as a list/],
	[
		'a tensor for a function',
		() => loose(jacobian)(x, x),
		/jacobian: fn must be a function of tensors, not a tensor of shape \[2, 2\]/,
	],
	['no data', () => loose(tensor)(), /tensor: data holds undefined; it takes numbers and booleans/],
	['a model to average', () => make(optim.EMA, model), /EMA: parameters must be a list of tensors, such as model.parameters\(\)/],
	[
		'schedules one by one',
		() => make(optim.lrScheduler.ChainedScheduler, schedule, schedule),
		/ChainedScheduler: schedulers must be one list/,
	],
	[
		'a factor for a function',
		() => make(optim.lrScheduler.LambdaLR, optimizer, 0.1),
		/LambdaLR: lrLambda must be a function, or one for each/,
	],
	[
		'a Parameter that is none',
		() => make(nn.ParameterList, [[1, 2]]),
		/ParameterList: 0 must be a parameter, such as new nn.Parameter/,
	],
	['a state that was not awaited', () => model.loadStateDict(Promise.resolve({}) as never), /not a promise\. Await it first/],
	['a state in a Map', () => model.loadStateDict(new Map() as never), /Object\.fromEntries\(map\)/],
	['a bigint', () => tensor([1n] as never), /tensor: data holds the bigint 1n; it takes numbers and booleans/],
	[
		'a file of torch.save()',
		() => io.loadSafetensors(new TextEncoder().encode('PK\u0003\u0004 data.pkl')),
		/not a safetensors file, but a zip archive, as torch\.save\(\) writes it/,
	],
	[
		'an address that is a page',
		() => io.loadSafetensors(new TextEncoder().encode('<!DOCTYPE html>')),
		/not a safetensors file, but a page of HTML/,
	],
	['modules in a text', () => make(nn.ModuleDict, 'a'), /ModuleDict: it takes modules by name, \{ name: value \}, not 'a'/],
	['an upsampling to no size', () => make(nn.Upsample, {}), /Upsample: give size or scaleFactor/],
	['T of three dims', () => ones([1, 2, 3]).T, /t: takes at most 2 dims, not \[1, 2, 3\]. Use transpose\(dim0, dim1\) or x.mT/],
	['x[0]', () => foreign[0], /Tensor: there is no x\[0\]; use x.select\(0, i\)/],
	['x[0] = 1', () => Object.assign(foreign, { 0: 1 }), /Tensor: there is no x\[0\]/],
	['x.cuda()', () => foreign.cuda!(), /Tensor: there is no x.cuda; use x.to\('webgpu'\)/],
	['x.numpy()', () => foreign.numpy!(), /Tensor: there is no x.numpy; use await x.data\(\)/],
	['x.long()', () => foreign.long!(), /Tensor: there is no x.long; use x.to\('int32'\)/],
	[
		'x.requires_grad = true',
		() => Object.assign(foreign, { requires_grad: true }),
		/use x.requiresGrad; x.requiresGrad_\(\) sets it/,
	],
	['x.masked_fill()', () => foreign.masked_fill!(), /Tensor: there is no x.masked_fill; use x.maskedFill\(\)/],
	[
		'no such checkpoint',
		() => loadCheckpoint('none', { model }, { store: new MemoryStore() }),
		/loadCheckpoint: there is no checkpoint 'none'/,
	],
];

for (const [title, call, message] of MISTAKES) {
	test(title, async () => {
		let error: unknown;
		try {
			await call();
		} catch (caught) {
			error = caught;
		}
		assert.instance(error, Error, 'nothing was thrown');
		assert.match((error as Error).message, message);
	});
}

/** Classes with required constructor arguments. The first missing or wrong argument throws, and the error names the class. */
const DEMANDING = new Set(
	`Linear Bilinear Embedding EmbeddingBag Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
	MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d
	AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm RMSNorm GroupNorm
	InstanceNorm1d InstanceNorm2d InstanceNorm3d LocalResponseNorm Softmax LogSoftmax Softmin Threshold Unflatten Unfold Fold
	PixelShuffle PixelUnshuffle ChannelShuffle Upsample UpsamplingNearest2d UpsamplingBilinear2d ConstantPad1d ConstantPad2d
	ConstantPad3d ZeroPad1d ZeroPad2d ZeroPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
	ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d RNN LSTM GRU RNNCell LSTMCell GRUCell MultiheadAttention
	TransformerEncoderLayer TransformerDecoderLayer TransformerEncoder TransformerDecoder TimeDistributed Parameter KVCache LearnedPositions SinusoidalPositions RotaryPositions
	SGD Adam AdamW Adamax Adagrad Adadelta NAdam RAdam RMSprop Lion Muon LBFGS EMA StepLR MultiStepLR ExponentialLR
	CosineAnnealingLR CosineAnnealingWarmRestarts OneCycleLR CyclicLR LambdaLR MultiplicativeLR SequentialLR ChainedScheduler
	WarmupLR SWALR AveragedModel FakeQuantizedLinear FakeQuantizedEmbedding
	QuantizedLinear QuantizedEmbedding`.split(/\s+/),
);
const ABSTRACT = new Set(['Module', 'Optimizer', 'LRScheduler', 'RateScheduler']);
const WRONG: readonly (readonly unknown[])[] = [[], [null], ['text'], [{ nonsense: 1 }], [new Date()]];
const GIVEN: readonly (readonly unknown[])[] = [
	...WRONG,
	[() => 1],
	[[]],
	[true],
	[-1],
	[1.5],
	[x],
	[model],
	[['a']],
	[2, 2, 2, 2, 2, 2],
];

for (const [kind, library, first] of [
	['layers and losses', nn, []],
	['optimizers', optim, []],
	['schedules', optim.lrScheduler, [optimizer]],
	['metrics', metrics, []],
] as const) {
	const classes = Object.entries(library).filter(([name, value]) => /^class/.test(String(value)) && !ABSTRACT.has(name));

	test(`${kind} reject wrong arguments in their constructor`, () => {
		for (const [name, layer] of classes) {
			for (const given of GIVEN) {
				let message: string | null = null;
				try {
					make(layer, ...first, ...given);
				} catch (error) {
					assert.instance(error, WgradError, `${name}(${given}): ${error}`);
					message = (error as Error).message;
				}
				if (DEMANDING.has(name) && WRONG.includes(given))
					assert.ok(message?.startsWith(`${name}: `), `${name}(${given}): ${message}`);
				else if (given.length === 0) assert.is(message, null, `${name}() is refused: is it missing in DEMANDING?`);
			}
		}
	});
}

test('a tensor becomes text with its values, by any operator that makes text', () => {
	assert.match(`${x}`, /^tensor\(\[\[1/);
	assert.match(`loss ${String(x)}`, /^loss tensor/);
});

test('a finished run that is started again reports that nothing is left to train', async () => {
	const store = new MemoryStore();
	const options = { loss: mseLoss, optimizer, epochs: 1, verbose: 0 } as const;
	await fit(model, data, { ...options, callbacks: [new ModelCheckpoint('run', { store })] });
	const warnings: string[] = [];
	const warn = console.warn;
	console.warn = (text: string) => warnings.push(text);
	try {
		const again = await fit(model, data, { ...options, resumeFrom: { name: 'run', store } });
		assert.is(again.epochs.length, 1);
		assert.is(warnings.length, 1);
		assert.match(
			warnings[0]!,
			/fit: checkpoint 'run' holds a finished run, so there is nothing to train. Raise epochs to continue, or remove/,
		);
		await fit(model, data, { ...options, epochs: 2, resumeFrom: { name: 'run', store } });
		assert.is(warnings.length, 1, 'a run that goes on says nothing');
	} finally {
		console.warn = warn;
	}
});

test.run();
