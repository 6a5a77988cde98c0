/** Elementwise losses. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from '../database';
import { nameOf } from '../elementwise/unary';
import { py } from '../python';
import { commonRefusals, type Loss, REDUCTIONS, signs, WEIGHT } from './entry';

interface PairCase {
	readonly operation: Loss;
	/** Ranges of input and target. */
	readonly input?: Partial<InputSpec>;
	readonly target?: Partial<InputSpec>;
	/** Options to try besides the reductions. */
	readonly options?: readonly Options[];
	readonly more?: readonly Sample[];
	/** The call in PyTorch for the options, without the reduction. */
	readonly torch: ((options: Options) => string) | null;
	readonly refusals?: readonly Refusal[];
}

function pair({ operation, input = {}, target = {}, options = [], more = [], torch, refusals = [] }: PairCase): OpEntry {
	const name = nameOf(operation);
	const inputs = (shape: readonly number[], layout: InputSpec['layout'] = 'contiguous'): InputSpec[] => [
		{ shape, ...input, layout },
		{ shape, ...target },
	];
	return {
		name,
		family: 'loss',
		call: ([a, b], given) => (operation as unknown as (a: w.Tensor, b: w.Tensor, options: Options) => w.Tensor)(a!, b!, given),
		samples: [
			...REDUCTIONS.map((reduction): Sample => ({ label: reduction, inputs: inputs([3, 5]), options: { reduction } })),
			...options.flatMap((given) => [
				{ label: JSON.stringify(given), inputs: inputs([3, 5]), options: given },
				{ label: `${JSON.stringify(given)}, none`, inputs: inputs([7]), options: { ...given, reduction: 'none' } },
			]),
			{ label: 'scalar', inputs: inputs([]) },
			{ label: 'transposed', inputs: inputs([3, 4], 'transposed') },
			{ label: 'strided', inputs: inputs([2, 4], 'strided') },
			{ label: 'empty', inputs: inputs([0, 3]), options: { reduction: 'sum' } },
			{ label: 'larger', inputs: inputs([33, 65]), gradient: false },
			...more,
		],
		gradient: 'yes',
		torch: torch && ((given) => torch(given).replace(/\)$/, `, reduction=${py(given.reduction ?? 'mean')})`)),
		refusals: [
			...commonRefusals(name, operation, false),
			{
				label: 'shapes',
				call: (device) => operation(w.zeros([2, 3], { device }), w.zeros([3], { device })),
				message: new RegExp(`${name}: target \\[3\\] must have shape \\[2, 3\\] for input \\[2, 3\\]`),
			},
			...refusals,
		],
	};
}

const PROBABILITY = { low: 0.1, high: 0.9 };
const regression: OpEntry[] = [
	pair({ operation: w.mseLoss, torch: () => 'F.mse_loss(x[0], x[1])' }),
	pair({ operation: w.l1Loss, input: { low: 2.1, high: 3 }, torch: () => 'F.l1_loss(x[0], x[1])' }),
	pair({
		operation: w.smoothL1Loss,
		input: { low: 2.1, high: 2.5 },
		target: { low: -2, high: 1 },
		options: [{ beta: 8 }, { beta: 0 }],
		torch: ({ beta = 1 }) => `F.smooth_l1_loss(x[0], x[1], beta=${py(beta)})`,
		refusals: [
			{
				label: 'beta',
				call: (device) => w.smoothL1Loss(w.zeros([1], { device }), w.zeros([1], { device }), { beta: -1 }),
				message: /smoothL1Loss: beta must be at least 0, not -1/,
			},
		],
	}),
	pair({
		operation: w.huberLoss,
		input: { low: 2.1, high: 2.5 },
		target: { low: -2, high: 1 },
		options: [{ delta: 8 }, { delta: 0.5 }],
		torch: ({ delta = 1 }) => `F.huber_loss(x[0], x[1], delta=${py(delta)})`,
		refusals: [
			{
				label: 'delta',
				call: (device) => w.huberLoss(w.zeros([1], { device }), w.zeros([1], { device }), { delta: 0 }),
				message: /huberLoss: delta must be above 0, not 0/,
			},
		],
	}),
	pair({
		operation: w.poissonNllLoss,
		target: { low: 0.2, high: 4, avoid: [1] },
		options: [{ full: true }],
		more: [
			{
				label: 'rates',
				inputs: [
					{ shape: [3, 5], low: 0.5, high: 3 },
					{ shape: [3, 5], low: 0, high: 4 },
				],
				options: { logInput: false },
			},
		],
		torch: ({ full = false, logInput = true }) => `F.poisson_nll_loss(x[0], x[1], log_input=${py(logInput)}, full=${py(full)})`,
	}),
];

const gaussianNllLoss: OpEntry = {
	name: 'gaussianNllLoss',
	family: 'loss',
	call: ([input, target, variance], options) => w.gaussianNllLoss(input!, target!, variance!, options),
	samples: [
		...[{ reduction: 'mean' }, { reduction: 'sum' }, { reduction: 'none' }, { full: true }].map(
			(options): Sample => ({
				label: JSON.stringify(options),
				inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, { shape: [3, 5], low: 0.3, high: 2 }],
				options,
			}),
		),
		{ label: 'one variance for a row', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, { shape: [3, 1], low: 0.3, high: 2 }] },
		{
			label: 'variances without the last dim',
			inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, { shape: [3], low: 0.3, high: 2 }],
		},
		{
			label: 'variance below eps',
			inputs: [{ shape: [3] }, { shape: [3] }, { shape: [3], values: [0, 0.001, 0.5] }],
			options: { eps: 0.125 },
			gradient: false,
		},
	],
	gradient: 'yes',
	torch: ({ full = false, eps = 1e-6, reduction = 'mean' }) =>
		`F.gaussian_nll_loss(x[0], x[1], x[2], full=${py(full)}, eps=${py(eps)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'variance',
			call: (device) => w.gaussianNllLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.ones([3], { device })),
			message: /gaussianNllLoss: variance \[3\] must have the shape of input \[2, 3\], with or without its last dim/,
		},
	],
};

const probabilities: OpEntry[] = [
	pair({
		operation: w.binaryCrossEntropy,
		input: PROBABILITY,
		target: PROBABILITY,
		more: [
			{
				label: 'edges',
				inputs: [
					{ shape: [4], values: [0, 1, 0, 1] },
					{ shape: [4], values: [0, 1, 1, 0] },
				],
				options: { reduction: 'none' },
				gradient: false,
			},
		],
		torch: () => 'F.binary_cross_entropy(x[0], x[1])',
	}),
	pair({
		operation: w.binaryCrossEntropyWithLogits,
		target: PROBABILITY,
		more: [
			{
				label: 'extremes',
				inputs: [
					{ shape: [6], values: [100, -100, 1e4, -1e4, 0, 1e-6].map(Math.fround) },
					{ shape: [6], values: [1, 0, 0, 1, 1, 0] },
				],
				options: { reduction: 'none' },
				gradient: false,
			},
		],
		torch: () => 'F.binary_cross_entropy_with_logits(x[0], x[1])',
	}),
	pair({
		operation: w.klDiv as Loss,
		input: { low: -3, high: -0.1 },
		target: PROBABILITY,
		options: [{ logTarget: true }],
		more: [
			{
				label: 'batchmean',
				inputs: [
					{ shape: [3, 5], low: -3, high: -0.1 },
					{ shape: [3, 5], ...PROBABILITY },
				],
				options: { reduction: 'batchmean' },
			},
			{
				label: 'target 0',
				inputs: [
					{ shape: [2], values: [-1, -2] },
					{ shape: [2], values: [0, 1], gradient: false },
				],
			},
		],
		torch: ({ logTarget = false }) => `F.kl_div(x[0], x[1], log_target=${py(logTarget)})`,
	}),
	pair({
		operation: w.softMarginLoss,
		target: { low: -1, high: 1, gradient: false },
		torch: () => 'F.soft_margin_loss(x[0], x[1])',
	}),
	withSigns(w.hingeLoss, null),
	withSigns(w.hingeEmbeddingLoss, ({ margin = 1 }) => `F.hinge_embedding_loss(x[0], x[1], margin=${py(margin)})`),
];

/** Losses with targets 1 and -1. */
function withSigns(operation: Loss, torch: PairCase['torch']): OpEntry {
	const entry = pair({ operation, input: { avoid: [1, -1, 0.5, -0.5] }, torch });
	const samples = [
		{ label: 'mean', options: {} },
		{ label: 'sum', options: { reduction: 'sum' } },
		{ label: 'none', options: { reduction: 'none', margin: 0.5 } },
	];
	return {
		...entry,
		samples: samples.map(({ label, options }) => ({
			label,
			inputs: [{ shape: [3, 5], avoid: [1, -1, 0.5, -0.5] }, signs([3, 5])],
			options,
		})),
	};
}

/** Weighted forms take the weights as further inputs, so that the data of a sample stays in its inputs. */
function weighted(
	entry: OpEntry,
	call: OpEntry['call'],
	samples: readonly Sample[],
	torch: (options: Options) => string,
): OpEntry {
	return {
		...entry,
		call: (inputs, options) => (inputs.length > 2 ? call(inputs, options) : entry.call(inputs, options)),
		samples: [...entry.samples, ...samples],
		torch: (options) => `(${torch(options)} if len(x) > 2 else ${entry.torch!(options)})`,
	};
}

const [binaryCrossEntropy, withLogits, ...others] = probabilities;

export const pointwiseLosses: OpEntry[] = [
	...regression,
	gaussianNllLoss,
	weighted(
		binaryCrossEntropy!,
		([a, b, weight], options) => w.binaryCrossEntropy(a!, b!, { ...options, weight: weight! }),
		[
			{
				label: 'weights',
				inputs: [
					{ shape: [3, 5], ...PROBABILITY },
					{ shape: [3, 5], ...PROBABILITY },
					{ shape: [5], ...WEIGHT },
				],
			},
		],
		({ reduction = 'mean' }) => `F.binary_cross_entropy(x[0], x[1], weight=x[2].expand_as(x[0]), reduction=${py(reduction)})`,
	),
	weighted(
		withLogits!,
		([a, b, weight, posWeight], options) =>
			w.binaryCrossEntropyWithLogits(a!, b!, { ...options, weight: weight!, posWeight: posWeight ?? null }),
		[
			{ label: 'weights', inputs: [{ shape: [3, 5] }, { shape: [3, 5], ...PROBABILITY }, { shape: [3, 1], ...WEIGHT }] },
			{
				label: 'weights of positives',
				inputs: [{ shape: [3, 5] }, { shape: [3, 5], ...PROBABILITY }, { shape: [3, 1], ...WEIGHT }, { shape: [5], ...WEIGHT }],
			},
		],
		({ reduction = 'mean' }) =>
			`F.binary_cross_entropy_with_logits(x[0], x[1], weight=x[2].expand_as(x[0]), pos_weight=x[3] if len(x) > 3 else None, reduction=${py(reduction)})`,
	),
	...others,
];
