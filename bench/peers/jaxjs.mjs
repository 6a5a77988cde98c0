/** The cases in jax-js on WebGPU, each as one jitted function. A function consumes its arrays; `.ref` keeps one for later. */
import { blockUntilReady, defaultDevice, grad, init, jit, lax, nn, numpy as np, valueAndGrad } from '@jax-js/jax';
import * as spec from './cases.mjs';

export async function open() {
	const devices = await init('webgpu');
	if (!devices.includes('webgpu')) throw new Error(`jax-js has only ${devices}`);
	defaultDevice('webgpu');
	return 'jax-js 0.1.25';
}

const array = (values, shape) => np.array(values, { shape, ...(values instanceof Int32Array && { dtype: np.int32 }) });
const input = (shape, seed, scale) => array(spec.fill(shape, seed, scale), shape);

/** The mean over rows of the logarithm of the probability of each row's class, negated. */
function crossEntropy(logits, classes, count) {
	const picked = nn.logSoftmax(logits).mul(nn.oneHot(classes, count));
	return np.mean(np.sum(picked, -1)).neg();
}

/** A training step with Adam, which returns the loss. `data` are its constant inputs. */
function step(parameters, forward, data) {
	let state = { p: {}, m: {}, v: {} };
	for (const { name, shape, values } of spec.initial(parameters)) {
		state.p[name] = array(values, shape);
		state.m[name] = np.zeros(shape);
		state.v[name] = np.zeros(shape);
	}
	let steps = 0;
	const update = jit(({ p, m, v }, scale1, scale2, ...inputs) => {
		const refs = (tree) => Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, value.ref]));
		const [loss, gradients] = valueAndGrad((p) => forward(p, ...inputs))(refs(p));
		const next = { p: {}, m: {}, v: {} };
		for (const name of Object.keys(p)) {
			const g = gradients[name];
			next.m[name] = m[name].mul(0.9).add(g.ref.mul(0.1));
			next.v[name] = v[name].mul(0.999).add(g.ref.mul(g).mul(0.001));
			const scaled = next.m[name].ref.mul(scale1.ref);
			const root = np.sqrt(next.v[name].ref.mul(scale2.ref)).add(1e-8);
			next.p[name] = p[name].sub(scaled.div(root).mul(spec.LEARNING_RATE));
		}
		scale1.dispose();
		scale2.dispose();
		return [loss, next];
	});
	return () => {
		steps++;
		const corrections = [1 / (1 - 0.9 ** steps), 1 / (1 - 0.999 ** steps)].map((value) => np.array(value));
		const [loss, next] = update(state, ...corrections, ...data.map((value) => value.ref));
		state = next;
		return loss;
	};
}

const product = (x, weight, bias) => np.matmul(x, weight).add(bias);

function layerNorm(x, weight) {
	const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
	const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
	return centred.div(np.sqrt(variance.add(1e-5))).mul(weight);
}

/** q, k, v: [batch, heads, length, size]. */
function attention(q, k, v, hidden) {
	const size = q.shape[3];
	const scores = np
		.matmul(q, np.transpose(k, [0, 1, 3, 2]))
		.mul(1 / Math.sqrt(size))
		.add(hidden);
	return np.matmul(nn.softmax(scores, -1), v);
}

const causal = (length) => array(spec.causalMask(length), [length, length]);

const pool = (x) => lax.reduceWindow(x, np.max, [2, 2], [2, 2]);

const prepare = {
	matmul() {
		const [a, b] = [input([1024, 1024], 1), input([1024, 1024], 2)];
		const call = jit((a, b) => np.matmul(a, b));
		return () => call(a.ref, b.ref);
	},
	conv() {
		const [x, w] = [input([16, 32, 32, 32], 1), input([64, 32, 3, 3], 2)];
		const call = jit((x, w) => lax.conv(x, w, [1, 1], 'SAME'));
		return () => call(x.ref, w.ref);
	},
	softmax() {
		const x = input([4096, 1024], 1, 4);
		const call = jit((x) => nn.softmax(x, -1));
		return () => call(x.ref);
	},
	attention() {
		const [q, k, v, g] = [1, 2, 3, 4].map((seed) => input([2, 4, 256, 64], seed));
		const hidden = causal(256);
		const loss = (q, k, v, hidden, g) => np.sum(attention(q, k, v, hidden).mul(g));
		const call = jit((...inputs) => grad(loss, { argnums: [0, 1, 2] })(...inputs));
		return () => {
			const [dq, dk, dv] = call(q.ref, k.ref, v.ref, hidden.ref, g.ref);
			dk.dispose();
			dv.dispose();
			return dq;
		};
	},
	tiny() {
		const one = input([16], 1);
		// Without jit, which would make one kernel of all.
		return () => {
			let x = one.ref;
			for (let i = 0; i < spec.TINY; i++) x = x.add(1);
			return x;
		};
	},
	mlp() {
		const data = [input([spec.BATCH, 784], 1), array(spec.labels(spec.BATCH, 10, 2), [spec.BATCH])];
		const forward = ({ w1, b1, w2, b2 }, x, y) => crossEntropy(product(nn.relu(product(x, w1, b1)), w2, b2), y, 10);
		return step(spec.MLP, forward, data);
	},
	cnn() {
		const data = [input([spec.BATCH, 1, 28, 28], 1), array(spec.labels(spec.BATCH, 10, 2), [spec.BATCH])];
		const forward = ({ c1, d1, c2, d2, w1, b1, w2, b2 }, x, y) => {
			let h = lax.conv(x, c1, [1, 1], 'VALID').add(d1.reshape([1, 32, 1, 1]));
			h = pool(nn.relu(h));
			h = lax.conv(h, c2, [1, 1], 'VALID').add(d2.reshape([1, 64, 1, 1]));
			h = pool(nn.relu(h)).reshape([spec.BATCH, 1600]);
			return crossEntropy(product(nn.relu(product(h, w1, b1)), w2, b2), y, 10);
		};
		return step(spec.CNN, forward, data);
	},
	gpt() {
		const { layers, width, heads, context, vocabulary, batch } = spec.GPT;
		const data = [3, 4].map((seed) => array(spec.labels(batch * context, vocabulary, seed), [batch * context]));
		const forward = (p, tokens, targets, hidden) => {
			const apart = (part) => np.transpose(part.reshape([batch, context, heads, width / heads]), [0, 2, 1, 3]);
			// A product with one-hot rows: its gradient is a product, too.
			let x = np.matmul(nn.oneHot(tokens, vocabulary), p.tokens.ref);
			x = x.reshape([batch, context, width]).add(p.positions).reshape([-1, width]);
			for (let i = 0; i < layers; i++) {
				const qkv = product(layerNorm(x.ref, p[`${i}.norm1`]), p[`${i}.attention`], p[`${i}.attentionBias`]);
				const [q, k, v] = np.split(qkv, 3, -1).map(apart);
				const mixed = np.transpose(attention(q, k, v, hidden.ref), [0, 2, 1, 3]).reshape([-1, width]);
				x = x.add(product(mixed, p[`${i}.projection`], p[`${i}.projectionBias`]));
				const up = nn.gelu(product(layerNorm(x.ref, p[`${i}.norm2`]), p[`${i}.up`], p[`${i}.upBias`]), { approximate: true });
				x = x.add(product(up, p[`${i}.down`], p[`${i}.downBias`]));
			}
			hidden.dispose();
			const logits = np.matmul(layerNorm(x, p.norm), np.transpose(p.tokens));
			return crossEntropy(logits, targets, vocabulary);
		};
		return step(spec.gptParameters(), forward, [...data, causal(context)]);
	},
};

/** @param {string} name */
export function start(name) {
	const call = prepare[name]();
	let last;
	return {
		run() {
			last?.dispose();
			last = call();
		},
		sync: () => blockUntilReady(last),
		async values() {
			return await call().data();
		},
	};
}
