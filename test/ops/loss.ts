/** Losses. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { nameOf } from './elementwise/unary';
import { py } from './python';

const REDUCTIONS = ['mean', 'sum', 'none'] as const;

type Loss = (input: w.Tensor, target: w.Tensor, options?: never) => w.Tensor;

interface PairCase {
	readonly operation: Loss;
	/** Ranges of input and target. */
	readonly input?: Partial<InputSpec>;
	readonly target?: Partial<InputSpec>;
	/** Options to try besides the reductions. */
	readonly options?: readonly Options[];
	readonly more?: readonly Sample[];
	/** The call in PyTorch, but for the reduction, of the options. */
	readonly torch: ((options: Options) => string) | null;
	readonly refusals?: readonly Refusal[];
}

function shared(name: string, operation: Loss, classes: boolean): Refusal[] {
	const call = operation as (input: w.Tensor, target: w.Tensor, options?: Options) => w.Tensor;
	const target = (device: w.Device) => (classes ? w.tensor([0, 1], { dtype: 'int32', device }) : w.zeros([2, 3], { device }));
	return [
		{
			label: 'reduction',
			call: (device) => call(w.zeros([2, 3], { device }), target(device), { reduction: 'average' }),
			message: new RegExp(`${name}: reduction 'average' is not 'none', 'mean' or 'sum'`),
		},
		{
			label: 'whole input',
			call: (device) => call(w.zeros([2, 3], { dtype: 'int32', device }), target(device)),
			message: new RegExp(`${name}: input must be floating, not int32`),
		},
		{
			label: 'no target',
			call: (device) => call(w.zeros([2, 3], { device }), undefined as unknown as w.Tensor),
			message: new RegExp(`${name}: target must be a tensor, not undefined`),
		},
	];
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
			...shared(name, operation, false),
			{
				label: 'shapes',
				call: (device) => operation(w.zeros([2, 3], { device }), w.zeros([3], { device })),
				message: new RegExp(`${name}: input \\[2, 3\\] and target \\[3\\] must have one shape`),
			},
			...refusals,
		],
	};
}

const PROBABILITY = { low: 0.1, high: 0.9 };
const signs = (shape: readonly number[]): InputSpec => {
	const size = shape.reduce((a, b) => a * b, 1);
	return { shape, values: Array.from({ length: size }, (_, i) => (i % 3 === 0 ? -1 : 1)), gradient: false };
};

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
				message: /smoothL1Loss: beta -1 must be at least 0/,
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
				message: /huberLoss: delta 0 must be above 0/,
			},
		],
	}),
	pair({
		operation: w.poissonNllLoss,
		target: { low: 0.2, high: 4, avoid: [1] },
		options: [{ full: true }],
		more: [
			{ label: 'rates', inputs: [{ shape: [3, 5], low: 0.5, high: 3 }, { shape: [3, 5], low: 0, high: 4 }], options: { logInput: false } },
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
		{ label: 'variances without the last dim', inputs: [{ shape: [3, 5] }, { shape: [3, 5] }, { shape: [3], low: 0.3, high: 2 }] },
		{ label: 'variance below eps', inputs: [{ shape: [3] }, { shape: [3] }, { shape: [3], values: [0, 0.001, 0.5] }], options: { eps: 0.125 }, gradient: false },
	],
	gradient: 'yes',
	torch: ({ full = false, eps = 1e-6, reduction = 'mean' }) =>
		`F.gaussian_nll_loss(x[0], x[1], x[2], full=${py(full)}, eps=${py(eps)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'variance',
			call: (device) => w.gaussianNllLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.ones([3], { device })),
			message: /gaussianNllLoss: variance \[3\] fits input \[2, 3\] neither whole nor without its last dim/,
		},
	],
};

const probabilities: OpEntry[] = [
	pair({
		operation: w.binaryCrossEntropy,
		input: PROBABILITY,
		target: PROBABILITY,
		more: [
			{ label: 'edges', inputs: [{ shape: [4], values: [0, 1, 0, 1] }, { shape: [4], values: [0, 1, 1, 0] }], options: { reduction: 'none' }, gradient: false },
		],
		torch: () => 'F.binary_cross_entropy(x[0], x[1])',
	}),
	pair({
		operation: w.binaryCrossEntropyWithLogits,
		target: PROBABILITY,
		more: [
			{ label: 'extremes', inputs: [{ shape: [6], values: [100, -100, 1e4, -1e4, 0, 1e-6].map(Math.fround) }, { shape: [6], values: [1, 0, 0, 1, 1, 0] }], options: { reduction: 'none' }, gradient: false },
		],
		torch: () => 'F.binary_cross_entropy_with_logits(x[0], x[1])',
	}),
	pair({
		operation: w.klDiv as Loss,
		input: { low: -3, high: -0.1 },
		target: PROBABILITY,
		options: [{ logTarget: true }],
		more: [
			{ label: 'batchmean', inputs: [{ shape: [3, 5], low: -3, high: -0.1 }, { shape: [3, 5], ...PROBABILITY }], options: { reduction: 'batchmean' } },
			{ label: 'target 0', inputs: [{ shape: [2], values: [-1, -2] }, { shape: [2], values: [0, 1], gradient: false }] },
		],
		torch: ({ logTarget = false }) => `F.kl_div(x[0], x[1], log_target=${py(logTarget)})`,
	}),
	withSigns(w.hingeLoss, null),
	withSigns(w.hingeEmbeddingLoss, ({ margin = 1 }) => `F.hinge_embedding_loss(x[0], x[1], margin=${py(margin)})`),
];

/** Losses whose targets are 1 and -1. */
function withSigns(operation: Loss, torch: PairCase['torch']): OpEntry {
	const entry = pair({ operation, input: { avoid: [1, -1, 0.5, -0.5] }, torch });
	const samples = [{ label: 'mean', options: {} }, { label: 'sum', options: { reduction: 'sum' } }, { label: 'none', options: { reduction: 'none', margin: 0.5 } }];
	return {
		...entry,
		samples: samples.map(({ label, options }) => ({ label, inputs: [{ shape: [3, 5], avoid: [1, -1, 0.5, -0.5] }, signs([3, 5])], options })),
	};
}

/** Weighted forms take the weights as further inputs, so that the data of a sample stays in its inputs. */
function weighted(entry: OpEntry, call: OpEntry['call'], samples: readonly Sample[], torch: (options: Options) => string): OpEntry {
	return {
		...entry,
		call: (inputs, options) => (inputs.length > 2 ? call(inputs, options) : entry.call(inputs, options)),
		samples: [...entry.samples, ...samples],
		torch: (options) => `(${torch(options)} if len(x) > 2 else ${entry.torch!(options)})`,
	};
}

const WEIGHT: Partial<InputSpec> = { low: 0.2, high: 2, gradient: false };

/** Classes for a target, some of them `ignored`. */
function labels(shape: readonly number[], classes: number, ignored?: number): InputSpec {
	const size = shape.reduce((a, b) => a * b, 1);
	return { shape, dtype: 'int32', values: Array.from({ length: size }, (_, i) => (ignored !== undefined && i % 3 === 1 ? ignored : (i * 7 + 2) % classes)) };
}

const SHAPES: readonly (readonly [label: string, input: readonly number[], target: readonly number[], classes: number])[] = [
	['odd sizes', [3, 5], [3], 5],
	['one row', [7], [], 7],
	['positions', [2, 3, 2, 2], [2, 2, 2], 3],
	['one class', [3, 1], [3], 1],
];

function classSamples(options: readonly Options[]): Sample[] {
	return [
		...SHAPES.flatMap(([label, input, target, classes]) =>
			REDUCTIONS.map((reduction): Sample => ({ label: `${label}, ${reduction}`, inputs: [{ shape: input }, labels(target, classes)], options: { reduction } })),
		),
		...options.flatMap((given) => [
			{ label: JSON.stringify(given), inputs: [{ shape: [3, 5] }, labels([3], 5, 4)], options: given },
			{ label: `${JSON.stringify(given)}, positions, none`, inputs: [{ shape: [2, 5, 3] }, labels([2, 3], 5, 4)], options: { ...given, reduction: 'none' } },
			{ label: `${JSON.stringify(given)}, weights`, inputs: [{ shape: [3, 5] }, labels([3], 5, 4), { shape: [5], ...WEIGHT }], options: given },
			{ label: `${JSON.stringify(given)}, weights, positions`, inputs: [{ shape: [2, 5, 3] }, labels([2, 3], 5, 4), { shape: [5], ...WEIGHT }], options: { ...given, reduction: 'none' } },
			{ label: `${JSON.stringify(given)}, many classes`, inputs: [{ shape: [65, 300] }, labels([65], 300, 4), { shape: [300], ...WEIGHT }], options: given, gradient: false },
		]),
		{ label: 'transposed', inputs: [{ shape: [4, 3], layout: 'transposed' }, { ...labels([4], 3), layout: 'strided' }] },
		{ label: 'all ignored', inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int32', values: [-100, -100] }], gradient: false },
		{ label: 'all ignored, sum', inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int32', values: [-100, -100] }], options: { reduction: 'sum' } },
		{ label: 'many rows', inputs: [{ shape: [3000, 10] }, labels([3000], 10)], gradient: false },
		{ label: 'many positions', inputs: [{ shape: [2, 19, 33, 17] }, labels([2, 33, 17], 19)], gradient: false },
		{ label: 'empty', inputs: [{ shape: [0, 3] }, labels([0], 3)], options: { reduction: 'sum' } },
	];
}

function classRefusals(name: string, operation: (input: w.Tensor, target: w.Tensor, options?: { weight?: w.Tensor }) => w.Tensor): Refusal[] {
	return [
		...shared(name, operation as Loss, true),
		{
			label: 'target shape',
			call: (device) => operation(w.zeros([2, 3], { device }), w.tensor([0, 1, 2], { dtype: 'int32', device })),
			message: new RegExp(`${name}: target \\[3\\] does not fit input \\[2, 3\\]: it must be \\[2\\]`),
		},
		{
			label: 'weight',
			call: (device) => operation(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { weight: w.ones([2], { device }) }),
			message: new RegExp(`${name}: weight \\[2\\] must have one element for each class, \\[3\\]`),
		},
	];
}

const classes = (options: Options) =>
	`ignore_index=${py(options.ignoreIndex ?? -100)}, reduction=${py(options.reduction ?? 'mean')}, weight=x[2] if len(x) > 2 else None`;

const crossEntropy: OpEntry = {
	name: 'crossEntropy',
	family: 'loss',
	call: ([input, target, weight], options) => w.crossEntropy(input!, target!, { ...options, ...(weight && { weight }) }),
	samples: [
		...classSamples([{ ignoreIndex: 4 }, { ignoreIndex: 4, labelSmoothing: 0.1 }]),
		{ label: 'large logits', inputs: [{ shape: [2, 3], values: [1000, -1000, 0, 88, 89, 90] }, labels([2], 3)] },
		...[{}, { labelSmoothing: 0.2 }].flatMap((given): Sample[] => [
			{ label: `probabilities ${JSON.stringify(given)}`, inputs: [{ shape: [3, 4] }, { shape: [3, 4], low: 0, high: 1 }], options: given },
			{
				label: `probabilities ${JSON.stringify(given)}, positions, weights`,
				inputs: [{ shape: [2, 4, 3] }, { shape: [2, 4, 3], low: 0, high: 1 }, { shape: [4], ...WEIGHT }],
				options: { ...given, reduction: 'none' },
			},
		]),
	],
	gradient: 'yes',
	torch: (options) =>
		`F.cross_entropy(x[0], x[1].long() if x[1].dtype == torch.int32 else x[1], label_smoothing=${py(options.labelSmoothing ?? 0)}, ${classes(options)})`,
	refusals: [
		...classRefusals('crossEntropy', w.crossEntropy),
		{
			label: 'float classes',
			call: (device) => w.crossEntropy(w.zeros([2, 3], { device }), w.tensor([0, 1], { device })),
			message: /crossEntropy: probabilities \[2\] must have the shape of input \[2, 3\]. Classes must be int32/,
		},
		{
			label: 'smoothing',
			call: (device) => w.crossEntropy(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { labelSmoothing: 2 }),
			message: /crossEntropy: labelSmoothing 2 must be from 0 to 1/,
		},
	],
};

const nllLoss: OpEntry = {
	name: 'nllLoss',
	family: 'loss',
	call: ([input, target, weight], options) => w.nllLoss(input!, target!, { ...options, ...(weight && { weight }) }),
	samples: classSamples([{ ignoreIndex: 4 }]),
	gradient: 'yes',
	torch: (options) => `F.nll_loss(x[0], x[1].long(), ${classes(options)})`,
	refusals: [
		...classRefusals('nllLoss', w.nllLoss),
		{
			label: 'float classes',
			call: (device) => w.nllLoss(w.zeros([2, 3], { device }), w.tensor([0, 1], { device })),
			message: /nllLoss: target must hold classes as int32, not float32/,
		},
	],
};

const multiMarginLoss: OpEntry = {
	name: 'multiMarginLoss',
	family: 'loss',
	call: ([input, target, weight], options) => w.multiMarginLoss(input!, target!, { ...options, ...(weight && { weight }) }),
	samples: [
		...REDUCTIONS.map((reduction): Sample => ({ label: reduction, inputs: [{ shape: [3, 5], distinct: true }, labels([3], 5)], options: { reduction } })),
		{ label: 'p 2', inputs: [{ shape: [3, 5], distinct: true }, labels([3], 5)], options: { p: 2, margin: 1.5 } },
		{ label: 'weights', inputs: [{ shape: [3, 5], distinct: true }, labels([3], 5), { shape: [5], ...WEIGHT }] },
		{ label: 'one row', inputs: [{ shape: [5], distinct: true }, labels([], 5)] },
	],
	gradient: 'yes',
	torch: ({ p = 1, margin = 1, reduction = 'mean' }) =>
		`F.multi_margin_loss(x[0], x[1].long(), p=${py(p)}, margin=${py(margin)}, reduction=${py(reduction)}, weight=x[2] if len(x) > 2 else None)`,
	refusals: [
		...classRefusals('multiMarginLoss', w.multiMarginLoss),
		{
			label: 'p',
			call: (device) => w.multiMarginLoss(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { p: 3 as 2 }),
			message: /multiMarginLoss: p must be 1 or 2, not 3/,
		},
	],
};

const cosineEmbeddingLoss: OpEntry = {
	name: 'cosineEmbeddingLoss',
	family: 'loss',
	call: ([a, b, target], options) => w.cosineEmbeddingLoss(a!, b!, target!, options),
	samples: [
		...REDUCTIONS.map((reduction): Sample => ({ label: reduction, inputs: [{ shape: [4, 3] }, { shape: [4, 3] }, signs([4])], options: { reduction, margin: -0.5 } })),
		{ label: 'one pair', inputs: [{ shape: [5] }, { shape: [5] }, { shape: [], values: [1], gradient: false }] },
	],
	gradient: 'yes',
	torch: ({ margin = 0, reduction = 'mean' }) => `F.cosine_embedding_loss(x[0], x[1], x[2], margin=${py(margin)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'target',
			call: (device) => w.cosineEmbeddingLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.zeros([3], { device })),
			message: /cosineEmbeddingLoss: target \[3\] must be \[2\] for inputs \[2, 3\]/,
		},
		{
			label: 'shapes',
			call: (device) => w.cosineEmbeddingLoss(w.zeros([2, 3], { device }), w.zeros([3], { device }), w.zeros([2], { device })),
			message: /cosineEmbeddingLoss: inputs \[2, 3\], \[3\] must have one shape/,
		},
	],
};

const tripletMarginLoss: OpEntry = {
	name: 'tripletMarginLoss',
	family: 'loss',
	call: ([anchor, positive, negative], options) => w.tripletMarginLoss(anchor!, positive!, negative!, options),
	samples: [{ reduction: 'mean' }, { reduction: 'sum' }, { reduction: 'none' }, { swap: true, margin: 3 }, { p: 1, margin: 4 }, { p: 3 }].map(
		(options): Sample => ({ label: JSON.stringify(options), inputs: [{ shape: [4, 3] }, { shape: [4, 3], low: 2.1, high: 3 }, { shape: [4, 3], low: -4, high: -2.1 }], options: { margin: 9, ...options } }),
	),
	gradient: 'yes',
	torch: ({ margin = 1, p = 2, swap = false, reduction = 'mean' }) =>
		`F.triplet_margin_loss(x[0], x[1], x[2], margin=${py(margin)}, p=${py(p)}, swap=${py(swap)}, reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'shapes',
			call: (device) => w.tripletMarginLoss(w.zeros([2, 3], { device }), w.zeros([2, 3], { device }), w.zeros([3], { device })),
			message: /tripletMarginLoss: inputs \[2, 3\], \[2, 3\], \[3\] must have one shape/,
		},
	],
};

const [binaryCrossEntropy, withLogits, ...others] = probabilities;

export const loss: OpEntry[] = [
	...regression,
	gaussianNllLoss,
	weighted(
		binaryCrossEntropy!,
		([a, b, weight], options) => w.binaryCrossEntropy(a!, b!, { ...options, weight: weight! }),
		[{ label: 'weights', inputs: [{ shape: [3, 5], ...PROBABILITY }, { shape: [3, 5], ...PROBABILITY }, { shape: [5], ...WEIGHT }] }],
		({ reduction = 'mean' }) => `F.binary_cross_entropy(x[0], x[1], weight=x[2].expand_as(x[0]), reduction=${py(reduction)})`,
	),
	weighted(
		withLogits!,
		([a, b, weight, posWeight], options) => w.binaryCrossEntropyWithLogits(a!, b!, { ...options, weight: weight!, posWeight: posWeight ?? null }),
		[
			{ label: 'weights', inputs: [{ shape: [3, 5] }, { shape: [3, 5], ...PROBABILITY }, { shape: [3, 1], ...WEIGHT }] },
			{ label: 'weights of positives', inputs: [{ shape: [3, 5] }, { shape: [3, 5], ...PROBABILITY }, { shape: [3, 1], ...WEIGHT }, { shape: [5], ...WEIGHT }] },
		],
		({ reduction = 'mean' }) =>
			`F.binary_cross_entropy_with_logits(x[0], x[1], weight=x[2].expand_as(x[0]), pos_weight=x[3] if len(x) > 3 else None, reduction=${py(reduction)})`,
	),
	...others,
	crossEntropy,
	nllLoss,
	multiMarginLoss,
	cosineEmbeddingLoss,
	tripletMarginLoss,
];
