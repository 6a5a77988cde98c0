#!/usr/bin/env node
/**
 * Trains a small convolutional network on MNIST and tells how well it does: `npm start`.
 *
 * The loop is written out, as one would with PyTorch; only `tidy` is added, which gives the memory of each step back at once
 * instead of when the garbage collector runs.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import {
	crossEntropy,
	type Device,
	init,
	io,
	manualSeed,
	memory,
	type nn,
	noGrad,
	optim,
	randperm,
	type Tensor,
	tidy,
} from 'wgrad';
import { ensureAdapter } from '../../adapters/driver.mjs';
import { Mnist } from './data';
import { mnistCnn } from './model';

const USAGE = `Trains a convolutional network on MNIST.

  npm start -- [options]

  --epochs N        passes over the training images (default 1)
  --batch-size N    images per step (default 64)
  --lr X            Adam's learning rate (default 0.001)
  --seed N          the same seed prints the same losses (default 1)
  --device NAME     webgpu or cpu (default webgpu)
  --limit N         training images to use, up to 60000
                    (default 60000; 20000 on a software adapter)
  --out FILE        where the weights go (default model.safetensors)
  --help            this text
`;

/** Losses are read in groups, so that the GPU does not wait for the host after every step. */
const LOSSES_PER_READ = 10;
const EVALUATION_BATCH = 1000;

interface Settings {
	readonly epochs: number;
	readonly batchSize: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
	readonly limit: number | undefined;
	readonly out: string;
}

class UsageError extends Error {}

function whole(
	name: string,
	text: string | undefined,
	fallback: number,
	lowest: number,
	highest = Number.MAX_SAFE_INTEGER,
): number {
	if (text === undefined) return fallback;
	const value = Number(text);
	if (!/^\d+$/.test(text) || value < lowest || value > highest) {
		throw new UsageError(`--${name} ${text}: it takes a whole number from ${lowest} to ${highest}`);
	}
	return value;
}

/** The settings, or null when only the help was asked for. */
function readSettings(): Settings | null {
	const text = { type: 'string' } as const;
	let values: Partial<Record<'epochs' | 'batch-size' | 'lr' | 'seed' | 'device' | 'limit' | 'out', string>> & { help?: boolean };
	try {
		const options = {
			epochs: text,
			'batch-size': text,
			lr: text,
			seed: text,
			device: text,
			limit: text,
			out: text,
			help: { type: 'boolean' },
		} as const;
		({ values } = parseArgs({ options }));
	} catch (error) {
		throw new UsageError((error as Error).message);
	}
	if (values.help) return null;
	const lr = Number(values.lr ?? 0.001);
	if (!(lr > 0 && lr < 1000)) throw new UsageError(`--lr ${values.lr}: it takes a number above 0`);
	const device = values.device ?? 'webgpu';
	if (device !== 'webgpu' && device !== 'cpu') throw new UsageError(`--device ${device}: it takes webgpu or cpu`);
	return {
		epochs: whole('epochs', values.epochs, 1, 1),
		batchSize: whole('batch-size', values['batch-size'], 64, 1, 60_000),
		lr,
		seed: whole('seed', values.seed, 1, 0),
		device,
		limit: values.limit === undefined ? undefined : whole('limit', values.limit, 60_000, 1, 60_000),
		out: values.out ?? 'model.safetensors',
	};
}

/** Says where the network trains, and how many images that is worth. */
async function chooseDevice({ device, limit }: Settings): Promise<number> {
	if (device === 'webgpu') await ensureAdapter();
	const { adapter } = await init({ device });
	if (adapter === null) {
		console.log('device: cpu (the float64-accumulating reference, slow)');
		return limit ?? 60_000;
	}
	const kind = adapter.isSoftware ? 'a software adapter' : 'a GPU';
	console.log(`device: webgpu on ${adapter.description || adapter.device || adapter.vendor} (${kind})`);
	if (limit === undefined && adapter.isSoftware)
		console.log('training on 20,000 of the 60,000 images because of it; --limit 60000 takes them all');
	return limit ?? (adapter.isSoftware ? 20_000 : 60_000);
}

async function train(settings: Settings): Promise<void> {
	const { epochs, batchSize, lr, seed, device, out } = settings;
	const limit = await chooseDevice(settings);
	manualSeed(seed);
	const data = new Mnist('train');
	const model = mnistCnn();
	const optimizer = new optim.Adam(model.parameters(), { lr });
	console.log(model.summary([1, 1, 28, 28]));
	const steps = Math.ceil(limit / batchSize);

	for (let epoch = 1; epoch <= epochs; epoch++) {
		const started = performance.now();
		const progress = new SingleBar({
			format: `epoch ${epoch}/${epochs} {bar} {value}/{total}  {speed} samples/s  loss {loss}  accuracy {accuracy} %  {eta_formatted} left`,
			barsize: 24,
			hideCursor: true,
			noTTYOutput: true,
			notTTYSchedule: 5000,
		});
		progress.start(limit, 0, { speed: 0, loss: '-', accuracy: '-' });
		const order = await randperm(limit, { device: 'cpu' }).data();
		const window: [loss: Promise<number>, correct: Promise<number>, images: number][] = [];
		let [done, lossSum, correct] = [0, 0, 0];
		for (let step = 0; step < steps; step++) {
			const batch = order.subarray(step * batchSize, (step + 1) * batchSize);
			const [loss, hits] = tidy(() => {
				const { images, labels } = data.batch(batch, device);
				const logits = model.forward(images);
				const loss = crossEntropy(logits, labels);
				optimizer.zeroGrad();
				loss.backward();
				optimizer.step();
				return [loss.detach(), logits.argmax(1).eq(labels).sum()] as const;
			});
			window.push([loss.item(), hits.item(), batch.length]);
			loss.dispose();
			hits.dispose();
			if (window.length < LOSSES_PER_READ && step < steps - 1) continue;
			for (const [lossRead, hitsRead, images] of window.splice(0)) {
				lossSum += (await lossRead) * images;
				correct += await hitsRead;
				done += images;
			}
			const speed = Math.round((done / (performance.now() - started)) * 1000);
			progress.update(done, { speed, loss: (lossSum / done).toFixed(4), accuracy: ((100 * correct) / done).toFixed(2) });
		}
		progress.stop();
		const seconds = (performance.now() - started) / 1000;
		console.log(
			`epoch ${epoch}: loss ${lossSum / done}, accuracy ${((100 * correct) / done).toFixed(2)} %, ${seconds.toFixed(1)} s`,
		);
	}

	const test = new Mnist('t10k');
	const accuracy = await evaluate(model, test, device);
	console.log(`test accuracy: ${(100 * accuracy).toFixed(2)} % of ${test.length} images`);
	await writeFile(out, await io.saveSafetensors(model.stateDict()));
	const { gpu } = memory();
	console.log(`weights: ${out}${gpu === null ? '' : `, GPU memory at its peak: ${Math.round(gpu.peak / 2 ** 20)} MiB`}`);
}

/** The share of test images that the model gets right. */
async function evaluate(model: nn.Module & { forward(images: Tensor): Tensor }, test: Mnist, device: Device): Promise<number> {
	model.eval();
	let correct = 0;
	for (let start = 0; start < test.length; start += EVALUATION_BATCH) {
		const size = Math.min(EVALUATION_BATCH, test.length - start);
		using hits = noGrad(() =>
			tidy(() => {
				const { images, labels } = test.batch(
					Array.from({ length: size }, (_, i) => start + i),
					device,
				);
				return model.forward(images).argmax(1).eq(labels).sum();
			}),
		);
		correct += await hits.item();
	}
	model.train();
	return correct / test.length;
}

try {
	const settings = readSettings();
	if (settings === null) console.log(USAGE);
	else await train(settings);
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`${error.message}\n\n${USAGE}`);
	process.exitCode = 2;
}
