#!/usr/bin/env node
/** Trains an autoencoder on MNIST, or with --variational a generative one, and writes its images to a PNG file. */
import { cat, noGrad, randn, tidy } from 'wgrad';
import { imageGrid, writePng } from 'wgrad/data';
import { mnistDataset } from '../mnist/dataset';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { VariationalAutoencoder } from './model';
import { type Settings, train } from './training';

const PLAIN_GOAL: Goal = { figure: 'squared error of a test image', atMost: 6.5 };
const VARIATIONAL_GOAL: Goal = { figure: '-ELBO of a test image (--variational)', atMost: 110, unit: 'nats' };

/** Images per row of the PNG file. */
const COLUMNS = 10;

const command = program('Trains an autoencoder on MNIST.', PLAIN_GOAL, VARIATIONAL_GOAL)
	.name('autoencoder')
	.option('--variational', 'codes are distributions, so that codes drawn at random become new digits', false)
	.option('--latent <n>', 'numbers in the code of an image', whole(1, 784), 32)
	.option('--hidden <n>', 'units of the layer between pixels and code', whole(1), 400)
	.option('--epochs <n>', 'passes over the training images', whole(1), 6)
	.option('--batch-size <n>', 'images per step', whole(1, 60_000), 128)
	.option('--lr <x>', "Adam's learning rate at the start; it falls to 0 along half a cosine", number(1e-9, 1000), 0.002)
	.option('--images <n>', 'training images', whole(1, 60_000), 60_000)
	.option('--test-images <n>', 'test images', whole(1, 10_000), 10_000)
	.option('--out <file>', 'where the pictures go', 'autoencoder.png');

await run<Settings & { out: string }>(command, async ({ out, ...settings }) => {
	await startDevice(settings.device);
	const { model, testLoss } = await train(settings);
	using originals = mnistDataset('t10k', { limit: 5 * COLUMNS }).batch(
		Array.from({ length: 5 * COLUMNS }, (_, i) => i),
		settings.device,
	)[0]!;
	using pictures = noGrad(() =>
		tidy(() => {
			const reconstructed = model.forward(originals).images;
			// Alternates rows of originals and reconstructions.
			const pairs = originals.chunk(5).flatMap((row, i) => [row, reconstructed.narrow(0, i * COLUMNS, COLUMNS)]);
			if (!(model instanceof VariationalAutoencoder)) return cat(pairs);
			return cat([...pairs, model.decode(randn([10 * COLUMNS, settings.latent]))]);
		}),
	);
	await writePng(out, await imageGrid(pictures, { columns: COLUMNS }));
	console.log(
		`${out}: test images, each row above its reconstruction${settings.variational ? '; below them 100 images from random codes' : ''}`,
	);
	mustReach(settings.variational ? VARIATIONAL_GOAL : PLAIN_GOAL, testLoss);
});
