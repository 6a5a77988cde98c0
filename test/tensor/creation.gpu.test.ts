/** Tensors from data and formulas, and conversions between dtypes and devices. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as w from 'wgrad';
import { hasFloat16 } from '../proofs/half';

test.before(async () => {
	await w.init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: w.Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

onBoth('tensor reads nested arrays, numbers and booleans', async (device) => {
	const x = w.tensor(
		[
			[1, 2, 3],
			[4, 5, 6],
		],
		{ device },
	);
	assert.equal([x.shape, x.dtype], [[2, 3], 'float32']);
	assert.equal(await x.toArray(), [
		[1, 2, 3],
		[4, 5, 6],
	]);
	assert.equal(await w.tensor(7, { device }).item(), 7);
	const flags = w.tensor([[true], [false]], { device });
	assert.equal([flags.shape, flags.dtype], [[2, 1], 'bool']);
	assert.equal(await flags.toArray(), [[true], [false]]);
	assert.equal(w.tensor([], { device }).shape, [0]);
	assert.equal(w.tensor([[], []], { device }).shape, [2, 0]);
});

onBoth('numbers among booleans make floats', async (device) => {
	assert.equal(await w.tensor([true, 2.5], { device }).toArray(), [1, 2.5]);
});

onBoth('eye takes its options second', async (device) => {
	assert.equal(await w.eye(2, { dtype: 'int32', device }).toArray(), [
		[1, 0],
		[0, 1],
	]);
	assert.equal(w.eye(2, 3, { device }).shape, [2, 3]);
});

onBoth('int32 holds whole numbers of its range', async (device) => {
	const int32 = { dtype: 'int32', device } as const;
	assert.equal(await w.full([2], -2.5, int32).toArray(), [-2, -2]);
	assert.equal(await w.fullLike(w.zeros([1], { device }), true).toArray(), [1]);
	assert.throws(() => w.full([2], 2 ** 31, int32), /full: int32 does not hold the value 2147483648/);
	// As in PyTorch: the count comes from the fractions, but the steps drop them.
	assert.equal(await w.arange(1, 5, 1.5, int32).toArray(), [1, 2, 3]);
	assert.throws(() => w.arange(0, 1, 0.1, int32), /arange: a step of 0\.1 is 0 in int32/);
	assert.throws(() => w.linspace(0, 1, 3, { dtype: 'bool', device }), /linspace: dtype bool has no range/);
});

onBoth('tensor takes typed arrays by their type', async (device) => {
	assert.equal(w.tensor(Int32Array.of(1, 2), { device }).dtype, 'int32');
	assert.equal(w.tensor(Uint8Array.of(0, 2), { device }).dtype, 'uint8');
	assert.equal(w.tensor(Float64Array.of(1, 2), { device }).dtype, device === 'cpu' ? 'float64' : 'float32');
	const data = Float32Array.of(1, 2, 3, 4);
	const x = w.tensor(data, { shape: [2, 2], device });
	data[0] = 9;
	assert.equal(
		await x.toArray(),
		[
			[1, 2],
			[3, 4],
		],
		'the tensor has a copy',
	);
	assert.equal(await w.tensor(Uint8Array.of(0, 2), { dtype: 'bool', device }).toArray(), [false, true]);
});

test('tensor refuses what it cannot hold', () => {
	assert.throws(() => w.tensor([[1, 2], [3]]), /tensor: the arrays are ragged: a row of 1 at depth 1, where the first row has 2/);
	assert.throws(() => w.tensor([[1], 2]), /tensor: the arrays are ragged: number at depth 1/);
	assert.throws(() => w.tensor([1, [2]]), /tensor: the arrays are nested unevenly/);
	assert.throws(() => w.tensor(['a'] as unknown as number[]), /tensor: data holds 'a'/);
	assert.throws(() => w.tensor([1, 2, 3], { shape: [2, 2] }), /tensor: shape \[2, 2\] needs 4 elements; the data has 3/);
	assert.throws(() => w.tensor([1.5], { dtype: 'int32' }), /tensor: element 0 is 1.5, which int32 cannot hold/);
	assert.throws(() => w.tensor([1], { dtype: 'float' as w.DType }), /tensor: dtype must be one of .*, not 'float'/);
	assert.throws(
		() => w.tensor(Uint16Array.of(1)),
		/tensor: a Uint16Array may hold numbers or the bits of float16. Pass dtype: 'int32'/,
	);
	assert.throws(() => w.tensor([256], { dtype: 'uint8' }), /tensor: element 0 is 256, which uint8 cannot hold/);
	assert.throws(() => w.tensor([-1], { dtype: 'uint8' }), /tensor: element 0 is -1, which uint8 cannot hold/);
	assert.throws(() => w.tensor([1], { dtype: 'float64', device: 'webgpu' }), /float64 lives on the CPU/);
});

onBoth('zeros, ones, full and their like', async (device) => {
	assert.equal(await w.zeros([2, 3], { device }).toArray(), [
		[0, 0, 0],
		[0, 0, 0],
	]);
	assert.equal(await w.ones([5], { device, dtype: 'int32' }).toArray(), [1, 1, 1, 1, 1]);
	assert.equal(await w.full([3], 2.5, { device }).toArray(), [2.5, 2.5, 2.5]);
	assert.equal(await w.full([2], true, { device }).toArray(), [true, true]);
	assert.equal(await w.full([], -1, { device }).item(), -1);
	const x = w.ones([2, 1], { device, dtype: 'int32' });
	for (const like of [w.zerosLike(x), w.onesLike(x), w.fullLike(x, 3)])
		assert.equal([like.shape, like.dtype, like.device], [[2, 1], 'int32', device]);
	assert.is(w.zeros([0, 4], { device }).size, 0);
	assert.ok(w.zeros([2], { device, requiresGrad: true }).requiresGrad);
	assert.throws(() => w.zeros([-1]), /zeros: shape \[-1\] holds -1/);
	assert.throws(() => w.ones([2], { dtype: 'int32', requiresGrad: true }), /only floating tensors have gradients/);
});

onBoth('arange, linspace and eye', async (device) => {
	const whole = w.arange(5, { device });
	assert.equal([whole.dtype, await whole.toArray()], ['int32', [0, 1, 2, 3, 4]]);
	assert.equal(await w.arange(7, 1, -2, { device }).toArray(), [7, 5, 3]);
	const fractions = w.arange(0, 1, 0.25, { device });
	assert.equal([fractions.dtype, await fractions.toArray()], ['float32', [0, 0.25, 0.5, 0.75]]);
	assert.equal(await w.arange(2, 2, { device }).toArray(), []);
	assert.equal(await w.arange(3, { device, dtype: 'float32' }).toArray(), [0, 1, 2]);
	assert.equal(await w.linspace(-1, 1, 5, { device }).toArray(), [-1, -0.5, 0, 0.5, 1]);
	assert.equal(await w.linspace(3, 8, 1, { device }).toArray(), [3]);
	assert.equal(await w.eye(2, 3, { device }).toArray(), [
		[1, 0, 0],
		[0, 1, 0],
	]);
	assert.equal((await w.eye(3, 3, { device }).sum().item()) as number, 3);
	assert.throws(() => w.arange(0, 5, -1), /arange: from 0 to 5 in steps of -1 never ends/);
	assert.throws(() => w.linspace(0, 1, 2.5), /linspace: steps must be a whole number of at least 0, not 2.5/);
});

test('tensors move between devices', async () => {
	const x = w.tensor(
		[
			[1, 2],
			[3, 4],
		],
		{ device: 'cpu' },
	);
	const there = x.permute([1, 0]).to('webgpu');
	assert.equal(
		[there.device, await there.toArray()],
		[
			'webgpu',
			[
				[1, 3],
				[2, 4],
			],
		],
	);
	const back = await there.to('cpu');
	assert.equal(
		[back.device, await back.toArray()],
		[
			'cpu',
			[
				[1, 3],
				[2, 4],
			],
		],
	);
	assert.is(there.to('webgpu'), there);
	assert.is(await x.to('cpu'), x);
	assert.is(x.to('float32'), x);
	const flags = w.tensor([true, false, true], { device: 'cpu' }).to('webgpu');
	assert.equal(await flags.toArray(), [true, false, true]);
	assert.throws(
		() => w.tensor([1], { device: 'cpu', requiresGrad: true }).to('webgpu'),
		/to: a gradient cannot flow from webgpu back to cpu/,
	);
	assert.throws(() => w.tensor(Float64Array.of(1), { device: 'cpu' }).to('webgpu'), /to: float64 lives on the CPU only/);
	assert.throws(
		() => w.add(x, there),
		/add: tensors are on different devices: \[2, 2\] on cpu, \[2, 2\] on webgpu. Move one with .to\('cpu'\)\. Tensors made before init\(\) are on the CPU/,
	);
});

test('to converts gradients back', async () => {
	const x = w.tensor(Float64Array.of(1, 2), { device: 'cpu', requiresGrad: true });
	x.to('float32').mul(3).sum().backward();
	assert.equal([x.grad!.dtype, await x.grad!.toArray()], ['float64', [3, 3]]);
	const mixed = w.tensor([1, 2], { device: 'cpu', requiresGrad: true });
	const product = mixed.mul(w.tensor(Float64Array.of(0.1, 0.2), { device: 'cpu' }));
	assert.is(product.dtype, 'float64');
	product.sum().backward();
	assert.is(mixed.grad!.dtype, 'float32');
});

onBoth('out of range numbers become the nearest int32', async (device) => {
	const x = w.tensor([1e10, -1e10, Number.NaN, Number.POSITIVE_INFINITY, -1.9], { device });
	assert.equal(await x.to('int32').toArray(), [2147483647, -2147483648, 0, 2147483647, -1]);
});

onBoth('promotion follows PyTorch', async (device) => {
	const flags = w.tensor([true], { device });
	const whole = w.tensor([2], { dtype: 'int32', device });
	const float = w.tensor([1.5], { device });
	const dtypes: readonly (readonly [w.Tensor, w.DType])[] = [
		[flags.add(flags), 'bool'],
		[flags.add(whole), 'int32'],
		[flags.add(1), 'int32'],
		[flags.add(1.5), 'float32'],
		[whole.add(1), 'int32'],
		[whole.add(1.5), 'float32'],
		[whole.add(float), 'float32'],
		[whole.div(whole), 'float32'],
		[whole.div(2, { roundingMode: 'floor' }), 'int32'],
		[whole.exp(), 'float32'],
		[flags.sigmoid(), 'float32'],
		[whole.relu(), 'int32'],
		[whole.pow(2), 'int32'],
		[whole.atan2(whole), 'float32'],
		[whole.clamp({ min: 0.5 }), 'float32'],
		[w.where(flags, whole, 0.5), 'float32'],
		[w.where(flags, 1, 2), 'float32'],
		[whole.eq(float), 'bool'],
	];
	for (const [result, dtype] of dtypes) assert.is(result.dtype, dtype);
	// Within its category, a scalar tensor takes the dtype of the other operand.
	if (device === 'cpu') assert.is(float.add(w.tensor(Float64Array.of(1), { shape: [], device })).dtype, 'float32');
	assert.is(whole.add(w.tensor(1.5, { device })).dtype, 'float32');
	// A number compares equal to itself stored as float32.
	assert.equal(await w.tensor([0.1], { device }).eq(0.1).toArray(), [true]);
});

test('an error of a tensor that does not fit names the call, not an earlier one', () => {
	const huge = [2 ** 20, 2 ** 20];
	const small = w.ones([1]);
	const wide = small.expand(huge);
	small.exp();
	const calls: Record<string, () => unknown> = {
		zeros: () => w.zeros(huge),
		ones: () => w.ones(huge),
		full: () => w.full(huge, 3),
		eye: () => w.eye(2 ** 20),
		arange: () => w.arange(2 ** 31 - 1),
		rand: () => w.rand(huge),
		randn: () => w.randn(huge),
		randint: () => w.randint(9, huge),
		zerosLike: () => w.zerosLike(wide),
		exp: () => wide.exp(),
		add: () => wide.add(1),
		clone: () => wide.clone(),
		mseLoss: () => w.mseLoss(wide, wide, { reduction: 'none' }),
		outer: () => w.outer(wide.select(0, 0), wide.select(0, 0)),
		cat: () => w.cat([wide, wide]),
	};
	for (const [name, call] of Object.entries(calls)) {
		assert.throws(call, new RegExp(`^${name}: a (float32|int32) tensor \\[[\\d, ]+\\] of`), name);
		assert.throws(() => w.zeros([1], { dtype: 'float64' }), /^zeros: float64 lives on the CPU only/);
	}
});

onBoth("tensors have PyTorch's short names", async (device) => {
	const x = w.tensor([[1.5, 0, -2]], { device });
	assert.equal([x.numel(), x.T.shape, x.mT.shape], [3, [3, 1], [3, 1]]);
	assert.equal(
		[x.float(), x.int(), x.bool()].map(({ dtype }) => dtype),
		['float32', 'int32', 'bool'],
	);
	if (device === 'cpu' || hasFloat16()) assert.is(x.half().dtype, 'float16');
	assert.equal(await x.int().tolist(), [[1, 0, -2]]);
	assert.is((await x.cpu()).device, 'cpu');
	if (device === 'cpu') assert.is(x.double().dtype, 'float64');
	assert.is(await w.allclose(x, x.mul(1 + 1e-6)), true);
	assert.is(await x.allclose(x.add(0.1)), false);
	assert.is(await x.allclose(x.add(0.1), { atol: 0.2 }), true);
	assert.throws(() => w.zeros([1, 2, 3], { device }).T, /t: takes at most 2 dims, not \[1, 2, 3\]/);
});

/** PyTorch's values. */
onBoth('windows', async (device) => {
	const symmetric = { periodic: false, device };
	const windows = [
		[w.hannWindow(6, { device }), [0, 0.25, 0.75, 1, 0.75, 0.25]],
		[w.hammingWindow(5, symmetric), [0.08, 0.54, 1, 0.54, 0.08]],
		[w.blackmanWindow(5, symmetric), [0, 0.34, 1, 0.34, 0]],
		[w.bartlettWindow(6, { device }), [0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]],
		[w.kaiserWindow(5, { ...symmetric, beta: 8 }), [0.00233883051273, 0.368972722616, 1, 0.368972722616, 0.00233883051273]],
		[w.hannWindow(1, { device }), [1]],
	] as const;
	for (const [window, expected] of windows) {
		const values = await window.data();
		assert.is(values.length, expected.length);
		for (const [i, value] of expected.entries()) assert.ok(Math.abs(values[i]! - value) < 1e-7, `${values[i]} for ${value}`);
	}
	assert.throws(() => w.hannWindow(-1, { device }), /hannWindow: length must be a whole number of at least 0/);
});

test.run();
