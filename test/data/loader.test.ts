/** DataLoader: order, batches, random numbers and ownership. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { manualSeed, rand, type Tensor, tensor, tidy } from 'wgrad';
import {
	ArrayDataset,
	BatchSampler,
	DataLoader,
	type DataLoaderOptions,
	type Dataset,
	IterableDataset,
	MapDataset,
	RandomSampler,
	Subset,
	SubsetRandomSampler,
	TensorDataset,
	type TensorList,
	transforms,
	WeightedRandomSampler,
} from 'wgrad/data';
import { ShapeError } from '../../src/core/errors';
import { leftAlive, pause } from './alive';
import { refuses } from './refuses';

const count = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Samples 0 .. n - 1; each sample is its own number. */
const numbers = (n: number) => new ArrayDataset({ data: Int32Array.from(count(n)) });

/** As `numbers`, one sample at a time and asynchronously. */
function slowNumbers(n: number): Dataset {
	return {
		length: n,
		async get(index) {
			await pause(index % 3);
			return [tensor(index, { dtype: 'int32' })];
		},
	};
}

async function values(loop: AsyncIterable<TensorList>): Promise<number[][]> {
	const batches: number[][] = [];
	for await (const fields of loop) {
		batches.push(Array.from(await fields[0]!.data()));
		for (const field of fields) field.dispose();
	}
	return batches;
}

test('batches come in order, and the last one is smaller or left out', async () => {
	const loader = new DataLoader(numbers(7), { batchSize: 3 });
	assert.is(loader.length, 3);
	assert.equal(await values(loader), [[0, 1, 2], [3, 4, 5], [6]]);
	const dropping = new DataLoader(numbers(7), { batchSize: 3, dropLast: true });
	assert.is(dropping.length, 2);
	assert.equal(await values(dropping), [
		[0, 1, 2],
		[3, 4, 5],
	]);
	assert.equal(await values(new DataLoader(numbers(2))), [[0], [1]]);
	assert.equal(await values(new DataLoader(numbers(0), { batchSize: 3 })), []);
});

for (const prefetch of [0, 1, 2, 50]) {
	test(`samples one by one, asynchronously, ${prefetch} batches ahead`, async () => {
		const loader = new DataLoader(slowNumbers(11), { batchSize: 4, prefetch });
		assert.equal(await values(loader), [
			[0, 1, 2, 3],
			[4, 5, 6, 7],
			[8, 9, 10],
		]);
	});
}

test('each epoch has its own order, which the seed determines', async () => {
	const options: DataLoaderOptions = { batchSize: 4, shuffle: true, seed: 5 };
	const loader = new DataLoader(numbers(50), options);
	const epochs = [await values(loader), await values(loader)].map((batches) => batches.flat());
	assert.is(loader.epoch, 2);
	for (const epoch of epochs)
		assert.equal(
			epoch.toSorted((a, b) => a - b),
			count(50),
		);
	assert.not.equal(epochs[0], epochs[1]);
	const again = new DataLoader(numbers(50), options);
	again.setEpoch(1);
	assert.is(again.epoch, 1);
	assert.equal((await values(again)).flat(), epochs[1]);
	assert.not.equal((await values(new DataLoader(numbers(50), { ...options, seed: 6 }))).flat(), epochs[0]);
});

test('without a seed, manualSeed determines the order', async () => {
	const run = async () => {
		manualSeed(3);
		return values(new DataLoader(numbers(20), { batchSize: 4, shuffle: true }));
	};
	assert.equal(await run(), await run());
});

/** A loader with random order, samples, streams, collation and augmentation. */
function randomLoader(prefetch: number, seed = 9): DataLoader {
	const dataset: Dataset = {
		length: 10,
		get(index) {
			using noise = rand([1]);
			return [noise.add(index)];
		},
	};
	return new DataLoader(dataset, {
		batchSize: 3,
		shuffle: true,
		seed,
		prefetch,
		transform: ([x], { generator }) => [x!.add(rand([1])).add(generator.next().seed[0] % 100)],
	});
}

test('a loop that starts mid-epoch has the same order, samples and augmentation, for any prefetch', async () => {
	const whole = await values(randomLoader(2).iterate({ epoch: 4 }));
	assert.is(whole.length, 4);
	assert.equal(await values(randomLoader(0).iterate({ epoch: 4 })), whole);
	for (const firstBatch of [0, 1, 3, 4]) {
		assert.equal(await values(randomLoader(7).iterate({ epoch: 4, firstBatch })), whole.slice(firstBatch));
	}
	assert.not.equal(await values(randomLoader(2).iterate({ epoch: 5 })), whole);
	assert.not.equal(await values(randomLoader(2, 10).iterate({ epoch: 4 })), whole);
});

test('a loop over a stream that starts mid-epoch has the same samples', async () => {
	const stream = () =>
		new IterableDataset(function* ({ epoch, generator }) {
			for (let i = 0; i < 10; i++) {
				using noise = rand([]);
				yield [noise.add(100 * epoch + (generator.next().counter % 7))];
			}
		});
	const loader = () => new DataLoader(stream(), { batchSize: 3, seed: 2 });
	const whole = await values(loader().iterate({ epoch: 1 }));
	assert.equal(
		whole.map((batch) => batch.length),
		[3, 3, 3, 1],
	);
	for (const firstBatch of [1, 3, 4, 9]) {
		assert.equal(await values(loader().iterate({ epoch: 1, firstBatch })), whole.slice(firstBatch));
	}
});

test('with any settings, all samples come once, in batches of the right size, and any part of an epoch is the same', async () => {
	const settings = fc.record({
		n: fc.integer({ min: 0, max: 30 }),
		batchSize: fc.integer({ min: 1, max: 9 }),
		dropLast: fc.boolean(),
		shuffle: fc.boolean(),
		prefetch: fc.integer({ min: 0, max: 5 }),
		asynchronous: fc.boolean(),
		seed: fc.integer(),
		epoch: fc.nat(),
		part: fc.double({ min: 0, max: 1, noNaN: true }),
	});
	const property = fc.asyncProperty(settings, async ({ n, asynchronous, epoch, part, ...options }) => {
		const loader = () => new DataLoader(asynchronous ? slowNumbers(n) : numbers(n), options);
		const { batchSize, dropLast, shuffle } = options;
		const whole = await values(loader().iterate({ epoch }));
		const kept = dropLast ? n - (n % batchSize) : n;
		assert.is(whole.length, loader().length);
		assert.ok(whole.every((batch, i) => batch.length === Math.min(batchSize, kept - i * batchSize)));
		const samples = whole.flat();
		assert.is(new Set(samples).size, kept);
		if (!shuffle) assert.equal(samples, count(kept));
		const firstBatch = Math.floor(part * whole.length);
		assert.equal(await values(loader().iterate({ epoch, firstBatch })), whole.slice(firstBatch));
	});
	await fc.assert(property, { numRuns: 40 });
});

test('the library’s augmentation and weighted samplers resume mid-epoch', async () => {
	const images = { data: Uint8Array.from({ length: 12 * 16 }, (_, i) => (i * 37) % 256), shape: [12, 1, 4, 4], scale: 1 / 255 };
	const dataset = new ArrayDataset(images, { data: Int32Array.from(count(12)) });
	const transform = transforms.compose(
		transforms.randomHorizontalFlip(),
		transforms.randomCrop(4, { padding: 1 }),
		transforms.randomBrightness(0.3),
	);
	const sampler = new WeightedRandomSampler(count(12), 20);
	const loader = (prefetch: number) =>
		new DataLoader(dataset, { batchSize: 3, sampler, seed: 8, prefetch, transform, device: 'cpu' });
	const whole = await values(loader(2).iterate({ epoch: 3 }));
	assert.is(whole.length, 7);
	for (const firstBatch of [1, 5])
		assert.equal(await values(loader(1).iterate({ epoch: 3, firstBatch })), whole.slice(firstBatch));
	assert.not.equal(await values(loader(2).iterate({ epoch: 2 })), whole);
});

test('making batches does not change the random numbers of training', async () => {
	const draw = async (loader: AsyncIterable<TensorList>) => {
		manualSeed(1);
		const drawn: number[] = [];
		for await (const _ of loader) drawn.push(await rand([1]).item());
		return drawn;
	};
	assert.equal(await draw(randomLoader(2)), await draw(new DataLoader(numbers(10), { batchSize: 3, seed: 0 })));
});

test("collate draws the batch's random numbers, also with asynchronous samples", async () => {
	const collate = (samples: readonly TensorList[]) => [tidy(() => rand([samples.length, 2]).add(samples[0]![0]!))];
	for (const dataset of [numbers(5), slowNumbers(5)]) {
		const loader = () => new DataLoader(dataset, { batchSize: 3, seed: 3, collate });
		manualSeed(1);
		const whole = await values(loader());
		manualSeed(2);
		assert.equal(await values(loader()), whole);
	}
});

test('stateDict taken mid-loop continues after its batch', async () => {
	const loader = randomLoader(2);
	const before: number[][] = [];
	let state = '';
	await values(loader);
	for await (const [x] of loader) {
		before.push(Array.from(await x!.data()));
		if (before.length === 2) {
			state = JSON.stringify(loader.stateDict());
			break;
		}
	}
	assert.is(loader.epoch, 2);
	const resumed = randomLoader(1, 1234);
	resumed.loadStateDict(JSON.parse(state));
	assert.is(resumed.epoch, 1);
	const whole = await values(randomLoader(2).iterate({ epoch: 1 }));
	assert.equal([...before, ...(await values(resumed))], whole);
	assert.is(resumed.epoch, 2);
	assert.equal(await values(resumed), await values(randomLoader(2).iterate({ epoch: 2 })));
	await refuses(() => loader.loadStateDict({ epoch: 1 } as never), /loadStateDict: not the state of a DataLoader/);
	await refuses(() => loader.loadStateDict({ seed: [1, 2], epoch: -1, batch: 0 }), /epoch must be a whole number/);
});

test('two loops over one loader at once are two epochs', async () => {
	const loader = new DataLoader(numbers(12), { batchSize: 12, shuffle: true, seed: 1 });
	const [first, second] = [loader[Symbol.asyncIterator](), loader[Symbol.asyncIterator]()];
	const [a, b] = await Promise.all([first.next(), second.next()]);
	assert.not.equal(await a.value![0]!.data(), await b.value![0]!.data());
});

test('prefetched batches are disposed of when the loop ends early', async () => {
	const stream = new IterableDataset(function* () {
		for (let i = 0; i < 40; i++) yield [tensor(i)];
	});
	for (const dataset of [numbers(40), slowNumbers(40), stream]) {
		for (const wait of [0, 20]) {
			const alive = await leftAlive(async () => {
				for await (const [x] of new DataLoader(dataset, { batchSize: 4, prefetch: 4 })) {
					await pause(wait);
					x!.dispose();
					break;
				}
				await pause(20);
			});
			assert.is(alive.length, 0);
		}
	}
});

test('a loop that ends early closes the stream', async () => {
	let closed = 0;
	const stream = new IterableDataset(async function* () {
		try {
			for (let i = 0; ; i++) yield [tensor(i)];
		} finally {
			closed++;
		}
	});
	for await (const _ of new DataLoader(stream, { batchSize: 2 })) break;
	assert.is(closed, 1);
	const iterator = new DataLoader(stream).iterate();
	await iterator.next();
	await iterator.return!();
	assert.is(closed, 2);
	assert.equal(await iterator.next(), { done: true, value: undefined });
});

test('no more batches are prefetched than requested', async () => {
	let made = 0;
	const dataset: Dataset = { length: 100, get: () => [tensor(made++)] };
	const iterator = new DataLoader(dataset, { prefetch: 3 }).iterate();
	await iterator.next();
	await pause(20);
	assert.is(made, 4);
	await iterator.next();
	await pause(20);
	assert.is(made, 5);
	await iterator.return!();
});

for (const asynchronous of [false, true]) {
	test(`an error comes at its batch's turn and ends the loop, ${asynchronous ? 'a' : ''}synchronous`, async () => {
		const fail = (index: number) => {
			if (index === 5) throw new RangeError('sample 5 is broken');
			return [tensor(index)];
		};
		const dataset: Dataset = { length: 20, get: asynchronous ? async (index) => fail(index) : fail };
		const seen: number[] = [];
		const alive = await leftAlive(async () => {
			const iterator = new DataLoader(dataset, { batchSize: 2, prefetch: 6 }).iterate();
			for (let batch = 0; batch < 2; batch++) {
				const { value } = await iterator.next();
				await pause(5);
				seen.push(...(await value![0]!.data()));
				value![0]!.dispose();
			}
			assert.equal(seen, [0, 1, 2, 3]);
			await refuses(() => iterator.next(), /sample 5 is broken/, RangeError);
			assert.equal(await iterator.next(), { done: true, value: undefined });
			await pause(5);
		});
		assert.is(alive.length, 0);
	});
}

test('a failing stream or collation throws at its batch and leaves nothing behind', async () => {
	const stream = new IterableDataset(async function* () {
		for (let i = 0; i < 5; i++) yield [tensor(i)];
		throw new RangeError('the stream broke');
	});
	const failing = () => {
		throw new RangeError('these do not fit');
	};
	const alive = await leftAlive(async () => {
		const iterator = new DataLoader(stream, { batchSize: 2, prefetch: 5 }).iterate();
		for (let batch = 0; batch < 2; batch++) (await iterator.next()).value![0]!.dispose();
		await refuses(() => iterator.next(), /the stream broke/, RangeError);
		assert.is((await iterator.next()).done, true);
		for (const collate of [failing, async () => failing()]) {
			for (const dataset of [numbers(4), slowNumbers(4), new IterableDataset(() => [[tensor(1)]])]) {
				await refuses(() => values(new DataLoader(dataset, { collate })), /these do not fit/, RangeError);
				await pause(5);
			}
		}
	});
	assert.is(alive.length, 0);
});

test('samplers and batch samplers decide the order', async () => {
	const dataset = numbers(10);
	const some = await values(new DataLoader(dataset, { batchSize: 2, sampler: new SubsetRandomSampler([1, 5, 7]), seed: 0 }));
	assert.equal(
		some.map((batch) => batch.length),
		[2, 1],
	);
	assert.equal(
		some.flat().sort((a, b) => a - b),
		[1, 5, 7],
	);
	const loader = new DataLoader(dataset, { batchSampler: new BatchSampler(new RandomSampler(dataset), 4, { dropLast: true }) });
	assert.is(loader.length, 2);
	assert.equal(
		(await values(loader)).map((batch) => batch.length),
		[4, 4],
	);
	const own = { length: 2, batches: () => [[9, 0], [3]] };
	assert.equal(await values(new DataLoader(dataset, { batchSampler: own })), [[9, 0], [3]]);
});

test('collate receives the samples, and their tensors are disposed of', async () => {
	const collate = (samples: readonly TensorList[]) => [tensor([samples.length]), samples[0]![0]!];
	const batches: Tensor[] = [];
	const alive = await leftAlive(async () => {
		for await (const fields of new DataLoader(numbers(5), { batchSize: 3, collate })) batches.push(...fields);
	});
	assert.equal(await Promise.all(batches.map((x) => x.item())), [3, 0, 2, 3]);
	assert.is(alive.length, 4);
	const later = async (samples: readonly TensorList[]) => [tensor([samples.length])];
	assert.equal(await values(new DataLoader(numbers(5), { batchSize: 3, collate: later })), [[3], [2]]);
});

test('transform runs without recording; its inputs and temporaries are disposed of', async () => {
	const weight = tensor([2], { requiresGrad: true });
	const transform = ([x, y]: TensorList) => [x!.mul(weight).add(1), y!];
	const dataset = new TensorDataset(tensor([1, 2, 3]), tensor([4, 5, 6]));
	const alive = await leftAlive(async () => {
		for await (const [x, y] of new DataLoader(dataset, { batchSize: 2, transform })) {
			assert.is(x!.requiresGrad, false);
			assert.equal(Array.from(await x!.data()), x!.size === 2 ? [3, 5] : [7]);
			assert.equal(Array.from(await y!.data()), y!.size === 2 ? [4, 5] : [6]);
		}
	});
	assert.is(alive.length, 4);
	const failing = () => {
		throw new RangeError('no');
	};
	const left = await leftAlive(() => refuses(() => values(new DataLoader(dataset, { transform: failing })), /no/, RangeError));
	assert.is(left.length, 0);
});

test('batches outlive a tidy of the loop', async () => {
	for await (const [x] of new DataLoader(numbers(6), { batchSize: 2 })) {
		tidy(() => x!.add(1));
		assert.is(x!.isDisposed, false);
	}
});

test('defaultCollate stacks fields, scalars become vectors', async () => {
	const dataset: Dataset = { length: 4, get: (i) => [tensor([i, 2 * i]), tensor(i, { dtype: 'int32' })] };
	for await (const [x, y] of new DataLoader(dataset, { batchSize: 4 })) {
		assert.equal([x!.shape, y!.shape, y!.dtype], [[4, 2], [4], 'int32']);
		assert.equal(Array.from(await x!.data()), [0, 0, 1, 2, 2, 4, 3, 6]);
	}
	const ragged: Dataset = { length: 2, get: (i) => [tensor(count(i + 1))] };
	await refuses(
		() => values(new DataLoader(ragged, { batchSize: 2 })),
		/field 0 has shape \[1\] in sample 0 of the batch and \[2\] in sample 1.*collate/,
		ShapeError,
	);
});

test('the dataset makes batches on the device, or the batch is moved there', async () => {
	const asked: unknown[] = [];
	const dataset: Dataset = {
		length: 2,
		get: () => [tensor(1)],
		batch(indices, device) {
			asked.push(indices.length, device);
			return [tensor([1, 2])];
		},
	};
	await values(new DataLoader(dataset, { batchSize: 2, device: 'cpu' }));
	assert.equal(asked, [2, 'cpu']);
});

test('wrong calls', async () => {
	const dataset = numbers(4);
	const make =
		(options: object, source: unknown = dataset) =>
		() =>
			new DataLoader(source as Dataset, options);
	await refuses(make({}, tensor([1])), /DataLoader: not a dataset: .*new TensorDataset/);
	await refuses(make({ batchsize: 2 }), /DataLoader: there is no option 'batchsize'; its options are batchSize, /);
	await refuses(make(null as never), /options come as an object/);
	await refuses(make({ batchSize: 0 }), /batchSize must be a whole number of at least 1, not 0/);
	await refuses(make({ prefetch: -1 }), /prefetch must be a whole number of at least 0, not -1/);
	await refuses(make({ collate: 3 }), /collate must be a function, not 3/);
	await refuses(make({ device: 'tpu' }), /unknown device 'tpu'/, Error);
	await refuses(make({ seed: 0.5 }), /seed 0.5/);
	const sampler = new RandomSampler(4);
	await refuses(make({ sampler, shuffle: true }), /leave out shuffle/);
	await refuses(make({ batchSampler: new BatchSampler(sampler, 2), batchSize: 2 }), /leave out batchSize/);
	await refuses(make({ batchSampler: [[1]] }), /batchSampler needs a length and batches/);
	await refuses(make({ sampler: [1] }), /needs a length and indices/);
	const stream = new IterableDataset(() => []);
	await refuses(make({ shuffle: true }, stream), /a stream has its own order/);
	await refuses(() => new DataLoader(stream).length, /no known length.*hasLength/);
	assert.is(new DataLoader(stream).hasLength, false);
	assert.is(new DataLoader(new IterableDataset(() => [], { length: 7 }), { batchSize: 2, dropLast: true }).length, 3);
	await refuses(() => values(new DataLoader(new IterableDataset(() => 3 as never))), /must return an iterable/);
	await refuses(
		() => values(new DataLoader({ length: 1, get: () => tensor(1) as never })),
		/a tensor of shape \[\]. Put it into brackets/,
	);
	await refuses(
		() => values(new DataLoader(dataset, { transform: async (x: unknown) => x } as never)),
		/transform must not be async.*MapDataset/,
	);
	await refuses(
		() => values(new DataLoader(dataset, { transform: (() => {}) as never })),
		/transform must return a list of tensors.*undefined/,
	);
	await refuses(() => new DataLoader(dataset).iterate({ firstBatch: 5 }), /firstBatch 5 exceeds the 4 batches/);
	await refuses(() => new DataLoader(dataset).iterate({ epoch: 1.5 }), /iterate: epoch must be a whole number/);
	await refuses(() => new DataLoader(dataset).setEpoch(-1), /setEpoch: epoch must be/);
	await refuses(
		() => values(new DataLoader(dataset, { batchSampler: { length: 1, batches: () => [[4]] } })),
		/index 4 is out of range/,
	);
	const mapped = new MapDataset(new Subset(dataset, [3]), () => [] as never);
	await refuses(() => values(new DataLoader(mapped)), /MapDataset's function must return a list of tensors.*empty list/);
});

test.run();
