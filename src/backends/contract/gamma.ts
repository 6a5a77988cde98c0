/**
 * The logarithm of the gamma function and its derivatives, in double precision.
 *
 * Large arguments take Stirling's series, smaller ones move up by recurrence first, negative ones are reflected. Around its zeros at 1 and
 * 2 the logarithm is a power series, which keeps all digits.
 */

const HALF_LOG_2PI = 0.918938533204672742;
const EULER = 0.577215664901532861;

/** B(2k) / (2k)! for k = 1, 2, ..., with Bernoulli's numbers B. */
const EULER_MACLAURIN = [
	1 / 12,
	-1 / 720,
	1 / 30240,
	-1 / 1209600,
	1 / 47900160,
	-691 / 1307674368000,
	1 / 74724249600,
	-3617 / 10670622842880000,
];

/** The sum of (q + k)^-s over k = 0, 1, ..., for whole s > 1 and q > 0: the first terms, and the rest by Euler and Maclaurin. */
function zetaAbove0(s: number, q: number): number {
	let sum = 0;
	let a = q;
	for (; a < s + 10; a++) sum += a ** -s;
	let power = a ** -s;
	sum += a ** (1 - s) / (s - 1) + power / 2;
	let factor = s;
	for (const [k, coefficient] of EULER_MACLAURIN.entries()) {
		power /= a;
		sum += coefficient * factor * power;
		factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
		power /= a;
	}
	return sum;
}

/** Hurwitz' zeta function of whole s > 1: the sum of (q + k)^-s over k = 0, 1, ... */
export function zeta(s: number, q: number): number {
	if (q > 0 || Number.isNaN(q)) return q === Number.POSITIVE_INFINITY ? 0 : zetaAbove0(s, q);
	if (Math.floor(q) === q) return q === Number.NEGATIVE_INFINITY ? Number.NaN : Number.POSITIVE_INFINITY;
	// The terms above 0, and those between q and 0.
	const below = zetaAbove0(s, Math.ceil(q) - q) - zetaAbove0(s, 1 - q);
	return zetaAbove0(s, q - Math.floor(q)) + (s % 2 === 0 ? below : -below);
}

/** The distance to the nearest whole number. */
const fromWhole = (x: number) => x - Math.round(x);

/** The derivative of lgamma. At 0 it is infinite, with the sign opposite to that of 0; at negative whole numbers NaN. */
export function digamma(x: number): number {
	if (x === 0) return Object.is(x, -0) ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
	if (x < 0) return Math.floor(x) === x ? Number.NaN : digamma(1 - x) - Math.PI / Math.tan(Math.PI * fromWhole(x));
	let sum = 0;
	let a = x;
	for (; a < 10; a++) sum -= 1 / a;
	const z = 1 / (a * a);
	const series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * (691 / 32760 - z / 12))))));
	return sum + Math.log(a) - 0.5 / a - series;
}

/** (zeta(k) - 1) / k for k = 2, 3, ... */
const AROUND_2 = Array.from({ length: 28 }, (_, i) => zetaAbove0(i + 2, 2) / (i + 2));

/** lgamma(2 + t) for |t| <= 0.5. */
function lgammaAround2(t: number): number {
	let sum = 0;
	for (const coefficient of AROUND_2.toReversed()) sum = coefficient - t * sum;
	return t * (1 - EULER + t * sum);
}

/** log |gamma(x)|. Infinity at 0, at negative whole numbers and at both infinities. */
export function lgamma(x: number): number {
	if (Number.isNaN(x)) return x;
	if (Math.abs(x) === Number.POSITIVE_INFINITY || (x <= 0 && Math.floor(x) === x)) return Number.POSITIVE_INFINITY;
	if (x < 0) return Math.log(Math.PI) - Math.log(Math.abs(Math.sin(Math.PI * fromWhole(x)))) - lgamma(1 - x);
	if (x < 0.5) return lgammaAround2(x) - Math.log(x) - Math.log1p(x);
	if (x < 1.5) return lgammaAround2(x - 1) - Math.log1p(x - 1);
	if (x < 2.5) return lgammaAround2(x - 2);
	let product = 1;
	let a = x;
	for (; a < 10; a++) product *= a;
	const z = 1 / (a * a);
	const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - (z * 691) / 360360))))) / a;
	return (a - 0.5) * Math.log(a) - a + HALF_LOG_2PI + series - Math.log(product);
}
