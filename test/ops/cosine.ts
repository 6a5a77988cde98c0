/** The cosine of the angle between vectors. */
import { cosineSimilarity, zeros } from 'wgrad';
import type { OpEntry } from './database';

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
