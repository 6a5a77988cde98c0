/** Numbers combined with float16 tensors: comparisons round the numbers to float16, arithmetic does not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, init, type Tensor, tensor } from 'wgrad';
import { hasFloat16 } from '../proofs/half';

test.before(async () => {
	await init({ device: 'webgpu' });
});

/** The tensor, or null if the adapter has no float16. */
function half(values: readonly number[]): Tensor | null {
	return hasFloat16() ? tensor(values, { dtype: 'float16', device: 'webgpu' }) : null;
}

test('a number equals itself stored in float16', async () => {
	const x = half([0.1, 2.7, -1]);
	if (x === null) return;
	assert.equal(await x.eq(0.1).toArray(), [true, false, false]);
	assert.equal(await x.lt(2.7).toArray(), [true, false, true]);
	assert.equal(await x.ge(0.1).toArray(), [true, true, false]);
});

test('the gradient passes at limits that float16 rounds', async () => {
	const x = half([0.1, 0.5, 2.7])?.requiresGrad_();
	if (x === undefined) return;
	const [dx] = grad(x.clamp({ min: 0.1, max: 2.7 }).sum(), [x]);
	assert.equal(await dx!.toArray(), [1, 1, 1]);
	const [inside] = grad(x.hardtanh({ minVal: 0.1, maxVal: 2.7 }).sum(), [x]);
	assert.equal(await inside!.toArray(), [0, 1, 0]);
});

test('a factor too small for float16 does not become 0', async () => {
	const x = half([2 ** 15, 2 ** 14]);
	if (x === null) return;
	assert.equal(await x.mul(2 ** -26).toArray(), [2 ** -11, 2 ** -12]);
});

test.run();
