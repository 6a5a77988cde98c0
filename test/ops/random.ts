/** Dropout is the one random operation that is a function of a tensor; the others are tested by their distributions. PyTorch draws other numbers. */
import { dropout, dropout2d, tensor } from 'wgrad';
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
				label: 'integers',
				call: (device) => dropout(tensor([1], { dtype: 'int32', device })),
				message: /dropout: input has dtype int32/,
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
				label: 'a vector',
				call: (device) => dropout2d(tensor([1, 2], { device })),
				message: /dropout2d: it takes \[N, C, H, W\]/,
			},
		],
		torch: null,
	},
];
