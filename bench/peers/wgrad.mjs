/** The cases in wgrad. Its build comes from outside, because pages and processes have different ones. */
import * as spec from './cases.mjs';

/** @param {typeof import('wgrad')} wgrad */
export function casesOf(wgrad) {
	const { add, conv2d, crossEntropy, embedding, gelu, grad, init, layerNorm, linear, matmul, maxPool2d, noGrad, optim, relu } =
		wgrad;
	const { scaledDotProductAttention, softmax, sync, tensor, tidy } = wgrad;
	let device = 'webgpu';

	async function open(chosen = 'webgpu') {
		device = chosen;
		const { adapter } = await init({ device });
		return `wgrad on ${adapter?.description ?? 'the CPU in float64'}`;
	}

	const on = (values, shape, options = {}) =>
		tensor(values, {
			shape,
			device,
			...(device === 'cpu' && values instanceof Float32Array && { dtype: 'float64' }),
			...options,
		});
	const input = (shape, seed, scale) => on(spec.fill(shape, seed, scale), shape);

	/** A training step with Adam, which returns the loss. */
	function step(parameters, forward) {
		const p = {};
		for (const { name, shape, values } of spec.initial(parameters)) p[name] = on(values, shape, { requiresGrad: true });
		const optimizer = new optim.Adam(Object.values(p), { lr: spec.LEARNING_RATE });
		return () => {
			optimizer.zeroGrad();
			const loss = forward(p);
			loss.backward();
			optimizer.step();
			return loss.detach();
		};
	}

	const prepare = {
		matmul() {
			const [a, b] = [input([1024, 1024], 1), input([1024, 1024], 2)];
			return () => matmul(a, b);
		},
		conv() {
			const [x, w] = [input([16, 32, 32, 32], 1), input([64, 32, 3, 3], 2)];
			return () => conv2d(x, w, null, { padding: 1 });
		},
		softmax() {
			const x = input([4096, 1024], 1, 4);
			return () => softmax(x, -1);
		},
		attention() {
			const [q, k, v, g] = [1, 2, 3, 4].map((seed) => input([2, 4, 256, 64], seed));
			for (const operand of [q, k, v]) operand.requiresGrad_();
			return () => grad(scaledDotProductAttention(q, k, v, { isCausal: true }), [q, k, v], { gradOutputs: g })[0];
		},
		tiny() {
			const one = input([16], 1);
			return () =>
				noGrad(() => {
					let x = one;
					for (let i = 0; i < spec.TINY; i++) x = add(x, 1);
					return x;
				});
		},
		mlp() {
			const [x, y] = [input([spec.BATCH, 784], 1), on(spec.labels(spec.BATCH, 10, 2), [spec.BATCH])];
			return step(spec.MLP, ({ w1, b1, w2, b2 }) => {
				const hidden = relu(linear(x, w1.transpose(0, 1), b1));
				return crossEntropy(linear(hidden, w2.transpose(0, 1), b2), y);
			});
		},
		cnn() {
			const [x, y] = [input([spec.BATCH, 1, 28, 28], 1), on(spec.labels(spec.BATCH, 10, 2), [spec.BATCH])];
			return step(spec.CNN, ({ c1, d1, c2, d2, w1, b1, w2, b2 }) => {
				let h = maxPool2d(relu(conv2d(x, c1, d1)), 2);
				h = maxPool2d(relu(conv2d(h, c2, d2)), 2).reshape([spec.BATCH, 1600]);
				return crossEntropy(linear(relu(linear(h, w1.transpose(0, 1), b1)), w2.transpose(0, 1), b2), y);
			});
		},
		gpt() {
			const { layers, width, heads, context, vocabulary, batch } = spec.GPT;
			const tokens = on(spec.labels(batch * context, vocabulary, 3), [batch, context]);
			const targets = on(spec.labels(batch * context, vocabulary, 4), [batch * context]);
			return step(spec.gptParameters(), (p) => {
				let x = add(embedding(tokens, p.tokens), p.positions);
				for (let i = 0; i < layers; i++) {
					const qkv = linear(
						layerNorm(x, [width], { weight: p[`${i}.norm1`] }),
						p[`${i}.attention`].transpose(0, 1),
						p[`${i}.attentionBias`],
					);
					const [q, k, v] = qkv.chunk(3, -1).map((part) => part.reshape([batch, context, heads, width / heads]).transpose(1, 2));
					const mixed = scaledDotProductAttention(q, k, v, { isCausal: true }).transpose(1, 2).reshape([batch, context, width]);
					x = add(x, linear(mixed, p[`${i}.projection`].transpose(0, 1), p[`${i}.projectionBias`]));
					const up = linear(layerNorm(x, [width], { weight: p[`${i}.norm2`] }), p[`${i}.up`].transpose(0, 1), p[`${i}.upBias`]);
					x = add(x, linear(gelu(up, { approximate: 'tanh' }), p[`${i}.down`].transpose(0, 1), p[`${i}.downBias`]));
				}
				const logits = matmul(layerNorm(x, [width], { weight: p.norm }), p.tokens.transpose(0, 1));
				return crossEntropy(logits.reshape([-1, vocabulary]), targets);
			});
		},
	};

	/** @param {string} name */
	function start(name) {
		const call = prepare[name]();
		return {
			run: () => tidy(() => void call()),
			sync,
			async values() {
				const result = tidy(call);
				const values = await result.data();
				result.dispose();
				return values;
			},
		};
	}

	return { open, start };
}
