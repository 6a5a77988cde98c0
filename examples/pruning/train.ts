#!/usr/bin/env node
/**
 * Prunes the digits network step by step, and draws the accuracy by sparsity as an SVG picture: elements by value, and whole channels, which
 * `slim` then removes. The weights come from `npm start`; without them, the program trains the network first.
 */
import { writeFile } from 'node:fs/promises';
import { crossEntropy, type Device, nn, noGrad, optim, type Tensor, tidy, zeros } from 'wgrad';
import { DataLoader } from 'wgrad/data';
import { fit } from 'wgrad/train';
import { trainedDigits } from '../digits/training';
import { accuracyOf } from '../mnist/accuracy';
import { Mnist } from '../mnist/data';
import { mnistDataset, NORMALISED } from '../mnist/dataset';
import { mnistCnn } from '../mnist/model';
import { type Goal, mustReach, program, run, startDevice, whole } from '../program';
import { masked, pruneChannels, weighted } from './model';

const GOAL: Goal = { figure: 'accuracy lost with 80 % of the weights pruned', atMost: 1, unit: 'points' };
const SPARSITIES = [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99];

const TIMED_IMAGES = 500;
const ROUNDS = 9;

interface Options {
	readonly digits?: string;
	readonly images: number;
	readonly testImages: number;
	readonly epochs: number;
	readonly tune: number;
	readonly out: string;
	readonly seed: number;
	readonly device: Device;
}

interface Point {
	readonly sparsity: number;
	readonly accuracy: number;
}

/** A picture of lines in [0, 1] x [low, 100]. */
function svg(lines: Readonly<Record<string, readonly Point[]>>): string {
	const low = Math.floor(Math.min(...Object.values(lines).flatMap((points) => points.map(({ accuracy }) => accuracy))) / 10) * 10;
	const [width, height, edge] = [640, 360, 48];
	const x = (sparsity: number) => edge + sparsity * (width - 2 * edge);
	const y = (accuracy: number) => height - edge - ((accuracy - low) / Math.max(1, 100 - low)) * (height - 2 * edge);
	const text = (at: [number, number], content: string, more = '') =>
		`<text x="${at[0]}" y="${at[1]}" font-size="12" font-family="sans-serif" ${more}>${content}</text>`;
	const colours = ['#1f77b4', '#d62728'];
	const parts = Object.entries(lines).flatMap(([name, points], i) => [
		`<polyline fill="none" stroke="${colours[i]}" stroke-width="2" points="${points.map((p) => `${x(p.sparsity)},${y(p.accuracy)}`).join(' ')}"/>`,
		...points.map((p) => `<circle cx="${x(p.sparsity)}" cy="${y(p.accuracy)}" r="3" fill="${colours[i]}"/>`),
		text([edge + 12, height - edge - 14 - 16 * i], name, `fill="${colours[i]}"`),
	]);
	const ticks = [0, 0.25, 0.5, 0.75, 1].map((s) => text([x(s), height - edge + 18], `${100 * s} %`, 'text-anchor="middle"'));
	const levels = [low, (low + 100) / 2, 100].map((a) => text([edge - 6, y(a) + 4], `${a} %`, 'text-anchor="end"'));
	const axes = `<path d="M${edge} ${edge}V${height - edge}H${width - edge}" fill="none" stroke="#888"/>`;
	const titles = [text([width / 2, height - 8], 'weights that are 0', 'text-anchor="middle"'), text([edge, 24], 'test accuracy')];
	const body = [axes, ...ticks, ...levels, ...titles, ...parts].join('\n');
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}">\n<title>Test accuracy by sparsity</title>\n<rect width="100%" height="100%" fill="white"/>\n${body}\n</svg>\n`;
}

/** The largest difference of two models' outputs, and the processor time of the second as a part of the first's, measured in turn. */
async function compare(
	models: readonly [nn.Sequential, nn.Sequential],
	x: Tensor,
): Promise<{ difference: number; time: number }> {
	const forward = (model: nn.Sequential) => noGrad(() => tidy(() => model.forward(x)));
	using difference = tidy(() => forward(models[0]).sub(forward(models[1])).abs().amax());
	const ratios: number[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		const times: number[] = [];
		for (const model of models) {
			const before = process.cpuUsage();
			using output = forward(model);
			await output.data();
			const { user, system } = process.cpuUsage(before);
			times.push(user + system);
		}
		ratios.push(times[1]! / times[0]!);
	}
	return { difference: await difference.item(), time: ratios.sort((a, b) => a - b)[ROUNDS >> 1]! };
}

async function prune(options: Options): Promise<void> {
	const { images, testImages, tune, seed, device, out } = options;
	await startDevice(device);
	const trained = await trainedDigits(options);
	const data = mnistDataset('train', { limit: images, ...NORMALISED });
	const tests = mnistDataset('t10k', { limit: testImages, ...NORMALISED });
	const tuned = async (model: nn.Sequential) => {
		if (tune === 0) return accuracyOf(model, tests, device);
		const loader = new DataLoader(mnistDataset('train', { limit: Math.min(tune, data.length), ...NORMALISED }), {
			batchSize: 64,
			shuffle: true,
			seed,
			device,
		});
		await fit(model, loader, {
			loss: crossEntropy,
			optimizer: new optim.Adam(model.parameters(), { lr: 5e-4 }),
			seed,
			verbose: 0,
		});
		return accuracyOf(model, tests, device);
	};
	const copy = () => {
		const model = mnistCnn();
		model.loadStateDict(trained.stateDict());
		return model;
	};
	const { images: some } = new Mnist('t10k').batch(
		Array.from({ length: TIMED_IMAGES }, (_, i) => i),
		device,
	);

	const lines: Record<string, Point[]> = { 'elements, by value': [], 'channels, by norm': [] };
	const [elements, channels] = Object.values(lines) as [Point[], Point[]];
	for (const sparsity of SPARSITIES) {
		const model = copy();
		const parameters = weighted(model).map((layer): [nn.Module, string] => [layer, 'weight']);
		await nn.prune.globalUnstructured(parameters, nn.prune.l1Unstructured, { amount: sparsity });
		elements.push({ sparsity, accuracy: await tuned(model) });
		const wide = copy();
		await pruneChannels(wide, sparsity);
		const accuracy = await tuned(wide);
		const original = masked(wide);
		const { before, after } = await nn.prune.slim(wide, zeros([1, 1, 28, 28], { device }));
		channels.push({ sparsity: 1 - after.parameters / before.parameters, accuracy });
		const { difference, time } = await compare([original, wide.eval()], some);
		const part = (one: number, of: number) => `${((100 * one) / of).toFixed(1)} %`;
		console.log(
			`${(100 * sparsity).toFixed(0)} %: elements ${elements.at(-1)!.accuracy.toFixed(2)} %; channels ${accuracy.toFixed(2)} %`,
		);
		console.log(
			`  slim: ${part(after.parameters, before.parameters)} of the parameters, ${part(after.flops, before.flops)} of the FLOPs, ${part(time, 1)} of the processor time; outputs differ by up to ${difference.toExponential(1)}`,
		);
	}
	await writeFile(out, svg(lines));
	console.log(`picture: ${out}`);
	mustReach(GOAL, elements[0]!.accuracy - elements[2]!.accuracy);
}

const command = program('Draws the accuracy of the digits network by sparsity.', GOAL)
	.name('pruning')
	.option('--digits <file>', 'the weights of the trained network (npm start)')
	.option('--images <n>', 'training images', whole(64, 60_000), 60_000)
	.option('--test-images <n>', 'test images', whole(1, 10_000), 10_000)
	.option('--epochs <n>', 'passes over the training images', whole(1), 2)
	.option('--tune <n>', 'images to train on after each pruning; 0: none', whole(0, 60_000), 10_000)
	.option('--out <file>', 'the picture', 'pruning.svg');
await run<Options>(command, prune);
