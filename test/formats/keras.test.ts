/** Files of Keras, as keras.fixture.py writes them and as nobody should, against what NumPy computes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cat, FormatError, init, nn, noGrad, optim, rand, randint, randn, type Tensor } from 'wgrad';
import { type KerasModel, type LoadKerasOptions, loadKeras, saveKeras } from 'wgrad/formats';
import { refuses } from '../data/refuses';
import { runFor } from '../soak/campaign';
import { damagedKeras } from '../soak/keras';
import { models, optimizers, requireNear, requireOutputs, tensorOf, unpacked } from './kerasFixture';

const folder = mkdtempSync(join(tmpdir(), 'wgrad-keras-'));

test.before(async () => {
	await init({ device: 'cpu' });
});
test.after(() => rmSync(folder, { recursive: true }));

for (const name of Object.keys(models)) {
	for (const format of ['h5', 'keras'] as const) {
		test(`${name}.${format}: read, run as NumPy does, written and read again`, async () => {
			const { model } = await loadKeras(unpacked(models[name]!.files[format]));
			await requireOutputs(name, model);
			for (const again of ['again.keras', 'again.h5']) {
				const file = join(folder, again);
				await saveKeras(model, file);
				await requireOutputs(name, (await loadKeras(file)).model);
			}
		});
	}
}

test('heaps of HDF5 that would keep the library in a loop are refused', async () => {
	const file = (size: number, index: number, objectSize: number) => {
		const bytes = new Uint8Array(64);
		bytes.set([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, ...new TextEncoder().encode('GCOL'), 1]);
		const view = new DataView(bytes.buffer);
		view.setUint32(16, size, true);
		view.setUint16(24, index, true);
		view.setUint32(32, objectSize, true);
		return bytes;
	};
	await refuses(() => loadKeras(file(4096, 1, 8)), /a heap reaches beyond its end/, FormatError);
	await refuses(() => loadKeras(file(56, 1, 4096)), /an object in a heap has a wrong size/, FormatError);
	await refuses(() => loadKeras(file(56, 0, 0)), /an object in a heap has a wrong size/, FormatError);
	await refuses(() => loadKeras(file(56, 1, 16)), /the library cannot open it|it is damaged/, FormatError);
});

/** The parameter of each trained weight of the model with optimizers, by the weight's name in Keras, and how its dims are ordered. */
async function requireStep(name: string, model: KerasModel, optimizer: optim.Adam | optim.SGD | optim.RMSprop): Promise<void> {
	const { gradients, after, names } = optimizers[name]!;
	const targets = (weight: string) => {
		const [layer, ...rest] = weight.split('/');
		const kind = rest.at(-1)!;
		const own = Object.fromEntries(model.layers.get(layer!).namedParameters());
		if (layer === 'dense') return kind === 'kernel' ? [own.weight!] : [own.bias!];
		if (layer === 'norm') return kind === 'gamma' ? [own.weight!] : [own.bias!];
		if (kind !== 'bias') return [kind === 'kernel' ? own.weight_ih_l0! : own.weight_hh_l0!];
		return layer === 'gru' ? [own.bias_ih_l0!, own.bias_hh_l0!] : [own.bias_ih_l0!];
	};
	/** The rows of a GRU's gates z, r, h, and of the others as they are. */
	const ours = (weight: string, x: Tensor): Tensor[] => {
		const isGru = weight.startsWith('gru/');
		const gates = (y: Tensor) => {
			if (!isGru) return y;
			const [z, r, h] = y.chunk(3, -1) as [Tensor, Tensor, Tensor];
			return cat([r, z, h], -1);
		};
		if (x.ndim === 1) return [x];
		if (isGru && weight.endsWith('bias')) return [gates(x.select(0, 0)), gates(x.select(0, 1))];
		return [gates(x).t()];
	};
	names.forEach((weight, i) => {
		ours(weight, tensorOf(gradients[i]!)).forEach((gradient, k) => {
			targets(weight)[k]!.grad = gradient.contiguous();
		});
	});
	await optimizer.step();
	for (const [i, weight] of names.entries()) {
		const wanted = ours(weight, tensorOf(after[i]!));
		for (const [k, target] of targets(weight).entries()) {
			const values = [...(await wanted[k]!.contiguous().data())];
			// Keras and PyTorch add epsilon in different places.
			await requireNear(`${name}: ${weight}`, target, { shape: [...target.shape], values }, 2e-6);
		}
	}
}

for (const name of Object.keys(optimizers)) {
	test(`${name}: the optimizer goes on as Keras's does`, async () => {
		for (const format of ['h5', 'keras'] as const) {
			const { model, optimizer } = await loadKeras(unpacked(optimizers[name]!.files[format]), { optimizer: true });
			const files = ['state.keras', 'state.h5'].map((file) => join(folder, file));
			for (const file of files) await saveKeras(model, file, { optimizer: optimizer! });
			await requireStep(name, model, optimizer!);
			for (const file of files) {
				const again = await loadKeras(file, { optimizer: true });
				await requireStep(name, again.model, again.optimizer!);
			}
		}
	});
}

/** A .h5 or .keras file whose config has `text` in the place of `find`. */
function withText(bytes: Uint8Array, find: string, text: string): Uint8Array {
	const file = Buffer.from(bytes.slice());
	assert.is(find.length, text.length);
	assert.ok(file.includes(find), find);
	for (let at = file.indexOf(find); at >= 0; at = file.indexOf(find, at + 1)) file.write(text, at);
	return new Uint8Array(file);
}

const h5 = (name: string) => unpacked(models[name]!.files.h5);

test('what has no counterpart is named with its place', async () => {
	const cases: readonly (readonly [string, string, string, RegExp])[] = [
		[
			'language',
			'"class_name": "GRU", "config": {"name": "gru"',
			'"class_name": "GRX", "config": {"name": "gru"',
			/layer "gru" \(4th of 14\): Keras layer 'GRX' has no counterpart/,
		],
		[
			'language',
			'"mask_zero": false',
			'"mask_zero": true ',
			/layer "embed" \(2nd of 14\): Keras layer "Embedding" has the setting "mask_zero": true/,
		],
		['language', '"reset_after": true', '"reset_after":false', /"reset_after|reset_after: false, which has no counterpart/],
		[
			'language',
			'"recurrent_activation": "sigmoid"',
			'"recurrent_activation": "softmax"',
			/has the setting "recurrent_activation": "softmax", which has no counterpart/,
		],
		[
			'images',
			'"activation": "swish"',
			'"activation": "sw_sh"',
			/Keras layer "Conv2D" has the activation "sw_sh", which has no counterpart/,
		],
		['images', '"padding": "same"', '"padding": "some"', /has the setting "padding": "some", and only valid, same are supported/],
		[
			'images',
			'"class_name": "Sequential"',
			'"class_name": "Subclassed"',
			/it is a "Subclassed", and Sequential and functional models/,
		],
		['branches', '"shared", 0, 0', '"shared", 9, 0', /no layer gives the tensor \["shared", 9, 0\]/],
	];
	for (const [name, find, text, message] of cases)
		await refuses(() => loadKeras(withText(h5(name), find, text)), message, FormatError);
});

test('wrong files and calls are refused in words', async () => {
	const path = join(folder, 'weights.h5');
	await refuses(() => loadKeras(new Uint8Array(100)), /is neither an HDF5 file nor a zip archive/, FormatError);
	await refuses(() => loadKeras(withText(h5('images'), 'model_config', 'model_kunfig')), /it holds weights alone/, FormatError);
	await refuses(() => loadKeras(path, { map: 1 } as LoadKerasOptions), /there is no option 'map'/);
	await refuses(() => loadKeras(path, { channels: 'middle' as 'last' }), /channels/);
	await refuses(() => loadKeras(path, { optimizer: 1 as never }), /optimizer must be/);
	await refuses(() => loadKeras(path, { layers: { A: 1 as never } }), /layers\.A must be a function/);
	const model = new nn.Sequential(new nn.Linear(3, 2));
	await refuses(() => saveKeras(model, path), /give the sizes of the model's input after the batch/);
	await refuses(() => saveKeras(new nn.Linear(3, 2) as never, path), /a KerasModel or an nn\.Sequential/);
	await refuses(() => saveKeras(model, path, { inputShape: [3], format: 'onnx' as 'h5' }), /format/);
	await refuses(
		() => saveKeras(new nn.Sequential(new nn.CELU()), path, { inputShape: [3] }),
		/CELU.* has no counterpart in Keras/,
	);
	await refuses(
		() => saveKeras(model, path, { inputShape: [3], optimizer: new optim.Adagrad(model.parameters()) as never }),
		/Adam, AdamW, SGD and RMSprop only/,
	);
	const { model: two } = await loadKeras(h5('branches'));
	await refuses(
		() => two.forward(randn([1, 4, 4, 2]), randn([1, 4, 4, 2])),
		/it has 3 outputs \(dot, repeat, pool\); call outputs\(\)/,
	);
	await refuses(() => two.outputs(randn([1, 4, 4, 2])), /it takes 2 inputs \(left, right\), not 1/);
});

test('a layer of the caller stands in for a class without a counterpart', async () => {
	const bytes = withText(h5('images'), '"class_name": "LeakyReLU"', '"class_name": "Mine_ReLU"');
	const layers = {
		Mine_ReLU: ({ alpha }: Readonly<Record<string, unknown>>) => new nn.LeakyReLU(alpha as number),
	};
	await requireOutputs('images', (await loadKeras(bytes, { layers })).model);
	const asFunction = { Mine_ReLU: () => (x: Tensor) => x.leakyRelu({ negativeSlope: 0.2 }) };
	await requireOutputs('images', (await loadKeras(bytes, { layers: asFunction })).model);
	const dense = withText(h5('images'), '"class_name": "Dense"', '"class_name": "Dunse"');
	const weighted = {
		Dunse:
			(_: unknown, [kernel, bias]: readonly Tensor[]) =>
			(x: Tensor) =>
				x.matmul(kernel!).add(bias!).softmax(-1),
	};
	const { model } = await loadKeras(dense, { layers: weighted });
	await requireOutputs('images', model);
	await refuses(() => saveKeras(model, join(folder, 'own.keras')), /layer "logits" \(23rd of 23\) has weights of your own layer/);
});

test("with channels: 'first' images come and go as in PyTorch, and without copies in between", async () => {
	const { model } = await loadKeras(h5('volumes'), { channels: 'first' });
	model.eval();
	const { inputs, outputs } = models.volumes!;
	const x = tensorOf(inputs[0]!).permute([0, 4, 1, 2, 3]);
	await requireNear('volumes', model.forward(x), outputs[0]!);
});

test('a model trains as its layers do, and frozen layers keep their statistics', async () => {
	const { model } = await loadKeras(h5('branches'));
	const names = model.namedParameters().map(([name]) => name);
	assert.ok(names.includes('layers.shared.weight') && names.includes('layers.block/inside.bias'), names.join());
	const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
	const before = await model.getBuffer('layers.block/frozen.running_mean').toArray();
	const moving = await model.getBuffer('layers.block/norm_inside.running_mean').toArray();
	const inputs = models.branches!.inputs.map(tensorOf);
	const losses: number[] = [];
	for (let i = 0; i < 5; i++) {
		optimizer.zeroGrad();
		const loss = model
			.outputs(...inputs)[2]!
			.square()
			.mean();
		loss.backward();
		await optimizer.step();
		losses.push(await loss.item());
	}
	assert.ok(losses.at(-1)! < losses[0]!, losses.join());
	assert.equal(await model.getBuffer('layers.block/frozen.running_mean').toArray(), before);
	assert.not.equal(await model.getBuffer('layers.block/norm_inside.running_mean').toArray(), moving);
	assert.is(model.getParameter('layers.block/frozen.weight').requiresGrad, false);
});

const SEQUENTIALS: Readonly<Record<string, readonly [() => nn.Sequential, readonly number[]]>> = {
	images: [
		() =>
			new nn.Sequential(
				new nn.Conv2d(2, 4, 3, { padding: 1, stride: 2 }),
				new nn.BatchNorm2d(4),
				new nn.LeakyReLU(0.2),
				new nn.Conv2d(4, 8, 3, { padding: 'same', groups: 4 }),
				new nn.GroupNorm(2, 8),
				new nn.Softmax(1),
				new nn.AvgPool2d(2, { stride: 1 }),
				new nn.Sequential(new nn.MaxPool2d(2), new nn.Dropout(0.5)),
				new nn.Flatten(),
				new nn.LayerNorm(8),
				new nn.Linear(8, 3),
				new nn.GELU(),
			),
		[2, 7, 6],
	],
	words: [
		() =>
			new nn.Sequential(
				new nn.Embedding(9, 4),
				new nn.Linear(4, 6),
				new nn.SiLU(),
				new nn.Conv1d(5, 2, 3, { padding: 1 }),
				new nn.AdaptiveAvgPool1d(1),
				new nn.Flatten(),
				new nn.Sigmoid(),
			),
		[5],
	],
};

for (const [name, [make, inputShape]] of Object.entries(SEQUENTIALS)) {
	test(`an nn.Sequential of ${name} is written, and read with equal outputs`, async () => {
		const model = make();
		for (const parameter of [...model.parameters(), ...model.buffers()])
			if (parameter.dtype === 'float32') noGrad(() => parameter.copy_(rand([...parameter.shape]).add(0.1)));
		model.eval();
		const x = name === 'words' ? randint(9, [3, ...inputShape]) : randn([3, ...inputShape]);
		const expected = await model.forward(x).toArray();
		for (const file of ['sequential.keras', 'sequential.h5'].map((file) => join(folder, file))) {
			await saveKeras(model, file, { inputShape });
			const { model: again } = await loadKeras(file, { channels: 'first' });
			again.eval();
			assert.equal(await again.forward(x).toArray(), expected);
		}
	});
}

test('damaged files throw or give models, in little memory and time', async () => {
	const { taken, refused } = await runFor(1500, 'Keras', damagedKeras);
	assert.ok(taken! > 0 && refused! > 0, JSON.stringify({ taken, refused }));
});

test.run();
