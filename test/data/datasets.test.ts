/** Datasets: their samples, devices, and errors for wrong calls. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Tensor, tensor } from 'wgrad';
import { ArrayDataset, ConcatDataset, type Dataset, MapDataset, Subset, TensorDataset, type TensorList } from 'wgrad/data';
import { ArgumentError, DTypeError, ShapeError } from '../../src/core/errors';
import { leftAlive } from './alive';
import { refuses } from './refuses';

async function numbers(x: Tensor): Promise<number[]> {
	return Array.from(await x.data());
}

/** The batch that `batch` returns. It must hold the samples that `get` returns. */
async function batchOf(dataset: Dataset, indices: readonly number[]): Promise<TensorList> {
	const fields = await dataset.batch!(indices);
	for (const [i, index] of indices.entries()) {
		const sample = await dataset.get(index);
		for (const [j, field] of sample.entries()) {
			assert.equal(await numbers(fields[j]!.select(0, i)), await numbers(field));
			assert.equal(fields[j]!.shape, [indices.length, ...field.shape]);
			assert.is(fields[j]!.dtype, field.dtype);
		}
	}
	return fields;
}

test('TensorDataset', async () => {
	const x = tensor([
		[1, 2],
		[3, 4],
		[5, 6],
	]);
	const y = tensor([7, 8, 9], { dtype: 'int32' });
	const dataset = new TensorDataset(x, y, x.gt(2));
	assert.is(dataset.length, 3);
	const [a, b, c] = await batchOf(dataset, [2, 0, 2]);
	assert.equal(await a!.toArray(), [
		[5, 6],
		[1, 2],
		[5, 6],
	]);
	assert.equal(await numbers(b!), [9, 7, 9]);
	assert.is(c!.dtype, 'bool');
	assert.equal(a!.shape, [3, 2]);
	await batchOf(new TensorDataset(x.transpose(0, 1), x.narrow(0, 1, 2)), [1, 0]);
	assert.equal((await batchOf(dataset, []))[0]!.shape, [0, 2]);
	// Changes to a batch or sample do not reach the data.
	const [sample] = await dataset.get(0);
	sample!.fill_(0);
	a!.fill_(0);
	assert.equal(await numbers(x), [1, 2, 3, 4, 5, 6]);
	await refuses(() => dataset.get(3), /TensorDataset: index 3 is out of range for 3 samples/);
	await refuses(() => dataset.batch([0, -1]), /index -1 is out of range/);
	await refuses(() => new TensorDataset(), /at least one tensor/);
	await refuses(() => new TensorDataset([1] as never), /argument 0 must be a tensor/);
	await refuses(() => new TensorDataset(x, tensor([1, 2])), /equal numbers of samples along dim 0: \[3, 2\], \[2\]/, ShapeError);
});

test('ArrayDataset: scale and shift make elements floating', async () => {
	const data = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
	const dataset = new ArrayDataset(
		{ data, shape: [3, 2, 2], scale: 1 / 255, shift: -0.5 },
		{ data: [3, 1, 2], dtype: 'int32' },
		{ data, shape: [3, 4] },
		{ data: Float64Array.of(0.1, 0.2, 0.3) },
		{ data: Int32Array.of(5, 6, 7) },
		{ data: Int8Array.of(-1, 0, 3), dtype: 'bool' },
		{ data: [0.5, 1.5, 2.5], scale: 2 },
		{ data: Int16Array.of(-4, 5, 300), scale: 0.5, shift: 1, dtype: 'float64' },
		{ data: Uint8ClampedArray.of(1, 2, 3), shift: 0.25, dtype: 'float64' },
	);
	assert.is(dataset.length, 3);
	const fields = await batchOf(dataset, [2, 0]);
	assert.equal(
		fields.map((field) => field.dtype),
		['float32', 'int32', 'float32', 'float64', 'int32', 'bool', 'float32', 'float64', 'float64'],
	);
	const expected = [8, 9, 10, 11, 0, 1, 2, 3].map((i) => Math.fround((20 * i) / 255 - 0.5));
	for (const [i, value] of (await numbers(fields[0]!)).entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-7);
	assert.equal(await numbers(fields[1]!), [2, 3]);
	assert.equal(await numbers(fields[2]!), [160, 180, 200, 220, 0, 20, 40, 60]);
	assert.equal(await numbers(fields[3]!), [0.3, 0.1]);
	assert.equal(await numbers(fields[5]!), [1, 1]);
	assert.equal(await numbers(fields[6]!), [5, 1]);
	assert.equal(await numbers(fields[7]!), [151, -1]);
	assert.equal(await numbers(fields[8]!), [3.25, 1.25]);
	const empty = new ArrayDataset({ data: [], shape: [0, 5] });
	assert.equal([empty.length, empty.batch([])[0]!.shape], [0, [0, 5]]);
});

test('ArrayDataset: wrong calls', async () => {
	const make = (array: object) => () => new ArrayDataset(array as never);
	await refuses(() => new ArrayDataset(), /at least one/);
	await refuses(make({ data: 'abc' }), /array 0 must be \{ data.*not string/);
	await refuses(make({ data: BigInt64Array.of(1n) }), /BigInt64Array; .*Int32Array.from/, DTypeError);
	await refuses(
		make({ data: [1, 2, 3], shape: [2] }),
		/shape \[2\] needs 2 elements, but the data has 3.*\[samples, ...\]/,
		ShapeError,
	);
	await refuses(make({ data: [1], shape: [] }), /shape \[\]/, ShapeError);
	await refuses(make({ data: [1], dtype: 'uint16' }), /dtype must be one of .* not 'uint16'/, DTypeError);
	await refuses(make({ data: [1, 1.5], dtype: 'int32' }), /element 1 is 1.5, which int32 cannot hold/, DTypeError);
	await refuses(make({ data: [1], dtype: 'int32', scale: 2 }), /scale and shift need a floating dtype/, DTypeError);
	await refuses(make({ data: Int32Array.of(1), shift: 1 }), /scale and shift need a floating dtype/, DTypeError);
	await refuses(make({ data: [1], scale: Number.NaN }), /scale must be a finite number, not NaN/);
	await refuses(() => new ArrayDataset({ data: [1] }, { data: [1, 2] }), /equal numbers of samples, not 1, 2/, ShapeError);
	await refuses(() => new ArrayDataset({ data: [1] }).get(1), /index 1 is out of range for 1 samples/);
});

test('Subset, of a dataset with batches and of one without', async () => {
	const whole = new ArrayDataset({ data: [10, 11, 12, 13] });
	const single: Dataset = { length: 4, get: (index) => whole.get(index) };
	for (const dataset of [whole, single]) {
		const subset = new Subset(dataset, [3, 1, 1]);
		assert.is(subset.length, 3);
		assert.equal(await numbers((await batchOf(subset, [2, 0]))[0]!), [11, 13]);
		assert.equal(await numbers((await new Subset(subset, [1, 0]).get(1))[0]!), [13]);
	}
	await refuses(() => new Subset(whole, [4]), /Subset: index 4 is out of range for 4 samples/);
	await refuses(() => new Subset(whole, [0.5]), /index 0.5/);
	await refuses(() => new Subset(whole, [1]).get(1), /index 1 is out of range for 1 samples/);
	await refuses(() => new Subset(whole, [1]).batch([1]), /index 1 is out of range for 1 samples/);
	await refuses(() => new Subset(null as never, [1]), /Subset: not a dataset/);
});

test('ConcatDataset keeps the requested order', async () => {
	const data = (start: number, n: number) => ({ data: Float32Array.from({ length: 2 * n }, (_, i) => start + i), shape: [n, 2] });
	const slow: Dataset = { length: 1, get: async () => [tensor([200, 201])] };
	const parts = [new ArrayDataset(data(0, 3)), new TensorDataset(tensor([[100, 101]])), slow];
	const dataset = new ConcatDataset([new ArrayDataset({ data: [], shape: [0, 2] }), ...parts]);
	assert.is(dataset.length, 5);
	for (const indices of [[4, 0, 3, 2], [1, 2], [3], [2, 3, 1], [0, 1, 2, 3, 4, 0]]) await batchOf(dataset, indices);
	assert.equal(await numbers((await dataset.batch([4, 0, 3]))[0]!), [200, 201, 0, 1, 100, 101]);
	const alive = await leftAlive(async () => (await dataset.batch([0, 3, 4]))[0]!.dispose());
	assert.is(alive.length, 0);
	await refuses(() => new ConcatDataset([]), /at least one dataset/);
	await refuses(() => dataset.get(5), /index 5 is out of range for 5 samples/);
	const uneven = new ConcatDataset([new ArrayDataset({ data: [1] }), new ArrayDataset({ data: [1] }, { data: [2] })]);
	await refuses(() => uneven.batch([0, 1]), /have 1, those of another 2 fields/);
});

test('MapDataset maps samples or batches, synchronously or asynchronously', async () => {
	const whole = new ArrayDataset({ data: [1, 2, 3] }, { data: [4, 5, 6] });
	const double = ([x, y]: TensorList) => [x!.mul(2), y!];
	for (const fn of [double, async (fields: TensorList) => double(fields)]) {
		const single = new MapDataset(whole, fn);
		assert.is(single.batch, undefined);
		assert.is(single.length, 3);
		const sample = await single.get(1);
		assert.equal(await Promise.all(sample.map((x) => x.item())), [4, 5]);
		const mapped = new MapDataset(whole, fn, { batched: true });
		const batch = await batchOf(mapped, [2, 0]);
		assert.equal(await numbers(batch[0]!), [6, 2]);
	}
	const failing = [
		() => {
			throw new Error('no');
		},
		async () => {
			throw new Error('no');
		},
	];
	for (const fn of failing) {
		const alive = await leftAlive(() => refuses(() => new MapDataset(whole, fn).get(0), /no/, Error));
		assert.is(alive.length, 0);
	}
	await refuses(() => new MapDataset(whole, 3 as never), /fn must be a function/);
	await refuses(() => new MapDataset(whole, double).get(3), /index 3 is out of range/, ArgumentError);
});

test.run();
