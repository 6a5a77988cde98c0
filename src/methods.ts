/**
 * The methods of tensors: every operation that takes a tensor first, under its own name, by one typed table. `x.add(y)` is
 * `add(x, y)`. An operation that is added to the table is a method at once, for the compiler too.
 */
import { type BackwardOptions, backward } from './autograd/backward';
import { registerHook, requiresGrad_, retainGrad } from './autograd/tape';
import type { DeviceName } from './backends/contract';
import type { DType } from './core/dtype';
import { scaledDotProductAttention } from './ops/attention';
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from './ops/conv';
import { fullLike, onesLike, zerosLike } from './ops/creation';
import * as elementwise from './ops/elementwise';
import { embedding } from './ops/embedding';
import { embeddingBag } from './ops/embeddingBag';
import {
	argsort,
	bincount,
	gather,
	indexAdd,
	indexSelect,
	maskedFill,
	maskedSelect,
	nonzero,
	oneHot,
	scatter,
	scatterAdd,
	searchsorted,
	sort,
	take,
	takeAlongDim,
	topk,
} from './ops/indexing';
import * as inplace from './ops/inplace';
import { interpolate } from './ops/interpolate';
import * as layout from './ops/layout';
import * as loss from './ops/loss';
import { baddbmm, bmm, dot, linear, matmul, mv, outer } from './ops/matmul';
import {
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
import type { Operand } from './ops/operands';
import {
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
import { bernoulli, dropout, dropout2d, randLike, randnLike } from './ops/random';
import * as reduce from './ops/reduce';
import { affineGrid, gridSample } from './ops/sample';
import { logSoftmax, softmax, softmin } from './ops/softmax';
import { defineOtherNames } from './otherNames';
import { Tensor } from './tensor';

/** As in PyTorch, the tensor of the method is what is taken where `condition` holds. */
function where(x: Tensor, condition: Tensor, other: Operand): Tensor {
	return elementwise.where(condition, x, other);
}

const { cat: _cat, stack: _stack, meshgrid: _meshgrid, ...layoutMethods } = layout;

export const METHODS = {
	...elementwise,
	...inplace,
	...layoutMethods,
	...loss,
	zerosLike,
	onesLike,
	fullLike,
	randLike,
	randnLike,
	where,
	backward,
	requiresGrad_,
	retainGrad,
	registerHook,
	// Reduce.
	sum: reduce.sum,
	mean: reduce.mean,
	prod: reduce.prod,
	any: reduce.any,
	all: reduce.all,
	logsumexp: reduce.logsumexp,
	var: reduce.variance,
	std: reduce.std,
	norm: reduce.norm,
	amax: reduce.amax,
	amin: reduce.amin,
	max: reduce.max,
	min: reduce.min,
	argmax: reduce.argmax,
	argmin: reduce.argmin,
	median: reduce.median,
	cumsum: reduce.cumsum,
	cumprod: reduce.cumprod,
	// Products.
	matmul,
	bmm,
	mv,
	dot,
	outer,
	linear,
	baddbmm,
	// Indexing.
	embedding,
	embeddingBag,
	gather,
	scatter,
	scatterAdd,
	indexAdd,
	indexSelect,
	take,
	takeAlongDim,
	maskedFill,
	maskedSelect,
	nonzero,
	oneHot,
	bincount,
	sort,
	argsort,
	topk,
	searchsorted,
	// Networks.
	conv1d,
	conv2d,
	conv3d,
	convTranspose1d,
	convTranspose2d,
	convTranspose3d,
	maxPool1d,
	maxPool2d,
	maxPool3d,
	avgPool1d,
	avgPool2d,
	avgPool3d,
	adaptiveAvgPool1d,
	adaptiveAvgPool2d,
	adaptiveAvgPool3d,
	adaptiveMaxPool1d,
	adaptiveMaxPool2d,
	adaptiveMaxPool3d,
	batchNorm,
	layerNorm,
	groupNorm,
	instanceNorm,
	rmsNorm,
	localResponseNorm,
	normalize,
	cosineSimilarity,
	pairwiseDistance,
	interpolate,
	gridSample,
	affineGrid,
	softmax,
	logSoftmax,
	softmin,
	scaledDotProductAttention,
	dropout,
	dropout2d,
	bernoulli,
};

type Functions = typeof METHODS;
type WithoutFirst<F> = F extends (first: never, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never;
type Overloaded = 'to' | 'max' | 'min' | 'median' | 'backward' | 'requiresGrad_' | 'retainGrad';
/** Of overloads a mapped type sees only the last, and generic ones lose what they return: those are written out below. */
type TensorMethods = { [Name in Exclude<keyof Functions, Overloaded>]: WithoutFirst<Functions[Name]> };

declare module './tensor' {
	interface Tensor extends TensorMethods {
		/** As another dtype, or on WebGPU; see `to`. */
		to(target: DType | 'webgpu'): Tensor;
		/** On the CPU, once the GPU has computed it. */
		to(target: 'cpu'): Promise<Tensor>;
		to(target: DType | DeviceName): Tensor | Promise<Tensor>;
		/** The largest element; see `max`. */
		max(): Tensor;
		/** The larger of this tensor's elements and those of `other`; see `maximum`. */
		max(other: Tensor): Tensor;
		/** The largest elements along a dim and where they are; see `max`. */
		max(dim: number, options?: reduce.ReduceOptions): reduce.ValuesIndices;
		/** The smallest element; see `min`. */
		min(): Tensor;
		/** The smaller of this tensor's elements and those of `other`; see `minimum`. */
		min(other: Tensor): Tensor;
		/** The smallest elements along a dim and where they are; see `min`. */
		min(dim: number, options?: reduce.ReduceOptions): reduce.ValuesIndices;
		/** The lower median of all elements; see `median`. */
		median(): Tensor;
		/** The lower medians along a dim and where they are; see `median`. */
		median(dim: number, options?: reduce.ReduceOptions): reduce.ValuesIndices;
		/** Adds the gradients of this tensor to the `.grad` of the leaves; see `backward`. */
		backward(gradOutput?: Tensor | null, options?: BackwardOptions): void;
		/** Makes this leaf require a gradient, or stop doing so. */
		requiresGrad_(on?: boolean): this;
		/** Makes `backward()` fill `.grad` of this result too. */
		retainGrad(): this;
	}
}

for (const [name, operation] of Object.entries(METHODS)) {
	const method = operation as (x: Tensor, ...rest: unknown[]) => unknown;
	Object.defineProperty(Tensor.prototype, name, {
		value(this: Tensor, ...rest: unknown[]) {
			return method(this, ...rest);
		},
		writable: true,
		configurable: true,
	});
}

defineOtherNames(Object.keys(METHODS));
