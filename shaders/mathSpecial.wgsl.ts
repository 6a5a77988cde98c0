/**
 * Error functions, powers and exact remainders, for math.wgsl.ts. erf and erfc are N. Juffa's minimax fits (published on Stack
 * Overflow and NVIDIA's forum).
 */

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
	// The exponential needs a^2 without rounding. h has 12 bits, so h * h is exact; the second factor takes the rest.
	let h = bitcast<vec4<f32>>(bitcast<vec4<u32>>(a) & vec4(0xfffff000u));
	let e = exponential(-h * h) * exponential(unseen(h - a, vec4<u32>(a)) * (h + a));
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
	// y * log2(a) in two parts, because the whole exponent would cost the fraction its digits. h has 12 bits, so h * exponent is
	// exact.
	let c = clamp(y, vec4(-4e9), vec4(4e9));
	let h = bitcast<vec4<f32>>(bitcast<vec4<u32>>(c) & vec4(0xfffff000u));
	let whole = h * s.exponent;
	let k = round(clamp(whole, vec4(-400.0), vec4(400.0)));
	let small = vec4<u32>(vec4<i32>(k) + vec4(1024));
	let rest = unseen(whole - k, small) + (c - h) * s.exponent + c * (logNear1(s.fraction) * 1.44269504);
	let exponent = clamp(k + rest, vec4(-200.0), vec4(200.0));
	let n = round(exponent);
	let p = expRest((unseen(k - n, small) + rest) * 0.693147181);
	let half = vec4<i32>(n) >> vec4(1u);
	var r = (1.0 + p) * powerOfTwo(half) * powerOfTwo(vec4<i32>(n) - half);
	r = orInfinity(r, exponent >= vec4(128.5));
	r = select(r, vec4(0.0), exponent <= vec4(-151.0));

	let zero = vec4(0.0);
	let one = vec4(1.0);
	let up = y > zero;
	// If the base is 0 or infinite, or the exponent is infinite, the result is 0, 1 or infinity.
	let isZero = ((a == zero) & up) | (isInfinite(x) & !up) | (isInfinite(y) & (up == (a < one)));
	let isLarge = ((a == zero) & !up) | (isInfinite(x) & up) | (isInfinite(y) & (up != (a < one)));
	r = orInfinity(select(r, zero, isZero), isLarge);
	let isWhole = (floor(y) == y) & isFinite(y);
	// Beyond 2^24 every float32 is even.
	let odd = isWhole & (abs(y) < vec4(16777216.0)) & (floor(0.5 * y) * 2.0 != y);
	let negative = bitcast<vec4<u32>>(x) >= vec4(0x80000000u);
	r = select(r, -r, negative & odd);
	r = orNan(r, ((x < zero) & isFinite(x) & isFinite(y) & !isWhole) | isNan(x) | isNan(y));
	return select(r, one, (y == zero) | (x == one) | ((a == one) & isInfinite(y)));
}
`;

/** The exact remainder with the sign of a, by long division of mantissas, eight bits at a time. */
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
	// rest < 2^24 is exact as a float, and so is its product with a power of two, which is applied in two halves.
	let exponent = d.exponent - vec4(150);
	let half = exponent >> vec4(1u);
	let y = vec4<f32>(rest) * powerOfTwo(half) * powerOfTwo(exponent - half);
	let whole = copySign(select(y, a, (n.exponent < d.exponent) | isInfinite(b)), a);
	let undefined = isNan(b) | !isFinite(a) | (b == vec4(0.0));
	return orNan(whole, undefined);
}
`;

const REMAINDER = `
fn remainderOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let r = exactFmod(a, b);
	return select(r, r + b, (r != vec4(0.0)) & ((r < vec4(0.0)) != (b < vec4(0.0))));
}
`;

/** a / b rounded towards zero or down. The exact remainder decides, because a quotient off by one unit might cross an integer. */
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
	return orNan(select(q, near, abs(q) < vec4(8388608.0)), isInfinite(a) & (b != vec4(0.0)));
}
`;

const HYPOT = `
fn hypotenuse(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	let largest = max(abs(a), abs(b));
	let ratio = min(abs(a), abs(b)) / largest;
	let y = select(largest * sqrt(1.0 + ratio * ratio), vec4(0.0), largest == vec4(0.0));
	return orInfinity(orNan(y, isNan(a) | isNan(b)), isInfinite(a) | isInfinite(b));
}
`;

const MAXIMUM = `
fn maximumOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	return orNan(max(a, b), isNan(a) | isNan(b));
}
fn minimumOf(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
	return orNan(min(a, b), isNan(a) | isNan(b));
}
`;

/** Each function stands after those that it calls. */
export const SPECIAL_FUNCTIONS = [ERF, ERFC, POWER, FMOD, REMAINDER, ROUNDED_DIVISION, HYPOT, MAXIMUM];
