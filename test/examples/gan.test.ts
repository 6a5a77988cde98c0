/** The GAN example at a small size: the discriminator beats guessing, the generator's pixels are in range, the judge classifies digits. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { noGrad, randn } from 'wgrad';
import { train } from '../../examples/gan/training';

test('generator and discriminator train each other, and the judge knows real digits', async () => {
	const latent = 8;
	const result = await train({
		latent,
		width: 2,
		steps: 40,
		batchSize: 16,
		lr: 0.002,
		judgeSteps: 120,
		judged: 100,
		seed: 1,
		device: 'cpu',
	});
	assert.ok(result.discriminatorAccuracy > 0.6, `discriminator's accuracy ${result.discriminatorAccuracy}`);
	assert.ok(result.testImages.sure > 0.25, `sure of ${result.testImages.sure} of the test images`);
	assert.ok(result.testImages.counts.filter((count) => count > 0).length >= 8, `${result.testImages.counts}`);
	const counted = result.samples.counts.reduce((sum, count) => sum + count) / 100;
	assert.ok(Math.abs(result.samples.sure - counted) < 1e-9);
	const images = noGrad(() => result.generator.forward(randn([2, latent])));
	assert.equal(images.shape, [2, 1, 28, 28]);
	assert.ok((await images.data()).every((value) => Math.abs(value) <= 1));
});

test.run();
