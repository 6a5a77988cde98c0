/**
 * Element types, their sizes, their typed arrays on the host, and PyTorch's promotion rules.
 *
 * `bool` and `uint8` are one byte on the host and one 32-bit word on the GPU, because WGSL has neither 8-bit storage nor host-shareable
 * bool. Kernels read uint8 words as i32, so only kernels that write uint8 treat it specially. `float64` exists on the CPU only. The host
 * stores `float16` as raw bits in a Uint16Array; the CPU path computes with the numbers.
 */
import { describe, wrongArgument } from './checks';
import { currentOperation } from './currentOperation';
import { ArgumentError, DeviceError, DTypeError } from './errors';

export type DType = 'float32' | 'float64' | 'float16' | 'int32' | 'uint8' | 'bool';

/** The typed arrays that hold a tensor's elements on the host. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | Uint8Array;

export const DTYPES: readonly DType[] = ['float32', 'float64', 'float16', 'int32', 'uint8', 'bool'];

const CATEGORY: Record<DType, 0 | 1 | 2> = { bool: 0, uint8: 1, int32: 1, float16: 2, float32: 2, float64: 2 };
const WIDTH: Record<DType, number> = { bool: 1, uint8: 1, int32: 4, float16: 2, float32: 4, float64: 8 };

/** Bytes that one element takes on the host. */
export function hostBytes(dtype: DType): number {
	return WIDTH[dtype];
}

export function isFloating(dtype: DType): boolean {
	return CATEGORY[dtype] === 2;
}

/** Whether `dtype` is an integer type: int32 or uint8. */
export function isInteger(dtype: DType): boolean {
	return CATEGORY[dtype] === 1;
}

/** 0 for bool, 1 for integers, 2 for floating types. Promotion picks the higher category. */
export function category(dtype: DType): number {
	return CATEGORY[dtype];
}

/** A zeroed typed array of `length` elements of `dtype`. Throws a DeviceError if the host cannot allocate it. */
export function allocateTyped(dtype: DType, length: number): TypedArray {
	try {
		return zeroed(dtype, length);
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		throw new DeviceError(
			`${currentOperation() || 'tensor'}: ${length} elements of ${dtype} (${length * hostBytes(dtype)} bytes) are more than one array of the host holds: ${error.message}`,
		);
	}
}

function zeroed(dtype: DType, length: number): TypedArray {
	switch (dtype) {
		case 'float32':
			return new Float32Array(length);
		case 'float64':
			return new Float64Array(length);
		case 'float16':
			return new Uint16Array(length);
		case 'int32':
			return new Int32Array(length);
		case 'uint8':
		case 'bool':
			return new Uint8Array(length);
	}
}

/**
 * The dtype of an operation on two tensors, by PyTorch's rule for tensors with at least one dim: the higher category (bool < integer <
 * floating) wins, and within a category the wider type. https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
 */
export function promoteTypes(a: DType, b: DType): DType {
	if (a === b) return a;
	if (CATEGORY[a] !== CATEGORY[b]) return CATEGORY[a] > CATEGORY[b] ? a : b;
	return WIDTH[a] > WIDTH[b] ? a : b;
}

/** Whether int32 holds `value` exactly. */
export function isInt32(value: number): boolean {
	return (value | 0) === value;
}

/**
 * The dtype of `tensor op number`. A number changes only the category, never the width: int32 + 0.5 is float32, uint8 + 1 is uint8.
 * Integers beyond int32 count as floating, because there is no wider integer type.
 */
export function promoteScalar(dtype: DType, value: number | boolean): DType {
	if (typeof value === 'boolean' || CATEGORY[dtype] === 2) return dtype;
	if (isInt32(value)) return dtype === 'bool' ? 'int32' : dtype;
	return 'float32';
}

/**
 * Converts `value` to an element of `dtype`, for filling a tensor. int32 and uint8 drop the fraction; bool stores 0 or 1. Throws an
 * ArgumentError that names `operation` if `value` is neither a number nor a boolean, or if the dtype cannot hold it.
 */
export function fillValue(operation: string, dtype: DType, value: number | boolean): number {
	if (typeof value !== 'number' && typeof value !== 'boolean')
		throw wrongArgument(operation, 'the value', 'a number or a boolean', value);
	const number = Number(value);
	if (dtype === 'bool') return number === 0 ? 0 : 1;
	if (!isInteger(dtype)) return number;
	const whole = Math.trunc(number);
	if (!holdsInteger(dtype, whole)) {
		const wider = dtype === 'uint8' && isInt32(whole) ? 'int32' : 'float32';
		throw new ArgumentError(`${operation}: ${dtype} does not hold the value ${value}. Use a tensor of ${wider}`);
	}
	return whole;
}

/** Whether the integer type `dtype` holds `value` exactly. */
export function holdsInteger(dtype: DType, value: number): boolean {
	return dtype === 'uint8' ? (value & 255) === value : isInt32(value);
}

/** Throws a DTypeError that names `operation` unless `dtype` is one of `DTYPES`. */
export function requireKnownDType(operation: string, dtype: unknown): asserts dtype is DType {
	if (!(DTYPES as readonly unknown[]).includes(dtype))
		throw new DTypeError(`${operation}: dtype must be one of ${DTYPES.join(', ')}, not ${describe(dtype)}`);
}

/** Throws a DTypeError that names `operation` unless `dtype` is among `allowed`. */
export function requireDType(operation: string, dtype: DType, allowed: readonly DType[], argument = 'input'): void {
	if (!allowed.includes(dtype)) {
		throw new DTypeError(
			`${operation}: ${argument} has dtype ${dtype}; it takes ${allowed.join(', ')}. Convert with .to('${allowed[0]}')`,
		);
	}
}

/** Throws a DTypeError that names `operation` unless `dtype` is a floating type. */
export function requireFloating(operation: string, dtype: DType, argument = 'input'): void {
	if (!isFloating(dtype)) {
		throw new DTypeError(`${operation}: ${argument} must be floating, not ${dtype}. Convert with .to('float32')`);
	}
}
