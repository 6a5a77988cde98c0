/**
 * Resizes feature maps.
 *
 * Every mode is separable: along each dim an output element is a weighted sum of a few input elements, its taps. So each dim takes one
 * gather per tap. The gradient of a gather is the deterministic scatter of `indexSelect`. Nearest upsampling by an integer factor repeats
 * elements without a gather.
 */
import { currentAutocast } from '../autograd/modes';
import { describe, requireOneOf, wrongArgument } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import type { Tensor } from '../tensor';
import { requireFloatingTensor } from '../tensorChecks';
import { inFloat32 } from './composed';
import { reshape } from './layout';
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from './pool';
import { resampled, type Tap } from './resample';

export type InterpolateMode = 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'bicubic' | 'trilinear' | 'area';

export interface InterpolateOptions {
	/** The spatial sizes of the result. Give either this or `scaleFactor`. */
	readonly size?: number | readonly number[];
	/** The factor of the spatial sizes. The product is rounded down. */
	readonly scaleFactor?: number | readonly number[];
	/** 'linear' is for 1 spatial dim, 'bilinear' and 'bicubic' for 2, 'trilinear' for 3. Default 'nearest'. */
	readonly mode?: InterpolateMode;
	/** Whether the centres of the corner elements of input and output coincide, instead of their outer edges. For linear and cubic modes. Default false. */
	readonly alignCorners?: boolean;
	/** Whether positions come from the rounded sizes instead of `scaleFactor`. Default false. */
	readonly recomputeScaleFactor?: boolean;
}

const RANKS: Readonly<Record<InterpolateMode, readonly number[]>> = {
	nearest: [1, 2, 3],
	'nearest-exact': [1, 2, 3],
	linear: [1],
	bilinear: [2],
	bicubic: [2],
	trilinear: [3],
	area: [1, 2, 3],
};

const MODES = Object.keys(RANKS) as readonly InterpolateMode[];

/** Resizes floating x, [N, C, ...] with one to three spatial dims. As `torch.nn.functional.interpolate`. */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('interpolate', [x], (inputs) => interpolate(...inputs, options));
	requireFloatingTensor('interpolate', x);
	const names = ['size', 'scaleFactor', 'mode', 'alignCorners', 'recomputeScaleFactor'] as const;
	const { mode = 'nearest', alignCorners = false } = checkOptions('interpolate', options, names);
	const rank = x.ndim - 2;
	requireOneOf('interpolate', 'mode', mode, MODES);
	if (!RANKS[mode].includes(rank)) {
		throw new ShapeError(
			`interpolate: mode '${mode}' takes ${RANKS[mode].map((r) => r + 2).join(', ')} dims, [N, C, ...], not ${formatShape(x.shape)}`,
		);
	}
	const interpolating = mode === 'linear' || mode === 'bilinear' || mode === 'bicubic' || mode === 'trilinear';
	if (alignCorners && !interpolating)
		throw new ArgumentError(`interpolate: alignCorners is for linear and cubic modes, not for '${mode}'`);
	const { size, scales } = target(x, rank, options);
	if (mode === 'area')
		return runOperation('interpolate', () => [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][rank - 1]!(x, size));
	return inFloat32('interpolate', [x], (wide) => {
		let y = reshape(wide, x.shape);
		size.forEach((to, d) => {
			const from = x.shape[d + 2]!;
			const step = interpolating ? linearStep(from, to, scales[d]!, alignCorners) : Math.fround(scales[d] ?? from / to);
			const taps = interpolating
				? mode === 'bicubic'
					? cubicTaps(from, to, step, alignCorners)
					: linearTaps(from, to, step, alignCorners)
				: nearestTaps(from, to, step, mode === 'nearest-exact');
			y = resampled(y, d + 2, taps);
		});
		return y;
	});
}

/** The sizes of the result and, for each dim, the step in the input for one output element, or null if the sizes decide it. */
function target(
	x: Tensor,
	rank: number,
	{ size, scaleFactor, recomputeScaleFactor = false }: InterpolateOptions,
): { size: number[]; scales: (number | null)[] } {
	if ((size === undefined) === (scaleFactor === undefined))
		throw new ArgumentError('interpolate: give either size or scaleFactor');
	const given = (size ?? scaleFactor)!;
	const list = typeof given === 'number' ? new Array<number>(rank).fill(given) : given;
	const wrong = (value: number) =>
		size === undefined ? !(value > 0 && value < 2 ** 31) : !Number.isInteger(value) || value < 1 || value >= 2 ** 31;
	if (!Array.isArray(list) || list.length !== rank || list.some(wrong)) {
		const kind = size === undefined ? 'scaleFactor' : 'size';
		throw wrongArgument('interpolate', kind, `a positive number, or ${rank} of them`, given);
	}
	const spatial = x.shape.slice(2);
	if (spatial.some((s) => s === 0)) throw new ShapeError(`interpolate: input ${formatShape(x.shape)} has no elements`);
	if (size !== undefined) return { size: [...list], scales: list.map(() => null) };
	const result = list.map((factor, d) => Math.floor(spatial[d]! * factor));
	if (result.some((s) => s < 1))
		throw new ArgumentError(`interpolate: scaleFactor ${describe(given)} leaves nothing of ${formatShape(x.shape)}`);
	return { size: result, scales: list.map((factor) => (recomputeScaleFactor ? null : 1 / factor)) };
}

function range(to: number): number[] {
	return Array.from({ length: to }, (_, i) => i);
}

// PyTorch computes these positions in float32. Rounding the same way puts positions on edges in the same places.
function nearestTaps(from: number, to: number, step: number, exact: boolean): Tap[] {
	const indices = range(to).map((i) => {
		if (!exact && to === 2 * from) return i >> 1;
		return Math.min(Math.floor(Math.fround((exact ? i + 0.5 : i) * step)), from - 1);
	});
	return [{ indices: to === from ? range(to) : indices, weights: null }];
}

/** The step in the input for one output element. */
function linearStep(from: number, to: number, scale: number | null, alignCorners: boolean): number {
	if (alignCorners) return to > 1 ? (from - 1) / (to - 1) : 0;
	return scale ?? from / to;
}

function linearTaps(from: number, to: number, step: number, alignCorners: boolean): Tap[] {
	const positions = range(to).map((i) => (alignCorners ? i * step : Math.max(0, (i + 0.5) * step - 0.5)));
	const lower = positions.map((position) => Math.min(Math.floor(position), from - 1));
	const share = positions.map((position, i) => Math.min(position - lower[i]!, 1));
	return [
		{ indices: lower, weights: share.map((s) => 1 - s) },
		{ indices: lower.map((i) => Math.min(i + 1, from - 1)), weights: share },
	];
}

/** PyTorch's parameter of the cubic convolution kernel. Keys 1981. */
const CUBIC = -0.75;

function cubicTaps(from: number, to: number, step: number, alignCorners: boolean): Tap[] {
	const positions = range(to).map((i) => (alignCorners ? i * step : (i + 0.5) * step - 0.5));
	const near = (t: number) => ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1;
	const far = (t: number) => ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC;
	return [-1, 0, 1, 2].map((offset) => ({
		indices: positions.map((position) => Math.max(0, Math.min(Math.floor(position) + offset, from - 1))),
		weights: positions.map((position) => {
			const distance = Math.abs(position - Math.floor(position) - offset);
			return distance <= 1 ? near(distance) : far(distance);
		}),
	}));
}
