/** Random tensors: the same numbers on both devices for the same seed, with the right ranges and moments. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, init, manualSeed, rand, randint, randLike, randn, randnLike, randperm, type Tensor, zeros } from 'wgrad';
import { requireClose } from '../proofs/compare';

const N = 20001;

test.before(async () => {
	await init({ device: 'webgpu' });
});

async function onBoth(make: (device: Device) => Tensor): Promise<[cpu: ArrayLike<number>, gpu: ArrayLike<number>]> {
	const drawn = async (device: Device) => {
		manualSeed(7);
		return make(device).data();
	};
	return [await drawn('cpu'), await drawn('webgpu')];
}

function moments(values: ArrayLike<number>): { mean: number; variance: number } {
	const list = Array.from(values);
	const mean = list.reduce((a, b) => a + b, 0) / list.length;
	return { mean, variance: list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length };
}

test('rand and randLike are uniform in [0, 1), with the same bits on both devices', async () => {
	for (const make of [(device: Device) => rand([N], { device }), (device: Device) => randLike(zeros([N], { device }))]) {
		const [cpu, gpu] = await onBoth(make);
		assert.equal(Array.from(gpu), Array.from(cpu));
		assert.ok(Array.from(gpu).every((value) => value >= 0 && value < 1));
		const { mean, variance } = moments(gpu);
		assert.ok(Math.abs(mean - 0.5) < 5 * Math.sqrt(1 / 12 / N) && Math.abs(variance * 12 - 1) < 0.05);
	}
});

test('randn and randnLike are standard normal, equal up to rounding on both devices', async () => {
	for (const make of [(device: Device) => randn([N], { device }), (device: Device) => randnLike(zeros([N], { device }))]) {
		const [cpu, gpu] = await onBoth(make);
		requireClose('randn', gpu, cpu, { relative: 1e-5, absolute: 1e-6 });
		const { mean, variance } = moments(gpu);
		assert.ok(Math.abs(mean) < 5 / Math.sqrt(N) && Math.abs(variance - 1) < 0.06);
	}
});

test('randint covers low to high - 1 evenly, with the same bits on both devices', async () => {
	const [cpu, gpu] = await onBoth((device) => randint(-3, 4, [N], { device }));
	assert.equal(Array.from(gpu), Array.from(cpu));
	for (let value = -3; value < 4; value++) {
		const share = Array.from(gpu).filter((drawn) => drawn === value).length / N;
		assert.ok(Math.abs(share - 1 / 7) < 0.015);
	}
});

test('randperm holds each number once, in the same order on both devices', async () => {
	const [cpu, gpu] = await onBoth((device) => randperm(1001, { device }));
	assert.equal(Array.from(gpu), Array.from(cpu));
	assert.equal(
		Array.from(gpu).sort((a, b) => a - b),
		Array.from({ length: 1001 }, (_, i) => i),
	);
	assert.ok(Array.from(gpu).filter((value, i) => value === i).length < 20);
});

test('one seed, one sequence; another call, other numbers', async () => {
	manualSeed(7);
	const [first, second] = [await rand([5], { device: 'webgpu' }).data(), await rand([5], { device: 'webgpu' }).data()];
	assert.not.equal(Array.from(first), Array.from(second));
});

test.run();
