/** The folder example at a small size: reads the files and beats guessing. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init } from 'wgrad';
import { readImageFolder } from 'wgrad/data';
import { makeFolder } from '../../examples/folder/synthetic';
import { SIDE, train } from '../../examples/folder/training';

test.before(async () => {
	await init({ device: 'webgpu' });
});

test('circles and squares', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'wgrad-folder-'));
	try {
		await makeFolder(folder, 80, 1);
		const images = await readImageFolder(folder, { size: SIDE, fit: 'cover', channels: 3, cache: true });
		assert.equal([images.length, ...images.classes], [160, 'circles', 'squares']);
		assert.ok(images.paths.some((path) => path.endsWith('.jpg')) && images.paths.some((path) => path.endsWith('.png')));
		const result = await train(images, { epochs: 10, batchSize: 16, lr: 0.005, seed: 1, device: 'webgpu' });
		assert.ok(result.auc > 0.55, `AUC ${result.auc}`);
		for (const share of [result.precision, result.recall, result.f1]) assert.ok(share >= 0 && share <= 1, `${share}`);
		assert.is(result.curve.fpr.at(-1), 1);
		assert.is(result.curve.tpr.at(-1), 1);
	} finally {
		await rm(folder, { recursive: true });
	}
});

test.run();
