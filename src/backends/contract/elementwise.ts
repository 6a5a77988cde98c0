/** Kernels that compute each element of the output from the elements of the inputs at the same place. */
import type { BINARY, COMBINE, COMPARE, PREDICATE, TERNARY, UNARY } from './elementwiseFunctions';
import type { View } from './storage';

/** Functions of one floating-point number. */
export type UnaryOp = keyof typeof UNARY;

/** Unary functions with a gradient kernel. */
export type UnaryGradOp = {
	[Op in UnaryOp]: (typeof UNARY)[Op] extends { readonly saves: string } ? Op : never;
}[UnaryOp];

/** Functions of one number that return a bool. */
export type PredicateOp = keyof typeof PREDICATE;

/**
 * int32 and uint8 take all but div, atan2, hypot, logaddexp and logaddexp2, with wrap-around. Integer fmod and remainder by 0 give 0; integer floorDiv
 * and truncDiv of x by 0 give x. On bool, add and maximum are OR, mul and minimum are AND, bitwiseAnd, bitwiseOr and bitwiseXor are
 * logical, and the rest is not allowed. floorDiv and truncDiv round the quotient. The bitwise functions take no floating numbers. A
 * left shift by less than 0 or more than 31 bits gives 0, such a right shift the sign, 0 or -1.
 */
export type BinaryOp = keyof typeof BINARY;

export type CompareOp = keyof typeof COMPARE;

type CombineOp = keyof typeof COMBINE;

export type TernaryOp = keyof typeof TERNARY;

/**
 * The numeric arguments of a function, in PyTorch's order: leakyRelu (negativeSlope), elu (alpha), celu (alpha), softplus
 * (beta, threshold), hardtanh (min, max), clamp (min, max; -inf and inf if absent), polygamma (n, n! times the sign of the result for x > 0),
 * addcmul and addcdiv (value).
 */
export interface Parameters {
	readonly p0?: number;
	readonly p1?: number;
}

export interface ElementwiseKernels {
	/**
	 * y = op(x), of x's dtype: floating, or int32 or uint8 for neg, abs, sign, square, relu, relu6, hardtanh, clamp, floor, ceil,
	 * round, trunc.
	 */
	unary(inputs: { x: View }, outputs: { y: View }, attributes: { op: UnaryOp } & Parameters): void;
	/**
	 * dx = gradient * op'(x), in one launch, for a backward pass that is not itself recorded. `saved` is the input or the output
	 * of the forward pass, as the function's `saves` says.
	 */
	unaryGrad(inputs: { saved: View; gradient: View }, outputs: { dx: View }, attributes: { op: UnaryGradOp } & Parameters): void;
	/** y = op(x), y bool. */
	predicate(inputs: { x: View }, outputs: { y: View }, attributes: { op: PredicateOp }): void;
	/** y = op(a, b); a and b have been expanded to y's shape (stride 0) and y's dtype. */
	binary(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: BinaryOp }): void;
	/** y = op(x, scalar), or op(scalar, x) if `scalarFirst`. */
	binaryScalar(
		inputs: { x: View },
		outputs: { y: View },
		attributes: { op: BinaryOp; scalar: number; scalarFirst: boolean },
	): void;
	/**
	 * a = op(a, b) in place. a has any strides without overlap. b has a's shape (by expansion) and dtype, and shares no storage
	 * with a.
	 */
	binaryInPlace(inputs: { b: View }, outputs: { a: View }, attributes: { op: BinaryOp }): void;
	/** x = op(x, scalar) in place. */
	binaryScalarInPlace(inputs: Record<string, never>, outputs: { x: View }, attributes: { op: BinaryOp; scalar: number }): void;
	/** y = a op b, y bool; a and b have equal dtype and y's shape. NaN compares as IEEE 754 says. */
	compare(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: CompareOp }): void;
	/** y = x op scalar, y bool. */
	compareScalar(inputs: { x: View }, outputs: { y: View }, attributes: { op: CompareOp; scalar: number }): void;
	/** addScaled: a + factor * b; lerp: a + factor * (b - a), exact at 0 and 1. Shapes and dtypes as `binary`; lerp is floating. */
	combine(inputs: { a: View; b: View }, outputs: { y: View }, attributes: { op: CombineOp; factor: number }): void;
	/** y = condition ? a : b; condition is bool; all have y's shape. The attribute a or b replaces a missing input of that name. */
	where(inputs: { condition: View; a?: View; b?: View }, outputs: { y: View }, attributes: { a?: number; b?: number }): void;
	/** lerp: a + c * (b - a); addcmul: a + p0 * b * c; addcdiv: a + p0 * b / c. */
	ternary(inputs: { a: View; b: View; c: View }, outputs: { y: View }, attributes: { op: TernaryOp } & Parameters): void;
	/**
	 * y = x in y's dtype. bool: x != 0. int32: truncates, clamps to int32's range, and turns NaN into 0. uint8: the int32 modulo
	 * 256.
	 */
	cast(inputs: { x: View }, outputs: { y: View }, attributes: Record<string, never>): void;
}
