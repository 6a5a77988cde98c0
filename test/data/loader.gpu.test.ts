/** DataLoader with WebGPU: batches of host arrays and of tensors on either device, moved to the requested device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, init, rand, type Tensor, tensor, tidy } from 'wgrad';
import { ArrayDataset, ConcatDataset, DataLoader, type Dataset, TensorDataset, type TensorList } from 'wgrad/data';
import { leftAlive } from './alive';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const SAMPLES = 11;
const pixels = Uint8Array.from({ length: SAMPLES * 6 }, (_, i) => (i * 29) % 256);
const labels = Int32Array.from({ length: SAMPLES }, (_, i) => 3 * i);

function tensorsOn(device: Device): Dataset {
	const images = tensor(Float32Array.from(pixels), { shape: [SAMPLES, 2, 3], device });
	return new TensorDataset(images, tensor(labels, { device }), tensor(labels, { device }).gt(9));
}

const arrays = new ArrayDataset({ data: pixels, shape: [SAMPLES, 2, 3], scale: 1 / 255, shift: -1 }, { data: labels });
const singles = (device: Device): Dataset => ({
	length: SAMPLES,
	get: (index) => [tensor([index, -index], { device }), tensor(index, { device, dtype: 'int32' })],
});

async function values(loop: AsyncIterable<TensorList>, device: Device): Promise<number[][]> {
	const batches: number[][] = [];
	for await (const fields of loop) {
		for (const field of fields) {
			assert.is(field.device, device);
			batches.push([...field.shape, ...(await field.data())]);
			field.dispose();
		}
	}
	return batches;
}

const sources: Record<string, (device: Device) => Dataset> = {
	'host arrays': () => arrays,
	tensors: tensorsOn,
	'single samples': singles,
	'several datasets': (device) => new ConcatDataset([tensorsOn(device), tensorsOn(device)]),
};

for (const [name, source] of Object.entries(sources)) {
	test(`${name}: the same batches on each device`, async () => {
		const options = { batchSize: 4, shuffle: true, seed: 7 };
		const expected = await values(new DataLoader(source('cpu'), { ...options, device: 'cpu' }), 'cpu');
		for (const own of ['cpu', 'webgpu'] as const) {
			for (const device of ['cpu', 'webgpu'] as const) {
				const alive = await leftAlive(async () => {
					const loader = new DataLoader(source(own), { ...options, device });
					assert.equal(await values(loader, device), expected);
				});
				// Only the dataset stays: four tensors, or eight.
				assert.ok(alive.length <= 8, `${alive.length} tensors are left`);
			}
		}
	});
}

test('host arrays go to the default device', async () => {
	const [[x] = []] = await Promise.all([arrays.batch([0])]);
	assert.is(x!.device, 'webgpu');
});

test('prefetching does not change the numbers of a training loop', async () => {
	const transform = ([x, y]: TensorList) => [x!.add(rand(x!.shape)), y!];
	const loader = (prefetch: number) => new DataLoader(arrays, { batchSize: 2, shuffle: true, seed: 3, prefetch, transform });
	const expected = (await values(loader(0), 'webgpu')).filter((_, i) => i % 2 === 0);
	const sums: Tensor[] = [];
	for await (const [x, y] of loader(3)) {
		sums.push(tidy(() => x!.add(1).sub(1).flatten()));
		x!.dispose();
		y!.dispose();
	}
	const found = await Promise.all(sums.map(async (sum) => Array.from(await sum.data())));
	for (const [i, batch] of found.entries()) {
		for (const [j, value] of batch.entries()) assert.ok(Math.abs(value - expected[i]![3 + j]!) < 1e-5);
	}
});

test.run();
