/** Kernels that compute each element of the output from the elements of the inputs at the same place. */
import type { View } from '../contract';
import type { BINARY, COMBINE, COMPARE, PREDICATE, TERNARY, UNARY } from './elementwiseFunctions';

/** Floating functions of one number. */
export type UnaryOp = keyof typeof UNARY;

/** Those that have a kernel for their gradient. */
export type UnaryGradOp = {
	[Op in UnaryOp]: (typeof UNARY)[Op] extends { readonly saves: string } ? Op : never;
}[UnaryOp];

/** Functions of one number that answer with a bool. */
export type PredicateOp = keyof typeof PREDICATE;

/**
 * On int32 and uint8 all but div, atan2 and hypot, with wrap-around; x fmod 0 and x remainder 0 are 0, and x floorDiv 0 and x truncDiv 0 are x.
 * On bool add and maximum are or, mul and minimum are and; nothing else. floorDiv and truncDiv are div, rounded.
 */
export type BinaryOp = keyof typeof BINARY;

export type CompareOp = keyof typeof COMPARE;

export type CombineOp = keyof typeof COMBINE;

export type TernaryOp = keyof typeof TERNARY;

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
	 * the output of the forward pass, as the row of the function says.
	 */
	unaryGrad(inputs: { saved: View; gradient: View }, outputs: { dx: View }, attributes: { op: UnaryGradOp } & Parameters): void;
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
