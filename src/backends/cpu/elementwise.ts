/** Elementwise kernels on the host: the reference for shaders/elementwise.wgsl.ts, in double precision. */
import { isInteger } from '../../core/dtype';
import { isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import type { BinaryOp, CompareOp, ElementwiseKernels, PredicateOp, TernaryOp, UnaryOp } from '../contract/elementwise';
import { erf, erfc, floorDivide, power, remainder, roundHalfEven } from './special';
import { cpuData, positions } from './storage';

const { abs, exp, expm1, log, log1p, sqrt } = Math;

// Selu's fixed point: Klambauer et al., "Self-normalizing neural networks", 2017.
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
const GELU_SCALE = sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)));
const softplus = (x: number) => Math.max(x, 0) + log1p(exp(-abs(x)));
/** min(max(x, low), high) where NaN stays NaN and high wins over low. */
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const geluInner = (x: number) => GELU_SCALE * (x + GELU_CUBIC * x * x * x);

type Unary = (x: number, p0: number, p1: number) => number;

const UNARY: Record<UnaryOp, Unary> = {
	neg: (x) => -x,
	abs,
	sign: Math.sign,
	exp,
	expm1,
	exp2: (x) => 2 ** x,
	log,
	log1p,
	log2: Math.log2,
	log10: Math.log10,
	sqrt,
	rsqrt: (x) => 1 / sqrt(x),
	square: (x) => x * x,
	reciprocal: (x) => 1 / x,
	sin: Math.sin,
	cos: Math.cos,
	tan: Math.tan,
	asin: Math.asin,
	acos: Math.acos,
	atan: Math.atan,
	sinh: Math.sinh,
	cosh: Math.cosh,
	tanh: Math.tanh,
	asinh: Math.asinh,
	acosh: Math.acosh,
	atanh: Math.atanh,
	erf,
	erfc,
	sigmoid,
	logSigmoid: (x) => -softplus(-x),
	relu: (x) => (x <= 0 ? 0 : x),
	relu6: (x) => clamp(x, 0, 6),
	leakyRelu: (x, slope) => (x > 0 ? x : slope * x),
	elu: (x, alpha) => (x > 0 ? x : alpha * expm1(x)),
	selu: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x)),
	celu: (x, alpha) => (x > 0 ? x : alpha * expm1(x / alpha)),
	// erfc keeps the digits that 1 + erf loses far on the left.
	gelu: (x) => 0.5 * x * erfc(-x * Math.SQRT1_2),
	geluTanh: (x) => x * sigmoid(2 * geluInner(x)),
	silu: (x) => x * sigmoid(x),
	mish: (x) => x * Math.tanh(softplus(x)),
	softplus: (x, beta, threshold) => (beta * x > threshold ? x : softplus(beta * x) / beta),
	softsign: (x) => x / (1 + abs(x)),
	hardtanh: clamp,
	hardsigmoid: (x) => clamp(x + 3, 0, 6) / 6,
	hardswish: (x) => (x * clamp(x + 3, 0, 6)) / 6,
	clamp,
	floor: Math.floor,
	ceil: Math.ceil,
	round: roundHalfEven,
	trunc: Math.trunc,
	frac: (x) => x - Math.trunc(x),
};

const never: Derivative = () => {
	throw new Error('unaryGrad: the derivative of this function is a constant');
};

/** gradient g times the derivative, which is written in v: input or output, as DERIVATIVE_IN says. */
type Derivative = (g: number, v: number, p0: number, p1: number) => number;

const DERIVATIVE: Record<UnaryOp, Derivative> = {
	neg: never,
	abs: (g, x) => g * Math.sign(x),
	sign: never,
	exp: (g, y) => g * y,
	expm1: (g, y) => g * (y + 1),
	exp2: (g, y) => g * y * Math.LN2,
	log: (g, x) => g / x,
	log1p: (g, x) => g / (1 + x),
	log2: (g, x) => g / (x * Math.LN2),
	log10: (g, x) => g / (x * Math.LN10),
	sqrt: (g, y) => g / (2 * y),
	rsqrt: (g, y) => -0.5 * g * y * y * y,
	square: (g, x) => 2 * g * x,
	reciprocal: (g, y) => -g * y * y,
	sin: (g, x) => g * Math.cos(x),
	cos: (g, x) => -g * Math.sin(x),
	tan: (g, y) => g * (1 + y * y),
	asin: (g, x) => g / sqrt(1 - x * x),
	acos: (g, x) => -g / sqrt(1 - x * x),
	atan: (g, x) => g / (1 + x * x),
	sinh: (g, x) => g * Math.cosh(x),
	cosh: (g, x) => g * Math.sinh(x),
	tanh: (g, y) => g * (1 - y * y),
	asinh: (g, x) => g / sqrt(x * x + 1),
	acosh: (g, x) => g / sqrt(x * x - 1),
	atanh: (g, x) => g / (1 - x * x),
	erf: (g, x) => ((g * 2) / sqrt(Math.PI)) * exp(-x * x),
	erfc: (g, x) => ((-g * 2) / sqrt(Math.PI)) * exp(-x * x),
	sigmoid: (g, y) => g * y * (1 - y),
	logSigmoid: (g, x) => g * sigmoid(-x),
	relu: (g, y) => (y <= 0 ? 0 : g),
	relu6: (g, y) => (y <= 0 || y >= 6 ? 0 : g),
	leakyRelu: (g, x, slope) => (x > 0 ? g : slope * g),
	elu: (g, x, alpha) => (x <= 0 ? g * alpha * exp(x) : g),
	selu: (g, x) => SELU_SCALE * (x <= 0 ? g * SELU_ALPHA * exp(x) : g),
	celu: (g, x, alpha) => (x <= 0 ? g * exp(x / alpha) : g),
	gelu: (g, x) => g * (0.5 * erfc(-x * Math.SQRT1_2) + (x * exp(-0.5 * x * x)) / sqrt(2 * Math.PI)),
	geluTanh: (g, x) => {
		const s = sigmoid(2 * geluInner(x));
		return g * (s + x * s * (1 - s) * 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x));
	},
	silu: (g, x) => {
		const s = sigmoid(x);
		return g * (s + x * s * (1 - s));
	},
	mish: (g, x) => {
		if (x > 40) return g;
		const t = Math.tanh(softplus(x));
		return g * (t + x * (1 - t * t) * sigmoid(x));
	},
	softplus: (g, x, beta, threshold) => (beta * x > threshold ? g : g * sigmoid(beta * x)),
	softsign: (g, x) => g / (1 + abs(x)) ** 2,
	hardtanh: (g, y, low, high) => (y <= low || y >= high ? 0 : g),
	hardsigmoid: (g, x) => (x > -3 && x < 3 ? g / 6 : 0),
	hardswish: (g, x) => (x <= -3 ? 0 : x < 3 ? g * (x / 3 + 0.5) : g),
	clamp: (g, x, low, high) => (x >= low && x <= high ? g : 0),
	floor: never,
	ceil: never,
	round: never,
	trunc: never,
	frac: never,
};

const PREDICATE: Record<PredicateOp, (x: number) => boolean> = {
	isnan: Number.isNaN,
	isinf: (x) => abs(x) === Number.POSITIVE_INFINITY,
	isfinite: Number.isFinite,
	logicalNot: (x) => x === 0,
};

type Binary = (a: number, b: number) => number;

const BINARY: Record<BinaryOp, Binary> = {
	add: (a, b) => a + b,
	sub: (a, b) => a - b,
	mul: (a, b) => a * b,
	div: (a, b) => a / b,
	floorDiv: floorDivide,
	truncDiv: (a, b) => Math.trunc(a / b),
	pow: power,
	maximum: (a, b) => Math.max(a, b),
	minimum: (a, b) => Math.min(a, b),
	fmod: (a, b) => a % b,
	remainder,
	atan2: Math.atan2,
	hypot: (a, b) => Math.hypot(a, b),
};

/** Repeated squaring; negative exponents leave what is whole of the quotient: 1, -1 or 0. */
function integerPower(base: number, exponent: number): number {
	if (exponent < 0) return base === 1 ? 1 : base === -1 ? (exponent % 2 === 0 ? 1 : -1) : 0;
	let result = 1;
	for (let square = base, rest = exponent; rest > 0; rest >>>= 1) {
		if (rest & 1) result = Math.imul(result, square);
		square = Math.imul(square, square);
	}
	return result;
}

/** What differs on whole numbers; they wrap around when they are stored. */
const INTEGER: Partial<Record<BinaryOp, Binary>> = {
	mul: Math.imul,
	pow: integerPower,
	floorDiv: (a, b) => (b === 0 ? a : Math.floor(a / b)),
	truncDiv: (a, b) => (b === 0 ? a : Math.trunc(a / b)),
	fmod: (a, b) => (b === 0 ? 0 : a % b),
	remainder: (a, b) => (b === 0 ? 0 : remainder(a, b)),
};

function binaryFunction(op: BinaryOp, y: View): Binary {
	return (isInteger(y.dtype) && INTEGER[op]) || BINARY[op];
}

const COMPARE: Record<CompareOp, (a: number, b: number) => boolean> = {
	eq: (a, b) => a === b,
	ne: (a, b) => a !== b,
	lt: (a, b) => a < b,
	le: (a, b) => a <= b,
	gt: (a, b) => a > b,
	ge: (a, b) => a >= b,
	logicalAnd: (a, b) => a !== 0 && b !== 0,
	logicalOr: (a, b) => a !== 0 || b !== 0,
	logicalXor: (a, b) => (a !== 0) !== (b !== 0),
};

/** From the nearer end, so that both ends are exact. */
const lerp = (a: number, b: number, weight: number) => (abs(weight) < 0.5 ? a + weight * (b - a) : b - (b - a) * (1 - weight));

const TERNARY: Record<TernaryOp, (a: number, b: number, c: number, p0: number) => number> = {
	lerp,
	addcmul: (a, b, c, value) => a + value * b * c,
	addcdiv: (a, b, c, value) => a + (value * b) / c,
};

/** y = compute(elements of the inputs at the same place), for one, two or three inputs. A bool y takes whether that is not 0. */
function mapInto(y: View, inputs: readonly View[], compute: (a: number, b: number, c: number) => number): void {
	const target = cpuData(y);
	const [a, b, c] = inputs.map(reader);
	const at = reader(y).at;
	const size = numel(y.shape);
	const bool = y.dtype === 'bool';
	for (let i = 0; i < size; i++) {
		const value = compute(
			a === undefined ? 0 : a.data[a.at === null ? a.offset + i : a.at[i]!]!,
			b === undefined ? 0 : b.data[b.at === null ? b.offset + i : b.at[i]!]!,
			c === undefined ? 0 : c.data[c.at === null ? c.offset + i : c.at[i]!]!,
		);
		target[at === null ? y.offset + i : at[i]!] = bool ? (value !== 0 ? 1 : 0) : value;
	}
}

/** A view's data, and the positions of its elements unless they are consecutive. */
function reader(view: View) {
	return { data: cpuData(view), offset: view.offset, at: isContiguous(view.shape, view.strides) ? null : positions(view) };
}

function toInteger(x: number): number {
	return Number.isNaN(x) ? 0 : clamp(Math.trunc(x), -(2 ** 31), 2 ** 31 - 1);
}

export const elementwise: ElementwiseKernels = {
	unary({ x }, { y }, { op, p0 = 0, p1 = 0 }) {
		// A square of int32 does not fit into a double.
		const f = op === 'square' && x.dtype === 'int32' ? (value: number) => Math.imul(value, value) : UNARY[op];
		mapInto(y, [x], (value) => f(value, p0, p1));
	},

	unaryGrad({ saved, gradient }, { dx }, { op, p0 = 0, p1 = 0 }) {
		const derivative = DERIVATIVE[op];
		mapInto(dx, [gradient, saved], (g, v) => derivative(g, v, p0, p1));
	},

	predicate({ x }, { y }, { op }) {
		const f = PREDICATE[op];
		mapInto(y, [x], (value) => Number(f(value)));
	},

	binary({ a, b }, { y }, { op }) {
		mapInto(y, [a, b], binaryFunction(op, y));
	},

	binaryScalar({ x }, { y }, { op, scalar, scalarFirst }) {
		const f = binaryFunction(op, y);
		mapInto(y, [x], scalarFirst ? (value) => f(scalar, value) : (value) => f(value, scalar));
	},

	binaryInPlace({ b }, { a }, { op }) {
		mapInto(a, [a, b], binaryFunction(op, a));
	},

	binaryScalarInPlace(_inputs, { x }, { op, scalar }) {
		const f = binaryFunction(op, x);
		mapInto(x, [x], (value) => f(value, scalar));
	},

	compare({ a, b }, { y }, { op }) {
		const f = COMPARE[op];
		mapInto(y, [a, b], (left, right) => Number(f(left, right)));
	},

	compareScalar({ x }, { y }, { op, scalar }) {
		const f = COMPARE[op];
		mapInto(y, [x], (value) => Number(f(value, scalar)));
	},

	combine({ a, b }, { y }, { op, factor }) {
		mapInto(y, [a, b], op === 'lerp' ? (left, right) => lerp(left, right, factor) : (left, right) => left + factor * right);
	},

	where({ condition, a, b }, { y }, { a: left = 0, b: right = 0 }) {
		if (a && b) mapInto(y, [condition, a, b], (test, x, z) => (test !== 0 ? x : z));
		else if (a) mapInto(y, [condition, a], (test, x) => (test !== 0 ? x : right));
		else if (b) mapInto(y, [condition, b], (test, z) => (test !== 0 ? left : z));
		else mapInto(y, [condition], (test) => (test !== 0 ? left : right));
	},

	ternary({ a, b, c }, { y }, { op, p0 = 1 }) {
		const f = TERNARY[op];
		mapInto(y, [a, b, c], (left, middle, right) => f(left, middle, right, p0));
	},

	cast({ x }, { y }) {
		mapInto(y, [x], isInteger(y.dtype) ? toInteger : (value) => value);
	},
};
