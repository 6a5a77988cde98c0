import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { View } from '../../src/backends/contract';
import { random } from '../../src/backends/cpu/random';
import { Generator } from '../../src/core/generator';
import {
	fillWords,
	forEachWord,
	multiplyHigh,
	philox4x32,
	randomPermutation,
	toOpenUniform,
	toUniform,
	uniformRange,
	uniformThreshold,
} from '../../src/core/philox';
import { contiguousStrides } from '../../src/core/shape';

const key = { seed: [0x2a, 0x1] as const, counter: 7 };
const word = fc.integer({ min: 0, max: 0xffffffff });

/** A view of host memory, with only the fields that the kernels need. */
function viewOf(
	data: Float32Array | Float64Array | Int32Array,
	shape: number[],
	strides = contiguousStrides(shape),
	offset = 0,
): View {
	const dtype = data instanceof Float32Array ? 'float32' : data instanceof Float64Array ? 'float64' : 'int32';
	return { storage: { data, dtype } as unknown as View['storage'], dtype, shape, strides, offset };
}

function moments(values: ArrayLike<number>): { mean: number; variance: number; skewness: number; kurtosis: number } {
	const list = Array.from(values);
	const mean = list.reduce((sum, x) => sum + x, 0) / list.length;
	const central = (k: number) => list.reduce((sum, x) => sum + (x - mean) ** k, 0) / list.length;
	const variance = central(2);
	return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}

// The vectors of `philox4x32 10` in Random123's file kat_vectors, by the authors of the paper.
test('philox gives the known answers', () => {
	const max = 0xffffffff;
	assert.equal(philox4x32([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
	assert.equal(philox4x32([max, max, max, max], [max, max]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
	assert.equal(
		philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
		[0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
	);
});

test('philox agrees with the paper in 64-bit integers', () => {
	const reference = (counter: number[], seed: number[]) => {
		let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
		let [k, l] = seed.map(BigInt) as [bigint, bigint];
		const mask = 0xffffffffn;
		for (let round = 0; round < 10; round++) {
			const left = a * 0xd2511f53n;
			const right = c * 0xcd9e8d57n;
			[a, b, c, d] = [(right >> 32n) ^ b ^ k, right & mask, (left >> 32n) ^ d ^ l, left & mask];
			k = (k + 0x9e3779b9n) & mask;
			l = (l + 0xbb67ae85n) & mask;
		}
		return [a, b, c, d].map(Number);
	};
	fc.assert(
		fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, seed) => {
			assert.equal([...philox4x32(counter, seed)], reference(counter, seed));
		}),
	);
});

test('multiplyHigh is the high word of the product', () => {
	fc.assert(fc.property(word, word, (a, b) => multiplyHigh(a, b) === Number((BigInt(a) * BigInt(b)) >> 32n)));
	assert.is(multiplyHigh(0xffffffff, 0xffffffff), 0xfffffffe);
});

test('the parts of a stream do not depend on the cuts; streams differ by seed and by operation', () => {
	const whole = new Uint32Array(4096);
	fillWords(whole, key, 0);
	const part = new Uint32Array(8);
	fillWords(part, key, 2044);
	assert.equal(part, whole.slice(2044, 2052));
	const visited: number[] = [];
	forEachWord(key, 2047, (value) => visited.push(value));
	assert.equal(Uint32Array.from(visited), whole.slice(0, 2047));
	const first = (other: typeof key | { seed: readonly [number, number]; counter: number }) => {
		const words = new Uint32Array(4);
		fillWords(words, other, 0);
		return words.join();
	};
	const streams = [key, { seed: [0x2b, 1] as const, counter: 7 }, { seed: [0x2a, 2] as const, counter: 7 }];
	const counters = [8, 7 + 2 ** 32, 2 ** 53 - 1].map((counter) => ({ seed: key.seed, counter }));
	assert.is(new Set([...streams, ...counters].map(first)).size, 6);
	assert.equal(new Uint32Array(philox4x32([0, 0, 7, 1], key.seed)).join(), first({ seed: key.seed, counter: 7 + 2 ** 32 }));
});

test('uniform numbers are exact in float32 and lie in [0, 1), open ones in (0, 1)', () => {
	fc.assert(
		fc.property(word, (value) => {
			const u = toUniform(value);
			const v = toOpenUniform(value);
			return u >= 0 && u < 1 && u === Math.fround(u) && v > 0 && v < 1 && v === Math.fround(v);
		}),
	);
	assert.is(toUniform(0xffffffff), 1 - 2 ** -24);
	assert.is(toOpenUniform(0), 2 ** -32);
	assert.is(toOpenUniform(0xffffffff), 1 - 2 ** -24);
});

test('a threshold agrees with the comparison of uniform numbers', () => {
	const edges = [0, 1, 1e-9, 0.5, 1 / 3, 2 ** -24, 1 - 2 ** -25];
	fc.assert(
		fc.property(word, fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...edges)), (value, p) => {
			return value >>> 8 < uniformThreshold(p) === toUniform(value) < p;
		}),
	);
});

test('the parts of a range have 12 bits and make up its span', () => {
	const float = fc.float({ min: -1000, max: 1000, noNaN: true });
	fc.assert(
		fc.property(float, float, (a, b) => {
			const [low, high] = a < b ? [a, b] : [b, a];
			const range = uniformRange(low, high);
			assert.is(range.top + range.rest, Math.fround(high - low));
			for (const part of [range.top, range.rest]) {
				// A 12-bit number times the largest 12-bit number has 24 bits.
				assert.is(Math.fround(part * 4095), part * 4095);
			}
			if (low < high) assert.ok(range.largest >= low && range.largest < high);
			else assert.is(range.largest, low);
		}),
	);
	assert.is(uniformRange(-1, 0).largest, -(2 ** -149));
});

test('uniform tensors fill [low, high) evenly and never reach high', () => {
	for (const [low, high] of [
		[0, 1],
		[-0.3, 0.3],
		[1000, 1000.001],
	] as const) {
		const n = 50000;
		const data = new Float32Array(n);
		random.randomUniform({}, { out: viewOf(data, [n]) }, { ...key, low, high });
		const [from, below] = [Math.fround(low), Math.fround(high)];
		assert.ok(data.every((x) => x >= from && x < below));
		// Within 5 standard errors.
		const { mean, variance } = moments(data);
		const span = below - from;
		assert.ok(Math.abs(mean - (from + below) / 2) < (5 * span) / Math.sqrt(12 * n) + 1e-4 * (high > 1 ? 1 : 0));
		if (high <= 1) assert.ok(Math.abs(variance / (span ** 2 / 12) - 1) < 0.03);
		const double = new Float64Array(n);
		random.randomUniform({}, { out: viewOf(double, [n]) }, { ...key, low, high });
		assert.ok(data.every((x, i) => Math.abs(x - double[i]!) <= Math.max(Math.abs(high), span) * 2 ** -22));
	}
	const exact = new Float32Array(9);
	random.randomUniform({}, { out: viewOf(exact, [9]) }, { ...key, low: 0, high: 1 });
	const words = new Uint32Array(12);
	fillWords(words, key, 0);
	assert.equal(Array.from(exact), Array.from(words.slice(0, 9), toUniform));
});

test('normal tensors have the moments of the normal distribution', () => {
	const n = 100001;
	const data = new Float64Array(n);
	random.randomNormal({}, { out: viewOf(data, [n]) }, { ...key, mean: 3, std: 2 });
	const { mean, variance, skewness, kurtosis } = moments(data);
	// Standard errors: 2 / sqrt(n) = 0.006, 4 sqrt(2 / n) = 0.018, sqrt(6 / n) = 0.008, sqrt(24 / n) = 0.015; five of each.
	assert.ok(Math.abs(mean - 3) < 0.032);
	assert.ok(Math.abs(variance - 4) < 0.09);
	assert.ok(Math.abs(skewness) < 0.04);
	assert.ok(Math.abs(kurtosis - 3) < 0.08);
	const within = data.filter((x) => Math.abs(x - 3) < 2).length / n;
	assert.ok(Math.abs(within - 0.6827) < 0.008);
	const prefix = new Float64Array(2);
	random.randomNormal({}, { out: viewOf(prefix, [2]) }, { ...key, mean: 3, std: 2 });
	assert.equal(prefix, data.slice(0, 2));
});

test('integers are uniform over low .. high - 1, also over all of int32', () => {
	const n = 70000;
	const data = new Int32Array(n);
	random.randomInteger({}, { out: viewOf(data, [n]) }, { ...key, low: -3, high: 4 });
	const counts = new Map<number, number>();
	for (const x of data) counts.set(x, (counts.get(x) ?? 0) + 1);
	assert.equal(
		[...counts.keys()].sort((a, b) => a - b),
		[-3, -2, -1, 0, 1, 2, 3],
	);
	for (const count of counts.values()) assert.ok(Math.abs(count - 10000) < 5 * Math.sqrt(10000));
	random.randomInteger({}, { out: viewOf(data, [n]) }, { ...key, low: -(2 ** 31), high: 2 ** 31 - 1 });
	assert.ok(data.some((x) => x < -2e9) && data.some((x) => x > 2e9));
});

test('bernoulli takes one probability or a strided tensor of them', () => {
	const n = 40000;
	const data = new Float32Array(n);
	random.bernoulli({}, { out: viewOf(data, [n]) }, { ...key, probability: 0.25 });
	assert.ok(data.every((x) => x === 0 || x === 1));
	assert.ok(Math.abs(moments(data).mean - 0.25) < 5 * Math.sqrt(0.1875 / n));
	const p = viewOf(new Float32Array([9, 0, 1]), [2, 500], [1, 0], 1);
	random.bernoulli({ p }, { out: viewOf(data, [2, 500]) }, key);
	assert.ok(data.subarray(0, 500).every((x) => x === 0) && data.subarray(500, 1000).every((x) => x === 1));
});

test('dropout keeps 1 - p, scales, and draws the same mask for the gradient', () => {
	const n = 40000;
	const x = new Float64Array(n).fill(1);
	const y = new Float64Array(n);
	const again = new Float64Array(n);
	random.dropout({ x: viewOf(x, [n]) }, { y: viewOf(y, [n]) }, { ...key, p: 0.2 });
	random.dropout({ x: viewOf(x, [n]) }, { y: viewOf(again, [n]) }, { ...key, p: 0.2 });
	assert.equal(y, again);
	assert.ok(y.every((value) => value === 0 || value === 1.25));
	assert.ok(Math.abs(moments(y).mean - 1) < 5 * Math.sqrt(0.25 / n));
	x.fill(Number.NaN);
	random.dropout({ x: viewOf(x, [n]) }, { y: viewOf(y, [n]) }, { ...key, p: 1 });
	assert.ok(y.every((value) => value === 0));
	x.fill(3);
	random.dropout({ x: viewOf(x, [n]) }, { y: viewOf(y, [n]) }, { ...key, p: 0 });
	assert.equal(y, x);
});

test('dropout follows the logical order of its input, and groups share a draw', () => {
	const rows = 6;
	const columns = 10;
	const x = Float64Array.from({ length: rows * columns }, (_, i) => i + 1);
	const ones = new Float64Array(rows * columns).fill(1);
	const mask = new Float64Array(rows * columns);
	const y = new Float64Array(rows * columns);
	const options = { ...key, p: 0.5, scale: 1 };
	random.dropout({ x: viewOf(ones, [rows, columns]) }, { y: viewOf(mask, [rows, columns]) }, options);
	random.dropout({ x: viewOf(x, [rows, columns], [1, rows]) }, { y: viewOf(y, [rows, columns]) }, options);
	for (let i = 0; i < y.length; i++) {
		const transposed = x[Math.floor(i / columns) + (i % columns) * rows]!;
		assert.is(y[i], mask[i]! * transposed);
	}
	random.dropout({ x: viewOf(ones, [rows, columns]) }, { y: viewOf(y, [rows, columns]) }, { ...options, group: columns });
	for (let i = 0; i < y.length; i++) assert.is(y[i], mask[Math.floor(i / columns)]);
});

test('permutations have every index once and are uniform', () => {
	assert.equal(randomPermutation(key, 0), new Int32Array(0));
	assert.equal(randomPermutation(key, 1), new Int32Array([0]));
	for (const n of [2, 10, 1025, 5000]) {
		assert.equal(
			[...randomPermutation(key, n)].sort((a, b) => a - b),
			Array.from({ length: n }, (_, i) => i),
		);
	}
	const counts = new Map<string, number>();
	for (let counter = 0; counter < 6000; counter++) {
		const order = randomPermutation({ ...key, counter }, 3).join();
		counts.set(order, (counts.get(order) ?? 0) + 1);
	}
	assert.is(counts.size, 6);
	for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 5 * Math.sqrt(1000));
});

test('a generator counts operations and continues from a saved state', () => {
	const generator = new Generator(42);
	assert.equal(generator.next(), { seed: [42, 0], counter: 0 });
	assert.equal(generator.next(), { seed: [42, 0], counter: 1 });
	const saved = JSON.parse(JSON.stringify(generator.getState()));
	const expected = generator.next();
	const other = new Generator();
	other.setState(saved);
	assert.equal(other.next(), expected);
	assert.equal(generator.manualSeed(42).next(), { seed: [42, 0], counter: 0 });
	assert.equal(new Generator(-1).next().seed, [0xffffffff, 0xffffffff]);
	assert.equal(new Generator(2n ** 63n + 5n).next().seed, [5, 2 ** 31]);
	assert.equal(new Generator(2 ** 40 + 3).next().seed, [3, 256]);
});

test('a generator rejects invalid seeds and states', () => {
	for (const seed of [1.5, Number.NaN, 2 ** 53, 2n ** 64n]) {
		assert.throws(() => new Generator(seed), /seed .* is not a 64-bit integer/);
	}
	for (const state of [{}, { seed: [1], counter: 0 }, { seed: [1, -1], counter: 0 }, { seed: [1, 2], counter: 0.5 }]) {
		assert.throws(() => new Generator(1).setState(state as never), /not the state of a generator/);
	}
});

test.run();
