/** Random operations on a tensor. For functions that make random tensors, see test/tensor. PyTorch draws other numbers. */
import { bernoulli, dropout, dropout2d, type Tensor, tensor } from 'wgrad';
import type { OpEntry } from './database';

export const random: OpEntry[] = [
	{
		name: 'dropout',
		family: 'random',
		call: ([x], options) => dropout(x!, options),
		gradient: 'yes',
		samples: [
			{ label: 'half', inputs: [{ shape: [3, 33] }] },
			{ label: 'p 0.1', inputs: [{ shape: [65] }], options: { p: 0.1 } },
			{ label: 'everything', inputs: [{ shape: [7] }], options: { p: 1 } },
			{ label: 'nothing', inputs: [{ shape: [7] }], options: { p: 0 } },
			{ label: 'inference', inputs: [{ shape: [7] }], options: { training: false } },
			{ label: 'transposed', inputs: [{ shape: [5, 9], layout: 'transposed' }] },
			{ label: 'strided', inputs: [{ shape: [5, 9], layout: 'strided' }] },
			{ label: 'scalar', inputs: [{ shape: [] }] },
			{ label: 'empty', inputs: [{ shape: [0, 3] }] },
			{ label: 'large', inputs: [{ shape: [65, 128] }], gradient: false },
		],
		refusals: [
			{
				label: 'p above 1',
				call: (device) => dropout(tensor([1], { device }), { p: 1.5 }),
				message: /dropout: p must lie in \[0, 1\], not 1\.5/,
			},
			{
				label: 'no tensor',
				call: () => dropout([1, 2] as unknown as Tensor),
				message: /dropout: input must be a tensor, not \[1, 2\]/,
			},
			{
				label: 'integers',
				call: (device) => dropout(tensor([1], { dtype: 'int32', device })),
				message: /dropout: input must be floating, not int32\. Convert with \.to\('float32'\)/,
			},
		],
		torch: null,
	},
	{
		name: 'dropout2d',
		family: 'random',
		call: ([x], options) => dropout2d(x!, options),
		gradient: 'yes',
		samples: [
			{ label: 'batch', inputs: [{ shape: [2, 5, 3, 3] }] },
			{ label: 'one image', inputs: [{ shape: [5, 3, 1] }] },
			{ label: 'transposed', inputs: [{ shape: [2, 3, 3, 2], layout: 'transposed' }] },
			{ label: 'inference', inputs: [{ shape: [2, 2, 1, 1] }], options: { training: false } },
		],
		refusals: [
			{
				label: 'no tensor',
				call: () => dropout2d(undefined as unknown as Tensor),
				message: /dropout2d: input must be a tensor, not undefined/,
			},
			{
				label: 'a vector',
				call: (device) => dropout2d(tensor([1, 2], { device })),
				message: /dropout2d: input must be \[N, C, H, W\]/,
			},
		],
		torch: null,
	},
	{
		name: 'bernoulli',
		family: 'random',
		call: ([p]) => bernoulli(p!),
		gradient: { none: 'draws are constants' },
		samples: [
			{ label: 'odd sizes', inputs: [{ shape: [3, 33], low: 0, high: 1 }] },
			{ label: 'certain', inputs: [{ shape: [4], values: [0, 1, 1, 0] }] },
			{ label: 'transposed', inputs: [{ shape: [5, 9], low: 0, high: 1, layout: 'transposed' }] },
			{ label: 'scalar', inputs: [{ shape: [], low: 0, high: 1 }] },
			{ label: 'empty', inputs: [{ shape: [0, 3] }] },
			{ label: 'large', inputs: [{ shape: [65, 128], low: 0, high: 1 }] },
		],
		refusals: [
			{
				label: 'integers',
				call: (device) => bernoulli(tensor([1], { dtype: 'int32', device })),
				message: /bernoulli: p must be floating, not int32/,
			},
		],
		torch: null,
	},
];
