/** Losses of samples with several classes. */
import * as w from 'wgrad';
import { type InputSpec, type OpEntry, outOfRange, type Sample } from '../database';
import { py } from '../python';
import { commonRefusals, REDUCTIONS, WEIGHT } from './entry';

const truths = (shape: readonly number[]): InputSpec => ({ shape, low: 0, high: 1, gradient: false });

const multiLabelSoftMarginLoss: OpEntry = {
	name: 'multiLabelSoftMarginLoss',
	family: 'loss',
	call: ([input, target, weight], options) =>
		w.multiLabelSoftMarginLoss(input!, target!, { ...options, ...(weight && { weight }) }),
	samples: [
		...REDUCTIONS.map(
			(reduction): Sample => ({ label: reduction, inputs: [{ shape: [3, 5] }, truths([3, 5])], options: { reduction } }),
		),
		{ label: 'weights', inputs: [{ shape: [3, 5] }, truths([3, 5]), { shape: [5], ...WEIGHT }] },
		{ label: 'one row', inputs: [{ shape: [5] }, truths([5])] },
		{
			label: 'extremes',
			inputs: [
				{ shape: [2, 2], values: [-900, 900, 90, -90] },
				{ shape: [2, 2], values: [1, 0, 1, 0], gradient: false },
			],
		},
	],
	gradient: 'yes',
	torch: ({ reduction = 'mean' }) =>
		`F.multilabel_soft_margin_loss(x[0], x[1], weight=x[2] if len(x) > 2 else None, reduction=${py(reduction)})`,
	refusals: commonRefusals('multiLabelSoftMarginLoss', w.multiLabelSoftMarginLoss, false),
};

/** Ends, repetitions, and values after the end. */
const LISTS: InputSpec = { shape: [4, 4], dtype: 'int32', values: [3, 0, -1, 1, 2, 2, 1, -1, -1, 0, 1, 2, 0, 1, 2, 3] };

const multiLabelMarginLoss: OpEntry = {
	name: 'multiLabelMarginLoss',
	family: 'loss',
	call: ([input, target], options) => w.multiLabelMarginLoss(input!, target!, options),
	samples: [
		...REDUCTIONS.map(
			(reduction): Sample => ({ label: reduction, inputs: [{ shape: [4, 4], distinct: true }, LISTS], options: { reduction } }),
		),
		{
			label: 'one row',
			inputs: [
				{ shape: [3], distinct: true },
				{ shape: [3], dtype: 'int32', values: [1, -1, 0] },
			],
		},
	],
	gradient: 'yes',
	torch: ({ reduction = 'mean' }) => `F.multilabel_margin_loss(x[0], x[1].long(), reduction=${py(reduction)})`,
	refusals: [
		{
			label: 'shapes',
			call: (device) => w.multiLabelMarginLoss(w.zeros([2, 3], { device }), w.zeros([2], { dtype: 'int32', device })),
			message: /multiLabelMarginLoss: input and target must both be \[C\] or \[N, C\], not \[2, 3\] and \[2\]/,
		},
		{
			label: 'float classes',
			call: (device) => w.multiLabelMarginLoss(w.zeros([3], { device }), w.zeros([3], { device })),
			message: /multiLabelMarginLoss: target has dtype float32; it takes int32\. Convert with \.to\('int32'\)/,
		},
		outOfRange(
			[2, 3, -1],
			(t) => w.multiLabelMarginLoss(w.zeros([3], { device: t.device }), t),
			/^multiLabelMarginLoss: index 3 is out of range for the classes of \[3\] of size 3/,
		),
	],
};

export const labelLosses: OpEntry[] = [multiLabelSoftMarginLoss, multiLabelMarginLoss];
