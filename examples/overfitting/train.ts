#!/usr/bin/env node
/**
 * Shows overfitting of one network on a few hundred images of MNIST, and compares the cures.
 *
 * The network has hundreds of weights per image, so plain training memorizes the images: the training loss falls to zero while the test
 * loss rises again. Every row of the table starts from the same seed and changes one thing. Longer training undoes some cures: dropout only
 * delays memorization.
 */
import { crossEntropy, type Device, manualSeed, optim } from 'wgrad';
import { type Dataset, Subset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { EarlyStopping, evaluate, fit, type History } from 'wgrad/train';
import { mnistDataset } from '../mnist/dataset';
import { type Goal, mustReach, number, program, run, startDevice, whole } from '../program';
import { type Layers, network } from './model';

const GOAL: Goal = { figure: 'largest test loss with a cure, as a share of that without', atMost: 0.95, digits: 4 };

interface Settings {
	readonly device: Device;
	readonly seed: number;
	readonly epochs: number;
	readonly limit: number;
	readonly testLimit: number;
	readonly reach: number;
}

interface Cure extends Layers {
	readonly name: string;
	readonly l1?: number;
	readonly weightDecay?: number;
	readonly earlyStopping?: boolean;
}

const CURES: readonly Cure[] = [
	{ name: 'none' },
	{ name: 'L1', l1: 3e-4 },
	{ name: 'L2', weightDecay: 1e-2 },
	// The rates that Srivastava et al. 2014 recommend.
	{ name: 'dropout', dropout: [0.2, 0.5] },
	{ name: 'batch norm', norm: true },
	{ name: 'early stopping', earlyStopping: true },
];

async function main({ device, seed, epochs, limit, testLimit, reach }: Settings): Promise<void> {
	await startDevice(device);
	const images = mnistDataset('train', { limit: 2 * limit });
	const part = (first: number) =>
		new Subset(
			images,
			Int32Array.from({ length: limit }, (_, i) => first + i),
		);
	const [train, validation] = [part(0), part(limit)];
	const test = mnistDataset('t10k', { limit: testLimit });
	const row = (...cells: string[]) =>
		console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(16) : cell.padStart(16))).join(''));
	row('cure', 'epochs', 'training loss', 'test loss', 'training acc.', 'test acc.');
	const losses = new Map<string, number>();
	for (const cure of CURES) {
		manualSeed(seed);
		const model = network(cure);
		const { l1 = 0, weightDecay = 0 } = cure;
		const history: History = await fit(model, train, {
			loss: crossEntropy,
			optimizer: new optim.Adam(model.parameters(), { lr: 0.001, l1, weightDecay }),
			epochs,
			batchSize: 32,
			...(cure.earlyStopping && {
				validationData: validation,
				callbacks: [new EarlyStopping({ monitor: 'valLoss', patience: 5, restoreBest: true })],
			}),
			verbose: 0,
		});
		const measure = (data: Dataset) =>
			evaluate(model, data, { loss: crossEntropy, metrics: { accuracy: new Accuracy() }, batchSize: 500 });
		const [learned, unseen] = [await measure(train), await measure(test)];
		losses.set(cure.name, unseen.loss);
		const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
		const figures = [learned.loss.toFixed(4), unseen.loss.toFixed(4), percent(learned.accuracy), percent(unseen.accuracy)];
		row(cure.name, String(history.epochs.length), ...figures);
	}
	const plain = losses.get('none')!;
	const cured = [...losses].filter(([name]) => name !== 'none').map(([, loss]) => loss / plain);
	mustReach({ ...GOAL, atMost: reach }, Math.max(...cured));
}

const command = program('Overfits a small network to a few images of MNIST, and compares the cures in one table.', GOAL)
	.name('overfitting')
	.option('--epochs <n>', 'passes over the training images', whole(1), 40)
	.option('--limit <n>', 'training images; as many others decide when to stop early', whole(32, 30_000), 300)
	.option('--test-limit <n>', 'test images', whole(100, 10_000), 2000)
	.option('--reach <x>', 'by how much every cure must lower the test loss: its share of the plain one', number(0), GOAL.atMost);
await run<Settings>(command, main);
