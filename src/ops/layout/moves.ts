/** Layout operations that have to move elements: flip, roll, repeat, tile, pad, tril, triu, unfold, fold. */
import { record } from '../../autograd/tape';
import { fillValue } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { checkShape, contiguousStrides, normalizeDim, normalizeDims, numel, requireSizes, type Shape } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { composed, inFloat32 } from '../composed';
import { requireTensor, shown } from '../requirements';
import { type PerDim, perDim, windowCount } from '../windows';
import { cat, type Geometry, narrow, narrowed } from './parts';
import { apart, expand, reshape } from './views';

/** The elements in reverse order along `dims`. */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
	requireTensor('flip', x);
	const list = normalizeDims('flip', dims, x.ndim);
	return record({
		name: 'flip',
		inputs: [x],
		forward: () => {
			const strides = [...x.strides];
			let offset = x.offset;
			for (const dim of list) {
				offset += Math.max(0, x.shape[dim]! - 1) * strides[dim]!;
				strides[dim] = -strides[dim]!;
			}
			const y = emptyOn(x, x.shape);
			x.backend.kernels.copy({ x: viewOf(x, x.shape, strides, offset) }, { y }, {});
			return y;
		},
		vjp: flipBack(list),
	});
}

function flipBack(dims: readonly number[]) {
	return (gradient: Tensor) => [flip(gradient, dims)];
}

/**
 * The elements moved by `shifts` places along `dims`; what leaves at the end comes in at the front. Without `dims`, in
 * row-major order as if `x` were flat.
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
	return record({
		name: 'roll',
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, x.shape);
			let blocks: { from: Geometry; to: Geometry }[] = x.size === 0 ? [] : [{ from: x, to: y }];
			shifts.forEach((shift, dim) => {
				const size = x.shape[dim]!;
				const head = ((shift % size) + size) % size;
				if (head === 0) return;
				blocks = blocks.flatMap(({ from, to }) => [
					{ from: narrowed(dim, 0, size - head)(from), to: narrowed(dim, head, size - head)(to) },
					{ from: narrowed(dim, size - head, head)(from), to: narrowed(dim, 0, head)(to) },
				]);
			});
			for (const { from, to } of blocks) {
				x.backend.kernels.copyInto(
					{ x: viewOf(x, from.shape, from.strides, from.offset) },
					{ y: viewOf(y, to.shape, to.strides, to.offset) },
					{},
				);
			}
			return y;
		},
		vjp: rollBack(shifts),
	});
}

function rollBack(shifts: readonly number[]) {
	return (gradient: Tensor) => [
		rolled(
			gradient,
			shifts.map((shift) => -shift),
		),
	];
}

/** The whole tensor `repeats[d]` times along dim d; more repeats than dims add dims in front. As `torch.Tensor.repeat`. */
export function repeat(x: Tensor, repeats: readonly number[]): Tensor {
	requireTensor('repeat', x);
	requireSizes('repeat', repeats, 'the list of repeats');
	if (repeats.length < x.ndim) {
		throw new ShapeError(`repeat: ${formatShape(repeats)} must hold a number for each dim of ${formatShape(x.shape)}`);
	}
	return repeated('repeat', x, repeats);
}

/** As `repeat`, but fewer repeats than dims leave the first dims alone. */
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
		return apart(x, y);
	});
}

export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/**
 * `x` with elements added before and after its last dims: `pad` is [before, after] of the last dim, then of the one before it,
 * and so on; negative numbers crop. 'constant' adds `value` (default 0), 'reflect' mirrors at the edge element, 'replicate' repeats it,
 * 'circular' continues at the other end of what is left after the crop. As `torch.nn.functional.pad`.
 */
export function pad(x: Tensor, pad: readonly number[], options: { mode?: PadMode; value?: number } = {}): Tensor {
	const { mode = 'constant', value = 0 } = checkOptions('pad', options, ['mode', 'value']);
	requireTensor('pad', x);
	if (!Array.isArray(pad) || pad.length % 2 !== 0 || pad.length > 2 * x.ndim || pad.some((p) => !Number.isInteger(p))) {
		throw new ArgumentError(
			`pad: ${shown(pad)} must hold two whole numbers for each padded dim, of at most ${x.ndim} dims of ${formatShape(x.shape)}, last dim first`,
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
	if (!(mode in BORDER))
		throw new ArgumentError(`pad: mode '${String(mode)}' is not one of constant, reflect, replicate, circular`);
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
		return apart(wide, y);
	});
}

interface Border {
	/** The most that a dim of this size can be padded by. */
	limit(size: number): number;
	/** Whether the borders continue what is left after the crop, not the whole. */
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

/** `x` at `before` in a tensor of shape `target`, cropped where it does not fit. The VJP is the same with the opposite place. */
function padded(x: Tensor, before: readonly number[], target: Shape, value: number): Tensor {
	return record({
		name: 'pad',
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, target);
			x.backend.kernels.pad({ x }, { y }, { before, value });
			return y;
		},
		vjp: padBack(before, x.shape),
	});
}

function padBack(before: readonly number[], shape: Shape) {
	return (gradient: Tensor) => [
		padded(
			gradient,
			before.map((count) => 0 - count),
			shape,
			0,
		),
	];
}

/** The lower triangle of the last two dims, with `diagonal` diagonals above the main one, zeros elsewhere. */
export function tril(x: Tensor, diagonal = 0): Tensor {
	requireTensor('tril', x);
	return triangle('tril', x, diagonal);
}

/** The upper triangle of the last two dims, without `diagonal` diagonals from the main one on, zeros elsewhere. */
export function triu(x: Tensor, diagonal = 0): Tensor {
	requireTensor('triu', x);
	return triangle('triu', x, diagonal);
}

function triangle(name: 'tril' | 'triu', x: Tensor, above: number): Tensor {
	if (x.ndim < 2) throw new ShapeError(`${name}: needs at least 2 dims, not ${formatShape(x.shape)}`);
	if (!Number.isInteger(above)) throw new ArgumentError(`${name}: diagonal ${above} must be a whole number`);
	const [rows, columns] = x.shape.slice(-2) as [number, number];
	return record({
		name,
		inputs: [x],
		forward: () => {
			const { kernels } = x.backend;
			// For each row the last (tril) or first (triu) column that stays.
			const bound = emptyOn(x, [rows], 'int32');
			const column = emptyOn(x, [columns], 'int32');
			const stays = emptyOn(x, [rows, columns], 'bool');
			const zero = emptyOn(x, [1]);
			const y = emptyOn(x, x.shape);
			kernels.arange({}, { y: bound }, { start: above, step: 1 });
			kernels.arange({}, { y: column }, { start: 0, step: 1 });
			kernels.compare(
				{ a: viewOf(bound, [rows, columns], [1, 0], 0), b: viewOf(column, [rows, columns], [0, 1], 0) },
				{ y: stays },
				{ op: name === 'tril' ? 'ge' : 'le' },
			);
			kernels.fill({}, { y: zero }, { value: 0 });
			const none = x.shape.map(() => 0);
			const condition = viewOf(stays, x.shape, [...none.slice(2), columns, 1], 0);
			kernels.where({ condition, a: x, b: viewOf(zero, x.shape, none, 0) }, { y }, {});
			return y;
		},
		vjp: triangleBack(name, above),
	});
}

function triangleBack(name: 'tril' | 'triu', above: number) {
	return (gradient: Tensor) => [triangle(name, gradient, above)];
}

export interface UnfoldOptions {
	/** Distance between the elements of a window. Default 1. */
	dilation?: PerDim;
	/** Zeros added on both sides. Default 0. */
	padding?: PerDim;
	/** Distance between windows. Default 1. */
	stride?: PerDim;
}

const UNFOLD_OPTIONS = ['dilation', 'padding', 'stride'] as const;

interface Windows {
	readonly kernel: readonly number[];
	readonly dilation: readonly number[];
	readonly padding: readonly number[];
	readonly stride: readonly number[];
}

function windows(operation: string, kernelSize: PerDim, options: UnfoldOptions): Windows {
	return {
		kernel: perDim(operation, 'kernelSize', kernelSize, 2, 1),
		dilation: perDim(operation, 'dilation', options.dilation ?? 1, 2, 1),
		padding: perDim(operation, 'padding', options.padding ?? 0, 2, 0),
		stride: perDim(operation, 'stride', options.stride ?? 1, 2, 1),
	};
}

function windowGrid(operation: string, size: readonly number[], { kernel, dilation, padding, stride }: Windows): number[] {
	const grid = size.map((s, d) => windowCount(s, kernel[d]!, stride[d]!, padding[d]!, dilation[d]!));
	if (grid.some((count) => count < 1)) {
		throw new ShapeError(
			`${operation}: a window of ${formatShape(kernel)} does not fit ${formatShape(size)} with padding ${formatShape(padding)}`,
		);
	}
	return grid;
}

/**
 * The windows of images as columns: [N, C, H, W] to [N, C * kernel height * kernel width, number of windows], or the same without N.
 * As `torch.nn.functional.unfold`.
 */
export function unfold(x: Tensor, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
	checkOptions('unfold', options, UNFOLD_OPTIONS);
	requireTensor('unfold', x);
	if (x.ndim !== 3 && x.ndim !== 4) throw new ShapeError(`unfold: needs [N, C, H, W] or [C, H, W], not ${formatShape(x.shape)}`);
	const setup = windows('unfold', kernelSize, options);
	windowGrid('unfold', x.shape.slice(-2), setup);
	if (x.ndim === 4) return unfolded(x, setup);
	return composed('unfold', () => {
		const y = unfolded(reshape(x, [1, ...x.shape]), setup);
		return reshape(y, y.shape.slice(1));
	});
}

/**
 * The adjoint of `unfold`: columns [N, C * kernel height * kernel width, windows] added up into images [N, C, ...outputSize], or the
 * same without N. As `torch.nn.functional.fold`.
 */
export function fold(x: Tensor, outputSize: PerDim, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
	checkOptions('fold', options, UNFOLD_OPTIONS);
	requireTensor('fold', x);
	const setup = windows('fold', kernelSize, options);
	const size = perDim('fold', 'outputSize', outputSize, 2, 1);
	const grid = windowGrid('fold', size, setup);
	const [columns, count] = x.shape.slice(-2) as [number, number];
	if ((x.ndim !== 2 && x.ndim !== 3) || columns % numel(setup.kernel) !== 0 || count !== numel(grid)) {
		throw new ShapeError(
			`fold: needs [N, C * ${numel(setup.kernel)}, ${numel(grid)}] for kernel ${formatShape(setup.kernel)} on ${formatShape(size)}, not ${formatShape(x.shape)}`,
		);
	}
	if (x.ndim === 3) return folded(x, size, setup);
	return composed('fold', () => {
		const y = folded(reshape(x, [1, ...x.shape]), size, setup);
		return reshape(y, y.shape.slice(1));
	});
}

function unfolded(x: Tensor, setup: Windows): Tensor {
	const { kernel, dilation, padding, stride } = setup;
	const [batch, channels, height, width] = x.shape as [number, number, number, number];
	const grid = windowGrid('unfold', [height, width], setup);
	return record({
		name: 'unfold',
		inputs: [x],
		forward: () => {
			let from = x;
			if (padding.some((p) => p > 0)) {
				from = emptyOn(x, [batch, channels, height + 2 * padding[0]!, width + 2 * padding[1]!]);
				x.backend.kernels.pad({ x }, { y: from }, { before: [0, 0, ...padding], value: 0 });
			}
			const [byImage, byChannel, down, across] = from.strides as [number, number, number, number];
			const shape = [batch, channels, ...kernel, ...grid];
			const strides = [byImage, byChannel, dilation[0]! * down, dilation[1]! * across, stride[0]! * down, stride[1]! * across];
			const y = emptyOn(x, [batch, channels * numel(kernel), numel(grid)]);
			x.backend.kernels.copy(
				{ x: viewOf(from, shape, strides, from.offset) },
				{ y: viewOf(y, shape, contiguousStrides(shape), 0) },
				{},
			);
			return y;
		},
		vjp: unfoldBack([height, width], setup),
	});
}

function unfoldBack(size: readonly number[], setup: Windows) {
	return (gradient: Tensor) => [folded(gradient, size, setup)];
}

function folded(x: Tensor, size: readonly number[], setup: Windows): Tensor {
	const { kernel, dilation, padding, stride } = setup;
	const batch = x.shape[0]!;
	const channels = x.shape[1]! / numel(kernel);
	const grid = windowGrid('fold', size, setup);
	return record({
		name: 'fold',
		inputs: [x],
		forward: () => {
			const { kernels } = x.backend;
			const whole = emptyOn(x, [batch, channels, size[0]! + 2 * padding[0]!, size[1]! + 2 * padding[1]!]);
			kernels.fill({}, { y: whole }, { value: 0 });
			const [byImage, byChannel, down] = whole.strides as [number, number, number];
			const [fromImage, fromColumn, fromWindow] = x.strides as [number, number, number];
			const shape = [batch, channels, ...grid];
			// One place of the kernel after the other: within one, no two windows meet.
			for (let place = 0; place < numel(kernel); place++) {
				const i = Math.floor(place / kernel[1]!) * dilation[0]!;
				const j = (place % kernel[1]!) * dilation[1]!;
				const b = viewOf(
					x,
					shape,
					[fromImage, numel(kernel) * fromColumn, grid[1]! * fromWindow, fromWindow],
					x.offset + place * fromColumn,
				);
				const a = viewOf(whole, shape, [byImage, byChannel, stride[0]! * down, stride[1]!], i * down + j);
				kernels.binaryInPlace({ b }, { a }, { op: 'add' });
			}
			if (padding.every((p) => p === 0)) return whole;
			const y = emptyOn(x, [batch, channels, ...size]);
			kernels.pad({ x: whole }, { y }, { before: [0, 0, ...padding.map((p) => -p)], value: 0 });
			return y;
		},
		vjp: foldBack(setup),
	});
}

function foldBack(setup: Windows) {
	return (gradient: Tensor) => [unfolded(gradient, setup)];
}
