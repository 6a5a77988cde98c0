/**
 * The operations on tensors, by family. index.ts exports all of them as functions, and methods.ts makes methods of them.
 *
 */
export { type AttentionOptions, scaledDotProductAttention } from './ops/attention';
export * from './ops/conv';
export { fullLike, onesLike, zerosLike } from './ops/creation';
export * from './ops/draws';
export { einsum, tensordot } from './ops/einsum';
export * from './ops/elementwise';
export { type EmbeddingOptions, embedding } from './ops/embedding';
export * from './ops/embeddingBag';
export * from './ops/fakeQuantize';
export * from './ops/indexing';
export * from './ops/interpolate';
export * from './ops/layout';
export * from './ops/loss';
export { addmm, baddbmm, bmm, dot, linear, matmul, mv, outer } from './ops/matmul';
export * from './ops/norm';
export * from './ops/pool';
export {
	dequantizeWeight,
	type QuantizedWeight,
	type QuantizeWeightOptions,
	quantizedEmbedding,
	quantizedLinear,
	quantizeWeight,
} from './ops/quantized';
export { bernoulli, type DropoutOptions, dropout, dropout2d, type RandomOptions, randLike, randnLike } from './ops/random';
export {
	type AccumulateOptions,
	all,
	amax,
	amin,
	any,
	argmax,
	argmin,
	cumprod,
	cumsum,
	type Dims,
	max,
	mean,
	median,
	min,
	type NormOptions,
	norm,
	prod,
	type ReduceOptions,
	type ScanOptions,
	std,
	sum,
	trace,
	type ValuesIndices,
	type VarianceOptions,
	variance as var,
} from './ops/reduce';
export { type AffineGridOptions, affineGrid, type GridSampleOptions, gridSample } from './ops/sample';
export * from './ops/softmax';
export { type IstftOptions, istft, type StftOptions, stft } from './ops/stft';
export { type MaxUnpoolOptions, maxUnpool1d, maxUnpool2d, maxUnpool3d } from './ops/unpool';
