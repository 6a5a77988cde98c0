/** Losses of class scores. */
import * as w from 'wgrad';
import { type InputSpec, type OpEntry, type Options, outOfRange, type Refusal, type Sample } from '../database';
import { py } from '../python';
import { commonRefusals, type Loss, REDUCTIONS, WEIGHT } from './entry';

/** Classes as a target, some of them `ignored`. */
function labels(shape: readonly number[], classes: number, ignored?: number): InputSpec {
	const size = shape.reduce((a, b) => a * b, 1);
	return {
		shape,
		dtype: 'int32',
		values: Array.from({ length: size }, (_, i) => (ignored !== undefined && i % 3 === 1 ? ignored : (i * 7 + 2) % classes)),
	};
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
			REDUCTIONS.map(
				(reduction): Sample => ({
					label: `${label}, ${reduction}`,
					inputs: [{ shape: input }, labels(target, classes)],
					options: { reduction },
				}),
			),
		),
		...options.flatMap((given) => [
			{ label: JSON.stringify(given), inputs: [{ shape: [3, 5] }, labels([3], 5, 4)], options: given },
			{
				label: `${JSON.stringify(given)}, positions, none`,
				inputs: [{ shape: [2, 5, 3] }, labels([2, 3], 5, 4)],
				options: { ...given, reduction: 'none' },
			},
			{
				label: `${JSON.stringify(given)}, weights`,
				inputs: [{ shape: [3, 5] }, labels([3], 5, 4), { shape: [5], ...WEIGHT }],
				options: given,
			},
			{
				label: `${JSON.stringify(given)}, weights, positions`,
				inputs: [{ shape: [2, 5, 3] }, labels([2, 3], 5, 4), { shape: [5], ...WEIGHT }],
				options: { ...given, reduction: 'none' },
			},
			{
				label: `${JSON.stringify(given)}, many classes`,
				inputs: [{ shape: [65, 300] }, labels([65], 300, 4), { shape: [300], ...WEIGHT }],
				options: given,
				gradient: false,
			},
		]),
		{
			label: 'transposed',
			inputs: [
				{ shape: [4, 3], layout: 'transposed' },
				{ ...labels([4], 3), layout: 'strided' },
			],
		},
		{ label: 'all ignored', inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int32', values: [-100, -100] }], gradient: false },
		{
			label: 'all ignored, sum',
			inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int32', values: [-100, -100] }],
			options: { reduction: 'sum' },
		},
		{ label: 'many rows', inputs: [{ shape: [3000, 10] }, labels([3000], 10)], gradient: false },
		{ label: 'many positions', inputs: [{ shape: [2, 19, 33, 17] }, labels([2, 33, 17], 19)], gradient: false },
		{ label: 'empty', inputs: [{ shape: [0, 3] }, labels([0], 3)], options: { reduction: 'sum' } },
	];
}

type ClassLoss = (
	input: w.Tensor,
	target: w.Tensor,
	options?: { weight?: w.Tensor; ignoreIndex?: number; reduction?: 'none' | 'sum' | 'mean' },
) => w.Tensor;

/** Targets out of range, for each variant of the kernels. */
function noClass(name: string, operation: ClassLoss): Refusal[] {
	const scores = ({ device }: w.Tensor, ...shape: number[]) => w.zeros(shape, { device });
	const refused = (target: number, classes: number) =>
		new RegExp(`^${name}: target ${target} is no class: they are 0 to ${classes - 1}`);
	return [
		outOfRange([0, 3], (t) => operation(scores(t, 2, 3), t), refused(3, 3)),
		outOfRange([-1, 2], (t) => operation(scores(t, 2, 3), t, { reduction: 'sum' }), refused(-1, 3)),
		outOfRange([5], (t) => operation(scores(t, 3), t.reshape([]), { reduction: 'none' }), refused(5, 3)),
	];
}

/** As `noClass`, for losses with ignored targets and several positions. */
function noClassOfMany(name: string, operation: ClassLoss): Refusal[] {
	const rows = (t: w.Tensor, classes: number) => w.zeros([t.size, classes], { device: t.device });
	const long = Array.from({ length: 2000 }, (_, i) => (i === 1999 ? 300 : i % 3 === 0 ? -100 : i % 10));
	const weight = ({ device }: w.Tensor) => w.ones([300], { device });
	const ignored = { ignoreIndex: -1 };
	return [
		outOfRange(
			[-1, 0, -2],
			(t) => operation(rows(t, 3), t, ignored),
			new RegExp(`^${name}: target -2 is no class: they are 0 to 2, or ignoreIndex -1`),
		),
		outOfRange(
			[0, 1, 9, 2],
			(t) => operation(w.zeros([2, 3, 2], { device: t.device }), t.reshape([2, 2])),
			new RegExp(`^${name}: target 9 is no class: they are 0 to 2, or ignoreIndex -100`),
		),
		...(['none', 'sum', 'mean'] as const).map((reduction) => ({
			...outOfRange(
				long,
				(t) => operation(rows(t, 300), t, { weight: weight(t), reduction }),
				new RegExp(`^${name}: target 300 is no class: they are 0 to 299`),
			),
			label: `out of range: one of many, ${reduction}`,
		})),
	];
}

function classRefusals(name: string, operation: ClassLoss): Refusal[] {
	return [
		...commonRefusals(name, operation as Loss, true),
		...noClass(name, operation),
		{
			label: 'target shape',
			call: (device) => operation(w.zeros([2, 3], { device }), w.tensor([0, 1, 2], { dtype: 'int32', device })),
			message: new RegExp(`${name}: target \\[3\\] must have shape \\[2\\] for input \\[2, 3\\]`),
		},
		{
			label: 'weight',
			call: (device) =>
				operation(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { weight: w.ones([2], { device }) }),
			message: new RegExp(`${name}: weight \\[2\\] must have shape \\[3\\] for input \\[2, 3\\]`),
		},
	];
}

function learnedWeight(
	name: string,
	operation: (input: w.Tensor, target: w.Tensor, options: { weight: w.Tensor }) => w.Tensor,
): Refusal {
	return {
		label: 'weight that requires a gradient',
		call: (device) => {
			const weight = w.ones([3], { device }).requiresGrad_();
			return operation(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { weight });
		},
		message: new RegExp(`${name}: with classes as targets it gives weight no gradient; pass weight.detach\\(\\)`),
	};
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
			{
				label: `probabilities ${JSON.stringify(given)}`,
				inputs: [{ shape: [3, 4] }, { shape: [3, 4], low: 0, high: 1 }],
				options: given,
			},
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
		learnedWeight('crossEntropy', w.crossEntropy),
		...noClassOfMany('crossEntropy', w.crossEntropy),
		outOfRange(
			[0, 3],
			(t) => w.crossEntropy(w.zeros([2, 3], { device: t.device }), t, { labelSmoothing: 0.1 }),
			/^crossEntropy: target 3 is no class/,
		),
		{
			label: 'float classes',
			call: (device) => w.crossEntropy(w.zeros([2, 3], { device }), w.tensor([0, 1], { device })),
			message: /crossEntropy: probabilities \[2\] must have the shape of input \[2, 3\]. Classes must be int32/,
		},
		{
			label: 'smoothing',
			call: (device) =>
				w.crossEntropy(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { labelSmoothing: 2 }),
			message: /crossEntropy: labelSmoothing must lie in \[0, 1\], not 2/,
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
		learnedWeight('nllLoss', w.nllLoss),
		...noClassOfMany('nllLoss', w.nllLoss),
		{
			label: 'float classes',
			call: (device) => w.nllLoss(w.zeros([2, 3], { device }), w.tensor([0, 1], { device })),
			message: /nllLoss: target has dtype float32; it takes int32\. Convert with \.to\('int32'\)/,
		},
	],
};

const multiMarginLoss: OpEntry = {
	name: 'multiMarginLoss',
	family: 'loss',
	call: ([input, target, weight], options) => w.multiMarginLoss(input!, target!, { ...options, ...(weight && { weight }) }),
	samples: [
		...REDUCTIONS.map(
			(reduction): Sample => ({
				label: reduction,
				inputs: [{ shape: [3, 5], distinct: true }, labels([3], 5)],
				options: { reduction },
			}),
		),
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
			call: (device) =>
				w.multiMarginLoss(w.zeros([2, 3], { device }), w.tensor([0, 1], { dtype: 'int32', device }), { p: 3 as 2 }),
			message: /multiMarginLoss: p must be 1 or 2, not 3/,
		},
	],
};

export const classLosses: OpEntry[] = [crossEntropy, nllLoss, multiMarginLoss];
