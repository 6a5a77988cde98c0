/** Clamping by numbers and by tensors. */
import * as w from 'wgrad';
import type { OpEntry, Options, Sample } from '../database';
import { py } from '../python';
import { refused } from './rows';
import { EXTREMES } from './unary';

const CLAMPS: readonly Options[] = [{ min: -0.5 }, { max: 0.25 }, { min: -1, max: 1 }, { min: 2, max: -2 }];

export const clamp: OpEntry = {
	name: 'clamp',
	family: 'elementwise',
	call: ([x, min, max], options) => w.clamp(x!, min === undefined ? options : { min: min!, max: max ?? null }),
	samples: [
		...CLAMPS.map(
			(options): Sample => ({ label: JSON.stringify(options), inputs: [{ shape: [3, 7], avoid: [-0.5, 0.25, -1, 1] }], options }),
		),
		{
			label: 'at the limits',
			inputs: [{ shape: [5], values: [-1, 1, 0, -2, 2] }],
			options: { min: -1, max: 1 },
			gradient: false,
		},
		{
			label: 'extremes',
			inputs: [{ shape: [EXTREMES.length], values: EXTREMES }],
			options: { min: -3, max: 5 },
			gradient: false,
		},
		{ label: 'int32', inputs: [{ shape: [9], dtype: 'int32', low: -9, high: 9 }], options: { min: -2, max: 3 } },
		{
			label: 'int32 between fractions',
			inputs: [{ shape: [9], dtype: 'int32', low: -9, high: 9 }],
			options: { min: -2.5, max: 3.5 },
		},
		{ label: 'bool', inputs: [{ shape: [4], dtype: 'bool' }], options: { min: 0, max: 5 } },
		{ label: 'empty', inputs: [{ shape: [0, 2] }], options: { min: 0 } },
		{ label: 'strided', inputs: [{ shape: [3, 5], layout: 'strided', avoid: [0] }], options: { min: 0 } },
		{
			label: 'tensors',
			inputs: [
				{ shape: [3, 4], distinct: true },
				{ shape: [4], low: -1.9, high: -0.9 },
				{ shape: [3, 1], low: 0.6, high: 1.2 },
			],
		},
		{
			label: 'one tensor',
			inputs: [
				{ shape: [2, 5], low: -1, high: 1, avoid: [0.1] },
				{ shape: [], values: [Math.fround(0.1)] },
			],
		},
		{
			label: 'NaN and tensors',
			inputs: [
				{ shape: [3], values: [Number.NaN, 1, 2] },
				{ shape: [3], values: [0, Number.NaN, 0] },
			],
			gradient: false,
		},
	],
	gradient: 'yes',
	torch: ({ min, max }) =>
		min === undefined && max === undefined ? 'torch.clamp(*x)' : `torch.clamp(x[0], ${py(min)}, ${py(max)})`,
	refusals: [
		refused('no limit', (x) => w.clamp(x, {}), /clamp: give min, max or both/),
		refused('a string', (x) => w.clamp(x, { min: 'a' as unknown as number }), /takes tensors and numbers, not 'a'/),
	],
};
