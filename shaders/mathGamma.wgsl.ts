/**
 * The logarithm of the gamma function and its derivatives, for math.wgsl.ts. From 1 to 3 they are polynomials, fitted at Chebyshev's
 * points, times factors that hold their zeros; below 1 one step of the recurrence leads there; above 3 Stirling's series holds.
 */

const LOG_GAMMA = `
fn logGamma(x: vec4<f32>) -> vec4<f32> {
	let a = abs(x);
	let isSmall = a < vec4(1.0);
	// lgamma(2 + t), where 2 + t is a or a + 1.
	let t = a - select(vec4(2.0), vec4(1.0), isSmall);
	let u = select(a - 1.0, a, isSmall);
	let p = (((((((((((1.80915131e-5 * t - 3.85804752e-5) * t + 2.38816073e-5) * t - 5.28397356e-5) * t + 1.91739687e-4) * t
		- 4.25154131e-4) * t + 9.12594484e-4) * t - 2.10224243e-3) * t + 4.99899609e-3) * t - 1.23849432e-2) * t + 3.29649878e-2) * t
		- 1.00317275e-1) * t + 4.22784335e-1;
	let logA = logarithm(a);
	let near = t * u * p - select(vec4(0.0), logA, isSmall);
	let r = 1.0 / a;
	let z = r * r;
	let series = r * (8.33333333e-2 - z * (2.77777778e-3 - z * (7.93650794e-4 - z * (5.95238095e-4 - z * 8.41750842e-4))));
	let far = (min(a, vec4(1e37)) - 0.5) * (logA - 1.0) + 0.418938533 + series;
	let above = orInfinity(select(near, far, a >= vec4(3.0)), a > vec4(4.08500343e36));
	// Reflection: gamma(a) gamma(-a) = -pi / (a sin(pi a)).
	let below = 1.14472989 - logA - logarithm(abs(sine(3.14159265 * (a - round(a))))) - above;
	let isWhole = a == round(a);
	let y = orInfinity(select(above, below, x < vec4(0.0)), (isWhole & (x <= vec4(0.0))) | isInfinite(x));
	return select(y, x, isNan(x));
}
`;

const DIGAMMA = `
fn digammaOf(x: vec4<f32>) -> vec4<f32> {
	let isBelow = x < vec4(0.0);
	let a = select(x, 1.0 - x, isBelow);
	let isSmall = a < vec4(1.0);
	let t = a - select(vec4(2.0), vec4(1.0), isSmall);
	let q = ((((((((((((-1.1036304e-4 * t + 2.20856402e-4) * t - 5.58361144e-5) * t + 1.12410224e-4) * t - 7.58197001e-4) * t
		+ 1.52395472e-3) * t - 2.70920573e-3) * t + 5.49150369e-3) * t - 1.13436279e-2) * t + 2.34577031e-2) * t - 4.95507039e-2) * t
		+ 1.08999259e-1) * t - 2.60738958e-1) * t + 7.85307545e-1;
	let r = 1.0 / a;
	let near = (t + 5.38367855e-1) * q - select(vec4(0.0), r, isSmall);
	let z = r * r;
	let series = z * (8.33333333e-2 - z * (8.33333333e-3 - z * (3.96825397e-3 - z * (4.16666667e-3 - z * 7.57575758e-3))));
	let above = select(near, logarithm(a) - 0.5 * r - series, a >= vec4(3.0));
	let rest = 3.14159265 * (x - round(x));
	let below = above - 3.14159265 * cosine(rest) / sine(rest);
	let y = orNan(select(above, below, isBelow), isBelow & (x == round(x)));
	let atZero = copySign(orInfinity(y, x == vec4(0.0)), -x);
	let edges = orNan(select(y, atZero, x == vec4(0.0)), isInfinite(x) & isBelow);
	return select(edges, x, isNan(x) | (isInfinite(x) & !isBelow));
}
`;

/** Hurwitz' zeta function of whole s > 1, the sum of (q + k)^-s over k = 0, 1, ... */
const ZETA = `
/** For q > 0: the first terms, and the rest by Euler and Maclaurin. */
fn zetaAbove0(q: vec4<f32>, s: f32) -> vec4<f32> {
	var a = q;
	var sum = vec4(0.0);
	for (var k = 0u; k < u32(s) + 6u; k++) {
		sum += power(a, vec4(-s));
		a += 1.0;
	}
	let r = 1.0 / a;
	let z = r * r;
	let first = power(a, vec4(1.0 - s));
	let series = s * r * 8.33333333e-2
		* (1.0 - (s + 1.0) * (s + 2.0) * z * 1.66666667e-2 * (1.0 - (s + 3.0) * (s + 4.0) * z * 2.38095238e-2));
	return sum + first / (s - 1.0) + first * r * (0.5 + series);
}
fn hurwitzZeta(x: vec4<f32>, s: f32) -> vec4<f32> {
	let isAbove = x > vec4(0.0);
	let one = vec4(1.0);
	// The terms above 0, and those between x and 0: the sums from the two distances to whole numbers, without the terms beyond x.
	let starts = array(select(x - floor(x), x, isAbove), select(ceil(x) - x, one, isAbove), select(1.0 - x, one, isAbove));
	var parts: array<vec4<f32>, 3>;
	for (var i = 0u; i < 3u; i++) {
		parts[i] = zetaAbove0(starts[i], s);
	}
	let sign = select(-1.0, 1.0, floor(s * 0.5) * 2.0 == s);
	let y = select(parts[0] + sign * (parts[1] - parts[2]), parts[0], isAbove);
	let edges = orInfinity(y, !isAbove & (x == floor(x)));
	return orNan(select(edges, vec4(0.0), isInfinite(x)), isNan(x) | (isInfinite(x) & !isAbove));
}
`;

/** Each after those that it calls. */
export const GAMMA_FUNCTIONS = [LOG_GAMMA, DIGAMMA, ZETA];
