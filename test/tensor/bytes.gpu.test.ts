/** uint8 and int8: conversions to and from bytes, and operations that reject them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as w from 'wgrad';
import { ArrayDataset, DataLoader } from 'wgrad/data';

test.before(async () => {
	await w.init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: w.Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

const BYTES = Uint8Array.of(0, 7, 255);

onBoth('bytes stay numbers', async (device) => {
	const x = w.tensor(BYTES, { device });
	assert.is(x.dtype, 'uint8');
	assert.equal(await x.data(), BYTES);
	assert.equal(await x.toArray(), [0, 7, 255]);
	assert.equal(await x.to('float32').toArray(), [0, 7, 255]);
	assert.equal(await x.div(255).toArray(), [...Float32Array.of(0, 7 / 255, 1)]);
	assert.equal(await x.to('bool').toArray(), [false, true, true]);
	assert.match(w.tensor(BYTES, { device: 'cpu' }).toString(), /0, +7, 255.*uint8/);
	assert.equal(await w.tensor(BYTES, { dtype: 'bool', device }).toArray(), [false, true, true]);
	assert.is(w.tensor([true, false], { device }).dtype, 'bool');
});

onBoth('creation', async (device) => {
	const uint8 = { dtype: 'uint8', device } as const;
	assert.equal(await w.zeros([2], uint8).data(), Uint8Array.of(0, 0));
	assert.equal(await w.full([2], 255, uint8).data(), Uint8Array.of(255, 255));
	assert.equal(await w.arange(250, 256, uint8).data(), Uint8Array.of(250, 251, 252, 253, 254, 255));
	assert.equal(await w.linspace(0, 255, 3, uint8).data(), Uint8Array.of(0, 127, 255));
	assert.equal(await w.eye(2, uint8).data(), Uint8Array.of(1, 0, 0, 1));
	assert.equal(await w.onesLike(w.tensor(BYTES, { device })).data(), Uint8Array.of(1, 1, 1));
	const drawn = await w.randint(250, 256, [100], uint8).data();
	assert.instance(drawn, Uint8Array);
	assert.ok(drawn.every((value) => value >= 250));
	assert.throws(() => w.full([2], 256, uint8), /full: uint8 does not hold the value 256. Use a tensor of int32/);
	assert.throws(() => w.full([2], -1, uint8), /full: uint8 does not hold the value -1/);
	assert.throws(() => w.arange(257, uint8), /arange: uint8 does not hold the value 256/);
	assert.throws(() => w.randint(257, [1], uint8), /randint: uint8 does not hold the value 256/);
	assert.throws(() => w.tensor([0.5], uint8), /tensor: element 0 is 0.5, which uint8 cannot hold/);
});

onBoth('typed arrays of every kind', async (device) => {
	const takes = async (data: w.NumberArray, dtype: w.DType, values: number[]) => {
		const x = w.tensor(data, { device });
		assert.is(x.dtype, dtype, data.constructor.name);
		assert.equal(await x.toArray(), values, data.constructor.name);
	};
	await takes(Int8Array.of(-128, 127), 'int8', [-128, 127]);
	await takes(Uint8Array.of(0, 255), 'uint8', [0, 255]);
	await takes(Uint8ClampedArray.of(0, 255), 'uint8', [0, 255]);
	await takes(Int16Array.of(-32768, 32767), 'int32', [-32768, 32767]);
	await takes(Int32Array.of(-1, 2 ** 31 - 1), 'int32', [-1, 2 ** 31 - 1]);
	await takes(Uint32Array.of(1, 2 ** 31 - 1), 'int32', [1, 2 ** 31 - 1]);
	await takes(BigInt64Array.of(-1n, 2n ** 31n - 1n), 'int32', [-1, 2 ** 31 - 1]);
	await takes(BigUint64Array.of(1n), 'int32', [1]);
	await takes(Float32Array.of(0.5), 'float32', [0.5]);
	await takes(Float64Array.of(0.5), device === 'cpu' ? 'float64' : 'float32', [0.5]);
	const { Float16Array } = globalThis as { Float16Array?: { of(...values: number[]): Float32Array } };
	if (Float16Array !== undefined) await takes(Float16Array.of(0.5), 'float32', [0.5]);
	const on = (dtype: w.DType) => ({ dtype, device });
	assert.equal(await w.tensor(Uint16Array.of(1, 65535), on('int32')).toArray(), [1, 65535]);
	assert.equal(await w.tensor(Int8Array.of(-1), on('float32')).toArray(), [-1]);
	assert.equal(await w.tensor(BigInt64Array.of(3n), on('float32')).toArray(), [3]);
	assert.throws(() => w.tensor(Uint32Array.of(2 ** 31), { device }), /element 0 is 2147483648, which int32 cannot hold/);
	assert.throws(() => w.tensor(BigInt64Array.of(2n ** 40n), { device }), /element 0 is 1099511627776, which int32 cannot hold/);
	assert.throws(
		() => w.tensor(BigUint64Array.of(1n, 2n ** 64n - 1n), { device }),
		/element 1 is 18446744073709551615, which int32/,
	);
	assert.throws(() => w.tensor(BigInt64Array.of(-1n), on('uint8')), /element 0 is -1, which uint8 cannot hold/);
	assert.equal(await w.tensor(BigInt64Array.of(0n, 2n ** 40n), on('bool')).toArray(), [false, true]);
	assert.throws(() => w.tensor(Int8Array.of(1, -1), on('uint8')), /element 1 is -1, which uint8 cannot hold/);
	assert.throws(() => w.tensor(Uint16Array.of(1), { device }), /a Uint16Array may hold numbers or the bits of float16/);
	const wrong = (data: unknown, message: RegExp) => assert.throws(() => w.tensor(data as number, { device }), message);
	wrong(new DataView(new ArrayBuffer(4)), /a DataView has no dtype. Wrap its buffer/);
	wrong(new ArrayBuffer(4), /a buffer has no dtype. Wrap it: new Uint8Array\(buffer\)/);
});

onBoth('int8 is signed', async (device) => {
	const int8 = { dtype: 'int8', device } as const;
	const x = w.tensor([-128, -1, 0, 127], int8);
	assert.equal(await x.data(), Int8Array.of(-128, -1, 0, 127));
	assert.equal(await w.arange(-128, 128, int8).to('uint8').sum().item(), 255 * 128);
	assert.equal(await w.full([2], -5, int8).data(), Int8Array.of(-5, -5));
	assert.ok((await w.randint(-128, -126, [100], int8).data()).every((value) => value === -128 || value === -127));
	assert.equal(await x.sum().item(), -2);
	assert.is(x.sum().dtype, 'int32');
	assert.equal(await x.add_(1).data(), Int8Array.of(-127, 0, 1, -128));
	assert.equal(await x.narrow(0, 1, 2).to('float32').div(2).toArray(), [0, 0.5]);
	assert.match(w.tensor([-7], { dtype: 'int8', device: 'cpu' }).toString(), /-7.*int8/);
	assert.throws(() => w.full([2], 128, int8), /full: int8 does not hold the value 128. Use a tensor of int32/);
	assert.throws(() => x.mul_(0.5), /mul_: the result is floating and does not fit into a tensor of int8/);
});

onBoth('dtypes of other libraries', async (device) => {
	const wrong = (dtype: string, message: RegExp) => {
		assert.throws(() => w.zeros([1], { dtype: dtype as w.DType, device }), message);
		assert.throws(() => w.zeros([1], { device }).to(dtype as w.DType), message);
	};
	wrong('int64', /not 'int64'. Use 'int32'/);
	wrong('float', /not 'float'. Use 'float32'/);
	wrong('complex64', /not 'complex64'$/);
});

onBoth('memory that others own is copied', async (device) => {
	const bytes = new Uint8Array(new ArrayBuffer(8), 2, 3);
	bytes.set([1, 2, 3]);
	const x = w.tensor(bytes, { device });
	bytes.fill(9);
	assert.equal(await x.toArray(), [1, 2, 3]);
});

onBoth('ImageData is [height, width, 4]', async (device) => {
	const pixels = { width: 2, height: 1, data: Uint8ClampedArray.of(1, 2, 3, 255, 4, 5, 6, 255) };
	const x = w.tensor(pixels, { device });
	assert.is(x.dtype, 'uint8');
	assert.equal(await x.toArray(), [
		[
			[1, 2, 3, 255],
			[4, 5, 6, 255],
		],
	]);
});

onBoth('in place it wraps around, within its bytes', async (device) => {
	const x = w.tensor(Uint8Array.of(250, 1, 2, 255), { device });
	assert.equal(await x.add_(10).data(), Uint8Array.of(4, 11, 12, 9));
	assert.equal(await x.sub_(w.tensor([5, 0, 13, 9], { dtype: 'int32', device })).data(), Uint8Array.of(255, 11, 255, 0));
	assert.equal(await x.mul_(x).data(), Uint8Array.of(1, 121, 1, 0));
	x.narrow(0, 1, 2).fill_(77);
	assert.equal(await x.data(), Uint8Array.of(1, 77, 77, 0));
	assert.throws(() => x.add_(0.5), /add_: the result is floating and does not fit into a tensor of uint8/);
	assert.throws(() => x.fill_(-1), /fill_: uint8 does not hold the value -1/);
	// 300 becomes a byte when it is stored, so that sums of it are right.
	assert.is(
		await x
			.add(w.full([4], 300, { dtype: 'int32', device }))
			.to('uint8')
			.sum()
			.item(),
		45 + 2 * 121 + 44,
	);
});

onBoth('promotion is by category, then by width', async (device) => {
	const x = w.tensor(BYTES, { device });
	const with_ = (dtype: w.DType) => x.add(w.ones([3], { dtype, device })).dtype;
	assert.is(with_('bool'), 'uint8');
	assert.is(with_('int32'), 'int32');
	assert.is(with_('float32'), 'float32');
	assert.is(x.add(1).dtype, 'uint8');
	assert.is(x.mul(0.5).dtype, 'float32');
	assert.is(x.sum().dtype, 'int32');
	assert.is(await x.sum().item(), 262);
	assert.is(await x.to('float32').mean().item(), Math.fround(262 / 3));
});

onBoth('what has no meaning for bytes says what to do', async (device) => {
	const x = w.tensor(BYTES, { shape: [1, 3], device });
	const cure = /Convert with \.to\('(float32|int32)'\)/;
	for (const call of [
		() => w.matmul(x, x.transpose(0, 1)),
		() => w.softmax(x, 1),
		() => w.conv1d(x.unsqueeze(0), w.ones([1, 1, 1], { device })),
		() => w.maxPool1d(x.unsqueeze(0), 1),
		() => w.layerNorm(x, [3]),
		() => w.mean(x),
		() => w.embedding(x, w.ones([300, 2], { device })),
		() => w.gather(x, 1, x),
		() => w.scatterAdd(x, 1, w.zeros([1, 1], { dtype: 'int32', device }), x),
	]) {
		assert.throws(call, cure);
	}
	assert.throws(() => w.crossEntropy(w.zeros([3, 3], { device }), x.reshape([3])), /int32/);
	assert.throws(() => x.requiresGrad_(), /only floating tensors have gradients; this one is uint8/);
});

onBoth('files and loaders keep bytes', async (device) => {
	const state = { pixels: w.tensor(BYTES, { device }), mask: w.tensor([true, false], { device }) };
	const read = w.io.loadSafetensors(await w.io.saveSafetensors(state), { device });
	assert.is(read.pixels!.dtype, 'uint8');
	assert.equal(await read.pixels!.data(), BYTES);
	assert.is(read.mask!.dtype, 'bool');
	const data = new ArrayDataset({ data: Uint8Array.of(1, 2, 3, 255), shape: [2, 2], dtype: 'uint8' });
	for await (const [batch] of new DataLoader(data, { batchSize: 2, device })) {
		assert.is(batch!.dtype, 'uint8');
		assert.equal(await batch!.data(), Uint8Array.of(1, 2, 3, 255));
	}
	assert.throws(() => new ArrayDataset({ data: [1, 256], dtype: 'uint8' }), /element 1 is 256, which uint8 cannot hold/);
	assert.throws(
		() => new ArrayDataset({ data: Uint32Array.of(2 ** 31), dtype: 'int32' }),
		/is 2147483648, which int32 cannot hold/,
	);
});

test('bytes move between devices', async () => {
	const x = w.tensor(BYTES, { device: 'cpu' }).to('webgpu');
	assert.is(x.dtype, 'uint8');
	assert.equal(await (await x.add(1).to('cpu')).data(), Uint8Array.of(1, 8, 0));
});

test.run();
