/**
 * Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011).
 *
 * Every random operation owns one counter, and element i of its result is a pure function of (seed, counter, i). So a mask
 * can be drawn again instead of being stored, elements can be drawn in any order, and shaders/random.wgsl.ts draws the same
 * bits. The words of one operation form a stream:
 *
 *   word i = philox(counter = [floor(i / 4), 0, low(operation), high(operation)], key = [low(seed), high(seed)])[i mod 4]
 *
 * which holds 2^34 words, more elements than a tensor can have.
 */

/** What a random operation is keyed by. */
export interface RandomKey {
	/** 64 bits of seed, as two unsigned words. */
	readonly seed: readonly [low: number, high: number];
	/** Number of the operation: a whole number below 2^53. */
	readonly counter: number;
}

type Words4 = readonly [number, number, number, number];

// Multipliers in halves, and the Weyl increments of the key: the constants of the paper.
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High word of the 64-bit product of a word with the word `high * 65536 + low`, as a signed integer. */
function multiplyHighHalves(a: number, high: number, low: number): number {
	const aHigh = a >>> 16;
	const aLow = a & 0xffff;
	const middle = (Math.imul(aHigh, low) + (Math.imul(aLow, low) >>> 16)) | 0;
	const carry = (Math.imul(aLow, high) + (middle & 0xffff)) | 0;
	return (Math.imul(aHigh, high) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** floor(a * b / 2^32) of two unsigned words: maps a random word a evenly onto 0 .. b - 1. */
export function multiplyHigh(a: number, b: number): number {
	return multiplyHighHalves(a, b >>> 16, b & 0xffff) >>> 0;
}

/** Ten rounds on one counter block; writes four words at `at`. */
function writeBlock(
	words: Uint32Array,
	at: number,
	c0: number,
	c1: number,
	c2: number,
	c3: number,
	k0: number,
	k1: number,
): void {
	for (let round = 0; round < 10; round++) {
		const high0 = multiplyHighHalves(c0, 0xd251, 0x1f53);
		const high1 = multiplyHighHalves(c2, 0xcd9e, 0x8d57);
		const low0 = Math.imul(c0, M0);
		c0 = high1 ^ c1 ^ k0;
		c1 = Math.imul(c2, M1);
		c2 = high0 ^ c3 ^ k1;
		c3 = low0;
		k0 = (k0 + W0) | 0;
		k1 = (k1 + W1) | 0;
	}
	words[at] = c0;
	words[at + 1] = c1;
	words[at + 2] = c2;
	words[at + 3] = c3;
}

/** The bare function of the paper: four random words for a counter of four words under a key of two. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
	const words = new Uint32Array(4);
	writeBlock(words, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
	return [words[0]!, words[1]!, words[2]!, words[3]!];
}

/** The operation number of a key as two unsigned words. */
export function counterWords(key: RandomKey): readonly [low: number, high: number] {
	return [key.counter >>> 0, Math.floor(key.counter / 2 ** 32)];
}

/** Fills `words` with the words first, first + 1, ... of the stream of `key`. `first` and the length are multiples of 4. */
export function fillWords(words: Uint32Array, key: RandomKey, first: number): void {
	const [low, high] = counterWords(key);
	const block = first / 4;
	for (let at = 0; at < words.length; at += 4) {
		writeBlock(words, at, block + at / 4, 0, low, high, key.seed[0], key.seed[1]);
	}
}

/** Words drawn at a time: little enough to stay in the cache. */
const CHUNK = 1024;

/** Calls `visit(word, i)` with the words i = 0 .. count - 1 of the stream of `key`. */
export function forEachWord(key: RandomKey, count: number, visit: (word: number, i: number) => void): void {
	const words = new Uint32Array(Math.min(CHUNK, Math.ceil(count / 4) * 4));
	for (let first = 0; first < count; first += CHUNK) {
		fillWords(words, key, first);
		const end = Math.min(CHUNK, count - first);
		for (let i = 0; i < end; i++) visit(words[i]!, first + i);
	}
}

/** A word as a uniform number in [0, 1) with 24 bits: exact in float32, hence the same on every device. */
export function toUniform(word: number): number {
	return (word >>> 8) * 2 ** -24;
}

/**
 * How many of the 2^24 uniform values lie below `probability`: `toUniform(word) < probability` is the same as
 * `word >>> 8 < uniformThreshold(probability)`.
 */
export function uniformThreshold(probability: number): number {
	return Math.ceil(Math.min(Math.max(probability, 0), 1) * 2 ** 24);
}

/**
 * A word as a number in (0, 1) for logarithms: 32 bits near 0, where the tail of the normal distribution comes from, and 24
 * elsewhere, so that it is exact in float32.
 */
export function toOpenUniform(word: number): number {
	return (word < 2 ** 24 ? Math.max(word, 1) : (word & ~0xff) >>> 0) * 2 ** -32;
}

/** The largest float32 below `value`. */
function float32Below(value: number): number {
	const floats = new Float32Array([value]);
	if (floats[0] === 0) return -(2 ** -149);
	const words = new Int32Array(floats.buffer);
	words[0]! += floats[0]! > 0 ? -1 : 1;
	return floats[0]!;
}

/** How uniform numbers are stretched over low .. high in float32 arithmetic; all of these are float32. */
export interface UniformRange {
	readonly low: number;
	/** high - low = top + rest, each of at most 12 significant bits, so that products with 12 random bits are exact. */
	readonly top: number;
	readonly rest: number;
	/** What rounding must not exceed: it must not reach high. */
	readonly largest: number;
}

/**
 * The parameters of uniform numbers in [low, high), of which `largest` is the largest. A device may fuse a multiplication with
 * the addition that follows, or not, and the two round differently unless the product is exact: hence the split of the span.
 */
export function uniformRange(low: number, high: number, largest = float32Below(high)): UniformRange {
	const floats = new Float32Array([low, high - low]);
	const span = floats[1]!;
	new Uint32Array(floats.buffer)[1]! &= ~0xfff;
	const top = floats[1]!;
	return { low: floats[0]!, top, rest: span - top, largest: low < high ? largest : floats[0]! };
}

/**
 * 0 .. n - 1 in random order, n < 2^31: Fisher and Yates's shuffle over the stream of `key`. A word is mapped to a position by
 * its high product, so a position's probability is off by at most n / 2^32 of itself.
 */
export function randomPermutation(key: RandomKey, n: number): Int32Array {
	const order = new Int32Array(n);
	for (let i = 0; i < n; i++) order[i] = i;
	forEachWord(key, n - 1, (word, i) => {
		const last = n - 1 - i;
		const chosen = multiplyHigh(word, last + 1);
		const value = order[chosen]!;
		order[chosen] = order[last]!;
		order[last] = value;
	});
	return order;
}
