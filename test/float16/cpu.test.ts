/** float16 on the CPU: results are rounded to float16 after each operation, not within one. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { full, grad, io, manualSeed, matmul, ones, optim, rand, tensor } from 'wgrad';
import { float16Bits, float16Value } from '../../src/core/float16';

const options = { dtype: 'float16', device: 'cpu' } as const;

test('results are rounded to float16, and sums only at the end', async () => {
	const x = tensor([0.1, 0.2, 1 / 3], options);
	assert.equal(x.dtype, 'float16');
	assert.equal(
		[...(await x.data())],
		[0.1, 0.2, 1 / 3].map((value) => float16Value(float16Bits(value))),
	);
	assert.equal(await full([1], 2048, options).add(1).item(), 2048);
	assert.equal(await matmul(ones([1, 4096], options), ones([4096, 1], options)).item(), 4096);
	assert.equal(await full([1], 300, options).square().item(), Infinity);
	assert.equal(await ones([4096], options).sum().item(), 4096);
});

test('in-place writes, views and conversions round too', async () => {
	const x = tensor([1, 2, 3, 4], options);
	x.slice(0, 1, 3).add_(2 ** -11);
	assert.equal([...(await x.data())], [1, 2, 3, 4]);
	x.mul_(1 / 3);
	assert.equal(
		[...(await x.data())],
		[1, 2, 3, 4].map((value) => float16Value(float16Bits(value / 3))),
	);
	assert.equal([...(await tensor([2049], { device: 'cpu' }).to('float16').to('float32').data())], [2048]);
	assert.match(String(tensor([0.5], options)), /tensor\(\[0\.5[0-9]*\], shape=\[1\], dtype=float16, device=cpu\)/);
});

test('gradients and optimizer steps keep the dtype', async () => {
	const x = tensor([3, 4], options).requiresGrad_();
	const [slope] = grad(x.square().sum(), [x]);
	assert.equal([slope!.dtype, ...(await slope!.data())], ['float16', 6, 8]);
	x.square().sum().backward();
	new optim.SGD([x], { lr: 0.25 }).step();
	assert.equal([x.dtype, ...(await x.data())], ['float16', 1.5, 2]);
});

test('random numbers stay below the upper bound, and files hold halves', async () => {
	manualSeed(1);
	const values = await rand([4096], options).data();
	assert.ok(values.every((value) => value >= 0 && value < 1));
	const bytes = await io.saveSafetensors({ x: tensor([0.1], options) });
	assert.match(new TextDecoder().decode(bytes), /F16/);
	assert.equal(await io.loadSafetensors(bytes, { device: 'cpu' }).x!.item(), float16Value(float16Bits(0.1)));
});

test.run();
