/**
 * Slicing and joining: narrow, select, slice, diagonal, split and chunk return views; cat, stack and diag return new tensors.
 *
 * All use one pair of operations, each the VJP of the other: `sliced`, a view of some elements, and `joined`, a new tensor that holds given
 * tensors at given slices.
 */

import { defineOperation } from '../../autograd/operation';
import { MULTI_OUTPUT_VIEW } from '../../autograd/views';
import { layoutKernels } from '../../backends/kernels';
import { requireInteger, wrongArgument } from '../../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { runOperation } from '../../core/scope';
import { checkShape, MAX_RANK, normalizeDim, type Shape, sameShape } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { requireRank, requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { promote } from '../operands';
import { clone, reshape } from './views';

/** The positions of a tensor's elements in its storage. */
export interface Geometry {
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
}

/** A selection of a tensor's elements, each at most once. */
type Slice =
	| { readonly dim: number; readonly start: number; readonly length: number; readonly step?: number }
	| { readonly dim: number; readonly index: number }
	| { readonly diagonal: number; readonly dims: readonly [number, number] };

/** The geometry of a slice. */
export function geometryOf({ shape, strides, offset }: Geometry, slice: Slice): Geometry {
	if ('diagonal' in slice) {
		const [a, b] = slice.dims;
		const row = Math.max(0, -slice.diagonal);
		const column = Math.max(0, slice.diagonal);
		const length = Math.max(0, Math.min(shape[a]! - row, shape[b]! - column));
		const isOther = (_: number, dim: number) => dim !== a && dim !== b;
		return {
			shape: [...shape.filter(isOther), length],
			strides: [...strides.filter(isOther), strides[a]! + strides[b]!],
			offset: length === 0 ? offset : offset + row * strides[a]! + column * strides[b]!,
		};
	}
	const { dim } = slice;
	if ('index' in slice) {
		return {
			shape: shape.toSpliced(dim, 1),
			strides: strides.toSpliced(dim, 1),
			offset: offset + slice.index * strides[dim]!,
		};
	}
	const { start, length, step = 1 } = slice;
	return {
		shape: shape.with(dim, length),
		strides: strides.with(dim, strides[dim]! * step),
		offset: length === 0 ? offset : offset + start * strides[dim]!,
	};
}

/** A view of a slice of x. */
function sliceView(x: Tensor, slice: Slice): Tensor {
	const { shape, strides, offset } = geometryOf(x, slice);
	return viewOf(x, shape, strides, offset);
}

/** A view of `length` elements along `dim` from `start` on. A negative start counts from the end. As `torch.narrow`. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
	requireTensor('narrow', x);
	const at = existingDim('narrow', x, dim);
	const size = x.shape[at]!;
	const first = start < 0 ? start + size : start;
	if (!Number.isInteger(first) || !Number.isInteger(length) || first < 0 || length < 0 || first + length > size) {
		throw new ArgumentError(
			`narrow: ${length} elements from ${start} on do not lie within dim ${dim} of ${formatShape(x.shape)}`,
		);
	}
	return sliced('narrow', x, { dim: at, start: first, length });
}

/** A view of element `index` along `dim`, without that dim. A negative index counts from the end. As `torch.select`. */
export function select(x: Tensor, dim: number, index: number): Tensor {
	requireTensor('select', x);
	const at = existingDim('select', x, dim);
	const size = x.shape[at]!;
	if (!Number.isInteger(index) || index < -size || index >= size) {
		throw new ArgumentError(`select: index ${index} is out of range for dim ${dim} of ${formatShape(x.shape)}`);
	}
	return sliced('select', x, { dim: at, index: index < 0 ? index + size : index });
}

/**
 * A view of every `step`-th element along `dim` from `start` up to, but excluding, `end`: `x[start:end:step]` in Python. Negative start and
 * end count from the end, and are clamped to the dim. The step is positive. Defaults: the whole dim, step 1.
 */
export function slice(x: Tensor, dim: number, start = 0, end = Number.POSITIVE_INFINITY, step = 1): Tensor {
	requireTensor('slice', x);
	const at = existingDim('slice', x, dim);
	const size = x.shape[at]!;
	if (!Number.isInteger(step) || step < 1)
		throw wrongArgument('slice', 'step', 'a whole number of at least 1', step, '. To reverse, use flip()');
	if (!Number.isInteger(start) || (!Number.isInteger(end) && end !== Number.POSITIVE_INFINITY))
		throw new ArgumentError(`slice: start ${start} and end ${end} must be whole numbers`);
	const within = (i: number) => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
	const first = within(start);
	return sliced('slice', x, { dim: at, start: first, length: Math.max(0, Math.ceil((within(end) - first) / step)), step });
}

/** A view of the diagonal of dims `dim1` and `dim2`, `offset` above the main one, as the last dim. As `torch.diagonal`. */
export function diagonal(x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor {
	requireTensor('diagonal', x);
	requireRank('diagonal', 'input', x, '[..., M, N]', 2, MAX_RANK);
	const a = normalizeDim('diagonal', dim1, x.ndim);
	const b = normalizeDim('diagonal', dim2, x.ndim);
	if (a === b) throw new ArgumentError(`diagonal: dim1 and dim2 are both dim ${a}`);
	requireInteger('diagonal', 'offset', offset);
	return sliced('diagonal', x, { diagonal: offset, dims: [a, b] });
}

function existingDim(operation: string, x: Tensor, dim: number): number {
	if (x.ndim === 0) throw new ShapeError(`${operation}: a scalar has no dim to take a part of`);
	return normalizeDim(operation, dim, x.ndim);
}

function sliced(name: string, x: Tensor, slice: Slice): Tensor {
	return sliceOperation({ x }, { slice }, { name });
}

const sliceOperation = defineOperation({
	name: 'slice',
	inputs: ['x'],
	view: true,
	forward: ({ x }, { slice }: { readonly slice: Slice }) => sliceView(x, slice),
	vjp: (gradient, _saved, { slice }, needs, name) => ({ x: joined(name, [gradient], [slice], needs.x.shape) }),
});

/** Splits x along `dim` into views of `size` each (the last may be smaller), or of the listed sizes. As `torch.split`. */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
	requireTensor('split', x);
	const at = existingDim('split', x, dim);
	const total = x.shape[at]!;
	if (typeof size === 'number') {
		requireInteger('split', 'size', size, 1);
		const count = Math.max(1, Math.ceil(total / size));
		const sizes = Array.from({ length: count }, (_, i) => Math.min(size, total - i * size));
		return splitInto('split', x, at, sizes);
	}
	if (!Array.isArray(size) || size.some((s) => !Number.isInteger(s) || s < 0) || size.reduce((a, b) => a + b, 0) !== total) {
		throw new ArgumentError(`split: sizes ${formatShape([size].flat())} do not add up to dim ${dim} of ${formatShape(x.shape)}`);
	}
	return splitInto('split', x, at, size);
}

/** Splits x along `dim` into at most `chunks` views of equal size (the last may be smaller). As `torch.chunk`. */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
	requireTensor('chunk', x);
	const at = existingDim('chunk', x, dim);
	requireInteger('chunk', 'chunks', chunks, 1);
	const total = x.shape[at]!;
	const size = Math.ceil(total / chunks);
	const count = total === 0 ? chunks : Math.ceil(total / size);
	return splitInto(
		'chunk',
		x,
		at,
		Array.from({ length: count }, (_, i) => Math.min(size, total - i * size)),
	);
}

function splitInto(name: string, x: Tensor, dim: number, sizes: readonly number[]): Tensor[] {
	return splitOperation({ x }, { slices: consecutive(dim, sizes) }, { name });
}

/** The views `select(x, dim, i)` of all i. As `torch.unbind`. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
	requireTensor('unbind', x);
	const at = existingDim('unbind', x, dim);
	const slices = Array.from({ length: x.shape[at]! }, (_, index) => ({ dim: at, index }));
	return slices.length === 0 ? [] : splitOperation({ x }, { slices }, { name: 'unbind' });
}

/** Consecutive slices of these lengths along `dim`. */
function consecutive(dim: number, lengths: readonly number[]): Slice[] {
	let end = 0;
	return lengths.map((length) => {
		end += length;
		return { dim, start: end - length, length };
	});
}

const splitOperation = defineOperation({
	name: 'split',
	inputs: ['x'],
	outputs: 'list',
	view: MULTI_OUTPUT_VIEW,
	forward: ({ x }, { slices }: { readonly slices: readonly Slice[] }) => slices.map((slice) => sliceView(x, slice)),
	vjp: (gradients, _saved, { slices }, needs, name) => {
		const isGiven = (_: unknown, i: number) => gradients[i] !== null;
		const given = gradients.filter((gradient) => gradient !== null);
		return { x: joined(name, given, slices.filter(isGiven), needs.x.shape) };
	},
});

/** A tensor of `shape` with each of `tensors` at its slice and zeros elsewhere. */
function joined(name: string, tensors: readonly Tensor[], slices: readonly Slice[], shape: Shape): Tensor {
	return joinOperation(tensors, { slices, shape }, { name });
}

const joinOperation = defineOperation({
	name: 'cat',
	inputs: 'list',
	forward: (tensors, { slices, shape }: { readonly slices: readonly Slice[]; readonly shape: Shape }) => {
		const y = emptyOn(tensors[0]!, shape);
		const { backend } = y;
		if (tensors.reduce((sum, x) => sum + x.size, 0) < y.size) layoutKernels(backend).fill({}, { y }, { value: 0 });
		tensors.forEach((x, i) => {
			if (x.size > 0) layoutKernels(backend).copyInto({ x }, { y: sliceView(y, slices[i]!) }, {});
		});
		return y;
	},
	vjp: (gradient, _saved, { slices }, needs, name) => slices.map((slice, i) => (needs[i] ? sliced(name, gradient, slice) : null)),
});

/**
 * Concatenates tensors along `dim`, 0 by default. Their other sizes are equal. Dtypes are promoted. Skips tensors of shape [0], as PyTorch
 * does. As `torch.cat`.
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
	return concatenated('cat', tensors, dim);
}

/** `cat` under its other name. As `torch.concat`. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
	return concatenated('concat', tensors, dim);
}

function concatenated(name: string, tensors: readonly Tensor[], dim: number): Tensor {
	const all = promotedList(name, tensors);
	const list = all.filter((x) => x.ndim !== 1 || x.size > 0);
	const first = list[0] ?? all[0]!;
	if (list.length === 0) list.push(first);
	const at = existingDim(name, first, dim);
	const odd = list.find((x) => x.ndim !== first.ndim || !sameShape(x.shape.with(at, 0), first.shape.with(at, 0)));
	if (odd !== undefined) {
		throw new ShapeError(`${name}: ${formatShape(first.shape)} and ${formatShape(odd.shape)} must be equal except in dim ${at}`);
	}
	const lengths = list.map((x) => x.shape[at]!);
	const total = lengths.reduce((sum, length) => sum + length, 0);
	return joined(name, list, consecutive(at, lengths), first.shape.with(at, total));
}

/** Joins tensors along dim 1, or vectors and scalars along dim 0. As `torch.hstack`. */
export function hstack(tensors: readonly Tensor[]): Tensor {
	return joinedWithRank('hstack', tensors, 1, (first) => (first.ndim === 1 ? 0 : 1));
}

/** Joins tensors along dim 0. A vector counts as a row, a scalar as a row of one. As `torch.vstack`. */
export function vstack(tensors: readonly Tensor[]): Tensor {
	return joinedWithRank('vstack', tensors, 2, () => 0);
}

/** `cat` of the tensors with leading dims of size 1 up to `rank` dims. */
function joinedWithRank(name: string, tensors: readonly Tensor[], rank: number, dimOf: (first: Tensor) => number): Tensor {
	requireSome(name, tensors);
	return composed(name, () => {
		const list = tensors.map((x) => (x.ndim < rank ? reshape(x, [...new Array<number>(rank - x.ndim).fill(1), ...x.shape]) : x));
		return concatenated(name, list, list.length > 0 ? dimOf(list[0]!) : 0);
	});
}

/** Stacks tensors of one shape along a new dim, `dim` of the result, 0 by default. Dtypes are promoted. As `torch.stack`. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
	const list = promotedList('stack', tensors);
	const { shape } = list[0]!;
	const at = normalizeDim('stack', dim, shape.length + 1);
	const odd = list.find((x) => !sameShape(x.shape, shape));
	if (odd !== undefined)
		throw new ShapeError(`stack: all tensors must have one shape, not ${formatShape(shape)} and ${formatShape(odd.shape)}`);
	const whole = shape.toSpliced(at, 0, list.length);
	checkShape('stack', whole);
	return joined(
		'stack',
		list,
		list.map((_, index) => ({ dim: at, index })),
		whole,
	);
}

function promotedList(operation: string, tensors: readonly Tensor[]): Tensor[] {
	requireSome(operation, tensors);
	return promote(operation, ...tensors);
}

function requireSome(operation: string, tensors: readonly Tensor[]): void {
	if (!Array.isArray(tensors) || tensors.length === 0)
		throw wrongArgument(operation, 'tensors', 'an array of at least one tensor', tensors);
	for (const x of tensors) requireTensor(operation, x);
}

/** The diagonal `offset` of a matrix as a copy, or the square matrix with a vector on that diagonal. As `torch.diag`. */
export function diag(x: Tensor, offset = 0): Tensor {
	requireTensor('diag', x);
	if (x.ndim === 2) return runOperation('diag', () => clone(diagonal(x, offset)));
	requireRank('diag', 'input', x, 'a vector or a matrix', 1);
	requireInteger('diag', 'offset', offset);
	const size = x.size + Math.abs(offset);
	return joined('diag', [x], [{ diagonal: offset, dims: [0, 1] }], [size, size]);
}
