#!/usr/bin/env node
/**
 * Trains a small convolutional network on MNIST and prints its accuracy: `npm start`.
 *
 * The loop is written out as in PyTorch. Two things are added: `compile` repeats the GPU's work of a step instead of describing it anew, and
 * `tidy` frees memory at once, without waiting for the garbage collector.
 */
import { writeFile } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import {
	compile,
	crossEntropy,
	type Device,
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
import { number, program, run, startDevice, whole } from '../program';
import { Mnist } from './data';
import { mnistCnn } from './model';

/** Number of losses per read, so that the GPU does not wait for the host after every step. */
const LOSSES_PER_READ = 10;
const EVALUATION_BATCH = 1000;
const IMAGES = 60_000;
const IMAGES_ON_SOFTWARE = 20_000;

interface Settings {
	readonly epochs: number;
	readonly batchSize: number;
	readonly lr: number;
	readonly seed: number;
	readonly device: Device;
	readonly limit?: number;
	readonly out: string;
}

async function train(settings: Settings): Promise<void> {
	const { epochs, batchSize, lr, seed, device, out } = settings;
	const { adapter } = await startDevice(device);
	const limit = settings.limit ?? (adapter?.isSoftware ? IMAGES_ON_SOFTWARE : IMAGES);
	if (limit < (settings.limit ?? IMAGES)) console.log('training on 20,000 of the 60,000 images; --limit 60000 takes them all');
	manualSeed(seed);
	const data = new Mnist('train');
	const model = mnistCnn();
	const optimizer = new optim.Adam(model.parameters(), { lr });
	console.log(model.summary([1, 1, 28, 28]));
	const steps = Math.ceil(limit / batchSize);
	const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, epochs * steps);

	const learn = compile((images: Tensor, labels: Tensor) => {
		const logits = model.forward(images);
		const loss = crossEntropy(logits, labels);
		optimizer.zeroGrad();
		loss.backward();
		optimizer.step();
		scheduler.step();
		return [loss.detach(), logits.argmax(1).eq(labels).sum()] as const;
	});

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
				return learn(images, labels);
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

/** The accuracy on the test images. */
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

const command = program('Trains a convolutional network on MNIST.')
	.name('npm start --')
	.option('--epochs <n>', 'passes over the training images', whole(1), 1)
	.option('--batch-size <n>', 'images per step', whole(1, IMAGES), 64)
	.option('--lr <x>', "Adam's learning rate at the start; it falls to 0 along half a cosine", number(1e-9, 1000), 0.002)
	.option('--limit <n>', 'training images to use (default: 60000; 20000 on a software adapter)', whole(1, IMAGES))
	.option('--out <file>', 'where the weights go', 'model.safetensors');
await run<Settings>(command, train);
