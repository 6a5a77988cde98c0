/**
 * Element types, their sizes, their typed arrays on the host, and PyTorch's promotion rules.
 *
 * `bool`, `uint8` and `int8` are one byte on the host and one 32-bit word on the GPU, because WGSL has neither 8-bit storage nor
 * host-shareable bool. Kernels read the words of uint8 and int8 as i32, so only kernels that write them treat them specially. `float64`
 * exists on the CPU only. The host stores `float16` and `bfloat16` as raw bits in a Uint16Array: see halves.ts.
 */
import { describe, wrongArgument } from './checks';
import { ArgumentError, DeviceError, DTypeError } from './errors';

export type DType = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int32' | 'int8' | 'uint8' | 'bool';

/** The typed arrays that hold a tensor's elements on the host. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | Int8Array | Uint8Array;

export const DTYPES: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int8', 'uint8', 'bool'];

const CATEGORY: Record<DType, 0 | 1 | 2> = {
	bool: 0,
	uint8: 1,
	int8: 1,
	int32: 1,
	float16: 2,
	bfloat16: 2,
	float32: 2,
	float64: 2,
};
const WIDTH: Record<DType, number> = { bool: 1, uint8: 1, int8: 1, int32: 4, float16: 2, bfloat16: 2, float32: 4, float64: 8 };
/** The names of dtypes of PyTorch and NumPy that wgrad lacks or names otherwise, and what to use instead. */
const OTHER_NAMES: Readonly<Record<string, DType>> = {
	int64: 'int32',
	long: 'int32',
	int16: 'int32',
	short: 'int32',
	int: 'int32',
	char: 'int8',
	byte: 'uint8',
	boolean: 'bool',
	float: 'float32',
	double: 'float64',
	half: 'float16',
};

/** Bytes that one element takes on the host. */
export function hostBytes(dtype: DType): number {
	return WIDTH[dtype];
}

export function isFloating(dtype: DType): boolean {
	return CATEGORY[dtype] === 2;
}

/** Whether `dtype` is an integer type: int32, int8 or uint8. */
export function isInteger(dtype: DType): boolean {
	return CATEGORY[dtype] === 1;
}

/** 0 for bool, 1 for integers, 2 for floating types. Promotion picks the higher category. */
export function category(dtype: DType): number {
	return CATEGORY[dtype];
}

/** A zeroed typed array of `length` elements of `dtype`. Throws a DeviceError if the host cannot allocate it. */
export function allocateTyped(operation: string, dtype: DType, length: number): TypedArray {
	try {
		return zeroed(dtype, length);
	} catch (error) {
		if (!(error instanceof RangeError)) throw error;
		throw new DeviceError(
			`${operation}: ${length} elements of ${dtype} (${length * hostBytes(dtype)} bytes) are more than one array of the host holds: ${error.message}`,
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
		case 'bfloat16':
			return new Uint16Array(length);
		case 'int32':
			return new Int32Array(length);
		case 'int8':
			return new Int8Array(length);
		case 'uint8':
		case 'bool':
			return new Uint8Array(length);
	}
}

/**
 * The dtype of an operation on two tensors, by PyTorch's rule for tensors with at least one dim: the higher category (bool < integer <
 * floating) wins, and within a category the wider type. uint8 and int8 give int32 (PyTorch: int16); float16 and bfloat16 give float32. As
 * `torch.promote_types`, https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
 */
export function widerType(a: DType, b: DType): DType {
	if (a === b) return a;
	if (CATEGORY[a] !== CATEGORY[b]) return CATEGORY[a] > CATEGORY[b] ? a : b;
	if (WIDTH[a] === WIDTH[b]) return CATEGORY[a] === 1 ? 'int32' : 'float32';
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
 * Converts `value` to an element of `dtype`, for filling a tensor. Integer types drop the fraction; bool stores 0 or 1. Throws an
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
		const wider = dtype !== 'int32' && isInt32(whole) ? 'int32' : 'float32';
		throw new ArgumentError(`${operation}: ${dtype} does not hold the value ${value}. Use a tensor of ${wider}`);
	}
	return whole;
}

/** Whether the integer type `dtype` holds `value` exactly. */
export function holdsInteger(dtype: DType, value: number): boolean {
	return wrapped(dtype, value) === value;
}

/** The number that the integer type `dtype` stores for the int32 `value`: uint8 and int8 take it modulo 256. */
export function wrapped(dtype: DType, value: number): number {
	if (dtype === 'uint8') return value & 255;
	return dtype === 'int8' ? (value << 24) >> 24 : value | 0;
}

/** Throws a DTypeError that names `operation` unless `dtype` is one of `DTYPES`. */
export function requireKnownDType(operation: string, dtype: unknown): asserts dtype is DType {
	if (!isDType(dtype))
		throw new DTypeError(`${operation}: dtype must be one of ${DTYPES.join(', ')}, not ${describe(dtype)}${insteadOf(dtype)}`);
}

export function isDType(value: unknown): value is DType {
	return (DTYPES as readonly unknown[]).includes(value);
}

/** For errors: what to use instead of a dtype that wgrad does not know. */
export function insteadOf(dtype: unknown): string {
	return typeof dtype === 'string' && Object.hasOwn(OTHER_NAMES, dtype) ? `. Use '${OTHER_NAMES[dtype]}'` : '';
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
