#!/usr/bin/env node
/** Trains a convolutional network on 32 x 32 colour images: CIFAR-10, a folder of images, or drawn images. */
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { cifar, imageFolder, type Source, synthetic } from './sources';
import { type Result, type Settings, train } from './training';

const GOAL: Goal = { figure: 'test accuracy on the drawn images', atLeast: 80, unit: '%', digits: 1 };

interface Options extends Settings {
	readonly cifar?: string;
	readonly images?: string;
	readonly count: number;
	readonly testCount: number;
}

function open({ cifar: files, images, count, testCount, seed }: Options): Source | Promise<Source> {
	if (files !== undefined) return cifar(files);
	return images !== undefined ? imageFolder(images, seed) : synthetic(count, testCount, seed);
}

/** Prints for each class the number of images, the recall and the most frequent wrong prediction. */
function printTable({ confusion }: Result, classes: readonly string[]): void {
	const width = Math.max(...classes.map((name) => name.length));
	console.log(`${'class'.padEnd(width)}  images  found  most often taken for`);
	confusion.forEach((row, label) => {
		const images = row.reduce((sum, count) => sum + count);
		const others = row.map((count, other) => (other === label ? 0 : count));
		const most = Math.max(...others);
		const taken = most === 0 ? '-' : `${classes[others.indexOf(most)]} (${most})`;
		const found = `${((100 * row[label]!) / images).toFixed(0)} %`;
		console.log(`${classes[label]!.padEnd(width)}  ${String(images).padStart(6)}  ${found.padStart(5)}  ${taken}`);
	});
}

const command = program('Trains a convolutional network on colour images of 32 x 32.', GOAL)
	.name('colours')
	.option('--cifar <folder>', "CIFAR-10's binary files, unpacked (default: draws shapes, each warm or cool)")
	.option('--images <folder>', 'a folder with a folder of PNG or JPEG files for each class; a fifth of them tests')
	.option('--count <n>', 'images to draw for training', whole(10), 5000)
	.option('--test-count <n>', 'images to draw for the test', whole(10), 1000)
	.option('--no-batch-norm', 'without batch normalisation')
	.option('--dropout <p>', 'the part of the units before the last layer that training switches off', number(0, 0.99), 0.2)
	.option('--weight-decay <x>', 'L2', number(0, 1), 1e-4)
	.option('--no-augment', 'without flips, crops and rotations of the training images')
	.option('--epochs <n>', 'passes over the training images', whole(1), 8)
	.option('--batch-size <n>', 'images per step', whole(2), 64)
	.option('--lr <x>', "Adam's learning rate at the start; it falls to 0 along half a cosine", number(1e-9, 1000), 0.002);

await run<Options>(command, async (options) => {
	await startDevice(options.device);
	const source = await open(options);
	console.log(`${source.train.length} images to train with, ${source.test.length} to test`);
	const result = await train(source, options);
	printTable(result, source.classes);
	const { trainAccuracy, testAccuracy } = result;
	console.log(`accuracy: ${(100 * trainAccuracy).toFixed(1)} % in training, ${(100 * testAccuracy).toFixed(1)} % in the test`);
	if (options.cifar === undefined && options.images === undefined) mustReach(GOAL, 100 * testAccuracy);
});
