/** Running sums and products. The conventions are those of sums.ts, but `dim` is required and stays. */

import { defineOperation } from '../../autograd/operation';
import { lineKernels } from '../../backends/kernels';
import { type DType, isFloating } from '../../core/dtype';
import { checkOptions } from '../../core/options';
import { normalizeDim } from '../../core/shape';
import { emptyOn, type Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { composed, widened } from '../composed';
import { mul, to } from '../elementwise';
import { contiguous, narrow, pad } from '../layout';

export interface ScanOptions {
	/** Converts x to this dtype first. Default x's dtype. */
	readonly dtype?: DType;
}

/** y[j] = x[0] + ... + x[j] along `dim`. bool and integers give int32, which wraps around. As `torch.cumsum`. */
export function cumsum(x: Tensor, dim: number, options: ScanOptions = {}): Tensor {
	checkOptions('cumsum', options, ['dtype']);
	return cumulative('cumsum', x, dim, options);
}

/** y[j] = x[0] * ... * x[j] along `dim`. bool and integers give int32. Gradients of every order are exact, also if elements are 0. As `torch.cumprod`. */
export function cumprod(x: Tensor, dim: number, options: ScanOptions = {}): Tensor {
	checkOptions('cumprod', options, ['dtype']);
	return cumulative('cumprod', x, dim, options);
}

function cumulative(name: 'cumsum' | 'cumprod', x: Tensor, dim: number, { dtype }: ScanOptions): Tensor {
	requireTensor(name, x);
	if (dtype !== undefined && dtype !== x.dtype) return composed(name, () => cumulative(name, to(x, dtype), dim, {}));
	const along = normalizeDim(name, dim, x.ndim);
	return name === 'cumsum' ? runningSum(x, along, false) : cumprodOperation({ x }, { dim: along });
}

function scanned(x: Tensor, attributes: { op: 'sum' | 'prod' | 'linear'; dim: number; reverse: boolean }, a?: Tensor): Tensor {
	const y = emptyOn(x, x.shape, isFloating(x.dtype) ? x.dtype : 'int32');
	lineKernels(x.backend).scan({ x, ...(a && { a: contiguous(a) }) }, { y }, attributes);
	return y;
}

function runningSum(x: Tensor, dim: number, reverse: boolean): Tensor {
	return cumsumOperation({ x }, { dim, reverse });
}

const cumsumOperation = defineOperation({
	name: 'cumsum',
	inputs: ['x'],
	forward: ({ x }, attributes: { readonly dim: number; readonly reverse: boolean }) => scanned(x, { op: 'sum', ...attributes }),
	vjp: (gradient, _, { dim, reverse }) => ({ x: runningSum(gradient, dim, !reverse) }),
});

const cumprodOperation = defineOperation({
	name: 'cumprod',
	inputs: ['x'],
	forward: ({ x }, { dim }: { readonly dim: number }) => scanned(x, { op: 'prod', dim, reverse: false }),
	saves: ['x', 'output'],
	/**
	 * y[j] = x[j] y[j - 1]. So y[j] gets s[j] = gradient[j] + x[j + 1] s[j + 1], and x[j] gets s[j] y[j - 1]. That is a recurrence from the
	 * other end, without a division.
	 */
	vjp: (gradient, saved, { dim }) => {
		const [g, x, y] = widened(gradient, saved.x, saved.output);
		if (x.ndim === 0) return { x: g };
		return { x: mul(recurrence(shifted(x, dim, -1, 0), g, dim, true), shifted(y, dim, 1, 1)) };
	},
});

/** x moved along a dim by one position, with `value` in the free position. */
function shifted(x: Tensor, dim: number, by: 1 | -1, value: number): Tensor {
	const size = x.shape[dim]!;
	if (size === 0) return x;
	const sides = new Array<number>(2 * (x.ndim - dim)).fill(0);
	sides[2 * (x.ndim - 1 - dim) + (by === 1 ? 0 : 1)] = 1;
	return pad(narrow(x, dim, by === 1 ? 0 : 1, size - 1), sides, { value });
}

/** h[j] = a[j] h[j - 1] + b[j] along a dim, or reversed a[j] h[j + 1] + b[j], with h = 0 outside. Its gradient is a recurrence from the other end. */
function recurrence(a: Tensor, b: Tensor, dim: number, reverse: boolean): Tensor {
	return recurrenceOperation({ a, b }, { dim, reverse });
}

const recurrenceOperation = defineOperation({
	name: 'cumprod backward',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: { readonly dim: number; readonly reverse: boolean }) =>
		scanned(b, { op: 'linear', ...attributes }, a),
	saves: ['a', 'output'],
	vjp: (gradient, saved, { dim, reverse }) => {
		const [g, a, h] = widened(gradient, saved.a, saved.output);
		const slopes = recurrence(shifted(a, dim, reverse ? 1 : -1, 0), g, dim, !reverse);
		return { a: mul(slopes, shifted(h, dim, reverse ? -1 : 1, 0)), b: slopes };
	},
});
