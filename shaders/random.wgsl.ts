/**
 * Random numbers by Philox 4x32-10 (Salmon et al., SC 2011), counter-based: element i of a result is a pure function of
 * (seed, operation counter, i), equal to the CPU path (src/core/philox.ts).
 *
 *   word i = philox(counter = [floor(i / 4), 0, operation low, operation high], key = [seed low, seed high])[i mod 4]
 *
 * fill     out[0 .. n): uniform, normal, integer or bernoulli with one probability. Contiguous at offset 0.
 * mask     y[i] = x[i] * scale where kept, else 0 (dropout); or out[i] = uniform < p[i] (bernoulli with a tensor).
 *            vec4   : dropout of a contiguous x with an offset that is a multiple of 4, one draw for each element: activations.
 *            strided: all other cases: any strides and offset, and `group` consecutive elements may share one draw.
 *
 * Buffers are whole multiples of four elements, the padding beyond a storage's elements is unused, and outputs start at offset
 * 0 (host). So the kernels store vectors of four, and load them in the vec4 variant, even if n is not a multiple of 4.
 *
 * A thread makes one block of four words for four consecutive elements; workgroups of 64. WGSL has no 64-bit product, so 16-bit
 * halves make up the high word.
 *
 * Agreement with the CPU, although the device may fuse multiply and add and has its own logarithm, division and square root:
 * - Uniform numbers have the same 24 bits. Stretched over [low, high), every product has 12-bit factors and is exact, so fused or
 *   not it rounds alike; only a compiler that reassociates may round the sum differently. The host passes high - low in two such
 *   parts.
 * - Probabilities are compared as integers, or as exact floats, so masks have the same bits.
 * - Normal numbers agree to a few units in the last place. They use their own polynomials for the logarithm, sine and cosine:
 *   WGSL allows the built-in ones errors of 2^-21 and 2^-11, and near log(1) that would be the third digit.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType } from './shader';

export const PHILOX = wgsl`
fn multiplyHigh(a: u32, b: u32) -> u32 {
	let aHigh = a >> 16u;
	let aLow = a & 0xffffu;
	let bHigh = b >> 16u;
	let bLow = b & 0xffffu;
	let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
	let carry = aLow * bHigh + (middle & 0xffffu);
	return aHigh * bHigh + (middle >> 16u) + (carry >> 16u);
}

/** p.key is (operation low, operation high, seed low, seed high). */
fn philox(block: u32) -> vec4<u32> {
	var c = vec4<u32>(block, 0u, p.key.xy);
	var k = p.key.zw;
	for (var round = 0u; round < 10u; round++) {
		c = vec4<u32>(
			multiplyHigh(c.z, 0xcd9e8d57u) ^ c.y ^ k.x,
			c.z * 0xcd9e8d57u,
			multiplyHigh(c.x, 0xd2511f53u) ^ c.w ^ k.y,
			c.x * 0xd2511f53u,
		);
		k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
	}
	return c;
}
`;

const BOX_MULLER = wgsl`
/** -log of each word as a number in (0, 1): 32 bits near 0, 24 elsewhere. */
fn minusLog(word: vec2<u32>) -> vec2<f32> {
	let exact = select(word & vec2(0xffffff00u), max(word, vec2(1u)), word < vec2(0x1000000u));
	let bits = bitcast<vec2<u32>>(vec2<f32>(exact));
	// u = 2^exponent * m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh((m - 1) / (m + 1)).
	let upper = select(vec2(0u), vec2(1u), (bits & vec2(0x7fffffu)) >= vec2(0x3504f3u));
	let m = bitcast<vec2<f32>>((bits & vec2(0x7fffffu)) | ((vec2(127u) - upper) << vec2(23u)));
	let exponent = vec2<f32>(vec2<i32>((bits >> vec2(23u)) + upper) - vec2(127 + 32));
	let s = (m - 1.0) / (m + 1.0);
	let t = s * s;
	let series = 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0)))));
	return -(exponent * 0.693147180559945 + series);
}

/** Points on the unit circle at angles of word / 2^32 turns, as (cosines, sines). */
fn circle(word: vec2<u32>) -> vec4<f32> {
	// The nearest quarter turn, and the remainder of at most an eighth, in radians, for the Taylor series.
	let shifted = word + vec2(0x20000000u);
	let quarter = shifted >> vec2(30u);
	let x = vec2<f32>(vec2<i32>(shifted & vec2(0x3fffffffu)) - vec2(0x20000000)) * 1.46291807926716e-9;
	let t = x * x;
	let s = x * (1.0 - t / 6.0 * (1.0 - t / 20.0 * (1.0 - t / 42.0 * (1.0 - t / 72.0))));
	let c = 1.0 - t / 2.0 * (1.0 - t / 12.0 * (1.0 - t / 30.0 * (1.0 - t / 56.0)));
	let odd = (quarter & vec2(1u)) == vec2(1u);
	let cosine = select(c, s, odd);
	let sine = select(s, c, odd);
	return vec4<f32>(
		select(cosine, -cosine, ((quarter + vec2(1u)) & vec2(2u)) == vec2(2u)),
		select(sine, -sine, (quarter & vec2(2u)) == vec2(2u)),
	);
}
`;

export type Distribution = 'uniform' | 'normal' | 'integer' | 'bernoulli';

type RandomFillVariant = {
	distribution: Distribution;
	out: StorageType;
};

export const randomFill = defineKernel({
	name: 'random.fill',
	params: {
		key: 'vec4<u32>',
		n: 'u32',
		/** uniform: high - low in two parts, and the largest value below high. */
		low: 'f32?',
		top: 'f32?',
		rest: 'f32?',
		largest: 'f32?',
		/** normal */
		mean: 'f32?',
		deviation: 'f32?',
		/** integer */
		least: 'u32?',
		range: 'u32?',
		/** bernoulli: the count of the 2^24 uniform values that are below the probability. */
		threshold: 'u32?',
	},
	define: ({ distribution, out }: RandomFillVariant) => ({
		bindings: { out: readWrite('vec4<T>') },
		invocations: '(p.n + 3u) / 4u',
		functions: wgsl`
alias T = ${out};
${PHILOX}
#if ${distribution === 'normal'}
${BOX_MULLER}
#endif

fn draw(words: vec4<u32>) -> vec4<T> {
#if ${distribution === 'uniform'}
	let top = vec4<f32>(words >> vec4(20u)) * 0x1p-12;
	let rest = vec4<f32>((words >> vec4(8u)) & vec4(0xfffu)) * 0x1p-24;
	let cross = top * p.rest + rest * p.top;
	let value = (cross + top * p.top) + p.low;
	return vec4<T>(min(value, vec4(p.largest)));
#elif ${distribution === 'normal'}
	let radius = sqrt(2.0 * minusLog(words.xz)) * p.deviation;
	let point = circle(words.yw);
	return vec4<T>(p.mean + radius.xxyy * point.xzyw);
#elif ${distribution === 'integer'}
	let range = p.range;
	let offset = vec4<u32>(
		multiplyHigh(words.x, range),
		multiplyHigh(words.y, range),
		multiplyHigh(words.z, range),
		multiplyHigh(words.w, range),
	);
	return vec4<T>(bitcast<vec4<i32>>(vec4(p.least) + offset));
#else
	return vec4<T>(select(vec4(0u), vec4(1u), (words >> vec4(8u)) < vec4(p.threshold)));
#endif
}
`,
		main: '	out[i] = draw(philox(i));',
	}),
});

type RandomMaskVariant = {
	kind: 'dropout' | 'bernoulli';
	input: StorageType;
	out: StorageType;
	access: 'vec4' | 'strided';
};

export const randomMask = defineKernel({
	name: 'random.mask',
	params: {
		key: 'vec4<u32>',
		n: 'u32',
		input: 'view',
		/**
		 * dropout: the count of the 2^24 values that drop an element, the factor of the others, and the elements that share a draw.
		 */
		dropped: 'u32?',
		scale: 'f32?',
		group: 'u32',
	},
	define: ({ kind, input, out, access }: RandomMaskVariant) => ({
		bindings: { input: read(access === 'vec4' ? 'vec4<T>' : 'T'), out: readWrite(access === 'vec4' ? 'vec4<U>' : 'U') },
		invocations: '(p.n + 3u) / 4u',
		functions: wgsl`
alias T = ${input};
alias U = ${out};
#if ${access === 'strided'}

fn position(i: u32) -> u32 {
	var rest = i;
	var at = p.input.offset;
	for (var d = p.input.rank; d > 0u; d--) {
		let size = p.input.shape[(d - 1u) / 4u][(d - 1u) % 4u];
		at += (rest % size) * p.input.strides[(d - 1u) / 4u][(d - 1u) % 4u];
		rest /= size;
	}
	return at;
}
#endif
${PHILOX}
`,
		main: wgsl`
#if ${access === 'vec4'}
	let kept = (philox(i) >> vec4(8u)) >= vec4(p.dropped);
	let x = vec4<f32>(input[p.input.offset / 4u + i]);
	out[i] = vec4<U>(select(vec4(0.0), x * p.scale, kept));
#else
	// Four elements have draws from at most two adjacent blocks; from one block if each has its own draw.
	let first = i * 4u;
	let block = first / p.group / 4u;
	let words = philox(block);
	var next = words;
	if ((first + 3u) / p.group / 4u != block) {
		next = philox(block + 1u);
	}
	for (var k = 0u; k < min(4u, p.n - first); k++) {
		let element = first + k;
		let draw = element / p.group;
		let bits = select(next, words, draw / 4u == block)[draw % 4u] >> 8u;
		let x = f32(input[position(element)]);
#if ${kind === 'dropout'}
		out[element] = U(select(0.0, x * p.scale, bits >= p.dropped));
#else
		out[element] = U(select(0u, 1u, f32(bits) * 0x1p-24 < x));
#endif
	}
#endif
`,
	}),
});
