/**
 * Reductions that combine elements: sums, products, norms, moments. Reductions that choose an element are in order.ts, running ones in
 * scan.ts.
 *
 * All take `(x, dim?, { keepdim })`. `dim` is one dim or several; negative dims count from the back; no dim or an empty list means all dims.
 * `keepdim` keeps the reduced dims with size 1.
 */

import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import type { ReduceAttributes } from '../../backends/contract/reduce';
import { reduceKernels } from '../../backends/kernels';
import { requireFinite, requireNumber } from '../../core/checks';
import { type DType, isFloating, requireFloating } from '../../core/dtype';
import { DTypeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { normalizeDims, numel, reducedShape, type Shape } from '../../core/shape';
import { emptyOn, type Tensor } from '../../tensor';
import { requireFloatingTensor, requireRank, requireTensor } from '../../tensorChecks';
import { composed, widened } from '../composed';
import { abs, div, eq, mul, pow, sign, sub, to, where } from '../elementwise';
import { cat, diagonal, expand, narrow, permute, reshape } from '../layout';

export type Dims = number | readonly number[];

export interface ReduceOptions {
	/** Whether to keep the reduced dims with size 1. Default false. */
	readonly keepdim?: boolean;
}

export interface AccumulateOptions extends ReduceOptions {
	/** Converts x to this dtype first: any except bool, uint8 and int8. Default x's dtype. */
	readonly dtype?: DType;
}

/** The reduced dims (distinct, ascending), the resulting shape, and the number of elements that each of its elements combines. */
export interface Reduction {
	readonly dims: readonly number[];
	readonly shape: Shape;
	readonly count: number;
}

export function reductionOf(operation: string, x: Tensor, dim: Dims | undefined, { keepdim = false }: ReduceOptions): Reduction {
	requireTensor(operation, x);
	const all = dim === undefined || (Array.isArray(dim) && dim.length === 0);
	const dims = normalizeDims(operation, all ? undefined : dim, x.ndim);
	return { dims, shape: reducedShape(x.shape, dims, keepdim), count: numel(dims.map((d) => x.shape[d]!)) };
}

/** Expands a reduced tensor, with or without keepdim, to the shape before the reduction. */
export function expandReduced(reduced: Tensor, shape: Shape, dims: readonly number[]): Tensor {
	return expand(reshape(reduced, reducedShape(shape, dims, true)), shape);
}

/** x with 1 in the place of 0, for a division. The caller multiplies the quotients there by 0. */
function nonzero(x: Tensor): Tensor {
	return where(eq(x, 0), 1, x);
}

export function reduced(x: Tensor, shape: Shape, dtype: DType, attributes: ReduceAttributes): Tensor {
	const y = emptyOn(x, shape, dtype);
	reduceKernels(x.backend).reduce({ x }, { y }, attributes);
	return y;
}

/** The dtype of sums and products of `dtype`. */
function accumulated(dtype: DType): DType {
	return isFloating(dtype) ? dtype : 'int32';
}

/** The sum over `dim`, all by default. 0 for no elements. bool and integers give int32, which wraps around. As `torch.sum`. */
export function sum(x: Tensor, dim?: Dims, options: AccumulateOptions = {}): Tensor {
	checkOptions('sum', options, ['dtype', 'keepdim']);
	requireTensor('sum', x);
	const { dtype } = options;
	if (converts('sum', x, dtype)) return composed('sum', () => sum(to(x, dtype), dim, { keepdim: options.keepdim }));
	return sumOperation({ x }, reductionOf('sum', x, dim, options));
}

const sumOperation = defineOperation({
	name: 'sum',
	inputs: ['x'],
	forward: ({ x }, { dims, shape }: Reduction) => reduced(x, shape, accumulated(x.dtype), { op: 'sum', dims }),
	vjp: (gradient, _, { dims }, needs) => ({ x: expandReduced(gradient, needs.x.shape, dims) }),
});

/** The mean over `dim`, all by default. NaN for no elements. x or the option `dtype` must be floating. As `torch.mean`. */
export function mean(x: Tensor, dim?: Dims, options: AccumulateOptions = {}): Tensor {
	checkOptions('mean', options, ['dtype', 'keepdim']);
	requireTensor('mean', x);
	const { dtype } = options;
	if (converts('mean', x, dtype)) return composed('mean', () => mean(to(x, dtype), dim, { keepdim: options.keepdim }));
	requireFloating('mean', x.dtype);
	return meanOperation({ x }, reductionOf('mean', x, dim, options));
}

const meanOperation = defineOperation({
	name: 'mean',
	inputs: ['x'],
	forward: ({ x }, { dims, shape }: Reduction) => reduced(x, shape, x.dtype, { op: 'mean', dims }),
	// With no elements the gradient is empty, but its factor must be finite.
	vjp: (gradient, _, { dims, count }, needs) => ({
		x: expandReduced(mul(gradient, 1 / Math.max(count, 1)), needs.x.shape, dims),
	}),
});

/**
 * The product over `dim`, all by default. 1 for no elements. bool and integers give int32. Gradients of every order are exact, also if
 * elements are 0. As `torch.prod`.
 */
export function prod(x: Tensor, dim?: Dims, options: AccumulateOptions = {}): Tensor {
	checkOptions('prod', options, ['dtype', 'keepdim']);
	requireTensor('prod', x);
	const { dtype } = options;
	if (converts('prod', x, dtype)) return composed('prod', () => prod(to(x, dtype), dim, { keepdim: options.keepdim }));
	return prodOperation({ x }, reductionOf('prod', x, dim, options));
}

const prodOperation = defineOperation({
	name: 'prod',
	inputs: ['x'],
	forward: ({ x }, { dims, shape }: Reduction) => reduced(x, shape, accumulated(x.dtype), { op: 'prod', dims }),
	saves: ['x'],
	/**
	 * Computes the product as a tree of products of halves, and walks it from the root to the leaves. It never divides, so zeros need no
	 * special case, and every step is differentiable again.
	 */
	vjp: (gradient, saved, { dims }) => {
		const [g, x] = widened(gradient, saved.x);
		const { lines, arranged } = linesAlong(x, dims);
		const last = lines.ndim - 1;
		let level = lines;
		const halves: { left: Tensor; right: Tensor; odd: boolean }[] = [];
		while (level.shape[last]! > 1) {
			const size = level.shape[last]!;
			const half = Math.floor(size / 2);
			const odd = size % 2 === 1;
			const left = narrow(level, last, 0, half);
			const right = narrow(level, last, half, half);
			halves.push({ left, right, odd });
			const products = mul(left, right);
			level = odd ? cat([products, narrow(level, last, size - 1, 1)], last) : products;
		}
		let slopes = expand(reshape(g, [...lines.shape.slice(0, last), 1]), level.shape);
		for (const { left, right, odd } of halves.reverse()) {
			const half = left.shape[last]!;
			const inner = narrow(slopes, last, 0, half);
			const parts = [mul(inner, right), mul(inner, left)];
			slopes = cat(odd ? [...parts, narrow(slopes, last, half, 1)] : parts, last);
		}
		return { x: arranged(slopes) };
	},
});

/** Whether any element over `dim`, all by default, is not 0, as bool. NaN is not 0. False for no elements. As `torch.any`. */
export function any(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
	checkOptions('any', options, ['keepdim']);
	return truth('any', x, dim, options);
}

/** Whether all elements over `dim`, all by default, are not 0, as bool. True for no elements. As `torch.all`. */
export function all(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
	checkOptions('all', options, ['keepdim']);
	return truth('all', x, dim, options);
}

function truth(name: 'any' | 'all', x: Tensor, dim: Dims | undefined, options: ReduceOptions): Tensor {
	return truthOperation({ x }, { op: name, ...reductionOf(name, x, dim, options) }, { name });
}

const truthOperation = defineOperation({
	name: 'all',
	inputs: ['x'],
	forward: ({ x }, { op, dims, shape }: Reduction & { readonly op: 'any' | 'all' }) => reduced(x, shape, 'bool', { op, dims }),
	vjp: NO_GRADIENT,
});

/** x with the elements along `dims` as its last dim, and a function that brings a tensor of that shape back. */
export function linesAlong(x: Tensor, dims: readonly number[]): { lines: Tensor; arranged: (y: Tensor) => Tensor } {
	const kept = x.shape.map((_, d) => d).filter((d) => !dims.includes(d));
	const order = [...kept, ...dims];
	const shape = order.map((d) => x.shape[d]!);
	const back = order.map((_, d) => order.indexOf(d));
	return {
		lines: reshape(permute(x, order), [...shape.slice(0, kept.length), numel(shape.slice(kept.length))]),
		arranged: (y) => permute(reshape(y, shape), back),
	};
}

/** Whether x must be converted to the option `dtype` first. */
function converts(operation: string, x: Tensor, dtype: DType | undefined): dtype is DType {
	if (dtype === 'bool' || dtype === 'uint8' || dtype === 'int8')
		throw new DTypeError(
			`${operation}: dtype ${dtype} holds no ${operation}. Use 'int32'${dtype === 'bool' ? ', or any() or all()' : ''}`,
		);
	return dtype !== undefined && dtype !== x.dtype;
}

export interface VarianceOptions extends ReduceOptions {
	/** The divisor is max(0, count - correction). 1 gives the unbiased estimate, 0 the variance of the population. Default 1. */
	readonly correction?: number;
}

/** sum((x - mean)^2) / (count - correction) of floating x over `dim`, all by default. NaN for one element with correction 1. As `torch.var`. */
export function variance(x: Tensor, dim?: Dims, options: VarianceOptions = {}): Tensor {
	checkOptions('var', options, ['correction', 'keepdim']);
	return moment('var', x, dim, options);
}

/** The square root of the variance. If it is 0, so is its gradient. As `torch.std`. */
export function std(x: Tensor, dim?: Dims, options: VarianceOptions = {}): Tensor {
	checkOptions('std', options, ['correction', 'keepdim']);
	return moment('std', x, dim, options);
}

function moment(name: 'var' | 'std', x: Tensor, dim: Dims | undefined, { correction = 1, ...options }: VarianceOptions): Tensor {
	requireFloatingTensor(name, x);
	requireFinite(name, 'correction', correction);
	return momentOperation({ x }, { ...reductionOf(name, x, dim, options), correction, root: name === 'std' }, { name });
}

const momentOperation = defineOperation({
	name: 'var',
	inputs: ['x'],
	forward: ({ x }, { dims, shape, correction, root }: Reduction & { readonly correction: number; readonly root: boolean }) => {
		const y = emptyOn(x, shape);
		reduceKernels(x.backend).variance({ x }, { y }, { dims, correction, root });
		return y;
	},
	saves: ['x', 'output'],
	vjp: (gradient, saved, { dims, count, correction, root }) => {
		const [g, x, y] = widened(gradient, saved.x, saved.output);
		const divisor = Math.max(0, count - correction);
		// d std = d var / (2 std). If std is 0, all deviations are 0.
		const scale = root ? where(eq(y, 0), 0, div(g, mul(nonzero(y), divisor))) : mul(g, 2 / divisor);
		return { x: mul(centred(x, dims), expandReduced(scale, x.shape, dims)) };
	},
});

/** x minus its mean over dims, and minus the mean of the rest, so that rounding does not make equal elements far from 0 deviate. */
function centred(x: Tensor, dims: readonly number[]): Tensor {
	const deviation = sub(x, mean(x, dims, { keepdim: true }));
	return sub(deviation, mean(deviation, dims, { keepdim: true }));
}

export interface NormOptions extends ReduceOptions {
	/** The order of the norm. 0 counts the elements that are not 0; Infinity and -Infinity give the largest and smallest magnitude. Default 2. */
	readonly p?: number;
	/** Converts x to this floating dtype first. Default x's dtype. */
	readonly dtype?: DType;
}

/** The vector norm (sum |x|^p)^(1/p) of floating x over `dim`, all by default. If it is 0, so is its gradient. As `torch.norm`. */
export function norm(x: Tensor, dim?: Dims, options: NormOptions = {}): Tensor {
	const { p = 2, dtype, keepdim } = checkOptions('norm', options, ['p', 'dtype', 'keepdim']);
	requireTensor('norm', x);
	if (converts('norm', x, dtype)) return composed('norm', () => norm(to(x, dtype), dim, { p, keepdim }));
	requireFloating('norm', x.dtype);
	requireNumber('norm', 'p', p);
	return normOperation({ x }, { ...reductionOf('norm', x, dim, options), p });
}

const normOperation = defineOperation({
	name: 'norm',
	inputs: ['x'],
	forward: ({ x }, { dims, shape, p }: Reduction & { readonly p: number }) => reduced(x, shape, x.dtype, { op: 'norm', dims, p }),
	saves: ['x', 'output'],
	vjp: (gradient, saved, { dims, p }) => {
		const [g, x, y] = widened(gradient, saved.x, saved.output);
		const over = (t: Tensor) => expandReduced(t, x.shape, dims);
		if (p === 0) return { x: mul(over(g), 0) };
		if (p === 1) return { x: mul(sign(x), over(g)) };
		if (p === 2) return { x: mul(x, over(div(g, nonzero(y)))) };
		if (Math.abs(p) === Infinity) return { x: mul(sign(x), splitEvenly(eq(abs(x), over(y)), g, dims)) };
		const powers = mul(sign(x), pow(nonzero(abs(x)), p - 1));
		// For p > 0 a norm of 0 has only elements of 0. For p < 0 it may have others, which do not change it.
		const scale = div(p < 0 ? where(eq(y, 0), 0, g) : g, pow(nonzero(y), p - 1));
		return { x: mul(powers, over(scale)) };
	},
});

/** Splits the gradient evenly between the `chosen` elements. The others get 0. */
export function splitEvenly(chosen: Tensor, gradient: Tensor, dims: readonly number[]): Tensor {
	const mask = to(chosen, gradient.dtype);
	const share = div(gradient, reshape(sum(mask, dims), gradient.shape));
	return mul(mask, expandReduced(share, chosen.shape, dims));
}

/** The sum of the diagonal of a matrix. As `torch.trace`. */
export function trace(x: Tensor): Tensor {
	requireTensor('trace', x);
	requireRank('trace', 'input', x, 'a matrix', 2);
	return composed('trace', () => sum(diagonal(x)));
}
