/** Random tensors: the same numbers on both devices for the same seed, with the right ranges and moments. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	bernoulli,
	type Device,
	distributions,
	dropout,
	dropout2d,
	grad,
	gumbelSoftmax,
	init,
	manualSeed,
	multinomial,
	ones,
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

test('gumbelSoftmax, bernoulli and dropout choose as often as their probabilities say', async () => {
	for (const device of ['cpu', 'webgpu'] as const) {
		manualSeed(6);
		const share = async (draws: Tensor) => [...(await draws.mean(0).data())];
		const logits = tensor([Math.log(1), Math.log(2), Math.log(5)], { device }).expand([4000, 3]);
		const chance = tensor([0, 0.125, 0.75, 1], { device }).expand([4000, 4]);
		const drawn: [string, number[], number[]][] = [
			['gumbelSoftmax', await share(gumbelSoftmax(logits, { hard: true })), [0.125, 0.25, 0.625]],
			['bernoulli', await share(bernoulli(chance)), [0, 0.125, 0.75, 1]],
			['dropout', await share(dropout(ones([4000, 3], { device }), { p: 0.25 }).mul(0.75)), [0.75, 0.75, 0.75]],
			['dropout2d', await share(dropout2d(ones([4000, 2, 1, 1], { device }), { p: 0.5 }).mul(0.5)), [0.5, 0.5]],
		];
		for (const [name, found, wanted] of drawn) {
			for (const [i, p] of wanted.entries()) {
				// Five standard deviations.
				assert.ok(Math.abs(found[i]! - p) <= 5 * Math.sqrt((p * (1 - p)) / 4000), `${name} on ${device}: ${found[i]}, not ${p}`);
			}
		}
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

/** PyTorch's values. */
const DISTRIBUTED: readonly (readonly [title: string, run: (of: (...values: number[]) => Tensor) => Tensor, values: number[]])[] =
	(() => {
		const { Normal, Bernoulli, Categorical, klDivergence } = distributions;
		type Of = (...values: number[]) => Tensor;
		const normal = (of: Of) => new Normal(of(0.5, -1), of(2, 0.5));
		const bernoulli = (of: Of) => new Bernoulli({ probs: of(0.2, 0.7) });
		const byLogits = (of: Of) => new Bernoulli({ logits: of(0.3, -1) });
		const categorical = (of: Of) => new Categorical({ probs: of(1, 2, 1, 0.5, 0.25, 0.25).reshape([2, 3]) });
		const ofThree = (of: Of) => new Categorical({ logits: of(0.1, -2, 1) });
		return [
			['Normal logProb', (of) => normal(of).logProb(of(1, 2)), [-1.64333571376, -18.2257913526]],
			['Normal entropy', (of) => normal(of).entropy(), [2.11208571376, 0.725791352645]],
			['Normal divergence', (of) => klDivergence(normal(of), new Normal(of(0), of(1))), [0.93185281944, 0.81814718056]],
			['Bernoulli logProb', (of) => bernoulli(of).logProb(of(1, 0)), [-1.60943791243, -1.20397280433]],
			['Bernoulli entropy', (of) => bernoulli(of).entropy(), [0.500402423538, 0.610864302055]],
			['Bernoulli divergence', (of) => klDivergence(bernoulli(of), byLogits(of)), [0.29395282093, 0.402397385463]],
			['Bernoulli variance', (of) => bernoulli(of).variance, [0.16, 0.21]],
			['Bernoulli mean', (of) => byLogits(of).mean, [0.574442516812, 0.26894142137]],
			['Categorical logProb', (of) => categorical(of).logProb(of(2, 0)), [-1.38629436112, -0.69314718056]],
			['Categorical entropy', (of) => categorical(of).entropy(), [1.03972077084, 1.03972077084]],
			['Categorical divergence', (of) => klDivergence(categorical(of), ofThree(of)), [1.06121715449, 0.536217154495]],
			['Categorical batches', (of) => ofThree(of).logProb(of(0, 1).reshape([2, 1])), [-1.27593792533, -3.37593792533]],
		];
	})();

for (const [title, run, expected] of DISTRIBUTED) {
	test(`distributions: ${title} is PyTorch's`, async () => {
		for (const device of ['cpu', 'webgpu'] as const) {
			const result = run((...values) => tensor(values, { device }));
			requireClose(`${title} on ${device}`, await result.data(), expected, { relative: 1e-5, absolute: 1e-6 });
		}
	});
}

test('distributions draw by their parameters, and Normal.rsample has their gradient', async () => {
	const { Normal, Bernoulli, Categorical, klDivergence } = distributions;
	for (const device of ['cpu', 'webgpu'] as const) {
		manualSeed(5);
		const [loc, scale] = [tensor([1, -2], { device, requiresGrad: true }), tensor([0.5, 2], { device, requiresGrad: true })];
		const normal = new Normal(loc, scale);
		const draws = normal.rsample([4000]);
		const [ofLoc, ofScale] = grad(draws.sum(), [loc, scale]);
		assert.equal(await ofLoc!.toArray(), [4000, 4000]);
		const noise = draws.detach().sub(loc.detach()).div(scale.detach()).sum(0);
		requireClose('scale', await ofScale!.data(), await noise.data(), { relative: 1e-4, absolute: 0.05 });
		requireClose('mean', await draws.detach().mean(0).data(), [1, -2], { relative: 0, absolute: 0.2 });
		assert.is(normal.sample([2]).requiresGrad, false);
		const coins = new Bernoulli({ probs: tensor([0, 1, 0.25], { device }) }).sample([4000]);
		requireClose('coins', await coins.mean(0).data(), [0, 1, 0.25], { relative: 0, absolute: 0.04 });
		const places = new Categorical({
			probs: tensor(
				[
					[0, 1, 3],
					[1, 0, 0],
				],
				{ device },
			),
		}).sample([3000]);
		assert.equal(places.shape, [3000, 2]);
		requireClose('places', await places.to('float32').mean(0).data(), [1.75, 0], { relative: 0, absolute: 0.05 });
		assert.throws(() => new Bernoulli({ probs: tensor([0.5], { device }) }).rsample(), /Bernoulli.rsample: .* have no gradient/);
		assert.throws(() => new Categorical({}), /Categorical: give either probs or logits/);
		assert.throws(() => new Normal(tensor([0], { device }), 'a' as never), /Normal: scale must be a tensor or a number, not 'a'/);
		assert.throws(
			() => klDivergence(normal, new Bernoulli({ probs: scale })),
			/klDivergence: takes two Normal, .* not Normal and Bernoulli/,
		);
	}
});

test.run();
