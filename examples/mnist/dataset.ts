/** MNIST for a DataLoader: images stay bytes until they are in a batch. */
import { ArrayDataset } from 'wgrad/data';
import { type Part, readMnist } from './data';
import { PIXELS, SIDE } from './images';

export interface MnistOptions {
	/** Only the first so many images. */
	readonly limit?: number;
	/** Each pixel of 0 to 255 becomes pixel * scale + shift. Default: 0 to 1. */
	readonly scale?: number;
	readonly shift?: number;
}

/** Samples [image, label]: [1, 28, 28] float32 and an int32, of the 60,000 to train with or the 10,000 to test. */
export function mnistDataset(part: Part, { limit, scale = 1 / 255, shift = 0 }: MnistOptions = {}): ArrayDataset {
	const { images, labels } = readMnist(part);
	const count = Math.min(limit ?? labels.length, labels.length);
	return new ArrayDataset(
		{ data: images.subarray(0, count * PIXELS), shape: [count, 1, SIDE, SIDE], scale, shift },
		{ data: labels.subarray(0, count), dtype: 'int32' },
	);
}
