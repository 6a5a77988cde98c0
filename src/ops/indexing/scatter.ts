/**
 * Writing by index: scatter, scatterAdd, indexAdd. The rules for indices are those of gather.ts.
 *
 * `gather` and `scatterAdd` are each other's VJP. All writes are deterministic: sources of one element are added in a fixed order, and of
 * several writes the last in row-major order of the index wins.
 */

import { currentAutocast } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import { indexingKernels, layoutKernels } from '../../backends/kernels';
import { requireOneOf } from '../../core/checks';
import { fillValue, isFloating, requireDType } from '../../core/dtype';
import { formatShape, ShapeError } from '../../core/errors';
import type { IndexCheck } from '../../core/indexCheck';
import { checkOptions } from '../../core/options';
import { type Shape, sameShape } from '../../core/shape';
import { copyOf, emptyOn, Tensor, viewOf } from '../../tensor';
import { requireFactor, requireSameDevice, requireTensor } from '../../tensorChecks';
import { composed, inFloat32, widened } from '../composed';
import { div, eq, mul, to, where } from '../elementwise';
import { contiguous, narrow, reshape } from '../layout';
import { asVector, checkGatherIndex, checkVectorIndex, expandIndex, filledView, gathered, scatterAdded } from './gather';

/**
 * Adds `source[i, j, ...]` to a copy of x at [i, index[i, j, ...], ...], for dim 1. `source` has x's dtype and at least the shape of `index`.
 * Scalars count as vectors of one element. An index out of range throws: on WebGPU at the next read, `sync()` or `step()`. As
 * `torch.scatter_add`.
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('scatterAdd', [x, source], ([x, source]) => scatterAdd(x, dim, index, source));
	requireTensor('scatterAdd', x);
	requireTensor('scatterAdd', index, 'index');
	requireTensor('scatterAdd', source, 'source');
	if (x.ndim === 0 || index.ndim === 0 || source.ndim === 0)
		return composed('scatterAdd', () => reshape(scatterAdd(asVector(x), dim, asVector(index), asVector(source)), x.shape));
	const { at, check } = checkGatherIndex('scatterAdd', x, dim, index);
	return composed('scatterAdd', () => addedAt('scatterAdd', x, at, index, sourceFor('scatterAdd', x, index, source), check));
}

/** The part of `source` at the positions of `index`. */
function sourceFor(operation: string, x: Tensor, index: Tensor, source: Tensor): Tensor {
	requireTensor(operation, source, 'source');
	requireDType(operation, source.dtype, [x.dtype], 'source');
	requireSameDevice(operation, x, source);
	if (source.ndim !== index.ndim || source.shape.some((size, d) => size < index.shape[d]!)) {
		throw new ShapeError(
			`${operation}: source ${formatShape(source.shape)} must be at least as large as index ${formatShape(index.shape)}`,
		);
	}
	return index.shape.reduce((part, size, d) => (part.shape[d] === size ? part : narrow(part, d, 0, size)), source);
}

export function addedAt(name: string, x: Tensor, dim: number, index: Tensor, source: Tensor, check?: IndexCheck): Tensor {
	requireDType(name, x.dtype, ['float32', 'float64', 'float16', 'bfloat16', 'int32']);
	return addOperation({ x, source, index }, { dim }, { name, check });
}

const addOperation = defineOperation({
	name: 'scatterAdd',
	inputs: ['x', 'source'],
	constants: ['index'],
	forward: ({ x, source, index }, { dim }: { readonly dim: number }, check) => {
		const y = copyOf(x);
		indexingKernels(y.backend).scatterAddInto({ index, source: contiguous(source) }, { y }, { dim, check });
		return y;
	},
	saves: ['index'],
	vjp: (gradient, { index }, { dim }, needs, name) => ({
		x: gradient,
		source: needs.source && gathered(name, gradient, dim, index),
	}),
});

const REDUCTIONS = ['add', 'multiply', null] as const;

export interface ScatterOptions {
	/** Whether a write adds to the element or multiplies it. Default null, which replaces it. */
	readonly reduce?: 'add' | 'multiply' | null;
}

/**
 * Writes `source[i, j, ...]`, or a number, into a copy of x at [i, index[i, j, ...], ...], for dim 1. If several writes reach one element,
 * the last one wins and gets the gradient. With `reduce` all of them count and, unlike in PyTorch, have gradients; with 'multiply' second
 * derivatives are wrong where a source is 0. Scalars count as vectors of one element. An index out of range throws: on WebGPU at the next
 * read, `sync()` or `step()`. As `torch.scatter`.
 */
export function scatter(
	x: Tensor,
	dim: number,
	index: Tensor,
	source: Tensor | number | boolean,
	options: ScatterOptions = {},
): Tensor {
	const { reduce = null } = checkOptions('scatter', options, ['reduce']);
	requireTensor('scatter', x);
	requireTensor('scatter', index, 'index');
	requireOneOf('scatter', 'reduce', reduce, REDUCTIONS);
	if (x.ndim === 0 || index.ndim === 0 || (source instanceof Tensor && source.ndim === 0)) {
		const from = source instanceof Tensor ? asVector(source) : source;
		return composed('scatter', () => reshape(scatter(asVector(x), dim, asVector(index), from, options), x.shape));
	}
	const { at, check } = checkGatherIndex('scatter', x, dim, index);
	if (reduce === null && !(source instanceof Tensor)) return filledAt(x, at, index, fillValue('scatter', x.dtype, source), check);
	return composed('scatter', () => {
		const from = source instanceof Tensor ? sourceFor('scatter', x, index, source) : filledLike(x, index.shape, source);
		if (reduce === 'add') return addedAt('scatter', x, at, index, from, check);
		if (reduce === 'multiply') return multipliedAt(x, at, index, from, check);
		return writtenAt('scatter', x, at, index, from, check);
	});
}

const REDUCES = ['sum', 'prod', 'mean', 'amax', 'amin'] as const;

export interface ScatterReduceOptions {
	/** Whether the elements of x count, too. Default true. */
	readonly includeSelf?: boolean;
}

/**
 * Reduces `source[i, j, ...]` with x at [i, index[i, j, ...], ...], for dim 1: its sum, product, mean, largest or smallest element. Elements
 * of x that no index names stay. Equal extremes share the gradient. Scalars count as vectors of one element. An index out of range throws:
 * on WebGPU at the next read, `sync()` or `step()`. As `torch.scatter_reduce`.
 */
export function scatterReduce(
	x: Tensor,
	dim: number,
	index: Tensor,
	source: Tensor,
	reduce: 'sum' | 'prod' | 'mean' | 'amax' | 'amin',
	options: ScatterReduceOptions = {},
): Tensor {
	const { includeSelf = true } = checkOptions('scatterReduce', options, ['includeSelf']);
	requireTensor('scatterReduce', x);
	requireTensor('scatterReduce', index, 'index');
	requireTensor('scatterReduce', source, 'source');
	requireOneOf('scatterReduce', 'reduce', reduce, REDUCES);
	requireDType('scatterReduce', x.dtype, ['float32', 'float64', 'float16', 'bfloat16', 'int32']);
	if (x.ndim === 0 || index.ndim === 0 || source.ndim === 0) {
		return composed('scatterReduce', () =>
			reshape(scatterReduce(asVector(x), dim, asVector(index), asVector(source), reduce, options), x.shape),
		);
	}
	const { at, check } = checkGatherIndex('scatterReduce', x, dim, index);
	const part = sourceFor('scatterReduce', x, index, source);
	return inFloat32('scatterReduce', [x, part], (wide, from) => {
		const floating = isFloating(wide.dtype);
		const neutral = {
			sum: 0,
			mean: 0,
			prod: 1,
			amax: floating ? Number.NEGATIVE_INFINITY : -(2 ** 31),
			amin: floating ? Number.POSITIVE_INFINITY : 2 ** 31 - 1,
		}[reduce];
		const base = includeSelf ? wide : filledAt(wide, at, index, neutral);
		switch (reduce) {
			case 'sum':
				return addedAt('scatterReduce', base, at, index, from, check);
			case 'prod':
				return mul(base, productsAt(from, at, index, x.shape, check));
			case 'mean': {
				const total = addedAt('scatterReduce', base, at, index, from, check);
				const each = filledLike(wide, index.shape, 1);
				const own = filledLike(wide, x.shape, 1);
				const count = addedAt('scatterReduce', includeSelf ? own : filledAt(own, at, index, 0), at, index, each);
				return div(total, count, { roundingMode: floating ? null : 'floor' });
			}
			default:
				return extremeOperation({ base, source: from, index }, { dim: at, isLargest: reduce === 'amax' }, { check });
		}
	});
}

const extremeOperation = defineOperation({
	name: 'scatterReduce',
	inputs: ['base', 'source'],
	constants: ['index'],
	forward: ({ base, source, index }, { dim, isLargest }: { readonly dim: number; readonly isLargest: boolean }, check) => {
		const y = copyOf(base);
		const attributes = { dim, op: isLargest ? 'largest' : 'smallest', check } as const;
		indexingKernels(y.backend).scatterReduceInto({ index, source: contiguous(source) }, { y }, attributes);
		return y;
	},
	saves: ['base', 'source', 'index', 'output'],
	vjp: (gradient, { base, source, index, output }, { dim }, needs) => {
		const at = (x: Tensor) => gathered('scatterReduce', x, dim, index);
		const isBase = to(eq(base, output), gradient.dtype);
		const isSource = to(eq(source, at(output)), gradient.dtype);
		const share = div(gradient, addedAt('scatterReduce', isBase, dim, index, isSource));
		return { base: needs.base && mul(isBase, share), source: needs.source && mul(isSource, at(share)) };
	},
});

function filledLike(x: Tensor, shape: Shape, value: number | boolean): Tensor {
	const y = emptyOn(x, shape);
	layoutKernels(y.backend).fill({}, { y }, { value: fillValue('scatter', x.dtype, value) });
	return y;
}

function multipliedAt(x: Tensor, dim: number, index: Tensor, source: Tensor, check?: IndexCheck): Tensor {
	requireDType('scatter', x.dtype, ['float32', 'float64', 'float16', 'bfloat16', 'int32']);
	return inFloat32('scatter', [x, source], (wide, factors) => mul(wide, productsAt(factors, dim, index, x.shape, check)));
}

/** The product of the sources of each element of a tensor of `shape`. 1 for an element without sources. */
function productsAt(source: Tensor, dim: number, index: Tensor, shape: Shape, check?: IndexCheck): Tensor {
	return multiplyOperation({ source, index }, { dim, shape }, { check });
}

const multiplyOperation = defineOperation({
	name: 'scatter',
	inputs: ['source'],
	constants: ['index'],
	forward: ({ source, index }, { dim, shape }: { readonly dim: number; readonly shape: Shape }, check) => {
		const y = emptyOn(source, shape);
		layoutKernels(y.backend).fill({}, { y }, { value: 1 });
		indexingKernels(y.backend).scatterReduceInto({ index, source: contiguous(source) }, { y }, { dim, op: 'product', check });
		return y;
	},
	saves: ['source', 'index'],
	// The gradient of a source is multiplied by the product of the other sources of its element. That product is 0 if one of them is 0.
	// Else it is the product of all sources, with 1 in the place of 0, divided by the source.
	vjp: (incoming, { source: factors, index }, { dim }) => {
		const [gradient, source] = widened(incoming, factors);
		const { shape } = gradient;
		const at = (x: Tensor) => gathered('scatter', x, dim, index);
		const zero = eq(source, 0);
		const factor = where(zero, 1, source);
		const others = div(at(productsAt(factor, dim, index, shape)), factor);
		const zeros = at(scatterAdded('scatter', to(zero, source.dtype), dim, index, shape));
		return { source: mul(at(gradient), where(eq(zeros, to(zero, source.dtype)), others, 0)) };
	},
});

export function writtenAt(name: string, x: Tensor, dim: number, index: Tensor, source: Tensor, check?: IndexCheck): Tensor {
	return writeOperation({ x, source, index }, { dim }, { name, check });
}

const writeOperation = defineOperation({
	name: 'scatter',
	inputs: ['x', 'source'],
	constants: ['index'],
	forward: ({ x, source, index }, { dim }: { readonly dim: number }, check) => {
		const y = copyOf(x);
		indexingKernels(y.backend).scatterInto({ index, source }, { y }, { dim, unique: false, check });
		return y;
	},
	saves: ['index'],
	vjp: (gradient, { index }, { dim }, needs) => ({
		x: needs.x && filledAt(gradient, dim, index, 0),
		source: needs.source && where(winners(index, dim, gradient.shape), gathered('scatter', gradient, dim, index), 0),
	}),
});

function filledAt(x: Tensor, dim: number, index: Tensor, value: number, check?: IndexCheck): Tensor {
	return fillOperation({ x, index }, { dim, value }, { check });
}

const fillOperation = defineOperation({
	name: 'scatter',
	inputs: ['x'],
	constants: ['index'],
	forward: ({ x, index }, { dim, value }: { readonly dim: number; readonly value: number }, check) => {
		const y = copyOf(x);
		// All writes have one value, so their order does not matter.
		indexingKernels(y.backend).scatterInto(
			{ index, source: filledView(x, index.shape, value) },
			{ y },
			{ dim, unique: true, check },
		);
		return y;
	},
	saves: ['index'],
	vjp: (gradient, { index }, { dim }) => ({ x: filledAt(gradient, dim, index, 0) }),
});

/** Whether each write is the last one to its element of a tensor of `shape`. */
function winners(index: Tensor, dim: number, shape: Shape): Tensor {
	const { backend } = index;
	const order = emptyOn(index, index.shape);
	const last = emptyOn(index, shape);
	layoutKernels(backend).arange({}, { y: viewOf(order, [index.size], [1], 0) }, { start: 0, step: 1 });
	indexingKernels(backend).scatterInto({ index, source: order }, { y: last }, { dim, unique: false });
	return eq(gathered('scatter', last, dim, index), order);
}

/**
 * Adds alpha * source to a copy of x: entry i of `source` along `dim` to entry index[i] of x, for an int32 vector `index`. Default alpha 1. An
 * index out of range throws: on WebGPU at the next read, `sync()` or `step()`. As `torch.index_add`.
 */
export function indexAdd(x: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: number } = {}): Tensor {
	const { alpha = 1 } = checkOptions('indexAdd', options, ['alpha']);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('indexAdd', [x, source], ([x, source]) => indexAdd(x, dim, index, source, options));
	}
	requireTensor('indexAdd', x);
	requireTensor('indexAdd', source, 'source');
	if (x.ndim === 0) return composed('indexAdd', () => reshape(indexAdd(asVector(x), dim, index, asVector(source), options), []));
	const { at, check } = checkVectorIndex('indexAdd', x, dim, index);
	requireDType('indexAdd', source.dtype, [x.dtype], 'source');
	requireSameDevice('indexAdd', x, source);
	requireFactor('indexAdd', 'alpha', alpha, x.dtype);
	const expected = x.shape.with(at, index.size);
	if (!sameShape(source.shape, expected)) {
		throw new ShapeError(
			`indexAdd: source ${formatShape(source.shape)} must be ${formatShape(expected)} for ${index.size} indices along dim ${at}`,
		);
	}
	const expanded = () => expandIndex(index, at, x.shape);
	if (alpha === 1) return composed('indexAdd', () => addedAt('indexAdd', x, at, expanded(), source, check));
	return inFloat32('indexAdd', [x, source], (wide, added) => addedAt('indexAdd', wide, at, expanded(), mul(added, alpha), check));
}
