/** wgrad/interpret on one device against captum's formulas in PyTorch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, type DType, nn, type Tensor, tensor, tidy } from 'wgrad';
import * as interpret from 'wgrad/interpret';
import golden from '../golden/interpret.json';
import { type Allowed, requireClose } from '../proofs/compare';

interface Values {
	readonly shape: readonly number[];
	readonly values: readonly number[];
}

/** The network of interpret.py. */
export class Classifier extends nn.Module {
	readonly conv = new nn.Conv2d(2, 3, 3, { padding: 1 });
	readonly relu1 = new nn.ReLU();
	readonly conv2 = new nn.Conv2d(3, 4, 3, { stride: 2 });
	readonly relu2 = new nn.ReLU();
	readonly tanh = new nn.Tanh();
	readonly fc = new nn.Linear(24, 3);

	override forward(x: Tensor): Tensor {
		return tidy(() => {
			const features = this.relu2.forward(this.conv2.forward(this.relu1.forward(this.conv.forward(x))));
			return this.fc.forward(this.tanh.forward(features.flatten(1)));
		});
	}
}

class Words extends nn.Module {
	readonly embedding = new nn.Embedding(7, 4);
	readonly fc = new nn.Linear(12, 2);

	override forward(ids: Tensor): Tensor {
		return tidy(() => this.fc.forward(this.embedding.forward(ids).flatten(1).tanh().square()));
	}
}

export function proveGolden(device: Device, dtype: DType, allowed: Allowed): void {
	const values = ({ shape, values }: Values, type: DType = dtype) =>
		tensor(Float64Array.from(values), { shape, dtype: type, device });
	const load = async <M extends nn.Module>(model: M, state: Record<string, Values>): Promise<M> => {
		await model.to(device);
		model.to(dtype);
		model.loadStateDict(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, values(value)])));
		return model;
	};
	async function compare(name: string, found: Tensor): Promise<void> {
		const expected: Values = golden.found[name as keyof typeof golden.found];
		assert.equal(found.shape, expected.shape, name);
		requireClose(name, await found.data(), expected.values, allowed);
		assert.not(found.requiresGrad, `${name} is on no tape`);
	}
	const target = golden.target;

	test(`${device}: a classifier of images has captum's attributions`, async () => {
		const model = await load(new Classifier(), golden.model);
		const [x, baseline] = [values(golden.x), values(golden.baseline)];
		await compare('saliency', interpret.saliency(model, x, { target }));
		await compare(
			'inputXGradient',
			interpret.inputXGradient(model, x, {
				target: (y) => y.gather(1, tensor(Int32Array.from(target), { shape: [3, 1], device })),
			}),
		);
		const classes = tensor(Int32Array.from(target), { device });
		for (const method of ['gausslegendre', 'riemann_left', 'riemann_right', 'riemann_middle', 'riemann_trapezoid'] as const) {
			const options = { target: classes, baselines: baseline, nSteps: 6, method, internalBatchSize: 8 } as const;
			const [found, delta] = interpret.integratedGradients(model, x, { ...options, returnConvergenceDelta: true });
			await compare(method, found);
			await compare(`${method} delta`, delta);
		}
		await compare('occlusion', interpret.occlusion(model, x, { target, slidingWindowShapes: [2, 3, 3], strides: [1, 2, 2] }));
		await compare(
			'occlusion by one channel',
			interpret.occlusion(model, x, {
				target,
				slidingWindowShapes: [1, 4, 2],
				strides: [1, 3, 2],
				baselines: baseline,
				perturbationsPerEval: 5,
			}),
		);
		await compare('gradCam', interpret.gradCam(model, 'relu1', x, { target }));
		await compare('layerGradientXActivation', interpret.layerGradientXActivation(model, model.relu1, x, { target }));
		await compare('guidedBackprop', interpret.guidedBackprop(model, x, { target }));
		await compare('guidedGradCam', interpret.guidedGradCam(model, 'relu2', x, { target }));
	});

	test(`${device}: token ids are explained at the embedding`, async () => {
		const model = await load(new Words(), golden.words);
		const ids = tensor(Int32Array.from(golden.ids.values), { shape: golden.ids.shape, device });
		const [found, delta] = interpret.layerIntegratedGradients(model, 'embedding', ids, {
			target: 1,
			nSteps: 5,
			internalBatchSize: 4,
			returnConvergenceDelta: true,
		});
		await compare('layerIntegratedGradients', found);
		await compare('layerIntegratedGradients delta', delta);
	});

	test(`${device}: attention maps are the weights of each layer`, async () => {
		const attention = await load(new nn.MultiheadAttention(6, 2, { batchFirst: true }), golden.attention);
		const x = values(golden.sequence);
		const [map, ...more] = interpret.attentionMaps(
			(x) => attention.forward(x, x, x, { isCausal: true, needWeights: false })[0],
			x,
		);
		await compare('attention', map!.weights);
		assert.equal([map!.path, more.length], ['', 0]);
	});
}
