/**
 * Correct constructions and calls of layers, optimizers, schedulers and metrics, as bases for wrong ones, like those of calls.ts.
 */
import { ROWS } from '../ops/elementwise/rows';
import { Some } from './calls';

const f = (...shape: number[]) => new Some(shape);
const i = (...shape: number[]) => new Some(shape, 'int32');

type Construction = readonly [constructor: readonly unknown[], forward: readonly unknown[]];

function each(names: string, construction: Construction): Record<string, Construction> {
	return Object.fromEntries(names.split(' ').map((name) => [name, construction]));
}

/** The layers of the unary functions; those with options are listed again below. */
const OF_FUNCTIONS = Object.values(ROWS).flatMap(({ layer }) => layer ?? []);

export const LAYERS: Readonly<Record<string, Construction>> = {
	...each(OF_FUNCTIONS.join(' '), [[], [f(2, 3)]]),
	...each('Tanhshrink Identity', [[], [f(2, 3)]]),
	LeakyReLU: [[{ negativeSlope: 0.2 }], [f(2, 3)]],
	...each('ELU CELU', [[{ alpha: 2 }], [f(2, 3)]]),
	Softplus: [[{ beta: 2, threshold: 5 }], [f(2, 3)]],
	Hardtanh: [[{ minVal: -2, maxVal: 2 }], [f(2, 3)]],
	...each('Softmax LogSoftmax', [[1], [f(2, 3)]]),
	...each('Dropout Dropout2d', [[{ p: 0.5 }], [f(2, 3, 4, 4)]]),
	Dropout1d: [[{ p: 0.5 }], [f(2, 3, 4)]],
	Linear: [[3, 4, { bias: true, dtype: 'float32' }], [f(2, 3)]],
	Bilinear: [
		[3, 4, 5, { bias: true }],
		[f(2, 3), f(2, 4)],
	],
	QuantizedLinear: [[8, 2, { bits: 4, groupSize: 4, symmetric: false, bias: true, activations: 'dynamic8' }], [f(3, 8)]],
	QuantizedEmbedding: [[5, 8, { bits: 4, groupSize: 4, symmetric: false }], [i(4)]],
	Embedding: [[5, 3, { paddingIdx: 1 }], [i(4)]],
	EmbeddingBag: [
		[5, 3, { mode: 'mean', paddingIdx: 1 }],
		[i(4), i(2)],
	],
	Flatten: [[1, 2], [f(2, 3, 4)]],
	Unflatten: [[1, [2, 3]], [f(2, 6)]],
	Conv1d: [[3, 4, 2, { stride: 1, padding: 1, dilation: 1, groups: 1, bias: true, paddingMode: 'zeros' }], [f(2, 3, 7)]],
	Conv2d: [[3, 4, [2, 2], { stride: [1, 1], padding: 'same', paddingMode: 'reflect' }], [f(2, 3, 7, 6)]],
	ConvTranspose2d: [[3, 4, 2, { stride: 2, padding: 0, outputPadding: 1 }], [f(2, 3, 5, 4)]],
	MaxPool2d: [[2, { stride: 1, padding: 1, dilation: 1, ceilMode: true, returnIndices: true }], [f(2, 3, 6, 5)]],
	MaxUnpool1d: [
		[2, { stride: 2, padding: 0 }],
		[f(2, 3, 6), i(2, 3, 6)],
	],
	MaxUnpool2d: [
		[2, { stride: 2, padding: 0 }],
		[f(2, 3, 6, 5), i(2, 3, 6, 5)],
	],
	MaxUnpool3d: [
		[2, { stride: 2, padding: 0 }],
		[f(2, 3, 6, 5, 4), i(2, 3, 6, 5, 4)],
	],
	AvgPool2d: [[2, { stride: 1, padding: 1, ceilMode: true, countIncludePad: false, divisorOverride: 3 }], [f(2, 3, 6, 5)]],
	AdaptiveAvgPool2d: [[[2, null]], [f(2, 3, 6, 5)]],
	BatchNorm1d: [[3, { eps: 1e-5, momentum: 0.1, affine: true, trackRunningStats: true }], [f(2, 3, 4)]],
	BatchNorm2d: [[3, { momentum: null }], [f(2, 3, 4, 4)]],
	LayerNorm: [[[3], { eps: 1e-5, elementwiseAffine: true, bias: true }], [f(2, 3)]],
	RMSNorm: [[[3], { eps: 1e-5, elementwiseAffine: true }], [f(2, 3)]],
	GroupNorm: [[2, 4, { eps: 1e-5, affine: true }], [f(2, 4, 3)]],
	InstanceNorm1d: [[3, { eps: 1e-5, affine: true }], [f(2, 3, 4)]],
	LocalResponseNorm: [[2, { alpha: 1e-3, beta: 0.5, k: 2 }], [f(2, 3, 4)]],
	...each('MSELoss L1Loss', [[{ reduction: 'sum' }], [f(2, 3), f(2, 3)]]),
	CrossEntropyLoss: [[{ labelSmoothing: 0.1, reduction: 'mean' }], [f(2, 3), i(2)]],
	CTCLoss: [[{ blank: 0, zeroInfinity: true }], [f(5, 2, 4), i(2, 3), i(2), i(2)]],
	RNN: [
		[3, 4, { nonlinearity: 'tanh', numLayers: 2, bias: true, bidirectional: true }],
		[f(5, 2, 3), f(4, 2, 4)],
	],
	GRU: [
		[3, 4, { numLayers: 1, batchFirst: true, dropout: 0 }],
		[f(2, 5, 3), f(1, 2, 4), { lengths: new Some([2], 'int32', 1) }],
	],
	LSTM: [
		[3, 4, { numLayers: 1 }],
		[f(5, 2, 3), [f(1, 2, 4), f(1, 2, 4)]],
	],
	LSTMCell: [
		[3, 4, { bias: true }],
		[f(2, 3), [f(2, 4), f(2, 4)]],
	],
	MultiheadAttention: [
		[4, 2, { dropout: 0, bias: true, batchFirst: true, kdim: 3, vdim: 5 }],
		[f(2, 3, 4), f(2, 6, 3), f(2, 6, 5), { needWeights: true, attnMask: f(3, 6), isCausal: false }],
	],
	TransformerEncoderLayer: [[4, 2, { dimFeedforward: 8, dropout: 0, activation: 'gelu', normFirst: true }], [f(3, 2, 4)]],
	Dropout3d: [[{ p: 0.5 }], [f(2, 3, 2, 2, 2)]],
	...each('AlphaDropout FeatureAlphaDropout', [[{ p: 0.5 }], [f(2, 3)]]),
	ChannelShuffle: [[3], [f(2, 6, 4)]],
	...each('UpsamplingNearest2d UpsamplingBilinear2d', [[{ scaleFactor: 2 }], [f(1, 2, 3, 4)]]),
	PReLU: [[3, { init: 0.1 }], [f(2, 3)]],
	RReLU: [[0.1, 0.3], [f(2, 3)]],
	GLU: [[1], [f(2, 4)]],
	Softmax2d: [[], [f(2, 3, 4, 5)]],
	ZeroPad2d: [[[1, 2, 0, 1]], [f(2, 3, 4, 4)]],
	ReflectionPad2d: [[1], [f(2, 3, 4, 4)]],
	PixelShuffle: [[2], [f(1, 8, 2, 3)]],
	Upsample: [[{ scaleFactor: 2, mode: 'nearest' }], [f(1, 2, 3, 4)]],
};

const GROUPS = { lr: 0.1, weightDecay: 0.01, l1: 0.01, maximize: false };

export const OPTIMIZERS: Readonly<Record<string, readonly unknown[]>> = {
	SGD: [[f(2, 3)], { ...GROUPS, momentum: 0.9, dampening: 0, nesterov: true }],
	Adam: [[f(2, 3)], { ...GROUPS, betas: [0.9, 0.99], eps: 1e-8, amsgrad: true }],
	AdamW: [[f(2, 3)], { ...GROUPS, betas: [0.9, 0.99], eps: 1e-8 }],
	RMSprop: [[f(2, 3)], { ...GROUPS, alpha: 0.9, momentum: 0.1, centered: true }],
	Adagrad: [[f(2, 3)], { ...GROUPS, lrDecay: 0.1, initialAccumulatorValue: 0.1 }],
	Adadelta: [[f(2, 3)], { ...GROUPS, rho: 0.9 }],
	Adamax: [[f(2, 3)], { ...GROUPS, betas: [0.9, 0.99] }],
	NAdam: [[f(2, 3)], { ...GROUPS, momentumDecay: 0.004 }],
	RAdam: [[f(2, 3)], { ...GROUPS, betas: [0.9, 0.99] }],
	Lion: [[f(2, 3)], { ...GROUPS, betas: [0.9, 0.99] }],
	Muon: [[f(2, 3)], { ...GROUPS, momentum: 0.9, nesterov: true, nsSteps: 3 }],
};

/** The arguments after the optimizer. */
export const SCHEDULERS: Readonly<Record<string, readonly unknown[]>> = {
	StepLR: [2, { gamma: 0.5, lastEpoch: -1 }],
	MultiStepLR: [[2, 4], { gamma: 0.5 }],
	ExponentialLR: [0.9, { lastEpoch: -1 }],
	ConstantLR: [{ factor: 0.5, totalIters: 2 }],
	LinearLR: [{ startFactor: 0.5, endFactor: 1, totalIters: 3 }],
	CosineAnnealingLR: [5, { etaMin: 0.01 }],
	CosineAnnealingWarmRestarts: [2, { tMult: 2, etaMin: 0 }],
	PolynomialLR: [{ totalIters: 3, power: 2 }],
	OneCycleLR: [1, { totalSteps: 10, pctStart: 0.3, annealStrategy: 'cos' }],
	CyclicLR: [0.1, 1, { stepSizeUp: 3, mode: 'triangular' }],
	ReduceLROnPlateau: [{ mode: 'min', factor: 0.5, patience: 2, threshold: 0.1, thresholdMode: 'rel', cooldown: 1, minLr: 0 }],
};
