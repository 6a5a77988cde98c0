/**
 * Special functions in double precision that JavaScript does not have.
 *
 * erf and erfc follow fdlibm's s_erf.c (Sun Microsystems, 1993, https://www.netlib.org/fdlibm/s_erf.c; permission to use, copy,
 * modify and distribute is freely granted): rational approximations on five intervals, with an error below one unit in the last
 * place.
 */

/** coefficients[0] + coefficients[1] x + ... by Horner's rule. */
function polynomial(x: number, coefficients: readonly number[]): number {
	let sum = 0;
	for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!;
	return sum;
}

const ERF_ONE = 8.45062911510467529297e-1;

/** erf(x) = x + x P(x^2) / Q(x^2) on [0, 0.84375]. */
const NEAR_P = [
	1.28379167095512558561e-1, -3.2504210724700149937e-1, -2.84817495755985104766e-2, -5.77027029648944159157e-3,
	-2.37630166566501626084e-5,
];
const NEAR_Q = [
	1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3, 1.32494738004321644526e-4,
	-3.9602282787753681232e-6,
];

/** erf(x) = ERF_ONE + P(x - 1) / Q(x - 1) on [0.84375, 1.25]. */
const ONE_P = [
	-2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1, 3.18346619901161753674e-1,
	-1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.166375594868790843e-3,
];
const ONE_Q = [
	1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2, 1.26171219808761642112e-1,
	1.36370839120290507362e-2, 1.1984499846799107417e-2,
];

/** erfc(x) = exp(-x^2 - 0.5625 + P(1 / x^2) / Q(1 / x^2)) / x on [1.25, 1 / 0.35]. */
const FAR_P = [
	-9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1, -6.23753324503260060396e1,
	-1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1, -9.81432934416914548592,
];
const FAR_Q = [
	1, 1.96512716674392571292e1, 1.376577541435190426e2, 4.34565877475229228821e2, 6.45387271733267880336e2,
	4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2,
];

/** As FAR_P and FAR_Q, on [1 / 0.35, 28]. */
const TAIL_P = [
	-9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1, -1.60636384855821916062e2,
	-6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2,
];
const TAIL_Q = [
	1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3,
	2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1,
];

/** erfc of x >= 1.25. */
function tail(x: number): number {
	if (x >= 28) return 0;
	const s = 1 / (x * x);
	const ratio = x < 1 / 0.35 ? polynomial(s, FAR_P) / polynomial(s, FAR_Q) : polynomial(s, TAIL_P) / polynomial(s, TAIL_Q);
	// The exponential needs x^2 without rounding. The square of a float32 is exact; the second factor takes the rest.
	const rounded = Math.fround(x);
	return (Math.exp(-rounded * rounded - 0.5625) * Math.exp((rounded - x) * (rounded + x) + ratio)) / x;
}

/** The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export function erf(x: number): number {
	const a = Math.abs(x);
	if (a < 0.84375) return x + (x * polynomial(x * x, NEAR_P)) / polynomial(x * x, NEAR_Q);
	const magnitude = a < 1.25 ? ERF_ONE + polynomial(a - 1, ONE_P) / polynomial(a - 1, ONE_Q) : 1 - tail(a);
	return x < 0 ? -magnitude : magnitude;
}

/** 1 - erf(x), without cancellation for large x. */
export function erfc(x: number): number {
	const a = Math.abs(x);
	if (a < 0.84375) {
		const ratio = polynomial(x * x, NEAR_P) / polynomial(x * x, NEAR_Q);
		return x < 0.25 ? 1 - (x + x * ratio) : 0.5 - (x - 0.5 + x * ratio);
	}
	if (a < 1.25) {
		const ratio = polynomial(a - 1, ONE_P) / polynomial(a - 1, ONE_Q);
		return x < 0 ? 1 + ERF_ONE + ratio : 1 - ERF_ONE - ratio;
	}
	return x < 0 ? 2 - tail(a) : tail(x);
}

/** The nearest whole number; ties go to the even one. */
export function roundHalfEven(x: number): number {
	const down = Math.floor(x);
	const rest = x - down;
	if (Number.isNaN(rest)) return x;
	const result = rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
	return result === 0 && (x < 0 || Object.is(x, -0)) ? -0 : result;
}

/** x^y as C and PyTorch define it: 1^y = x^0 = 1 for every x and y, even NaN, and (-1)^(+-inf) = 1. */
export function power(x: number, y: number): number {
	if (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY)) return 1;
	return x ** y;
}

/** a - floor(a / b) * b with the sign of b, as Python's and PyTorch's remainder. */
export function remainder(a: number, b: number): number {
	const rest = a % b;
	return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

/** floor(a / b), as PyTorch computes it: from the exact remainder, so that a rounded quotient does not cross a whole number. */
export function floorDivide(a: number, b: number): number {
	if (b === 0) return a / b;
	const rest = a % b;
	const quotient = (a - rest) / b - (rest !== 0 && b < 0 !== rest < 0 ? 1 : 0);
	if (quotient === 0) return a / b < 0 ? -0 : 0;
	const down = Math.floor(quotient);
	return quotient - down > 0.5 ? down + 1 : down;
}
