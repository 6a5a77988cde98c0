/**
 * Elementary functions on vec4<f32> whose errors are a few units of the last place on every device.
 *
 * WGSL allows its own functions far more: sin and cos 2^-11, atan2 4096 units, tanh and sinh NaN where exp overflows, log next to 1
 * an absolute 2^-21; and it has no expm1, log1p, erf or exact fmod. Kernels are bound by memory, so that these polynomials cost nothing.
 *
 * Rules that all of them keep, so that a compiler that reassociates or fuses cannot break them:
 * - NaN and infinity are tested for by bit pattern, and made at run time: a constant expression must not yield them.
 * - No trick that rests on a rounding error ((1 + x) - 1); exact splits are done by masking bits.
 *
 * Polynomials of exp, log, sin, cos, atan and asin are those of S. Moshier's Cephes library, single precision
 * (https://www.netlib.org/cephes); erf and erfc are N. Juffa's minimax fits (published on Stack Overflow and NVIDIA's forum).
 *
 * `mathFunctions(code)` gives the functions that `code` calls and those that they call, so that a shader compiles no others.
 */

const NAN = `
fn nan() -> f32 {
	var bits = 0x7fc00000u;
	return bitcast<f32>(bits);
}
`;

const INFINITY = `
fn infinity() -> f32 {
	var bits = 0x7f800000u;
	return bitcast<f32>(bits);
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

/** Whether x is not zero; NaN is not. */
const IS_TRUE = `
fn isTrue(x: vec4<f32>) -> vec4<bool> {
	return (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) != vec4(0u);
}
`;

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

/** min(max(x, low), high) that keeps NaN. */
const CLAMPED = `
fn clamped(x: vec4<f32>, low: f32, high: f32) -> vec4<f32> {
	return select(min(max(x, vec4(low)), vec4(high)), x, isNan(x));
}
`;

const POWER_OF_TWO = `
/** 2^k for k from -126 to 127. */
fn powerOfTwo(k: vec4<i32>) -> vec4<f32> {
	return bitcast<vec4<f32>>((k + vec4(127)) << vec4(23u));
}
`;

/** exp(x) = 2^k (1 + p), with p = exp(r) - 1 for the rest |r| <= ln(2) / 2. */
const EXP_REST = `
fn expRest(r: vec4<f32>) -> vec4<f32> {
	let tail = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
	return tail * r * r + r;
}
`;

const LN2_TIMES = `
/** x - k ln(2), in two steps of which the first is exact. */
fn withoutLn2(x: vec4<f32>, k: vec4<f32>) -> vec4<f32> {
	return (x - k * 0.693359375) + k * 2.12194440e-4;
}
`;

const EXPONENTIAL = `
fn exponential(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-104.0), vec4(89.0));
	let k = round(t * 1.44269504);
	let p = expRest(withoutLn2(t, k));
	// 2^k itself may lie outside of float32 where the product does not.
	let half = vec4<i32>(k) >> vec4(1u);
	let y = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(k) - half);
	return select(select(y, vec4(infinity()), x > vec4(88.7228394)), x, isNan(x));
}
`;

const EXPM1 = `
fn exponentialMinus1(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-20.0), vec4(89.0));
	let k = round(t * 1.44269504);
	let p = expRest(withoutLn2(t, k));
	let half = powerOfTwo(vec4<i32>(k) - vec4(1));
	let y = 2.0 * (half * p + (half - 0.5));
	return select(select(y, vec4(infinity()), x > vec4(88.7228394)), x, isNan(x));
}
`;

const EXP2 = `
fn exponential2(x: vec4<f32>) -> vec4<f32> {
	let t = clamp(x, vec4(-150.0), vec4(129.0));
	let k = round(t);
	let p = expRest((t - k) * 0.693147181);
	let half = vec4<i32>(k) >> vec4(1u);
	let y = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(k) - half);
	return select(select(y, vec4(infinity()), x >= vec4(128.0)), x, isNan(x));
}
`;

/** log(1 + f) for 1 + f from sqrt(1 / 2) to sqrt(2). */
const LOG_NEAR_1 = `
fn logNear1(f: vec4<f32>) -> vec4<f32> {
	let z = f * f;
	let p = ((((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f + 1.4249322787e-1) * f
		- 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1) * f * z;
	return f + (p - 0.5 * z);
}
`;

/** x = 2^exponent (1 + fraction) with 1 + fraction from sqrt(1 / 2) to sqrt(2), of x > 0. */
const SPLIT = `
struct Split {
	exponent: vec4<f32>,
	fraction: vec4<f32>,
}
fn splitExponent(x: vec4<f32>) -> Split {
	let small = x < vec4(1.17549435e-38);
	let bits = bitcast<vec4<u32>>(select(x, x * 8388608.0, small)) + vec4(0x3f800000u - 0x3f3504f3u);
	let exponent = vec4<i32>(bits >> vec4(23u)) - select(vec4(127), vec4(150), small);
	let m = bitcast<vec4<f32>>((bits & vec4(0x7fffffu)) + vec4(0x3f3504f3u));
	return Split(vec4<f32>(exponent), m - 1.0);
}
`;

/** What every logarithm makes of 0, negative numbers, infinity and NaN. */
const LOG_EDGES = `
fn logEdges(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
	let bits = bitcast<vec4<u32>>(x);
	let positive = select(y, x, bits >= vec4(0x7f800000u));
	let negative = select(vec4(nan()), vec4(-infinity()), bits == vec4(0x80000000u));
	return select(select(positive, negative, bits >= vec4(0x80000000u)), vec4(-infinity()), bits == vec4(0u));
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
	return select(copySign(e / (e + 2.0), x), x, isNan(x));
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
	return select(y, vec4(nan()), x < vec4(1.0));
}
`;

const ATANH = `
fn inverseHyperbolicTangent(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let y = copySign(0.5 * logarithm1p(2.0 * a / (1.0 - a)), x);
	let edge = select(vec4(nan()), copySign(vec4(infinity()), x), a == vec4(1.0));
	return select(select(y, edge, a >= vec4(1.0)), x, isNan(x));
}
`;

/**
 * x = quadrant pi / 2 + rest with |rest| <= pi / 4: up to 8192 by subtracting pi / 2 in three parts of which two products are exact;
 * beyond that by multiplying the mantissa with the 96 bits of 2 / pi that matter (Payne and Hanek).
 */
const ANGLE = `
struct Angle {
	quadrant: vec4<u32>,
	rest: vec4<f32>,
}
fn highProduct(a: u32, b: u32) -> u32 {
	let a1 = a >> 16u;
	let a0 = a & 0xffffu;
	let b1 = b >> 16u;
	let b0 = b & 0xffffu;
	let middle = a1 * b0 + ((a0 * b0) >> 16u);
	return a1 * b1 + (middle >> 16u) + ((a0 * b1 + (middle & 0xffffu)) >> 16u);
}
/** Quadrant and rest in turns of pi / 2, of a finite x >= 1. */
fn largeAngle(x: f32) -> vec2<f32> {
	var digits = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
	let bits = bitcast<u32>(x);
	let mantissa = (bits & 0x7fffffu) | 0x800000u;
	// The first binary digit of 2 / pi (behind 32 zeros) whose product with x is not a multiple of four quarter turns.
	let shift = (bits >> 23u) - 120u;
	let word = shift / 32u;
	let offset = shift % 32u;
	var window: array<u32, 3>;
	for (var i = 0u; i < 3u; i++) {
		let next = (digits[word + i + 1u] >> (31u - offset)) >> 1u;
		window[i] = (digits[word + i] << offset) | next;
	}
	let low = highProduct(mantissa, window[2]);
	let middle = mantissa * window[1];
	let sum = middle + low;
	let carry = select(0u, 1u, sum < middle);
	let high = mantissa * window[0] + highProduct(mantissa, window[1]) + carry;
	// (high, sum) is the angle in units of 2^-62 quarter turns, modulo 4 of them.
	let quadrant = (high >> 30u) + ((high >> 29u) & 1u);
	let fraction = bitcast<i32>((high << 2u) | (sum >> 30u));
	let rest = f32(fraction) * 0x1p-32 + f32((sum << 2u) >> 8u) * 0x1p-56;
	return vec2(f32(quadrant), rest);
}
fn reduceAngle(x: vec4<f32>) -> Angle {
	let a = abs(x);
	let k = round(min(a, vec4(8192.0)) * 0.636619772);
	var quadrant = vec4<u32>(k);
	var rest = ((a - k * 1.5703125) - k * 4.837512969970703e-4) - k * 7.549789948768648e-8;
	if (any(a > vec4(8192.0))) {
		for (var i = 0u; i < 4u; i++) {
			if (a[i] > 8192.0 && a[i] <= 0x1.fffffep127) {
				let turn = largeAngle(a[i]);
				quadrant[i] = u32(turn.x);
				rest[i] = turn.y * 1.57079633;
			}
		}
	}
	return Angle(quadrant, rest);
}
fn sineRest(r: vec4<f32>) -> vec4<f32> {
	let z = r * r;
	return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
}
fn cosineRest(r: vec4<f32>) -> vec4<f32> {
	let z = r * r;
	return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}
/** sin of (quadrant, rest). */
fn sineOf(angle: Angle) -> vec4<f32> {
	let odd = (angle.quadrant & vec4(1u)) != vec4(0u);
	let y = select(sineRest(angle.rest), cosineRest(angle.rest), odd);
	return select(y, -y, (angle.quadrant & vec4(2u)) != vec4(0u));
}
`;

const SINE = `
fn sine(x: vec4<f32>) -> vec4<f32> {
	let y = sineOf(reduceAngle(x));
	return select(vec4(nan()), select(y, -y, x < vec4(0.0)), isFinite(x));
}
`;

const COSINE = `
fn cosine(x: vec4<f32>) -> vec4<f32> {
	let angle = reduceAngle(x);
	return select(vec4(nan()), sineOf(Angle(angle.quadrant + vec4(1u), angle.rest)), isFinite(x));
}
`;

const TANGENT = `
fn tangent(x: vec4<f32>) -> vec4<f32> {
	let angle = reduceAngle(x);
	let s = sineRest(angle.rest);
	let c = cosineRest(angle.rest);
	let odd = (angle.quadrant & vec4(1u)) != vec4(0u);
	let y = select(s, -c, odd) / select(c, s, odd);
	return select(vec4(nan()), select(y, -y, x < vec4(0.0)), isFinite(x));
}
`;

const ATAN = `
/** atan(a) for a >= 0. */
fn positiveArctangent(a: vec4<f32>) -> vec4<f32> {
	let large = a > vec4(2.414213562);
	let middle = a > vec4(0.4142135624);
	let t = select(select(a, (a - 1.0) / (a + 1.0), middle), -1.0 / a, large);
	let base = select(select(vec4(0.0), vec4(0.785398163), middle), vec4(1.57079633), large);
	let z = t * t;
	return base + ((((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * t + t);
}
`;

const ARCTANGENT = `
fn arctangent(x: vec4<f32>) -> vec4<f32> {
	let y = select(positiveArctangent(abs(x)), vec4(1.57079633), isInfinite(x));
	return select(copySign(y, x), x, isNan(x));
}
`;

const ATAN2 = `
fn arctangent2(y: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
	let ay = abs(y);
	let ax = abs(x);
	let largest = max(ax, ay);
	let ratio = select(min(ax, ay) / largest, vec4(0.0), largest == vec4(0.0));
	let both = isInfinite(x) & isInfinite(y);
	let first = positiveArctangent(select(ratio, vec4(1.0), both));
	let half = select(first, 1.57079633 - first, ay > ax);
	let whole = select(half, 3.14159265 - half, (bitcast<vec4<u32>>(x) & vec4(0x80000000u)) != vec4(0u));
	return select(copySign(whole, y), vec4(nan()), isNan(x) | isNan(y));
}
`;

const ASIN_REST = `
/** asin(s) for s from 0 to 1 / 2. */
fn arcsineRest(s: vec4<f32>, z: vec4<f32>) -> vec4<f32> {
	return ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z + 1.6666752422e-1) * z * s + s;
}
`;

const ARCSINE = `
fn arcsine(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let far = a > vec4(0.5);
	let z = select(a * a, 0.5 * (1.0 - a), far);
	let p = arcsineRest(select(a, sqrt(max(z, vec4(0.0))), far), z);
	return select(copySign(select(p, 1.57079633 - 2.0 * p, far), x), vec4(nan()), (a > vec4(1.0)) | isNan(x));
}
`;

const ARCCOSINE = `
fn arccosine(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let far = a > vec4(0.5);
	let z = select(a * a, 0.5 * (1.0 - a), far);
	let p = arcsineRest(select(a, sqrt(max(z, vec4(0.0))), far), z);
	let negative = x < vec4(0.0);
	let outer = select(2.0 * p, 3.14159265 - 2.0 * p, negative);
	let inner = 1.57079633 - select(p, -p, negative);
	return select(select(inner, outer, far), vec4(nan()), (a > vec4(1.0)) | isNan(x));
}
`;

const ERF = `
fn errorFunction(x: vec4<f32>) -> vec4<f32> {
	let t = abs(x);
	let s = x * x;
	let near = (((((-5.96761703e-4 * s + 4.99119423e-3) * s - 2.67681349e-2) * s + 1.12819925e-1) * s - 3.76125336e-1) * s + 1.28379166e-1) * x + x;
	let u = min(t, vec4(5.0));
	let v = u * u;
	let high = (-1.72853470e-5 * u + 3.83197126e-4) * v + (-3.88396438e-3 * u + 2.42546219e-2);
	let q = (((high * u - 1.06777877e-1) * u - 6.34846687e-1) * u - 1.28717512e-1) * u - u;
	let far = copySign(1.0 - exponential(q), x);
	return select(select(near, far, t > vec4(0.927734375)), x, isNan(x));
}
`;

const ERFC = `
fn errorFunctionComplement(x: vec4<f32>) -> vec4<f32> {
	let a = min(abs(x), vec4(11.0));
	// (1 + 2 a) exp(a^2) erfc(a) = 1 + P(q).
	let q = (a - 2.0) / (a + 2.0);
	let p = (((((((((-4.01139259e-4 * q - 1.23075210e-3) * q + 1.31355342e-3) * q + 8.63227434e-3) * q - 8.05991981e-3) * q
		- 5.42046614e-2) * q + 1.64055392e-1) * q - 1.66031361e-1) * q - 9.27639827e-2) * q + 2.76978403e-1);
	// a^2 must be exact in the exponential: h has 12 bits, and the rest goes separately.
	let h = bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & vec4(0xfffff000u));
	let e = exponential(-h * h) * exponential((h - a) * (h + a));
	let y = (1.0 + p) / (1.0 + 2.0 * a) * e;
	let positive = select(y, vec4(0.0), abs(x) > vec4(10.0546875));
	return select(select(positive, 2.0 - positive, x < vec4(0.0)), x, isNan(x));
}
`;

/** x^y, with C's and PyTorch's edge cases. */
const POWER = `
fn power(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let s = splitExponent(a);
	// y * log2(a) in two parts, for the whole exponent would cost the fraction its digits: h has 12 bits, so that h * exponent is exact.
	let c = clamp(y, vec4(-4e9), vec4(4e9));
	let h = bitcast<vec4<f32>>(bitcast<vec4<u32>>(c) & vec4(0xfffff000u));
	let whole = h * s.exponent;
	let k = round(clamp(whole, vec4(-400.0), vec4(400.0)));
	let rest = (whole - k) + (c - h) * s.exponent + c * (logNear1(s.fraction) * 1.44269504);
	let exponent = clamp(k + rest, vec4(-200.0), vec4(200.0));
	let n = round(exponent);
	let p = expRest(((k - n) + rest) * 0.693147181);
	let half = vec4<i32>(n) >> vec4(1u);
	var r = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(n) - half);
	r = select(r, vec4(infinity()), exponent >= vec4(128.5));
	r = select(r, vec4(0.0), exponent <= vec4(-151.0));

	let zero = vec4(0.0);
	let one = vec4(1.0);
	let up = y > zero;
	// Where the base is 0 or infinite, or the exponent is infinite, the result is 0, 1 or infinity.
	r = select(r, select(vec4(infinity()), zero, up), a == zero);
	r = select(r, select(zero, vec4(infinity()), up), isInfinite(x));
	r = select(r, select(vec4(infinity()), zero, up == (a < one)), isInfinite(y));
	let isWhole = (floor(y) == y) & isFinite(y);
	// Beyond 2^24 every float32 is even.
	let odd = isWhole & (abs(y) < vec4(16777216.0)) & (floor(0.5 * y) * 2.0 != y);
	let negative = bitcast<vec4<u32>>(x) >= vec4(0x80000000u);
	r = select(r, -r, negative & odd);
	r = select(r, vec4(nan()), (x < zero) & isFinite(x) & isFinite(y) & !isWhole);
	r = select(r, vec4(nan()), isNan(x) | isNan(y));
	return select(r, one, (y == zero) | (x == one) | ((a == one) & isInfinite(y)));
}
`;

/** Exact remainder with the sign of a, by long division of mantissas, eight bits at a time. */
const FMOD = `
struct Mantissa {
	digits: vec4<u32>,
	exponent: vec4<i32>,
}
fn mantissaOf(x: vec4<f32>) -> Mantissa {
	let bits = bitcast<vec4<u32>>(x) & vec4(0x7fffffffu);
	let exponent = vec4<i32>(bits >> vec4(23u));
	let normal = exponent > vec4(0);
	return Mantissa(select(vec4(0u), vec4(0x800000u), normal) | (bits & vec4(0x7fffffu)), max(exponent, vec4(1)));
}
fn exactFmod(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let n = mantissaOf(a);
	let d = mantissaOf(b);
	let divisor = max(d.digits, vec4(1u));
	var shift = max(n.exponent - d.exponent, vec4(0));
	var rest = n.digits % divisor;
	while (any(shift > vec4(0))) {
		let step = min(shift, vec4(8));
		rest = (rest << vec4<u32>(step)) % divisor;
		shift -= step;
	}
	// rest < 2^24 is exact as a float, and so is its product with a power of two, applied in two halves.
	let exponent = d.exponent - vec4(150);
	let half = exponent >> vec4(1u);
	let y = copySign(vec4<f32>(rest) * powerOfTwo(half) * powerOfTwo(exponent - half), a);
	let whole = select(y, a, (n.exponent < d.exponent) | isInfinite(b));
	let undefined = isNan(b) | !isFinite(a) | (b == vec4(0.0));
	return select(whole, vec4(nan()), undefined);
}
`;

const REMAINDER = `
fn remainderOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let r = exactFmod(a, b);
	return select(r, r + b, (r != vec4(0.0)) & ((r < vec4(0.0)) != (b < vec4(0.0))));
}
`;

/** a / b rounded towards zero or down. The exact remainder decides: a quotient off by one unit might cross a whole number. */
const ROUNDED_DIVISION = `
fn truncatedDivision(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let q = a / b;
	return select(trunc(q), round((a - exactFmod(a, b)) / b), (abs(q) < vec4(8388608.0)) & !isInfinite(b));
}
fn flooredDivision(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let q = a / b;
	let m = exactFmod(a, b);
	let down = (m != vec4(0.0)) & ((m < vec4(0.0)) != (b < vec4(0.0)));
	let steps = select(vec4(0.0), vec4(1.0), down);
	let near = round(select((a - m) / b, vec4(0.0), isInfinite(b))) - steps;
	return select(select(q, near, abs(q) < vec4(8388608.0)), vec4(nan()), isInfinite(a) & (b != vec4(0.0)));
}
`;

const HYPOT = `
fn hypotenuse(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let largest = max(abs(a), abs(b));
	let ratio = min(abs(a), abs(b)) / largest;
	let y = select(largest * sqrt(1.0 + ratio * ratio), vec4(0.0), largest == vec4(0.0));
	return select(select(y, vec4(nan()), isNan(a) | isNan(b)), vec4(infinity()), isInfinite(a) | isInfinite(b));
}
`;

const MAXIMUM = `
fn maximumOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	return select(max(a, b), vec4(nan()), isNan(a) | isNan(b));
}
fn minimumOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	return select(min(a, b), vec4(nan()), isNan(a) | isNan(b));
}
`;

/** Every function in the order in which they build on each other. */
const LIBRARY = [
	NAN, INFINITY, IS_NAN, IS_INFINITE, IS_FINITE, IS_TRUE, COPY_SIGN, SIGN_OF, CLAMPED, POWER_OF_TWO, EXP_REST, LN2_TIMES, EXPONENTIAL,
	EXPM1, EXP2, LOG_NEAR_1, SPLIT, LOG_EDGES, LOGARITHM, LOG2, LOG10, LOG1P, SIGMOID, SOFTPLUS, SINH, COSH, TANH, ASINH, ACOSH, ATANH,
	ANGLE, SINE, COSINE, TANGENT, ATAN, ARCTANGENT, ATAN2, ASIN_REST, ARCSINE, ARCCOSINE, ERF, ERFC, POWER, FMOD, REMAINDER,
	ROUNDED_DIVISION, HYPOT, MAXIMUM,
].map((code) => ({ code, calls: new RegExp(`\\b(${[...code.matchAll(/fn (\w+)\(/g)].map((match) => match[1]).join('|')})\\(`) }));

/** The functions of this file that `code` calls, directly or not, ready to stand in front of it. */
export function mathFunctions(code: string): string {
	let result = '';
	for (let i = LIBRARY.length - 1; i >= 0; i--) {
		const entry = LIBRARY[i]!;
		if (entry.calls.test(code) || entry.calls.test(result)) result = entry.code + result;
	}
	return result;
}
