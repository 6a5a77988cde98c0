/**
 * Reductions beyond the database: PyTorch's convention at ties, accuracy and repeatability of large sums, and sizes beyond
 * memory.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	amax,
	counters,
	crossEntropy,
	cumsum,
	type Device,
	grad,
	init,
	max,
	mean,
	median,
	min,
	norm,
	ones,
	prod,
	sum,
	type Tensor,
	tensor,
	var as variance,
} from 'wgrad';
import { stream } from '../ops/database';
import { requireClose } from '../proofs/compare';

test.before(async () => {
	await init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

async function gradientOf(fn: (x: Tensor) => Tensor, values: readonly number[], device: Device): Promise<number[]> {
	const x = tensor(values, { device }).requiresGrad_();
	return [...(await grad(fn(x), [x])[0]!.data())];
}

onBoth('the gradient at ties is as in PyTorch', async (device) => {
	const ties = [1, 3, 3, 0, 3, 3];
	const even = [0, 0.25, 0.25, 0, 0.25, 0.25];
	const first = [0, 1, 0, 0, 0, 0];
	assert.equal(await gradientOf((x) => amax(x, 0), ties, device), even);
	assert.equal(await gradientOf((x) => max(x), ties, device), even);
	assert.equal(await gradientOf((x) => max(x, 0).values, ties, device), first);
	assert.equal(await gradientOf((x) => min(x), [2, 1, 1, 5], device), [0, 0.5, 0.5, 0]);
	assert.equal(await gradientOf((x) => norm(x, 0, { p: Infinity }), [2, -2, 1], device), [0.5, -0.5, 0]);
	assert.equal(await gradientOf((x) => median(x), [4, 2, 2, 9, 1], device), [0, 0.5, 0.5, 0, 0]);
});

onBoth('norm and std have a gradient of 0 at 0', async (device) => {
	assert.equal(await gradientOf((x) => norm(x), [0, 0, 0], device), [0, 0, 0]);
	assert.equal(await gradientOf((x) => norm(x, 0, { p: 3 }), [0, 0, 0], device), [0, 0, 0]);
	assert.equal(await gradientOf((x) => x.std(), [2, 2, 2], device), [0, 0, 0]);
});

onBoth('the gradient of a product is exact where factors are 0', async (device) => {
	assert.equal(await gradientOf((x) => prod(x), [2, 0, 3, 4], device), [0, 24, 0, 0]);
	assert.equal(await gradientOf((x) => prod(x), [2, 0, 3, 0], device), [0, 0, 0, 0]);
	assert.equal(await gradientOf((x) => sum(x.cumprod(0)), [2, 0, 3, 4], device), [1, 32, 0, 0]);
});

onBoth('a maximum along a dim is an array and an object', async (device) => {
	const result = max(tensor([1, 5, 2, 7, 0, 3], { shape: [2, 3], device }), 1);
	const [values, indices] = result;
	assert.is(values, result.values);
	assert.is(indices, result.indices);
	assert.equal(await values.toArray(), [5, 7]);
	assert.equal(await indices.toArray(), [1, 0]);
	assert.is(indices.dtype, 'int32');
});

test('a float32 sum of 4 M numbers is as accurate as a tree, with the same bits every time', async () => {
	const values = new Float32Array(1 << 22);
	let state = 1;
	for (let i = 0; i < values.length; i++) {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		values[i] = state / 2 ** 32;
	}
	const exact = values.reduce((a, b) => a + b, 0);
	const x = tensor(values, { device: 'webgpu' });
	const first = await sum(x).item();
	assert.ok(Math.abs(first - exact) / exact < 3e-7, `${first} instead of ${exact}`);
	assert.is(await sum(x).item(), first);
	assert.is(
		await sum(x.reshape([2048, 2048]).transpose(0, 1)).item(),
		first,
		'the order of dims does not matter to the order of addition',
	);
	const average = await mean(x.reshape([2, 2048, 1024]), [0, 2]).data();
	assert.ok(average.every((value) => Math.abs(value - 0.5) < 0.05));
	const spread = await variance(x).item();
	assert.ok(Math.abs(spread - 1 / 12) < 1e-3);
	const running = await cumsum(x, 0).data();
	assert.ok(Math.abs(running[running.length - 1]! - exact) / exact < 1e-6, `${running[running.length - 1]} instead of ${exact}`);
});

test('a sum over more elements than memory holds', async () => {
	const x = ones([1, 3], { device: 'webgpu' }).expand([2 ** 25, 3]);
	assert.equal(await sum(x, 0).toArray(), [2 ** 25, 2 ** 25, 2 ** 25]);
});

for (const device of ['cpu', 'webgpu'] as const) {
	test(`a norm of negative order has the gradient 0 if an element is 0, on ${device}`, async () => {
		const x = tensor([1, 0, -2], { device, requiresGrad: true });
		const [dx] = grad(norm(x, 0, { p: -1 }), [x]);
		assert.equal(
			(await dx!.data()).every((slope) => slope === 0),
			true,
		);
	});
}

/** The launches and bytes of a kernel so far. */
function workOf(kernel: string): { launches: number; bytes: number } {
	return counters().kernels.find((entry) => entry.kernel === kernel) ?? { launches: 0, bytes: 0 };
}

test('medians of long lines that several workgroups share', async () => {
	const next = stream('long medians');
	const random = Float32Array.from({ length: 3 * 40001 }, () => next() * 4 - 2);
	const withNan = random.slice(0, 40003);
	withNan[40000] = Number.NaN;
	withNan[40002] = Number.NaN;
	const whole = Int32Array.from({ length: 50000 }, () => Math.floor(next() * 9) - 4);
	const cases = (device: Device) => [
		median(tensor(random, { shape: [3, 40001], device }), 1),
		median(tensor(random, { shape: [40001, 3], device }), 0),
		median(tensor(random, { shape: [3, 40001], device }).slice(1, 0, 40001, 2), 1),
		median(tensor(withNan, { device }), 0),
		median(tensor(whole, { device }), 0),
	];
	const before = workOf('line.medianWalk');
	const [actual, expected] = [cases('webgpu'), cases('cpu')];
	assert.is(workOf('line.medianWalk').launches - before.launches, 5 * expected.length, 'each pass over a line is shared');
	for (const [i, { values, indices }] of expected.entries()) {
		assert.equal([...(await actual[i]!.values.data())], [...(await values.data())], `values of case ${i}`);
		assert.equal([...(await actual[i]!.indices.data())], [...(await indices.data())], `positions of case ${i}`);
	}
});

test('the loss of more rows than one workgroup adds up', async () => {
	const next = stream('many rows');
	const scores = Float32Array.from({ length: 70001 * 2 }, () => next() * 4 - 2);
	const labels = Int32Array.from({ length: 70001 }, () => (next() < 0.5 ? 0 : 1));
	const losses = (device: Device) => {
		const [x, target] = [tensor(scores, { shape: [70001, 2], device }), tensor(labels, { device })];
		const weight = tensor([0.5, 2], { device });
		return Promise.all([crossEntropy(x, target).item(), crossEntropy(x, target, { weight, reduction: 'sum' }).item()]);
	};
	const before = workOf('loss.finish');
	const actual = await losses('webgpu');
	const after = workOf('loss.finish');
	assert.is(after.launches - before.launches, 2);
	assert.ok(after.bytes - before.bytes <= 64, 'one workgroup adds up parts, not rows');
	requireClose('losses', actual, await losses('cpu'), { relative: 2e-6, absolute: 0 });
});

test.run();
