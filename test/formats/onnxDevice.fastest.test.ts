/** Networks from ONNX files, and large tensors of files, on a GPU. With `WGRAD_CASES` also the models of every operator. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, io, manualSeed, type nn, noGrad, optim, randint, randn, shutdown, type Tensor, tensor } from 'wgrad';
import { loadOnnx, toOnnx } from 'wgrad/formats';
import { deepCnn } from '../../examples/digits/model';
import { Gpt } from '../../examples/gpt/model';
import { TextClassifier } from '../../examples/text/model';
import { tensorsIn } from '../../src/formats/onnx/trace';
import { setting } from '../random/setting';
import { ALL, compares, givenOf, nameOf } from './onnx/compare';
import { CONTROL_CASES } from './onnx/controlCases';
import { modelOf } from './onnx/model';

test.before(async () => {
	await init({ device: 'webgpu' });
});
test.after(() => shutdown());

const ON_GPU = { device: 'webgpu', atMost: 1e-4 } as const;

const NETWORKS: Record<string, () => { model: nn.Module; input: Tensor }> = {
	'a convolutional network': () => ({ model: deepCnn({ batchNorm: true, side: 24 }), input: randn([2, 1, 24, 24]) }),
	'an LSTM': () => ({
		model: new TextClassifier({ vocabulary: 30, classes: 3, cell: 'lstm', features: 5, hidden: 6, layers: 1 }),
		input: randint(0, 30, [2, 7]),
	}),
	'a GPT': () => ({
		model: new Gpt({ vocabularySize: 30, context: 16, width: 16, layers: 1, heads: 2 }),
		input: randint(0, 30, [2, 7]),
	}),
};

const outputsOf = (module: nn.Module, input: Tensor): Tensor =>
	tensorsIn((module.forward as (x: Tensor) => unknown)(input))[0]![1];

for (const [name, make] of Object.entries(NETWORKS)) {
	test(`${name} on the GPU is exported, read again and trained there`, async () => {
		manualSeed(1);
		const { model, input } = make();
		model.eval();
		const bytes = await toOnnx(model, { inputs: { x: input } });
		const imported = await loadOnnx(bytes);
		assert.ok(imported.parameters().every(({ device }) => device === 'webgpu'));
		const distance = noGrad(() => outputsOf(imported, input).sub(outputsOf(model, input)).abs().max());
		assert.ok((await distance.item()) <= 1e-4);
		const reference = await loadOnnx(bytes, { device: 'cpu' });
		const losses = [];
		for (const [module, x] of [
			[imported, input],
			[reference, await input.to('cpu')],
		] as const) {
			const optimizer = new optim.SGD(module.parameters(), { lr: 0.01 });
			for (let step = 0; step < 2; step++) {
				const loss = outputsOf(module, x).square().mean();
				loss.backward();
				optimizer.step();
				optimizer.zeroGrad();
				losses.push(await loss.item());
			}
		}
		const [first, second, firstOnCpu, secondOnCpu] = losses as [number, number, number, number];
		assert.ok(second < first);
		assert.ok(Math.abs(first - firstOnCpu) <= 1e-4 * firstOnCpu && Math.abs(second - secondOnCpu) <= 1e-4 * secondOnCpu);
	});
}

for (const { name, bytes, given, waits } of CONTROL_CASES.slice(0, setting('WGRAD_CASES') === undefined ? 4 : undefined)) {
	test(`${name}, as onnxruntime does it`, () => compares(name, bytes, given, { waits, ...ON_GPU }));
}

if (setting('WGRAD_CASES') !== undefined) {
	for (const one of ALL) {
		const label = `${nameOf(one)} ${JSON.stringify(one.attributes ?? {})}`;
		test(label, () => compares(label, modelOf(one), givenOf(one), { ...one, ...ON_GPU }));
	}
}

test('tensors of several parts arrive whole, in every width', async () => {
	const count = 2 ** 22 + 5;
	const given = {
		words: tensor(Int32Array.from({ length: count }, (_, i) => i)),
		halves: tensor(
			Float32Array.from({ length: 2 * count }, (_, i) => i % 256),
			{ dtype: 'bfloat16' },
		),
		bytes: tensor(Uint8Array.from({ length: 2 * count + 1 }, (_, i) => i % 251)),
	};
	const found = await io.load(await io.saveSafetensors(given));
	for (const [name, expected] of Object.entries(given)) {
		const [a, b] = await Promise.all([found[name]!.data(), expected.data()]);
		assert.is(found[name]!.dtype, expected.dtype);
		assert.is(Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)), 0, name);
	}
});

test.run();
