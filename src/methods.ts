/** The methods of tensors: every operation that takes a tensor first, under its own name. `x.add(y)` is `add(x, y)`. */
import { type BackwardOptions, backward } from './autograd/backward';
import { registerHook, requiresGrad_, retainGrad } from './autograd/tape';
import type { DeviceName } from './backends/contract';
import type { DType } from './core/dtype';
import { defineOtherNames } from './nameHints';
import * as operations from './operations';
import { add_, copy_, div_, fill_, mul_, sub_, zero_ } from './ops/inplace';
import type { Operand } from './ops/operands';
import type { Dims, ReduceOptions, ValuesIndices, VarianceOptions } from './ops/reduce';
import { Tensor } from './tensor';

// These take a list of tensors, or an equation, first.
const { cat: _cat, stack: _stack, meshgrid: _meshgrid, einsum: _einsum, ...ofOneTensor } = operations;

const METHODS = {
	...ofOneTensor,
	/** The condition is the first argument of the function. The tensor of the method is what is taken where it holds. */
	where: (x: Tensor, condition: Tensor, other: Operand) => operations.where(condition, x, other),
	...{ add_, copy_, div_, fill_, mul_, sub_, zero_ },
	...{ backward, registerHook, requiresGrad_, retainGrad },
};

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

type WithoutFirst<F> = F extends (first: never, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never;

/** Besides those of lists, what is written out below: a mapped type sees only the last overload, and no other name. */
type Methods = Exclude<keyof typeof operations, 'cat' | 'stack' | 'meshgrid' | 'max' | 'min' | 'median' | 'where'>;

/**
 * The methods that the functions of a file become. Editors show the documentation of a function for its method where the file itself
 * declares the function; a file that only exports it again does not do.
 */
type Of<File, Name extends keyof File = keyof File & Methods> = { [N in Name]: WithoutFirst<File[N]> };

declare module './tensor' {
	interface Tensor
		extends Of<typeof import('./autograd/tape'), 'registerHook'>,
			Of<typeof import('./ops/attention')>,
			Of<typeof import('./ops/conv')>,
			Of<typeof import('./ops/creation')>,
			Of<typeof import('./ops/elementwise/activation')>,
			Of<typeof import('./ops/elementwise/arithmetic')>,
			Of<typeof import('./ops/elementwise/binary')>,
			Of<typeof import('./ops/elementwise/compare')>,
			Of<typeof import('./ops/elementwise/shrinking')>,
			Of<typeof import('./ops/elementwise/ternary')>,
			Of<typeof import('./ops/elementwise/unary')>,
			Of<typeof import('./ops/embedding')>,
			Of<typeof import('./ops/embeddingBag')>,
			Of<typeof import('./ops/indexing/order')>,
			Of<typeof import('./ops/indexing/gather')>,
			Of<typeof import('./ops/indexing/scatter')>,
			Of<typeof import('./ops/inplace'), 'add_' | 'copy_' | 'div_' | 'fill_' | 'mul_' | 'sub_' | 'zero_'>,
			Of<typeof import('./ops/interpolate')>,
			Of<typeof import('./ops/layout/copies')>,
			Of<typeof import('./ops/layout/sliceCat')>,
			Of<typeof import('./ops/layout/unfold')>,
			Of<typeof import('./ops/layout/views')>,
			Of<typeof import('./ops/loss/classes')>,
			Of<typeof import('./ops/loss/ctc')>,
			Of<typeof import('./ops/loss/multiLabel')>,
			Of<typeof import('./ops/loss/pointwise')>,
			Of<typeof import('./ops/loss/similarity')>,
			Of<typeof import('./ops/matmul')>,
			Of<typeof import('./ops/norm/batch')>,
			Of<typeof import('./ops/norm/cosine')>,
			Of<typeof import('./ops/norm/distance')>,
			Of<typeof import('./ops/norm/groups')>,
			Of<typeof import('./ops/norm/instance')>,
			Of<typeof import('./ops/norm/local')>,
			Of<typeof import('./ops/pool')>,
			Of<typeof import('./ops/random')>,
			Of<typeof import('./ops/reduce/order')>,
			Of<typeof import('./ops/reduce/scan')>,
			Of<typeof import('./ops/reduce/sums')>,
			Of<typeof import('./ops/sample')>,
			Of<typeof import('./ops/softmax')> {
		/** As another dtype, or on WebGPU; see `to`. */
		to(target: DType | 'webgpu'): Tensor;
		/** On the CPU, once the GPU has computed it. */
		to(target: 'cpu'): Promise<Tensor>;
		/** As another dtype, or on another device; see `to`. */
		to(target: DType | DeviceName): Tensor | Promise<Tensor>;
		/** The largest element; see `max`. */
		max(): Tensor;
		/** The larger of this tensor's elements and those of `other`; see `maximum`. */
		max(other: Tensor): Tensor;
		/** The largest elements along a dim and where they are; see `max`. */
		max(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The smallest element; see `min`. */
		min(): Tensor;
		/** The smaller of this tensor's elements and those of `other`; see `minimum`. */
		min(other: Tensor): Tensor;
		/** The smallest elements along a dim and where they are; see `min`. */
		min(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The lower median of all elements; see `median`. */
		median(): Tensor;
		/** The lower medians along a dim and where they are; see `median`. */
		median(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The variance along dims, by default of all elements; see `var`. */
		var(dim?: Dims, options?: VarianceOptions): Tensor;
		/** This tensor's elements where `condition` holds, else those of `other`; see `where`. */
		where(condition: Tensor, other: Operand): Tensor;
		/** Adds the gradients of this tensor to the `.grad` of the leaves; see `backward`. */
		backward(gradOutput?: Tensor | null, options?: BackwardOptions): void;
		/** Makes this leaf require a gradient, or stop doing so. */
		requiresGrad_(on?: boolean): this;
		/** Makes `backward()` fill `.grad` of this result too. */
		retainGrad(): this;
	}
}
