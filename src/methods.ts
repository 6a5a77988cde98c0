/** The methods of tensors: every operation that takes a tensor first, under its own name. `x.add(y)` is `add(x, y)`. */
import { type BackwardOptions, backward } from './autograd/backward';
import { registerHook, requiresGrad_, retainGrad } from './autograd/tape';
import type { DeviceName } from './backends/contract';
import type { DType } from './core/dtype';
import { defineOtherNames } from './nameHints';
import * as operations from './operations';
import type { IndexItem, IndexPutOptions, Unique, UniqueOptions } from './ops/indexing';
import { indexPut_ } from './ops/indexing/advanced';
import { add_, copy_, div_, fill_, mul_, sub_, zero_ } from './ops/inplace';
import type { Operand } from './ops/operands';
import type { Dims, ReduceOptions, ValuesIndices, VarianceOptions } from './ops/reduce';
import { type NestedArray, Tensor } from './tensor';

// The first argument of these is a list of tensors, an equation or a quantised matrix.
const {
	cat: _cat,
	concat: _concat,
	hstack: _hstack,
	vstack: _vstack,
	stack: _stack,
	meshgrid: _meshgrid,
	einsum: _einsum,
	dequantizeWeight: _dequantizeWeight,
	...ofOneTensor
} = operations;

const METHODS = {
	...ofOneTensor,
	/** The function takes the condition first; the method's tensor is the value where the condition holds. */
	where: (x: Tensor, condition: Tensor, other: Operand) => operations.where(condition, x, other),
	float: (x: Tensor) => operations.to(x, 'float32'),
	double: (x: Tensor) => operations.to(x, 'float64'),
	half: (x: Tensor) => operations.to(x, 'float16'),
	int: (x: Tensor) => operations.to(x, 'int32'),
	bool: (x: Tensor) => operations.to(x, 'bool'),
	cpu: (x: Tensor) => operations.to(x, 'cpu'),
	tolist: (x: Tensor) => x.toArray(),
	indexPut_,
	...{ add_, copy_, div_, fill_, mul_, sub_, zero_ },
	...{ backward, registerHook, requiresGrad_, retainGrad },
};

// Reports and errors show the names of functions. A bundler may rename those that share a name with another function.
for (const [name, operation] of Object.entries(operations)) Object.defineProperty(operation, 'name', { value: name });

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

Object.defineProperties(Tensor.prototype, {
	T: {
		get(this: Tensor) {
			return operations.t(this);
		},
		configurable: true,
	},
	mT: {
		get(this: Tensor) {
			return operations.transpose(this, -2, -1);
		},
		configurable: true,
	},
});

defineOtherNames(Object.keys(METHODS));

type WithoutFirst<F> = F extends (first: never, ...rest: infer Rest) => infer Result ? (...rest: Rest) => Result : never;

/**
 * The operations that become methods by a mapped type. A mapped type sees only the last overload, so overloaded methods are
 * written out below.
 */
type Methods = Exclude<
	keyof typeof operations,
	| 'cat'
	| 'concat'
	| 'hstack'
	| 'vstack'
	| 'stack'
	| 'meshgrid'
	| 'dequantizeWeight'
	| 'max'
	| 'min'
	| 'median'
	| 'where'
	| 'unique'
	| 'nonzero'
>;

/**
 * The methods of one file's functions. Editors show a function's documentation for its method only if `File` is the file that
 * declares the function, not one that re-exports it.
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
			Of<typeof import('./ops/draws')>,
			Of<typeof import('./ops/elementwise/binary')>,
			Of<typeof import('./ops/elementwise/bitwise')>,
			Of<typeof import('./ops/elementwise/close')>,
			Of<typeof import('./ops/elementwise/compare')>,
			Of<typeof import('./ops/elementwise/ternary')>,
			Of<typeof import('./ops/elementwise/unary')>,
			Of<typeof import('./ops/embedding')>,
			Of<typeof import('./ops/embeddingBag')>,
			Of<typeof import('./ops/fakeQuantize')>,
			Of<typeof import('./ops/einsum'), 'tensordot'>,
			Of<typeof import('./ops/indexing/advanced')>,
			Of<typeof import('./ops/indexing/order')>,
			Of<typeof import('./ops/indexing/quantile')>,
			Of<typeof import('./ops/indexing/repeatInterleave')>,
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
			Of<typeof import('./ops/norm/similarity')>,
			Of<typeof import('./ops/norm/groups')>,
			Of<typeof import('./ops/norm/instance')>,
			Of<typeof import('./ops/norm/local')>,
			Of<typeof import('./ops/pool')>,
			Of<typeof import('./ops/quantized')>,
			Of<typeof import('./ops/random')>,
			Of<typeof import('./ops/reduce/order')>,
			Of<typeof import('./ops/reduce/scan')>,
			Of<typeof import('./ops/reduce/sums')>,
			Of<typeof import('./ops/sample')>,
			Of<typeof import('./ops/softmax')>,
			Of<typeof import('./ops/stft')>,
			Of<typeof import('./ops/unpool')> {
		/** Converts to another dtype, or moves to WebGPU; see `to`. */
		to(target: DType | 'webgpu'): Tensor;
		/** Copies to the CPU, once the GPU has computed the tensor. */
		to(target: 'cpu'): Promise<Tensor>;
		/** Converts to another dtype, or moves to another device; see `to`. */
		to(target: DType | DeviceName): Tensor | Promise<Tensor>;
		/** Converts to float32. */
		float(): Tensor;
		/** Converts to float64, on the CPU only. */
		double(): Tensor;
		/** Converts to float16. */
		half(): Tensor;
		/** Converts to int32. */
		int(): Tensor;
		/** Converts to bool: whether elements differ from 0. */
		bool(): Tensor;
		/** Copies to the CPU, once the GPU has computed the tensor; see `to`. */
		cpu(): Promise<Tensor>;
		/** The elements as nested arrays; see `toArray`. */
		tolist(): Promise<NestedArray>;
		/** The transpose of a matrix, as a view; see `t`. */
		readonly T: Tensor;
		/** A view with the last two dims swapped. */
		readonly mT: Tensor;
		/** Writes `values` at `indices` into this tensor, and returns it; see `indexPut`. */
		indexPut_(indices: readonly IndexItem[], values: Tensor | number | boolean, options?: IndexPutOptions): Tensor;
		/** A vector of coordinates of the elements that are not 0 for each dim; see `nonzero`. */
		nonzero(options: { readonly asTuple: true }): Promise<Tensor[]>;
		/** The coordinates of the elements that are not 0; see `nonzero`. */
		nonzero(options?: { readonly asTuple?: false }): Promise<Tensor>;
		/** The different elements of this tensor; see `unique`. */
		unique(options: UniqueOptions & ({ readonly returnInverse: true } | { readonly returnCounts: true })): Promise<Unique>;
		/** The different elements of this tensor in ascending order; see `unique`. */
		unique(options?: UniqueOptions): Promise<Tensor>;
		/** The largest element; see `max`. */
		max(): Tensor;
		/** The larger of this tensor's elements and those of `other`; see `maximum`. */
		max(other: Tensor): Tensor;
		/** The largest elements along a dim and their positions; see `max`. */
		max(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The smallest element; see `min`. */
		min(): Tensor;
		/** The smaller of this tensor's elements and those of `other`; see `minimum`. */
		min(other: Tensor): Tensor;
		/** The smallest elements along a dim and their positions; see `min`. */
		min(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The lower median of all elements; see `median`. */
		median(): Tensor;
		/** The lower medians along a dim and their positions; see `median`. */
		median(dim: number, options?: ReduceOptions): ValuesIndices;
		/** The variance along dims, by default of all elements; see `var`. */
		var(dim?: Dims, options?: VarianceOptions): Tensor;
		/** This tensor's elements where `condition` holds, else those of `other`; see `where`. */
		where(condition: Tensor, other: Operand): Tensor;
		/** Adds this tensor's gradients with respect to the leaves to their `.grad`; see `backward`. */
		backward(gradOutput?: Tensor | null, options?: BackwardOptions): void;
		/** Makes this leaf require a gradient, or no gradient with `false`. */
		requiresGrad_(on?: boolean): this;
		/** Makes `backward()` store the gradient of this result in `.grad`, too. */
		retainGrad(): this;
	}
}
