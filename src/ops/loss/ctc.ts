/** Connectionist temporal classification: the likelihood of a label sequence, summed over its alignments. Graves et al. 2006. */

import { grad } from '../../autograd/backward';
import { currentAutocast } from '../../autograd/modes';
import { defineOperation } from '../../autograd/operation';
import { indexingKernels, lossKernels } from '../../backends/kernels';
import { requireDType } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { emptyOn, type Tensor } from '../../tensor';
import { requireRank, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { arange, full, tensor, zeros } from '../creation';
import { add, clamp, div, eq, ge, gt, logicalAnd, lt, mul, ne, neg, sub, to, where } from '../elementwise';
import { checkBounds, checkIndices, gathered } from '../indexing/gather';
import { cat, contiguous, expand, flatten, narrow, pad, reshape, select, stack, transpose, unsqueeze } from '../layout';
import { amax, mean, sum } from '../reduce';
import { logsumexp } from '../softmax';
import { type LossOptions, requireReduction } from './reduction';

export interface CtcOptions extends LossOptions {
	/** The class that stands for no label. Default 0. */
	readonly blank?: number;
	/** Whether sequences that are too long for their input give 0 instead of infinity, without a gradient. Default false. */
	readonly zeroInfinity?: boolean;
}

/** The lengths of a batch's sequences: numbers, or an int32 tensor [N]. */
export type Lengths = readonly number[] | Tensor;

/** Stands for the logarithm of 0. It is below every sum of logarithms, and finite, so that no difference is NaN. */
const IMPOSSIBLE = -1e30;

/**
 * -log of the probability that `logProbs` [T, N, C] (or [T, C]), the logarithms of class probabilities, spells `targets` after repetitions
 * and blanks are dropped.
 *
 * `targets` is int32: padded [N, S], or concatenated [sum of targetLengths], which needs lengths as numbers. The mean first divides each
 * loss by its target's length. Targets that are no class and lengths out of range throw: on WebGPU at the next read, `sync()` or `step()`.
 * As `torch.nn.functional.ctc_loss`. But the gradient is the plain derivative by logProbs, where PyTorch assumes a softmax before it;
 * through a softmax both are equal.
 */
export function ctcLoss(
	logProbs: Tensor,
	targets: Tensor,
	inputLengths: Lengths,
	targetLengths: Lengths,
	options: CtcOptions = {},
): Tensor {
	const {
		reduction = 'mean',
		blank = 0,
		zeroInfinity = false,
	} = checkOptions('ctcLoss', options, ['blank', 'zeroInfinity', 'reduction']);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('ctcLoss', [logProbs], ([logProbs]) => ctcLoss(logProbs, targets, inputLengths, targetLengths, options));
	}
	requireReduction('ctcLoss', reduction);
	requireTensor('ctcLoss', logProbs, 'logProbs');
	requireTensor('ctcLoss', targets, 'targets');
	requireDType('ctcLoss', logProbs.dtype, ['float32', 'float64'], 'logProbs');
	requireDType('ctcLoss', targets.dtype, ['int32'], 'targets');
	requireSameDevice('ctcLoss', logProbs, targets);
	requireRank('ctcLoss', 'logProbs', logProbs, '[T, N, C] or [T, C]', 2, 3);
	const classes = logProbs.shape.at(-1)!;
	if (logProbs.shape[0] === 0) throw new ShapeError(`ctcLoss: logProbs ${formatShape(logProbs.shape)} has no steps`);
	if (!Number.isInteger(blank) || blank < 0 || blank >= classes)
		throw new ArgumentError(`ctcLoss: blank ${blank} is none of the ${classes} classes`);
	return composed('ctcLoss', () => {
		const alone = logProbs.ndim === 2;
		const batch = alone ? unsqueeze(logProbs, 1) : logProbs;
		const [steps, count] = batch.shape as [number, number];
		const inputs = lengths('inputLengths', inputLengths, count, steps, logProbs);
		const labels = padded(targets, targetLengths, count);
		const sizes = lengths('targetLengths', targetLengths, count, labels.shape[1]!, logProbs);
		// Padding may hold anything, but the recursion reads it as a class.
		const position = arange(labels.shape[1]!, { dtype: 'int32', device: labels.device });
		const known = where(lt(position, unsqueeze(sizes, 1)), labels, blank);
		const check = checkIndices('ctcLoss', batch, known, classes, `the classes of ${formatShape(logProbs.shape)}`);
		if (check !== undefined) indexingKernels(batch.backend).checkIndices({ index: reshape(known, [-1]) }, {}, check);
		const likelihood = likelihoodOperation({ logProbs: batch, labels: known, inputs, targets: sizes }, { blank });
		const possible = gt(likelihood, IMPOSSIBLE / 10);
		const losses = where(possible, neg(likelihood), zeroInfinity ? 0 : Number.POSITIVE_INFINITY);
		if (reduction === 'sum') return sum(losses);
		if (reduction === 'mean') return mean(div(losses, clamp(to(sizes, losses.dtype), { min: 1 })));
		return alone ? select(losses, 0, 0) : losses;
	});
}

/** The log-likelihood of each sequence. `forwardPass` gives gradients that are differentiable again. */
const likelihoodOperation = defineOperation({
	name: 'ctcLoss',
	inputs: ['logProbs'],
	constants: ['labels', 'inputs', 'targets'],
	forward: ({ logProbs, labels, inputs, targets }, attributes: { readonly blank: number }) => {
		const [steps, count] = logProbs.shape as [number, number];
		const output = emptyOn(logProbs, [count]);
		const alpha = emptyOn(logProbs, [count, steps, 2 * labels.shape[1]! + 1, 2]);
		const sequences = { x: contiguous(logProbs), labels, inputs: contiguous(inputs), targets: contiguous(targets) };
		lossKernels(logProbs.backend).ctc(sequences, { likelihood: output, alpha }, attributes);
		return { output, alpha };
	},
	saves: ['logProbs', 'labels', 'inputs', 'targets', 'alpha'],
	vjp: (gradient, { logProbs, labels, inputs, targets, alpha }, { blank }) => {
		const again = forwardPass(logProbs, alpha, labels, inputs, targets, blank);
		return { logProbs: grad(again, [logProbs], { gradOutputs: gradient, createGraph: true })[0] };
	},
	fusedVjp: (gradient, { logProbs, labels, inputs, targets, alpha }, attributes) => {
		const dx = emptyOn(logProbs, logProbs.shape);
		const sequences = { x: contiguous(logProbs), labels, inputs: contiguous(inputs), targets: contiguous(targets) };
		lossKernels(logProbs.backend).ctcGrad({ ...sequences, alpha, gradient: contiguous(gradient) }, { dx }, attributes);
		return { logProbs: dx };
	},
});

/** Lengths as int32 [N] on the device of `like`, each from 0 to `most`. */
function lengths(argument: string, given: Lengths, count: number, most: number, like: Tensor): Tensor {
	if (!Array.isArray(given)) {
		requireTensor('ctcLoss', given, argument);
		requireDType('ctcLoss', given.dtype, ['int32'], argument);
		requireSameDevice('ctcLoss', like, given);
		const flat = given.ndim === 0 ? unsqueeze(given, 0) : given;
		requireShape('ctcLoss', argument, flat, [count], like, 'logProbs');
		checkBounds(flat, {
			operation: 'ctcLoss',
			least: 0,
			count: most + 1,
			noun: 'length',
			rule: `in ${argument} is out of range: lengths are 0 to ${most}`,
		});
		return flat;
	}
	if (given.length !== count || given.some((length) => !Number.isInteger(length) || length < 0 || length > most)) {
		throw new ArgumentError(
			`ctcLoss: ${argument} [${given.join(', ')}] must be ${count} whole numbers from 0 to ${most}, one for each sequence`,
		);
	}
	return tensor(Int32Array.from(given), { device: like.device });
}

/** The label sequences as [N, S]. */
function padded(targets: Tensor, targetLengths: Lengths, count: number): Tensor {
	if (targets.ndim === 2 && targets.shape[0] === count) return targets;
	if (targets.ndim !== 1)
		throw new ShapeError(`ctcLoss: targets must be [${count}, S], or [sum of targetLengths], not ${formatShape(targets.shape)}`);
	if (count === 1) return unsqueeze(targets, 0);
	if (!Array.isArray(targetLengths)) {
		throw new ArgumentError(
			'ctcLoss: targets one after another need targetLengths as an array of numbers; pass one, or pad the targets to [N, S]',
		);
	}
	const total = targetLengths.reduce((a: number, b: number) => a + b, 0);
	if (targetLengths.length !== count || total !== targets.shape[0]) {
		throw new ShapeError(
			`ctcLoss: targets ${formatShape(targets.shape)} do not hold ${count} sequences of lengths [${targetLengths.join(', ')}]`,
		);
	}
	const longest = Math.max(...targetLengths);
	let start = 0;
	const rows = targetLengths.map((length: number) => {
		start += length;
		return pad(narrow(targets, 0, start - length, length), [0, longest - length]);
	});
	return stack(rows);
}

/**
 * A value of 0 with the gradient of each sequence's log-likelihood, [N], in differentiable operations. The recursion runs over the labels
 * with blanks between them. Each position sums the alignments that end there: a step stays, advances by one, or skips the blank between
 * different labels. `alpha` [N, T, 2 S + 1, 2] holds the logarithms of these sums from the forward kernel, in two parts. Subtracting them
 * as constants changes no gradient, and keeps the values near 0, where float32 has most digits.
 */
function forwardPass(logProbs: Tensor, alpha: Tensor, labels: Tensor, inputs: Tensor, sizes: Tensor, blank: number): Tensor {
	const [steps, count] = logProbs.shape as [number, number];
	const { device, dtype } = logProbs;
	const width = 2 * labels.shape[1]! + 1;
	const blanks = full([count, labels.shape[1]!], blank, { dtype: 'int32', device });
	const extended = cat([flatten(stack([blanks, labels], 2), 1), full([count, 1], blank, { dtype: 'int32', device })], 1);
	const index = expand(unsqueeze(extended, 0), [steps, count, width]);
	const emitted = clamp(gathered('ctcLoss', logProbs, 2, index), { min: IMPOSSIBLE });

	const before = pad(extended, [2, 0], { value: blank });
	const skips = logicalAnd(ne(extended, blank), ne(extended, narrow(before, 1, 0, width)));
	const skipCost = where(skips, zeros([count, width], { dtype, device }), IMPOSSIBLE);
	const position = arange(width, { dtype: 'int32', device });

	const step = unsqueeze(arange(steps, { dtype: 'int32', device }), 1);
	const counts = unsqueeze(lt(step, inputs), 2);
	const [high, low] = [0, 1].map((part) => {
		const found = where(counts, transpose(select(alpha, 3, part), 0, 1), 0);
		return clamp(found, { min: IMPOSSIBLE });
	}) as [Tensor, Tensor];
	/** The share of each position from the position `back` before it, at all steps after the first. */
	const share = (back: number) => {
		const source = (found: Tensor, value: number) =>
			narrow(pad(narrow(found, 0, 0, steps - 1), [back, 0], { value }), 2, 0, width);
		const own = (found: Tensor) => narrow(found, 0, 1, steps - 1);
		return add(add(sub(source(high, IMPOSSIBLE), own(high)), own(emitted)), sub(source(low, 0), own(low)));
	};
	const shares = stack([share(0), share(1), add(share(2), skipCost)]);

	const first = sub(sub(select(emitted, 0, 0), select(high, 0, 0)), select(low, 0, 0));
	let rest = where(lt(position, 2), first, IMPOSSIBLE);
	for (let t = 1; t < steps; t++) {
		const behind = pad(rest, [2, 0], { value: IMPOSSIBLE });
		const ways = stack([2, 1, 0].map((start) => narrow(behind, 1, start, width)));
		const next = logsumexp(add(ways, select(shares, 1, t - 1)), 0);
		rest = where(select(counts, 0, t), next, rest);
	}
	// Alignments end at the last label or the blank after it. A sequence without labels has only the blank, and an empty input no gradient.
	const end = unsqueeze(mul(sizes, 2), 1);
	const atEnd = logicalAnd(ge(position, add(end, -1)), ge(end, position));
	const last = unsqueeze(eq(step, add(inputs, -1)), 2);
	const [highest, lowest] = [high, low].map((found) => sum(where(last, found, 0), 0)) as [Tensor, Tensor];
	const most = amax(where(atEnd, highest, IMPOSSIBLE), 1, { keepdim: true });
	const found = logsumexp(where(atEnd, add(add(sub(highest, most), lowest), rest), IMPOSSIBLE), 1);
	return where(gt(inputs, 0), found, 0);
}
