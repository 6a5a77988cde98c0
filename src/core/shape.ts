/** Shapes, strides and broadcasting. Strides and offsets count elements, never bytes; shapes are row-major. */
import { describe } from './checks';
import { ArgumentError, formatShape, ShapeError } from './errors';

export type Shape = readonly number[];

/** The most dims of a tensor: kernels have parameters for this many. */
export const MAX_RANK = 8;

/** The number of elements of a shape (1 for a scalar's `[]`). */
export function numel(shape: Shape): number {
	let size = 1;
	for (let i = 0; i < shape.length; i++) size *= shape[i]!;
	return size;
}

/** Row-major strides of a contiguous tensor. */
export function contiguousStrides(shape: Shape): number[] {
	const strides = new Array<number>(shape.length);
	let step = 1;
	for (let i = shape.length - 1; i >= 0; i--) {
		strides[i] = step;
		step *= shape[i]!;
	}
	return strides;
}

/** Whether elements are in row-major order without gaps. Ignores the strides of dims of size 1. */
export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
	let step = 1;
	for (let i = shape.length - 1; i >= 0; i--) {
		const size = shape[i]!;
		if (size === 0) return true;
		if (size !== 1 && strides[i] !== step) return false;
		step *= size;
	}
	return true;
}

export function sameShape(a: Shape, b: Shape): boolean {
	if (a.length !== b.length) return false;
	for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
	return true;
}

/** Throws a ShapeError that names `operation` unless `sizes` is an array. `what` describes it in the message. */
export function requireSizes(operation: string, sizes: unknown, what = 'a shape'): asserts sizes is readonly number[] {
	if (Array.isArray(sizes)) return;
	const cure = typeof sizes === 'number' ? `. Write [${sizes}], or [${sizes}, ...] for several` : '';
	throw new ShapeError(`${operation}: ${what} is one array of numbers, not ${describe(sizes)}${cure}`);
}

/** Throws a ShapeError that names `operation` unless every size is an integer of at least 0 and the rank is at most 8. */
export function checkShape(operation: string, shape: Shape): void {
	requireSizes(operation, shape);
	if (shape.length > MAX_RANK) {
		throw new ShapeError(
			`${operation}: shape ${formatShape(shape)} has ${shape.length} dimensions; at most ${MAX_RANK} are supported`,
		);
	}
	for (const size of shape) {
		if (!Number.isInteger(size) || size < 0) {
			throw new ShapeError(`${operation}: shape ${formatShape(shape)} holds ${size}; sizes are whole numbers of at least 0`);
		}
	}
}

/**
 * The shape that all `shapes` broadcast to, by NumPy's rule: aligned from the right, sizes are equal or 1. Throws a ShapeError that names
 * `operation` and every shape.
 */
export function broadcastShapes(operation: string, ...shapes: Shape[]): number[] {
	const first = shapes[0]!;
	let rank = 0;
	let equal = true;
	for (const shape of shapes) {
		if (shape.length > rank) rank = shape.length;
		if (equal && !sameShape(shape, first)) equal = false;
	}
	if (equal) return [...first];
	const result = new Array<number>(rank).fill(1);
	for (const shape of shapes) {
		const shift = rank - shape.length;
		for (let i = 0; i < shape.length; i++) {
			const size = shape[i]!;
			if (size === 1) continue;
			if (result[i + shift] !== 1 && result[i + shift] !== size) {
				const list = shapes.map(formatShape).join(' and ');
				throw new ShapeError(
					`${operation}: shapes ${list} do not broadcast: sizes ${result[i + shift]} and ${size} differ in dimension ${i + shift} of the result`,
				);
			}
			result[i + shift] = size;
		}
	}
	return result;
}

/** Strides that read a tensor of `shape` and `strides` as if it had shape `target`; 0 where it repeats. */
export function broadcastStrides(shape: Shape, strides: readonly number[], target: Shape): number[] {
	const shift = target.length - shape.length;
	const result = new Array<number>(target.length).fill(0);
	for (let i = 0; i < shape.length; i++) {
		if (shape[i] !== 1 || target[i + shift] === 1) result[i + shift] = strides[i]!;
	}
	return result;
}

/** Converts a negative `dim`, which counts from the back, to one that counts from the front. A scalar accepts 0 and -1, as in PyTorch. */
export function normalizeDim(operation: string, dim: number, rank: number): number {
	const range = Math.max(rank, 1);
	if (typeof dim !== 'number') {
		const cure = typeof dim === 'object' && dim !== null ? '. It comes before the options, not in them' : '';
		throw new ArgumentError(`${operation}: dim must be a number from ${-range} to ${range - 1}, not ${describe(dim)}${cure}`);
	}
	if (!Number.isInteger(dim) || dim < -range || dim >= range) {
		throw new ArgumentError(`${operation}: dim ${dim} is out of range for ${rank} dimensions: from ${-range} to ${range - 1}`);
	}
	return dim < 0 ? dim + range : dim;
}

/** Normalizes several dims and sorts them; each may occur once. `undefined` means all dims. */
export function normalizeDims(operation: string, dims: number | readonly number[] | undefined, rank: number): number[] {
	if (dims === undefined) return Array.from({ length: rank }, (_, i) => i);
	if (typeof dims !== 'number' && !Array.isArray(dims)) {
		const cure = typeof dims === 'object' && dims !== null ? `. They come before the options: ${operation}(dim, { ... })` : '';
		throw new ArgumentError(`${operation}: dims must be a number or an array of numbers, not ${describe(dims)}${cure}`);
	}
	const list = (typeof dims === 'number' ? [dims] : [...dims]).map((d) => normalizeDim(operation, d, rank));
	if (new Set(list).size !== list.length) {
		throw new ArgumentError(`${operation}: dims ${formatShape(typeof dims === 'number' ? [dims] : dims)} name a dimension twice`);
	}
	return rank === 0 ? [] : list.sort((a, b) => a - b);
}

/** Whether several elements share memory: a dim larger than 1 has stride 0, and there are elements. */
export function isExpanded(shape: Shape, strides: readonly number[]): boolean {
	return strides.some((step, d) => step === 0 && shape[d]! > 1) && !shape.includes(0);
}

/** The shape after reducing `dims` (normalized). `keepdim` keeps the reduced dims as 1. */
export function reducedShape(shape: Shape, dims: readonly number[], keepdim: boolean): number[] {
	const result: number[] = [];
	for (let i = 0; i < shape.length; i++) {
		if (!dims.includes(i)) result.push(shape[i]!);
		else if (keepdim) result.push(1);
	}
	return result;
}
