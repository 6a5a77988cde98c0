/** Low-rank adapters against PyTorch's products and PEFT's files: outputs, gradients, merging, switching, freezing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dequantizeWeight, init, io, manualSeed, nn, noGrad, ones, optim, quantize, randn, type Tensor, tensor } from 'wgrad';
import { fit } from 'wgrad/train';
import configText from '../golden/adapter_config.json?text';
import weightsFile from '../golden/adapter_model.safetensors' with { type: 'bytes' };
import results from '../golden/adapting.json';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

const { lora } = nn;

test.before(async () => void (await init({ device: 'cpu' })));

const CLOSE = { relative: 1e-5, absolute: 1e-5 };

function draw(name: string, shape: readonly number[]): Tensor {
	const next = stream(name);
	return tensor(
		Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(-1 + next() * 2)),
		{ shape },
	);
}

/** The model of adapting.py, with its values. */
class Adapted extends nn.Module {
	readonly emb = new nn.Embedding(7, 4);
	readonly fc = new nn.Linear(4, 6);
	readonly attn = new nn.MultiheadAttention(4, 2, { batchFirst: true });
	readonly conv = new nn.Conv2d(2, 3, [3, 2], { stride: 2, padding: 1 });

	constructor() {
		super();
		noGrad(() => {
			for (const [name, parameter] of this.namedParameters()) parameter.copy_(draw(name, parameter.shape));
		});
	}

	override forward(tokens: Tensor, sequence: Tensor, image: Tensor): Tensor[] {
		const attended = this.attn.forward(sequence, sequence, sequence)[0];
		return [this.fc.forward(this.emb.forward(tokens)), attended, this.conv.forward(image)];
	}
}

const inputs = (): [Tensor, Tensor, Tensor] => [
	tensor(
		[
			[0, 3, 6],
			[2, 2, 5],
		],
		{ dtype: 'int32' },
	),
	draw('sequence', [2, 3, 4]),
	draw('image', [1, 2, 5, 4]),
];

const files = { 'adapter_config.json': configText, 'adapter_model.safetensors': weightsFile };

async function requireOutputs(model: Adapted, expected: readonly (readonly number[])[]): Promise<void> {
	for (const [i, output] of model.forward(...inputs()).entries())
		requireClose(`output ${i}`, await output.data(), expected[i]!, CLOSE);
}

const bits = async (model: nn.Module) =>
	Object.fromEntries(
		await Promise.all(
			Object.entries(model.stateDict())
				.filter(([key]) => !key.includes('lora_'))
				.map(async ([key, value]) => [key, Array.from(new Int32Array((await value.data()).slice().buffer))] as const),
		),
	);

test("a file with PEFT's keys gives PyTorch's outputs, unmerged and merged, and is saved byte for byte", async () => {
	const model = new Adapted();
	await requireOutputs(model, results.lora.before);
	const before = await bits(model);
	const adapted = lora.load(model, files);
	model.eval();
	await requireOutputs(model, results.lora.after);
	assert.equal(await bits(model), before);
	adapted.merge();
	await requireOutputs(model, results.lora.after);
	adapted.unmerge();
	assert.equal(await bits(model), before);
	await requireOutputs(model, results.lora.after);
	const saved = await lora.save(adapted);
	assert.is(saved['adapter_config.json'], configText);
	assert.equal(saved['adapter_model.safetensors'], weightsFile);
	adapted.use(null);
	await requireOutputs(model, results.lora.before);
	// unload() without merge() leaves nothing behind.
	assert.is(adapted.unload(), model);
	assert.equal(Object.keys(model.stateDict()), Object.keys(new Adapted().stateDict()));
	await requireOutputs(model, results.lora.before);
	assert.ok(model.parameters().every((parameter) => parameter.requiresGrad));
	lora.load(model, files).merge().unload();
	await requireOutputs(model.eval(), results.lora.after);
});

test('new adapters change nothing at first, and start as PEFT defines', async () => {
	manualSeed(1);
	const model = new Adapted();
	const adapted = lora.apply(model, { rank: 2, alpha: 4, targets: ['emb', 'fc', 'attn', 'conv'] });
	await requireOutputs(model, results.lora.before);
	const state = adapted.stateDict();
	assert.equal(Object.keys(state).sort(), Object.keys(io.loadSafetensors(weightsFile)).sort());
	for (const [key, value] of Object.entries(state)) {
		const values = Array.from(await value.data());
		const zeros = /lora_B|lora_embedding_A/.test(key);
		assert.is(
			values.every((x) => x === 0),
			zeros,
			key,
		);
		// Kaiming uniform with a = sqrt(5): within 1 / sqrt(fan in).
		if (key.includes('lora_A'))
			assert.ok(
				values.every((x) => Math.abs(x) <= 1 / Math.sqrt(value.size / value.shape[0]!)),
				key,
			);
	}
	assert.equal(
		model.namedParameters().flatMap(([path, parameter]) => (parameter.requiresGrad ? [path] : [])),
		[
			'emb.lora_embedding_A.default',
			'emb.lora_embedding_B.default',
			'fc.lora_A.default.weight',
			'fc.lora_B.default.weight',
			'attn.lora_A.default.weight',
			'attn.lora_B.default.weight',
			'attn.out_proj.lora_A.default.weight',
			'attn.out_proj.lora_B.default.weight',
			'conv.lora_A.default.weight',
			'conv.lora_B.default.weight',
		].sort((a, b) => model.namedParameters().findIndex(([p]) => p === a) - model.namedParameters().findIndex(([p]) => p === b)),
	);
});

test('gradients of adapters are differences of the loss, and the base gets none', async () => {
	const model = new Adapted();
	model.to('float64');
	const adapted = lora.load(model, files);
	adapted.base.eval();
	const [tokens, sequence, image] = inputs();
	const given = [tokens, sequence.to('float64'), image.to('float64')] as [Tensor, Tensor, Tensor];
	const loss = () =>
		model
			.forward(...given)
			.map((output) => output.sin().sum())
			.reduce((a, b) => a.add(b));
	loss().backward();
	const own = new Set<Tensor>(adapted.parameters());
	assert.is(own.size, 10);
	for (const [path, parameter] of model.namedParameters()) {
		if (!own.has(parameter)) {
			assert.is(parameter.grad, null, path);
			continue;
		}
		const gradient = await parameter.grad!.data();
		const flat = parameter.detach().reshape([-1]);
		for (let i = 0; i < parameter.size; i += 3) {
			const at = async (shift: number) => {
				noGrad(() => void flat.narrow(0, i, 1).add_(shift));
				return await loss().item();
			};
			const h = 1e-5;
			const above = await at(h);
			const below = await at(-2 * h);
			await at(h);
			requireClose(`${path}[${i}]`, [(above - below) / (2 * h)], [gradient[i]!], { relative: 1e-6, absolute: 1e-8 });
		}
	}
});

test('several adapters are switched and added up by name; training one leaves the others and the base alone', async () => {
	manualSeed(2);
	const model = new nn.Sequential(new nn.Linear(3, 5), new nn.Tanh(), new nn.Linear(5, 2));
	const x = randn([8, 3]);
	const y = randn([8, 2]);
	const base = await bits(model);
	const first = await model.forward(x).data();
	const adapted = lora.apply(model, { rank: 2, targets: 'all-linear', name: 'one' });
	assert.is(lora.apply(model, { rank: 1, alpha: 2, targets: ['2'], name: 'two' }), adapted);
	assert.equal([adapted.active, adapted.names], [['two'], ['one', 'two']]);
	assert.equal(
		adapted.namedParameters().map(([key]) => key),
		['base_model.model.2.lora_A.weight', 'base_model.model.2.lora_B.weight'],
	);
	const train = async () => {
		const optimizer = new optim.Adam(adapted.parameters(), { lr: 0.1 });
		await fit(adapted, [x, y], { loss: (a: Tensor, b: Tensor) => a.sub(b).square().mean(), optimizer, epochs: 5, verbose: 0 });
		return model.forward(x).data();
	};
	const two = await train();
	adapted.use('one');
	assert.equal(await model.forward(x).data(), first);
	const one = await train();
	assert.ok(one.some((value, i) => value !== first[i]));
	adapted.use('two');
	assert.equal(await model.forward(x).data(), two);
	assert.equal(await adapted.use(null).base.stateDict()['0.weight']!.data(), await model.at(0).parameters()[0]!.data());
	assert.equal(await model.forward(x).data(), first);
	// Both: W + the sum of both products.
	adapted.use(['one', 'two']);
	assert.equal(Object.keys(adapted.stateDict()).length, 6);
	const both = await model.forward(x).data();
	adapted.merge();
	requireClose('merged', await model.forward(x).data(), Array.from(both), CLOSE);
	adapted.unmerge();
	assert.equal(await bits(model), base);
	adapted.delete('two');
	assert.equal([adapted.names, adapted.active], [['one'], ['one']]);
	assert.equal(await model.forward(x).data(), one);
});

test('dropout acts on the input of adapters in training alone', async () => {
	manualSeed(3);
	const layer = new nn.Linear(4, 2);
	const model = new nn.Sequential(layer);
	const adapted = lora.apply(model, { rank: 2, alpha: 3, dropout: 0.5, targets: ['0'] });
	const [a, b] = adapted.parameters() as [Tensor, Tensor];
	noGrad(() => b.copy_(randn(b.shape)));
	const x = ones([64, 4]);
	const base = await x.matmul(layer.weight.transpose(0, 1)).add(layer.bias!).data();
	const plain = x
		.matmul(a.transpose(0, 1))
		.matmul(b.transpose(0, 1))
		.mul(1.5)
		.add(tensor(base, { shape: [64, 2] }));
	const dropped = await model.forward(x).data();
	assert.ok(new Set(dropped).size > 4);
	model.eval();
	requireClose('in inference', await model.forward(x).data(), await plain.data(), CLOSE);
});

/** Like the layers of GPT-2's files: x W + b with W [in, out]. */
class Projection extends nn.Module {
	readonly weight = new nn.Parameter(randn([3, 5]));
	override forward(x: Tensor): Tensor {
		return x.matmul(this.weight);
	}
}

/** Like a quantised layer: it has sizes, but no floating weight. */
class Packed extends nn.Module {
	readonly inFeatures = 3;
	readonly outFeatures = 5;
	readonly dense = randn([3, 5]);
	constructor() {
		super();
		this.registerBuffer('packed', tensor([1, 2, 3], { dtype: 'int32' }));
	}
	override forward(x: Tensor): Tensor {
		return x.matmul(this.dense);
	}
}

test('layers with weights [in, out], and layers without a weight in floating point, take adapters', async () => {
	manualSeed(4);
	for (const layer of [new Projection(), new Packed()]) {
		const model = new nn.Sequential(new nn.Identity(), layer);
		const adapted = lora.apply(model, { rank: 2, alpha: 1, targets: ['1'], fanInFanOut: true });
		const [a, b] = adapted.parameters() as [Tensor, Tensor];
		assert.equal(
			[a.shape, b.shape],
			[
				[2, 3],
				[5, 2],
			],
		);
		noGrad(() => b.copy_(randn(b.shape)));
		const x = randn([4, 3]);
		const base = layer instanceof Packed ? layer.dense : layer.weight;
		const expected = await x.matmul(base.add(b.matmul(a).mul(0.5).transpose(0, 1))).data();
		requireClose('output', await model.forward(x).data(), Array.from(expected), CLOSE);
		if (layer instanceof Packed)
			assert.throws(
				() => adapted.merge(),
				/lora\.merge: '1': Packed has no weight in floating point\. Keep the adapters unmerged/,
			);
		else requireClose('merged', await (adapted.merge().base as nn.Sequential).forward(x).data(), Array.from(expected), CLOSE);
	}
});

test('a quantised model takes adapters: its integers stay, and the adapters get the gradients of a dense layer', async () => {
	manualSeed(6);
	const model = new nn.Sequential(new nn.Embedding(9, 32), new nn.Linear(32, 16), new nn.Tanh(), new nn.Linear(16, 5));
	quantize(model, { bits: 4, groupSize: 16 });
	const tokens = tensor(
		[
			[1, 8, 3],
			[0, 0, 5],
		],
		{ dtype: 'int32' },
	);
	const before = await model.forward(tokens).data();
	const state = await bits(model);
	const adapted = lora.apply(model, { rank: 3, alpha: 6, targets: ['0', '1', '3'] });
	assert.equal(await model.forward(tokens).data(), before);
	noGrad(() => {
		for (const parameter of adapted.parameters()) parameter.copy_(randn(parameter.shape).mul(0.1));
	});
	// The same with dense layers.
	const of = Object.fromEntries(
		adapted.namedParameters().map(([key, parameter]) => [key.replace('base_model.model.', ''), parameter]),
	);
	const [table, first, last] = [0, 1, 3].map((i) => model.at(i)) as [
		nn.QuantizedEmbedding,
		nn.QuantizedLinear,
		nn.QuantizedLinear,
	];
	const dense = (layer: nn.QuantizedLinear | nn.QuantizedEmbedding) => dequantizeWeight(layer.quantizedWeight);
	const product = (i: number) => of[`${i}.lora_B.weight`]!.matmul(of[`${i}.lora_A.weight`]!).mul(2);
	const rows = dense(table).add(of['0.lora_embedding_B']!.matmul(of['0.lora_embedding_A']!).mul(2).transpose(0, 1));
	const layer = (x: Tensor, linear: nn.QuantizedLinear, i: number) =>
		x.matmul(dense(linear).add(product(i)).transpose(0, 1)).add(linear.bias!);
	const loss = (output: Tensor) => output.sin().sum();
	const output = layer(layer(rows.indexSelect(0, tokens.reshape([-1])).reshape([2, 3, 32]), first, 1).tanh(), last, 3);
	loss(output).backward();
	const expected = await Promise.all(adapted.parameters().map((parameter) => parameter.grad!.data()));
	adapted.zeroGrad();
	const found = model.forward(tokens);
	requireClose('output', await found.data(), Array.from(await output.data()), CLOSE);
	loss(found).backward();
	for (const [i, [key, parameter]] of adapted.namedParameters().entries())
		requireClose(key, await parameter.grad!.data(), Array.from(expected[i]!), { relative: 1e-4, absolute: 1e-5 });
	assert.equal(await bits(model), state);
	assert.throws(() => adapted.merge(), /QuantizedEmbedding has no weight in floating point\. Keep the adapters unmerged/);
});

test('wrong calls are refused', () => {
	const model = new nn.Sequential(new nn.Linear(3, 3), new nn.LayerNorm(3), new nn.Conv2d(4, 4, 1, { groups: 2 }));
	const refused = (options: object, message: RegExp) => assert.throws(() => lora.apply(model, options as never), message);
	refused({}, /targets must be a list of ends of paths such as \['q_proj'\], a RegExp, or 'all-linear', not undefined/);
	refused({ targets: ['q_proj'] }, /no layer matches the targets; the model has: 0, 1, 2/);
	refused({ targets: ['1'] }, /'1', a LayerNorm with a weight of shape \[3\], takes no adapter/);
	refused({ targets: ['0'], rank: 0 }, /rank must be a whole number of at least 1, not 0/);
	refused({ targets: ['0'], dropout: 2 }, /dropout must lie in \[0, 1\]/);
	refused({ targets: ['2'], rank: 3 }, /the rank 3 must be a multiple of the 2 groups of '2'/);
	// A refused call changes nothing, not even the layers before the one that it refuses.
	const keys = Object.keys(model.stateDict());
	refused({ targets: ['0', '1'] }, /'1', a LayerNorm/);
	assert.equal(Object.keys(model.stateDict()), keys);
	assert.ok(model.parameters().every((parameter) => parameter.requiresGrad));
	const adapted = lora.apply(model, { targets: ['0'] });
	refused({ targets: ['0'] }, /there is an adapter 'default' already; give another name/);
	assert.throws(() => adapted.use('french'), /there is no adapter 'french'; there are: default/);
	adapted.merge();
	assert.throws(() => adapted.use(null), /the adapters are merged; call unmerge\(\) first/);
	const config = (change: object) => ({
		...files,
		'adapter_config.json': JSON.stringify({ ...JSON.parse(configText), ...change }),
	});
	const load = (change: object, message: RegExp) => assert.throws(() => lora.load(new Adapted(), config(change)), message);
	load({ use_dora: true }, /adapter_config\.json: use_dora is true, which wgrad does not support/);
	load({ bias: 'all' }, /bias is "all", which wgrad does not support/);
	load({ peft_type: 'IA3' }, /peft_type is "IA3", not "LORA"/);
	load({ target_modules: ['fc'] }, /unexpected keys: base_model\.model\.attn/);
	const whole = new Adapted();
	assert.throws(() => lora.load(whole, config({ r: 3 })), /shape \[2, 7\] in the file/);
	assert.equal(Object.keys(whole.stateDict()), Object.keys(new Adapted().stateDict()));
	assert.ok(whole.parameters().every((parameter) => parameter.requiresGrad));
	load({ r: 3 }, /base_model\.model\.emb\.lora_embedding_A: shape \[2, 7\] in the file, \[3, 7\] in the model/);
});

test.run();
