/** Samples images at given positions. */

import { currentAutocast, isGradEnabled } from '../autograd/modes';
import { defineOperation, NO_GRADIENT } from '../autograd/operation';
import type { GridAttributes, SampleAttributes, SamplePadding } from '../backends/contract/sample';
import { sampleKernels } from '../backends/kernels';
import { requireOneOf } from '../core/checks';
import { allocateTyped, requireDType } from '../core/dtype';
import { formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { checkShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireFloatingTensor, requireSameDevice, requireTensor } from '../tensorChecks';
import { inFloat32 } from './composed';
import { tensor } from './creation';
import {
	abs,
	add,
	clamp,
	div,
	eq,
	floor,
	ge,
	hardtanh,
	le,
	logicalAnd,
	mul,
	remainder,
	round,
	sub,
	to,
	where,
} from './elementwise';
import { gather } from './indexing';
import { detach, expand, reshape, select, transpose } from './layout';
import { matmul } from './matmul';

/**
 * Samples x [N, C, H, W] at the pixels that matrices [N, 6] map the pixels of an image of `size` to. Internal, without checks and without a
 * gradient. The contract of the kernel has the formula.
 */
export function affineSample(
	name: string,
	x: Tensor,
	matrices: Tensor,
	size: readonly [height: number, width: number],
	attributes: SampleAttributes,
): Tensor {
	return runOperation(name, () => {
		const y = emptyOn(x, [x.shape[0]!, x.shape[1]!, ...size]);
		sampleKernels(x.backend).affineSample({ x, matrices }, { y }, attributes);
		return y;
	});
}

export interface AffineGridOptions {
	/** Whether -1 and 1 are the centres of the outermost pixels, instead of their outer edges. Default false. */
	readonly alignCorners?: boolean;
}

/**
 * Returns the grid [N, H, W, 2] for `gridSample` that maps each pixel of an image of `size` [N, C, H, W] by `theta` [N, 2, 3]:
 * (x, y) = theta (x', y', 1), in coordinates from -1 to 1. As `torch.nn.functional.affine_grid` for images.
 */
export function affineGrid(theta: Tensor, size: readonly number[], options: AffineGridOptions = {}): Tensor {
	const { alignCorners = false } = checkOptions('affineGrid', options, ['alignCorners']);
	requireFloatingTensor('affineGrid', theta, 'theta');
	checkShape('affineGrid', size);
	if (size.length !== 4) throw new ShapeError(`affineGrid: size must be [N, C, H, W], not ${formatShape(size)}`);
	const [count, , height, width] = size as [number, number, number, number];
	if (theta.ndim !== 3 || theta.shape[0] !== count || theta.shape[1] !== 2 || theta.shape[2] !== 3)
		throw new ShapeError(`affineGrid: theta must be [N, 2, 3] for size ${formatShape(size)}, not ${formatShape(theta.shape)}`);
	// The same steps and roundings as in PyTorch, so that positions near the border of a pixel fall on the same side.
	const rounded = theta.dtype === 'float64' ? (value: number) => value : Math.fround;
	const position = (i: number, n: number) => {
		if (n === 1) return 0;
		const step = rounded(2 / (n - 1));
		const corner = rounded(i < n >> 1 ? rounded(step * i) - 1 : 1 - rounded(step * (n - 1 - i)));
		return alignCorners ? corner : rounded(corner * rounded((n - 1) / n));
	};
	const values = allocateTyped('affineGrid', 'float64', height * width * 3);
	for (let i = 0; i < height * width; i++)
		values.set([position(i % width, width), position(Math.floor(i / width), height), 1], i * 3);
	return inFloat32('affineGrid', [theta], (wide) => {
		const base = tensor(values, { shape: [height * width, 3], dtype: wide.dtype, device: theta.device });
		return reshape(matmul(base, transpose(wide, 1, 2)), [count, height, width, 2]);
	});
}

const MODES = ['bilinear', 'nearest', 'bicubic'] as const;
const PADDING_MODES = ['zeros', 'border', 'reflection'] as const;

export interface GridSampleOptions {
	/** Default 'bilinear'. 'nearest' has no gradient for the grid. */
	readonly mode?: (typeof MODES)[number];
	/** The values outside of the image: 0, the nearest pixel, or the mirrored image. Default 'zeros'. */
	readonly paddingMode?: 'zeros' | 'border' | 'reflection';
	/** Whether -1 and 1 are the centres of the outermost pixels, instead of their outer edges. Default false. */
	readonly alignCorners?: boolean;
}

/**
 * Samples x [N, C, H, W] at the positions (x, y) in `grid` [N, H', W', 2] and returns [N, C, H', W']. Coordinates run from -1 at the left
 * and top to 1 at the right and bottom. Differentiable by x and, unless the mode is 'nearest', by the grid. As `torch.nn.functional.grid_sample` for images.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
	checkOptions('gridSample', options, ['mode', 'paddingMode', 'alignCorners']);
	const { mode = 'bilinear', paddingMode = 'zeros', alignCorners = false } = options;
	const casting = currentAutocast();
	if (casting !== null) return casting.call('gridSample', [x, grid], (inputs) => gridSample(...inputs, options));
	requireFloatingTensor('gridSample', x);
	requireTensor('gridSample', grid, 'grid');
	requireSameDevice('gridSample', x, grid);
	requireDType('gridSample', grid.dtype, [x.dtype], 'grid');
	if (x.ndim !== 4 || grid.ndim !== 4 || grid.shape[3] !== 2 || grid.shape[0] !== x.shape[0]) {
		throw new ShapeError(
			`gridSample: takes images [N, C, H, W] and a grid [N, H', W', 2], not ${formatShape(x.shape)} and ${formatShape(grid.shape)}`,
		);
	}
	if (x.shape[2] === 0 || x.shape[3] === 0)
		throw new ShapeError(`gridSample: images ${formatShape(x.shape)} have no pixels to sample`);
	requireOneOf('gridSample', 'mode', mode, MODES);
	requireOneOf('gridSample', 'paddingMode', paddingMode, PADDING_MODES);
	const [height, width] = [x.shape[2]!, x.shape[3]!];
	const halves = (size: number) => (alignCorners ? size - 1 : size) / 2;
	const centre = alignCorners ? 0 : -0.5;
	const mirror = alignCorners ? 'reflect' : 'symmetric';
	const attributes: GridAttributes = {
		mode,
		padding: paddingMode === 'zeros' ? 'constant' : paddingMode === 'border' ? 'edge' : mirror,
		fill: 0,
		scale: [halves(width), halves(height)],
		shift: [centre, centre],
	};
	if (isGradEnabled() && (x.requiresGrad || grid.requiresGrad))
		return inFloat32('gridSample', [x, grid], (...wide) => composed(...wide, attributes));
	return sampleOperation({ x, grid }, attributes);
}

/** Runs if no gradient is needed. Otherwise `composed` runs, which has gradients. */
const sampleOperation = defineOperation({
	name: 'gridSample',
	inputs: ['x', 'grid'],
	forward: ({ x, grid }, attributes: GridAttributes) => {
		const y = emptyOn(x, [x.shape[0]!, x.shape[1]!, grid.shape[1]!, grid.shape[2]!]);
		sampleKernels(x.backend).gridSample({ x, grid }, { y }, attributes);
		return y;
	},
	vjp: NO_GRADIENT,
});

/** One coordinate of every position in pixels, [N, H' W']. */
function coordinate(grid: Tensor, axis: 0 | 1, { scale, shift }: GridAttributes): Tensor {
	const flat = reshape(select(grid, 3, axis), [grid.shape[0]!, grid.shape[1]! * grid.shape[2]!]);
	return add(mul(add(flat, 1), scale[axis]), shift[axis]);
}

/**
 * Coordinates moved into an image of `size` pixels, unless padding is 'constant'. As in PyTorch, a position on the centre of an outermost
 * pixel has no derivative, like positions that are moved there: so hardtanh, not clamp.
 */
function folded(position: Tensor, size: number, padding: SamplePadding): Tensor {
	const within = (at: Tensor) => hardtanh(at, { minVal: 0, maxVal: size - 1 });
	switch (padding) {
		case 'constant':
			return position;
		case 'edge':
			return within(position);
		case 'reflect':
			return within(mirrored(position, size - 1));
		case 'symmetric':
			return within(sub(mirrored(add(position, 0.5), size), 0.5));
	}
}

/** Reflects coordinates at 0 and at `span` until they lie between. */
function mirrored(position: Tensor, span: number): Tensor {
	const far = abs(position);
	const times = floor(div(detach(far), Math.max(span, 1)));
	const rest = sub(far, mul(times, span));
	return where(eq(remainder(times, 2), 1), sub(span, rest), rest);
}

/** Keys' cubic kernel with A = -0.75, for the four pixels around positions at `rest` behind the second of them. */
function cubicWeights(rest: Tensor): Tensor[] {
	const inner = (d: Tensor) => add(mul(sub(mul(d, 1.25), 2.25), mul(d, d)), 1);
	const outer = (d: Tensor) => add(mul(sub(mul(add(mul(d, -0.75), 3.75), d), 6), d), 3);
	return [outer(add(rest, 1)), inner(rest), inner(sub(1, rest)), outer(sub(2, rest))];
}

/** gridSample in differentiable operations: each tap is a weighted gather. */
function composed(x: Tensor, grid: Tensor, attributes: GridAttributes): Tensor {
	const { mode, padding } = attributes;
	const [count, channels, height, width] = x.shape as [number, number, number, number];
	const points = grid.shape[1]! * grid.shape[2]!;
	const plane = reshape(x, [count, channels, height * width]);
	const shape = [count, channels, grid.shape[1]!, grid.shape[2]!];
	const positions = [coordinate(grid, 0, attributes), coordinate(grid, 1, attributes)] as const;
	const foldX = (at: Tensor) => folded(at, width, padding);
	const foldY = (at: Tensor) => folded(at, height, padding);
	const [column, line] = mode === 'bicubic' ? positions : [foldX(positions[0]), foldY(positions[1])];
	if (mode === 'nearest') return reshape(tap(round(detach(column)), round(detach(line)), null), shape);
	const left = floor(detach(column));
	const top = floor(detach(line));
	const right = sub(column, left);
	const below = sub(line, top);
	const total = (taps: readonly Tensor[]) =>
		reshape(
			taps.reduce((sum, value) => add(sum, value)),
			shape,
		);
	if (mode === 'bicubic') {
		const across = cubicWeights(right).map((weight, i) => ({ weight, at: foldX(add(left, i - 1)) }));
		const down = cubicWeights(below).map((weight, i) => ({ weight, at: foldY(add(top, i - 1)) }));
		return total(down.flatMap((y) => across.map((x) => tap(x.at, y.at, mul(x.weight, y.weight)))));
	}
	return total(
		[0, 1, 2, 3].map((corner) => {
			const [isRight, isBelow] = [corner % 2, corner >> 1];
			const weight = mul(isRight ? right : sub(1, right), isBelow ? below : sub(1, below));
			return tap(add(left, isRight), add(top, isBelow), weight);
		}),
	);

	/** The weighted pixels of all channels at (px, py), and 0 outside, even if the border pixel is NaN. */
	function tap(px: Tensor, py: Tensor, weight: Tensor | null): Tensor {
		const isInside = (at: Tensor, size: number) => logicalAnd(ge(at, 0), le(at, size - 1));
		const nearest = (at: Tensor, size: number) => to(clamp(at, { min: 0, max: size - 1 }), 'int32');
		const alike = (t: Tensor) => reshape(t, [count, 1, points]);
		const index = alike(add(mul(nearest(py, height), width), nearest(px, width)));
		const pixels = gather(plane, 2, expand(index, [count, channels, points]));
		const inside = alike(logicalAnd(isInside(px, width), isInside(py, height)));
		return where(inside, weight === null ? pixels : mul(pixels, alike(weight)), 0);
	}
}
