/** The lookup table. */
import { embedding as lookup, zeros } from 'wgrad';
import type { InputSpec, OpEntry } from './database';

function indices(size: number, ...shape: number[]): InputSpec {
	return { shape, dtype: 'int32', low: 0, high: size };
}

export const embedding: OpEntry[] = [
	{
		name: 'embedding',
		family: 'embedding',
		call: ([index, weight], options) => lookup(index!, weight!, options),
		gradient: 'yes',
		samples: [
			{ label: 'vector', inputs: [indices(5, 7), { shape: [5, 3] }] },
			{ label: 'batch', inputs: [indices(5, 2, 3), { shape: [5, 4] }] },
			{ label: 'scalar', inputs: [indices(5), { shape: [5, 3] }] },
			{ label: 'padding', inputs: [indices(3, 9), { shape: [3, 4] }], options: { paddingIdx: 1 }, gradient: false },
			{ label: 'padding from the end', inputs: [indices(3, 9), { shape: [3, 4] }], options: { paddingIdx: -1 }, gradient: false },
			{ label: 'one row', inputs: [indices(1, 65), { shape: [1, 1] }] },
			{
				label: 'transposed',
				inputs: [
					{ ...indices(4, 3, 2), layout: 'transposed' },
					{ shape: [4, 5], layout: 'transposed' },
				],
			},
			{ label: 'no index', inputs: [indices(4, 0), { shape: [4, 3] }] },
			{ label: 'many', inputs: [indices(33, 1500), { shape: [33, 8] }], gradient: false },
		],
		refusals: [
			{
				label: 'weight of one dim',
				call: (device) => lookup(zeros([2], { dtype: 'int32', device }), zeros([3], { device })),
				message: /embedding: the weight must be \[rows, columns\], not \[3\]/,
			},
			{
				label: 'floating index',
				call: (device) => lookup(zeros([2], { device }), zeros([3, 2], { device })),
				message: /embedding: index has dtype float32; it takes int32/,
			},
			{
				label: 'padding out of range',
				call: (device) => lookup(zeros([2], { dtype: 'int32', device }), zeros([3, 2], { device }), { paddingIdx: 3 }),
				message: /embedding: paddingIdx 3 is out of range for 3 rows/,
			},
			{
				label: 'no rows',
				call: (device) => lookup(zeros([2], { dtype: 'int32', device }), zeros([0, 2], { device })),
				message: /embedding: the rows of \[0, 2\] has size 0/,
			},
		],
		torch: ({ paddingIdx }) => `F.embedding(x[0], x[1]${paddingIdx === undefined ? '' : `, padding_idx=${paddingIdx}`})`,
	},
];
