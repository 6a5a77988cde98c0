/** Converts the elements of a tensor in a file to the typed array of a dtype that wgrad has. Files and the machines that run WebGPU are little-endian. */
import type { DType, TypedArray } from '../core/dtype';
import { FormatError } from '../core/errors';
import { float16ToFloat32 } from '../core/float16';

/** Bytes per element of each dtype of files, under its name in safetensors. */
export const FILE_WIDTH = {
	BOOL: 1,
	U8: 1,
	I8: 1,
	I16: 2,
	U16: 2,
	F16: 2,
	BF16: 2,
	I32: 4,
	U32: 4,
	F32: 4,
	F64: 8,
	I64: 8,
	U64: 8,
} as const;

export type FileDType = keyof typeof FILE_WIDTH;

export interface ElementOptions {
	/** The dtype for F16. Default 'float16', which not every device supports. */
	readonly float16As?: 'float16' | 'float32';
	/** The dtype for F64. Default 'float64', which only the CPU supports. */
	readonly float64As?: 'float64' | 'float32';
}

export interface Elements {
	readonly dtype: DType;
	/** The elements in the typed array of `dtype` (core/dtype). It shares memory with the bytes if they are aligned and need no conversion. */
	readonly data: TypedArray;
}

/**
 * The elements in `bytes`, which are those of a tensor from the index `first` on. Throws a FormatError that begins with `tensor`, a description,
 * if they do not fit the dtype.
 */
export function readElements(
	tensor: string,
	dtype: FileDType,
	bytes: Uint8Array,
	{ float16As, float64As }: ElementOptions,
	first = 0,
): Elements {
	const width = FILE_WIDTH[dtype];
	const aligned = bytes.byteOffset % width === 0;
	const { buffer, byteOffset } = aligned ? bytes : bytes.slice();
	const length = bytes.length / width;
	switch (dtype) {
		case 'F32':
			return { dtype: 'float32', data: new Float32Array(buffer, byteOffset, length) };
		case 'F64': {
			const values = new Float64Array(buffer, byteOffset, length);
			if (float64As === 'float32') return { dtype: 'float32', data: Float32Array.from(values) };
			return { dtype: 'float64', data: values };
		}
		case 'F16': {
			const halves = new Uint16Array(buffer, byteOffset, length);
			if (float16As === 'float32') return { dtype: 'float32', data: float16ToFloat32(halves) };
			return { dtype: 'float16', data: halves };
		}
		case 'BF16':
			return { dtype: 'bfloat16', data: new Uint16Array(buffer, byteOffset, length) };
		case 'I32':
			return { dtype: 'int32', data: new Int32Array(buffer, byteOffset, length) };
		case 'I64':
			return { dtype: 'int32', data: narrowed(tensor, dtype, new BigInt64Array(buffer, byteOffset, length), first) };
		case 'U64':
			return { dtype: 'int32', data: narrowed(tensor, dtype, new BigUint64Array(buffer, byteOffset, length), first) };
		case 'U32':
			return { dtype: 'int32', data: narrowed(tensor, dtype, new Uint32Array(buffer, byteOffset, length), first) };
		case 'U16':
			return { dtype: 'int32', data: Int32Array.from(new Uint16Array(buffer, byteOffset, length)) };
		case 'I16':
			return { dtype: 'int32', data: Int32Array.from(new Int16Array(buffer, byteOffset, length)) };
		case 'U8':
			return { dtype: 'uint8', data: new Uint8Array(buffer, byteOffset, length) };
		case 'I8':
			return { dtype: 'int8', data: new Int8Array(buffer, byteOffset, length) };
		case 'BOOL': {
			const bad = bytes.find((byte) => byte > 1);
			if (bad !== undefined) throw new FormatError(`${tensor} of dtype BOOL holds the byte ${bad}; only 0 and 1 are valid`);
			return { dtype: 'bool', data: new Uint8Array(buffer, byteOffset, length) };
		}
	}
}

function narrowed(
	tensor: string,
	dtype: FileDType,
	values: BigInt64Array | BigUint64Array | Uint32Array,
	first: number,
): Int32Array {
	const result = new Int32Array(values.length);
	for (let i = 0; i < result.length; i++) {
		const value = values[i]!;
		if (value > 2147483647 || value < -2147483648)
			throw new FormatError(`${tensor} of dtype ${dtype} holds ${value} at index ${first + i}, which does not fit int32`);
		result[i] = Number(value);
	}
	return result;
}
