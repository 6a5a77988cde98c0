/** Activation functions that are composed of others: those that shrink towards zero, cut off, are learned, or gate. */
import { currentAutocast } from '../../autograd/modes';
import { requireNumber } from '../../core/checks';
import { requireFloating } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { normalizeDim } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { composed, inFloat32 } from '../composed';
import { chunk, reshape } from '../layout';
import { clamp, sigmoid } from './activation';
import { mul, sub } from './arithmetic';
import { ge, gt, le, logicalAnd } from './compare';
import { where } from './ternary';
import { tanh } from './unary';

function requireFloats(operation: string, x: Tensor): void {
	requireTensor(operation, x);
	requireFloating(operation, x.dtype);
}

/** x - tanh(x); x is floating. As `torch.nn.functional.tanhshrink`. */
export function tanhshrink(x: Tensor): Tensor {
	requireFloats('tanhshrink', x);
	return inFloat32('tanhshrink', [x], (wide) => sub(wide, tanh(wide)));
}

/** x - lambda where x > lambda, x + lambda where x < -lambda, else 0; NaN stays. Default lambda 0.5. As `torch.nn.functional.softshrink`. */
export function softshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
	const { lambda = 0.5 } = checkOptions('softshrink', options, ['lambda']);
	requireFloats('softshrink', x);
	if (!(lambda >= 0)) throw new ArgumentError(`softshrink: lambda ${lambda} must be at least 0`);
	return inFloat32('softshrink', [x], (wide) => sub(wide, clamp(wide, { min: -lambda, max: lambda })));
}

/** 0 where |x| <= lambda, else x; NaN stays. Default lambda 0.5. As `torch.nn.functional.hardshrink`. */
export function hardshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
	const { lambda = 0.5 } = checkOptions('hardshrink', options, ['lambda']);
	requireFloats('hardshrink', x);
	requireNumber('hardshrink', 'lambda', lambda);
	return composed('hardshrink', () => where(logicalAnd(ge(x, -lambda), le(x, lambda)), 0, x));
}

/** `value` where x <= threshold, else x; NaN stays. x is floating. As `torch.nn.functional.threshold`. */
export function threshold(x: Tensor, limit: number, value: number): Tensor {
	requireFloats('threshold', x);
	requireNumber('threshold', 'threshold', limit);
	requireNumber('threshold', 'value', value);
	return composed('threshold', () => where(le(x, limit), value, x));
}

/**
 * x where positive, weight x elsewhere. `weight` has one slope for all, or one for each channel of x [N, C, ...]. As
 * `torch.nn.functional.prelu`.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('prelu', [x, weight], (inputs) => prelu(...inputs));
	requireFloats('prelu', x);
	requireTensor('prelu', weight, 'weight');
	const channels = x.ndim > 1 ? x.shape[1]! : 1;
	if (weight.ndim > 1 || (weight.size !== 1 && weight.size !== channels)) {
		throw new ShapeError(
			`prelu: weight ${formatShape(weight.shape)} must have one slope, or one for each of the ${channels} channels of x ${formatShape(x.shape)}`,
		);
	}
	return composed('prelu', () => {
		const slope = weight.size === 1 ? reshape(weight, []) : reshape(weight, [channels, ...new Array<number>(x.ndim - 2).fill(1)]);
		return where(gt(x, 0), x, mul(slope, x));
	});
}

/** a sigmoid(b) for the two halves a, b of x along `dim`, -1 by default. Dauphin et al. 2016. As `torch.nn.functional.glu`. */
export function glu(x: Tensor, dim = -1): Tensor {
	requireFloats('glu', x);
	const d = normalizeDim('glu', dim, x.ndim);
	if (x.ndim === 0 || x.shape[d]! % 2 !== 0)
		throw new ShapeError(`glu: dim ${dim} of x ${formatShape(x.shape)} must have an even size`);
	return inFloat32('glu', [x], (wide) => {
		const [a, b] = chunk(wide, 2, d) as [Tensor, Tensor];
		return mul(a, sigmoid(b));
	});
}
