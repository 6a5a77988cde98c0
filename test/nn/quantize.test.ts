/** Quantised layers: the layers that `quantize` replaces, their accuracy, states, calibration, quantisation-aware training. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	calibrate,
	dequantizeWeight,
	io,
	manualSeed,
	mseLoss,
	nn,
	noGrad,
	optim,
	prepareQat,
	quantize,
	quantizeWeight,
	randn,
	type Tensor,
	tensor,
	zeros,
} from 'wgrad';

const CPU = { device: 'cpu' } as const;

async function list(x: Tensor): Promise<number[]> {
	return [...(await x.data())];
}

test('codes, scales and words by hand', async () => {
	const weight = tensor([[1, -127, 63.5, 2.5, 3.5, -0.5]], CPU);
	const q = quantizeWeight(weight, { bits: 8, groupSize: 4 });
	// Groups of 4 and 2 columns: scales 127 / 127 and 3.5 / 127. Halves go to even: 63.5 to 64, 2.5 to 2.
	assert.equal(await list(q.scale), [1, Math.fround(3.5 / 127)]);
	const second = [127, -18].map((code) => code + 128);
	assert.equal(await list(q.packed), [
		129 | (1 << 8) | (192 << 16) | (130 << 24),
		second[0]! | (second[1]! << 8) | (128 << 16) | (128 << 24),
	]);
	assert.is(q.zeroPoint, null);
	const four = quantizeWeight(tensor([[0, 15, 30, 6]], CPU), { bits: 4, groupSize: 32, symmetric: false });
	assert.equal([four.groupSize, four.columns], [4, 4]);
	assert.equal([await list(four.scale), await list(four.zeroPoint!)], [[2], [0]]);
	// 15 / 2 rounds to 8, the even one.
	assert.equal(await list(four.packed), [0 | (8 << 4) | (15 << 8) | (3 << 12)]);
});

test('scales of float16 weights are float32', async () => {
	const q = quantizeWeight(tensor([[1, 2]], { ...CPU, dtype: 'float16' }));
	assert.is(q.scale.dtype, 'float32');
	assert.equal(await list(q.scale), [Math.fround(2 / 127)]);
});

test('no element moves by more than half a scale', async () => {
	manualSeed(3);
	for (const bits of [8, 4] as const)
		for (const symmetric of [true, false])
			for (const groupSize of [1, 3, 8, 20, 32, 77]) {
				const weight = randn([13, 77], CPU);
				const q = quantizeWeight(weight, { bits, groupSize, symmetric });
				const [before, after, scale] = await Promise.all([list(weight), list(dequantizeWeight(q)), list(q.scale)]);
				const groups = q.scale.shape[1]!;
				for (const [i, value] of before.entries()) {
					const step = scale[Math.floor(i / 77) * groups + Math.floor((i % 77) / groupSize)]!;
					// Rounding of scale and quotient in float32: some 2^-23 of the value each.
					const allowed = step / 2 + Math.abs(value) * 2 ** -21 + step * 2 ** (bits - 22);
					assert.ok(
						Math.abs(after[i]! - value) <= allowed,
						`${bits} ${symmetric} ${groupSize}: ${value} became ${after[i]}, scale ${step}`,
					);
				}
			}
});

class Attending extends nn.Module {
	readonly tokens = new nn.Embedding(11, 16, CPU);
	readonly attention = new nn.MultiheadAttention(16, 2, { ...CPU, batchFirst: true });
	readonly blocks = new nn.ModuleList([new nn.Sequential(new nn.Linear(16, 24, CPU), new nn.GELU(), new nn.Linear(24, 16, CPU))]);
	readonly head = new nn.Linear(16, 11, CPU);

	override forward(indices: Tensor): Tensor {
		const x = this.tokens.forward(indices);
		const [attended] = this.attention.forward(x, x, x, { needWeights: false });
		return this.head.forward(this.blocks.at(0).forward(attended));
	}
}

const INDICES = tensor([[1, 2, 3, 10]], { dtype: 'int32', device: 'cpu' });

test('replaces layers in properties and containers, and lists the others', async () => {
	manualSeed(5);
	const original = new Attending();
	const expected = await list(original.forward(INDICES));
	const { model, report } = quantize(original, { bits: 8, groupSize: 8 });
	assert.is(model, original);
	assert.equal(
		report.layers.map(({ path }) => path),
		['tokens', 'attention.out_proj', 'blocks.0.0', 'blocks.0.2', 'head'],
	);
	assert.equal(report.left, ['attention.in_proj_weight']);
	assert.equal(report.layers[4], { path: 'head', bytesBefore: 16 * 11 * 4, bytesAfter: 16 * 11 + 11 * 2 * 4 });
	const saved = report.layers.reduce((sum, { bytesBefore, bytesAfter }) => sum + bytesBefore - bytesAfter, 0);
	assert.is(report.bytesBefore - report.bytesAfter, saved);
	const found = await list(model.forward(INDICES));
	const largest = Math.max(...expected.map(Math.abs));
	assert.ok(found.every((value, i) => Math.abs(value - expected[i]!) < 0.03 * largest));
	assert.not.equal(found, expected);
	assert.match(String(model.blocks), /QuantizedLinear\(inFeatures=16, outFeatures=24, bias=true, bits=8, groupSize=8\)/);
	assert.equal(
		model.namedParameters().map(([path]) => path),
		[
			'attention.in_proj_weight',
			'attention.in_proj_bias',
			'attention.out_proj.bias',
			'blocks.0.0.bias',
			'blocks.0.2.bias',
			'head.bias',
		],
	);
});

test('chooses layers by path, part of a path, expression and class', () => {
	const paths = (options: Parameters<typeof quantize>[1]) =>
		quantize(new Attending(), options).report.layers.map(({ path }) => path);
	assert.equal(paths({ modules: ['blocks'] }), ['blocks.0.0', 'blocks.0.2']);
	assert.equal(paths({ modules: ['out_proj', 'head'] }), ['attention.out_proj', 'head']);
	assert.equal(paths({ modules: [nn.Embedding] }), ['tokens']);
	assert.equal(paths({ modules: [/\.0\.\d$/], exclude: ['blocks.0.2'] }), ['blocks.0.0']);
	assert.equal(paths({ exclude: [nn.Linear] }), ['tokens']);
	assert.throws(() => paths({ exclude: ['haed'] }), /quantize: exclude names 'haed', but no module matches/);
	assert.throws(() => paths({ bits: 3 as 4 }), /quantize: bits must be 8 or 4, not 3/);
	assert.throws(() => quantize({} as nn.Module), /quantize: model must be a module, not an object/);
	const single = quantize(new nn.Linear(4, 2, CPU));
	assert.instance(single.model, nn.QuantizedLinear);
});

test('a state in safetensors has the same bits', async () => {
	manualSeed(6);
	const { model } = quantize(new Attending(), { bits: 4, groupSize: 5, symmetric: false });
	const state = model.stateDict();
	assert.equal(
		Object.keys(state).filter((key) => key.startsWith('head')),
		['head.bias', 'head.weight_packed', 'head.weight_scale', 'head.weight_zero_point'],
	);
	const file = await io.saveSafetensors(state);
	manualSeed(7);
	const { model: other } = quantize(new Attending(), { bits: 4, groupSize: 5, symmetric: false });
	other.loadStateDict(io.loadSafetensors(file, CPU));
	for (const [key, value] of Object.entries(other.stateDict())) {
		assert.is(value.dtype, state[key]!.dtype);
		assert.equal(await list(value), await list(state[key]!));
	}
	assert.equal(await list(other.forward(INDICES)), await list(model.forward(INDICES)));
});

class Tied extends nn.Module {
	readonly tokens = new nn.Embedding(11, 16, CPU);
	readonly head = new nn.Linear(16, 11, { ...CPU, bias: false });

	constructor() {
		super();
		this.head.registerParameter('weight', this.tokens.weight);
	}

	override forward(indices: Tensor): Tensor {
		return this.head.forward(this.tokens.forward(indices));
	}
}

test('tied weights share their codes or throw', () => {
	const { model, report } = quantize(new Tied(), { groupSize: 16 });
	assert.is(model.tokens.buffers()[0], model.head.buffers()[0]);
	assert.is(report.bytesAfter, 16 * 11 + 11 * 4);
	assert.throws(
		() => quantize(new Tied(), { exclude: ['tokens'] }),
		/quantize: 'tokens.weight' is the weight of 'head', too, and would stay as it is. Quantise both layers, or exclude 'head'/,
	);
});

class Secret extends nn.Module {
	readonly #inner = new nn.Linear(3, 3, CPU);

	override namedChildren(): [string, nn.Module][] {
		return [['inner', this.#inner]];
	}

	override forward(x: Tensor): Tensor {
		return this.#inner.forward(x);
	}
}

test('rejects layers that it cannot replace', () => {
	assert.throws(() => quantize(new Secret()), /quantize: Secret does not let 'inner' be replaced/);
	const hooked = new nn.Sequential(new nn.Linear(3, 3, CPU));
	hooked.at(0).registerForwardHook(() => undefined);
	assert.throws(() => quantize(hooked), /quantize: '0' has hooks or a forward of its own/);
	const normalized = new nn.Sequential(nn.weightNorm(new nn.Linear(3, 3, CPU)));
	assert.equal(quantize(normalized).report.layers, []);
});

/** Computes x W with W [in, out]. */
class Turned extends nn.Module {
	constructor(readonly weight: nn.Parameter) {
		super();
	}

	override forward(x: Tensor): Tensor {
		return x.matmul(this.weight);
	}

	toLinear(): nn.Linear {
		const [inFeatures, outFeatures] = this.weight.shape as [number, number];
		const layer = new nn.Linear(inFeatures, outFeatures, { ...CPU, bias: false });
		noGrad(() => layer.weight.copy_(this.weight.transpose(0, 1)));
		return layer;
	}
}

test('converts custom layers', async () => {
	manualSeed(8);
	const model = new nn.Sequential(new Turned(new nn.Parameter(randn([6, 5], CPU))));
	const x = randn([2, 6], CPU);
	const expected = await list(model.forward(x));
	const { report } = quantize(model, { groupSize: 6, convert: (layer) => (layer instanceof Turned ? layer.toLinear() : null) });
	assert.equal(
		report.layers.map(({ path }) => path),
		['0'],
	);
	const found = await list(model.forward(x));
	assert.ok(found.every((value, i) => Math.abs(value - expected[i]!) < 0.05));
});

test('gradients reach the input and the bias through a quantised layer', async () => {
	manualSeed(9);
	const layer = nn.QuantizedLinear.fromFloat(new nn.Linear(7, 3, CPU), { bits: 4, groupSize: 4 });
	const x = randn([2, 7], { ...CPU, requiresGrad: true });
	layer.forward(x).sum().backward();
	const weight = await list(dequantizeWeight(layer.quantizedWeight));
	const columns = Array.from({ length: 7 }, (_, c) => weight[c]! + weight[7 + c]! + weight[14 + c]!);
	for (const [i, slope] of (await list(x.grad!)).entries()) assert.ok(Math.abs(slope - columns[i % 7]!) < 1e-5);
	assert.equal(await list(layer.bias!.grad!), [2, 2, 2]);
});

test('a layer checks its weight once, and again when a part is replaced', async () => {
	const layer = nn.QuantizedLinear.fromFloat(new nn.Linear(8, 2), { groupSize: 4 });
	const x = randn([3, 8]);
	const [weight, before] = [layer.quantizedWeight, await layer.forward(x).data()];
	assert.is(layer.quantizedWeight, weight);
	layer.registerBuffer('weight_scale', weight.scale.mul(2));
	assert.is.not(layer.quantizedWeight, weight);
	const bias = await layer.bias!.data();
	const doubled = [...before].map((value, i) => 2 * (value - bias[i % 2]!) + bias[i % 2]!);
	for (const [i, value] of (await layer.forward(x).data()).entries()) assert.ok(Math.abs(value - doubled[i]!) < 1e-5);
	layer.registerBuffer('weight_scale', zeros([2, 3]));
	assert.throws(() => layer.forward(x), /QuantizedLinear: weight\.scale \[2, 3\] must be \[2, 2\] for 8 columns/);
	layer.registerBuffer('weight_scale', weight.scale);
	layer.forward(x);
	weight.packed.dispose();
	assert.throws(() => layer.forward(x), /disposed/);
});

test('8-bit activations: by line, and by calibrated ranges', async () => {
	const linear = new nn.Linear(2, 1, { ...CPU, bias: false });
	noGrad(() => linear.weight.copy_(tensor([[127, 127]], CPU)));
	const layer = nn.QuantizedLinear.fromFloat(linear, { activations: 'dynamic8' });
	// Steps of 1 and of 10: 0.4 goes to 0, 14 to 10.
	assert.equal(
		await list(
			layer.forward(
				tensor(
					[
						[127, 0.4],
						[1270, 14],
					],
					CPU,
				),
			),
		),
		[127 * 127, 127 * 1280],
	);

	const fixed = quantize(new nn.Sequential(linear), {}).model;
	await calibrate(fixed, [tensor([[-10, 30]], CPU), [tensor([[241, 0]], CPU), 'label']]);
	const inner = fixed.at(0) as nn.QuantizedLinear;
	assert.is(inner.activations, 'static8');
	// low -10, high 241: 251 / 255 a step.
	const step = 251 / 255;
	assert.ok(Math.abs((await inner.buffer('input_scale').item()) - step) < 1e-6);
	assert.is(await inner.buffer('input_zero_point').item(), 10);
	const [y] = await list(fixed.forward(tensor([[1000, 7.3]], CPU)));
	assert.ok(Math.abs(y! - 127 * (245 * step + Math.round(7.3 / step) * step)) < 0.01);

	const other = quantize(new nn.Sequential(new nn.Linear(2, 1, { ...CPU, bias: false })), { activations: 'static8' }).model;
	assert.ok(Number.isNaN(await other.forward(tensor([[1, 1]], CPU)).item()));
	other.loadStateDict(fixed.stateDict());
	assert.equal(await list(other.forward(tensor([[3, 4]], CPU))), await list(fixed.forward(tensor([[3, 4]], CPU))));
});

test('percentiles leave outliers out', async () => {
	const { model } = quantize(new nn.Sequential(new nn.Linear(101, 1, CPU)));
	const ramp = Array.from({ length: 101 }, (_, i) => i - 40);
	await calibrate(model, [tensor([ramp], CPU), tensor([ramp.map((value) => 3 * value)], CPU)], {
		method: 'percentile',
		percentile: 90,
	});
	const layer = model.at(0) as nn.QuantizedLinear;
	// The tenth value from each end: -30 and 50, -90 and 150; on average -60 and 100.
	assert.ok(Math.abs((await layer.buffer('input_scale').item()) - 160 / 255) < 1e-6);
	assert.is(await layer.buffer('input_zero_point').item(), 96);
	for (const [options, message] of [
		[{ method: 'max' }, /calibrate: method must be 'minMax' or 'percentile', not 'max'/],
		[{ percentile: 20 }, /calibrate: percentile must be in \[50, 100\], not 20/],
	] as const) {
		const error = await calibrate(model, [], options as object).catch((reason: Error) => reason);
		assert.match((error as Error).message, message);
	}
	const none = await calibrate(new nn.Sequential(), []).catch((reason: Error) => reason);
	assert.match((none as Error).message, /calibrate: the model has no QuantizedLinear layer/);
});

test('training with fake quantisation gives the results of the quantised model', async () => {
	manualSeed(10);
	const model = prepareQat(new nn.Sequential(new nn.Linear(5, 8, CPU), new nn.Tanh(), new nn.Linear(8, 1, CPU)), {
		bits: 4,
		groupSize: 3,
	});
	const [x, y] = [randn([32, 5], CPU), randn([32, 1], CPU)];
	const optimizer = new optim.Adam(model.parameters(), { lr: 0.02 });
	const losses: number[] = [];
	for (let step = 0; step < 60; step++) {
		optimizer.zeroGrad();
		const loss = mseLoss(model.forward(x), y);
		loss.backward();
		optimizer.step();
		losses.push(await loss.item());
	}
	assert.ok(losses.at(-1)! < 0.6 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
	assert.equal(Object.keys(model.stateDict()), ['0.weight', '0.bias', '2.weight', '2.bias']);
	const trained = await list(model.forward(x));
	const { report } = quantize(model, { bits: 4, groupSize: 3 });
	assert.is(report.layers.length, 2);
	const quantized = await list(model.forward(x));
	for (const [i, value] of quantized.entries()) assert.ok(Math.abs(value - trained[i]!) < 1e-5);
});

test.run();
