/**
 * The functions of elementwise operations in double precision, by PyTorch's names and definitions. The CPU runs these
 * functions. The WGSL of shaders/elementwiseFunctions.wgsl.ts is written independently, and tests compare the two.
 */
import { digamma, lgamma, zeta } from './gamma';
import { erf, erfc, floorDivide, power, remainder, roundHalfEven } from './special';

const { abs, exp, expm1, log, log1p, sqrt } = Math;

// Selu's fixed point: Klambauer et al., "Self-normalizing neural networks", 2017.
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
const GELU_SCALE = sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)));
const softplus = (x: number) => Math.max(x, 0) + log1p(exp(-abs(x)));
/** min(max(x, low), high): NaN stays NaN, and high wins if low > high. */
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const geluInner = (x: number) => GELU_SCALE * (x + GELU_CUBIC * x * x * x);

interface Unary {
	/** Takes x and the numbers of `Parameters`. */
	readonly value: (x: number, p0: number, p1: number) => number;
	/** Replaces `value` for integer x, if float64 arithmetic is not exact there. */
	readonly integer?: Unary['value'];
}

/** A function that is linear or piecewise constant needs no gradient kernel. */
interface WithoutGradient extends Unary {
	readonly saves?: undefined;
	readonly gradient?: undefined;
}

interface WithGradient extends Unary {
	/** Whether the derivative is a function of the input x or of the output y; the forward pass saves that tensor. */
	readonly saves: 'x' | 'y';
	/** The gradient g of the output times the derivative at `saved`. */
	readonly gradient: (g: number, saved: number, p0: number, p1: number) => number;
}

export type UnaryFunction = WithoutGradient | WithGradient;

export const UNARY = {
	neg: { value: (x) => -x },
	abs: { value: abs, saves: 'x', gradient: (g, x) => g * Math.sign(x) },
	sign: { value: Math.sign },
	exp: { value: exp, saves: 'y', gradient: (g, y) => g * y },
	expm1: { value: expm1, saves: 'y', gradient: (g, y) => g * (y + 1) },
	exp2: { value: (x) => 2 ** x, saves: 'y', gradient: (g, y) => g * y * Math.LN2 },
	log: { value: log, saves: 'x', gradient: (g, x) => g / x },
	log1p: { value: log1p, saves: 'x', gradient: (g, x) => g / (1 + x) },
	log2: { value: Math.log2, saves: 'x', gradient: (g, x) => g / (x * Math.LN2) },
	log10: { value: Math.log10, saves: 'x', gradient: (g, x) => g / (x * Math.LN10) },
	sqrt: { value: sqrt, saves: 'y', gradient: (g, y) => g / (2 * y) },
	rsqrt: { value: (x) => 1 / sqrt(x), saves: 'y', gradient: (g, y) => -0.5 * g * y * y * y },
	square: { value: (x) => x * x, integer: (x) => Math.imul(x, x), saves: 'x', gradient: (g, x) => 2 * g * x },
	reciprocal: { value: (x) => 1 / x, saves: 'y', gradient: (g, y) => -g * y * y },
	sin: { value: Math.sin, saves: 'x', gradient: (g, x) => g * Math.cos(x) },
	cos: { value: Math.cos, saves: 'x', gradient: (g, x) => -g * Math.sin(x) },
	tan: { value: Math.tan, saves: 'y', gradient: (g, y) => g * (1 + y * y) },
	asin: { value: Math.asin, saves: 'x', gradient: (g, x) => g / sqrt(1 - x * x) },
	acos: { value: Math.acos, saves: 'x', gradient: (g, x) => -g / sqrt(1 - x * x) },
	atan: { value: Math.atan, saves: 'x', gradient: (g, x) => g / (1 + x * x) },
	sinh: { value: Math.sinh, saves: 'x', gradient: (g, x) => g * Math.cosh(x) },
	cosh: { value: Math.cosh, saves: 'x', gradient: (g, x) => g * Math.sinh(x) },
	tanh: { value: Math.tanh, saves: 'y', gradient: (g, y) => g * (1 - y * y) },
	asinh: { value: Math.asinh, saves: 'x', gradient: (g, x) => g / sqrt(x * x + 1) },
	acosh: { value: Math.acosh, saves: 'x', gradient: (g, x) => g / sqrt(x * x - 1) },
	atanh: { value: Math.atanh, saves: 'x', gradient: (g, x) => g / (1 - x * x) },
	erf: { value: erf, saves: 'x', gradient: (g, x) => ((g * 2) / sqrt(Math.PI)) * exp(-x * x) },
	erfc: { value: erfc, saves: 'x', gradient: (g, x) => ((-g * 2) / sqrt(Math.PI)) * exp(-x * x) },
	lgamma: { value: lgamma, saves: 'x', gradient: (g, x) => g * digamma(x) },
	digamma: { value: digamma, saves: 'x', gradient: (g, x) => g * zeta(2, x) },
	polygamma: {
		value: (x, n, factor) => factor * zeta(n + 1, x),
		saves: 'x',
		gradient: (g, x, n, factor) => g * -factor * (n + 1) * zeta(n + 2, x),
	},
	sigmoid: { value: sigmoid, saves: 'y', gradient: (g, y) => g * y * (1 - y) },
	logSigmoid: { value: (x) => -softplus(-x), saves: 'x', gradient: (g, x) => g * sigmoid(-x) },
	relu: { value: (x) => (x <= 0 ? 0 : x), saves: 'y', gradient: (g, y) => (y <= 0 ? 0 : g) },
	relu6: { value: (x) => clamp(x, 0, 6), saves: 'y', gradient: (g, y) => (y <= 0 || y >= 6 ? 0 : g) },
	leakyRelu: { value: (x, slope) => (x > 0 ? x : slope * x), saves: 'x', gradient: (g, x, slope) => (x > 0 ? g : slope * g) },
	elu: {
		value: (x, alpha) => (x > 0 ? x : alpha * expm1(x)),
		saves: 'x',
		gradient: (g, x, alpha) => (x <= 0 ? g * alpha * exp(x) : g),
	},
	selu: {
		value: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x)),
		saves: 'x',
		gradient: (g, x) => SELU_SCALE * (x <= 0 ? g * SELU_ALPHA * exp(x) : g),
	},
	celu: {
		value: (x, alpha) => (x > 0 ? x : alpha * expm1(x / alpha)),
		saves: 'x',
		gradient: (g, x, alpha) => (x <= 0 ? g * exp(x / alpha) : g),
	},
	// erfc keeps the digits that 1 + erf loses far on the left.
	gelu: {
		value: (x) => 0.5 * x * erfc(-x * Math.SQRT1_2),
		saves: 'x',
		gradient: (g, x) => g * (0.5 * erfc(-x * Math.SQRT1_2) + (x * exp(-0.5 * x * x)) / sqrt(2 * Math.PI)),
	},
	geluTanh: {
		value: (x) => x * sigmoid(2 * geluInner(x)),
		saves: 'x',
		gradient: (g, x) => {
			const s = sigmoid(2 * geluInner(x));
			return g * (s + x * s * (1 - s) * 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x));
		},
	},
	silu: {
		value: (x) => x * sigmoid(x),
		saves: 'x',
		gradient: (g, x) => {
			const s = sigmoid(x);
			return g * (s + x * s * (1 - s));
		},
	},
	mish: {
		value: (x) => x * Math.tanh(softplus(x)),
		saves: 'x',
		gradient: (g, x) => {
			if (x > 40) return g;
			const t = Math.tanh(softplus(x));
			return g * (t + x * (1 - t * t) * sigmoid(x));
		},
	},
	softplus: {
		value: (x, beta, threshold) => (beta * x > threshold ? x : softplus(beta * x) / beta),
		saves: 'x',
		gradient: (g, x, beta, threshold) => (beta * x > threshold ? g : g * sigmoid(beta * x)),
	},
	softsign: { value: (x) => x / (1 + abs(x)), saves: 'x', gradient: (g, x) => g / (1 + abs(x)) ** 2 },
	hardtanh: { value: clamp, saves: 'y', gradient: (g, y, low, high) => (y <= low || y >= high ? 0 : g) },
	hardsigmoid: { value: (x) => clamp(x + 3, 0, 6) / 6, saves: 'x', gradient: (g, x) => (x > -3 && x < 3 ? g / 6 : 0) },
	hardswish: {
		value: (x) => (x * clamp(x + 3, 0, 6)) / 6,
		saves: 'x',
		gradient: (g, x) => (x <= -3 ? 0 : x < 3 ? g * (x / 3 + 0.5) : g),
	},
	clamp: { value: clamp, saves: 'x', gradient: (g, x, low, high) => (x >= low && x <= high ? g : 0) },
	floor: { value: Math.floor },
	ceil: { value: Math.ceil },
	round: { value: roundHalfEven },
	trunc: { value: Math.trunc },
	frac: { value: (x) => x - Math.trunc(x) },
} satisfies Record<string, UnaryFunction>;

/** Repeated squaring. A negative exponent truncates the quotient to 1, -1 or 0. */
function integerPower(base: number, exponent: number): number {
	if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 === 0 ? 1 : -1) : 0;
	let result = 1;
	for (let square = base, rest = exponent; rest > 0; rest >>>= 1) {
		if (rest & 1) result = Math.imul(result, square);
		square = Math.imul(square, square);
	}
	return result;
}

export interface BinaryFunction {
	readonly value: (a: number, b: number) => number;
	/** Replaces `value` for integers; the result wraps around when it is stored. */
	readonly integer?: BinaryFunction['value'];
}

export const BINARY = {
	add: { value: (a, b) => a + b },
	sub: { value: (a, b) => a - b },
	mul: { value: (a, b) => a * b, integer: Math.imul },
	div: { value: (a, b) => a / b },
	floorDiv: { value: floorDivide, integer: (a, b) => (b === 0 ? a : Math.floor(a / b)) },
	truncDiv: { value: (a, b) => Math.trunc(a / b), integer: (a, b) => (b === 0 ? a : Math.trunc(a / b)) },
	pow: { value: power, integer: integerPower },
	maximum: { value: (a, b) => Math.max(a, b) },
	minimum: { value: (a, b) => Math.min(a, b) },
	fmod: { value: (a, b) => a % b, integer: (a, b) => (b === 0 ? 0 : a % b) },
	remainder: { value: remainder, integer: (a, b) => (b === 0 ? 0 : remainder(a, b)) },
	atan2: { value: Math.atan2 },
	hypot: { value: (a, b) => Math.hypot(a, b) },
	logaddexp: { value: (a, b) => (a === b ? a + Math.LN2 : Math.max(a, b) + log1p(exp(-abs(a - b)))) },
	logaddexp2: { value: (a, b) => (a === b ? a + 1 : Math.max(a, b) + log1p(2 ** -abs(a - b)) / Math.LN2) },
	bitwiseAnd: { value: (a, b) => a & b },
	bitwiseOr: { value: (a, b) => a | b },
	bitwiseXor: { value: (a, b) => a ^ b },
	bitwiseLeftShift: { value: (a, b) => (b < 0 || b > 31 ? 0 : a << b) },
	bitwiseRightShift: { value: (a, b) => a >> (b < 0 || b > 31 ? 31 : b) },
} satisfies Record<string, BinaryFunction>;

/** Functions from a number to a bool. */
export const PREDICATE = {
	isnan: Number.isNaN,
	isinf: (x) => abs(x) === Number.POSITIVE_INFINITY,
	isposinf: (x) => x === Number.POSITIVE_INFINITY,
	isneginf: (x) => x === Number.NEGATIVE_INFINITY,
	isfinite: Number.isFinite,
	logicalNot: (x) => x === 0,
} satisfies Record<string, (x: number) => boolean>;

/** NaN compares as IEEE 754 says. */
export const COMPARE = {
	eq: (a, b) => a === b,
	ne: (a, b) => a !== b,
	lt: (a, b) => a < b,
	le: (a, b) => a <= b,
	gt: (a, b) => a > b,
	ge: (a, b) => a >= b,
	logicalAnd: (a, b) => a !== 0 && b !== 0,
	logicalOr: (a, b) => a !== 0 || b !== 0,
	logicalXor: (a, b) => (a !== 0) !== (b !== 0),
} satisfies Record<string, (a: number, b: number) => boolean>;

/** Starts at the nearer end, so that both ends are exact. */
const lerp = (a: number, b: number, weight: number) => (abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1 - weight));

/** Functions of two numbers and a factor. */
export const COMBINE = {
	addScaled: (a, b, factor) => a + factor * b,
	lerp,
} satisfies Record<string, (a: number, b: number, factor: number) => number>;

/** Functions of three numbers; p0 is the option `value`. */
export const TERNARY = {
	lerp,
	addcmul: (a, b, c, p0) => a + p0 * b * c,
	addcdiv: (a, b, c, p0) => a + (p0 * b) / c,
} satisfies Record<string, (a: number, b: number, c: number, p0: number) => number>;
