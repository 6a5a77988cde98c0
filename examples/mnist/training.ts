/** The page's training run: the loop of train.ts, divided into steps so that the page stays responsive. */
import {
	compile,
	crossEntropy,
	type Device,
	manualSeed,
	type nn,
	noGrad,
	optim,
	randperm,
	softmax,
	type Tensor,
	tidy,
} from 'wgrad';
import type { Mnist } from './download';
import { imageTensor } from './images';
import { mnistCnn } from './model';

export interface Settings {
	/** Number of training images, of 60,000. */
	readonly images: number;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's initial learning rate; it falls to 0 along half a cosine. */
	readonly lr: number;
	readonly seed: number;
}

export interface Step {
	/** The step over all epochs, from 1. */
	readonly step: number;
	readonly epoch: number;
	/** The number of images in this step's batch, and of correct ones. */
	readonly images: number;
	readonly correct: number;
	readonly loss: number;
}

/** The number of steps the GPU runs ahead of the loss that the host waits for, so that it never idles. */
const AHEAD = 2;

/** Test images per batch. The CPU takes fewer, because it blocks the page. */
const TEST_BATCH: Readonly<Record<Device, number>> = { webgpu: 500, cpu: 50 };

export class Training {
	readonly settings: Settings;
	readonly #data: Mnist;
	readonly #device: Device;
	readonly #model: nn.Sequential;
	readonly #optimizer: optim.Adam;
	readonly #scheduler: optim.lrScheduler.CosineAnnealingLR;
	readonly #update = compile((images: Tensor, labels: Tensor) => {
		const logits = this.#model.forward(images);
		const loss = crossEntropy(logits, labels);
		this.#optimizer.zeroGrad();
		loss.backward();
		this.#optimizer.step();
		this.#scheduler.step();
		return [loss.detach(), logits.argmax(1).eq(labels).sum()] as const;
	});

	/** Creates a network with the same initial weights as `npm start` for the same seed. */
	constructor(settings: Settings, data: Mnist, device: Device) {
		this.settings = settings;
		this.#data = data;
		this.#device = device;
		manualSeed(settings.seed);
		this.#model = mnistCnn();
		this.#optimizer = new optim.Adam(this.#model.parameters(), { lr: settings.lr });
		const steps = settings.epochs * Math.ceil(settings.images / settings.batchSize);
		this.#scheduler = new optim.lrScheduler.CosineAnnealingLR(this.#optimizer, steps);
	}

	/** Trains as long as the caller takes steps. */
	async *steps(): AsyncGenerator<Step> {
		const { images, epochs, batchSize } = this.settings;
		const ahead: Promise<Step>[] = [];
		let step = 0;
		for (let epoch = 1; epoch <= epochs; epoch++) {
			const order = await randperm(images, { device: 'cpu' }).data();
			for (let start = 0; start < images; start += batchSize) {
				ahead.push(this.#step(++step, epoch, order.subarray(start, start + batchSize)));
				if (ahead.length > AHEAD) yield await ahead.shift()!;
				await this.#breathe();
			}
		}
		while (ahead.length > 0) yield await ahead.shift()!;
	}

	#step(step: number, epoch: number, batch: ArrayLike<number>): Promise<Step> {
		const [loss, hits] = tidy(() => {
			const { images, labels } = this.#data.train.batch(batch, this.#device);
			return this.#update(images, labels);
		});
		const read = Promise.all([loss.item(), hits.item()]);
		loss.dispose();
		hits.dispose();
		const result = read.then(([loss, correct]) => ({ step, epoch, images: batch.length, correct, loss }));
		// If the caller stops, nobody awaits this; its error must not become an unhandled rejection.
		result.catch(() => {});
		return result;
	}

	/** Tests the network and yields the progress: numbers of tested and of correct images. */
	async *test(): AsyncGenerator<{ judged: number; correct: number }> {
		const { test } = this.#data;
		const size = TEST_BATCH[this.#device];
		let correct = 0;
		for (let start = 0; start < test.length; start += size) {
			const judged = Math.min(start + size, test.length);
			const indices = Array.from({ length: judged - start }, (_, i) => start + i);
			using hits = noGrad(() =>
				tidy(() => {
					const { images, labels } = test.batch(indices, this.#device);
					return this.#model.forward(images).argmax(1).eq(labels).sum();
				}),
			);
			correct += await hits.item();
			yield { judged, correct };
			await this.#breathe();
		}
	}

	/** Returns the probabilities of the ten digits for an image of 28 x 28 bytes. */
	async predict(pixels: Uint8Array): Promise<ArrayLike<number>> {
		using probabilities = noGrad(() => tidy(() => softmax(this.#model.forward(imageTensor(pixels, this.#device)), 1)));
		return await probabilities.data();
	}

	/** On WebGPU every readback yields to the page. On the CPU readbacks return at once, so it must pause. */
	async #breathe(): Promise<void> {
		if (this.#device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
	}
}
