/** Sampling images at given points. */
import { affineGrid, gridSample, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Options, Sample } from './database';
import { py } from './python';

/** Points in images of 4 x 4 on a pixel or a mirror, where the derivative with respect to the point jumps. */
const EDGES = [-1.25, -1, -0.75, -0.25, 0.25, 0.75, 1, 1.25];
const CORNERS = [-5 / 3, -1, -1 / 3, 1 / 3, 1, 5 / 3];
/** Halfway between pixels, where the nearest pixel changes. */
const HALVES = [-1, -0.5, 0, 0.5, 1];
const CORNER_HALVES = [-4 / 3, -2 / 3, 0, 2 / 3, 4 / 3];

function sampling(label: string, options: Options, grid: Partial<InputSpec> = {}, image: Partial<InputSpec> = {}): Sample {
	const nearest = options.mode === 'nearest';
	const kinks = options.alignCorners ? (nearest ? CORNER_HALVES : CORNERS) : nearest ? HALVES : EDGES;
	const positions = { shape: [1, 3, 2, 2], low: -1.45, high: 1.45, avoid: kinks, gradient: !nearest, ...grid };
	return { label, inputs: [{ shape: [1, 2, 4, 4], ...image }, positions], options };
}

const sampler: OpEntry = {
	name: 'gridSample',
	family: 'sample',
	call: ([x, grid], options) => gridSample(x!, grid!, options),
	gradient: 'yes',
	samples: [
		sampling('zeros', {}, { shape: [2, 2, 2, 2] }, { shape: [2, 2, 4, 4] }),
		sampling('zeros, corners', { alignCorners: true }),
		sampling('border', { paddingMode: 'border' }),
		sampling('border, corners', { paddingMode: 'border', alignCorners: true }),
		sampling('reflection', { paddingMode: 'reflection' }),
		sampling('reflection, corners', { paddingMode: 'reflection', alignCorners: true }),
		sampling('nearest', { mode: 'nearest' }),
		sampling('nearest, border, corners', { mode: 'nearest', paddingMode: 'border', alignCorners: true }),
		sampling('nearest, reflection', { mode: 'nearest', paddingMode: 'reflection' }),
		sampling('bicubic', { mode: 'bicubic' }),
		sampling('bicubic, border, corners', { mode: 'bicubic', paddingMode: 'border', alignCorners: true }),
		sampling('bicubic, reflection', { mode: 'bicubic', paddingMode: 'reflection' }),
		sampling('transposed', {}, { layout: 'transposed' }, { layout: 'transposed' }),
		sampling('strided', { paddingMode: 'border' }, { layout: 'strided' }, { layout: 'strided' }),
		sampling(
			'one pixel',
			{ paddingMode: 'reflection', alignCorners: true },
			{ avoid: [-1, 1], gradient: false },
			{ shape: [1, 2, 1, 1] },
		),
		// Without gradients the fused kernel runs; the other samples run the composed form.
		...(['zeros', 'border', 'reflection'] as const).flatMap((paddingMode) =>
			[false, true].flatMap((alignCorners) =>
				(['bilinear', 'nearest', 'bicubic'] as const).map((mode) => ({
					...sampling(
						`kernel: ${mode}, ${paddingMode}${alignCorners ? ', corners' : ''}`,
						{ mode, paddingMode, alignCorners },
						{ shape: [2, 3, 3, 2], low: -3, gradient: false },
						{ shape: [2, 2, 4, 4], gradient: false },
					),
					gradient: false,
				})),
			),
		),
		{
			label: 'kernel: odd sizes, five channels',
			inputs: [
				{ shape: [3, 5, 7, 9], gradient: false },
				{ shape: [3, 5, 33, 2], low: -1.5, high: 1.5, gradient: false },
			],
			options: { paddingMode: 'reflection' },
			gradient: false,
		},
		{
			label: 'kernel: strided',
			inputs: [
				{ shape: [2, 3, 5, 4], layout: 'strided', gradient: false },
				{ shape: [2, 4, 8, 2], layout: 'transposed', low: -1.5, high: 1.5, gradient: false },
			],
			gradient: false,
		},
		{ label: 'no images', inputs: [{ shape: [0, 2, 3, 3] }, { shape: [0, 2, 2, 2] }], gradient: false },
	],
	tolerance: {
		relative: 2e-5,
		absolute: 2e-5,
		reason: 'a position of up to 30 pixels is rounded to 2e-6 of a pixel, and the image changes by up to 4 per pixel',
	},
	torch: ({ mode = 'bilinear', paddingMode = 'zeros', alignCorners = false }) =>
		`F.grid_sample(x[0], x[1], mode=${py(mode)}, padding_mode=${py(paddingMode)}, align_corners=${py(alignCorners)})`,
	refusals: [
		{
			label: 'no grid',
			call: (device) => gridSample(zeros([1, 1, 2, 2], { device }), zeros([1, 2, 2], { device })),
			message: /gridSample: takes images \[N, C, H, W\] and a grid \[N, H', W', 2\], not \[1, 1, 2, 2\] and \[1, 2, 2\]/,
		},
		{
			label: 'whole numbers',
			call: (device) => gridSample(zeros([1, 1, 2, 2], { device, dtype: 'int32' }), zeros([1, 2, 2, 2], { device })),
			message: /gridSample: input must be floating, not int32/,
		},
		{
			label: 'two dtypes',
			call: (device) => gridSample(zeros([1, 1, 2, 2], { device }), zeros([1, 2, 2, 2], { device, dtype: 'int32' })),
			message: /gridSample: grid has dtype int32; it takes float32\. Convert with \.to\('float32'\)/,
		},
		{
			label: 'no pixels',
			call: (device) => gridSample(zeros([1, 1, 0, 2], { device }), zeros([1, 2, 2, 2], { device })),
			message: /gridSample: images \[1, 1, 0, 2\] have no pixels to sample/,
		},
		{
			label: 'unknown mode',
			call: (device) =>
				gridSample(zeros([1, 1, 2, 2], { device }), zeros([1, 2, 2, 2], { device }), { mode: 'lanczos' as never }),
			message: /gridSample: mode must be 'bilinear', 'nearest' or 'bicubic', not 'lanczos'/,
		},
		{
			label: 'unknown padding',
			call: (device) =>
				gridSample(zeros([1, 1, 2, 2], { device }), zeros([1, 2, 2, 2], { device }), { paddingMode: 'edge' as never }),
			message: /gridSample: paddingMode must be 'zeros', 'border' or 'reflection', not 'edge'/,
		},
	],
};

function mapped(
	label: string,
	shape: readonly number[],
	size: readonly number[],
	alignCorners = false,
	layout?: 'transposed',
): Sample {
	return { label, inputs: [{ shape, ...(layout && { layout }) }], options: { size, alignCorners } };
}

const mapper: OpEntry = {
	name: 'affineGrid',
	family: 'sample',
	call: ([theta], { size, alignCorners }) => affineGrid(theta!, size as number[], { alignCorners: alignCorners as boolean }),
	gradient: 'yes',
	samples: [
		mapped('edges', [2, 2, 3], [2, 3, 4, 5]),
		mapped('corners', [2, 2, 3], [2, 1, 3, 7], true),
		mapped('one pixel', [1, 2, 3], [1, 1, 1, 1], true),
		mapped('one row', [1, 2, 3], [1, 1, 1, 6]),
		mapped('transposed', [2, 2, 3], [2, 1, 2, 3], false, 'transposed'),
	],
	torch: ({ size, alignCorners }) => `F.affine_grid(x[0], ${py(size)}, align_corners=${py(alignCorners)})`,
	refusals: [
		{
			label: 'volumes',
			call: (device) => affineGrid(zeros([1, 3, 4], { device }), [1, 1, 2, 2, 2]),
			message: /affineGrid: size must be \[N, C, H, W\], not \[1, 1, 2, 2, 2\]/,
		},
		{
			label: 'other matrices',
			call: (device) => affineGrid(zeros([1, 3, 3], { device }), [1, 1, 2, 2]),
			message: /affineGrid: theta must be \[N, 2, 3\] for size \[1, 1, 2, 2\], not \[1, 3, 3\]/,
		},
	],
};

export const sample: readonly OpEntry[] = [sampler, mapper];
