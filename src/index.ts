/**
 * The public names of wgrad, nothing else. Functions take tensors first, then required arguments in PyTorch's order, then
 * one options object; whatever takes a tensor first is also a method of it.
 */
import './methods';

export { detectAnomaly } from './autograd/anomaly';
export { type BackwardOptions, backward, type GradOptions, grad } from './autograd/backward';
export { checkpoint } from './autograd/checkpoint';
export { type CustomOperation, customOp, type OperationContext } from './autograd/custom';
export { type GradcheckOptions, gradcheck, gradgradcheck } from './autograd/gradcheck';
export { enableGrad, isGradEnabled, noGrad } from './autograd/modes';
export type { HookHandle } from './autograd/tape';
export type { DeviceName as Device } from './backends/contract';
export { defaultDevice, setDefaultDevice } from './backends/registry';
export type { DType } from './core/dtype';
export {
	ArgumentError,
	AutogradError,
	DeviceError,
	DeviceLostError,
	DisposedError,
	DTypeError,
	FormatError,
	ShapeError,
	WgradError,
} from './core/errors';
export { FileError } from './core/fileError';
export { type Generator, type GeneratorState, manualSeed } from './core/generator';
export type { Shape } from './core/shape';
export { type DerivativeOptions, hessian, jacobian, jvp, type TensorFunction, vjp } from './functional';
export { counters, type DeviceInfo, type InitOptions, init, type MemoryReport, memory, profile, shutdown, sync } from './init';
export * as io from './io';
export * as nn from './nn';
// Operations, by family.
export { type AttentionOptions, scaledDotProductAttention } from './ops/attention';
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from './ops/conv';
export {
	arange,
	type DataOptions,
	eye,
	full,
	fullLike,
	linspace,
	type NumberArray,
	ones,
	onesLike,
	type PixelData,
	type TensorOptions,
	tensor,
	zeros,
	zerosLike,
} from './ops/creation';
export { einsum } from './ops/einsum';
export * from './ops/elementwise';
export { embedding } from './ops/embedding';
export { type EmbeddingBagOptions, embeddingBag } from './ops/embeddingBag';
export * from './ops/indexing';
export { type InterpolateMode, type InterpolateOptions, interpolate } from './ops/interpolate';
export * from './ops/layout';
export * from './ops/loss';
export { baddbmm, bmm, dot, linear, matmul, mv, outer } from './ops/matmul';
export {
	batchNorm,
	cosineSimilarity,
	groupNorm,
	instanceNorm,
	layerNorm,
	localResponseNorm,
	normalize,
	pairwiseDistance,
	rmsNorm,
} from './ops/norm';
export {
	adaptiveAvgPool1d,
	adaptiveAvgPool2d,
	adaptiveAvgPool3d,
	adaptiveMaxPool1d,
	adaptiveMaxPool2d,
	adaptiveMaxPool3d,
	avgPool1d,
	avgPool2d,
	avgPool3d,
	maxPool1d,
	maxPool2d,
	maxPool3d,
} from './ops/pool';
export { bernoulli, dropout, dropout2d, rand, randint, randLike, randn, randnLike, randperm } from './ops/random';
export {
	all,
	amax,
	amin,
	any,
	argmax,
	argmin,
	cumprod,
	cumsum,
	logsumexp,
	max,
	mean,
	median,
	min,
	norm,
	prod,
	std,
	sum,
	variance as var,
} from './ops/reduce';
export { type AffineGridOptions, affineGrid, type GridSampleOptions, gridSample } from './ops/sample';
export { logSoftmax, softmax, softmin } from './ops/softmax';
export * as optim from './optim';
export { type GradientHook, type NestedArray, Tensor } from './tensor';
export { keep, tidy } from './tidy';
