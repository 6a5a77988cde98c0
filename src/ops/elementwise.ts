/** Elementwise operations, by kind: see the files of the folder elementwise/. */
export * from './elementwise/activation';
export * from './elementwise/binary';
export { to } from './elementwise/cast';
export * from './elementwise/compare';
export * from './elementwise/shrinking';
export { addcdiv, addcmul, lerp, type ValueOptions, where } from './elementwise/ternary';
export {
	abs,
	acos,
	acosh,
	asin,
	asinh,
	atan,
	atanh,
	ceil,
	cos,
	cosh,
	erf,
	erfc,
	exp,
	exp2,
	expm1,
	floor,
	frac,
	log,
	log1p,
	log2,
	log10,
	neg,
	reciprocal,
	round,
	rsqrt,
	sign,
	sin,
	sinh,
	sqrt,
	square,
	tan,
	tanh,
	trunc,
} from './elementwise/unary';
