/** Functions of one number. */
import { requireInteger } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { runOperation } from '../../core/scope';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, div, mul, neg, sub } from './arithmetic';
import { unary, unaryWith } from './definitions';

/** The gradient of functions that are constant between jumps. */
const zero = (g: Tensor) => mul(g, 0);

/** |x|. The gradient at 0 is 0. */
export const abs = unary('abs', 'numbers', (g, x) => mul(g, sign(x)));

/** -1, 0 or 1, the sign of x. NaN stays NaN. The gradient is 0. */
export const sign = unary('sign', 'numbers', zero);

/** e^x. */
export const exp = unary('exp', 'promotes', (g, y) => mul(g, y));

/** e^x - 1, accurate near 0. */
export const expm1 = unary('expm1', 'promotes', (g, y) => mul(g, add(y, 1)));

/** 2^x. */
export const exp2 = unary('exp2', 'promotes', (g, y) => mul(g, mul(y, Math.LN2)));

/** The natural logarithm. */
export const log = unary('log', 'promotes', (g, x) => div(g, x));

/** log(1 + x), accurate near 0. */
export const log1p = unary('log1p', 'promotes', (g, x) => div(g, add(x, 1)));

/** The logarithm to base 2. */
export const log2 = unary('log2', 'promotes', (g, x) => div(g, mul(x, Math.LN2)));

/** The logarithm to base 10. */
export const log10 = unary('log10', 'promotes', (g, x) => div(g, mul(x, Math.LN10)));

/** The square root. NaN for negative numbers. */
export const sqrt = unary('sqrt', 'promotes', (g, y) => div(g, mul(y, 2)));

/** 1 / sqrt(x). */
export const rsqrt = unary('rsqrt', 'promotes', (g, y) => mul(mul(g, -0.5), mul(square(y), y)));

/** x * x. */
export const square = unary('square', 'numbers', (g, x) => mul(g, mul(x, 2)));

/** 1 / x. */
export const reciprocal = unary('reciprocal', 'promotes', (g, y) => mul(neg(g), square(y)));

/** The sine of x in radians. */
export const sin = unary('sin', 'promotes', (g, x): Tensor => mul(g, cos(x)));

/** The cosine of x in radians. */
export const cos = unary('cos', 'promotes', (g, x): Tensor => mul(g, neg(sin(x))));

/** The tangent of x in radians. */
export const tan = unary('tan', 'promotes', (g, y) => mul(g, add(square(y), 1)));

/** The inverse sine, from -pi / 2 to pi / 2. NaN outside of [-1, 1]. */
export const asin = unary('asin', 'promotes', (g, x) => mul(g, rsqrt(sub(1, square(x)))));

/** The inverse cosine, from 0 to pi. NaN outside of [-1, 1]. */
export const acos = unary('acos', 'promotes', (g, x) => mul(g, neg(rsqrt(sub(1, square(x))))));

/** The inverse tangent, from -pi / 2 to pi / 2. */
export const atan = unary('atan', 'promotes', (g, x) => div(g, add(square(x), 1)));

/** The hyperbolic sine. */
export const sinh = unary('sinh', 'promotes', (g, x): Tensor => mul(g, cosh(x)));

/** The hyperbolic cosine. */
export const cosh = unary('cosh', 'promotes', (g, x): Tensor => mul(g, sinh(x)));

/** The hyperbolic tangent. */
export const tanh = unary('tanh', 'promotes', (g, y) => mul(g, sub(1, square(y))));

/** The inverse hyperbolic sine. */
export const asinh = unary('asinh', 'promotes', (g, x) => mul(g, rsqrt(add(square(x), 1))));

/** The inverse hyperbolic cosine. NaN below 1. */
export const acosh = unary('acosh', 'promotes', (g, x) => mul(g, rsqrt(sub(square(x), 1))));

/** The inverse hyperbolic tangent. NaN outside of [-1, 1]. */
export const atanh = unary('atanh', 'promotes', (g, x) => div(g, sub(1, square(x))));

const gaussian = (x: Tensor) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));

/** The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf = unary('erf', 'promotes', (g, x) => mul(g, gaussian(x)));

/** 1 - erf(x), accurate for large x. */
export const erfc = unary('erfc', 'promotes', (g, x) => neg(mul(g, gaussian(x))));

/** The logarithm of |gamma(x)|. As `torch.lgamma`. */
export const lgamma = unary('lgamma', 'promotes', (g, x): Tensor => mul(g, digamma(x)));

/** The derivative of `lgamma`. NaN at negative whole numbers. As `torch.digamma`. */
export const digamma = unary('digamma', 'promotes', (g, x): Tensor => mul(g, polygamma(x, 1)));

/** Derivative n of `digamma`, for whole n >= 0: trigamma is `polygamma(x, 1)`. As `torch.polygamma`, with x first. */
export function polygamma(x: Tensor, n: number): Tensor {
	requireInteger('polygamma', 'n', n, 0);
	if (n === 0) return runOperation('polygamma', () => digamma(x));
	let factor = n % 2 === 0 ? -1 : 1;
	for (let k = 2; k <= n; k++) factor *= k;
	return derivativeOfDigamma(x, { p0: n, p1: factor });
}

const derivativeOfDigamma = unaryWith('polygamma', 'promotes', (g, x, n) => mul(g, polygamma(x, n + 1)));

/** The largest integer that is at most x. The gradient is 0. */
export const floor = unary('floor', 'numbers', zero);

/** The smallest integer that is at least x. The gradient is 0. */
export const ceil = unary('ceil', 'numbers', zero);

export interface RoundOptions {
	/** The number of decimal places of floating x to keep. Negative numbers round to tens, hundreds, ... Default 0. */
	readonly decimals?: number;
}

/** The nearest integer, or multiple of 10^-decimals. Ties go to the even one. The gradient is 0. As `torch.round`. */
export function round(x: Tensor, options: RoundOptions = {}): Tensor {
	const { decimals = 0 } = checkOptions('round', options, ['decimals']);
	if (decimals === 0) return toWhole(x);
	requireInteger('round', 'decimals', decimals);
	requireFloatingTensor('round', x);
	const power = 10 ** Math.abs(decimals);
	return inFloat32('round', [x], (wide) =>
		decimals > 0 ? div(toWhole(mul(wide, power)), power) : mul(toWhole(div(wide, power)), power),
	);
}

const toWhole = unary('round', 'numbers', zero);

/** x without its fraction. The gradient is 0. */
export const trunc = unary('trunc', 'numbers', zero);

/** x - trunc(x) of floating x, which has the sign of x. The gradient is 1. */
export const frac = unary('frac', 'floating', (g) => g);
