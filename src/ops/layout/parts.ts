/**
 * Parts of tensors, as views, and tensors joined from parts: narrow, select, slice, diagonal, split, chunk; cat, stack, diag.
 *
 * All rest on one pair of operations, each the VJP of the other: `partOf`, a view of some of the elements, and `assembled`, a
 * fresh tensor in which given tensors stand at given parts.
 */
import { record, recordMany } from '../../autograd/tape';
import { ONE_OF_SEVERAL } from '../../autograd/views';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { runOperation } from '../../core/operation';
import { checkShape, normalizeDim, type Shape, sameShape } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { promote } from '../operands';
import { requireTensor } from '../requirements';
import { clone } from './views';

/** Where the elements of a tensor lie in its storage. */
export interface Geometry {
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
}

/** Part of a tensor, each element at most once, as a function of where the whole lies. */
export type Part = (whole: Geometry) => Geometry;

/** `length` elements along `dim` from `start` on; a negative start counts from the end. */
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
	return partOf('narrow', x, narrowed(at, first, length));
}

/** Element `index` along `dim`, without that dim; a negative index counts from the end. */
export function select(x: Tensor, dim: number, index: number): Tensor {
	requireTensor('select', x);
	const at = existingDim('select', x, dim);
	const size = x.shape[at]!;
	if (!Number.isInteger(index) || index < -size || index >= size) {
		throw new ArgumentError(`select: index ${index} is out of range for dim ${dim} of ${formatShape(x.shape)}`);
	}
	return partOf('select', x, selected(at, index < 0 ? index + size : index));
}

/**
 * Every `step`-th element along `dim` from `start` up to but without `end`, as `x[start:end:step]` in Python: negative
 * places count from the end, places beyond the end are cut off, and the step is positive.
 */
export function slice(x: Tensor, dim: number, start = 0, end = Number.POSITIVE_INFINITY, step = 1): Tensor {
	requireTensor('slice', x);
	const at = existingDim('slice', x, dim);
	const size = x.shape[at]!;
	if (!Number.isInteger(step) || step < 1)
		throw new ArgumentError(`slice: step ${step} must be a whole number of at least 1; use flip() to reverse`);
	if (!Number.isInteger(start) || (!Number.isInteger(end) && end !== Number.POSITIVE_INFINITY))
		throw new ArgumentError(`slice: start ${start} and end ${end} must be whole numbers`);
	const place = (i: number) => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
	const first = place(start);
	return partOf('slice', x, narrowed(at, first, Math.max(0, Math.ceil((place(end) - first) / step)), step));
}

/** The diagonal of dims `dim1` and `dim2`, `offset` above the main one, as a last dim. */
export function diagonal(x: Tensor, offset = 0, dim1 = 0, dim2 = 1): Tensor {
	requireTensor('diagonal', x);
	if (x.ndim < 2) throw new ShapeError(`diagonal: needs at least 2 dims, not ${formatShape(x.shape)}`);
	const a = normalizeDim('diagonal', dim1, x.ndim);
	const b = normalizeDim('diagonal', dim2, x.ndim);
	if (a === b) throw new ArgumentError(`diagonal: dim1 and dim2 are both dim ${a}`);
	if (!Number.isInteger(offset)) throw new ArgumentError(`diagonal: offset ${offset} must be a whole number`);
	return partOf('diagonal', x, diagonalOf(offset, a, b));
}

function existingDim(operation: string, x: Tensor, dim: number): number {
	if (x.ndim === 0) throw new ShapeError(`${operation}: a scalar has no dim to take a part of`);
	return normalizeDim(operation, dim, x.ndim);
}

export function narrowed(dim: number, start: number, length: number, step = 1): Part {
	return ({ shape, strides, offset }) => ({
		shape: shape.with(dim, length),
		strides: strides.with(dim, strides[dim]! * step),
		offset: length === 0 ? offset : offset + start * strides[dim]!,
	});
}

export function selected(dim: number, index: number): Part {
	return ({ shape, strides, offset }) => ({
		shape: shape.toSpliced(dim, 1),
		strides: strides.toSpliced(dim, 1),
		offset: offset + index * strides[dim]!,
	});
}

export function diagonalOf(above: number, a: number, b: number): Part {
	return ({ shape, strides, offset }) => {
		const row = Math.max(0, -above);
		const column = Math.max(0, above);
		const length = Math.max(0, Math.min(shape[a]! - row, shape[b]! - column));
		const rest = shape.map((_, dim) => dim).filter((dim) => dim !== a && dim !== b);
		return {
			shape: [...rest.map((dim) => shape[dim]!), length],
			strides: [...rest.map((dim) => strides[dim]!), strides[a]! + strides[b]!],
			offset: length === 0 ? offset : offset + row * strides[a]! + column * strides[b]!,
		};
	};
}

/** A part of `x` as a view. Its gradient stands among zeros: `assembled`; either is the other's VJP. */
export function partOf(name: string, x: Tensor, part: Part): Tensor {
	return record({
		name,
		inputs: [x],
		forward: () => {
			const { shape, strides, offset } = part(x);
			return viewOf(x, shape, strides, offset);
		},
		view: partStep(name, part),
		vjp: placeBack(name, part, x.shape),
	});
}

function partStep(name: string, part: Part) {
	return (x: Tensor) => partOf(name, x, part);
}

function placeBack(name: string, part: Part, whole: Shape) {
	return (gradient: Tensor) => [assembled(name, [gradient], [part], whole)];
}

/** Consecutive parts along `dim`: of `size` each, the last one smaller if need be, or of the listed sizes. All are views. */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
	requireTensor('split', x);
	const at = existingDim('split', x, dim);
	const total = x.shape[at]!;
	if (typeof size === 'number') {
		if (!Number.isInteger(size) || size < 1) throw new ArgumentError(`split: size ${size} must be a whole number of at least 1`);
		const count = Math.max(1, Math.ceil(total / size));
		const sizes = Array.from({ length: count }, (_, i) => Math.min(size, total - i * size));
		return parts('split', x, at, sizes);
	}
	if (!Array.isArray(size) || size.some((s) => !Number.isInteger(s) || s < 0) || size.reduce((a, b) => a + b, 0) !== total) {
		throw new ArgumentError(`split: sizes ${formatShape([size].flat())} do not add up to dim ${dim} of ${formatShape(x.shape)}`);
	}
	return parts('split', x, at, size);
}

/** At most `chunks` parts of equal size along `dim` (the last one may be smaller), as views. */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
	requireTensor('chunk', x);
	const at = existingDim('chunk', x, dim);
	if (!Number.isInteger(chunks) || chunks < 1)
		throw new ArgumentError(`chunk: the number of chunks is ${chunks}; it must be at least 1`);
	const total = x.shape[at]!;
	const size = Math.ceil(total / chunks);
	const count = total === 0 ? chunks : Math.ceil(total / size);
	return parts(
		'chunk',
		x,
		at,
		Array.from({ length: count }, (_, i) => Math.min(size, total - i * size)),
	);
}

function parts(name: string, x: Tensor, dim: number, sizes: readonly number[]): Tensor[] {
	let start = 0;
	const list = sizes.map((size) => {
		start += size;
		return narrowed(dim, start - size, size);
	});
	return recordMany({
		name,
		inputs: [x],
		forward: () =>
			list.map((part) => {
				const { shape, strides, offset } = part(x);
				return viewOf(x, shape, strides, offset);
			}),
		views: ONE_OF_SEVERAL,
		vjp: assembleBack(name, list, x.shape),
	});
}

function assembleBack(name: string, list: readonly Part[], whole: Shape) {
	return (gradients: readonly (Tensor | null)[]) => {
		const present = gradients.flatMap((gradient, i) => (gradient === null ? [] : [{ gradient, part: list[i]! }]));
		return [
			assembled(
				name,
				present.map(({ gradient }) => gradient),
				present.map(({ part }) => part),
				whole,
			),
		];
	};
}

/** A tensor of shape `whole` in which each of `tensors` stands at its part, and zeros where there is none. */
export function assembled(name: string, tensors: readonly Tensor[], places: readonly Part[], whole: Shape): Tensor {
	return record({
		name,
		inputs: tensors,
		forward: () => {
			const y = emptyOn(tensors[0]!, whole);
			const { kernels } = y.backend;
			if (tensors.reduce((sum, x) => sum + x.size, 0) < y.size) kernels.fill({}, { y }, { value: 0 });
			tensors.forEach((x, i) => {
				const { shape, strides, offset } = places[i]!(y);
				if (x.size > 0) kernels.copyInto({ x }, { y: viewOf(y, shape, strides, offset) }, {});
			});
			return y;
		},
		vjp: disassembleBack(name, places),
	});
}

function disassembleBack(name: string, places: readonly Part[]) {
	return (gradient: Tensor, _saved: readonly Tensor[], needs: readonly boolean[]) =>
		places.map((part, i) => (needs[i] ? partOf(name, gradient, part) : null));
}

/**
 * Tensors one after another along `dim`; their other sizes are equal. Dtypes are promoted. As in PyTorch, tensors of shape [0]
 * are left out whatever the other shapes.
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
	const all = requireTensors('cat', tensors);
	const list = all.filter((x) => x.ndim !== 1 || x.size > 0);
	const first = list[0] ?? all[0]!;
	if (list.length === 0) list.push(first);
	const at = existingDim('cat', first, dim);
	const odd = list.find((x) => x.ndim !== first.ndim || !sameShape(x.shape.with(at, 0), first.shape.with(at, 0)));
	if (odd !== undefined) {
		throw new ShapeError(`cat: ${formatShape(first.shape)} and ${formatShape(odd.shape)} must be equal except in dim ${at}`);
	}
	let start = 0;
	const places = list.map((x) => {
		start += x.shape[at]!;
		return narrowed(at, start - x.shape[at]!, x.shape[at]!);
	});
	return assembled('cat', list, places, first.shape.with(at, start));
}

/** Tensors of one shape side by side along a new dim, `dim` of the result. Dtypes are promoted. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
	const list = requireTensors('stack', tensors);
	const { shape } = list[0]!;
	const at = normalizeDim('stack', dim, shape.length + 1);
	const odd = list.find((x) => !sameShape(x.shape, shape));
	if (odd !== undefined)
		throw new ShapeError(`stack: all tensors must have one shape, not ${formatShape(shape)} and ${formatShape(odd.shape)}`);
	const whole = shape.toSpliced(at, 0, list.length);
	checkShape('stack', whole);
	return assembled(
		'stack',
		list,
		list.map((_, i) => selected(at, i)),
		whole,
	);
}

function requireTensors(operation: string, tensors: readonly Tensor[]): Tensor[] {
	if (!Array.isArray(tensors) || tensors.length === 0)
		throw new ArgumentError(`${operation}: needs an array of at least one tensor`);
	return promote(operation, ...tensors);
}

/** The diagonal of a matrix; or, of a vector, the square matrix that has it as its diagonal `diagonal`, else zeros. */
export function diag(x: Tensor, offset = 0): Tensor {
	requireTensor('diag', x);
	if (x.ndim === 2) return runOperation('diag', () => clone(diagonal(x, offset)));
	if (x.ndim !== 1) throw new ShapeError(`diag: needs a vector or a matrix, not ${formatShape(x.shape)}`);
	if (!Number.isInteger(offset)) throw new ArgumentError(`diag: diagonal ${offset} must be a whole number`);
	const size = x.size + Math.abs(offset);
	return assembled('diag', [x], [diagonalOf(offset, 0, 1)], [size, size]);
}
