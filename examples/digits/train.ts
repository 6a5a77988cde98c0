#!/usr/bin/env node
/** Trains a small or a deeper network on all of MNIST with `fit`. For the same loop written out, see examples/mnist/train.ts. */
import { type Goal, mustReach, number, oneOf, program, run, startDevice, whole } from '../program';
import { loaded, type Settings, train } from './training';

const GOALS = {
	small: { figure: 'test accuracy of the small network', atLeast: 98.5, unit: '%' },
	deep: { figure: 'test accuracy of the deep network', atLeast: 99, unit: '%' },
} as const satisfies Record<string, Goal>;

const command = program('Trains a convolutional network on MNIST by fit.', GOALS.small, GOALS.deep)
	.name('digits')
	.option('--model <name>', 'small: Conv 32, Linear 128; deep: Conv 32, 64, 64, Linear 64', oneOf('small', 'deep'), 'small')
	.option('--targets <kind>', 'sparse: classes; onehot: probabilities, for the same losses', oneOf('sparse', 'onehot'), 'sparse')
	.option('--schedule <name>', 'of the learning rate', oneOf('cosine', 'onecycle', 'constant'), 'cosine')
	.option('--augment', 'move the training images by up to two pixels', false)
	.option('--epochs <n>', 'passes over the training images', whole(1), 5)
	.option('--batch-size <n>', 'images per step', whole(1, 60_000), 64)
	.option('--lr <x>', "Adam's learning rate, at its highest", number(1e-9, 1000), 0.002)
	.option('--images <n>', 'training images', whole(1, 60_000), 60_000)
	.option('--test-images <n>', 'test images', whole(1, 10_000), 10_000)
	.option('--save <file>', 'save the trained network for Keras: digits.keras or digits.h5')
	.option('--load <file>', 'test the network in a file of --save instead of training one');

await run<Settings & { load?: string }>(command, async (settings) => {
	await startDevice(settings.device);
	const { accuracy } = settings.load === undefined ? await train(settings) : await loaded(settings.load, settings);
	mustReach(GOALS[settings.model], 100 * accuracy);
});
