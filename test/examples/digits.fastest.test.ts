/** MNIST with `fit` at a small size: 75 % after 30 steps; classes as numbers or as probabilities give the same losses. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { init, randn } from 'wgrad';
import { deepCnn } from '../../examples/digits/model';
import { loaded, type Settings, train } from '../../examples/digits/training';

test.before(async () => {
	await init({ device: 'webgpu' });
});

const SMALL: Settings = {
	model: 'small',
	targets: 'sparse',
	schedule: 'cosine',
	augment: false,
	epochs: 1,
	batchSize: 32,
	lr: 0.002,
	images: 960,
	testImages: 500,
	seed: 1,
	device: 'webgpu',
};

test('the small network learns with either kind of target', async () => {
	const sparse = await train(SMALL);
	assert.ok(sparse.accuracy > 0.75, `accuracy ${sparse.accuracy}`);
	const onehot = await train({ ...SMALL, targets: 'onehot' });
	const [first, second] = [sparse, onehot].map(({ history }) => history.epochs[0]!.loss);
	assert.ok(Math.abs(first! - second!) < 1e-4 * first!, `losses ${first}, ${second}`);
	assert.ok(Math.abs(sparse.accuracy - onehot.accuracy) <= 0.01, `accuracies ${sparse.accuracy}, ${onehot.accuracy}`);
});

test('augmentation and the one-cycle schedule work, and a saved network predicts the same', async () => {
	const few = { ...SMALL, images: 64, testImages: 100 };
	const folder = mkdtempSync(join(tmpdir(), 'wgrad-digits-'));
	const save = join(folder, 'digits.keras');
	const { history, model, accuracy } = await train({ ...few, schedule: 'onecycle', augment: true, save });
	const again = await loaded(save, few);
	rmSync(folder, { recursive: true });
	const x = randn([5, 1, 28, 28]);
	assert.equal(await again.model.eval().forward(x).toArray(), await model.eval().forward(x).toArray());
	assert.is(again.accuracy, accuracy);
	assert.ok(history.epochs[0]!.lr < 1e-5, `the last learning rate ${history.epochs[0]!.lr}`);
	assert.ok(Number.isFinite(history.epochs[0]!.loss));
});

test('the deeper network takes grey and colour images', () => {
	assert.equal(deepCnn().forward(randn([1, 1, 28, 28])).shape, [1, 10]);
	assert.equal(deepCnn({ channels: 3, side: 32, batchNorm: true, dropout: 0.5 }).forward(randn([2, 3, 32, 32])).shape, [2, 10]);
});

test.run();
