/**
 * Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Every random operation owns one counter, and element i of its result is a pure function of (seed, counter, i). So masks can be drawn
 * again instead of being stored, elements can be drawn in any order, and shaders/random.wgsl.ts draws the same bits. The words of one
 * operation form a stream:
 *
 *   word i = philox(counter = [floor(i / 4), 0, low(operation), high(operation)], key = [low(seed), high(seed)])[i mod 4]
 *
 * A stream holds 2^34 words, more than a tensor has elements.
 */

/** The key of a random operation. */
export interface RandomKey {
	/** The 64-bit seed as two unsigned words. */
	readonly seed: readonly [low: number, high: number];
	/** The number of the operation, an integer below 2^53. */
	readonly counter: number;
}

type Words4 = readonly [number, number, number, number];

// The paper's constants: multipliers, and the Weyl increments of the key.
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** The high word of the 64-bit product of `a` and `high * 65536 + low`, as a signed integer. */
function multiplyHighHalves(a: number, high: number, low: number): number {
	const aHigh = a >>> 16;
	const aLow = a & 0xffff;
	const middle = (Math.imul(aHigh, low) + (Math.imul(aLow, low) >>> 16)) | 0;
	const carry = (Math.imul(aLow, high) + (middle & 0xffff)) | 0;
	return (Math.imul(aHigh, high) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** floor(a * b / 2^32) for two unsigned words. Maps a random word `a` evenly onto 0 .. b - 1. */
export function multiplyHigh(a: number, b: number): number {
	return multiplyHighHalves(a, b >>> 16, b & 0xffff) >>> 0;
}

/** Runs ten rounds on one counter block and writes four words at `at`. */
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

/** The paper's function: four random words from a counter of four words and a key of two. */
export function philox4x32(counter: Words4, key: readonly [number, number]): Words4 {
	const words = new Uint32Array(4);
	writeBlock(words, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
	return [words[0]!, words[1]!, words[2]!, words[3]!];
}

/** The operation's number as two unsigned words. */
function counterWords(key: RandomKey): readonly [low: number, high: number] {
	return [key.counter >>> 0, Math.floor(key.counter / 2 ** 32)];
}

/** A key as shaders take it: the operation number, then the seed. */
export function keyWords(key: RandomKey): readonly number[] {
	const [low, high] = counterWords(key);
	return [low, high, key.seed[0], key.seed[1]];
}

/** Fills `words` with the words first, first + 1, ... of the stream of `key`. `first` and the length are multiples of 4. */
export function fillWords(words: Uint32Array, key: RandomKey, first: number): void {
	const [low, high] = counterWords(key);
	const block = first / 4;
	for (let at = 0; at < words.length; at += 4) {
		writeBlock(words, at, block + at / 4, 0, low, high, key.seed[0], key.seed[1]);
	}
}

/** The number of words drawn at a time; they fit into the cache. */
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

/** Maps a word to [0, 1) with 24 bits: exact in float32, so the same on every device. */
export function toUniform(word: number): number {
	return (word >>> 8) * 2 ** -24;
}

/**
 * The number of the 2^24 uniform values that lie below `probability`: `toUniform(word) < probability` equals `word >>> 8 <
 * uniformThreshold(probability)`.
 */
export function uniformThreshold(probability: number): number {
	return Math.ceil(Math.min(Math.max(probability, 0), 1) * 2 ** 24);
}

/**
 * Maps a word to (0, 1), for logarithms. Keeps 32 bits near 0, where the tail of the normal distribution comes from, and 24 bits elsewhere,
 * so that the result is exact in float32.
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

/** The parameters that scale uniform numbers to low .. high in float32 arithmetic. All are float32 values. */
interface UniformRange {
	readonly low: number;
	/** high - low = top + rest. Each has at most 12 significant bits, so that its product with 12 random bits is exact. */
	readonly top: number;
	readonly rest: number;
	/** The upper bound for results, so that rounding never reaches `high`. */
	readonly largest: number;
}

/**
 * The parameters of uniform numbers in [low, high); `largest` is the upper bound for results. Splits the span because a device may or may
 * not fuse a multiplication with the following addition. The two round alike only if the product is exact.
 */
export function uniformRange(low: number, high: number, largest = float32Below(high)): UniformRange {
	const floats = new Float32Array([low, high - low]);
	const span = floats[1]!;
	new Uint32Array(floats.buffer)[1]! &= ~0xfff;
	const top = floats[1]!;
	return { low: floats[0]!, top, rest: span - top, largest: low < high ? largest : floats[0]! };
}

/**
 * 0 .. n - 1 in random order, n < 2^31: a Fisher-Yates shuffle with the stream of `key`. `multiplyHigh` maps a word to a position, so the
 * relative error of a position's probability is at most n / 2^32.
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
