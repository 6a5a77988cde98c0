/**
 * In-place operations: their writes, their errors, and what the tape detects. For derivatives see test/autograd/inplace.test.ts.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as w from 'wgrad';

test.before(async () => {
	await w.init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: w.Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

onBoth('arithmetic in place', async (device) => {
	const x = w.tensor([1, 2, 3, 4, 5], { device });
	const other = w.tensor([10], { device });
	assert.is(x.add_(other), x);
	assert.equal(await x.toArray(), [11, 12, 13, 14, 15]);
	assert.equal(await x.sub_(1).toArray(), [10, 11, 12, 13, 14]);
	assert.equal(await x.mul_(2).toArray(), [20, 22, 24, 26, 28]);
	assert.equal(await x.div_(w.tensor([2, 2, 2, 2, 4], { device })).toArray(), [10, 11, 12, 13, 7]);
	assert.equal(await x.add_(other, { alpha: 0.5 }).toArray(), [15, 16, 17, 18, 12]);
	assert.equal(await x.sub_(1, { alpha: 3 }).toArray(), [12, 13, 14, 15, 9]);
	assert.equal(await x.fill_(3).toArray(), [3, 3, 3, 3, 3]);
	assert.equal(await x.zero_().toArray(), [0, 0, 0, 0, 0]);
	assert.equal(await w.tensor([1, 2], { dtype: 'int32', device }).mul_(3).toArray(), [3, 6]);
});

onBoth('the factor of a whole or bool operand may be a fraction', async (device) => {
	const x = () => w.tensor([1, 2], { device });
	const whole = w.tensor([3, -1], { dtype: 'int32', device });
	const bools = w.tensor([true, false], { device });
	assert.equal(await x().add_(whole, { alpha: 0.5 }).toArray(), [2.5, 1.5]);
	assert.equal(
		await x()
			.sub_(w.tensor(3, { dtype: 'int32', device }), { alpha: 0.5 })
			.toArray(),
		[-0.5, 0.5],
	);
	assert.equal(await x().add_(bools, { alpha: 2.5 }).toArray(), [3.5, 2]);
	assert.equal(await whole.clone().add_(bools, { alpha: 2 }).toArray(), [5, -1]);
	assert.throws(() => whole.add_(whole, { alpha: 0.5 }), /add_: alpha must be a whole number for int32, not 0\.5/);
	assert.throws(() => x().sub_(bools), /sub_: is not defined on bool/);
});

onBoth('div_ rounds', async (device) => {
	const x = () => w.tensor([7, -7, 1], { device });
	assert.equal(await x().div_(2, { roundingMode: 'floor' }).toArray(), [3, -4, 0]);
	assert.equal(
		await x()
			.div_(w.tensor([2, 2, -4], { device }), { roundingMode: 'trunc' })
			.toArray(),
		[3, -3, -0],
	);
	const whole = w.tensor([7, -7], { dtype: 'int32', device });
	assert.equal(await whole.div_(2, { roundingMode: 'floor' }).toArray(), [3, -4]);
	assert.throws(() => whole.div_(2), /div_: the result is floating and does not fit into a tensor of int32/);
	assert.throws(() => whole.div_(0, { roundingMode: 'trunc' }), /div_: division of int32 by zero/);
	assert.throws(
		() => x().div_(2, { roundingMode: 'up' as 'floor' }),
		/div_: roundingMode must be 'trunc', 'floor' or null, not 'up'/,
	);
});

onBoth('fill_ takes numbers, booleans and scalar tensors', async (device) => {
	const whole = w.zeros([2], { dtype: 'int32', device });
	assert.equal(await whole.fill_(-2.5).toArray(), [-2, -2]);
	assert.equal(await whole.fill_(w.tensor(3.5, { device })).toArray(), [3, 3]);
	assert.equal(await w.zeros([2], { dtype: 'bool', device }).fill_(true).toArray(), [true, true]);
	for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])
		assert.throws(() => whole.fill_(value), /fill_: int32 does not hold the value/);
	assert.throws(() => whole.fill_(w.zeros([1], { device })), /fill_: value must be a number or a scalar tensor, not \[1\]/);
	assert.throws(() => whole.add_(2 ** 31), /add_: the result is floating/);
});

onBoth('a view writes into its part alone', async (device) => {
	const whole = w.zeros([3, 5], { device });
	whole.narrow(1, 1, 3).add_(1);
	whole.select(0, 2).fill_(7);
	whole
		.permute([1, 0])
		.select(0, 0)
		.copy_(w.tensor([1, 2, 3], { device }));
	assert.equal(await whole.toArray(), [
		[1, 1, 1, 1, 0],
		[2, 1, 1, 1, 0],
		[3, 7, 7, 7, 7],
	]);
	// Contiguous, aligned, and not a multiple of four: the elements behind it must not change.
	const row = w.zeros([10], { device });
	row.narrow(0, 4, 3).add_(1);
	assert.equal(await row.toArray(), [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]);
});

onBoth('copy_ broadcasts and converts', async (device) => {
	const x = w.zeros([2, 3], { device });
	x.copy_(w.tensor([1, 2, 3], { dtype: 'int32', device }));
	assert.equal(await x.toArray(), [
		[1, 2, 3],
		[1, 2, 3],
	]);
	const flags = w.zeros([3], { dtype: 'bool', device });
	assert.equal(await flags.copy_(w.tensor([0, 2, -1], { device })).toArray(), [false, true, true]);
	assert.throws(() => x.copy_(w.zeros([2], { device })), /copy_: shape \[2\] does not broadcast to \[2, 3\]/);
	assert.throws(() => x.copy_(w.zeros([1, 2, 3], { device })), /copy_: shape \[1, 2, 3\] does not broadcast/);
});

test('copy_ uploads', async () => {
	const x = w.zeros([2, 2], { device: 'webgpu' });
	x.copy_(w.tensor([1, 2], { device: 'cpu' }));
	assert.equal(await x.toArray(), [
		[1, 2],
		[1, 2],
	]);
	assert.throws(() => w.zeros([2], { device: 'cpu' }).copy_(x.select(0, 0)), /copy_: tensors are on different devices/);
	const leaf = w.tensor([1, 2], { device: 'cpu', requiresGrad: true });
	assert.throws(
		() => x.copy_(leaf),
		/copy_: a gradient cannot flow from webgpu back to cpu. Move the tensor before requiresGrad_/,
	);
	assert.equal(await w.noGrad(() => x.copy_(leaf)).toArray(), [
		[1, 2],
		[1, 2],
	]);
});

onBoth('what is written into a plain tensor has a gradient', async (device) => {
	const gradient = async (loss: (x: w.Tensor) => w.Tensor) => {
		const x = w.tensor([1, 2], { device, requiresGrad: true });
		loss(x).backward();
		return x.grad!.toArray();
	};
	const total = w.zeros([], { device });
	assert.equal(await gradient((x) => total.add_(x.pow(2).sum()).add(x.sum())), [3, 5]);
	const rows = w.zeros([2, 2], { device });
	assert.equal(
		await gradient((x) => {
			rows.select(0, 0).copy_(x.mul(3));
			return rows.add(x).sum();
		}),
		[5, 5],
	);
	assert.equal(await gradient((x) => w.ones([2], { device }).mul_(x).add(x).sum()), [2, 2]);
	assert.equal(await gradient((x) => w.ones([2], { device }).div_(x).sum()), [-1, -0.25]);
	assert.equal(await gradient((x) => w.zeros([3, 2], { device }).sub_(x, { alpha: 2 }).sum()), [-6, -6]);
	assert.equal(await gradient((x) => w.zeros([3, 2], { device }).fill_(x.sum()).sum()), [6, 6]);
	assert.equal(await gradient((x) => x.mul(2).zero_().add(x).sum()), [1, 1]);
	assert.ok(total.requiresGrad && !total.isLeaf);
});

onBoth('sources that share the memory are read before it is written', async (device) => {
	const x = w.tensor([1, 2, 3, 4], { device });
	x.add_(x);
	assert.equal(await x.toArray(), [2, 4, 6, 8]);
	x.narrow(0, 1, 3).copy_(x.narrow(0, 0, 3));
	assert.equal(await x.toArray(), [2, 2, 4, 6]);
});

onBoth('what in-place operations refuse', async (device) => {
	const leaf = w.tensor([1, 2], { device, requiresGrad: true });
	assert.throws(() => leaf.add_(1), /add_: the tensor is a leaf that requires a gradient. Write to it under noGrad/);
	assert.throws(() => leaf.narrow(0, 0, 1).zero_(), /zero_: the tensor is a view of a leaf that requires a gradient/);
	assert.throws(() => w.zeros([1, 2], { device }).expand([3, 2]).add_(1), /add_: the tensor of shape \[3, 2\] is expanded/);
	const whole = w.tensor([1, 2], { dtype: 'int32', device });
	assert.throws(() => whole.add_(0.5), /add_: the result is floating and does not fit into a tensor of int32/);
	assert.throws(() => whole.div_(2), /div_: the result is floating/);
	assert.throws(() => w.tensor([true], { device }).add_(1), /add_: the result is int32 and does not fit into a tensor of bool/);
	assert.throws(() => w.tensor([true], { device }).sub_(w.tensor([true], { device })), /sub_: is not defined on bool/);
	w.noGrad(() => leaf.add_(1).narrow(0, 0, 1).mul_(2));
	assert.equal(await leaf.toArray(), [4, 3]);
	assert.ok(leaf.requiresGrad && leaf.isLeaf);
});

onBoth('backward notices that a saved tensor was overwritten', async (device) => {
	const x = w.tensor([1, 2], { device, requiresGrad: true });
	const factor = w.tensor([3, 4], { device });
	const y = x.mul(factor).sum();
	factor.zero_();
	assert.throws(() => y.backward(), /'mul' saved a tensor of shape \[2\] that 'zero_' has overwritten/);
});

onBoth('ties and kinks have the gradients of PyTorch', async (device) => {
	const gradients = async (values: readonly number[], f: (x: w.Tensor) => w.Tensor) => {
		const x = w.tensor(values, { device, requiresGrad: true });
		f(x).sum().backward();
		return x.grad!.toArray();
	};
	const ones = () => w.ones([3], { device });
	assert.equal(await gradients([1, 0, 2], (x) => x.maximum(ones())), [0.5, 0, 1]);
	assert.equal(await gradients([1, 0, 2], (x) => x.minimum(ones())), [0.5, 1, 0]);
	assert.equal(await gradients([-1, 1, 2], (x) => x.clamp({ min: -1, max: 1 })), [1, 1, 0]);
	assert.equal(await gradients([-1, 1, 0], (x) => x.hardtanh()), [0, 0, 1]);
	assert.equal(await gradients([0, -0, 1], (x) => x.abs()), [0, 0, 1]);
	assert.equal(await gradients([0, -1, 1], (x) => x.relu()), [0, 0, 1]);
	assert.equal(await gradients([0, 6, 3], (x) => x.relu6()), [0, 0, 1]);
	assert.equal(await gradients([0, 2, -3], (x) => x.pow(0)), [0, 0, 0]);
	assert.equal(await gradients([0, 2, -3], (x) => x.pow(1)), [1, 1, 1]);
	assert.equal(await gradients([0, 2, -3], (x) => x.pow(2)), [0, 4, -6]);
	assert.equal(await gradients([0, 2, 3], (x) => w.pow(x, w.tensor([0, 1, 2], { device }))), [0, 1, 6]);
	assert.equal(await gradients([0, 2, 1], (b) => w.pow(0, b)), [0, 0, 0]);
	const unknown = w.full([3], Number.NaN, { device });
	assert.equal(await gradients([1, 2, 3], (x) => w.where(w.tensor([true, false, true], { device }), x, unknown)), [1, 0, 1]);
});

test.run();
