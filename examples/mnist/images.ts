/** Labelled images on the host, and their batches as tensors. Shared by the program and the page. */
import { type Device, type Tensor, tensor } from 'wgrad';

/** Rows and columns of an image. */
export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

/** Mean and standard deviation of all training pixels, scaled to [0, 1]. */
export const MEAN = 0.1307;
export const DEVIATION = 0.3081;

export interface Batch {
	/** float32 [N, 1, 28, 28], normalised by the training set's mean and standard deviation. */
	readonly images: Tensor;
	/** int32 [N]. */
	readonly labels: Tensor;
}

/** Normalises a pixel of 0 to 255. */
function normalise(pixel: number): number {
	return (pixel / 255 - MEAN) / DEVIATION;
}

/** Converts an image of 28 x 28 bytes to a batch [1, 1, 28, 28]. */
export function imageTensor(pixels: Uint8Array, device: Device): Tensor {
	return tensor(Float32Array.from(pixels, normalise), { shape: [1, 1, SIDE, SIDE], device });
}

/** Images of 28 x 28 bytes, and one byte per label. */
export class LabelledImages {
	readonly #pixels: Uint8Array;
	readonly #labels: Uint8Array;

	constructor(pixels: Uint8Array, labels: Uint8Array) {
		if (pixels.length !== labels.length * PIXELS) {
			throw new Error(`${labels.length} labels do not fit ${pixels.length / PIXELS} images`);
		}
		this.#pixels = pixels;
		this.#labels = labels;
	}

	get length(): number {
		return this.#labels.length;
	}

	/** The 28 x 28 bytes of one image, without copying. */
	pixels(index: number): Uint8Array {
		return this.#pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
	}

	label(index: number): number {
		return this.#labels[index]!;
	}

	/** Returns the images at `indices` on `device`. */
	batch(indices: ArrayLike<number>, device: Device): Batch {
		const count = indices.length;
		const images = new Float32Array(count * PIXELS);
		const labels = new Int32Array(count);
		for (let i = 0; i < count; i++) {
			const index = indices[i]!;
			labels[i] = this.#labels[index]!;
			for (let p = 0; p < PIXELS; p++) images[i * PIXELS + p] = normalise(this.#pixels[index * PIXELS + p]!);
		}
		return {
			images: tensor(images, { shape: [count, 1, SIDE, SIDE], device }),
			labels: tensor(labels, { shape: [count], device }),
		};
	}
}
