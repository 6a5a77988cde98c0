/** Both autoencoders at a small size: squared error and -ELBO of unseen images fall far below those of an untrained network. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randn, zeros } from 'wgrad';
import { VariationalAutoencoder } from '../../examples/autoencoder/model';
import { type Settings, train } from '../../examples/autoencoder/training';

const SMALL: Omit<Settings, 'variational'> = {
	latent: 8,
	hidden: 32,
	epochs: 2,
	batchSize: 16,
	lr: 0.008,
	images: 960,
	testImages: 200,
	seed: 1,
	device: 'cpu',
};

test('the autoencoder reconstructs images', async () => {
	const { model, testLoss } = await train({ ...SMALL, variational: false });
	// A grey image gives 100, the mean image 52.
	assert.ok(testLoss < 50, `squared error ${testLoss}`);
	assert.equal(model.forward(zeros([2, 1, 28, 28])).images.shape, [2, 1, 28, 28]);
});

test('the variational autoencoder bounds the likelihood, and draws images from random codes', async () => {
	const { model, testLoss } = await train({ ...SMALL, variational: true });
	// Random pixels give 543, the mean image 206.
	assert.ok(testLoss < 206, `-ELBO ${testLoss}`);
	assert.ok(model instanceof VariationalAutoencoder);
	const samples = await model.decode(randn([3, SMALL.latent])).data();
	assert.is(samples.length, 3 * 28 * 28);
	assert.ok(samples.every((value) => value >= 0 && value <= 1));
});

test.run();
