/** Connectionist temporal classification. Its input comes from a softmax, so that PyTorch's gradient and the derivative agree. */
import * as w from 'wgrad';
import { type InputSpec, type OpEntry, type Options, outOfRange, type Sample } from '../database';
import { py } from '../python';

function labels(shape: readonly number[], values: readonly number[]): InputSpec {
	return { shape, values, dtype: 'int32' };
}

function sample(label: string, logits: readonly number[], targets: InputSpec, options: Options, gradient = true): Sample {
	return { label, inputs: [{ shape: logits }, targets], options, gradient };
}

export const ctcLoss: OpEntry = {
	name: 'ctcLoss',
	family: 'loss',
	call: ([logits, targets], { inputs, targets: sizes, ...options }) =>
		w.ctcLoss(w.logSoftmax(logits!, -1), targets!, inputs as number[], sizes as number[], options),
	gradient: 'yes',
	samples: [
		sample('mean', [5, 2, 4], labels([2, 2], [1, 2, 3, 1]), { inputs: [5, 4], targets: [2, 1] }),
		sample('sum', [5, 2, 3], labels([2, 2], [1, 2, 2, 1]), { inputs: [5, 5], targets: [2, 2], reduction: 'sum' }),
		sample('none, repeated labels', [6, 2, 3], labels([2, 3], [1, 1, 2, 2, 2, 0]), {
			inputs: [6, 5],
			targets: [3, 2],
			reduction: 'none',
		}),
		sample('another blank', [4, 1, 3], labels([1, 2], [0, 1]), { inputs: [4], targets: [2], blank: 2 }),
		sample('one after another', [4, 3, 3], labels([4], [1, 2, 1, 2]), { inputs: [4, 4, 3], targets: [2, 1, 1] }),
		sample('no labels', [3, 2, 3], labels([2, 1], [1, 1]), { inputs: [3, 2], targets: [0, 1], reduction: 'none' }),
		sample('one step', [1, 1, 3], labels([1, 1], [2]), { inputs: [1], targets: [1] }),
		sample(
			'too long',
			[2, 2, 3],
			labels([2, 3], [1, 2, 1, 1, 2, 2]),
			{ inputs: [2, 2], targets: [3, 1], reduction: 'none' },
			false,
		),
		sample('too long, as zero', [3, 2, 3], labels([2, 3], [1, 1, 1, 1, 2, 2]), {
			inputs: [3, 3],
			targets: [3, 2],
			zeroInfinity: true,
		}),
		sample(
			'large',
			[33, 3, 7],
			labels([3, 5], [1, 2, 3, 4, 5, 6, 6, 1, 2, 0, 3, 3, 3, 0, 0]),
			{
				inputs: [33, 30, 17],
				targets: [5, 4, 3],
			},
			false,
		),
	],
	tolerance: { relative: 2e-5, absolute: 1e-5, reason: 'a chain of log-sum-exps as long as the input, of values around 10' },
	torch: ({ inputs, targets, reduction = 'mean', blank = 0, zeroInfinity = false }) =>
		`F.ctc_loss(F.log_softmax(x[0], -1), x[1], ${py(inputs)}, ${py(targets)}, blank=${py(blank)}, reduction=${py(reduction)}, zero_infinity=${py(zeroInfinity)})`,
	refusals: [
		{
			label: 'blank',
			call: (device) =>
				w.ctcLoss(w.zeros([2, 1, 3], { device }), w.zeros([1, 1], { device, dtype: 'int32' }), [2], [1], { blank: 3 }),
			message: /ctcLoss: blank 3 is none of the 3 classes/,
		},
		{
			label: 'input length',
			call: (device) => w.ctcLoss(w.zeros([2, 1, 3], { device }), w.zeros([1, 1], { device, dtype: 'int32' }), [3], [1]),
			message: /ctcLoss: inputLengths \[3\] must be 1 whole numbers from 0 to 2/,
		},
		{
			label: 'targets',
			call: (device) => w.ctcLoss(w.zeros([2, 2, 3], { device }), w.zeros([3], { device, dtype: 'int32' }), [2, 2], [1, 1]),
			message: /ctcLoss: targets \[3\] do not hold 2 sequences of lengths \[1, 1\]/,
		},
		{
			label: 'floating targets',
			call: (device) => w.ctcLoss(w.zeros([2, 1, 3], { device }), w.zeros([1, 1], { device }), [2], [1]),
			message: /ctcLoss: targets has dtype float32/,
		},
		outOfRange(
			[1, 3],
			(t) => w.ctcLoss(w.zeros([2, 2, 3], { device: t.device }), t.unsqueeze(1), [2, 2], [1, 1]),
			/^ctcLoss: index 3 is out of range for the classes of \[2, 2, 3\] of size 3/,
		),
		outOfRange(
			[2, 3],
			(lengths) => {
				const { device } = lengths;
				return w.ctcLoss(w.zeros([2, 2, 3], { device }), w.ones([2, 1], { device, dtype: 'int32' }), lengths, [1, 1]);
			},
			/^ctcLoss: length 3 in inputLengths is out of range: lengths are 0 to 2/,
		),
		outOfRange(
			[-1, 1],
			(lengths) => {
				const { device } = lengths;
				return w.ctcLoss(w.zeros([2, 2, 3], { device }), w.ones([2, 1], { device, dtype: 'int32' }), [2, 2], lengths);
			},
			/^ctcLoss: length -1 in targetLengths is out of range: lengths are 0 to 1/,
		),
	],
};
