/** The cases in TensorFlow.js on WebGPU. Images are NHWC and filters HWIO, its own layout. */
import * as module from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import * as spec from './cases.mjs';

// In Node the package is a CommonJS module.
const tf = module.default ?? module;

export async function open() {
	// Else it computes small tensors on the CPU.
	tf.env().set('WEBGPU_CPU_FORWARD', false);
	await tf.setBackend('webgpu');
	await tf.ready();
	if (tf.getBackend() !== 'webgpu') throw new Error(`tfjs runs on ${tf.getBackend()}`);
	return `tfjs ${tf.version_core}`;
}

const input = (shape, seed, scale) => tf.tensor(spec.fill(shape, seed, scale), shape);
const inputImages = (shape, seed) => tf.keep(tf.tidy(() => tf.transpose(input(shape, seed), [0, 2, 3, 1])));
const filter = (values, shape) => tf.tidy(() => tf.transpose(tf.tensor(values, shape), [2, 3, 1, 0]));

function step(parameters, forward) {
	const p = {};
	for (const { name, shape, values } of spec.initial(parameters))
		p[name] = tf.variable(shape.length === 4 ? filter(values, shape) : tf.tensor(values, shape));
	const optimizer = tf.train.adam(spec.LEARNING_RATE, 0.9, 0.999, 1e-8);
	return () => optimizer.minimize(() => forward(p), true);
}

/** Mean cross-entropy. */
function crossEntropy(logits, classes, count) {
	const picked = tf.sum(tf.mul(tf.oneHot(classes, count), tf.logSoftmax(logits)), -1);
	return tf.neg(tf.mean(picked));
}

function layerNorm(x, weight) {
	const { mean, variance } = tf.moments(x, -1, true);
	return tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), weight);
}

function gelu(x) {
	const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x)))));
	return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
}

/** q, k, v: [batch, heads, length, size]. */
function attention(q, k, v, hidden) {
	const size = q.shape[3];
	const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(size)), hidden);
	return tf.matMul(tf.softmax(scores, -1), v);
}

const causal = (length) => tf.tensor(spec.causalMask(length), [length, length]);

const prepare = {
	matmul() {
		const [a, b] = [input([1024, 1024], 1), input([1024, 1024], 2)];
		return () => tf.matMul(a, b);
	},
	conv() {
		const x = inputImages([16, 32, 32, 32], 1);
		const w = filter(spec.fill([64, 32, 3, 3], 2), [64, 32, 3, 3]);
		// As NCHW when it is read.
		return Object.assign(() => tf.conv2d(x, w, 1, 'same'), { view: (y) => tf.transpose(y, [0, 3, 1, 2]) });
	},
	softmax() {
		const x = input([4096, 1024], 1, 4);
		return () => tf.softmax(x, -1);
	},
	attention() {
		const [q, k, v, g] = [1, 2, 3, 4].map((seed) => input([2, 4, 256, 64], seed));
		const hidden = causal(256);
		const gradients = tf.grads((q, k, v) => attention(q, k, v, hidden));
		return () => gradients([q, k, v], g)[0];
	},
	tiny() {
		const one = input([16], 1);
		return () => {
			let x = one;
			for (let i = 0; i < spec.TINY; i++) x = tf.add(x, 1);
			return x;
		};
	},
	mlp() {
		const [x, y] = [input([spec.BATCH, 784], 1), tf.tensor(spec.labels(spec.BATCH, 10, 2), [spec.BATCH], 'int32')];
		return step(spec.MLP, ({ w1, b1, w2, b2 }) => {
			const hidden = tf.relu(tf.add(tf.matMul(x, w1), b1));
			return crossEntropy(tf.add(tf.matMul(hidden, w2), b2), y, 10);
		});
	},
	cnn() {
		const x = inputImages([spec.BATCH, 1, 28, 28], 1);
		const y = tf.tensor(spec.labels(spec.BATCH, 10, 2), [spec.BATCH], 'int32');
		return step(spec.CNN, ({ c1, d1, c2, d2, w1, b1, w2, b2 }) => {
			let h = tf.maxPool(tf.relu(tf.add(tf.conv2d(x, c1, 1, 'valid'), d1)), 2, 2, 'valid');
			h = tf.maxPool(tf.relu(tf.add(tf.conv2d(h, c2, 1, 'valid'), d2)), 2, 2, 'valid');
			// In the order of NCHW, which the weights of the next layer have.
			h = tf.reshape(tf.transpose(h, [0, 3, 1, 2]), [spec.BATCH, 1600]);
			const hidden = tf.relu(tf.add(tf.matMul(h, w1), b1));
			return crossEntropy(tf.add(tf.matMul(hidden, w2), b2), y, 10);
		});
	},
	gpt() {
		const { layers, width, heads, context, vocabulary, batch } = spec.GPT;
		const tokens = tf.tensor(spec.labels(batch * context, vocabulary, 3), [batch * context], 'int32');
		const targets = tf.tensor(spec.labels(batch * context, vocabulary, 4), [batch * context], 'int32');
		const hidden = causal(context);
		return step(spec.gptParameters(), (p) => {
			const apart = (part) => tf.transpose(tf.reshape(part, [batch, context, heads, width / heads]), [0, 2, 1, 3]);
			const product = (x, weight, bias) => tf.add(tf.matMul(x, weight), bias);
			let x = tf.reshape(tf.add(tf.reshape(tf.gather(p.tokens, tokens), [batch, context, width]), p.positions), [-1, width]);
			for (let i = 0; i < layers; i++) {
				const qkv = product(layerNorm(x, p[`${i}.norm1`]), p[`${i}.attention`], p[`${i}.attentionBias`]);
				const [q, k, v] = tf.split(qkv, 3, -1).map(apart);
				const mixed = tf.reshape(tf.transpose(attention(q, k, v, hidden), [0, 2, 1, 3]), [-1, width]);
				x = tf.add(x, product(mixed, p[`${i}.projection`], p[`${i}.projectionBias`]));
				const up = gelu(product(layerNorm(x, p[`${i}.norm2`]), p[`${i}.up`], p[`${i}.upBias`]));
				x = tf.add(x, product(up, p[`${i}.down`], p[`${i}.downBias`]));
			}
			return crossEntropy(tf.matMul(layerNorm(x, p.norm), p.tokens, false, true), targets, vocabulary);
		});
	},
};

/** @param {string} name */
export function start(name) {
	const call = prepare[name]();
	let last;
	return {
		run() {
			last?.dispose();
			last = tf.tidy(call);
		},
		// It has no other way to wait for the device than a read of the last result's first element.
		async sync() {
			const first = tf.tidy(() => tf.slice(tf.reshape(last, [-1]), 0, 1));
			await first.data();
			first.dispose();
		},
		async values() {
			const result = tf.tidy(() => (call.view ?? ((y) => y))(call()));
			const values = await result.data();
			result.dispose();
			return values;
		},
	};
}
