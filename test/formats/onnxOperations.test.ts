/** Exports the operations of the database, and what a graph must not get wrong: writes in place, names, sizes, large weights. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { arange, cat, customOp, init, nn, noGrad, rand, randn, ShapeError, type Tensor, tensor, zeros } from 'wgrad';
import { loadOnnx, saveOnnx, toOnnx } from 'wgrad/formats';
import { decodeModel } from '../../src/formats/onnx/messages';
import { fitted } from '../../src/formats/onnx/symbols';
import { refuses } from '../data/refuses';
import { makeInputs, type OpEntry, type Sample } from '../ops/database';
import { entries } from '../ops/index';
import { requireSame } from './onnxSame';
import { runOnnx } from './runtime';

await init({ device: 'cpu' });

/** Operations without a counterpart in ONNX, with the reason. */
const WITHOUT: Readonly<Record<string, RegExp>> = {
	bitwiseLeftShift: /shifts unsigned integers only/,
	bitwiseRightShift: /shifts unsigned integers only/,
	lgamma: /no gamma function/,
	digamma: /no gamma function/,
	polygamma: /no gamma function/,
	cumprod: /no running product/,
	'linalg.slogdet': /no logarithm of a determinant/,
	'linalg.inv': /no solution of linear systems/,
	'linalg.solve': /no solution of linear systems/,
	'linalg.solveTriangular': /no solution of linear systems/,
	'linalg.cholesky': /no Cholesky decomposition/,
	adaptiveMaxPool1d: /adaptive windows of 7 in 3 parts overlap/,
	adaptiveMaxPool2d: /adaptive windows of 7 in 3 parts overlap/,
	adaptiveMaxPool3d: /adaptive windows of 5 in 2 parts overlap/,
	multiLabelMarginLoss: /no running product/,
	ctcLoss: /no CTC loss/,
	dropout: /draws random numbers \(dropout\)/,
	dropout2d: /draws random numbers \(dropout2d\)/,
	bernoulli: /draws random numbers \(bernoulli\)/,
	multinomial: /draws random numbers \(multinomial\)/,
	gumbelSoftmax: /draws random numbers \(gumbelSoftmax\)/,
};

/** The first sample with elements. The others differ in shapes, which do not concern the table of operations. */
function sampleOf(entry: OpEntry): Sample | undefined {
	return entry.samples.find(
		({ gradient, inputs }) =>
			gradient !== false && inputs.every(({ shape, dtype }) => !shape.includes(0) && dtype !== 'float64' && dtype !== 'float16'),
	);
}

const seen = new Set<string>();
for (const entry of entries) {
	const sample = sampleOf(entry);
	// The entries of recurrent layers make the layers anew in each call.
	if (sample === undefined || seen.has(entry.name) || entry.name.startsWith('nn.')) continue;
	seen.add(entry.name);
	test(`${entry.name}: equal results in onnxruntime-web, or a refusal with its reason`, async () => {
		const options = sample.options ?? {};
		const made = makeInputs(entry, sample, 'cpu').map((x) => x.detach());
		const given = entry.steps ? entry.steps.prepare(made, options) : made;
		const inputs = Object.fromEntries(given.map((x, i) => [`x${i}`, x]));
		const { call } = entry.steps ?? entry;
		const forward = (...xs: Tensor[]) => call(xs, options);
		const exported = toOnnx(forward, { inputs, dynamicBatch: false });
		const reason = WITHOUT[entry.name];
		if (reason !== undefined) return refuses(() => exported, reason);
		await requireSame(forward, await exported, [inputs]);
	});
}

const one = (x: Tensor) => ({ x });

test('a write in place is a new value for later readers, through views too', async () => {
	const forward = (x: Tensor) => {
		const state = zeros([x.shape[0]!, 4, 3]);
		const before = x.add(1);
		before.narrow(1, 0, 2).mul_(10);
		state.select(1, 2).copy_(before);
		state.transpose(1, 2).narrow(2, 3, 1).fill_(7);
		const rows = state.reshape([-1, 3]);
		state.sub_(x.unsqueeze(1), { alpha: 2 });
		return [before, rows, state];
	};
	const x = randn([2, 3]);
	const bytes = await toOnnx(forward, { inputs: one(x) });
	await requireSame(forward, bytes, [one(x), one(randn([5, 3]))]);
});

test('constants that follow the batch are expanded, counted, or refused', async () => {
	const forward = (x: Tensor) => x.add(arange(x.shape[0]!).unsqueeze(1)).add(zeros([x.shape[0]!, 1]).add(0.5));
	const x = randn([2, 3]);
	const bytes = await toOnnx(forward, { inputs: one(x) });
	await requireSame(forward, bytes, [one(randn([6, 3]))]);
	const pattern = (x: Tensor) => x.mul(tensor(Array.from({ length: x.shape[0]! }, (_, i) => [i * i])));
	await refuses(
		() => toOnnx(pattern, { inputs: one(x) }),
		/a constant that mul takes has the shapes \[2, 1\], \[3, 1\], \[5, 1\] at different sizes of the dynamic axes, and its elements follow no pattern/,
	);
	await requireSame(pattern, await toOnnx(pattern, { inputs: one(x), dynamicBatch: false }), [one(x)]);
});

test('sizes are polynomials of the dynamic axes', () => {
	const runs = [
		[2, 7],
		[3, 7],
		[2, 6],
		[3, 6],
		[5, 5],
	] as const;
	const of = (f: (a: number, b: number) => number) =>
		fitted(
			runs.map(([a, b]) => f(a, b)),
			runs,
		);
	const size = of((a, b) => 4 * a * b + b - 3);
	assert.equal(typeof size === 'object' ? [...size!.terms].sort() : size, [
		['', -3],
		['0,1', 4],
		['1', 1],
	]);
	assert.is(
		of(() => 9),
		9,
	);
	assert.is(
		of((a) => a * a),
		null,
	);
	assert.is(
		of((a) => 1 / a),
		null,
	);
});

test('inputs, outputs and weights keep their names; the batch has one', async () => {
	const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.ReLU());
	const bytes = await toOnnx(model, { inputs: { features: randn([2, 3]) }, outputs: ['scores'], opset: 20 });
	const { graph, opsetImport } = decodeModel(bytes);
	assert.is(opsetImport[0]!.version, 20);
	const [input, output] = [graph!.input[0]!, graph!.output[0]!];
	assert.is(input.name, 'features');
	assert.is(output.name, 'scores');
	for (const { type } of [input, output]) assert.is(type!.tensorType!.shape!.dim[0]!.dimParam, 'batch');
	const names = graph!.initializer.map(({ name }) => name);
	for (const name of ['0.weight', '0.bias', '1.weight', '1.running_mean', '1.running_var']) assert.ok(names.includes(name), name);
	assert.is(model.training, true, 'the mode is restored');
	assert.ok(graph!.node.some(({ name }) => name.startsWith('/0/linear')));
});

test('large weights go to a second file', async () => {
	const folder = mkdtempSync(join(tmpdir(), 'wgrad-onnx-'));
	try {
		const model = new nn.Sequential(new nn.Linear(30, 40), new nn.Linear(40, 5));
		const path = join(folder, 'model.onnx');
		const inputs = { x: randn([2, 30]) };
		await saveOnnx(model, path, { inputs, externalData: true });
		const data = new Uint8Array(readFileSync(`${path}.data`));
		assert.is(data.length, 4 * 30 * 40, 'only the large weight');
		await requireSame(model, new Uint8Array(readFileSync(path)), [inputs], { externalData: [{ path: 'model.onnx.data', data }] });
		const bytes = 4 * (30 * 40 + 40 + 40 * 5 + 5);
		for (const [externalAbove, isSplit] of [
			[bytes, false],
			[bytes - 1, true],
		] as const) {
			rmSync(`${path}.data`, { force: true });
			await saveOnnx(model, path, { inputs, externalAbove });
			assert.is(existsSync(`${path}.data`), isSplit);
			const options = isSplit ? { externalData: [{ path: 'model.onnx.data', data }] } : {};
			await requireSame(model, new Uint8Array(readFileSync(path)), [inputs], options);
		}
		const imported = await loadOnnx(path, { device: 'cpu' });
		assert.equal(imported.parameters().length, 4, 'the reader finds the file beside the model');
		const distance = noGrad(() => imported.forward(inputs.x).sub(model.forward(inputs.x)).abs().max());
		assert.ok((await distance.item()) < 1e-6);
		await saveOnnx(model, path, { inputs, externalData: false, externalAbove: 0 });
		await requireSame(model, new Uint8Array(readFileSync(path)), [inputs]);
		await refuses(() => saveOnnx(model, path, { inputs, externalAbove: 2 ** 31 }), /externalAbove must be a whole number/);
		// 2 GB that share one element.
		const large = zeros([1]).expand([2 ** 29]);
		const huge = (ids: Tensor) => large.indexSelect(0, ids);
		await refuses(
			() => toOnnx(huge, { inputs: [tensor([0], { dtype: 'int32' })], dynamicBatch: false }),
			/toOnnx: 2147483648 bytes of weights exceed the 2 GB that one ONNX file holds\. Use saveOnnx/,
		);
	} finally {
		rmSync(folder, { recursive: true });
	}
});

test('a custom operation is what its forward computes', async () => {
	const cube = customOp({ forward: (_, x: Tensor) => x.mul(x).mul(x), backward: () => null });
	await requireSame(cube, await toOnnx(cube, { inputs: one(randn([2, 3])) }), [one(randn([4, 3]))]);
});

test('what a graph cannot hold is refused', async () => {
	const x = randn([2, 3]);
	const inputs = one(x);
	const model = new nn.Sequential(new nn.Linear(3, 4), new nn.Dropout(0.5));
	await refuses(() => toOnnx(model, { inputs, training: true }), /draws random numbers \(dropout\)/);
	await refuses(
		() => toOnnx((x) => x.add(rand([3])), { inputs }),
		/draws random numbers \(rand\)\. Pass the random tensor as an input/,
	);
	await refuses(() => toOnnx(async (x) => x.mul(await x.sum().item()), { inputs }), /forward is async/);
	await refuses(() => toOnnx(() => 3, { inputs }), /forward returned no tensor/);
	const onHost = (x: Tensor) => x.add(tensor(Array.from(x.storage.hostData!()).slice(0, 3)));
	await refuses(() => toOnnx(onHost, { inputs }), /the elements of a constant that add takes depend on the inputs/);
	const loop = (x: Tensor) => cat(Array.from({ length: x.shape[0]! }, (_, i) => x.narrow(0, i, 1).mul(2)));
	await refuses(
		() => toOnnx(loop, { inputs }),
		/which operations run depends on the sizes of the dynamic axes, from cat on\. Export with dynamicBatch: false/,
	);
	const inModule = new nn.Sequential(new nn.Linear(3, 4), new Running());
	await refuses(() => toOnnx(inModule, { inputs }), /cumprod in module '1' cannot be exported: ONNX has no running product/);
});

class Running extends nn.Module {
	override forward(x: Tensor): Tensor {
		return x.cumprod(1);
	}
}

test('wrong arguments', async () => {
	const model = new nn.Linear(3, 4);
	const inputs = one(randn([2, 3]));
	const wrong: [unknown, unknown, RegExp][] = [
		[model, { inputs, outputs: ['a', 'b'] }, /outputs names 2 tensors, but forward returned 1/],
		[model, { inputs, opset: 17 }, /opset/],
		[model, { inputs: null }, /inputs must hold example tensors/],
		[model, { inputs: { x: 3 } }, /the example input 'x' must be a tensor/],
		[model, { inputs, dynamicAxes: { y: { 0: 'batch' } } }, /dynamicAxes names 'y', which is no input; the inputs are x/],
		[model, { inputs, dynamicAxes: { x: { 2: 'length' } } }, /dynamicAxes/],
		[3, { inputs }, /takes a module, or a function of tensors/],
		[
			(a: Tensor, b: Tensor) => a.add(b),
			{ inputs: [zeros([2]), zeros([1])] },
			/'batch' is one size, but dim 0 of 'input_1' \[1\] is not 2/,
		],
	];
	for (const [given, options, message] of wrong)
		await refuses(() => toOnnx(given as typeof model, options as { inputs: typeof inputs }), message);
	await refuses(() => saveOnnx(model, 3 as unknown as string, { inputs }), /the path must be a string/);
	await refuses(() => toOnnx(model, { inputs: one(randn([2, 4])) }), /linear: input \[2, 4\]/, ShapeError);
	assert.is(model.training, true);
	const [outputs] = await runOnnx(await toOnnx(model, { inputs: [randn([2, 3])] }), [{ input: randn([2, 3]) }]);
	assert.equal(Object.keys(outputs!), ['output']);
});

test.run();
