/**
 * Element types: their sizes, their typed arrays on the host, and PyTorch's rules of promotion.
 *
 * `bool` and `uint8` are one byte on the host and one 32-bit word on the GPU, because WGSL has neither 8-bit storage nor host-shareable
 * bool. Kernels read the words of uint8 as i32, so only those that write uint8 have to know it.
 * `float64` lives on the CPU path only. `float16` is kept on the host as raw bits in a Uint16Array.
 */
import { ArgumentError, DeviceError, DTypeError } from './errors';
import { currentOperation } from './operation';

export type DType = 'float32' | 'float64' | 'float16' | 'int32' | 'uint8' | 'bool';

/** What holds a tensor's elements on the host. */
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

/** Whether `dtype` holds whole numbers: int32 or uint8. */
export function isInteger(dtype: DType): boolean {
	return CATEGORY[dtype] === 1;
}

/** 0 for bool, 1 for whole numbers, 2 for floating types: the higher category wins where types meet. */
export function category(dtype: DType): number {
	return CATEGORY[dtype];
}

/** A zeroed typed array of `length` elements of `dtype`; a DeviceError where the host has no room for it. */
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
 * The dtype that two tensors meet in, as PyTorch promotes tensors of at least one dimension: the higher category
 * (bool < integer < floating) wins, and within a category the wider type.
 * https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
 */
export function promoteTypes(a: DType, b: DType): DType {
	if (a === b) return a;
	if (CATEGORY[a] !== CATEGORY[b]) return CATEGORY[a] > CATEGORY[b] ? a : b;
	return WIDTH[a] > WIDTH[b] ? a : b;
}

/** Whether `value` is one of int32's numbers. */
export function isInt32(value: number): boolean {
	return (value | 0) === value;
}

/**
 * The dtype of `tensor op number`: a number only changes the category, never the width (int32 + 0.5 is float32, uint8 + 1 is uint8). Whole
 * numbers beyond int32 count as fractions do, since no wider integer is there to hold them.
 */
export function promoteScalar(dtype: DType, value: number | boolean): DType {
	if (typeof value === 'boolean' || CATEGORY[dtype] === 2) return dtype;
	if (isInt32(value)) return dtype === 'bool' ? 'int32' : dtype;
	return 'float32';
}

/**
 * What a tensor of `dtype` that is filled with `value` holds: the value without its fraction in int32 and uint8, and in bool whether it is
 * not 0. Throws, in the name of `operation`, for what is neither a number nor a boolean, and for numbers that the dtype does not hold.
 */
export function fillValue(operation: string, dtype: DType, value: number | boolean): number {
	if (typeof value !== 'number' && typeof value !== 'boolean')
		throw new ArgumentError(`${operation}: the value must be a number or a boolean, not ${typeof value}`);
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

/** Whether the whole-number type `dtype` holds `value` exactly. */
export function holdsInteger(dtype: DType, value: number): boolean {
	return dtype === 'uint8' ? (value & 255) === value : isInt32(value);
}

/** Throws a DTypeError, in the name of `operation`, unless `dtype` is among `allowed`. */
export function requireDType(operation: string, dtype: DType, allowed: readonly DType[], argument = 'input'): void {
	if (!allowed.includes(dtype)) {
		throw new DTypeError(
			`${operation}: ${argument} has dtype ${dtype}; it takes ${allowed.join(', ')}. Convert with .to('${allowed[0]}')`,
		);
	}
}

/** Throws a DTypeError, in the name of `operation`, unless `dtype` is a floating type. */
export function requireFloating(operation: string, dtype: DType, argument = 'input'): void {
	if (!isFloating(dtype)) {
		throw new DTypeError(`${operation}: ${argument} must be floating, not ${dtype}. Convert with .to('float32')`);
	}
}
