/**
 * What the elementwise kernels compute, as WGSL expressions over vec4: of x (and the gradient g) for functions of one number, of a
 * and b for two, of a, b and c for three. `s` and `t` are the uniform parameters p0 and p1. Functions come from math.wgsl.ts.
 */

/** On floating values. */
export const UNARY = {
	neg: '-x',
	abs: 'abs(x)',
	sign: 'signOf(x)',
	exp: 'exponential(x)',
	expm1: 'exponentialMinus1(x)',
	exp2: 'exponential2(x)',
	log: 'logarithm(x)',
	log1p: 'logarithm1p(x)',
	log2: 'logarithm2(x)',
	log10: 'logarithm10(x)',
	sqrt: 'orNan(sqrt(x), (x < vec4(0.0)) | isNan(x))',
	rsqrt: 'orNan(1.0 / sqrt(x), (x < vec4(0.0)) | isNan(x))',
	square: 'x * x',
	reciprocal: '1.0 / x',
	sin: 'sine(x)',
	cos: 'cosine(x)',
	tan: 'tangent(x)',
	asin: 'arcsine(x)',
	acos: 'arccosine(x)',
	atan: 'arctangent(x)',
	sinh: 'hyperbolicSine(x)',
	cosh: 'hyperbolicCosine(x)',
	tanh: 'hyperbolicTangent(x)',
	asinh: 'inverseHyperbolicSine(x)',
	acosh: 'inverseHyperbolicCosine(x)',
	atanh: 'inverseHyperbolicTangent(x)',
	erf: 'errorFunction(x)',
	erfc: 'errorFunctionComplement(x)',
	sigmoid: 'sigmoid(x)',
	logSigmoid: '-softplus(-x)',
	relu: 'select(max(x, vec4(0.0)), x, isNan(x))',
	relu6: 'clamped(x, 0.0, 6.0)',
	leakyRelu: 'select(s * x, x, x > vec4(0.0))',
	elu: 'select(s * exponentialMinus1(x), x, x > vec4(0.0))',
	selu: '1.05070099 * select(1.67326324 * exponentialMinus1(x), x, x > vec4(0.0))',
	celu: 'select(s * exponentialMinus1(x / s), x, x > vec4(0.0))',
	gelu: '0.5 * x * errorFunctionComplement(-0.707106781 * x)',
	geluTanh: 'x * sigmoid(1.59576912 * (x + 0.044715 * x * x * x))',
	silu: 'x * sigmoid(x)',
	mish: 'select(x * mishGate(x), x, x > vec4(20.0))',
	softplus: 'select(softplus(s * x) / s, x, s * x > vec4(t))',
	softsign: 'x / (1.0 + abs(x))',
	hardtanh: 'clamped(x, s, t)',
	hardsigmoid: 'clamped(x + 3.0, 0.0, 6.0) / 6.0',
	hardswish: 'x * clamped(x + 3.0, 0.0, 6.0) / 6.0',
	clamp: 'clamped(x, s, t)',
	floor: 'floor(x)',
	ceil: 'ceil(x)',
	round: 'round(x)',
	trunc: 'trunc(x)',
	frac: 'x - trunc(x)',
};

export type UnaryName = keyof typeof UNARY;

/** On int32. */
export const INTEGER_UNARY: Partial<Record<UnaryName, string>> = {
	neg: '-x',
	abs: 'abs(x)',
	sign: 'sign(x)',
	square: 'x * x',
	relu: 'max(x, vec4(0))',
	relu6: 'clamp(x, vec4(0), vec4(6))',
	hardtanh: 'min(max(x, vec4(s)), vec4(t))',
	clamp: 'min(max(x, vec4(s)), vec4(t))',
	floor: 'x',
	ceil: 'x',
	round: 'x',
	trunc: 'x',
};

/** gradient times derivative; x is the saved input or output (y where the comment of UNARY's derivative says so): see DERIVATIVE_IN. */
export const DERIVATIVE = {
	abs: 'g * signOf(x)',
	exp: 'g * x',
	expm1: 'g * (x + 1.0)',
	exp2: 'g * x * 0.693147181',
	log: 'g / x',
	log1p: 'g / (1.0 + x)',
	log2: 'g / (x * 0.693147181)',
	log10: 'g / (x * 2.30258509)',
	sqrt: 'g / (2.0 * x)',
	rsqrt: '-0.5 * g * x * x * x',
	square: '2.0 * g * x',
	reciprocal: '-g * x * x',
	sin: 'g * cosine(x)',
	cos: '-g * sine(x)',
	tan: 'g * (1.0 + x * x)',
	asin: 'g / sqrt((1.0 - x) * (1.0 + x))',
	acos: '-g / sqrt((1.0 - x) * (1.0 + x))',
	atan: 'g / (1.0 + x * x)',
	sinh: 'g * hyperbolicCosine(x)',
	cosh: 'g * hyperbolicSine(x)',
	tanh: 'g * (1.0 - x) * (1.0 + x)',
	asinh: 'g / hypotenuse(x, vec4(1.0))',
	acosh: 'g / (sqrt(abs(x) - 1.0) * sqrt(abs(x) + 1.0))',
	atanh: 'g / ((1.0 - x) * (1.0 + x))',
	erf: 'g * 1.12837917 * exponential(-x * x)',
	erfc: '-g * 1.12837917 * exponential(-x * x)',
	sigmoid: 'g * x * (1.0 - x)',
	logSigmoid: 'g * sigmoid(-x)',
	relu: 'select(g, vec4(0.0), x <= vec4(0.0))',
	relu6: 'select(g, vec4(0.0), (x <= vec4(0.0)) | (x >= vec4(6.0)))',
	leakyRelu: 'select(s * g, g, x > vec4(0.0))',
	elu: 'select(g, g * s * exponential(x), x <= vec4(0.0))',
	selu: '1.05070099 * select(g, g * 1.67326324 * exponential(x), x <= vec4(0.0))',
	celu: 'select(g, g * exponential(x / s), x <= vec4(0.0))',
	gelu: 'g * (0.5 * errorFunctionComplement(-0.707106781 * x) + 0.398942280 * x * exponential(-0.5 * x * x))',
	geluTanh: 'g * geluTanhSlope(x)',
	silu: 'g * sigmoid(x) * (1.0 + x * sigmoid(-x))',
	mish: 'g * mishSlope(x)',
	softplus: 'select(g * sigmoid(s * x), g, s * x > vec4(t))',
	softsign: 'g / ((1.0 + abs(x)) * (1.0 + abs(x)))',
	hardtanh: 'select(g, vec4(0.0), (x <= vec4(s)) | (x >= vec4(t)))',
	hardsigmoid: 'select(vec4(0.0), g / 6.0, (x > vec4(-3.0)) & (x < vec4(3.0)))',
	hardswish: 'select(select(g, g * (x / 3.0 + 0.5), x < vec4(3.0)), vec4(0.0), x <= vec4(-3.0))',
	clamp: 'select(vec4(0.0), g, (x >= vec4(s)) & (x <= vec4(t)))',
} satisfies Partial<Record<UnaryName, string>>;

export type DerivativeName = keyof typeof DERIVATIVE;

/** Functions that only one entry above uses. */
export const LOCAL_FUNCTIONS: Partial<Record<UnaryName, string>> = {
	// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2), which loses no digits on the left.
	mish: `
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
`,
	geluTanh: `
fn geluTanhSlope(x: vec4<f32>) -> vec4<f32> {
	let u = 1.59576912 * (x + 0.044715 * x * x * x);
	let gate = sigmoid(u);
	// Further out the other factor is 0, and the square must not overflow.
	let c = clamp(x, vec4(-30.0), vec4(30.0));
	return gate + c * gate * sigmoid(-u) * 1.59576912 * (1.0 + 0.134145 * c * c);
}
`,
};

export const BINARY = {
	add: 'a + b',
	sub: 'a - b',
	mul: 'a * b',
	div: 'a / b',
	floorDiv: 'flooredDivision(a, b)',
	truncDiv: 'truncatedDivision(a, b)',
	pow: 'power(a, b)',
	maximum: 'maximumOf(a, b)',
	minimum: 'minimumOf(a, b)',
	fmod: 'exactFmod(a, b)',
	remainder: 'remainderOf(a, b)',
	atan2: 'arctangent2(a, b)',
	hypot: 'hypotenuse(a, b)',
};

export type BinaryName = keyof typeof BINARY;

/** On int32, where they differ. WGSL defines x / 0 = x and x % 0 = 0. */
export const INTEGER_BINARY: Partial<Record<BinaryName, string>> = {
	floorDiv: 'a / b - select(vec4(0), vec4(1), (a % b != vec4(0)) & ((a % b < vec4(0)) != (b < vec4(0))))',
	truncDiv: 'a / b',
	pow: 'integerPower(a, b)',
	maximum: 'max(a, b)',
	minimum: 'min(a, b)',
	fmod: 'a % b',
	remainder: 'a % b + select(vec4(0), b, (a % b != vec4(0)) & ((a % b < vec4(0)) != (b < vec4(0))))',
};

export const INTEGER_POWER = `
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

/** With a NaN on either side all are false but ne; the test is explicit since compilers may assume that there is none. */
export const COMPARE = {
	eq: '(a == b) & !unordered(a, b)',
	ne: '(a != b) | unordered(a, b)',
	lt: '(a < b) & !unordered(a, b)',
	le: '(a <= b) & !unordered(a, b)',
	gt: '(a > b) & !unordered(a, b)',
	ge: '(a >= b) & !unordered(a, b)',
	logicalAnd: 'isTrue(a) & isTrue(b)',
	logicalOr: 'isTrue(a) | isTrue(b)',
	logicalXor: 'isTrue(a) != isTrue(b)',
};

export type CompareName = keyof typeof COMPARE;

export const INTEGER_COMPARE: Record<CompareName, string> = {
	eq: 'a == b',
	ne: 'a != b',
	lt: 'a < b',
	le: 'a <= b',
	gt: 'a > b',
	ge: 'a >= b',
	logicalAnd: '(a != vec4(0)) & (b != vec4(0))',
	logicalOr: '(a != vec4(0)) | (b != vec4(0))',
	logicalXor: '(a != vec4(0)) != (b != vec4(0))',
};

export const UNORDERED = `
fn unordered(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
	return isNan(a) | isNan(b);
}
`;

export const PREDICATE = {
	isnan: 'isNan(x)',
	isinf: 'isInfinite(x)',
	isfinite: 'isFinite(x)',
	logicalNot: '!isTrue(x)',
};

export type PredicateName = keyof typeof PREDICATE;

export const INTEGER_PREDICATE: Record<PredicateName, string> = {
	isnan: 'vec4(false)',
	isinf: 'vec4(false)',
	isfinite: 'vec4(true)',
	logicalNot: 'x == vec4(0)',
};

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
