/** Resizing feature maps. */
import { interpolate, zeros } from 'wgrad';
import type { OpEntry, Options, Sample } from './database';
import { py } from './python';

const NAMES: Readonly<Record<string, string>> = {
	scaleFactor: 'scale_factor',
	alignCorners: 'align_corners',
	recomputeScaleFactor: 'recompute_scale_factor',
};

function sample(label: string, shape: readonly number[], options: Options, gradient = true): Sample {
	return { label, inputs: [{ shape }], options, gradient };
}

export const interpolation: OpEntry = {
	name: 'interpolate',
	family: 'pool',
	call: ([x], options) => interpolate(x!, options),
	gradient: 'yes',
	samples: [
		sample('nearest, twice', [2, 2, 3, 2], { scaleFactor: 2 }),
		sample('nearest, three times and once', [1, 2, 2, 3], { scaleFactor: [3, 1] }),
		sample('nearest, odd sizes', [1, 2, 3, 5], { size: [7, 4] }),
		sample('nearest, smaller', [1, 1, 9], { scaleFactor: 0.4 }),
		sample('nearest, volume', [1, 1, 2, 3, 2], { size: [3, 2, 4] }),
		sample('nearest-exact', [1, 1, 5, 3], { size: [3, 7], mode: 'nearest-exact' }),
		sample('linear', [2, 2, 5], { size: 8, mode: 'linear' }),
		sample('linear, corners', [1, 2, 5], { size: 3, mode: 'linear', alignCorners: true }),
		sample('bilinear', [1, 2, 3, 4], { size: [5, 7], mode: 'bilinear' }),
		sample('bilinear, corners', [1, 2, 3, 4], { size: [5, 7], mode: 'bilinear', alignCorners: true }),
		sample('bilinear, by 2.5', [1, 1, 3, 3], { scaleFactor: 2.5, mode: 'bilinear' }),
		sample('bilinear, by 2.5 of the sizes', [1, 1, 3, 3], { scaleFactor: 2.5, mode: 'bilinear', recomputeScaleFactor: true }),
		sample('bilinear, smaller', [1, 1, 7, 6], { size: [3, 1], mode: 'bilinear' }),
		sample('bilinear, one corner', [1, 1, 4, 3], { size: [1, 1], mode: 'bilinear', alignCorners: true }),
		sample('bicubic', [1, 1, 4, 3], { size: [7, 5], mode: 'bicubic' }),
		sample('bicubic, corners', [1, 1, 4, 3], { size: [5, 2], mode: 'bicubic', alignCorners: true }),
		sample('trilinear', [1, 1, 2, 3, 2], { size: [3, 4, 3], mode: 'trilinear' }),
		sample('area', [1, 2, 5, 4], { size: [2, 3], mode: 'area' }),
		sample('area, volume', [1, 1, 3, 5, 4], { size: [2, 3, 6], mode: 'area' }),
		{ label: 'transposed', inputs: [{ shape: [1, 2, 3, 4], layout: 'transposed' }], options: { size: 5, mode: 'bilinear' } },
		{ label: 'strided', inputs: [{ shape: [1, 2, 3, 4], layout: 'strided' }], options: { scaleFactor: 2 } },
		sample('no images', [0, 2, 3, 3], { scaleFactor: 2 }, false),
		sample('large', [1, 3, 33, 31], { size: [65, 17], mode: 'bilinear' }, false),
	],
	torch: (options) =>
		`F.interpolate(${['x[0]', ...Object.entries(options).map(([key, value]) => `${NAMES[key] ?? key}=${py(value)}`)].join(', ')})`,
	refusals: [
		{
			label: 'no size',
			call: (device) => interpolate(zeros([1, 1, 2, 2], { device }), {}),
			message: /interpolate: give either size or scaleFactor/,
		},
		{
			label: 'mode for another rank',
			call: (device) => interpolate(zeros([1, 1, 2], { device }), { size: 4, mode: 'bilinear' }),
			message: /interpolate: mode 'bilinear' takes 4 dims, \[N, C, \.\.\.\], not \[1, 1, 2\]/,
		},
		{
			label: 'size 0',
			call: (device) => interpolate(zeros([1, 1, 2, 2], { device }), { size: [0, 3] }),
			message: /interpolate: size must be a positive number, or 2 of them, not \[0, 3\]/,
		},
		{
			label: 'nothing left',
			call: (device) => interpolate(zeros([1, 1, 2, 2], { device }), { scaleFactor: 0.1 }),
			message: /interpolate: scaleFactor 0.1 leaves nothing of \[1, 1, 2, 2\]/,
		},
		{
			label: 'corners of nearest',
			call: (device) => interpolate(zeros([1, 1, 2, 2], { device }), { size: 4, alignCorners: true }),
			message: /interpolate: alignCorners is for linear and cubic modes/,
		},
	],
};
