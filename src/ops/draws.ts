/** Random choices by given weights. They take the next keys of the default generator, like the functions of random.ts. */
import { requireInteger, requirePositive } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { normalizeDim } from '../core/shape';
import type { Tensor } from '../tensor';
import { requireFloatingTensor, requireRank } from '../tensorChecks';
import { composed, inFloat32, widened } from './composed';
import { add, clamp, div, ge, gt, isfinite, log, log1p, logicalAnd, mul, neg, sub, to, where } from './elementwise';
import { oneHot, searchsorted, topk } from './indexing';
import { checkBounds } from './indexing/gather';
import { contiguous, detach, expand, movedim, narrow, reshape } from './layout';
import { randLike } from './random';
import { all, argmax, cumsum, sum } from './reduce';
import { softmax } from './softmax';

export interface MultinomialOptions {
	/** Whether one position may be drawn several times. Default false. */
	readonly replacement?: boolean;
}

/**
 * Draws `numSamples` positions (int32) from each row of `weights`, [C] or [N, C], with probabilities proportional to the weights. Negative,
 * infinite and NaN weights throw: on WebGPU at the next read, `sync()` or `step()`. Has no gradient. As `torch.multinomial`.
 */
export function multinomial(weights: Tensor, numSamples: number, options: MultinomialOptions = {}): Tensor {
	const { replacement = false } = checkOptions('multinomial', options, ['replacement']);
	requireFloatingTensor('multinomial', weights, 'weights');
	requireRank('multinomial', 'weights', weights, '[C] or [N, C]', 1, 2);
	requireInteger('multinomial', 'numSamples', numSamples, 1);
	const choices = weights.shape.at(-1)!;
	if (choices === 0) throw new ShapeError(`multinomial: weights ${formatShape(weights.shape)} leave nothing to choose from`);
	if (!replacement && numSamples > choices)
		throw new ArgumentError(
			`multinomial: ${numSamples} samples of ${choices} without replacement. Pass { replacement: true }, or draw fewer`,
		);
	return composed('multinomial', () => {
		const given = detach(weights);
		const [wide] = widened(given);
		checkWeights(wide, replacement ? 1 : numSamples);
		if (!replacement) return contiguous(topk(div(wide, exponential(wide)), numSamples).indices);
		const sums = cumsum(wide, -1);
		const uniform = randLike(expand(narrow(sums, -1, 0, 1), [...sums.shape.slice(0, -1), numSamples]));
		// A product of the total with a number below 1 stays below the total, so the position is never beyond the last positive weight.
		return searchsorted(sums, mul(uniform, narrow(sums, -1, choices - 1, 1)), { right: true });
	});
}

/** Throws unless each row has only finite weights of at least 0, and at least `least` above 0. */
function checkWeights(weights: Tensor, least: number): void {
	if (weights.size === 0) return;
	const sound = all(logicalAnd(isfinite(weights), ge(weights, 0)), -1);
	const positive = sum(to(gt(weights, 0), 'int32'), -1);
	checkBounds(reshape(where(sound, positive, -1), [-1]), {
		operation: 'multinomial',
		least,
		count: weights.shape.at(-1)! + 1 - least,
		noun: 'number of positive weights',
		rule: `is below ${least}, or it is -1 because a weight is negative, infinite or NaN`,
	});
}

/** Draws from the exponential distribution, never 0. */
function exponential(like: Tensor): Tensor {
	return clamp(neg(log1p(neg(randLike(like)))), { min: 1e-10 });
}

export interface GumbelSoftmaxOptions {
	/** The temperature: the smaller, the closer to one-hot. Default 1. */
	readonly tau?: number;
	/** Whether to return one-hot vectors; their gradient is that of the soft ones. Default false. */
	readonly hard?: boolean;
	/** Default -1. */
	readonly dim?: number;
}

/**
 * Draws from the Gumbel-softmax distribution of the unnormalised log probabilities `logits`: a differentiable relaxation of a one-hot choice.
 * Jang et al. and Maddison et al. 2016. As `torch.nn.functional.gumbel_softmax`.
 */
export function gumbelSoftmax(logits: Tensor, options: GumbelSoftmaxOptions = {}): Tensor {
	const { tau = 1, hard = false, dim = -1 } = checkOptions('gumbelSoftmax', options, ['tau', 'hard', 'dim']);
	requireFloatingTensor('gumbelSoftmax', logits, 'logits');
	requirePositive('gumbelSoftmax', 'tau', tau);
	const at = normalizeDim('gumbelSoftmax', dim, logits.ndim);
	return inFloat32('gumbelSoftmax', [logits], (wide) => {
		const gumbel = neg(log(exponential(detach(wide))));
		const soft = softmax(div(add(wide, gumbel), tau), at);
		if (!hard || logits.ndim === 0) return soft;
		const chosen = to(movedim(oneHot(argmax(soft, at), soft.shape[at]!), -1, at), soft.dtype);
		// The value of the one-hot vector, exactly, with the gradient of the soft one.
		return add(chosen, sub(soft, detach(soft)));
	});
}
