/** Kinks of sampling images between their pixels. */
import * as w from 'wgrad';
import type { OpEntry } from '../database';
import { py } from '../python';
import { kink, shaped } from './kink';

/** Positions in images of 3 x 5 on borders, pixel centres and mirrors, as rows and columns. */
const PLACES = shaped(
	[1, 8, 2, 2],
	[1, 0, -1, 0, 0, 1, 0, -1, 1, 1, -1, -1, 1, -1, -1, 1, 0, 0, 0.5, 0, -0.5, 0, 3, 0, -3, 2, 1.5, -1.5, 5, -5, 0.75, 0.25],
);
const IMAGE = shaped(
	[1, 2, 3, 5],
	Array.from({ length: 30 }, (_, i) => (i * i) % 17),
);

const SQUARES = Array.from({ length: 16 }, (_, i) => i * i);

export const sample: readonly OpEntry[] = [
	...(['zeros', 'border', 'reflection'] as const).flatMap((paddingMode) =>
		[false, true].flatMap((alignCorners) => [
			...(['bilinear', 'nearest'] as const).map((mode) =>
				kink(
					`gridSample, ${mode}, ${paddingMode}${alignCorners ? ', corners' : ''}`,
					(x, grid) => w.gridSample(x, grid, { mode, paddingMode, alignCorners }),
					`F.grid_sample(x[0], x[1], mode=${py(mode)}, padding_mode=${py(paddingMode)}, align_corners=${py(alignCorners)})`,
					IMAGE,
					PLACES,
				),
			),
			kink(
				`gridSample from the identity, ${paddingMode}${alignCorners ? ', corners' : ''}`,
				(x, theta) => w.gridSample(x, w.affineGrid(theta, [...x.shape], { alignCorners }), { paddingMode, alignCorners }),
				`F.grid_sample(x[0], F.affine_grid(x[1], x[0].shape, ${py(alignCorners)}), padding_mode=${py(paddingMode)}, align_corners=${py(alignCorners)})`,
				// Sizes with exact pixel centres.
				alignCorners ? shaped([1, 1, 3, 3], SQUARES.slice(0, 9)) : shaped([1, 1, 4, 4], SQUARES),
				shaped([1, 2, 3], [1, 0, 0, 0, 1, 0]),
			),
		]),
	),
	kink(
		'gridSample, one pixel',
		(x, grid) => w.gridSample(x, grid, { paddingMode: 'reflection', alignCorners: true }),
		"F.grid_sample(x[0], x[1], padding_mode='reflection', align_corners=True)",
		shaped([1, 1, 1, 1], [3]),
		shaped([1, 1, 3, 2], [0, 0, 1, -1, 2, -3]),
	),
	...(['nearest', 'nearest-exact', 'bilinear', 'bicubic', 'area'] as const).map((mode) =>
		kink(
			`interpolate, ${mode}`,
			(x) => w.interpolate(x, { size: [6, 2], mode }),
			`F.interpolate(x[0], (6, 2), mode='${mode}')`,
			shaped(
				[1, 1, 3, 5],
				Array.from({ length: 15 }, (_, i) => i * i),
			),
		),
	),
	...(['bilinear', 'bicubic'] as const).map((mode) =>
		kink(
			`interpolate, ${mode}, corners`,
			(x) => w.interpolate(x, { size: [5, 1], mode, alignCorners: true }),
			`F.interpolate(x[0], (5, 1), mode='${mode}', align_corners=True)`,
			shaped(
				[1, 1, 3, 3],
				Array.from({ length: 9 }, (_, i) => i * i),
			),
		),
	),
];
