import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { float16Below, float16Bits, float16ToFloat32, float16Value, float32ToFloat16 } from '../../src/core/float16';
import { float32ToHalves, halfBelow, halvesToFloat32, nearestHalf } from '../../src/core/halves';

/** The value of a half by the definition of IEEE 754. */
function definition(half: number): number {
	const sign = half & 0x8000 ? -1 : 1;
	const exponent = (half >>> 10) & 31;
	const mantissa = half & 0x3ff;
	if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
	return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24);
}

test('every half has its defined value and survives a round trip', () => {
	for (let half = 0; half < 65536; half++) {
		const value = float16Value(half);
		if (!Object.is(value, definition(half))) assert.unreachable(`0x${half.toString(16)} is ${value}`);
		if (Number.isNaN(value)) assert.ok(Number.isNaN(float16Value(float16Bits(value))));
		else if (float16Bits(value) !== half) assert.unreachable(`${value} became 0x${float16Bits(value).toString(16)}`);
	}
});

test('rounds to the nearest half, ties to even, between all adjacent halves', () => {
	const floats = new Float32Array(1);
	const words = new Uint32Array(floats.buffer);
	for (let half = 0; half < 0x7c00; half++) {
		const below = definition(half);
		const above = half === 0x7bff ? 65536 : definition(half + 1);
		floats[0] = (below + above) / 2;
		const middle = words[0]!;
		const at = (word: number) => {
			words[0] = word;
			return float16Bits(floats[0]!);
		};
		if (at(middle) !== (half & 1 ? half + 1 : half)) assert.unreachable(`tie above ${below}`);
		if (at(middle - 1) !== half || at(middle + 1) !== half + 1) assert.unreachable(`beside the tie above ${below}`);
	}
});

test('any float32 rounds to the nearest half', () => {
	fc.assert(
		fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: -65504, max: 65504 }), (value) => {
			const half = float16Bits(value);
			const error = Math.abs(definition(half) - value);
			return [half - 1, half + 1].every((other) => {
				const neighbour = definition(other & 0xffff);
				return !Number.isFinite(neighbour) || error <= Math.abs(neighbour - value);
			});
		}),
		{ numRuns: 1000 },
	);
});

test('infinities, overflow, underflow, signed zeros and NaN', () => {
	const cases: [number, number][] = [
		[Number.POSITIVE_INFINITY, 0x7c00],
		[Number.NEGATIVE_INFINITY, 0xfc00],
		[65519.99609375, 0x7bff],
		[65520, 0x7c00],
		[-3e38, 0xfc00],
		[0, 0],
		[-0, 0x8000],
		[2 ** -25, 0],
		[2 ** -25 * (1 + 2 ** -23), 1],
		[-(2 ** -149), 0x8000],
		[6.097555160522461e-5, 0x03ff],
		[2 ** -14, 0x0400],
	];
	for (const [value, half] of cases) assert.is(float16Bits(value), half, String(value));
	assert.is(float16Bits(Number.NaN) & 0x7fff, 0x7e00);
});

test('the half below a value is the largest one that is smaller', () => {
	assert.is(float16Below(1), 1 - 2 ** -11);
	assert.is(float16Below(0), -(2 ** -24));
	assert.is(float16Below(-0), -(2 ** -24));
	assert.is(float16Below(-1), -1 - 2 ** -10);
	assert.is(float16Below(0.1), definition(float16Bits(0.1)));
	assert.is(float16Below(Number.POSITIVE_INFINITY), 65504);
});

test('arrays convert element by element', () => {
	const singles = new Float32Array([1, -2.5, 65504, 1e-7, 0.1]);
	const halves = float32ToFloat16(singles);
	assert.equal(halves, new Uint16Array([0x3c00, 0xc100, 0x7bff, 0x0002, 0x2e66]));
	assert.equal(float16ToFloat32(halves), Float32Array.from([1, -2.5, 65504, 2 ** -23, 0.0999755859375]));
});

test('every bfloat16 survives a round trip with its bits, NaN among them', () => {
	const halves = Uint16Array.from({ length: 65536 }, (_, half) => half);
	assert.equal(float32ToHalves('bfloat16', halvesToFloat32('bfloat16', halves)), halves);
});

test('bfloat16 rounds to nearest, ties to even, and never reaches an upper bound', () => {
	const singles = new Float32Array(1);
	const words = new Uint32Array(singles.buffer);
	const value = (half: number) => {
		words[0] = half << 16;
		return singles[0]!;
	};
	for (let half = 0; half < 0x7f80; half++) {
		for (const [rest, nearest] of [
			[0x7fff, half],
			[0x8000, half + (half & 1)],
			[0x8001, half + 1],
		] as const) {
			const expected = value(nearest);
			words[0] = ((half << 16) | rest) >>> 0;
			if (nearestHalf('bfloat16', singles[0]!) !== expected) assert.unreachable(`${half.toString(16)} ${rest.toString(16)}`);
		}
	}
	assert.is(halfBelow('bfloat16', 1), 1 - 2 ** -8);
	assert.is(halfBelow('bfloat16', 0), -(2 ** -133));
	assert.is(halfBelow('bfloat16', -1), -1 - 2 ** -7);
	assert.is(halfBelow('float32', 1), undefined);
});

test.run();
