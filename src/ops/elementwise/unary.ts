/**
 * Functions of one number. Their derivatives are written twice: fused, in the kernel `unaryGrad`, for a backward walk that is not
 * itself recorded, and composed, here, of differentiable operations, for one that is.
 */
import { isGradEnabled } from '../../autograd/modes';
import { NO_GRADIENT, record } from '../../autograd/tape';
import type { Parameters, UnaryGradOp, UnaryOp } from '../../backends/contract/elementwise';
import { UNARY, type UnaryFunction } from '../../backends/contract/elementwiseFunctions';
import { isFloating, requireFloating } from '../../core/dtype';
import { ArgumentError, DTypeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { emptyOn, type Tensor } from '../../tensor';
import { inFloat32, widened } from '../composed';
import { converted, floatingType, requireTensor } from '../operands';
import { add, div, mul, sub } from './binary';

/** gradient g times the derivative, of differentiable operations; v is what the function saves. */
export type Composed = (g: Tensor, v: Tensor, p0: number, p1: number) => Tensor;

/** Which dtypes a function takes: floats; also int32, unchanged; or everything, whole numbers as float32. */
export type Accepts = 'floating' | 'numbers' | 'promotes';

/** y = op(x). `composed` is null for functions that are constant between jumps: their gradient is zero. */
export function unary(
	op: UnaryOp,
	x: Tensor,
	accepts: Accepts,
	composed: Composed | null,
	parameters: Parameters = {},
	name: string = op,
): Tensor {
	requireTensor(name, x);
	if (accepts === 'floating') requireFloating(name, x.dtype);
	if (accepts === 'numbers' && x.dtype === 'bool')
		throw new DTypeError(`${name}: is not defined on bool. Convert with .to('int32')`);
	const dtype = accepts === 'promotes' ? floatingType(x.dtype) : x.dtype;
	const { saves }: UnaryFunction = UNARY[op];
	return record({
		name,
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, x.shape, dtype);
			x.backend.kernels.unary({ x: converted(x, dtype) }, { y }, { op, ...parameters });
			return y;
		},
		save: (y) => (saves === 'x' ? [x] : saves === 'y' ? [y] : []),
		vjp: isFloating(dtype) ? unaryBack(op, composed, parameters) : NO_GRADIENT,
	});
}

function unaryBack(op: UnaryOp, composed: Composed | null, parameters: Parameters) {
	return (g: Tensor, [saved]: readonly Tensor[]) => {
		if (composed === null) return [mul(g, 0)];
		const { p0 = 0, p1 = 0 } = parameters;
		if (saved === undefined) return [composed(g, g, p0, p1)];
		if (isGradEnabled()) return [composed(...widened(g, saved), p0, p1)];
		const dx = emptyOn(g, g.shape, g.dtype);
		g.backend.kernels.unaryGrad({ saved, gradient: g }, { dx }, { op: op as UnaryGradOp, ...parameters });
		return [dx];
	};
}

/** -x. */
export function neg(x: Tensor): Tensor {
	return unary('neg', x, 'numbers', (g) => neg(g));
}

/** |x|; its gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
	return unary('abs', x, 'numbers', (g, v) => mul(g, sign(v)));
}

/** -1, 0 or 1 with the sign of x; NaN stays NaN. The gradient is 0. */
export function sign(x: Tensor): Tensor {
	return unary('sign', x, 'numbers', null);
}

/** e^x. */
export function exp(x: Tensor): Tensor {
	return unary('exp', x, 'promotes', (g, y) => mul(g, y));
}

/** e^x - 1, accurate near 0. */
export function expm1(x: Tensor): Tensor {
	return unary('expm1', x, 'promotes', (g, y) => mul(g, add(y, 1)));
}

/** 2^x. */
export function exp2(x: Tensor): Tensor {
	return unary('exp2', x, 'promotes', (g, y) => mul(g, mul(y, Math.LN2)));
}

/** The natural logarithm. */
export function log(x: Tensor): Tensor {
	return unary('log', x, 'promotes', (g, v) => div(g, v));
}

/** log(1 + x), accurate near 0. */
export function log1p(x: Tensor): Tensor {
	return unary('log1p', x, 'promotes', (g, v) => div(g, add(v, 1)));
}

/** The logarithm to base 2. */
export function log2(x: Tensor): Tensor {
	return unary('log2', x, 'promotes', (g, v) => div(g, mul(v, Math.LN2)));
}

/** The logarithm to base 10. */
export function log10(x: Tensor): Tensor {
	return unary('log10', x, 'promotes', (g, v) => div(g, mul(v, Math.LN10)));
}

/** The square root; NaN of negative numbers. */
export function sqrt(x: Tensor): Tensor {
	return unary('sqrt', x, 'promotes', (g, y) => div(g, mul(y, 2)));
}

/** 1 / sqrt(x). */
export function rsqrt(x: Tensor): Tensor {
	return unary('rsqrt', x, 'promotes', (g, y) => mul(mul(g, -0.5), mul(square(y), y)));
}

/** x * x. */
export function square(x: Tensor): Tensor {
	return unary('square', x, 'numbers', (g, v) => mul(g, mul(v, 2)));
}

/** 1 / x. */
export function reciprocal(x: Tensor): Tensor {
	return unary('reciprocal', x, 'promotes', (g, y) => mul(neg(g), square(y)));
}

/** The sine of x in radians. */
export function sin(x: Tensor): Tensor {
	return unary('sin', x, 'promotes', (g, v) => mul(g, cos(v)));
}

/** The cosine of x in radians. */
export function cos(x: Tensor): Tensor {
	return unary('cos', x, 'promotes', (g, v) => mul(g, neg(sin(v))));
}

/** The tangent of x in radians. */
export function tan(x: Tensor): Tensor {
	return unary('tan', x, 'promotes', (g, y) => mul(g, add(square(y), 1)));
}

/** The inverse sine, from -pi / 2 to pi / 2; NaN outside of [-1, 1]. */
export function asin(x: Tensor): Tensor {
	return unary('asin', x, 'promotes', (g, v) => mul(g, rsqrt(sub(1, square(v)))));
}

/** The inverse cosine, from 0 to pi; NaN outside of [-1, 1]. */
export function acos(x: Tensor): Tensor {
	return unary('acos', x, 'promotes', (g, v) => mul(g, neg(rsqrt(sub(1, square(v))))));
}

/** The inverse tangent, from -pi / 2 to pi / 2. */
export function atan(x: Tensor): Tensor {
	return unary('atan', x, 'promotes', (g, v) => div(g, add(square(v), 1)));
}

/** The hyperbolic sine. */
export function sinh(x: Tensor): Tensor {
	return unary('sinh', x, 'promotes', (g, v) => mul(g, cosh(v)));
}

/** The hyperbolic cosine. */
export function cosh(x: Tensor): Tensor {
	return unary('cosh', x, 'promotes', (g, v) => mul(g, sinh(v)));
}

/** The hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
	return unary('tanh', x, 'promotes', (g, y) => mul(g, sub(1, square(y))));
}

/** The inverse hyperbolic sine. */
export function asinh(x: Tensor): Tensor {
	return unary('asinh', x, 'promotes', (g, v) => mul(g, rsqrt(add(square(v), 1))));
}

/** The inverse hyperbolic cosine; NaN below 1. */
export function acosh(x: Tensor): Tensor {
	return unary('acosh', x, 'promotes', (g, v) => mul(g, rsqrt(sub(square(v), 1))));
}

/** The inverse hyperbolic tangent; NaN outside of [-1, 1]. */
export function atanh(x: Tensor): Tensor {
	return unary('atanh', x, 'promotes', (g, v) => div(g, sub(1, square(v))));
}

const gaussian = (x: Tensor) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));

/** The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export function erf(x: Tensor): Tensor {
	return unary('erf', x, 'promotes', (g, v) => mul(g, gaussian(v)));
}

/** 1 - erf(x), accurate for large x. */
export function erfc(x: Tensor): Tensor {
	return unary('erfc', x, 'promotes', (g, v) => neg(mul(g, gaussian(v))));
}

/** The largest whole number that is not above x. The gradient is 0. */
export function floor(x: Tensor): Tensor {
	return unary('floor', x, 'numbers', null);
}

/** The smallest whole number that is not below x. The gradient is 0. */
export function ceil(x: Tensor): Tensor {
	return unary('ceil', x, 'numbers', null);
}

export interface RoundOptions {
	/** Round floating x to so many decimal places; negative ones are places before the point. Default 0. */
	readonly decimals?: number;
}

/** The nearest whole number, or multiple of 10^-decimals; ties to the even one. The gradient is 0. As `torch.round`. */
export function round(x: Tensor, options: RoundOptions = {}): Tensor {
	const { decimals = 0 } = checkOptions('round', options, ['decimals']);
	if (decimals === 0) return unary('round', x, 'numbers', null);
	if (!Number.isInteger(decimals)) throw new ArgumentError(`round: decimals ${decimals} must be a whole number`);
	requireTensor('round', x);
	requireFloating('round', x.dtype);
	const power = 10 ** Math.abs(decimals);
	return inFloat32('round', [x], (wide) => {
		if (decimals > 0) return div(unary('round', mul(wide, power), 'numbers', null), power);
		return mul(unary('round', div(wide, power), 'numbers', null), power);
	});
}

/** x without its fraction. The gradient is 0. */
export function trunc(x: Tensor): Tensor {
	return unary('trunc', x, 'numbers', null);
}

/** The fraction, x - trunc(x), of floating x; it has the sign of x. The gradient is 1. */
export function frac(x: Tensor): Tensor {
	return unary('frac', x, 'floating', (g) => g);
}
