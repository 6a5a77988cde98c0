/** Converts between float32 and IEEE 754 half precision, which is stored as raw bits in a Uint16Array. */

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The bits of the half nearest to the float32 `value`, ties to even. Values from 65,504 + 16 on become infinite; NaN stays NaN. */
export function float16Bits(value: number): number {
	floats[0] = value;
	const word = bits[0]!;
	const sign = (word >>> 16) & 0x8000;
	const magnitude = word & 0x7fffffff;
	if (magnitude > 0x7f800000) return sign | 0x7e00;
	if (magnitude >= 0x47800000) return sign | 0x7c00;
	if (magnitude >= 0x38800000) {
		// Normal: the subtraction lowers the exponent's bias by 112; a carry out of the mantissa raises the exponent, as it should.
		return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
	}
	// Subnormal: the addition aligns the mantissa to units of 2^-24 and the hardware rounds it.
	bits[0] = magnitude;
	floats[0] = floats[0]! + 0.5;
	return sign | (bits[0]! & 0x7fff);
}

/** The exact value of a half. */
export function float16Value(half: number): number {
	return table()[half & 0xffff]!;
}

/** The largest half below `value`. `value` must not be NaN or -Infinity. */
export function float16Below(value: number): number {
	const half = float16Bits(value);
	if (float16Value(half) < value) return float16Value(half);
	if ((half & 0x7fff) === 0) return -(2 ** -24);
	return float16Value(half & 0x8000 ? half + 1 : half - 1);
}

let values: Float32Array | undefined;

/** The values of all 65,536 halves, computed on first use. */
function table(): Float32Array {
	if (values) return values;
	values = new Float32Array(65536);
	const words = new Uint32Array(values.buffer);
	for (let half = 0; half < 32768; half++) {
		const exponent = half >>> 10;
		const mantissa = half & 0x3ff;
		if (exponent === 0) values[half] = mantissa * 2 ** -24;
		else words[half] = ((exponent === 31 ? 255 : exponent + 112) << 23) | (mantissa << 13);
		words[half + 32768] = words[half]! | 0x80000000;
	}
	return values;
}

/** Converts halves to float32, exactly. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
	const lookup = table();
	const result = new Float32Array(halves.length);
	for (let i = 0; i < result.length; i++) result[i] = lookup[halves[i]!]!;
	return result;
}

/** Rounds float32 values to the nearest halves, ties to even. */
export function float32ToFloat16(singles: Float32Array): Uint16Array {
	const result = new Uint16Array(singles.length);
	for (let i = 0; i < result.length; i++) result[i] = float16Bits(singles[i]!);
	return result;
}

/** Rounds the values in place to the nearest halves, ties to even. */
export function roundToFloat16(singles: Float32Array): void {
	const lookup = table();
	for (let i = 0; i < singles.length; i++) singles[i] = lookup[float16Bits(singles[i]!)]!;
}
