/** The lookup table. */
import { embeddingBag, embedding as lookup, type Tensor, zeros } from 'wgrad';
import { type InputSpec, type OpEntry, outOfRange } from './database';

function indices(size: number, ...shape: number[]): InputSpec {
	return { shape, dtype: 'int32', low: 0, high: size };
}

const table = ({ device }: Tensor, columns: number) => zeros([3, columns], { device });

/** Bags that start at `offsets`, with `count` zero indices. */
function bags(offsets: Tensor, count: number): Tensor {
	return embeddingBag(zeros([count], { dtype: 'int32', device: offsets.device }), table(offsets, 2), { offsets });
}

/** One bag is empty. */
const BAGS: InputSpec = { shape: [3], dtype: 'int32', values: [0, 4, 4] };

/** One bag holds nothing but index 1. */
const SOME: InputSpec = { shape: [3, 2], dtype: 'int32', values: [0, 1, 1, 1, 3, 2] };

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
				message: /embedding: weight must be \[rows, columns\], not \[3\]/,
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
			outOfRange([0, 3], (i) => lookup(i, table(i, 2)), /^embedding: index 3 is out of range for the rows of \[3, 2\] of size 3/),
			outOfRange(
				[-1, 2],
				(i) => lookup(i, table(i, 4)),
				/^embedding: index -1 is out of range for the rows of \[3, 4\] of size 3/,
			),
		],
		torch: ({ paddingIdx }) => `F.embedding(x[0], x[1]${paddingIdx === undefined ? '' : `, padding_idx=${paddingIdx}`})`,
	},
	{
		name: 'embeddingBag',
		family: 'embedding',
		call: ([index, weight, offsets, perSampleWeights], { weighted = false, ...options }) =>
			embeddingBag(index!, weight!, {
				...options,
				...(weighted === true ? { perSampleWeights: offsets! } : offsets && { offsets }),
				...(perSampleWeights && { perSampleWeights }),
			}),
		gradient: 'yes',
		samples: [
			{ label: 'means', inputs: [indices(5, 2, 3), { shape: [5, 4] }] },
			{ label: 'sums', inputs: [indices(5, 2, 3), { shape: [5, 4] }], options: { mode: 'sum' } },
			{
				label: 'weighted sums',
				inputs: [indices(5, 2, 3), { shape: [5, 4] }, { shape: [2, 3] }],
				options: { mode: 'sum', weighted: true },
			},
			{ label: 'maxima', inputs: [indices(5, 2, 3), { shape: [5, 4], distinct: true }], options: { mode: 'max' } },
			{ label: 'offsets', inputs: [indices(5, 7), { shape: [5, 3] }, BAGS] },
			{ label: 'offsets, sums', inputs: [indices(5, 7), { shape: [5, 3] }, BAGS, { shape: [7] }], options: { mode: 'sum' } },
			{ label: 'padding', inputs: [SOME, { shape: [4, 3] }], options: { paddingIdx: 1 }, gradient: false },
			{ label: 'padding, maxima', inputs: [SOME, { shape: [4, 3] }], options: { mode: 'max', paddingIdx: -3 }, gradient: false },
		],
		refusals: [
			{
				label: 'no offsets',
				call: (device) => embeddingBag(zeros([2], { dtype: 'int32', device }), zeros([3, 2], { device })),
				message: /embeddingBag: indices are \[bags, length\] without offsets, or a vector with them, not \[2\] without offsets/,
			},
			{
				label: 'mode',
				call: (device) =>
					embeddingBag(zeros([1, 2], { dtype: 'int32', device }), zeros([3, 2], { device }), { mode: 'min' as 'max' }),
				message: /embeddingBag: mode must be 'sum', 'mean' or 'max', not 'min'/,
			},
			{
				label: 'weights of means',
				call: (device) => {
					const perSampleWeights = zeros([1, 2], { device });
					return embeddingBag(zeros([1, 2], { dtype: 'int32', device }), zeros([3, 2], { device }), { perSampleWeights });
				},
				message: /embeddingBag: perSampleWeights are for mode 'sum', not 'mean'/,
			},
			outOfRange(
				[0, 3],
				(i) => embeddingBag(i.unsqueeze(0), table(i, 2)),
				/^embeddingBag: index 3 is out of range for the rows of \[3, 2\]/,
			),
			outOfRange([0, 6], (offsets) => bags(offsets, 5), /^embeddingBag: offset 6 is out of range: .* at most at 5, the number/),
			outOfRange(
				[0, 4, 3],
				(offsets) => bags(offsets, 5),
				/^embeddingBag: offset 3 is out of range: offsets begin with 0, never fall/,
			),
			outOfRange([0, 4, 0], (offsets) => bags(offsets, 5), /^embeddingBag: offset 0 is out of range/),
			outOfRange([1, 4], (offsets) => bags(offsets, 5), /^embeddingBag: offset 1 is out of range/),
			outOfRange([-1], (offsets) => bags(offsets, 5), /^embeddingBag: offset -1 is out of range/),
		],
		torch: ({ mode = 'mean', weighted = false, paddingIdx }) => {
			const rest =
				weighted === true
					? 'per_sample_weights=x[2]'
					: 'offsets=x[2] if len(x) > 2 else None, per_sample_weights=x[3] if len(x) > 3 else None';
			return `F.embedding_bag(x[0], x[1], mode='${mode}', ${rest}${paddingIdx === undefined ? '' : `, padding_idx=${paddingIdx}`})`;
		},
	},
];
