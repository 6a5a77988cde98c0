/** Softmax and log-softmax, with fused forward and backward kernels. */
import { isGradEnabled } from '../autograd/modes';
import { record } from '../autograd/tape';
import { requireFloating } from '../core/dtype';
import { normalizeDim } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { composed, widened } from './composed';
import { exp, mul, neg, sub } from './elementwise';
import { requireTensor } from './operands';
import { sum } from './reduce';

/**
 * exp(x) / sum(exp(x)) over `dim`, computed from x - max(x) so that it does not overflow. A line of only -inf gives NaN, as in
 * PyTorch. x is floating; the shape stays. As `torch.softmax`.
 */
export function softmax(x: Tensor, dim: number): Tensor {
	return softmaxOf('softmax', x, dim);
}

/** The logarithm of the softmax over `dim`, x - max - log(sum(exp(x - max))): exact where `log(softmax(x))` would be -inf. As `torch.log_softmax`. */
export function logSoftmax(x: Tensor, dim: number): Tensor {
	return softmaxOf('logSoftmax', x, dim);
}

/** softmax(-x) over `dim`. As `torch.nn.functional.softmin`. */
export function softmin(x: Tensor, dim: number): Tensor {
	requireTensor('softmin', x);
	requireFloating('softmin', x.dtype);
	return composed('softmin', () => softmax(neg(x), normalizeDim('softmin', dim, x.ndim)));
}

function softmaxOf(name: 'softmax' | 'logSoftmax', x: Tensor, dim: number): Tensor {
	requireTensor(name, x);
	requireFloating(name, x.dtype);
	const attributes = { dim: normalizeDim(name, dim, x.ndim), log: name === 'logSoftmax' };
	return record({
		name,
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, x.shape);
			x.backend.kernels.softmax({ x }, { y }, attributes);
			return y;
		},
		save: (y) => [y],
		vjp: softmaxBack(attributes),
	});
}

/** One launch where the walk is not recorded; else the same in differentiable operations. */
function softmaxBack(attributes: { readonly dim: number; readonly log: boolean }) {
	return (gradient: Tensor, [y]: readonly [Tensor]) => {
		const { dim, log } = attributes;
		if (!isGradEnabled()) {
			const dx = emptyOn(y, y.shape);
			y.backend.kernels.softmaxGrad({ y, gradient }, { dx }, attributes);
			return [dx];
		}
		const [g, output] = widened(gradient, y);
		if (log) return [sub(g, mul(exp(output), sum(g, dim, { keepdim: true })))];
		return [mul(output, sub(g, sum(mul(g, output), dim, { keepdim: true })))];
	};
}
