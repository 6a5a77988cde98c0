/** The cases that all libraries run, with the same values. pytorch.py repeats them. */

/**
 * Values in [-scale, scale), the same in every library: a hash of the position.
 *
 * @param {readonly number[]} shape
 * @param {number} seed
 * @param {number} [scale]
 */
export function fill(shape, seed, scale = 1) {
	const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
	for (let i = 0; i < values.length; i++) {
		let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b);
		h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
		h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
		values[i] = (((h ^ (h >>> 16)) >>> 8) / 2 ** 23 - 1) * scale;
	}
	return values;
}

/** Whole numbers below `count`. @param {number} length @param {number} count @param {number} seed */
export function labels(length, count, seed) {
	return Int32Array.from(fill([length], seed), (value) => Math.min(count - 1, Math.floor(((value + 1) / 2) * count)));
}

/** What is compared of a large result: 64 values, evenly spread. @param {ArrayLike<number>} values */
export function sample(values) {
	const step = Math.max(1, Math.floor(values.length / 64));
	return Array.from({ length: Math.min(64, values.length) }, (_, i) => values[i * step]);
}

/** The causal mask of attention, [length, length]: 0 where a key may be seen, -1e30 elsewhere. @param {number} length */
export function causalMask(length) {
	const values = new Float32Array(length * length);
	for (let i = 0; i < length; i++) for (let j = i + 1; j < length; j++) values[i * length + j] = -1e30;
	return values;
}

export const GPT = { layers: 2, width: 128, heads: 4, context: 64, vocabulary: 83, batch: 16 };

/** The parameters of a GPT by name: shape and scale. Weights of products are [in, out]. */
export function gptParameters() {
	const { layers, width, context, vocabulary } = GPT;
	/** @type {Record<string, { shape: number[], scale: number, one?: boolean }>} */
	const parameters = { tokens: { shape: [vocabulary, width], scale: 0.1 }, positions: { shape: [context, width], scale: 0.1 } };
	for (let i = 0; i < layers; i++) {
		parameters[`${i}.norm1`] = { shape: [width], scale: 0, one: true };
		parameters[`${i}.attention`] = { shape: [width, 3 * width], scale: 0.15 };
		parameters[`${i}.attentionBias`] = { shape: [3 * width], scale: 0 };
		parameters[`${i}.projection`] = { shape: [width, width], scale: 0.1 };
		parameters[`${i}.projectionBias`] = { shape: [width], scale: 0 };
		parameters[`${i}.norm2`] = { shape: [width], scale: 0, one: true };
		parameters[`${i}.up`] = { shape: [width, 4 * width], scale: 0.15 };
		parameters[`${i}.upBias`] = { shape: [4 * width], scale: 0 };
		parameters[`${i}.down`] = { shape: [4 * width, width], scale: 0.08 };
		parameters[`${i}.downBias`] = { shape: [width], scale: 0 };
	}
	parameters.norm = { shape: [width], scale: 0, one: true };
	return parameters;
}

/** The parameters of the MLP and of the CNN with two convolutions. */
export const MLP = {
	w1: { shape: [784, 256], scale: 0.05 },
	b1: { shape: [256], scale: 0 },
	w2: { shape: [256, 10], scale: 0.1 },
	b2: { shape: [10], scale: 0 },
};
/** Weights of convolutions are [out, in, height, width]. */
export const CNN = {
	c1: { shape: [32, 1, 3, 3], scale: 0.5 },
	d1: { shape: [32], scale: 0 },
	c2: { shape: [64, 32, 3, 3], scale: 0.1 },
	d2: { shape: [64], scale: 0 },
	w1: { shape: [1600, 128], scale: 0.04 },
	b1: { shape: [128], scale: 0 },
	w2: { shape: [128, 10], scale: 0.15 },
	b2: { shape: [10], scale: 0 },
};

/** Initial values by name. @param {Record<string, { shape: number[], scale: number, one?: boolean }>} parameters */
export function initial(parameters) {
	return Object.entries(parameters).map(([name, { shape, scale, one }], i) => {
		const values = one ? new Float32Array(shape[0]).fill(1) : fill(shape, 100 + i, scale);
		return { name, shape, values };
	});
}

export const BATCH = 64;
export const TINY = 1000;
export const LEARNING_RATE = 1e-3;

/**
 * The cases: their titles, and how many calls one timed run has. Steps train with Adam and return the mean cross-entropy.
 *
 * @type {Record<string, { title: string, repeats: number, tolerance: number }>}
 */
export const CASES = {
	matmul: { title: 'matrix product, 1024 x 1024', repeats: 1, tolerance: 1e-4 },
	conv: { title: 'convolution, 16 x 32 x 32 x 32 to 64 channels', repeats: 1, tolerance: 1e-4 },
	softmax: { title: 'softmax, 4096 x 1024', repeats: 2, tolerance: 1e-5 },
	attention: { title: 'attention, forward and backward, 2 x 4 x 256 x 64', repeats: 1, tolerance: 1e-4 },
	tiny: { title: '1,000 dependent tiny operations', repeats: 1, tolerance: 1e-4 },
	mlp: { title: 'training step of an MLP', repeats: 4, tolerance: 1e-3 },
	cnn: { title: 'training step of a CNN', repeats: 1, tolerance: 1e-3 },
	gpt: { title: 'training step of a GPT', repeats: 1, tolerance: 1e-3 },
};
