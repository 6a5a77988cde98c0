/** Resize, and its older form Upsample: along each dim an output element is a weighted sum of input elements. */
import { isFloating } from '../../../core/dtype';
import { ArgumentError, FormatError } from '../../../core/errors';
import { tensor } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { resampled, type Tap } from '../../../ops/resample';
import type { Tensor } from '../../../tensor';
import { axisOf, type Call, has, input, numbers, requireModest, type Table } from '../operator';

const COORDINATES = [
	'half_pixel',
	'half_pixel_symmetric',
	'pytorch_half_pixel',
	'align_corners',
	'asymmetric',
	'tf_crop_and_resize',
] as const;
const ROUNDINGS = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] as const;

interface Settings {
	readonly mode: 'nearest' | 'linear' | 'cubic';
	readonly coordinates: (typeof COORDINATES)[number];
	readonly rounding: (typeof ROUNDINGS)[number];
	readonly cubic: number;
	readonly excludesOutside: boolean;
	readonly antialias: boolean;
	readonly extrapolation: number;
}

/** One resized dim. */
interface Dim {
	readonly from: number;
	readonly to: number;
	readonly scale: number;
	/** The part of the input that tf_crop_and_resize takes, between 0 and 1. */
	readonly roi: readonly [start: number, end: number];
}

function settingsOf({ attributes, version }: Call): Settings {
	const mode = attributes.choice('mode', ['nearest', 'linear', 'cubic']);
	// Before version 11 there were no choices.
	if (version < 11)
		return {
			mode,
			coordinates: 'asymmetric',
			rounding: 'floor',
			cubic: -0.75,
			excludesOutside: false,
			antialias: false,
			extrapolation: 0,
		};
	return {
		mode,
		coordinates: attributes.choice('coordinate_transformation_mode', COORDINATES),
		rounding: attributes.choice('nearest_mode', ROUNDINGS),
		cubic: attributes.float('cubic_coeff_a', -0.75),
		excludesOutside: attributes.flag('exclude_outside'),
		antialias: attributes.flag('antialias'),
		extrapolation: attributes.float('extrapolation_value', 0),
	};
}

function resize(call: Call): Tensor {
	const x = input(call, 0);
	const { attributes, version } = call;
	const settings = settingsOf(call);
	const axes =
		(version >= 18 ? attributes.ints('axes') : null)?.map((axis) => axisOf(call, axis, x.ndim)) ?? x.shape.map((_, dim) => dim);
	const [scalesAt, sizesAt] = version < 11 ? [1, 3] : [2, 3];
	const hasSizes = has(call, sizesAt) && numbers(call, sizesAt).length > 0;
	const given = hasSizes ? numbers(call, sizesAt) : numbers(call, scalesAt);
	return resized(x, axes, dimsOf(call, x, axes, given, hasSizes), settings);
}

function upsample(call: Call): Tensor {
	const x = input(call, 0);
	const scales = call.version < 9 ? call.attributes.floats('scales') : numbers(call, 1);
	const axes = x.shape.map((_, dim) => dim);
	if (scales === null) throw new FormatError(`${call.attributes.node} has no scales`);
	return resized(x, axes, dimsOf(call, x, axes, scales, false), settingsOf(call));
}

/** The most elements along a resized dim. */
const MOST_ALONG_DIM = 2 ** 20;

function dimsOf(call: Call, x: Tensor, axes: readonly number[], given: readonly number[], areSizes: boolean): Dim[] {
	const { attributes } = call;
	if (given.length !== axes.length || given.some((value) => !(value > 0)))
		throw new ArgumentError(`${attributes.node}: ${axes.length} positive sizes or scales are needed, not [${given.join(', ')}]`);
	const ratios = axes.map((axis, i) => (areSizes ? given[i]! / x.shape[axis]! : given[i]!));
	const policy = areSizes ? attributes.choice('keep_aspect_ratio_policy', ['stretch', 'not_larger', 'not_smaller']) : 'stretch';
	const common = policy === 'stretch' ? null : policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
	const isCropped = attributes.text('coordinate_transformation_mode', '') === 'tf_crop_and_resize';
	const roi = isCropped ? numbers(call, 1) : [];
	const dims = axes.map((axis, i): Dim => {
		const from = x.shape[axis]!;
		const scale = Math.fround(common ?? ratios[i]!);
		const part = [roi[i] ?? 0, roi[i + axes.length] ?? 1] as const;
		const extent = isCropped ? part[1] - part[0] : 1;
		const to = areSizes ? (common === null ? given[i]! : Math.round(common * from)) : Math.floor(from * extent * given[i]!);
		return { from, to, scale, roi: part };
	});
	requireModest(
		call,
		dims.map(({ to }) => to),
	);
	// The positions along each dim are made on the host, before anything knows the size of the result.
	const longest = Math.max(0, ...dims.map(({ to }) => to));
	if (longest > MOST_ALONG_DIM)
		throw new FormatError(`${attributes.node} resizes a dim to ${longest} elements, and the limit is ${MOST_ALONG_DIM}`);
	return dims;
}

function resized(x: Tensor, axes: readonly number[], dims: readonly Dim[], settings: Settings): Tensor {
	const wide = isFloating(x.dtype) ? x : ops.to(x, 'float32');
	const y = dims.reduce((value, dim, i) => {
		const isCropped = settings.coordinates === 'tf_crop_and_resize';
		if (dim.from === dim.to && dim.scale === 1 && !isCropped) return value;
		const positions = Array.from({ length: dim.to }, (_, at) => positionOf(at, dim, settings));
		const next = resampled(value, axes[i]!, tapsOf(positions, dim, settings));
		if (!isCropped) return next;
		const inside = positions.map((at) => at >= 0 && at <= dim.from - 1);
		const shape = [dim.to, ...new Array<number>(x.ndim - 1 - axes[i]!).fill(1)];
		return ops.where(tensor(inside, { dtype: 'bool', shape, device: x.device }), next, settings.extrapolation);
	}, wide);
	return isFloating(x.dtype) ? y : ops.to(y, x.dtype);
}

/** Where output element `at` lies in the input, rounded to float32 as onnxruntime does, so that ties fall to the same side. */
function positionOf(at: number, { from, to, scale, roi: [start, end] }: Dim, { coordinates }: Settings): number {
	const { fround } = Math;
	const halfPixel = () => fround(fround(fround(at + 0.5) / scale) - 0.5);
	switch (coordinates) {
		case 'half_pixel':
			return halfPixel();
		case 'half_pixel_symmetric': {
			const adjustment = to / (scale * from);
			return fround((from / 2) * (1 - adjustment) + (at + 0.5) / scale - 0.5);
		}
		case 'pytorch_half_pixel':
			return to > 1 ? halfPixel() : 0;
		case 'align_corners':
			return to === 1 ? 0 : fround((at * (from - 1)) / (to - 1));
		case 'asymmetric':
			return fround(at / scale);
		case 'tf_crop_and_resize':
			return to > 1 ? start * (from - 1) + (at * (end - start) * (from - 1)) / (to - 1) : 0.5 * (start + end) * (from - 1);
	}
}

const ROUND = {
	round_prefer_floor: (at: number) => Math.ceil(at - 0.5),
	round_prefer_ceil: (at: number) => Math.floor(at + 0.5),
	floor: Math.floor,
	ceil: Math.ceil,
} as const;

function tapsOf(positions: readonly number[], dim: Dim, settings: Settings): Tap[] {
	const last = dim.from - 1;
	const within = (at: number) => Math.min(Math.max(at, 0), last);
	if (settings.mode === 'nearest')
		return [{ indices: positions.map((at) => within(ROUND[settings.rounding](at))), weights: null }];
	const isLinear = settings.mode === 'linear';
	const shrinks = settings.antialias && dim.scale < 1;
	const stretch = shrinks ? 1 / dim.scale : 1;
	const curve = isLinear ? (t: number) => Math.max(0, 1 - t) : (t: number) => cubic(t, settings.cubic);
	const reach = Math.ceil((isLinear ? 1 : 2) * stretch);
	const places = positions.map((at) => (isLinear && !settings.antialias ? within(at) : at));
	const offsets = Array.from({ length: 2 * reach }, (_, i) => i + 1 - reach);
	const excludes = settings.excludesOutside && (shrinks || !isLinear);
	const weights = places.map((at) => {
		const row = offsets.map((offset) => {
			const index = Math.floor(at) + offset;
			return excludes && (index < 0 || index > last) ? 0 : curve(Math.abs(at - index) / stretch);
		});
		const sum = excludes || shrinks ? row.reduce((a, b) => a + b, 0) : 1;
		return row.map((weight) => weight / sum);
	});
	return offsets.map((offset, k) => ({
		indices: places.map((at) => within(Math.floor(at) + offset)),
		weights: weights.map((row) => row[k]!),
	}));
}

/** The cubic convolution kernel. Keys 1981. */
function cubic(t: number, a: number): number {
	if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
	return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

export const RESIZE: Table = {
	Resize: { run: resize },
	Upsample: { run: upsample },
};
