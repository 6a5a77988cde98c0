/**
 * The two half-precision types, float16 and bfloat16. The host stores them as raw bits in a Uint16Array and computes with the numbers in a
 * Float32Array. bfloat16 is the upper half of a float32: its range, with 8 bits of precision.
 */
import type { DType, TypedArray } from './dtype';
import { float16Below, float16Bits, float16ToFloat32, float16Value, float32ToFloat16, roundToFloat16 } from './float16';

type HalfDType = 'float16' | 'bfloat16';

export function isHalf(dtype: DType): dtype is HalfDType {
	return dtype === 'float16' || dtype === 'bfloat16';
}

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The upper half of the float32 with the bits `word`, rounded to nearest, ties to even. NaN stays NaN. */
function upperHalf(word: number): number {
	if ((word & 0x7fffffff) > 0x7f800000) return (word & 0xffff) === 0 ? word >>> 16 : 0x7fc0;
	return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

function bfloat16ToFloat32(halves: Uint16Array): Float32Array {
	const words = new Uint32Array(halves.length);
	for (let i = 0; i < words.length; i++) words[i] = halves[i]! << 16;
	return new Float32Array(words.buffer);
}

function float32ToBfloat16(singles: Float32Array): Uint16Array {
	const words = new Uint32Array(singles.buffer, singles.byteOffset, singles.length);
	const halves = new Uint16Array(words.length);
	for (let i = 0; i < halves.length; i++) halves[i] = upperHalf(words[i]!);
	return halves;
}

function roundToBfloat16(singles: Float32Array): void {
	const words = new Uint32Array(singles.buffer, singles.byteOffset, singles.length);
	for (let i = 0; i < words.length; i++) words[i] = upperHalf(words[i]!) << 16;
}

/** The number of `dtype` nearest to `value`, ties to even. */
export function nearestHalf(dtype: HalfDType, value: number): number {
	if (dtype === 'float16') return float16Value(float16Bits(value));
	floats[0] = value;
	bits[0] = upperHalf(bits[0]!) << 16;
	return floats[0]!;
}

/** The largest number of `dtype` below `value`, which is finite; undefined for dtypes of more precision. */
export function halfBelow(dtype: DType, value: number): number | undefined {
	if (dtype === 'float16') return float16Below(value);
	if (dtype !== 'bfloat16') return undefined;
	const near = nearestHalf(dtype, value);
	if (near < value) return near;
	floats[0] = near;
	if (near === 0) bits[0] = 0x80010000;
	else bits[0] = bits[0]! + (near < 0 ? 0x10000 : -0x10000);
	return floats[0]!;
}

/** Rounds the values in place to the nearest numbers of `dtype`, ties to even. */
export function roundToHalf(dtype: HalfDType, singles: Float32Array): void {
	if (dtype === 'float16') roundToFloat16(singles);
	else roundToBfloat16(singles);
}

/** The exact numbers that the bits stand for. */
export function halvesToFloat32(dtype: HalfDType, halves: Uint16Array): Float32Array {
	return dtype === 'float16' ? float16ToFloat32(halves) : bfloat16ToFloat32(halves);
}

/** The bits of the numbers of `dtype` nearest to the values, ties to even. */
export function float32ToHalves(dtype: HalfDType, singles: Float32Array): Uint16Array {
	return dtype === 'float16' ? float32ToFloat16(singles) : float32ToBfloat16(singles);
}

/** The numbers in an array that stores `dtype`: half-precision types as a Float32Array, others as they are. */
export function numbersOf(dtype: DType, stored: TypedArray): TypedArray {
	return isHalf(dtype) ? halvesToFloat32(dtype, stored as Uint16Array) : stored;
}

/** The array that stores the numbers as `dtype`: the inverse of `numbersOf`. */
export function storedArray(dtype: DType, numbers: TypedArray): TypedArray {
	return isHalf(dtype) ? float32ToHalves(dtype, numbers as Float32Array) : numbers;
}
