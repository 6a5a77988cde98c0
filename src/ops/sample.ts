/** Images sampled at places of one's own. */
import { currentAutocast, isGradEnabled } from '../autograd/modes';
import { defineOperation, NO_GRADIENT } from '../autograd/operation';
import type { GridAttributes, SampleAttributes } from '../backends/contract/sample';
import { describe } from '../core/checks';
import { runOperation } from '../core/currentOperation';
import { allocateTyped, requireFloating } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { checkShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';
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
 * Not for users, without checks and without a gradient: x [N, C, H, W] sampled on `size` places that matrices [N, 6] map to pixels of x.
 * See the contract.
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
		x.backend.kernels.affineSample({ x, matrices }, { y }, attributes);
		return y;
	});
}

export interface AffineGridOptions {
	/** Whether -1 and 1 are the centres of the outermost pixels rather than their outer edges. Default false. */
	readonly alignCorners?: boolean;
}

/**
 * The grid for `gridSample` that maps each pixel of an image of `size` [N, C, H, W] by `theta` [N, 2, 3]: [N, H, W, 2] of
 * (x, y) = theta (x', y', 1), in coordinates from -1 to 1. As `torch.nn.functional.affine_grid`, of images.
 */
export function affineGrid(theta: Tensor, size: readonly number[], options: AffineGridOptions = {}): Tensor {
	const { alignCorners = false } = checkOptions('affineGrid', options, ['alignCorners']);
	requireTensor('affineGrid', theta, 'theta');
	requireFloating('affineGrid', theta.dtype, 'theta');
	checkShape('affineGrid', size);
	if (size.length !== 4) throw new ShapeError(`affineGrid: size must be [N, C, H, W], not ${formatShape(size)}`);
	const [count, , height, width] = size as [number, number, number, number];
	if (theta.ndim !== 3 || theta.shape[0] !== count || theta.shape[1] !== 2 || theta.shape[2] !== 3)
		throw new ShapeError(`affineGrid: theta must be [N, 2, 3] for size ${formatShape(size)}, not ${formatShape(theta.shape)}`);
	// In the steps and roundings in which PyTorch makes it, so that the places of an identity fall on the same side of each pixel.
	const rounded = theta.dtype === 'float64' ? (value: number) => value : Math.fround;
	const place = (i: number, n: number) => {
		if (n === 1) return 0;
		const step = rounded(2 / (n - 1));
		const corner = rounded(i < n >> 1 ? rounded(step * i) - 1 : 1 - rounded(step * (n - 1 - i)));
		return alignCorners ? corner : rounded(corner * rounded((n - 1) / n));
	};
	const values = allocateTyped('float64', height * width * 3);
	for (let i = 0; i < height * width; i++) values.set([place(i % width, width), place(Math.floor(i / width), height), 1], i * 3);
	return inFloat32('affineGrid', [theta], (wide) => {
		const base = tensor(values, { shape: [height * width, 3], dtype: wide.dtype, device: theta.device });
		return reshape(matmul(base, transpose(wide, 1, 2)), [count, height, width, 2]);
	});
}

export interface GridSampleOptions {
	/** Default 'bilinear'. 'nearest' has no gradient for the grid. */
	readonly mode?: 'bilinear' | 'nearest';
	/** What places outside of the image take: 0, the nearest pixel, or the image mirrored. Default 'zeros'. */
	readonly paddingMode?: 'zeros' | 'border' | 'reflection';
	/** Whether -1 and 1 are the centres of the outermost pixels rather than their outer edges. Default false. */
	readonly alignCorners?: boolean;
}

/**
 * x [N, C, H, W] sampled at the places that `grid` [N, H', W', 2] gives as (x, y), from -1 at the left and the top to 1 at the right and
 * the bottom: [N, C, H', W']. As `torch.nn.functional.grid_sample` of images; differentiable in x and, where bilinear, in the grid.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
	checkOptions('gridSample', options, ['mode', 'paddingMode', 'alignCorners']);
	const { mode = 'bilinear', paddingMode = 'zeros', alignCorners = false } = options;
	const casting = currentAutocast();
	if (casting !== null) return casting.call('gridSample', [x, grid], (inputs) => gridSample(...inputs, options));
	requireTensor('gridSample', x);
	requireTensor('gridSample', grid, 'grid');
	requireFloating('gridSample', x.dtype);
	requireSameDevice('gridSample', x, grid);
	if (grid.dtype !== x.dtype)
		throw new DTypeError(`gridSample: grid has dtype ${grid.dtype}, the input ${x.dtype}. Convert with grid.to('${x.dtype}')`);
	if (x.ndim !== 4 || grid.ndim !== 4 || grid.shape[3] !== 2 || grid.shape[0] !== x.shape[0]) {
		throw new ShapeError(
			`gridSample: takes images [N, C, H, W] and a grid [N, H', W', 2], not ${formatShape(x.shape)} and ${formatShape(grid.shape)}`,
		);
	}
	if (x.shape[2] === 0 || x.shape[3] === 0)
		throw new ShapeError(`gridSample: images ${formatShape(x.shape)} have no pixels to sample`);
	if (mode !== 'bilinear' && mode !== 'nearest')
		throw new ArgumentError(`gridSample: mode is 'bilinear' or 'nearest', not ${describe(mode)}`);
	if (paddingMode !== 'zeros' && paddingMode !== 'border' && paddingMode !== 'reflection')
		throw new ArgumentError(`gridSample: paddingMode is 'zeros', 'border' or 'reflection', not ${describe(paddingMode)}`);
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

/** Runs where no gradient is wanted. Elsewhere `composed` runs, which has gradients. */
const sampleOperation = defineOperation({
	name: 'gridSample',
	inputs: ['x', 'grid'],
	forward: ({ x, grid }, attributes: GridAttributes) => {
		const y = emptyOn(x, [x.shape[0]!, x.shape[1]!, grid.shape[1]!, grid.shape[2]!]);
		x.backend.kernels.gridSample({ x, grid }, { y }, attributes);
		return y;
	},
	vjp: NO_GRADIENT,
});

/**
 * One coordinate of every place in pixels, [N, H' W'], within the image but for 'constant'. As in PyTorch, a place that comes to lie on
 * the outermost pixel's centre has no derivative, as those that are brought there from outside have none: hardtanh, not clamp.
 */
function coordinate(grid: Tensor, axis: 0 | 1, size: number, { scale, shift, padding }: GridAttributes): Tensor {
	const flat = reshape(select(grid, 3, axis), [grid.shape[0]!, grid.shape[1]! * grid.shape[2]!]);
	const place = add(mul(add(flat, 1), scale[axis]), shift[axis]);
	const within = (at: Tensor) => hardtanh(at, { minVal: 0, maxVal: size - 1 });
	switch (padding) {
		case 'constant':
			return place;
		case 'edge':
			return within(place);
		case 'reflect':
			return within(mirrored(place, size - 1));
		case 'symmetric':
			return within(sub(mirrored(add(place, 0.5), size), 0.5));
	}
}

/** Mirrored back and forth between 0 and span. */
function mirrored(place: Tensor, span: number): Tensor {
	const far = abs(place);
	const times = floor(div(detach(far), Math.max(span, 1)));
	const rest = sub(far, mul(times, span));
	return where(eq(remainder(times, 2), 1), sub(span, rest), rest);
}

/** gridSample in operations that have derivatives: each of the four taps is a gather, weighted. */
function composed(x: Tensor, grid: Tensor, attributes: GridAttributes): Tensor {
	const [count, channels, height, width] = x.shape as [number, number, number, number];
	const column = coordinate(grid, 0, width, attributes);
	const line = coordinate(grid, 1, height, attributes);
	const places = grid.shape[1]! * grid.shape[2]!;
	const plane = reshape(x, [count, channels, height * width]);
	const shape = [count, channels, grid.shape[1]!, grid.shape[2]!];
	if (attributes.mode === 'nearest') return reshape(tap(round(detach(column)), round(detach(line)), null), shape);
	const left = floor(detach(column));
	const top = floor(detach(line));
	const right = sub(column, left);
	const below = sub(line, top);
	const taps = [0, 1, 2, 3].map((corner) => {
		const [isRight, isBelow] = [corner % 2, corner >> 1];
		const weight = mul(isRight ? right : sub(1, right), isBelow ? below : sub(1, below));
		return tap(add(left, isRight), add(top, isBelow), weight);
	});
	return reshape(
		taps.reduce((sum, value) => add(sum, value)),
		shape,
	);

	/** The pixels of all channels at (px, py), weighted; 0 where there is none, whatever the border holds. */
	function tap(px: Tensor, py: Tensor, weight: Tensor | null): Tensor {
		const isInside = (at: Tensor, size: number) => logicalAnd(ge(at, 0), le(at, size - 1));
		const nearest = (at: Tensor, size: number) => to(clamp(at, { min: 0, max: size - 1 }), 'int32');
		const alike = (t: Tensor) => reshape(t, [count, 1, places]);
		const index = alike(add(mul(nearest(py, height), width), nearest(px, width)));
		const pixels = gather(plane, 2, expand(index, [count, channels, places]));
		const inside = alike(logicalAnd(isInside(px, width), isInside(py, height)));
		return where(inside, weight === null ? pixels : mul(pixels, alike(weight)), 0);
	}
}
