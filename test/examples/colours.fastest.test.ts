/**
 * The colours example at a small size: beats guessing after a few steps, and reads CIFAR-10 files and image folders correctly.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init } from 'wgrad';
import { cifar, imageFolder, synthetic } from '../../examples/colours/sources';
import { CLASSES, colourSet } from '../../examples/colours/synthetic';
import { train } from '../../examples/colours/training';
import { makeFolder } from '../../examples/folder/synthetic';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('the network learns from drawn images', async () => {
	const result = await train(synthetic(480, 100, 1), {
		batchNorm: true,
		dropout: 0.2,
		weightDecay: 1e-4,
		augment: true,
		epochs: 1,
		batchSize: 32,
		lr: 0.002,
		seed: 1,
		device: 'webgpu',
	});
	assert.ok(result.testAccuracy > 0.15, `test accuracy ${result.testAccuracy}`);
	assert.equal(
		result.confusion.map((row) => row.reduce((sum, count) => sum + count)),
		CLASSES.map(() => 10),
	);
});

test('the drawn images depend only on the seed', () => {
	const [first, again, other] = [colourSet(10, 1), colourSet(10, 1), colourSet(10, 2)];
	assert.equal(first, again);
	assert.not.equal(first.pixels, other.pixels);
});

test("CIFAR-10's files", async () => {
	const { pixels, labels } = colourSet(12, 1);
	const records = Array.from(labels, (label, n) => [label, ...pixels.subarray(n * 3072, (n + 1) * 3072)]);
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-cifar-'));
	try {
		for (let n = 0; n < 6; n++) {
			const file = n < 5 ? `data_batch_${n + 1}.bin` : 'test_batch.bin';
			await writeFile(join(folder, file), Uint8Array.from(records.slice(2 * n, 2 * n + 2).flat()));
		}
		const source = await cifar(folder);
		assert.equal([source.train.length, source.test.length, source.classes.length], [10, 2, 10]);
		const [image, label] = await source.test.get(1, 'cpu');
		assert.is(await label!.item(), labels[11]!);
		assert.equal(image!.shape, [3, 32, 32]);
		const values = await image!.mul(255).round().data();
		assert.equal(Array.from(values), Array.from(pixels.subarray(11 * 3072)));
	} finally {
		await rm(folder, { recursive: true });
	}
});

test('a folder of images', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-images-'));
	try {
		await makeFolder(folder, 5, 1);
		const source = await imageFolder(folder, 1);
		assert.equal([source.train.length, source.test.length, ...source.classes], [8, 2, 'circles', 'squares']);
		const [image] = await source.train.get(0, 'cpu');
		assert.equal(image!.shape, [3, 32, 32]);
	} finally {
		await rm(folder, { recursive: true });
	}
});

test.run();
