/**
 * Trigonometric functions and their inverses, for math.wgsl.ts. The polynomials are those of S. Moshier's Cephes library, single
 * precision (https://www.netlib.org/cephes).
 */

/**
 * x = quadrant pi / 2 + rest with |rest| <= pi / 4. Up to 8192 the function subtracts pi / 2 in three parts, two with exact
 * products, one after the other, and `unseen` keeps the steps apart. Beyond that it multiplies the mantissa with the 96 relevant
 * bits of 2 / pi (Payne and Hanek).
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
/** Quadrant and remainder, in units of pi / 2, for a finite x >= 1. */
fn largeAngle(x: f32) -> vec2<f32> {
	var digits = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu);
	let bits = bitcast<u32>(x);
	let mantissa = (bits & 0x7fffffu) | 0x800000u;
	// The first binary digit of 2 / pi (behind 32 zeros) that matters: its product with x is not a multiple of a full turn.
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
	// (high, sum) is the angle in units of 2^-62 quarter turns, modulo a full turn.
	let quadrant = (high >> 30u) + ((high >> 29u) & 1u);
	let fraction = bitcast<i32>((high << 2u) | (sum >> 30u));
	let rest = f32(fraction) * 0x1p-32 + f32((sum << 2u) >> 8u) * 0x1p-56;
	return vec2(f32(quadrant), rest);
}
fn reduceAngle(x: vec4<f32>) -> Angle {
	let a = abs(x);
	let k = round(min(a, vec4(8192.0)) * 0.636619772);
	var quadrant = vec4<u32>(k);
	let coarse = unseen(a - k * 1.5703125, quadrant);
	var rest = unseen(coarse - k * 4.837512969970703e-4, quadrant) - k * 7.549789948768648e-8;
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
	return orNan(select(y, -y, x < vec4(0.0)), !isFinite(x));
}
`;

const COSINE = `
fn cosine(x: vec4<f32>) -> vec4<f32> {
	let angle = reduceAngle(x);
	return orNan(sineOf(Angle(angle.quadrant + vec4(1u), angle.rest)), !isFinite(x));
}
`;

const TANGENT = `
fn tangent(x: vec4<f32>) -> vec4<f32> {
	let angle = reduceAngle(x);
	let s = sineRest(angle.rest);
	let c = cosineRest(angle.rest);
	let odd = (angle.quadrant & vec4(1u)) != vec4(0u);
	let y = select(s, -c, odd) / select(c, s, odd);
	return orNan(select(y, -y, x < vec4(0.0)), !isFinite(x));
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
	return copySign(select(y, x, isNan(x)), x);
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
	return orNan(copySign(whole, y), isNan(x) | isNan(y));
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
	return orNan(copySign(select(p, 1.57079633 - 2.0 * p, far), x), (a > vec4(1.0)) | isNan(x));
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
	return orNan(select(inner, outer, far), (a > vec4(1.0)) | isNan(x));
}
`;

/** Each after those that it calls. */
export const ANGLE_FUNCTIONS = [ANGLE, SINE, COSINE, TANGENT, ATAN, ARCTANGENT, ATAN2, ASIN_REST, ARCSINE, ARCCOSINE];
