/** Softmax, log-softmax and log-sum-exp, the derivative of which is the softmax. */

import { currentAutocast } from '../autograd/modes';
import { defineOperation } from '../autograd/operation';
import type { SoftmaxAttributes } from '../backends/contract/softmax';
import { softmaxKernels } from '../backends/kernels';
import { isFloating } from '../core/dtype';
import { checkOptions } from '../core/options';
import { normalizeDim } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireFloatingTensor, requireTensor } from '../tensorChecks';
import { composed, widened } from './composed';
import { exp, mul, neg, sub, to } from './elementwise';
import {
	type Dims,
	expandReduced,
	linesAlong,
	type ReduceOptions,
	type Reduction,
	reduced,
	reductionOf,
	sum,
} from './reduce/sums';

/**
 * exp(x) / sum(exp(x)) over `dim`, for floating x, in the shape of x. Subtracts max(x) first, so that it does not overflow. A line of only
 * -Infinity gives NaN, as in PyTorch. As `torch.softmax`.
 */
export function softmax(x: Tensor, dim: number): Tensor {
	return softmaxOf('softmax', x, dim);
}

/** x - max - log(sum(exp(x - max))) over `dim`, for floating x: accurate also where `log(softmax(x))` is -Infinity. As `torch.log_softmax`. */
export function logSoftmax(x: Tensor, dim: number): Tensor {
	return softmaxOf('logSoftmax', x, dim);
}

/** softmax(-x) over `dim`. As `torch.nn.functional.softmin`. */
export function softmin(x: Tensor, dim: number): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('softmin', [x], (inputs) => softmin(...inputs, dim));
	requireFloatingTensor('softmin', x);
	return composed('softmin', () => softmax(neg(x), normalizeDim('softmin', dim, x.ndim)));
}

function softmaxOf(name: 'softmax' | 'logSoftmax', x: Tensor, dim: number): Tensor {
	requireFloatingTensor(name, x);
	return softmaxOperation({ x }, { dim: normalizeDim(name, dim, x.ndim), log: name === 'logSoftmax' }, { name });
}

const softmaxOperation = defineOperation({
	name: 'softmax',
	inputs: ['x'],
	forward: ({ x }, attributes: SoftmaxAttributes) => {
		const y = emptyOn(x, x.shape);
		softmaxKernels(x.backend).softmax({ x }, { y }, attributes);
		return y;
	},
	saves: ['output'],
	vjp: (gradient, { output }, { dim, log }) => {
		const [g, y] = widened(gradient, output);
		if (log) return { x: sub(g, mul(exp(y), sum(g, dim, { keepdim: true }))) };
		return { x: mul(y, sub(g, sum(mul(g, y), dim, { keepdim: true }))) };
	},
	fusedVjp: (gradient, { output: y }, attributes) => {
		const dx = emptyOn(y, y.shape);
		softmaxKernels(y.backend).softmaxGrad({ y, gradient }, { dx }, attributes);
		return { x: dx };
	},
});

/**
 * log(sum(exp(x))) over `dim`, computed as max + log(sum(exp(x - max))), so that it neither overflows nor underflows. -Infinity if all
 * elements are. Integers give float32. As `torch.logsumexp`.
 */
export function logsumexp(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
	checkOptions('logsumexp', options, ['keepdim']);
	requireTensor('logsumexp', x);
	if (!isFloating(x.dtype)) return composed('logsumexp', () => logsumexp(to(x, 'float32'), dim, options));
	return logsumexpOperation({ x }, reductionOf('logsumexp', x, dim, options));
}

const logsumexpOperation = defineOperation({
	name: 'logsumexp',
	inputs: ['x'],
	forward: ({ x }, { dims, shape }: Reduction) => reduced(x, shape, x.dtype, { op: 'logsumexp', dims }),
	saves: ['x'],
	/** The softmax instead of exp(x - result), because with a large maximum the result has rounded digits of the logarithm away. */
	vjp: (gradient, saved, { dims }) => {
		const [g, x] = widened(gradient, saved.x);
		return { x: mul(softmaxOver(x, dims), expandReduced(g, x.shape, dims)) };
	},
});

/** The softmax over all elements along `dims` together. */
function softmaxOver(x: Tensor, dims: readonly number[]): Tensor {
	if (dims.length === 1) return softmax(x, dims[0]!);
	const { lines, arranged } = linesAlong(x, dims);
	return arranged(softmax(lines, -1));
}
