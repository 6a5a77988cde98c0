#!/usr/bin/env node
/**
 * Trains a generative adversarial network on MNIST and writes generated digits to a PNG file.
 *
 * The losses of a GAN do not measure its quality, so a third network judges it: a classifier trained on MNIST.
 */
import { noGrad, randn, tidy } from 'wgrad';
import { imageGrid, writePng } from 'wgrad/data';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { type Settings, train } from './training';

const SURE_GOAL: Goal = { figure: 'samples that the judge is sure of', atLeast: 30, unit: '%', digits: 1 };
const DIGITS_GOAL: Goal = { figure: 'digits that are 1 % of the samples or more', atLeast: 8, digits: 0 };
/** At 50 % the discriminator only guesses; at 100 % the generator learns nothing from it. */
const CRITIC_GOAL: Goal = { figure: "discriminator's accuracy", atLeast: 52, atMost: 98, unit: '%', digits: 1 };

const command = program('Trains a generative adversarial network on MNIST.', SURE_GOAL, DIGITS_GOAL, CRITIC_GOAL)
	.name('gan')
	.option('--latent <n>', 'random numbers that become one image', whole(1), 64)
	.option('--width <n>', 'channels of the largest layer of generator and discriminator', whole(1), 16)
	.option('--steps <n>', 'steps of training', whole(1), 600)
	.option('--batch-size <n>', 'images per step', whole(2, 60_000), 64)
	.option('--lr <x>', "Adam's learning rate, for both networks", number(1e-9, 1000), 0.001)
	.option('--judge-steps <n>', 'steps for which the judge is trained', whole(1), 600)
	.option('--judged <n>', 'samples that are judged', whole(1, 10_000), 1000)
	.option('--out <file>', 'where samples go', 'gan.png');

await run<Settings & { out: string }>(command, async ({ out, ...settings }) => {
	await startDevice(settings.device);
	const { generator, discriminatorAccuracy, samples, testImages } = await train(settings);
	using pictures = noGrad(() =>
		tidy(() =>
			generator
				.forward(randn([100, settings.latent]))
				.add(1)
				.div(2),
		),
	);
	await writePng(out, await imageGrid(pictures, { columns: 10 }));
	console.log(`${out}: 100 samples`);
	console.log(`the judge is sure of ${(100 * testImages.sure).toFixed(1)} % of MNIST's test images`);
	console.log(`samples by digit: ${samples.counts.map((count, digit) => `${digit}: ${count}`).join('  ')}`);
	mustReach(SURE_GOAL, 100 * samples.sure);
	mustReach(DIGITS_GOAL, samples.counts.filter((count) => count >= 0.01 * settings.judged).length);
	mustReach(CRITIC_GOAL, 100 * discriminatorAccuracy);
});
