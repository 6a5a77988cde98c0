/**
 * The public names: operations, methods and layers, and operations that PyTorch does not differentiate. completeness.test.ts
 * checks the library against them.
 */
import * as wgrad from 'wgrad';
import { LAYERS } from '../random/layers';

function words(text: string): string[] {
	return text.trim().split(/\s+/);
}

/** Functions, classes and namespaces other than operations on tensors. */
export const INFRASTRUCTURE = words(`
	init shutdown sync setDefaultDevice defaultDevice memory counters profile tune tuning useTuning manualSeed tidy keep autocast GradScaler
	noGrad enableGrad isGradEnabled grad backward customOp defineKernel kernelCheck checkpoint compile saveOnCpu graph gradcheck gradgradcheck detectAnomaly vjp jvp jacobian hessian
	Tensor nn optim io distributions fft linalg quantize prepareQat calibrate promoteTypes resultType
`);

/** Functions that make tensors. test/tensor tests them. */
export const CREATION = words(`
	tensor zeros ones full arange linspace eye rand randn randint randperm zerosLike onesLike fullLike randLike randnLike
	hannWindow hammingWindow blackmanWindow bartlettWindow kaiserWindow
`);

/** The members of a tensor other than the operations. */
export const MEMBERS = words(`
	shape ndim size dtype device requiresGrad grad isLeaf data item toArray toString backward detach clone contiguous to retainGrad
	requiresGrad_ indexPut_ T mT float double half int bool cpu tolist copy_ add_ sub_ mul_ div_ fill_ zero_ dispose strides offset name isDisposed isContiguous registerHook print
`);

/** All other functions that the library exports are operations. */
export const OPERATIONS = Object.entries(wgrad)
	.filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name))
	.map(([name]) => name)
	.filter((name) => !INFRASTRUCTURE.includes(name) && !CREATION.includes(name));

/** Operations that do not take a tensor first, and so are not methods. */
export const NO_METHOD: Readonly<Record<string, string>> = {
	einsum: 'the equation comes first',
	cat: 'takes a list of tensors',
	stack: 'takes a list of tensors',
	concat: 'takes a list of tensors',
	hstack: 'takes a list of tensors',
	vstack: 'takes a list of tensors',
	meshgrid: 'takes a list of tensors',
	dequantizeWeight: 'takes a quantised matrix',
};

/** Operations without an entry in the database, and why. */
export const NO_ENTRY: Readonly<Record<string, string>> = {
	maskedSelect: 'returns a promise, because only the device knows the size: test/indexing, PyTorch: test/golden/outside',
	nonzero: 'returns a promise, because only the device knows the size: test/indexing, PyTorch: test/golden/outside',
	bincount: 'returns a promise, because only the device knows the size: test/indexing, PyTorch: test/golden/outside',
	unique: 'returns a promise, because only the device knows the size: test/indexing, PyTorch: test/golden/outside',
	allclose: 'returns a promise of a boolean: test/tensor, PyTorch: test/golden/outside',
	numel: 'returns a number: test/tensor',
};

/** Entries of the database without values of PyTorch, and why. */
export const DRAWN: Readonly<Record<string, string>> = {
	bernoulli: 'the generators differ: test/tensor compares the shares of draws',
	multinomial: 'the generators differ: test/tensor compares the shares of draws',
	gumbelSoftmax: 'the generators differ: test/tensor compares the shares of draws, the database the gradient',
	dropout: 'the generators differ: test/tensor compares the shares of draws, the database the gradient',
	dropout2d: 'the generators differ: test/tensor compares the shares of draws, the database the gradient',
};

/** Further public names that compute, and where they are tested. */
export const FURTHER: Readonly<Record<string, string>> = {
	'hannWindow hammingWindow blackmanWindow bartlettWindow kaiserWindow': 'test/tensor, PyTorch: test/golden/outside',
	'rand randn randint randperm': 'the generators differ: test/tensor compares the moments and shares of draws',
	'Tensor.mT Tensor.T Tensor.cpu Tensor.tolist Tensor.float Tensor.int Tensor.bool Tensor.half Tensor.double':
		'short names for transposing, conversion and reading: test/tensor',
	'Tensor.indexPut_': '`indexPut` in place: test/indexing',
	'distributions.Normal distributions.Bernoulli distributions.Categorical distributions.klDivergence':
		'densities, entropies, divergences and their gradients, PyTorch: test/golden/outside; draws, of which the generators differ: test/tensor compares their moments and shares',
	'nn.utils.spectralNorm nn.utils.padSequence nn.utils.packPaddedSequence nn.utils.parametersToVector':
		'test/nn, PyTorch: test/golden/outside',
	'nn.functionalCall nn.Module.prototype.clone': 'test/nn',
	'nn.utils.weightNorm nn.utils.packSequence nn.utils.padPackedSequence nn.utils.vectorToParameters': 'test/nn',
	'optim.clipGradNorm optim.clipGradValue': 'test/optim, PyTorch: test/golden/outside',
	'optim.getTotalNorm optim.clipGradsWithNorm': 'not in PyTorch 1.13: test/nn compares them with the definition',
};

/** Operations with a gradient that the database cannot check, and why. */
export const GRADIENT_ELSEWHERE: Readonly<Record<string, string>> = {
	to: 'differences in float64 say nothing of other dtypes: test/tensor/creation.gpu.test.ts',
};

/** Operations that PyTorch does not differentiate: results that are integers or bools, random draws, and detached tensors. */
export const NOT_DIFFERENTIABLE = new Set(
	words(`
		isnan isinf isfinite logicalNot eq ne lt le gt ge logicalAnd logicalOr logicalXor argmax argmin any all argsort oneHot bincount
		searchsorted nonzero unique bernoulli multinomial isposinf isneginf isclose bitwiseAnd bitwiseOr bitwiseXor bitwiseNot
		bitwiseLeftShift bitwiseRightShift detach quantizeWeight dequantizeWeight quantizedEmbedding
	`),
);

/** Layers and parts of layers, except those that test/random/layers.ts constructs. */
const FURTHER_LAYERS = words(`
	Module Parameter Sequential ModuleList ModuleDict ParameterList ParameterDict
	Fold Unfold PixelUnshuffle Conv3d ConvTranspose1d ConvTranspose3d
	MaxPool1d MaxPool3d AvgPool1d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
	BatchNorm3d InstanceNorm2d InstanceNorm3d Hardshrink Softshrink Threshold Softmin
	ConstantPad1d ConstantPad2d ReflectionPad1d ReplicationPad1d ReplicationPad2d
	ConstantPad3d ZeroPad1d ZeroPad3d ReflectionPad3d ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d
	CosineSimilarity SmoothL1Loss HuberLoss NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss PoissonNLLLoss
	GaussianNLLLoss HingeEmbeddingLoss MultiMarginLoss CosineEmbeddingLoss TripletMarginLoss PairwiseDistance
	TripletMarginWithDistanceLoss MarginRankingLoss SoftMarginLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
	RNNCell GRUCell TimeDistributed KVCache SinusoidalPositions LearnedPositions RotaryPositions
	TransformerDecoderLayer TransformerEncoder TransformerDecoder Transformer FakeQuantizedLinear FakeQuantizedEmbedding
	DistillationLoss
`);

export const MODULES = [...FURTHER_LAYERS, ...Object.keys(LAYERS)];
