/** Indexing beyond the database: operations that wait for the device, integer results, repeatability, and memory safety. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
	bincount,
	type Device,
	embedding,
	gather,
	grad,
	indexSelect,
	init,
	maskedSelect,
	nonzero,
	scatter,
	scatterAdd,
	type Tensor,
	tensor,
	topk,
	unique,
	zeros,
} from 'wgrad';
import { assertRejects } from '../train/setting';

test.before(async () => {
	await init({ device: 'webgpu' });
});

function onBoth(name: string, run: (device: Device) => Promise<void>): void {
	for (const device of ['cpu', 'webgpu'] as const) test(`${name} on ${device}`, () => run(device));
}

const int = (values: readonly number[], device: Device) => tensor(values, { dtype: 'int32', device });

/** The elements of a tensor computed with an index out of range; the first read throws the error of the index. */
async function afterReport(x: Tensor): Promise<unknown> {
	await assertRejects(() => x.data(), /is out of range/);
	return x.toArray();
}

/** `count` integers below `below`, deterministic and without a pattern in memory. */
function scattered(count: number, below: number): number[] {
	return Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) % below);
}

onBoth('nonzero gives coordinates in row-major order', async (device) => {
	const x = tensor([0, 1, 2, 0, 0, 3], { shape: [2, 3], device });
	assert.equal(await (await nonzero(x)).toArray(), [
		[0, 1],
		[0, 2],
		[1, 2],
	]);
	assert.equal((await nonzero(zeros([0, 3], { device }))).shape, [0, 2]);
	assert.equal((await nonzero(zeros([3, 2, 1], { device }))).shape, [0, 3]);
	assert.equal(await (await nonzero(x.transpose(0, 1))).toArray(), [
		[1, 0],
		[2, 0],
		[2, 1],
	]);
});

onBoth('maskedSelect broadcasts and is differentiable', async (device) => {
	const x = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], device }).requiresGrad_();
	const mask = tensor([1, 0, 1], { dtype: 'bool', device });
	const chosen = await maskedSelect(x, mask);
	assert.equal(await chosen.toArray(), [1, 3, 4, 6]);
	chosen.mul(chosen).sum().backward();
	assert.equal(await x.grad!.toArray(), [
		[2, 0, 6],
		[8, 0, 12],
	]);
	assert.equal((await maskedSelect(x, x.lt(0))).shape, [0]);
});

onBoth('bincount counts, weighs and pads', async (device) => {
	const x = int([1, 3, 1, 0], device);
	assert.equal(await (await bincount(x)).toArray(), [1, 2, 0, 1]);
	assert.equal(await (await bincount(x, { minlength: 6 })).toArray(), [1, 2, 0, 1, 0, 0]);
	assert.equal(await (await bincount(x, { weights: tensor([0.5, 2, 0.25, 1], { device }) })).toArray(), [1, 0.75, 0, 2]);
	assert.equal((await bincount(int([], device))).shape, [0]);
	let message = '';
	await bincount(int([-1], device)).catch((error: Error) => {
		message = error.message;
	});
	assert.match(message, /bincount: -1 is below 0/);
});

onBoth('the padding row of a lookup receives no gradient', async (device) => {
	const weight = zeros([3, 4], { device }).requiresGrad_();
	embedding(int([0, 2, 2, 1, 2], device), weight, { paddingIdx: -1 })
		.sum()
		.backward();
	assert.equal(await weight.grad!.toArray(), [
		[1, 1, 1, 1],
		[1, 1, 1, 1],
		[0, 0, 0, 0],
	]);
});

// Small tables are scanned, others use sorted indices.
for (const [rows, count] of [
	[5, 70],
	[65, 2016],
	[66, 2016],
	[3, 4097],
	[5000, 300],
] as const) {
	for (const columns of [1, 6, 8]) {
		test(`the gradient of ${count} lookups in ${rows} x ${columns} is the CPU's, and zero for rows out of range`, async () => {
			const places = scattered(count, rows + 2).map((place) => place - 1);
			const gradients = await Promise.all(
				(['cpu', 'webgpu'] as const).map((device) => {
					const weight = zeros([rows, columns], { device }).requiresGrad_();
					const given = tensor(
						scattered(count * columns, 64).map((v) => v - 30),
						{ shape: [count, columns], device },
					);
					// The CPU rejects rows out of range, so there they take part with weight 0.
					const inside = places.map((place) => (place >= 0 && place < rows ? 1 : 0));
					const factors = tensor(inside, { device }).unsqueeze(1);
					const index = int(device === 'cpu' ? places.map((place, i) => place * inside[i]!) : places, device);
					embedding(index, weight, { paddingIdx: 1 }).backward(device === 'cpu' ? given.mul(factors) : given);
					return device === 'webgpu' && inside.includes(0) ? afterReport(weight.grad!) : weight.grad!.toArray();
				}),
			);
			assert.equal(gradients[1], gradients[0], 'whole numbers add up exactly');
		});
	}
}

test('sums by index have the same bits every time, also with thousands of equal indices', async () => {
	const n = 20_000;
	const values = tensor(
		scattered(n, 1000).map((v) => v / 7 - 71),
		{ device: 'webgpu' },
	);
	for (const below of [1, 3, 70, 9000]) {
		const index = int(scattered(n, below), 'webgpu');
		const sums = () => scatterAdd(zeros([below], { device: 'webgpu' }), 0, index, values).data();
		const first = await sums();
		assert.equal(await sums(), first);
		const exact = new Float64Array(below);
		const data = await values.data();
		for (const [i, place] of scattered(n, below).entries()) exact[place]! += data[i]!;
		for (let i = 0; i < below; i++)
			assert.ok(Math.abs(first[i]! - exact[i]!) <= 1e-3 + 1e-5 * Math.abs(exact[i]!), `${below}: ${first[i]} for ${exact[i]}`);
	}
});

test('on the GPU an index out of range reads inside the tensor and writes nothing', async () => {
	const x = tensor([10, 20, 30], { device: 'webgpu' });
	const index = int([-5, 1, 99], 'webgpu');
	const source = tensor([1, 2, 3], { device: 'webgpu' });
	assert.equal(await afterReport(gather(x, 0, index)), [10, 20, 30]);
	assert.equal(await afterReport(indexSelect(x, 0, index)), [10, 20, 30]);
	assert.equal(await afterReport(scatterAdd(x, 0, index, source)), [10, 22, 30]);
	assert.equal(await afterReport(scatter(x, 0, index, source)), [10, 2, 30]);
	assert.equal(await afterReport(scatter(x, 0, index, source, { reduce: 'multiply' })), [10, 40, 30]);
});

onBoth('values and indices can be read by name or by position', async (device) => {
	const x = tensor([1, 5, 3], { device });
	const { values, indices } = topk(x, 2);
	const [first, second]: readonly Tensor[] = topk(x, 2);
	assert.equal(await values.toArray(), [5, 3]);
	assert.equal(await indices.toArray(), [1, 2]);
	assert.equal(await first!.toArray(), [5, 3]);
	assert.equal(await second!.toArray(), [1, 2]);
});

onBoth('factors that are 0 have their gradients when scatter multiplies', async (device) => {
	const x = tensor([2, 3, -1], { device, requiresGrad: true });
	const source = tensor([0, 2, 3, 0, 0, 4, -2], { device, requiresGrad: true });
	const y = scatter(x, 0, int([0, 0, 0, 1, 1, 1, 2], device), source, { reduce: 'multiply' });
	assert.equal(await y.toArray(), [0, 0, 2]);
	const [dx, dSource] = grad(y.sum(), [x, source]);
	assert.equal(await dx!.toArray(), [0, 0, -2]);
	// A single zero at an index gets the product of the other values; two zeros both get a gradient of 0.
	assert.equal(await dSource!.toArray(), [12, 0, 0, 0, 0, 0, -1]);
});

onBoth('unique gives ascending values, their counts, and where each element went', async (device) => {
	const x = tensor([3, 1, 2, 3, 1, 3], { shape: [2, 3], dtype: 'int32', device });
	assert.equal(await (await unique(x)).toArray(), [1, 2, 3]);
	const { values, inverse, counts } = await x.transpose(0, 1).unique({ returnInverse: true, returnCounts: true });
	assert.equal(await values.toArray(), [1, 2, 3]);
	assert.equal(await inverse!.toArray(), [
		[2, 2],
		[0, 0],
		[1, 2],
	]);
	assert.equal(await counts!.toArray(), [2, 1, 3]);
	assert.equal(await (await unique(tensor([Number.NaN, 0, Number.NaN, -1], { device }))).toArray(), [
		-1,
		0,
		Number.NaN,
		Number.NaN,
	]);
	assert.equal((await unique(zeros([0], { device }))).shape, [0]);
	const columns = tensor([1, 0, 1, 2, 5, 2], { shape: [2, 3], device });
	const along = await unique(columns, { dim: 1, returnInverse: true });
	assert.equal(await along.values.toArray(), [
		[0, 1],
		[5, 2],
	]);
	assert.equal(await along.inverse!.toArray(), [1, 0, 1]);
	assert.is(along.counts, null);
});

onBoth('index takes a mask by its coordinates, and indexPut_ writes through a view', async (device) => {
	const x = tensor([0, 5, 0, 7, 8, 0], { shape: [2, 3], device });
	const places = await nonzero(x, { asTuple: true });
	assert.equal(await x.index(places).toArray(), [5, 7, 8]);
	const y = zeros([2, 3], { device });
	assert.is(y.indexPut_([':', [0, -1]], tensor([[1], [2]], { device })), y);
	y.select(0, 1).indexPut_([[0, 0, 1]], 10, { accumulate: true });
	y.indexPut_([x.gt(6)], -1);
	assert.equal(await y.toArray(), [
		[1, 0, 1],
		[-1, -1, 2],
	]);
	const leaf = tensor([1, 2, 3], { device, requiresGrad: true });
	const doubled = leaf.mul(2);
	doubled.indexPut_([[1]], leaf.narrow(0, 2, 1));
	const [gradient] = grad(doubled.sum(), leaf);
	assert.equal(await gradient!.toArray(), [2, 0, 3]);
});

test.run();
