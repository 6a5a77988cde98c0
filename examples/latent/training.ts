/** Trains a variational autoencoder whose codes are points of a plane, and decodes and encodes for the page. */
import { type Device, manualSeed, noGrad, optim, randperm, tensor, tidy } from 'wgrad';
import { VariationalAutoencoder } from '../autoencoder/model';
import type { Mnist } from '../mnist/download';
import { PIXELS, SIDE } from '../mnist/images';

export interface Settings {
	/** Number of training images, of 60,000. */
	readonly images: number;
	readonly epochs: number;
	readonly batchSize: number;
	/** Adam's learning rate. */
	readonly lr: number;
	/** Units of the layer between pixels and code. */
	readonly hidden: number;
	readonly seed: number;
}

export interface Step {
	readonly step: number;
	readonly images: number;
	readonly loss: number;
}

/** Where test images lie in the plane. */
export interface Placed {
	/** x and y of each. */
	readonly places: ArrayLike<number>;
	readonly digits: readonly number[];
}

export class Training {
	readonly model: VariationalAutoencoder;
	readonly total: number;
	readonly #optimizer: optim.Adam;

	constructor(
		readonly settings: Settings,
		readonly data: Mnist,
		readonly device: Device,
	) {
		manualSeed(settings.seed);
		this.model = new VariationalAutoencoder(settings.hidden, 2);
		this.#optimizer = new optim.Adam(this.model.parameters(), { lr: settings.lr });
		this.total = settings.epochs * Math.ceil(settings.images / settings.batchSize);
	}

	async *steps(): AsyncGenerator<Step> {
		const { images, epochs, batchSize } = this.settings;
		let step = 0;
		let before: Promise<Step> | null = null;
		for (let epoch = 0; epoch < epochs; epoch++) {
			const order = await randperm(images, { device: 'cpu' }).data();
			for (let start = 0; start < images; start += batchSize) {
				const next = this.#step(++step, order.subarray(start, start + batchSize));
				// One step runs ahead of the loss that the page waits for.
				if (before !== null) yield await before;
				before = next;
				if (this.device === 'cpu') await new Promise((resolve) => setTimeout(resolve));
			}
		}
		if (before !== null) yield await before;
	}

	#step(step: number, batch: ArrayLike<number>): Promise<Step> {
		const loss = tidy(() => {
			const { loss } = this.model.forward(this.#images('train', Array.from(batch)));
			this.#optimizer.zeroGrad();
			loss.backward();
			this.#optimizer.step();
			return loss.detach();
		});
		const read = loss.item().then((loss) => ({ step, images: batch.length, loss }));
		loss.dispose();
		// If the caller stops, nobody awaits this; its error must not become an unhandled rejection.
		read.catch(() => {});
		return read;
	}

	/** Images [N, 1, 28, 28] from 0 to 1. */
	#images(part: 'train' | 'test', indices: readonly number[]) {
		const values = new Float32Array(indices.length * PIXELS);
		indices.forEach((index, n) => {
			const pixels = this.data[part].pixels(index);
			for (let i = 0; i < PIXELS; i++) values[n * PIXELS + i] = pixels[i]! / 255;
		});
		return tensor(values, { shape: [indices.length, 1, SIDE, SIDE], device: this.device });
	}

	/** Decodes places of the plane to images of 28 x 28 numbers from 0 to 1. */
	async decode(places: readonly (readonly [x: number, y: number])[]): Promise<ArrayLike<number>> {
		using images = noGrad(() =>
			tidy(() => this.model.decode(tensor(Float32Array.from(places.flat()), { shape: [places.length, 2], device: this.device }))),
		);
		return await images.data();
	}

	/** The means of the codes of the first test images. */
	async place(count: number): Promise<Placed> {
		const indices = Array.from({ length: count }, (_, i) => i);
		using means = noGrad(() =>
			tidy(() => this.model.encoder.forward(this.#images('test', indices)).narrow(1, 0, 2).contiguous()),
		);
		return { places: await means.data(), digits: indices.map((index) => this.data.test.label(index)) };
	}
}
