/**
 * Recurrent layers in float16 against float64 on the CPU, from values that float16 represents exactly. A layer is one operation:
 * its inputs and outputs are float16, and everything between is float32, over any number of steps and layers.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { autocast, type Device, type DType, grad, init, nn, noGrad, type Tensor, tensor, zeros } from 'wgrad';
import { families } from '../ops';
import { stream } from '../ops/database';
import { proveFloat16 } from '../proofs/float16';
import { float16Present } from '../proofs/half';
import { roundToHalf } from '../random/draw';

let present = false;

test.before(async () => {
	await init({ device: 'webgpu' });
	present = float16Present();
});

const [STEPS, ROWS, INPUTS, HIDDEN] = [24, 3, 9, 16];

interface Place {
	readonly device: Device;
	readonly dtype: DType;
}

const LAYERS: Readonly<Record<string, (place: Place) => nn.Module & { forward(x: Tensor): unknown }>> = {
	LSTM: (place) => new nn.LSTM(INPUTS, HIDDEN, place),
	'LSTM of two layers, both ways': (place) => new nn.LSTM(INPUTS, HIDDEN, { ...place, numLayers: 2, bidirectional: true }),
	'LSTM with projections': (place) => new nn.LSTM(INPUTS, HIDDEN, { ...place, projSize: 5 }),
	GRU: (place) => new nn.GRU(INPUTS, HIDDEN, { ...place, numLayers: 2 }),
	RNN: (place) => new nn.RNN(INPUTS, HIDDEN, { ...place, numLayers: 2 }),
	LSTMCell: (place) => new nn.LSTMCell(INPUTS, HIDDEN, place),
	GRUCell: (place) => new nn.GRUCell(INPUTS, HIDDEN, place),
	RNNCell: (place) => new nn.RNNCell(INPUTS, HIDDEN, place),
};

function values(name: string, shape: readonly number[], range: number): number[] {
	const next = stream(name);
	return roundToHalf(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => range * (2 * next() - 1)));
}

/** Results, and the gradients of the input and of all parameters. */
async function run(name: string, place: Place, createGraph: boolean, mixed = false) {
	const make = (what: string, shape: readonly number[], range: number) => tensor(values(what, shape, range), { shape, ...place });
	const layer = LAYERS[name]!(place);
	const named = [...layer.namedParameters()];
	layer.loadStateDict(Object.fromEntries(named.map(([key, { shape }]) => [key, make(key, shape, 0.5)])));
	const x = make('x', name.endsWith('Cell') ? [ROWS, INPUTS] : [STEPS, ROWS, INPUTS], 2).requiresGrad_();
	const called = autocast(() => layer.forward(x), { enabled: mixed });
	const results = ([called].flat(2) as Tensor[]).map((result, i) => [`result ${i}`, result] as const);
	const gradOutputs = results.map(([what, { shape }]) => make(what, shape, 1));
	const found = grad(
		results.map(([, result]) => result),
		[x, ...named.map(([, parameter]) => parameter)],
		{ gradOutputs, createGraph },
	);
	const gradients = found.map((gradient, i) => [`gradient of ${i === 0 ? 'x' : named[i - 1]![0]}`, gradient!] as const);
	return Promise.all(
		[...results, ...gradients].map(async ([what, given]) => ({ what, dtype: given.dtype, data: await given.detach().data() })),
	);
}

for (const name of Object.keys(LAYERS)) {
	for (const createGraph of [false, true]) {
		test(`float16: ${name}, ${createGraph ? 'recorded' : 'fused'} gradients`, async () => {
			if (!present) return;
			const actual = await run(name, { device: 'webgpu', dtype: 'float16' }, createGraph);
			const expected = await run(name, { device: 'cpu', dtype: 'float64' }, createGraph);
			for (const [i, { what, data }] of expected.entries()) {
				const got = actual[i]!;
				assert.is(got.dtype, 'float16', what);
				const largest = Math.max(...Array.from(data, Math.abs));
				for (let j = 0; j < data.length; j++) {
					// One rounding; a float32 result may lie on the other side of the midpoint.
					const allowed = 2 ** -11 * (1.01 * Math.abs(data[j]!) + 0.004 * largest) + 2 ** -24;
					const off = Math.abs(got.data[j]! - data[j]!);
					assert.ok(
						off <= allowed,
						`${what}: element ${j} is ${got.data[j]} instead of ${data[j]}, ${off / allowed} times the bound`,
					);
				}
			}
		});
	}
}

/**
 * Errors of `autocast` in units of 2^-11 of a tensor's largest element. A step rounds its input, its state and their product with float16
 * weights; the gates keep most of that from growing over the 24 steps and two layers.
 */
const MIXED = { result: 6, gradient: 8 };

for (const name of Object.keys(LAYERS)) {
	for (const device of ['cpu', 'webgpu'] as const) {
		test(`autocast: ${name} on ${device}`, async () => {
			if (device === 'webgpu' && !present) return;
			const exact = await run(name, { device: 'cpu', dtype: 'float64' }, false);
			for (const createGraph of [false, true]) {
				const actual = await run(name, { device, dtype: 'float32' }, createGraph, true);
				for (const [i, { what, data }] of exact.entries()) {
					const got = actual[i]!;
					assert.is(got.dtype, 'float32', what);
					const largest = Math.max(...Array.from(data, Math.abs));
					const off = Math.max(...Array.from(data, (value, j) => Math.abs(got.data[j]! - value)));
					const units = off === 0 ? 0 : off / largest / 2 ** -11;
					assert.ok(units <= (what.startsWith('result') ? MIXED.result : MIXED.gradient), `${what}: ${units} units`);
				}
			}
		});
	}
}

for (const device of ['cpu', 'webgpu'] as const) {
	test(`autocast: products with the state take float16 on ${device}`, async () => {
		if (device === 'webgpu' && !present) return;
		const layer = new nn.GRU(4, 16, { device });
		const x = zeros([6, 2, 4], { device });
		// Without inputs, nothing else rounds.
		noGrad(() => {
			layer.loadStateDict({ ...layer.stateDict(), weight_ih_l0: zeros([48, 4], { device }) });
			for (const [key, parameter] of layer.namedParameters()) if (key.startsWith('bias')) parameter.fill_(0.25);
		});
		const [mixed, plain] = [autocast(() => layer.forward(x)[0]), layer.forward(x)[0]];
		assert.not.equal([...(await mixed.detach().data())], [...(await plain.detach().data())]);
	});
}

proveFloat16(families.rnn);

test('mixed dtypes are refused', () => {
	const of = { device: 'cpu', dtype: 'float64' } as const;
	const x = zeros([2, 1, 3], { device: 'cpu' });
	const layer = new nn.LSTM(3, 2, of);
	assert.throws(() => layer.forward(x), /^LSTM: weight_ih_l0 is float64, the input float32; convert one with \.to\(\)$/);
	const state = zeros([1, 1, 2], { device: 'cpu' });
	assert.throws(() => layer.forward(x.to('float64'), [state, state]), /^LSTM: the initial state is float32, the input float64;/);
	const cell = new nn.GRUCell(3, 2, of);
	assert.throws(() => cell.forward(x.select(0, 0)), /^GRUCell: weight_ih is float64, the input float32;/);
	assert.throws(() => cell.forward(x.select(0, 0).to('float64'), state.select(0, 0)), /^GRUCell: the state is float32,/);
});

test.run();
