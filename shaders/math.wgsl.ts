/**
 * Elementary functions on vec4<f32> with errors of a few units in the last place on every device.
 *
 * WGSL allows its own functions far larger errors: sin and cos 2^-11, atan2 4096 units, tanh and sinh NaN where exp overflows,
 * log near 1 an absolute 2^-21. It has no expm1, log1p, erf or exact fmod. Kernels are bound by memory, so these polynomials cost
 * nothing.
 *
 * All functions keep these rules, so that a compiler that reassociates or fuses cannot break them:
 * - They test for NaN and infinity by bit pattern, and make them with orNan and orInfinity. A constant expression must not yield
 *   them, and fast maths may drop a branch that it sees can only give NaN.
 * - No trick relies on a rounding error, as (1 + x) - 1 would. Masked bits make exact splits, and a value that must be rounded in
 *   between passes through `unseen`.
 *
 * Polynomials of exp and log are those of S. Moshier's Cephes library, single precision (https://www.netlib.org/cephes). Angles
 * are in mathAngles.wgsl.ts; error functions, powers and remainders in mathSpecial.wgsl.ts; the gamma function in
 * mathGamma.wgsl.ts.
 *
 * `mathFunctions(code)` gives the functions that `code` calls, directly or not, so that a shader compiles no others.
 */
import { ANGLE_FUNCTIONS } from './mathAngles.wgsl';
import { GAMMA_FUNCTIONS } from './mathGamma.wgsl';
import { SPECIAL_FUNCTIONS } from './mathSpecial.wgsl';

/** y, and NaN where `test` holds. */
const OR_NAN = `
fn orNan(y: vec4<f32>, test: vec4<bool>) -> vec4<f32> {
	return bitcast<vec4<f32>>(bitcast<vec4<u32>>(y) | select(vec4(0u), vec4(0x7fc00000u), test));
}
`;

/** y, and infinity where `test` holds. */
const OR_INFINITY = `
fn orInfinity(y: vec4<f32>, test: vec4<bool>) -> vec4<f32> {
	return bitcast<vec4<f32>>(select(bitcast<vec4<u32>>(y), vec4(0x7f800000u), test));
}
`;

const IS_NAN = `
fn isNan(x: vec4<f32>) -> vec4<bool> {
	return (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) > vec4(0x7f800000u);
}
`;

const IS_INFINITE = `
fn isInfinite(x: vec4<f32>) -> vec4<bool> {
	return (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) == vec4(0x7f800000u);
}
`;

const IS_FINITE = `
fn isFinite(x: vec4<f32>) -> vec4<bool> {
	return (bitcast<vec4<u32>>(x) & vec4(0x7f800000u)) != vec4(0x7f800000u);
}
`;

/** Whether x is nonzero; NaN counts as nonzero. */
const IS_TRUE = `
fn isTrue(x: vec4<f32>) -> vec4<bool> {
	return (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) != vec4(0u);
}
`;

/**
 * What replaces a result does so before its sign is copied: copySign(select(y, x, test), x), not select(copySign(y, x), x, test). For the
 * latter LLVM 15 (lavapipe on processors with AVX-512) may choose a vpternlogd under a mask with the wrong truth table.
 */
const COPY_SIGN = `
fn copySign(magnitude: vec4<f32>, sign: vec4<f32>) -> vec4<f32> {
	return bitcast<vec4<f32>>((bitcast<vec4<u32>>(magnitude) & vec4(0x7fffffffu)) | (bitcast<vec4<u32>>(sign) & vec4(0x80000000u)));
}
`;

const SIGN_OF = `
fn signOf(x: vec4<f32>) -> vec4<f32> {
	let unit = select(select(vec4(0.0), vec4(-1.0), x < vec4(0.0)), vec4(1.0), x > vec4(0.0));
	return select(unit, x, isNan(x));
}
`;

/** min(max(x, low), high), but keeps NaN. */
const CLAMPED = `
fn clamped(x: vec4<f32>, low: f32, high: f32) -> vec4<f32> {
	return select(min(max(x, vec4(low)), vec4(high)), x, isNan(x));
}
`;

/**
 * x, after an integer addition to its bits of a 0 that compilers do not know to be 0. Neither reassociation nor fusion reaches
 * across. `small` is any number below 2^31.
 */
const UNSEEN = `
fn unseen(x: vec4<f32>, small: vec4<u32>) -> vec4<f32> {
	return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) + (small >> vec4(31u)));
}
`;

const POWER_OF_TWO = `
/** 2^k for k from -126 to 127. */
fn powerOfTwo(k: vec4<i32>) -> vec4<f32> {
	return bitcast<vec4<f32>>((k + vec4(127)) << vec4(23u));
}
`;

/** exp(x) = 2^k (1 + p), with p = exp(r) - 1 for the remainder |r| <= ln(2) / 2. */
const EXP_REST = `
fn expRest(r: vec4<f32>) -> vec4<f32> {
	let tail = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
	return tail * r * r + r;
}
`;

const LN2_TIMES = `
/** x - k ln(2), in two steps; the first is exact. |k| < 1024. */
fn withoutLn2(x: vec4<f32>, k: vec4<f32>) -> vec4<f32> {
	return unseen(x - k * 0.693359375, vec4<u32>(vec4<i32>(k) + vec4(1024))) + k * 2.12194440e-4;
}
`;

const EXPONENTIAL = `
fn exponential(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-104.0), vec4(89.0));
	let k = round(t * 1.44269504);
	let p = expRest(withoutLn2(t, k));
	// 2^k alone may lie outside float32 although the product does not.
	let half = vec4<i32>(k) >> vec4(1u);
	let y = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(k) - half);
	return select(orInfinity(y, x > vec4(88.7228394)), x, isNan(x));
}
`;

const EXPM1 = `
fn exponentialMinus1(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-20.0), vec4(89.0));
	let k = round(t * 1.44269504);
	let p = expRest(withoutLn2(t, k));
	let half = powerOfTwo(vec4<i32>(k) - vec4(1));
	let y = 2.0 * (half * p + unseen(half - 0.5, vec4<u32>(vec4<i32>(k) + vec4(1024))));
	return select(orInfinity(y, x > vec4(88.7228394)), x, isNan(x));
}
`;

const EXP2 = `
fn exponential2(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-150.0), vec4(129.0));
	let k = round(t);
	let p = expRest((t - k) * 0.693147181);
	let half = vec4<i32>(k) >> vec4(1u);
	let y = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(k) - half);
	return select(orInfinity(y, x >= vec4(128.0)), x, isNan(x));
}
`;

/** log(1 + f), where 1 + f is from sqrt(1 / 2) to sqrt(2). */
const LOG_NEAR_1 = `
fn logNear1(f: vec4<f32>) -> vec4<f32> {
	let z = f * f;
	let p = ((((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f + 1.4249322787e-1) * f
		- 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1) * f * z;
	return f + (p - 0.5 * z);
}
`;

/** Splits x > 0 into 2^exponent (1 + fraction), where 1 + fraction is from sqrt(1 / 2) to sqrt(2). */
const SPLIT = `
struct Split {
	exponent: vec4<f32>,
	fraction: vec4<f32>,
}
fn splitExponent(x: vec4<f32>) -> Split {
	// Devices may treat a subnormal number as 0 in arithmetic, so its mantissa is converted as an integer.
	let whole = bitcast<vec4<u32>>(x);
	let small = whole < vec4(0x800000u);
	let bits = select(whole, bitcast<vec4<u32>>(vec4<f32>(whole)), small) + vec4(0x3f800000u - 0x3f3504f3u);
	let exponent = vec4<i32>(bits >> vec4(23u)) - select(vec4(127), vec4(276), small);
	let m = bitcast<vec4<f32>>((bits & vec4(0x7fffffu)) + vec4(0x3f3504f3u));
	return Split(vec4<f32>(exponent), m - 1.0);
}
`;

/** The logarithm of 0, negative numbers, infinity and NaN. */
const LOG_EDGES = `
fn logEdges(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
	let bits = bitcast<vec4<u32>>(x);
	let isZero = (bits & vec4(0x7fffffffu)) == vec4(0u);
	let defined = orNan(select(y, x, bits >= vec4(0x7f800000u)), bits > vec4(0x80000000u));
	return select(defined, -orInfinity(y, isZero), isZero);
}
`;

const LOGARITHM = `
fn logarithm(x: vec4<f32>) -> vec4<f32> {
	let s = splitExponent(x);
	return logEdges(x, (logNear1(s.fraction) - s.exponent * 2.12194440e-4) + s.exponent * 0.693359375);
}
`;

const LOG2 = `
fn logarithm2(x: vec4<f32>) -> vec4<f32> {
	let s = splitExponent(x);
	return logEdges(x, logNear1(s.fraction) * 1.44269504 + s.exponent);
}
`;

const LOG10 = `
fn logarithm10(x: vec4<f32>) -> vec4<f32> {
	let s = splitExponent(x);
	return logEdges(x, (logNear1(s.fraction) * 0.434294482 + s.exponent * 2.48745663e-4) + s.exponent * 0.30078125);
}
`;

const LOG1P = `
fn logarithm1p(x: vec4<f32>) -> vec4<f32> {
	let near = (x > vec4(-0.29)) & (x < vec4(0.41));
	return select(logarithm(1.0 + x), logNear1(x), near);
}
`;

const SIGMOID = `
fn sigmoid(x: vec4<f32>) -> vec4<f32> {
	let e = exponential(-abs(x));
	return select(e, vec4(1.0), x >= vec4(0.0)) / (1.0 + e);
}
`;

const SOFTPLUS = `
fn softplus(x: vec4<f32>) -> vec4<f32> {
	return max(x, vec4(0.0)) + logarithm1p(exponential(-abs(x)));
}
`;

const SINH = `
fn hyperbolicSine(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let e = exponentialMinus1(min(a, vec4(20.0)));
	let h = exponential(0.5 * a);
	return copySign(select(0.5 * (e + e / (e + 1.0)), (0.5 * h) * h, (a > vec4(20.0)) | isNan(x)), x);
}
`;

const COSH = `
fn hyperbolicCosine(x: vec4<f32>) -> vec4<f32> {
	let h = exponential(0.5 * abs(x));
	return (0.5 * h) * h + 0.5 / h / h;
}
`;

const TANH = `
fn hyperbolicTangent(x: vec4<f32>) -> vec4<f32> {
	let e = exponentialMinus1(2.0 * min(abs(x), vec4(10.0)));
	return copySign(select(e / (e + 2.0), x, isNan(x)), x);
}
`;

const ASINH = `
fn inverseHyperbolicSine(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let t = min(a, vec4(1e9));
	let y = logarithm1p(t + t * t / (1.0 + sqrt(1.0 + t * t)));
	return copySign(select(y, logarithm(a) + 0.693147181, (a > vec4(1e9)) | isNan(x)), x);
}
`;

const ACOSH = `
fn inverseHyperbolicCosine(x: vec4<f32>) -> vec4<f32> {
	let t = min(x, vec4(1e9)) - 1.0;
	let y = select(logarithm1p(t + sqrt(t * (t + 2.0))), logarithm(x) + 0.693147181, (x > vec4(1e9)) | isNan(x));
	return orNan(y, x < vec4(1.0));
}
`;

const ATANH = `
fn inverseHyperbolicTangent(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let y = copySign(0.5 * logarithm1p(2.0 * a / (1.0 - a)), x);
	return orNan(copySign(orInfinity(y, a == vec4(1.0)), x), (a > vec4(1.0)) | isNan(x));
}
`;

/** All functions, each after those that it calls. */
const LIBRARY = [
	OR_NAN,
	OR_INFINITY,
	UNSEEN,
	IS_NAN,
	IS_INFINITE,
	IS_FINITE,
	IS_TRUE,
	COPY_SIGN,
	SIGN_OF,
	CLAMPED,
	POWER_OF_TWO,
	EXP_REST,
	LN2_TIMES,
	EXPONENTIAL,
	EXPM1,
	EXP2,
	LOG_NEAR_1,
	SPLIT,
	LOG_EDGES,
	LOGARITHM,
	LOG2,
	LOG10,
	LOG1P,
	SIGMOID,
	SOFTPLUS,
	SINH,
	COSH,
	TANH,
	ASINH,
	ACOSH,
	ATANH,
	...ANGLE_FUNCTIONS,
	...SPECIAL_FUNCTIONS,
	...GAMMA_FUNCTIONS,
].map((code) => ({ code, calls: new RegExp(`\\b(${[...code.matchAll(/fn (\w+)\(/g)].map((match) => match[1]).join('|')})\\(`) }));

/** The functions of this file that `code` calls, directly or not, to be placed in front of it. */
export function mathFunctions(code: string): string {
	let result = '';
	for (let i = LIBRARY.length - 1; i >= 0; i--) {
		const entry = LIBRARY[i]!;
		if (entry.calls.test(code) || entry.calls.test(result)) result = entry.code + result;
	}
	return result;
}
