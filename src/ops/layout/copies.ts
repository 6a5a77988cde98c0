/** Layout operations that copy: flip, roll, repeat, tile, pad, tril, triu. And meshgrid, which is made of views. */

import { defineOperation } from '../../autograd/operation';
import { elementwiseKernels, layoutKernels } from '../../backends/kernels';
import { describe, requireArray, requireInteger, requireOneOf } from '../../core/checks';
import { fillValue } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { checkShape, MAX_RANK, normalizeDim, normalizeDims, numel, requireSizes, type Shape } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { requireRank, requireTensor } from '../../tensorChecks';
import { composed, inFloat32 } from '../composed';
import { cat, type Geometry, geometryOf, narrow } from './sliceCat';
import { cloneIfShared, expand, reshape } from './views';

/** Reverses the order of elements along `dims`. As `torch.flip`. */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
	requireTensor('flip', x);
	return flipOperation({ x }, { dims: normalizeDims('flip', dims, x.ndim) });
}

const flipOperation = defineOperation({
	name: 'flip',
	inputs: ['x'],
	forward: ({ x }, { dims }: { readonly dims: readonly number[] }) => {
		const strides = [...x.strides];
		let offset = x.offset;
		for (const dim of dims) {
			offset += Math.max(0, x.shape[dim]! - 1) * strides[dim]!;
			strides[dim] = -strides[dim]!;
		}
		const y = emptyOn(x, x.shape);
		layoutKernels(x.backend).copy({ x: viewOf(x, x.shape, strides, offset) }, { y }, {});
		return y;
	},
	vjp: (gradient, _saved, { dims }) => ({ x: flip(gradient, dims) }),
});

/**
 * Moves the elements by `shifts` along `dims`. Elements that leave at the end enter at the front. Without `dims` it rolls the flattened
 * tensor. As `torch.roll`.
 */
export function roll(x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[]): Tensor {
	requireTensor('roll', x);
	if (dims === undefined) {
		return composed('roll', () => reshape(roll(reshape(x, [-1]), shifts, 0), x.shape));
	}
	const by = [shifts].flat();
	const along = [dims].flat().map((dim) => normalizeDim('roll', dim, x.ndim));
	if (by.length !== along.length || by.some((shift) => !Number.isInteger(shift))) {
		throw new ArgumentError(
			`roll: shifts ${formatShape(by)} must hold a whole number for each of dims ${formatShape([dims].flat())}`,
		);
	}
	if (x.ndim === 0) return rolled(x, []);
	const total = new Array<number>(x.ndim).fill(0);
	along.forEach((dim, i) => {
		total[dim]! += by[i]!;
	});
	return rolled(x, total);
}

function rolled(x: Tensor, shifts: readonly number[]): Tensor {
	return rollOperation({ x }, { shifts });
}

const rollOperation = defineOperation({
	name: 'roll',
	inputs: ['x'],
	forward: ({ x }, { shifts }: { readonly shifts: readonly number[] }) => {
		const y = emptyOn(x, x.shape);
		let blocks: { from: Geometry; to: Geometry }[] = x.size === 0 ? [] : [{ from: x, to: y }];
		shifts.forEach((shift, dim) => {
			const size = x.shape[dim]!;
			const head = ((shift % size) + size) % size;
			if (head === 0) return;
			const [first, last] = [size - head, head];
			blocks = blocks.flatMap(({ from, to }) => [
				{
					from: geometryOf(from, { dim, start: 0, length: first }),
					to: geometryOf(to, { dim, start: last, length: first }),
				},
				{
					from: geometryOf(from, { dim, start: first, length: last }),
					to: geometryOf(to, { dim, start: 0, length: last }),
				},
			]);
		});
		for (const { from, to } of blocks) {
			layoutKernels(x.backend).copyInto(
				{ x: viewOf(x, from.shape, from.strides, from.offset) },
				{ y: viewOf(y, to.shape, to.strides, to.offset) },
				{},
			);
		}
		return y;
	},
	vjp: (gradient, _saved, { shifts }) => {
		const back = shifts.map((shift) => -shift);
		return { x: rolled(gradient, back) };
	},
});

/** Repeats x `repeats[d]` times along dim d. More repeats than dims add leading dims. As `torch.Tensor.repeat`. */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
	requireTensor('repeat', x);
	requireSizes('repeat', repeats, 'the list of repeats');
	if (repeats.length < x.ndim) {
		throw new ShapeError(`repeat: ${formatShape(repeats)} must hold a number for each dim of ${formatShape(x.shape)}`);
	}
	return repeated('repeat', x, repeats);
}

/** Like `repeat`, but takes fewer repeats than dims, for the last dims. As `torch.tile`. */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
	requireTensor('tile', x);
	requireSizes('tile', repeats, 'the list of repeats');
	return repeated('tile', x, [...new Array<number>(Math.max(0, x.ndim - repeats.length)).fill(1), ...repeats]);
}

function repeated(name: string, x: Tensor, repeats: readonly number[]): Tensor {
	const start = [...new Array<number>(repeats.length - x.ndim).fill(1), ...x.shape];
	checkShape(name, repeats);
	checkShape(
		name,
		start.map((size, dim) => size * repeats[dim]!),
	);
	return composed(name, () => {
		let y = reshape(x, start);
		repeats.forEach((count, dim) => {
			if (count === 1) return;
			const before = numel(y.shape.slice(0, dim));
			const rest = numel(y.shape.slice(dim));
			const target = y.shape.with(dim, y.shape[dim]! * count);
			y = reshape(expand(reshape(y, [before, 1, rest]), [before, count, rest]), target);
		});
		return cloneIfShared(x, y);
	});
}

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/**
 * Adds elements before and after the last dims of x. `pad` is [before, after] of the last dim, then of the dim before it, and so on. Negative
 * numbers crop. Mode 'constant' (default) adds `value` (default 0), 'reflect' mirrors at the edge element, 'replicate' repeats the edge
 * element, 'circular' continues at the other end of the cropped dim. As `torch.nn.functional.pad`.
 */
export function pad(x: Tensor, pad: readonly number[], options: { mode?: PadMode; value?: number } = {}): Tensor {
	const { mode = 'constant', value = 0 } = checkOptions('pad', options, ['mode', 'value']);
	requireTensor('pad', x);
	if (!Array.isArray(pad) || pad.length % 2 !== 0 || pad.length > 2 * x.ndim || pad.some((p) => !Number.isInteger(p))) {
		throw new ArgumentError(
			`pad: ${describe(pad)} must hold two whole numbers for each padded dim, of at most ${x.ndim} dims of ${formatShape(x.shape)}, last dim first`,
		);
	}
	const sides = x.shape.map((_, dim) => {
		const at = 2 * (x.ndim - 1 - dim);
		return { before: pad[at] ?? 0, after: pad[at + 1] ?? 0 };
	});
	if (mode === 'constant') {
		const target = x.shape.map((size, dim) => size + sides[dim]!.before + sides[dim]!.after);
		if (target.some((size) => size < 0))
			throw new ShapeError(`pad: ${formatShape(pad)} crops more than there is in ${formatShape(x.shape)}`);
		return padded(
			x,
			sides.map(({ before }) => before),
			target,
			fillValue('pad', x.dtype, value),
		);
	}
	requireOneOf('pad', 'mode', mode, BORDER_MODES);
	const { limit, before: front, after: back, cropsFirst } = BORDER[mode];
	sides.forEach(({ before, after }, dim) => {
		const size = x.shape[dim]!;
		const left = size + Math.min(0, before) + Math.min(0, after);
		const most = limit(cropsFirst ? left : size);
		if (Math.max(before, after) > Math.max(0, most)) {
			throw new ArgumentError(
				`pad: ${before} and ${after} do not fit dim ${dim} of ${formatShape(x.shape)}: mode '${mode}' takes at most ${most}`,
			);
		}
		const result = cropsFirst ? left : size + before + after;
		if (result < 0 || (result === 0 && size > 0 && !cropsFirst))
			throw new ShapeError(`pad: ${before} and ${after} crop all of dim ${dim} of ${formatShape(x.shape)} in mode '${mode}'`);
	});
	// The gradients of an element and of its copies are added up.
	return inFloat32('pad', [x], (wide) => {
		let y = reshape(wide, x.shape);
		sides.forEach(({ before, after }, dim) => {
			const [start, end] = [Math.max(0, -before), Math.max(0, -after)];
			const crop = () => {
				if (start > 0 || end > 0) y = narrow(y, dim, start, y.shape[dim]! - start - end);
			};
			if (cropsFirst) crop();
			const pieces = [y];
			if (before > 0) pieces.unshift(front(y, dim, before));
			if (after > 0) pieces.push(back(y, dim, after));
			if (pieces.length > 1) y = cat(pieces, dim);
			if (!cropsFirst) crop();
		});
		return cloneIfShared(wide, y);
	});
}

interface Border {
	/** The largest padding of a dim of this size. */
	limit(size: number): number;
	/** Whether the borders continue the cropped dim, instead of the whole dim. */
	readonly cropsFirst: boolean;
	before(x: Tensor, dim: number, count: number): Tensor;
	after(x: Tensor, dim: number, count: number): Tensor;
}

const BORDER: Record<Exclude<PadMode, 'constant'>, Border> = {
	reflect: {
		limit: (size) => Math.max(0, size - 1),
		cropsFirst: false,
		before: (x, dim, count) => flip(narrow(x, dim, 1, count), dim),
		after: (x, dim, count) => flip(narrow(x, dim, x.shape[dim]! - 1 - count, count), dim),
	},
	replicate: {
		limit: (size) => (size === 0 ? 0 : Number.POSITIVE_INFINITY),
		cropsFirst: false,
		before: (x, dim, count) => expand(narrow(x, dim, 0, 1), x.shape.with(dim, count)),
		after: (x, dim, count) => expand(narrow(x, dim, x.shape[dim]! - 1, 1), x.shape.with(dim, count)),
	},
	circular: {
		limit: (size) => size,
		cropsFirst: true,
		before: (x, dim, count) => narrow(x, dim, x.shape[dim]! - count, count),
		after: (x, dim, count) => narrow(x, dim, 0, count),
	},
};

const BORDER_MODES = ['constant', 'reflect', 'replicate', 'circular'] as const satisfies readonly PadMode[];

/** Puts `x` at `before` into a tensor of `shape`, and crops what does not fit. The VJP is the same with the opposite position. */
function padded(x: Tensor, before: readonly number[], shape: Shape, value: number): Tensor {
	return padOperation({ x }, { before, shape, value });
}

interface PadAttributes {
	readonly before: readonly number[];
	readonly shape: Shape;
	readonly value: number;
}

const padOperation = defineOperation({
	name: 'pad',
	inputs: ['x'],
	forward: ({ x }, { before, shape, value }: PadAttributes) => {
		const y = emptyOn(x, shape);
		layoutKernels(x.backend).pad({ x }, { y }, { before, value });
		return y;
	},
	vjp: (gradient, _saved, { before }, needs) => {
		const opposite = before.map((count) => 0 - count);
		return { x: padded(gradient, opposite, needs.x.shape, 0) };
	},
});

/** The lower triangle of the last two dims, up to diagonal `diagonal` (0, the main one, by default). Zeros elsewhere. As `torch.tril`. */
export function tril(x: Tensor, diagonal = 0): Tensor {
	requireTensor('tril', x);
	return triangle('tril', x, diagonal);
}

/** The upper triangle of the last two dims, from diagonal `diagonal` (0, the main one, by default) on. Zeros elsewhere. As `torch.triu`. */
export function triu(x: Tensor, diagonal = 0): Tensor {
	requireTensor('triu', x);
	return triangle('triu', x, diagonal);
}

function triangle(name: 'tril' | 'triu', x: Tensor, diagonal: number): Tensor {
	requireRank(name, 'input', x, '[..., M, N]', 2, MAX_RANK);
	requireInteger(name, 'diagonal', diagonal);
	return triangleOperation({ x }, { diagonal, isLower: name === 'tril' }, { name });
}

const triangleOperation = defineOperation({
	name: 'tril',
	inputs: ['x'],
	forward: ({ x }, { diagonal, isLower }: { readonly diagonal: number; readonly isLower: boolean }) => {
		const [rows, columns] = x.shape.slice(-2) as [number, number];
		const { backend } = x;
		// For each row the last (tril) or first (triu) column that stays.
		const bound = emptyOn(x, [rows], 'int32');
		const column = emptyOn(x, [columns], 'int32');
		const stays = emptyOn(x, [rows, columns], 'bool');
		const zero = emptyOn(x, [1]);
		const y = emptyOn(x, x.shape);
		layoutKernels(backend).arange({}, { y: bound }, { start: diagonal, step: 1 });
		layoutKernels(backend).arange({}, { y: column }, { start: 0, step: 1 });
		elementwiseKernels(backend).compare(
			{ a: viewOf(bound, [rows, columns], [1, 0], 0), b: viewOf(column, [rows, columns], [0, 1], 0) },
			{ y: stays },
			{ op: isLower ? 'ge' : 'le' },
		);
		layoutKernels(backend).fill({}, { y: zero }, { value: 0 });
		const none = x.shape.map(() => 0);
		const condition = viewOf(stays, x.shape, [...none.slice(2), columns, 1], 0);
		elementwiseKernels(backend).where({ condition, a: x, b: viewOf(zero, x.shape, none, 0) }, { y }, {});
		return y;
	},
	vjp: (gradient, _saved, { diagonal, isLower }) => ({ x: triangle(isLower ? 'tril' : 'triu', gradient, diagonal) }),
});

const INDEXINGS = ['ij', 'xy'] as const;

/** Expands each of the 1-D tensors to the grid of all of them, as views. 'ij' (default) keeps their order as dims. As `torch.meshgrid`. */
export function meshgrid(tensors: readonly Tensor[], options: { indexing?: 'ij' | 'xy' } = {}): Tensor[] {
	const { indexing = 'ij' } = checkOptions('meshgrid', options, ['indexing']);
	requireArray('meshgrid', 'tensors', tensors, 'an array of tensors');
	for (const x of tensors) {
		requireTensor('meshgrid', x);
		requireRank('meshgrid', 'a tensor', x, 'a vector or a scalar', 0, 1);
	}
	if (tensors.length > MAX_RANK)
		throw new ShapeError(`meshgrid: ${tensors.length} tensors; at most ${MAX_RANK} dims are supported`);
	requireOneOf('meshgrid', 'indexing', indexing, INDEXINGS);
	const dimOf = (i: number) => (indexing === 'xy' && i < 2 && tensors.length > 1 ? 1 - i : i);
	const grid = tensors.map((_, i) => tensors[dimOf(i)]!.size);
	const column = (x: Tensor, i: number) => grid.map((_, dim) => (dim === dimOf(i) ? x.size : 1));
	return composed('meshgrid', () => tensors.map((x, i) => expand(reshape(x, column(x, i)), grid)));
}
