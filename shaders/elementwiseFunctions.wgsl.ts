/**
 * The functions of elementwise kernels, as WGSL expressions over vec4: of x for unary functions, of a and b for binary ones, of
 * a, b and c for ternary ones. `s` and `t` are the uniform parameters p0 and p1. Functions come from math.wgsl.ts.
 */

/** A unary function. Expressions that the contract's operation does not need are missing. */
export interface UnaryRow {
	/** For floating x. */
	readonly value: string;
	/** The gradient g of the output times the derivative. x is what the forward pass saved: its input or its output. */
	readonly gradient?: string;
	/** For int32 x. */
	readonly integer?: string;
	/** WGSL functions that only `value` and `gradient` call. */
	readonly functions?: string;
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2), which loses no digits for very negative x.
const MISH = `
fn mishGate(x: vec4<f32>) -> vec4<f32> {
	let e = exponential(min(x, vec4(20.0)));
	let n = e * (e + 2.0);
	return select(n / (n + 2.0), x, isNan(x));
}
fn mishSlope(x: vec4<f32>) -> vec4<f32> {
	let e = exponential(min(x, vec4(20.0)));
	let n = e * (e + 2.0);
	let gate = n / (n + 2.0);
	let slope = gate + x * (1.0 - gate) * (1.0 + gate) * (e / (1.0 + e));
	return select(select(slope, vec4(1.0), x > vec4(20.0)), x, isNan(x));
}
`;

const GELU_TANH = `
fn geluTanhSlope(x: vec4<f32>) -> vec4<f32> {
	let u = 1.59576912 * (x + 0.044715 * x * x * x);
	let gate = sigmoid(u);
	// Beyond +-30 the other factor is 0, and the square must not overflow.
	let c = clamp(x, vec4(-30.0), vec4(30.0));
	return gate + c * gate * sigmoid(-u) * 1.59576912 * (1.0 + 0.134145 * c * c);
}
`;

export const UNARY = {
	neg: { value: '-x', integer: '-x' },
	abs: { value: 'abs(x)', gradient: 'g * signOf(x)', integer: 'abs(x)' },
	sign: { value: 'signOf(x)', integer: 'sign(x)' },
	exp: { value: 'exponential(x)', gradient: 'g * x' },
	expm1: { value: 'exponentialMinus1(x)', gradient: 'g * (x + 1.0)' },
	exp2: { value: 'exponential2(x)', gradient: 'g * x * 0.693147181' },
	log: { value: 'logarithm(x)', gradient: 'g / x' },
	log1p: { value: 'logarithm1p(x)', gradient: 'g / (1.0 + x)' },
	log2: { value: 'logarithm2(x)', gradient: 'g / (x * 0.693147181)' },
	log10: { value: 'logarithm10(x)', gradient: 'g / (x * 2.30258509)' },
	sqrt: { value: 'orNan(sqrt(x), (x < vec4(0.0)) | isNan(x))', gradient: 'g / (2.0 * x)' },
	rsqrt: { value: 'orNan(1.0 / sqrt(x), (x < vec4(0.0)) | isNan(x))', gradient: '-0.5 * g * x * x * x' },
	square: { value: 'x * x', gradient: '2.0 * g * x', integer: 'x * x' },
	reciprocal: { value: '1.0 / x', gradient: '-g * x * x' },
	sin: { value: 'sine(x)', gradient: 'g * cosine(x)' },
	cos: { value: 'cosine(x)', gradient: '-g * sine(x)' },
	tan: { value: 'tangent(x)', gradient: 'g * (1.0 + x * x)' },
	asin: { value: 'arcsine(x)', gradient: 'g / sqrt((1.0 - x) * (1.0 + x))' },
	acos: { value: 'arccosine(x)', gradient: '-g / sqrt((1.0 - x) * (1.0 + x))' },
	atan: { value: 'arctangent(x)', gradient: 'g / (1.0 + x * x)' },
	sinh: { value: 'hyperbolicSine(x)', gradient: 'g * hyperbolicCosine(x)' },
	cosh: { value: 'hyperbolicCosine(x)', gradient: 'g * hyperbolicSine(x)' },
	tanh: { value: 'hyperbolicTangent(x)', gradient: 'g * (1.0 - x) * (1.0 + x)' },
	asinh: { value: 'inverseHyperbolicSine(x)', gradient: 'g / hypotenuse(x, vec4(1.0))' },
	acosh: { value: 'inverseHyperbolicCosine(x)', gradient: 'g / (sqrt(abs(x) - 1.0) * sqrt(abs(x) + 1.0))' },
	atanh: { value: 'inverseHyperbolicTangent(x)', gradient: 'g / ((1.0 - x) * (1.0 + x))' },
	erf: { value: 'errorFunction(x)', gradient: 'g * 1.12837917 * exponential(-x * x)' },
	erfc: { value: 'errorFunctionComplement(x)', gradient: '-g * 1.12837917 * exponential(-x * x)' },
	lgamma: { value: 'logGamma(x)', gradient: 'g * digammaOf(x)' },
	digamma: { value: 'digammaOf(x)', gradient: 'g * hurwitzZeta(x, 2.0)' },
	polygamma: { value: 't * hurwitzZeta(x, s + 1.0)', gradient: 'g * -t * (s + 1.0) * hurwitzZeta(x, s + 2.0)' },
	sigmoid: { value: 'sigmoid(x)', gradient: 'g * x * (1.0 - x)' },
	logSigmoid: { value: '-softplus(-x)', gradient: 'g * sigmoid(-x)' },
	relu: {
		value: 'select(max(x, vec4(0.0)), x, isNan(x))',
		gradient: 'select(g, vec4(0.0), x <= vec4(0.0))',
		integer: 'max(x, vec4(0))',
	},
	relu6: {
		value: 'clamped(x, 0.0, 6.0)',
		gradient: 'select(g, vec4(0.0), (x <= vec4(0.0)) | (x >= vec4(6.0)))',
		integer: 'clamp(x, vec4(0), vec4(6))',
	},
	leakyRelu: { value: 'select(s * x, x, x > vec4(0.0))', gradient: 'select(s * g, g, x > vec4(0.0))' },
	elu: {
		value: 'select(s * exponentialMinus1(x), x, x > vec4(0.0))',
		gradient: 'select(g, g * s * exponential(x), x <= vec4(0.0))',
	},
	selu: {
		value: '1.05070099 * select(1.67326324 * exponentialMinus1(x), x, x > vec4(0.0))',
		gradient: '1.05070099 * select(g, g * 1.67326324 * exponential(x), x <= vec4(0.0))',
	},
	celu: {
		value: 'select(s * exponentialMinus1(x / s), x, x > vec4(0.0))',
		gradient: 'select(g, g * exponential(x / s), x <= vec4(0.0))',
	},
	gelu: {
		value: '0.5 * x * errorFunctionComplement(-0.707106781 * x)',
		gradient: 'g * (0.5 * errorFunctionComplement(-0.707106781 * x) + 0.398942280 * x * exponential(-0.5 * x * x))',
	},
	geluTanh: {
		value: 'x * sigmoid(1.59576912 * (x + 0.044715 * x * x * x))',
		gradient: 'g * geluTanhSlope(x)',
		functions: GELU_TANH,
	},
	silu: { value: 'x * sigmoid(x)', gradient: 'g * sigmoid(x) * (1.0 + x * sigmoid(-x))' },
	mish: { value: 'select(x * mishGate(x), x, x > vec4(20.0))', gradient: 'g * mishSlope(x)', functions: MISH },
	softplus: {
		value: 'select(softplus(s * x) / s, x, s * x > vec4(t))',
		gradient: 'select(g * sigmoid(s * x), g, s * x > vec4(t))',
	},
	softsign: { value: 'x / (1.0 + abs(x))', gradient: 'g / ((1.0 + abs(x)) * (1.0 + abs(x)))' },
	hardtanh: {
		value: 'clamped(x, s, t)',
		gradient: 'select(g, vec4(0.0), (x <= vec4(s)) | (x >= vec4(t)))',
		integer: 'min(max(x, vec4(s)), vec4(t))',
	},
	hardsigmoid: {
		value: 'clamped(x + 3.0, 0.0, 6.0) / 6.0',
		gradient: 'select(vec4(0.0), g / 6.0, (x > vec4(-3.0)) & (x < vec4(3.0)))',
	},
	hardswish: {
		value: 'x * clamped(x + 3.0, 0.0, 6.0) / 6.0',
		gradient: 'select(select(g, g * (x / 3.0 + 0.5), x < vec4(3.0)), vec4(0.0), x <= vec4(-3.0))',
	},
	clamp: {
		value: 'clamped(x, s, t)',
		gradient: 'select(vec4(0.0), g, (x >= vec4(s)) & (x <= vec4(t)))',
		integer: 'min(max(x, vec4(s)), vec4(t))',
	},
	floor: { value: 'floor(x)', integer: 'x' },
	ceil: { value: 'ceil(x)', integer: 'x' },
	round: { value: 'round(x)', integer: 'x' },
	trunc: { value: 'trunc(x)', integer: 'x' },
	frac: { value: 'x - trunc(x)' },
} satisfies Record<string, UnaryRow>;

export type UnaryName = keyof typeof UNARY;

export type DerivativeName = {
	[Name in UnaryName]: (typeof UNARY)[Name] extends { readonly gradient: string } ? Name : never;
}[UnaryName];

/** A unary function with a bool result, or a binary function. */
export interface ExpressionRow {
	/** For floating operands. */
	readonly value: string;
	/** For int32 operands, if the expression differs. */
	readonly integer?: string;
	/** WGSL functions that only `integer` calls. */
	readonly integerFunctions?: string;
}

export const PREDICATE = {
	isnan: { value: 'isNan(x)', integer: 'vec4(false)' },
	isinf: { value: 'isInfinite(x)', integer: 'vec4(false)' },
	isposinf: { value: 'isInfinite(x) & (bitcast<vec4<u32>>(x) < vec4(0x80000000u))', integer: 'vec4(false)' },
	isneginf: { value: 'isInfinite(x) & (bitcast<vec4<u32>>(x) >= vec4(0x80000000u))', integer: 'vec4(false)' },
	isfinite: { value: 'isFinite(x)', integer: 'vec4(true)' },
	logicalNot: { value: '!isTrue(x)', integer: 'x == vec4(0)' },
} satisfies Record<string, ExpressionRow>;

export type PredicateName = keyof typeof PREDICATE;

const INTEGER_POWER = `
fn integerPower(base: vec4<i32>, exponent: vec4<i32>) -> vec4<i32> {
	var result = vec4(1);
	var square = base;
	var rest = vec4<u32>(max(exponent, vec4(0)));
	while (any(rest != vec4(0u))) {
		result = select(result, result * square, (rest & vec4(1u)) != vec4(0u));
		square *= square;
		rest >>= vec4(1u);
	}
	let sign = select(vec4(1), base, (exponent & vec4(1)) != vec4(0));
	let inverse = select(vec4(0), sign, abs(base) == vec4(1));
	return select(result, inverse, exponent < vec4(0));
}
`;

/** WGSL defines the int32 quotient x / 0 as x and the remainder x % 0 as 0. */
export const BINARY = {
	add: { value: 'a + b' },
	sub: { value: 'a - b' },
	mul: { value: 'a * b' },
	div: { value: 'a / b' },
	floorDiv: {
		value: 'flooredDivision(a, b)',
		integer: 'a / b - select(vec4(0), vec4(1), (a % b != vec4(0)) & ((a % b < vec4(0)) != (b < vec4(0))))',
	},
	truncDiv: { value: 'truncatedDivision(a, b)', integer: 'a / b' },
	pow: { value: 'power(a, b)', integer: 'integerPower(a, b)', integerFunctions: INTEGER_POWER },
	maximum: { value: 'maximumOf(a, b)', integer: 'max(a, b)' },
	minimum: { value: 'minimumOf(a, b)', integer: 'min(a, b)' },
	fmod: { value: 'exactFmod(a, b)', integer: 'a % b' },
	remainder: {
		value: 'remainderOf(a, b)',
		integer: 'a % b + select(vec4(0), b, (a % b != vec4(0)) & ((a % b < vec4(0)) != (b < vec4(0))))',
	},
	atan2: { value: 'arctangent2(a, b)' },
	hypot: { value: 'hypotenuse(a, b)' },
	// The difference of equal infinities is NaN.
	logaddexp: {
		value:
			'select(maximumOf(a, b) + logarithm1p(exponential(-abs(a - b))), a, isInfinite(a) & (bitcast<vec4<u32>>(a) == bitcast<vec4<u32>>(b)))',
	},
	logaddexp2: {
		value:
			'select(maximumOf(a, b) + 1.44269504 * logarithm1p(exponential2(-abs(a - b))), a, isInfinite(a) & (bitcast<vec4<u32>>(a) == bitcast<vec4<u32>>(b)))',
	},
	bitwiseAnd: { value: 'a & b' },
	bitwiseOr: { value: 'a | b' },
	bitwiseXor: { value: 'a ^ b' },
	// WGSL takes shifts modulo 32.
	bitwiseLeftShift: { value: 'select(a << vec4<u32>(b & vec4(31)), vec4(0), (b < vec4(0)) | (b > vec4(31)))' },
	bitwiseRightShift: { value: 'a >> vec4<u32>(select(b, vec4(31), (b < vec4(0)) | (b > vec4(31))))' },
} satisfies Record<string, ExpressionRow>;

export type BinaryName = keyof typeof BINARY;

/**
 * With a NaN on either side all except ne are false. The test for NaN is explicit, since compilers may assume that NaN does not
 * occur.
 */
export const COMPARE = {
	eq: { value: '(a == b) & !unordered(a, b)', integer: 'a == b' },
	ne: { value: '(a != b) | unordered(a, b)', integer: 'a != b' },
	lt: { value: '(a < b) & !unordered(a, b)', integer: 'a < b' },
	le: { value: '(a <= b) & !unordered(a, b)', integer: 'a <= b' },
	gt: { value: '(a > b) & !unordered(a, b)', integer: 'a > b' },
	ge: { value: '(a >= b) & !unordered(a, b)', integer: 'a >= b' },
	logicalAnd: { value: 'isTrue(a) & isTrue(b)', integer: '(a != vec4(0)) & (b != vec4(0))' },
	logicalOr: { value: 'isTrue(a) | isTrue(b)', integer: '(a != vec4(0)) | (b != vec4(0))' },
	logicalXor: { value: 'isTrue(a) != isTrue(b)', integer: '(a != vec4(0)) != (b != vec4(0))' },
} satisfies Record<string, ExpressionRow>;

export type CompareName = keyof typeof COMPARE;

export const UNORDERED = `
fn unordered(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
	return isNan(a) | isNan(b);
}
`;

export const COMBINE = {
	addScaled: 'a + s * b',
	lerp: 'select(b - (b - a) * (1.0 - s), a + s * (b - a), abs(s) < 0.5)',
};

export type CombineName = keyof typeof COMBINE;

export const TERNARY = {
	lerp: 'select(b - (b - a) * (1.0 - c), a + c * (b - a), abs(c) < vec4(0.5))',
	addcmul: 'a + s * b * c',
	addcdiv: 'a + s * b / c',
};

export type TernaryName = keyof typeof TERNARY;
