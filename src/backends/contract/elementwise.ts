/** Kernels that compute each element of the output from the elements of the inputs at the same place. */
import type { View } from '../contract';

/** Floating functions of one number; PyTorch's names and definitions. */
export type UnaryOp =
	| 'neg'
	| 'abs'
	| 'sign'
	| 'exp'
	| 'expm1'
	| 'exp2'
	| 'log'
	| 'log1p'
	| 'log2'
	| 'log10'
	| 'sqrt'
	| 'rsqrt'
	| 'square'
	| 'reciprocal'
	| 'sin'
	| 'cos'
	| 'tan'
	| 'asin'
	| 'acos'
	| 'atan'
	| 'sinh'
	| 'cosh'
	| 'tanh'
	| 'asinh'
	| 'acosh'
	| 'atanh'
	| 'erf'
	| 'erfc'
	| 'sigmoid'
	| 'logSigmoid'
	| 'relu'
	| 'relu6'
	| 'leakyRelu'
	| 'elu'
	| 'selu'
	| 'celu'
	| 'gelu'
	| 'geluTanh'
	| 'silu'
	| 'mish'
	| 'softplus'
	| 'softsign'
	| 'hardtanh'
	| 'hardsigmoid'
	| 'hardswish'
	| 'clamp'
	| 'floor'
	| 'ceil'
	| 'round'
	| 'trunc'
	| 'frac';

/** Functions of one number that answer with a bool. */
export type PredicateOp = 'isnan' | 'isinf' | 'isfinite' | 'logicalNot';

/**
 * On int32 and uint8 all but div, atan2 and hypot, with wrap-around; x fmod 0 and x remainder 0 are 0, and x floorDiv 0 and x truncDiv 0 are x.
 * On bool add and maximum are or, mul and minimum are and; nothing else. floorDiv and truncDiv are div, rounded.
 */
export type BinaryOp =
	| 'add'
	| 'sub'
	| 'mul'
	| 'div'
	| 'floorDiv'
	| 'truncDiv'
	| 'pow'
	| 'maximum'
	| 'minimum'
	| 'fmod'
	| 'remainder'
	| 'atan2'
	| 'hypot';

export type CompareOp = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'logicalAnd' | 'logicalOr' | 'logicalXor';

export type CombineOp = 'addScaled' | 'lerp';

export type TernaryOp = 'lerp' | 'addcmul' | 'addcdiv';

/** Which of input (x) and output (y) the derivative of a function is written in, and so is saved for the backward pass; none: neither. */
export const DERIVATIVE_IN: Record<UnaryOp, 'x' | 'y' | 'none'> = {
	neg: 'none',
	abs: 'x',
	sign: 'none',
	exp: 'y',
	expm1: 'y',
	exp2: 'y',
	log: 'x',
	log1p: 'x',
	log2: 'x',
	log10: 'x',
	sqrt: 'y',
	rsqrt: 'y',
	square: 'x',
	reciprocal: 'y',
	sin: 'x',
	cos: 'x',
	tan: 'y',
	asin: 'x',
	acos: 'x',
	atan: 'x',
	sinh: 'x',
	cosh: 'x',
	tanh: 'y',
	asinh: 'x',
	acosh: 'x',
	atanh: 'x',
	erf: 'x',
	erfc: 'x',
	sigmoid: 'y',
	logSigmoid: 'x',
	relu: 'y',
	relu6: 'y',
	leakyRelu: 'x',
	elu: 'x',
	selu: 'x',
	celu: 'x',
	gelu: 'x',
	geluTanh: 'x',
	silu: 'x',
	mish: 'x',
	softplus: 'x',
	softsign: 'x',
	hardtanh: 'y',
	hardsigmoid: 'x',
	hardswish: 'x',
	clamp: 'x',
	floor: 'none',
	ceil: 'none',
	round: 'none',
	trunc: 'none',
	frac: 'none',
};

/**
 * The numbers that a parametrised function takes, in PyTorch's order: leakyRelu (negativeSlope), elu (alpha), celu (alpha), softplus
 * (beta, threshold), hardtanh (min, max), clamp (min, max; -inf and inf where absent), addcmul and addcdiv (value).
 */
export interface Parameters {
	readonly p0?: number;
	readonly p1?: number;
}

export interface ElementwiseKernels {
	/** y = op(x), of x's dtype: floating, or int32 or uint8 for neg, abs, sign, square, relu, relu6, hardtanh, clamp, floor, ceil, round, trunc. */
	unary(inputs: { x: View }, outputs: { y: View }, attributes: { op: UnaryOp } & Parameters): void;
	/**
	 * dx = gradient * op'(x), in one launch: what the backward walk uses when it is not itself recorded. `saved` is the input or
	 * the output of the forward pass, as DERIVATIVE_IN says. Functions of which it says 'none' are not asked.
	 */
	unaryGrad(inputs: { saved: View; gradient: View }, outputs: { dx: View }, attributes: { op: UnaryOp } & Parameters): void;
	/** y = op(x), y bool. */
	predicate(inputs: { x: View }, outputs: { y: View }, attributes: { op: PredicateOp }): void;
	/** y = op(a, b); a and b have been expanded to y's shape (stride 0) and y's dtype. */
	binary(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: BinaryOp }): void;
	/** y = op(x, scalar), or op(scalar, x) with `scalarFirst`. */
	binaryScalar(
		inputs: { x: View },
		outputs: { y: View },
		attributes: { op: BinaryOp; scalar: number; scalarFirst: boolean },
	): void;
	/** a = op(a, b) in place; a has any strides without overlap; b has been expanded to a's shape and dtype, and shares no storage with a. */
	binaryInPlace(inputs: { b: View }, outputs: { a: View }, attributes: { op: BinaryOp }): void;
	/** x = op(x, scalar) in place. */
	binaryScalarInPlace(inputs: Record<string, never>, outputs: { x: View }, attributes: { op: BinaryOp; scalar: number }): void;
	/** y = a op b, y bool; a and b have equal dtype and y's shape. NaN compares as IEEE 754 says. */
	compare(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: CompareOp }): void;
	/** y = x op scalar, y bool. */
	compareScalar(inputs: { x: View }, outputs: { y: View }, attributes: { op: CompareOp; scalar: number }): void;
	/** addScaled: a + factor * b; lerp: a + factor * (b - a), exact at 0 and 1. Shapes and dtypes as `binary`; lerp is floating. */
	combine(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: CombineOp; factor: number }): void;
	/** y = condition ? a : b; condition is bool; all have y's shape. A missing a or b is the number of that name in the attributes. */
	where(inputs: { condition: View; a?: View; b?: View }, outputs: { y: View }, attributes: { a?: number; b?: number }): void;
	/** lerp: a + c * (b - a); addcmul: a + p0 * b * c; addcdiv: a + p0 * b / c. */
	ternary(inputs: { a: View; b: View; c: View }, outputs: { y: View }, attributes: { op: TernaryOp } & Parameters): void;
	/** y = x in y's dtype: to bool is x != 0; to int32 truncates, clamps to the range of int32, and turns NaN into 0; to uint8 takes that modulo 256. */
	cast(inputs: { x: View }, outputs: { y: View }, attributes: Record<string, never>): void;
}
