/** Splits, folds and samplers: sizes, proportions and frequencies, and scikit-learn's own folds. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { manualSeed, tensor } from 'wgrad';
import {
	ArrayDataset,
	BatchSampler,
	balancedWeights,
	KFold,
	RandomSampler,
	randomSplit,
	SequentialSampler,
	StratifiedKFold,
	SubsetRandomSampler,
	trainTestSplit,
	WeightedRandomSampler,
} from 'wgrad/data';
import { Generator } from '../../src/core/generator';
import { refuses } from './refuses';

const count = (n: number) => Array.from({ length: n }, (_, i) => i);
const dataset = (n: number) => new ArrayDataset({ data: count(n) });
const ascending = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

test('randomSplit: lengths, fractions and the remainder of rounding', async () => {
	const sizes = (n: number, lengths: number[]) => randomSplit(dataset(n), lengths, { seed: 1 }).map((part) => part.length);
	assert.equal(sizes(10, [3, 7]), [3, 7]);
	assert.equal(sizes(10, [0.5, 0.5]), [5, 5]);
	assert.equal(sizes(10, [0.33, 0.33, 0.34]), [4, 3, 3]);
	assert.equal(sizes(11, [0.25, 0.25, 0.25, 0.25]), [3, 3, 3, 2]);
	assert.equal(sizes(1, [1]), [1]);
	assert.equal(sizes(5, [1, 0]), [5, 0]);
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 200 }), fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (n, seed, part) => {
			const parts = randomSplit(dataset(n), [part, 1 - part], { seed });
			assert.equal(ascending(parts.flatMap((subset) => [...subset.indices])), count(n));
		}),
		{ numRuns: 50 },
	);
	const first = (seed: number) => [...randomSplit(dataset(50), [25, 25], { seed })[0]!.indices];
	assert.equal(first(4), first(4));
	assert.not.equal(first(4), first(5));
	await refuses(() => randomSplit(dataset(10), [3, 3]), /add up to 6; lengths must add up to the 10 samples, fractions to 1/);
	await refuses(() => randomSplit(dataset(10), [0.5, 0.4]), /add up to 0.9/);
	await refuses(() => randomSplit(dataset(10), [-1, 11]), /must be numbers of at least 0/);
	await refuses(() => randomSplit(dataset(10), []), /must be numbers/);
	await refuses(() => randomSplit(tensor([1]) as never, [1]), /randomSplit: not a dataset/);
});

test('trainTestSplit: sizes, order and seed', async () => {
	const sizes = (n: number, options: object) => trainTestSplit(dataset(n), { seed: 0, ...options }).map((part) => part.length);
	assert.equal(sizes(10, {}), [7, 3]);
	assert.equal(sizes(10, { testSize: 0.21 }), [7, 3]);
	assert.equal(sizes(10, { testSize: 4 }), [6, 4]);
	assert.equal(sizes(10, { trainSize: 0.59 }), [5, 5]);
	assert.equal(sizes(10, { trainSize: 3, testSize: 0.2 }), [3, 2]);
	const [train, test] = trainTestSplit(dataset(8), { shuffle: false });
	assert.equal([[...train.indices], [...test.indices]], [count(6), [6, 7]]);
	const shuffled = trainTestSplit(dataset(40), { seed: 3 });
	assert.equal(ascending(shuffled.flatMap((part) => [...part.indices])), count(40));
	assert.not.equal([...shuffled[0].indices], ascending(shuffled[0].indices));
	manualSeed(7);
	const a = trainTestSplit(dataset(40));
	manualSeed(7);
	assert.equal(a[0].indices, trainTestSplit(dataset(40))[0].indices);
	for (const testSize of [0, 1.5, 10, -1, Number.NaN]) {
		await refuses(
			() => trainTestSplit(dataset(10), { testSize }),
			/testSize .* must be a fraction between 0 and 1, or a number from 1 to 9/,
		);
	}
	await refuses(
		() => trainTestSplit(dataset(10), { testSize: 6, trainSize: 0.5 }),
		/5 training samples and 6 test samples do not fit 10/,
	);
	await refuses(() => trainTestSplit(dataset(1)), /both parts need at least one/);
});

test('trainTestSplit with stratify keeps the proportions', async () => {
	fc.assert(
		fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 30, maxLength: 120 }), fc.integer(), (drawn, seed) => {
			const labels = [...drawn, 0, 0, 1, 1, 2, 2, 3, 3].map((label) => `class ${label}`);
			const [train, test] = trainTestSplit(dataset(labels.length), { testSize: 0.3, stratify: labels, seed });
			assert.equal(ascending([...train.indices, ...test.indices]), count(labels.length));
			assert.is(test.length, Math.ceil(0.3 * labels.length));
			for (const name of new Set(labels)) {
				const share = labels.filter((label) => label === name).length;
				const tested = [...test.indices].filter((i) => labels[i] === name).length;
				assert.ok(Math.abs(tested - (share * test.length) / labels.length) < 1 + 1e-9, `${tested} of ${share} ${name}`);
			}
		}),
		{ numRuns: 50 },
	);
	const labels = [0, 0, 0, 1];
	await refuses(() => trainTestSplit(dataset(4), { stratify: labels }), /class 1 has only one sample/);
	await refuses(() => trainTestSplit(dataset(4), { stratify: [0, 0, 1, 1], testSize: 1 }), /2 classes do not fit into 1 samples/);
	await refuses(() => trainTestSplit(dataset(5), { stratify: labels }), /4 labels for 5 samples/);
	await refuses(
		() => trainTestSplit(dataset(1), { testSize: 0.5, stratify: tensor([1]) as never }),
		/both parts need at least one/,
	);
	await refuses(() => trainTestSplit(dataset(2), { stratify: tensor([1, 1]) as never }), /pass await labels.data\(\)/);
	await refuses(() => trainTestSplit(dataset(4), { stratify: [0, 0, 1, 1], shuffle: false }), /stratify needs shuffle/);
});

test('KFold is scikit-learn’s', async () => {
	const tests = (n: number, k: number, options?: object) => [...new KFold(k, options).split(n)].map(([, test]) => [...test]);
	assert.equal(tests(7, 3), [
		[0, 1, 2],
		[3, 4],
		[5, 6],
	]);
	assert.equal(
		[...new KFold(2).split(dataset(4))][0]!.map((places) => [...places]),
		[
			[2, 3],
			[0, 1],
		],
	);
	assert.is([...new KFold().split(23)].length, 5);
	fc.assert(
		fc.property(
			fc.integer({ min: 2, max: 9 }),
			fc.integer({ min: 9, max: 60 }),
			fc.boolean(),
			fc.integer(),
			(k, n, shuffle, seed) => {
				const folds = [...new KFold(k, { shuffle, seed }).split(n)];
				assert.equal(ascending(folds.flatMap(([, test]) => [...test])), count(n));
				folds.forEach(([train, test], i) => {
					assert.is(test.length, Math.floor(n / k) + (i < n % k ? 1 : 0));
					assert.equal(ascending([...train, ...test]), count(n));
					assert.equal([...test], ascending(test));
				});
			},
		),
		{ numRuns: 50 },
	);
	assert.equal(tests(20, 4, { shuffle: true, seed: 1 }), tests(20, 4, { shuffle: true, seed: 1 }));
	assert.not.equal(tests(20, 4, { shuffle: true, seed: 1 }), tests(20, 4, { shuffle: true, seed: 2 }));
	await refuses(() => new KFold(1), /nSplits must be a whole number of at least 2, not 1/);
	await refuses(() => new KFold(3).split(2), /2 samples are too few for 3 folds/);
});

test('StratifiedKFold is scikit-learn’s', async () => {
	const tests = (labels: number[] | string[], k: number) =>
		[...new StratifiedKFold(k).split(labels)].map(([, test]) => [...test]);
	// By the algorithm of scikit-learn 1.x: allocation[i] = bincount(sorted(y)[i::k]), classes in order of appearance.
	assert.equal(tests([0, 0, 1, 1], 2), [
		[0, 2],
		[1, 3],
	]);
	assert.equal(tests(['b', 'a', 'b', 'a', 'b', 'a', 'b'], 3), [
		[0, 1, 2],
		[3, 4],
		[5, 6],
	]);
	const labels = [2, 0, 1, 1, 0, 2, 2, 2, 0, 1, 2, 2, 0, 2, 1, 2, 1, 0, 2, 2];
	const folds = [0, 0, 0, 1, 1, 0, 0, 1, 2, 2, 1, 1, 2, 2, 3, 2, 3, 3, 3, 3];
	assert.equal(
		tests(labels, 4),
		count(4).map((fold) => count(20).filter((i) => folds[i] === fold)),
	);
	fc.assert(
		fc.property(
			fc.integer({ min: 2, max: 5 }),
			fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 20, maxLength: 80 }),
			fc.boolean(),
			fc.integer(),
			(k, labels, shuffle, seed) => {
				const folds = [...new StratifiedKFold(k, { shuffle, seed }).split(labels)];
				assert.equal(ascending(folds.flatMap(([, test]) => [...test])), count(labels.length));
				const sizes = folds.map(([, test]) => test.length);
				assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
				for (const label of new Set(labels)) {
					const shares = folds.map(([, test]) => test.filter((i) => labels[i] === label).length);
					assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, `${shares}`);
				}
			},
		),
		{ numRuns: 50 },
	);
	const shuffled = (seed: number) => [...new StratifiedKFold(2, { shuffle: true, seed }).split(count(40).map((i) => i % 2))];
	assert.equal(shuffled(1), shuffled(1));
	assert.not.equal(shuffled(1), shuffled(2));
	await refuses(() => new StratifiedKFold(0), /nSplits must be a whole number of at least 2, not 0/);
	await refuses(() => new StratifiedKFold(3).split([0, 1, 0, 1]), /no class has 3 samples/);
	await refuses(() => new StratifiedKFold(2).split(tensor([0, 1]) as never), /labels must be on the host/);
});

/** Compares how often each of n samples is drawn with the expectation, by chi squared. */
function chiSquared(indices: Iterable<number>, expected: readonly number[]): number {
	const counts = expected.map(() => 0);
	for (const index of indices) counts[index]!++;
	return counts.reduce(
		(sum, n, i) => sum + (expected[i] === 0 ? (n === 0 ? 0 : Number.POSITIVE_INFINITY) : (n - expected[i]!) ** 2 / expected[i]!),
		0,
	);
}

test('RandomSampler, SequentialSampler, SubsetRandomSampler', async () => {
	const generator = new Generator(3);
	assert.equal([...new SequentialSampler(dataset(3)).indices()], [0, 1, 2]);
	const all = new RandomSampler(9);
	assert.equal(ascending(all.indices(generator)), count(9));
	assert.not.equal([...all.indices(generator)], [...all.indices(generator)]);
	const rounds = new RandomSampler(5, { numSamples: 13 }).indices(generator);
	assert.is(rounds.length, 13);
	assert.equal([ascending(rounds.slice(0, 5)), ascending(rounds.slice(5, 10))], [count(5), count(5)]);
	assert.is(new Set(rounds.slice(10)).size, 3);
	const some = new RandomSampler(100, { numSamples: 7 });
	assert.equal([some.length, new Set(some.indices(generator)).size], [7, 7]);
	const drawn = new RandomSampler(10, { replacement: true, numSamples: 20_000 });
	assert.ok(chiSquared(drawn.indices(generator), Array(10).fill(2000)) < 27.9, 'beyond what happens once in 1000 times');
	assert.equal(ascending(new SubsetRandomSampler([4, 2, 9]).indices(generator)), [2, 4, 9]);
	assert.equal(
		[...new BatchSampler(new SequentialSampler(5), 2).batches()].map((batch) => [...batch]),
		[[0, 1], [2, 3], [4]],
	);
	await refuses(() => new RandomSampler(3, { numSamples: 0 }), /numSamples must be a whole number of at least 1, not 0/);
	await refuses(() => new RandomSampler(0, { numSamples: 2 }), /no samples to draw from/);
	await refuses(() => new RandomSampler(1.5), /must be a dataset or a number of samples/);
	await refuses(() => new SubsetRandomSampler([1, -2]), /index -2/);
	await refuses(() => new BatchSampler(all, 0), /batchSize must be a whole number of at least 1, not 0/);
});

test('WeightedRandomSampler draws by weight', async () => {
	const weights = [1, 0, 3, 0.5, 5.5, 0];
	const expected = weights.map((weight) => (weight / 10) * 20_000);
	const generator = new Generator(5);
	assert.ok(chiSquared(new WeightedRandomSampler(weights, 20_000).indices(generator), expected) < 16.3);
	// Without replacement, the first draw has the same frequencies, and no sample comes twice.
	const sampler = new WeightedRandomSampler(weights, 4, { replacement: false });
	const firsts: number[] = [];
	for (let i = 0; i < 4000; i++) {
		const drawn = sampler.indices(generator);
		assert.is(new Set(drawn).size, 4);
		firsts.push(drawn[0]!);
	}
	assert.ok(
		chiSquared(
			firsts,
			expected.map((n) => n / 5),
		) < 16.3,
	);
	// And the second draw: the sum over the first of p(first) * weight / (rest).
	const seconds = weights.map((weight, i) =>
		weights.reduce((sum, first, j) => (j === i || first === 0 ? sum : sum + (first / 10) * (weight / (10 - first))), 0),
	);
	const drawn = Array.from({ length: 4000 }, () => sampler.indices(generator)[1]!);
	assert.ok(
		chiSquared(
			drawn,
			seconds.map((p) => p * 4000),
		) < 16.3,
	);
	await refuses(() => new WeightedRandomSampler([1, -1], 2), /weight 1 is -1/);
	await refuses(() => new WeightedRandomSampler([1, Number.NaN], 2), /weight 1 is NaN/);
	await refuses(() => new WeightedRandomSampler([0, 0], 2), /all weights are 0/);
	await refuses(
		() => new WeightedRandomSampler([1, 0], 2, { replacement: false }),
		/without replacement from 1 with positive weight/,
	);
	await refuses(() => new WeightedRandomSampler([1], 0), /numSamples must be a whole number of at least 1, not 0/);
});

test('balancedWeights make classes equally frequent', () => {
	const labels = count(1000).map((i) => (i % 20 === 0 ? 'rare' : 'common'));
	const indices = new WeightedRandomSampler(balancedWeights(labels), 20_000).indices(new Generator(1));
	const rare = indices.filter((i) => labels[i] === 'rare').length;
	assert.ok(Math.abs(rare - 10_000) < 250, `${rare} of 20000`);
});

test.run();
