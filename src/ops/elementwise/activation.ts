/** Activation functions and clamping. As in PyTorch, they take floating tensors only, unless their description names other dtypes. */
import { currentAutocast } from '../../autograd/modes';
import { requireNonNegative, requireNumber, requireOneOf } from '../../core/checks';
import { promoteScalar } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions, type Leading, leadingOptions } from '../../core/options';
import { normalizeDim } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor, requireTensor } from '../../tensorChecks';
import { composed, inFloat32 } from '../composed';
import { chunk, reshape } from '../layout';
import { type Operand, storedAs } from '../operands';
import { add, div, mul, neg, sub } from './arithmetic';
import { to } from './cast';
import { ge, gt, isnan, le, logicalAnd, logicalOr, lt } from './compare';
import { unary, unaryWith } from './definitions';
import { where } from './ternary';
import { abs, erfc, exp, square, tanh } from './unary';

// Klambauer et al., "Self-normalizing neural networks", 2017.
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** 1 / (1 + e^-x). Integers and bool give float32. */
export const sigmoid = unary('sigmoid', 'promotes', (g, y) => mul(g, mul(y, sub(1, y))));

/** log(sigmoid(x)), without overflow. */
export const logSigmoid = unary('logSigmoid', 'floating', (g, x) => mul(g, sigmoid(neg(x))));

/** max(x, 0), for floats and integers. The gradient at 0 is 0. */
export const relu = unary('relu', 'numbers', (g, y) => where(le(y, 0), 0, g));

/** min(max(x, 0), 6), for floats and integers. The gradient at 0 and 6 is 0. */
export const relu6 = unary('relu6', 'numbers', (g, y) => where(logicalOr(le(y, 0), ge(y, 6)), 0, g));

/** x if x > 0, else negativeSlope * x. Default slope 0.01. */
export function leakyRelu(x: Tensor, options: { readonly negativeSlope?: number } = {}): Tensor {
	const { negativeSlope = 0.01 } = checkOptions('leakyRelu', options, ['negativeSlope']);
	requireNumber('leakyRelu', 'negativeSlope', negativeSlope);
	return leakyReluOf(x, { p0: negativeSlope });
}

const leakyReluOf = unaryWith('leakyRelu', 'floating', (g, x, slope) => where(gt(x, 0), g, mul(g, slope)));

/** x if x > 0, else alpha * (e^x - 1). Default alpha 1. */
export function elu(x: Tensor, options: { readonly alpha?: number } = {}): Tensor {
	const { alpha = 1 } = checkOptions('elu', options, ['alpha']);
	requireNumber('elu', 'alpha', alpha);
	return eluOf(x, { p0: alpha });
}

const eluOf = unaryWith('elu', 'floating', (g, x, alpha) => where(le(x, 0), mul(g, mul(expOfNegative(x), alpha)), g));

/** e^x for negative x, else 1, so that a branch that is not taken cannot overflow into the gradient. */
function expOfNegative(x: Tensor): Tensor {
	return exp(where(gt(x, 0), 0, x));
}

/** scale * (x if x > 0, else alpha * (e^x - 1)), with the constants of Klambauer et al. */
export const selu = unary('selu', 'floating', (g, x) =>
	mul(where(le(x, 0), mul(g, mul(expOfNegative(x), SELU_ALPHA)), g), SELU_SCALE),
);

/** x if x > 0, else alpha * (e^(x / alpha) - 1). Default alpha 1. */
export function celu(x: Tensor, options: { readonly alpha?: number } = {}): Tensor {
	const { alpha = 1 } = checkOptions('celu', options, ['alpha']);
	requireNumber('celu', 'alpha', alpha);
	if (alpha === 0) throw new ArgumentError('celu: alpha must not be 0');
	return celuOf(x, { p0: alpha });
}

const celuOf = unaryWith('celu', 'floating', (g, x, alpha) => where(le(x, 0), mul(g, exp(div(where(gt(x, 0), 0, x), alpha))), g));

export interface GeluOptions {
	/** 'none' computes the error function, 'tanh' Hendrycks and Gimpel's approximation. Default 'none'. */
	readonly approximate?: 'none' | 'tanh';
}

const APPROXIMATIONS = ['none', 'tanh'] as const;

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** x times the distribution function of the standard normal distribution at x. */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
	const { approximate = 'none' } = checkOptions('gelu', options, ['approximate']);
	if (approximate === 'none') return exactGelu(x);
	requireOneOf('gelu', 'approximate', approximate, APPROXIMATIONS);
	return geluByTanh(x, {});
}

const exactGelu = unary('gelu', 'floating', (g, x) => {
	const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
	return mul(g, add(mul(erfc(mul(x, -Math.SQRT1_2)), 0.5), mul(x, density)));
});

const geluByTanh = unaryWith(
	'geluTanh',
	'floating',
	(g, x) => {
		const s = sigmoid(mul(add(x, mul(mul(square(x), x), GELU_CUBIC)), 2 * GELU_SCALE));
		const inner = mul(add(mul(square(x), 3 * GELU_CUBIC), 1), 2 * GELU_SCALE);
		return mul(g, add(s, mul(mul(x, inner), mul(s, sub(1, s)))));
	},
	'gelu',
);

/** x * sigmoid(x). */
export const silu = unary('silu', 'floating', (g, x) => {
	const s = sigmoid(x);
	return mul(g, add(s, mul(x, mul(s, sub(1, s)))));
});

/** x * tanh(softplus(x)). */
export const mish = unary('mish', 'floating', (g, x) => {
	const t = tanh(softplus(x));
	return mul(g, add(t, mul(x, mul(sub(1, square(t)), sigmoid(x)))));
});

export interface SoftplusOptions {
	/** Sharpness. Default 1. */
	readonly beta?: number;
	/** If beta * x is above it, the result is x. Default 20. */
	readonly threshold?: number;
}

/** log(1 + e^(beta * x)) / beta. */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
	const { beta = 1, threshold = 20 } = checkOptions('softplus', options, ['beta', 'threshold']);
	requireNumber('softplus', 'beta', beta);
	requireNumber('softplus', 'threshold', threshold);
	if (beta === 0) throw new ArgumentError('softplus: beta must not be 0');
	return softplusOf(x, { p0: beta, p1: threshold });
}

const softplusOf = unaryWith('softplus', 'floating', (g, x, beta, threshold) => {
	const scaled = mul(x, beta);
	return where(gt(scaled, threshold), g, mul(g, sigmoid(scaled)));
});

/** x / (1 + |x|). Integers give float32. */
export const softsign = unary('softsign', 'promotes numbers', (g, x) => div(g, square(add(abs(x), 1))));

export interface HardtanhOptions {
	/** Default -1. */
	readonly minVal?: number;
	/** Default 1. */
	readonly maxVal?: number;
}

/** x limited to [minVal, maxVal], for floats and integers. The gradient at the limits is 0, unlike that of clamp. */
export function hardtanh(x: Tensor, options: HardtanhOptions = {}): Tensor {
	const { minVal = -1, maxVal = 1 } = checkOptions('hardtanh', options, ['minVal', 'maxVal']);
	requireTensor('hardtanh', x);
	requireNumber('hardtanh', 'minVal', minVal);
	requireNumber('hardtanh', 'maxVal', maxVal);
	if (minVal > maxVal) throw new ArgumentError(`hardtanh: minVal ${minVal} is above maxVal ${maxVal}`);
	return hardtanhOf(x, { p0: storedAs(x.dtype, minVal), p1: storedAs(x.dtype, maxVal) });
}

const hardtanhOf = unaryWith('hardtanh', 'numbers', (g, y, low, high) => where(logicalOr(le(y, low), ge(y, high)), 0, g));

/** min(max(x + 3, 0), 6) / 6. */
export const hardsigmoid = unary('hardsigmoid', 'floating', (g, x) => where(logicalAnd(gt(x, -3), lt(x, 3)), div(g, 6), 0));

/** x * hardsigmoid(x). */
export const hardswish = unary('hardswish', 'floating', (g, x) =>
	where(le(x, -3), 0, where(lt(x, 3), mul(g, add(div(x, 3), 0.5)), g)),
);

export interface ClampOptions {
	readonly min?: Operand | null;
	readonly max?: Operand | null;
}

/**
 * x limited to [min, max]. Either limit may be left out, and may be a number or a tensor that broadcasts. If min > max the result is max.
 * NaN stays NaN. The gradient passes at the limits. Integers with integer limits keep their dtype, else give float32. The limits come as
 * options or by position: `clamp(x, { max: 1 })`, `clamp(x, 0, 1)`. As `torch.clamp`.
 */
export function clamp(x: Tensor, ...limits: Leading<[min: Operand | null, max: Operand | null], ClampOptions>): Tensor {
	return clampOf('clamp', x, limits);
}

/** `clamp` under its other name. As `torch.clip`. */
export function clip(x: Tensor, ...limits: Leading<[min: Operand | null, max: Operand | null], ClampOptions>): Tensor {
	return clampOf('clip', x, limits);
}

function clampOf(name: string, x: Tensor, limits: readonly unknown[]): Tensor {
	const given = limits.length > 1 ? limits.map((limit) => limit ?? undefined) : limits;
	const options = leadingOptions<ClampOptions>(name, given, ['min', 'max']);
	const { min = null, max = null } = checkOptions(name, options, ['min', 'max']);
	requireTensor(name, x);
	if (min === null && max === null) throw new ArgumentError(`${name}: give min, max or both`);
	if ((min === null || typeof min === 'number') && (max === null || typeof max === 'number')) {
		const low = min ?? Number.NEGATIVE_INFINITY;
		const high = max ?? Number.POSITIVE_INFINITY;
		requireNumber(name, 'min', low);
		requireNumber(name, 'max', high);
		const bounds = [min, max].filter((bound) => bound !== null);
		// An integer limit beyond int32 limits nothing, so it does not make int32 floating.
		const dtype = bounds
			.filter((bound) => !Number.isInteger(bound))
			.reduce(promoteScalar, x.dtype === 'bool' ? 'int32' : x.dtype);
		return composed(name, () => limited(to(x, dtype), { p0: storedAs(dtype, low), p1: storedAs(dtype, high) }));
	}
	return composed(name, () => {
		const raised = min === null ? x : above(x, min);
		return max === null ? raised : below(raised, max);
	});
}

const limited = unaryWith('clamp', 'numbers', (g, x, low, high) => where(logicalAnd(ge(x, low), le(x, high)), g, 0));

/** The larger of x and a tensor `min`. Chooses x if they are equal, so that the gradient goes to x. NaN on either side wins. */
function above(x: Tensor, min: Operand): Tensor {
	return where(logicalOr(ge(x, min), isnan(x)), x, min);
}

function below(x: Tensor, max: Operand): Tensor {
	return where(logicalOr(le(x, max), isnan(x)), x, max);
}

/** x - tanh(x); x is floating. As `torch.nn.functional.tanhshrink`. */
export function tanhshrink(x: Tensor): Tensor {
	requireFloatingTensor('tanhshrink', x);
	return inFloat32('tanhshrink', [x], (wide) => sub(wide, tanh(wide)));
}

/** x - lambda if x > lambda, x + lambda if x < -lambda, else 0. NaN stays NaN. Default lambda 0.5. As `torch.nn.functional.softshrink`. */
export function softshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
	const { lambda = 0.5 } = checkOptions('softshrink', options, ['lambda']);
	requireFloatingTensor('softshrink', x);
	requireNonNegative('softshrink', 'lambda', lambda);
	return inFloat32('softshrink', [x], (wide) => sub(wide, clamp(wide, { min: -lambda, max: lambda })));
}

/** 0 if |x| <= lambda, else x. NaN stays NaN. Default lambda 0.5. As `torch.nn.functional.hardshrink`. */
export function hardshrink(x: Tensor, options: { readonly lambda?: number } = {}): Tensor {
	const { lambda = 0.5 } = checkOptions('hardshrink', options, ['lambda']);
	requireFloatingTensor('hardshrink', x);
	requireNumber('hardshrink', 'lambda', lambda);
	return composed('hardshrink', () => where(logicalAnd(ge(x, -lambda), le(x, lambda)), 0, x));
}

/** `value` if x <= threshold, else x, for floating x. NaN stays NaN. As `torch.nn.functional.threshold`. */
export function threshold(x: Tensor, limit: number, value: number): Tensor {
	requireFloatingTensor('threshold', x);
	requireNumber('threshold', 'threshold', limit);
	requireNumber('threshold', 'value', value);
	return composed('threshold', () => where(le(x, limit), value, x));
}

/**
 * x if x > 0, else weight * x. `weight` has one element for all of x, or one for each channel of x [N, C, ...]. As
 * `torch.nn.functional.prelu`.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('prelu', [x, weight], (inputs) => prelu(...inputs));
	requireFloatingTensor('prelu', x);
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

/** a * sigmoid(b), where a and b are the halves of floating x along `dim`, -1 by default. Dauphin et al. 2016. As `torch.nn.functional.glu`. */
export function glu(x: Tensor, dim = -1): Tensor {
	requireFloatingTensor('glu', x);
	const d = normalizeDim('glu', dim, x.ndim);
	if (x.ndim === 0 || x.shape[d]! % 2 !== 0)
		throw new ShapeError(`glu: dim ${dim} of x ${formatShape(x.shape)} must have an even size`);
	return inFloat32('glu', [x], (wide) => {
		const [a, b] = chunk(wide, 2, d) as [Tensor, Tensor];
		return mul(a, sigmoid(b));
	});
}
