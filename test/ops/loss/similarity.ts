/** Losses of the similarity of vectors. */
import * as w from 'wgrad';
import type { OpEntry, Sample } from '../database';
import { py } from '../python';
import { REDUCTIONS, signs } from './entry';

const cosineEmbeddingLoss: OpEntry = {
	name: 'cosineEmbeddingLoss',
	family: 'loss',
	call: ([a, b, target], options) => w.cosineEmbeddingLoss(a!, b!, target!, options),
	samples: [
		...REDUCTIONS.map(
			(reduction): Sample => ({
				label: reduction,
				inputs: [{ shape: [4, 3] }, { shape: [4, 3] }, signs([4])],
				options: { reduction, margin: -0.5 },
			}),
		),
		{ label: 'one pair', inputs: [{ shape: [5] }, { shape: [5] }, { shape: [], values: [1], gradient: false }] },
	],
	gradient: 'yes',
	torch: ({ margin = 0, reduction = 'mean' }) =>
		`F.cosine_embedding_loss(x[0], x[1], x[2], margin=${py(margin)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'target',
			call: (device) => w.cosineEmbeddingLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.zeros([3], { device })),
			message: /cosineEmbeddingLoss: target \[3\] must have shape \[2\] for input1 \[2, 3\]/,
		},
		{
			label: 'shapes',
			call: (device) => w.cosineEmbeddingLoss(w.zeros([2, 3], { device }), w.zeros([3], { device }), w.zeros([2], { device })),
			message: /cosineEmbeddingLoss: input2 \[3\] must have shape \[2, 3\] for input1 \[2, 3\]/,
		},
	],
};

const tripletMarginLoss: OpEntry = {
	name: 'tripletMarginLoss',
	family: 'loss',
	call: ([anchor, positive, negative], options) => w.tripletMarginLoss(anchor!, positive!, negative!, options),
	samples: [
		{ reduction: 'mean' },
		{ reduction: 'sum' },
		{ reduction: 'none' },
		{ swap: true, margin: 3 },
		{ p: 1, margin: 4 },
		{ p: 3 },
	].map(
		(options): Sample => ({
			label: JSON.stringify(options),
			inputs: [{ shape: [4, 3] }, { shape: [4, 3], low: 2.1, high: 3 }, { shape: [4, 3], low: -4, high: -2.1 }],
			options: { margin: 9, ...options },
		}),
	),
	gradient: 'yes',
	torch: ({ margin = 1, p = 2, swap = false, reduction = 'mean' }) =>
		`F.triplet_margin_loss(x[0], x[1], x[2], margin=${py(margin)}, p=${py(p)}, swap=${py(swap)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'shapes',
			call: (device) => w.tripletMarginLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.zeros([3], { device })),
			message: /tripletMarginLoss: negative \[3\] must have shape \[2, 3\] for anchor \[2, 3\]/,
		},
	],
};

const marginRankingLoss: OpEntry = {
	name: 'marginRankingLoss',
	family: 'loss',
	call: ([a, b, target], options) => w.marginRankingLoss(a!, b!, target!, options),
	samples: [
		...REDUCTIONS.map(
			(reduction): Sample => ({
				label: reduction,
				inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, signs([3, 5])],
				options: { reduction, margin: 0.5 },
			}),
		),
		{ label: 'no margin', inputs: [{ shape: [7] }, { shape: [7] }, signs([7])] },
		{ label: 'transposed', inputs: [{ shape: [3, 4], layout: 'transposed' }, { shape: [3, 4] }, signs([3, 4])] },
	],
	gradient: 'yes',
	torch: ({ margin = 0, reduction = 'mean' }) =>
		`F.margin_ranking_loss(x[0], x[1], x[2], margin=${py(margin)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'target',
			call: (device) => w.marginRankingLoss(w.zeros([3], { device }), w.zeros([3], { device }), w.zeros([1], { device })),
			message: /marginRankingLoss: target \[1\] must have shape \[3\] for input1 \[3\]/,
		},
	],
};

const manhattan = (a: w.Tensor, b: w.Tensor) => a.sub(b).abs().sum(-1);

const tripletMarginWithDistanceLoss: OpEntry = {
	name: 'tripletMarginWithDistanceLoss',
	family: 'loss',
	call: ([anchor, positive, negative], { own = false, ...options }) =>
		w.tripletMarginWithDistanceLoss(anchor!, positive!, negative!, {
			...options,
			...(own === true && { distanceFunction: manhattan }),
		}),
	samples: [{ reduction: 'sum' }, { reduction: 'none', swap: true }, { own: true, margin: 4 }].map(
		(options): Sample => ({
			label: JSON.stringify(options),
			inputs: [{ shape: [4, 3] }, { shape: [4, 3], low: 2.1, high: 3 }, { shape: [4, 3], low: -4, high: -2.1 }],
			options: { margin: 9, ...options },
		}),
	),
	gradient: 'yes',
	torch: ({ margin = 1, swap = false, reduction = 'mean', own = false }) =>
		`F.triplet_margin_with_distance_loss(x[0], x[1], x[2], margin=${py(margin)}, swap=${py(swap)}, reduction=${py(reduction)}, distance_function=${own === true ? '(lambda a, b: (a - b).abs().sum(-1))' : 'None'})`,
	refusals: [
		{
			label: 'distance',
			call: (device) => {
				const x = w.zeros([2, 3], { device });
				return w.tripletMarginWithDistanceLoss(x, x, x, { distanceFunction: 2 as never });
			},
			message: /tripletMarginWithDistanceLoss: distanceFunction must be a function of two tensors, not 2/,
		},
	],
};

export const similarityLosses: OpEntry[] = [
	cosineEmbeddingLoss,
	tripletMarginLoss,
	marginRankingLoss,
	tripletMarginWithDistanceLoss,
];
