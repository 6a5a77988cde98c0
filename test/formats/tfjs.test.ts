/** Layers models of TensorFlow.js, against TensorFlow.js itself on the CPU and against what NumPy computes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FormatError, init, manualSeed, nn, optim, rand, randn, type Tensor } from 'wgrad';
import { type KerasModel, type LoadTfjsOptions, loadTfjs, saveTfjs } from 'wgrad/formats';
import { refuses } from '../data/refuses';
import { models, requireOutputs, unpacked } from './kerasFixture';

const require = createRequire(join(process.cwd(), 'package.json'));
const folder = mkdtempSync(join(tmpdir(), 'wgrad-tfjs-'));
const upscaler = join(process.cwd(), 'node_modules/@upscalerjs/default-model/models/model.json');

test.before(async () => {
	await init({ device: 'cpu' });
});
test.after(() => rmSync(folder, { recursive: true }));

/** The files of a model in a folder. */
function written(name: string, change = (text: string) => text): string {
	const [text, ...shards] = models[name]!.files.tfjs as [string, ...string[]];
	writeFileSync(join(folder, 'model.json'), change(text));
	shards.forEach((shard, i) => {
		writeFileSync(join(folder, `group1-shard${i + 1}of2.bin`), unpacked(shard));
	});
	return join(folder, 'model.json');
}

for (const name of Object.keys(models)) {
	test(`${name}: read, run as NumPy does, written and read again`, async () => {
		const model = await loadTfjs(written(name));
		await requireOutputs(name, model);
		const again = join(folder, 'again.json');
		await saveTfjs(model, again);
		await requireOutputs(name, await loadTfjs(again));
	});
}

/** What TensorFlow.js computes with a model in files. */
async function byTfjs(path: string, input: Tensor): Promise<{ shape: number[]; values: ArrayLike<number> }> {
	const tf = require('@tensorflow/tfjs-core') as typeof import('@tensorflow/tfjs-core');
	require('@tensorflow/tfjs-backend-cpu');
	const layers = require('@tensorflow/tfjs-layers') as typeof import('@tensorflow/tfjs-layers');
	const { modelTopology, weightsManifest } = JSON.parse(readFileSync(path, 'utf8'));
	const [{ paths, weights }] = weightsManifest as [{ paths: string[]; weights: never[] }];
	const data = Buffer.concat(paths.map((name) => readFileSync(join(path, '..', name))));
	const weightData = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
	const model = await layers.loadLayersModel({ load: async () => ({ modelTopology, weightSpecs: weights, weightData }) });
	const y = model.predict(
		tf.tensor((await input.data()) as Float32Array, [...input.shape]),
	) as import('@tensorflow/tfjs-core').Tensor;
	return { shape: y.shape, values: await y.data() };
}

async function requireAsTfjs(model: KerasModel, path: string, input: Tensor): Promise<void> {
	const expected = await byTfjs(path, input);
	const y = model.eval().forward(input);
	assert.equal([...y.shape], expected.shape);
	const data = await y.data();
	let [worst, largest] = [0, 0];
	for (let i = 0; i < data.length; i++) {
		worst = Math.max(worst, Math.abs(data[i]! - expected.values[i]!));
		largest = Math.max(largest, Math.abs(expected.values[i]!));
	}
	assert.ok(worst <= 1e-4 * Math.max(1, largest) && largest > 0, `differs by ${worst} of ${largest}`);
}

test('the upscaler of @upscalerjs/default-model gives the pixels that TensorFlow.js gives', async () => {
	manualSeed(1);
	const model = await loadTfjs(upscaler);
	// One height is odd, so that no size is assumed.
	const image = rand([1, 9, 8, 3]).mul(255);
	await requireAsTfjs(model, upscaler, image);
	const [file, shard] = ['model.json', 'group1-shard1of1.bin'].map(
		(name) => new File([readFileSync(join(upscaler, '..', name))], name),
	);
	const first = await loadTfjs([file!, shard!], { channels: 'first' });
	const y = first
		.eval()
		.forward(image.permute([0, 3, 1, 2]))
		.permute([0, 2, 3, 1]);
	assert.equal(await y.toArray(), await model.forward(image).toArray());
});

test('TensorFlow.js reads what saveTfjs writes of an nn.Sequential', async () => {
	manualSeed(2);
	const model = new nn.Sequential(
		new nn.Conv2d(2, 4, 3, { padding: 1, stride: 2 }),
		new nn.BatchNorm2d(4),
		new nn.ReLU(),
		new nn.MaxPool2d(2),
		new nn.Flatten(),
		new nn.Linear(4 * 2 * 2, 3),
		new nn.Softmax(-1),
	);
	const path = join(folder, 'own.json');
	await saveTfjs(model, path, { inputShape: [2, 7, 8] });
	const again = await loadTfjs(pathToFileURL(path));
	const x = randn([2, 7, 8, 2]);
	await requireAsTfjs(again, path, x);
	const own = model.eval().forward(x.permute([0, 3, 1, 2]));
	assert.equal(await again.forward(x).toArray(), await own.toArray());
});

test('quantised weights become float32', async () => {
	const halves = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0, 0, 0);
	const cases = [
		{
			dtype: 'uint8',
			scale: 0.5,
			min: -1,
			bytes: Uint8Array.of(0, 2, 4, 1, 3, 5),
			kernel: [
				[-1, 0],
				[1, -0.5],
				[0.5, 1.5],
			],
		},
		{
			dtype: 'uint16',
			scale: 0.25,
			min: 0,
			bytes: new Uint8Array(Uint16Array.of(0, 2, 4, 1, 3, 400).buffer),
			kernel: [
				[0, 0.5],
				[1, 0.25],
				[0.75, 100],
			],
		},
		{
			dtype: 'float16',
			bytes: new Uint8Array(halves.buffer),
			kernel: [
				[1, -2],
				[0.5, 0],
				[0, 0],
			],
		},
	];
	const dense = { class_name: 'Dense', config: { name: 'dense', units: 2, use_bias: false, batch_input_shape: [null, 3] } };
	for (const { bytes, kernel, ...quantization } of cases) {
		const weights = [{ name: 'dense/kernel', shape: [3, 2], dtype: 'float32', quantization }];
		const topology = { model_config: { class_name: 'Sequential', config: [dense] } };
		const text = JSON.stringify({ modelTopology: topology, weightsManifest: [{ paths: ['w.bin'], weights }] });
		const model = await loadTfjs([new File([text], 'model.json'), new File([bytes], 'w.bin')]);
		assert.equal(await model.getParameter('layers.dense.weight').t().toArray(), kernel);
	}
});

test('an imported model trains a step', async () => {
	const model = await loadTfjs(upscaler);
	const image = rand([1, 4, 4, 3]);
	const optimizer = new optim.Adam(model.parameters(), { lr: 1e-4 });
	const loss = async () => {
		const value = model.forward(image).square().mean();
		value.backward();
		return value.item();
	};
	const before = await loss();
	await optimizer.step();
	assert.ok((await loss()) < before);
});

test('wrong files and calls are refused in words', async () => {
	const graph = written('steps', () => '{"format":"graph-model","modelTopology":{"node":[]},"weightsManifest":[]}');
	await refuses(() => loadTfjs(graph), /it is a graph model, which holds operations instead of layers/, FormatError);
	await refuses(() => loadTfjs(written('steps', (text) => text.slice(1))), /model\.json is not valid JSON/, FormatError);
	await refuses(
		() => loadTfjs(written('steps', (text) => text.replace('group1-shard1of2.bin', '../shard.bin'))),
		/gives the weights a file that is no plain name/,
		FormatError,
	);
	await refuses(
		() => loadTfjs(written('steps', (text) => text.replace('"dtype": "float32"}', '"dtype": "string"}'))),
		/has the dtype "string"/,
		FormatError,
	);
	await refuses(
		() => loadTfjs(written('steps', (text) => text.replace('"shape": [3, 3, 4]', '"shape": [3, 3, 5]'))),
		/its weights take \d+ bytes, and the shards have \d+/,
		FormatError,
	);
	await refuses(() => loadTfjs([]), /there is no file to load/);
	await refuses(() => loadTfjs(graph, { map: 1 } as LoadTfjsOptions), /there is no option 'map'/);
	await refuses(() => saveTfjs(new nn.Sequential(new nn.ReLU()), join(folder, 'x.json')), /inputShape/);
	await refuses(() => saveTfjs(new nn.Sequential(new nn.ReLU()), new Uint8Array() as never), /give the path of the model\.json/);
});

test.run();
