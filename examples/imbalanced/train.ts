#!/usr/bin/env node
/**
 * Learns a rare class: removes most eights from MNIST, then trains plainly, with class weights, and with weighted sampling.
 *
 * The plain network does best if it rarely predicts 'eight', because the few eights contribute little to the loss. Class weights make each
 * eight count as much as many others; weighted sampling shows each one more often. The test set is complete, with the usual number of
 * eights.
 */
import { crossEntropy, type Device, manualSeed, optim } from 'wgrad';
import { DataLoader, Subset, WeightedRandomSampler } from 'wgrad/data';
import { Accuracy, ConfusionMatrix } from 'wgrad/metrics';
import { evaluate, type FitOptions, fit } from 'wgrad/train';
import { readMnist } from '../mnist/data';
import { mnistDataset } from '../mnist/dataset';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { hiddenLayer } from './model';

const GOAL: Goal = { figure: 'gain in F1 of the rare class', atLeast: 0.1, digits: 4 };

interface Settings {
	readonly device: Device;
	readonly seed: number;
	readonly epochs: number;
	readonly limit: number;
	readonly testLimit: number;
	readonly rare: number;
	readonly keep: number;
	readonly reach: number;
}

const CLASSES = 10;
const BATCH = 64;

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** Returns the indices of all samples, but only the first `keep` of the rare class. */
function thinOut(labels: Uint8Array, rare: number, keep: number): number[] {
	let seen = 0;
	return [...labels.keys()].filter((i) => labels[i] !== rare || seen++ < keep);
}

async function main({ device, seed, epochs, limit, testLimit, rare, keep, reach }: Settings): Promise<void> {
	await startDevice(device);
	const labels = readMnist('train').labels.subarray(0, limit);
	const places = thinOut(labels, rare, keep);
	const train = new Subset(mnistDataset('train', { limit }), places);
	const test = mnistDataset('t10k', { limit: testLimit });
	const counts = new Array<number>(CLASSES).fill(0);
	for (const place of places) counts[labels[place]!]!++;
	console.log(`${train.length} images to train with, of which ${counts[rare]} are of class ${rare}`);

	// Equal total weight for each class: N / (classes * N of the class), scikit-learn's 'balanced'.
	const balanced = counts.map((count) => train.length / (CLASSES * Math.max(count, 1)));
	const sampler = new WeightedRandomSampler(
		places.map((place) => balanced[labels[place]!]!),
		train.length,
	);
	const shuffled = () => new DataLoader(train, { batchSize: BATCH, shuffle: true });
	const cures: [name: string, loader: () => DataLoader, options: Pick<FitOptions, 'classWeight'>][] = [
		['none', shuffled, {}],
		['class weights', shuffled, { classWeight: balanced }],
		['weighted sampling', () => new DataLoader(train, { batchSize: BATCH, sampler }), {}],
	];
	const results = new Map<string, number>();
	const row = (...cells: string[]) =>
		console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(20) : cell.padStart(12))).join(''));
	row('cure', 'precision', 'recall', 'F1', 'accuracy');
	for (const [name, loader, options] of cures) {
		manualSeed(seed);
		const model = hiddenLayer(CLASSES);
		const optimizer = new optim.Adam(model.parameters(), { lr: 0.001 });
		await fit(model, loader(), { loss: crossEntropy, optimizer, epochs, verbose: 0, ...options });
		const metrics = { confusion: new ConfusionMatrix({ numClasses: CLASSES }), accuracy: new Accuracy() };
		const { confusion, accuracy } = await evaluate(model, test, { loss: crossEntropy, metrics, batchSize: 500 });
		const hits = confusion[rare]![rare]!;
		const precision = hits / Math.max(1, sum(confusion.map((line) => line[rare]!)));
		const recall = hits / Math.max(1, sum(confusion[rare]!));
		const f1 = (2 * precision * recall) / Math.max(precision + recall, Number.MIN_VALUE);
		results.set(name, f1);
		row(name, precision.toFixed(4), recall.toFixed(4), f1.toFixed(4), accuracy.toFixed(4));
	}
	const gain = Math.min(results.get('class weights')!, results.get('weighted sampling')!) - results.get('none')!;
	mustReach({ ...GOAL, atLeast: reach }, gain);
}

const command = program('Learns MNIST with a rare class: plainly, with class weights, with weighted sampling.', GOAL)
	.name('imbalanced')
	.option('--epochs <n>', 'passes over the training images, with each cure', whole(1), 3)
	.option('--limit <n>', 'training images before the rare class is thinned out', whole(100, 60_000), 20_000)
	.option('--test-limit <n>', 'test images', whole(100, 10_000), 10_000)
	.option('--rare <class>', 'the class that becomes rare', whole(0, CLASSES - 1), 8)
	.option('--keep <n>', 'how many images of it are kept', whole(1, 6000), 20)
	.option('--reach <x>', 'the gain in F1 that both cures must reach', number(-1, 1), GOAL.atLeast);
await run<Settings>(command, main);
