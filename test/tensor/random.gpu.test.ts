/** Random tensors: the same numbers on both devices for the same seed, with the right ranges and moments. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	type Device,
	grad,
	gumbelSoftmax,
	init,
	manualSeed,
	multinomial,
	rand,
	randint,
	randLike,
	randn,
	randnLike,
	randperm,
	type Tensor,
	tensor,
	zeros,
} from 'wgrad';
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

test('multinomial draws each position as often as its weight says', async () => {
	for (const device of ['cpu', 'webgpu'] as const) {
		manualSeed(3);
		const weights = tensor([0, 1, 0, 2, 5], { device });
		const draws = await multinomial(weights, 8000, { replacement: true }).data();
		const counts = [0, 0, 0, 0, 0];
		for (const position of draws) counts[position]!++;
		counts.forEach((count, i) => {
			const expected = [0, 1, 0, 2, 5][i]! * 1000;
			// Five standard deviations.
			assert.ok(Math.abs(count - expected) <= 5 * Math.sqrt(expected), `${device}: ${count} draws of ${i}, not ${expected}`);
		});
		// Without replacement the first draw has the same probabilities, and no position is drawn twice.
		const rows = weights.expand([4000, 5]);
		const pairs = await multinomial(rows, 2).data();
		let largestFirst = 0;
		for (let i = 0; i < pairs.length; i += 2) {
			assert.is.not(pairs[i], pairs[i + 1]);
			if (pairs[i] === 4) largestFirst++;
		}
		assert.ok(Math.abs(largestFirst - 2500) < 5 * Math.sqrt(940), `${device}: ${largestFirst} of 4000 began with position 4`);
	}
});

test('a hard gumbelSoftmax is one-hot, and has the gradient of the soft one', async () => {
	for (const device of ['cpu', 'webgpu'] as const) {
		const logits = tensor([1, 2, 3, 0, 0, 0], { shape: [2, 3], device, requiresGrad: true });
		const weight = tensor([1, -2, 3], { device });
		const run = (hard: boolean) => {
			manualSeed(8);
			return gumbelSoftmax(logits, { hard });
		};
		const [soft, hard] = [run(false), run(true)];
		const chosen = [...(await soft.argmax(1).data())];
		assert.equal(
			await hard.toArray(),
			chosen.map((k) => [0, 1, 2].map((i) => (i === k ? 1 : 0))),
		);
		const [ofSoft] = grad(soft.mul(weight).sum(), logits);
		const [ofHard] = grad(hard.mul(weight).sum(), logits);
		assert.equal(await ofHard!.toArray(), await ofSoft!.toArray());
	}
});

test.run();
