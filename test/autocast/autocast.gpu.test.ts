/** `autocast` as a mode: casts of weights, nesting, and the code inside it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	autocast,
	batchNorm,
	checkpoint,
	conv2d,
	customOp,
	type Device,
	enableGrad,
	GradScaler,
	init,
	isGradEnabled,
	keep,
	linear,
	manualSeed,
	matmul,
	nn,
	noGrad,
	ones,
	optim,
	profile,
	quantize,
	randn,
	softmax,
	type Tensor,
	tensor,
	tidy,
	zeros,
} from 'wgrad';
import { currentAutocast } from '../../src/autograd/modes';
import { float16Present } from '../proofs/half';

let present = false;

test.before(async () => {
	await init({ device: 'webgpu' });
	present = float16Present();
});

function onBoth(name: string, run: (device: Device) => Promise<void> | void): void {
	for (const device of ['cpu', 'webgpu'] as const) {
		test(`${name} on ${device}`, async () => {
			if (device === 'cpu' || present) await run(device);
		});
	}
}

/** A float32 weight with values of float16, so that casts are exact. */
function weight(device: Device, shape = [2, 3]): Tensor {
	const size = shape.reduce((a, b) => a * b, 1);
	return tensor(
		Array.from({ length: size }, (_, i) => (i % 7) / 8 - 0.25),
		{ shape, device },
	).requiresGrad_();
}

onBoth('weights keep their dtype, and their gradients have it', async (device) => {
	const w = weight(device);
	const x = ones([4, 3], { device });
	const y = autocast(() => linear(x, w, zeros([2], { device })));
	assert.is(y.dtype, 'float16');
	assert.is(autocast(() => softmax(y, 1)).dtype, 'float32');
	assert.is(y.add(x.slice(1, 0, 2)).dtype, 'float32');
	autocast(() => y.sum()).backward();
	assert.equal([w.dtype, w.grad!.dtype], ['float32', 'float32']);
	assert.equal(await w.grad!.toArray(), [
		[4, 4, 4],
		[4, 4, 4],
	]);
});

onBoth('a call without autocast takes one dtype', (device) => {
	const half = ones([4, 3], { device, dtype: 'float16' });
	assert.throws(() => linear(half, weight(device)), /dtypes differ/);
	autocast(() => assert.throws(() => autocast(() => linear(half, weight(device)), { enabled: false }), /dtypes differ/));
	assert.is(currentAutocast(), null);
});

onBoth('nested calls, and those that are not enabled', (device) => {
	const [w, x] = [weight(device), ones([4, 3], { device })];
	const dtypes = autocast(() => [
		linear(x, w).dtype,
		autocast(() => linear(x, w), { enabled: false }).dtype,
		autocast(() => linear(x, w)).dtype,
		linear(x, w).dtype,
	]);
	assert.equal(dtypes, ['float16', 'float32', 'float16', 'float16']);
	assert.is(autocast(() => linear(x, w), { enabled: false }).dtype, 'float32');
	assert.throws(
		() =>
			autocast(() => {
				throw new Error('within');
			}),
		/within/,
	);
	assert.is(currentAutocast(), null);
});

test('wrong calls', () => {
	assert.throws(() => autocast(async () => 1), /autocast: the function must not be async/);
	assert.throws(() => autocast(5 as never), /autocast: fn must be a function such as/);
	assert.throws(() => autocast(() => 1, { dtype: 'float64' as never }), /dtype must be 'float16', not 'float64'/);
	assert.throws(() => autocast(() => 1, { Enabled: true } as never), /Enabled/);
	assert.is(currentAutocast(), null);
});

test('a weight is cast once until the outermost call ends', async () => {
	if (!present) return;
	const [w, x] = [weight('webgpu'), ones([4, 3], { device: 'webgpu', dtype: 'float16' })];
	const casts = async (fn: () => unknown) => {
		const found = await profile(() => tidy(() => void fn()));
		return found.rows.filter(({ kernel }) => /cast/.test(kernel)).reduce((sum, { launches }) => sum + launches, 0);
	};
	const twice = () => [linear(x, w), autocast(() => tidy(() => linear(x, w)))];
	assert.is(await casts(() => autocast(twice)), 1);
	assert.is(await casts(() => [autocast(() => linear(x, w)), autocast(() => linear(x, w))]), 2);
	// An unrecorded cast must not be reused where a recorded one is needed.
	const recorded = autocast(() => {
		noGrad(() => linear(x, w));
		return [linear(x, w), noGrad(() => linear(x, w))].map((y) => y.requiresGrad);
	});
	assert.equal(recorded, [true, false]);
});

onBoth('a weight that is written is cast again', async (device) => {
	const w = weight(device, [1, 1]);
	const x = ones([1, 1], { device });
	const optimizer = new optim.SGD([w], { lr: 1 });
	const values = autocast(() => {
		const before = linear(x, w);
		before.sum().backward();
		optimizer.step();
		const after = linear(x, w);
		noGrad(() => w.add_(0.5));
		return [before, after, linear(x, w)];
	});
	assert.equal(await Promise.all(values.map((y) => y.item())), [-0.25, -1.25, -0.75]);
	assert.is(await autocast(() => linear(x, w)).item(), -0.75);
});

onBoth('several walks pass one cast', async (device) => {
	const [w, x] = [weight(device), ones([4, 3], { device })];
	const losses = autocast(() => [linear(x, w).sum(), linear(x.mul(2), w).sum()]);
	for (const loss of losses) loss.backward();
	assert.equal([...(await w.grad!.data())], new Array(6).fill(12));
});

onBoth('the backward walk has the dtypes of the forward pass, within autocast too', async (device) => {
	const w = weight(device);
	const x = ones([4, 3], { device }).requiresGrad_();
	const seen: string[] = [];
	autocast(() => {
		const y = linear(x, w).sum().mul(2);
		x.registerHook((gradient) => {
			seen.push(gradient.dtype, String(currentAutocast()));
		});
		y.backward();
	});
	assert.equal(seen, ['float32', 'null']);
	assert.equal([...(await w.grad!.data())], new Array(6).fill(8));
});

onBoth('checkpoint computes again in the modes of the forward pass', async (device) => {
	const [w, x] = [weight(device, [3, 3]), ones([2, 3], { device })];
	const dtypes: string[] = [];
	const body = (input: Tensor) => {
		const y = linear(linear(input, w), w);
		dtypes.push(y.dtype, String(isGradEnabled()));
		return softmax(y, 1).square();
	};
	autocast(() => body(x).sum()).backward();
	const plain = await w.grad!.data();
	w.grad = null;
	dtypes.length = 0;
	autocast(() => checkpoint(body, x).sum()).backward();
	assert.equal(dtypes, ['float16', 'true', 'float16', 'true']);
	assert.equal([...(await w.grad!.data())], [...plain]);
	w.grad = null;
	autocast(() => autocast(() => checkpoint(body, x), { enabled: false }).sum()).backward();
	assert.equal(dtypes.slice(4), ['float32', 'true', 'float32', 'true']);
});

onBoth('custom operations see the mode, or take one dtype', async (device) => {
	const seen: string[] = [];
	const define = (castInputs?: 'float16' | 'float32') =>
		customOp({
			...(castInputs && { castInputs }),
			forward: (context, a: Tensor, b: Tensor) => {
				context.saveForBackward(a, b);
				const y = matmul(a, b);
				seen.push(`${a.dtype} ${y.dtype}`);
				return y;
			},
			backward: (context, gradient) => {
				const [a, b] = context.saved as [Tensor, Tensor];
				const [da, db] = [matmul(gradient, b.transpose(0, 1)), matmul(a.transpose(0, 1), gradient)];
				seen.push(`${da.dtype}`);
				return [da, db];
			},
		});
	const [a, b] = [weight(device, [2, 2]), weight(device, [2, 2])];
	for (const castInputs of [undefined, 'float16', 'float32'] as const) {
		autocast(() => define(castInputs)(a, b).sum()).backward();
		assert.equal([a.grad!.dtype, b.grad!.dtype], ['float32', 'float32']);
	}
	assert.equal(seen, ['float32 float16', 'float16', 'float16 float16', 'float16', 'float32 float32', 'float32']);
	define('float16')(a, b);
	assert.is(seen.at(-1), 'float32 float32');
	assert.throws(() => define('float64' as never), /castInputs must be 'float16' or 'float32'/);
});

onBoth('batchNorm keeps float16 beside float32 parameters and statistics', async (device) => {
	const layer = new nn.BatchNorm2d(2, { device });
	const x = randn([3, 2, 4, 4], { device }).to('float16').requiresGrad_();
	const y = autocast(() => layer.forward(x));
	assert.equal([y.dtype, layer.runningMean!.dtype], ['float16', 'float32']);
	y.to('float32').square().sum().backward();
	assert.equal([layer.weight!.grad!.dtype, x.grad!.dtype], ['float32', 'float16']);
	const exact = batchNorm(x.detach().to('float32'), { training: true });
	const [found, expected] = await Promise.all([y.data(), exact.data()]);
	for (let i = 0; i < found.length; i++) assert.ok(Math.abs(found[i]! - expected[i]!) < 4e-3);
});

onBoth('layers: an LSTM, attention, and a convolution', async (device) => {
	const lstm = new nn.LSTM(3, 4, { device });
	const x = randn([5, 2, 3], { device });
	const [y] = autocast(() => lstm.forward(x.to('float16')));
	assert.is(y.dtype, 'float16');
	autocast(() => y.square().sum()).backward();
	for (const parameter of lstm.parameters()) assert.is(parameter.grad!.dtype, 'float32');
	const attention = new nn.MultiheadAttention(4, 2, { device });
	const q = randn([3, 2, 4], { device });
	assert.is(autocast(() => attention.forward(q, q, q))[0].dtype, 'float16');
	const image = randn([1, 1, 4, 4], { device });
	assert.is(autocast(() => conv2d(image, weight(device, [2, 1, 3, 3]))).dtype, 'float16');
	assert.is(autocast(() => conv2d(image.select(0, 0), weight(device, [2, 1, 3, 3]))).dtype, 'float16');
});

onBoth('quantised, adapted and pruned layers, with a scaler and in a checkpoint', async (device) => {
	const at = { device };
	manualSeed(4);
	const model = new nn.Sequential(
		new nn.Linear(8, 16, at),
		new nn.ReLU(),
		new nn.Linear(16, 8, at),
		new nn.ReLU(),
		new nn.Linear(8, 3, at),
	);
	quantize(model, { bits: 4, groupSize: 8, modules: ['2'], activations: 'dynamic8' });
	await nn.prune.l1Unstructured(model.at(4), 'weight', 0.5);
	const adapters = nn.lora.apply(model, { targets: ['0', '2'], rank: 2 });
	const table = quantizeEmbedding(device);
	const indices = tensor([1, 0, 3, 2], { dtype: 'int32', device });
	const trained = [...adapters.parameters(), ...model.at(4).parameters()];
	for (const parameter of trained) parameter.requiresGrad_();
	const optimizer = new optim.Adam(trained, { lr: 0.05 });
	const scaler = new GradScaler({ initScale: 1024 });
	const forward = (x: Tensor) => model.forward(x) as Tensor;
	const gradients = async (run: () => Tensor) => {
		optimizer.zeroGrad();
		scaler.scale(run()).backward();
		return Promise.all(trained.map(async ({ grad }) => [grad!.dtype, ...(await grad!.data())]));
	};
	const loss = (run: (x: Tensor) => Tensor) => () => autocast(() => run(table.forward(indices)).square().mean());
	const first = autocast(() => forward(table.forward(indices)));
	assert.is(first.dtype, 'float16');
	const exact = forward(table.forward(indices));
	const [found, expected] = await Promise.all([first.data(), exact.data()]);
	for (let i = 0; i < found.length; i++) assert.ok(Math.abs(found[i]! - expected[i]!) < 0.02, `${found} and ${expected}`);
	const plain = await gradients(loss(forward));
	assert.equal(await gradients(loss((x) => checkpoint(forward, x))), plain);
	for (const [dtype] of plain) assert.is(dtype, 'float32');
	const losses: number[] = [];
	for (let step = 0; step < 6; step++) {
		optimizer.zeroGrad();
		const value = step === 1 ? loss((x) => forward(x).mul(Infinity))() : loss(forward)();
		if (step !== 1) losses.push(await value.item());
		scaler.scale(value).backward();
		scaler.step(optimizer);
		scaler.update();
	}
	assert.is(await scaler.getScale(), 512);
	assert.ok(losses.at(-1)! < losses[0]! / 2, String(losses));
	const weight = [...(await (model.at(4) as nn.Linear).weight.data())];
	assert.is(weight.filter((value) => value === 0).length, 12);
});

function quantizeEmbedding(device: Device): nn.QuantizedEmbedding {
	return nn.QuantizedEmbedding.fromFloat(new nn.Embedding(4, 8, { device }), { bits: 8, groupSize: 4 });
}

onBoth('casts are gone after the call', async (device) => {
	const [w, x] = [weight(device), ones([4, 3], { device })];
	const held = autocast(() => {
		tidy(() => linear(x, w));
		const copies = keep(linear(x, w));
		return copies;
	});
	enableGrad(() => held.sum().backward());
	assert.equal([...(await w.grad!.data())], new Array(6).fill(4));
});

test.run();
