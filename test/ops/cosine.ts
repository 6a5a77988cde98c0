/** Similarity and distance of vectors. */
import { cosineSimilarity, pairwiseDistance, zeros } from 'wgrad';
import type { OpEntry } from './database';
import { py } from './python';

export const cosine: OpEntry = {
	name: 'cosineSimilarity',
	family: 'norm',
	call: ([a, b], options) => cosineSimilarity(a!, b!, options),
	gradient: 'yes',
	samples: [
		{ label: 'rows', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }] },
		{ label: 'first dim', inputs: [{ shape: [5, 3] }, { shape: [5, 3] }], options: { dim: 0 } },
		{ label: 'all with all', inputs: [{ shape: [3, 1, 4] }, { shape: [1, 2, 4] }], options: { dim: -1 } },
		{ label: 'one with all', inputs: [{ shape: [4] }, { shape: [3, 4] }], options: { dim: -1 } },
		{ label: 'transposed', inputs: [{ shape: [2, 3, 2], layout: 'transposed' }, { shape: [2, 3, 2] }] },
		{ label: 'no rows', inputs: [{ shape: [0, 3] }, { shape: [0, 3] }], gradient: false },
		{ label: 'large', inputs: [{ shape: [33, 65] }, { shape: [33, 65] }], gradient: false },
	],
	torch: ({ dim = 1 }) => `F.cosine_similarity(x[0], x[1], dim=${dim})`,
	refusals: [
		{
			label: 'shapes',
			call: (device) => cosineSimilarity(zeros([2, 3], { device }), zeros([2, 4], { device })),
			message: /cosineSimilarity: .*\[2, 3\].*\[2, 4\]/,
		},
		{
			label: 'integers',
			call: (device) => cosineSimilarity(zeros([2, 3], { device, dtype: 'int32' }), zeros([2, 3], { device, dtype: 'int32' })),
			message: /cosineSimilarity: .*int32/,
		},
	],
};

export const distance: OpEntry = {
	name: 'pairwiseDistance',
	family: 'norm',
	call: ([a, b], options) => pairwiseDistance(a!, b!, options),
	gradient: 'yes',
	samples: [
		{ label: 'rows', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }] },
		{ label: 'p 1, kept', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }], options: { p: 1, keepdim: true } },
		{ label: 'p 3, one with all', inputs: [{ shape: [2, 4] }, { shape: [4] }], options: { p: 3 } },
		{ label: 'transposed', inputs: [{ shape: [3, 2], layout: 'transposed' }, { shape: [3, 2] }] },
		{
			label: 'equal',
			inputs: [
				{ shape: [1, 2], values: [1, -1] },
				{ shape: [1, 2], values: [1, -1] },
			],
			gradient: false,
		},
	],
	torch: ({ p = 2, keepdim = false }) => `F.pairwise_distance(x[0], x[1], p=${py(p)}, keepdim=${py(keepdim)})`,
	refusals: [
		{
			label: 'shapes',
			call: (device) => pairwiseDistance(zeros([2, 3], { device }), zeros([2, 4], { device })),
			message: /: .*\[2, 3\].*\[2, 4\]/,
		},
		{
			label: 'integers',
			call: (device) => pairwiseDistance(zeros([3], { device, dtype: 'int32' }), zeros([3], { device, dtype: 'int32' })),
			message: /pairwiseDistance: .*int32/,
		},
	],
};
