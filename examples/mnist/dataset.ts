/** MNIST for a DataLoader. Images stay bytes until they are in a batch. */
import { ArrayDataset } from 'wgrad/data';
import { type Part, readMnist } from './data';
import { DEVIATION, MEAN, PIXELS, SIDE } from './images';

interface MnistOptions {
	/** Use only the first so many images. Default: all. */
	readonly limit?: number;
	/** Maps each pixel of 0 to 255 to pixel * scale + shift. Default: 0 to 1. */
	readonly scale?: number;
	readonly shift?: number;
}

/** Options that normalise pixels by the training set's mean and standard deviation, as `npm start` does. */
export const NORMALISED = { scale: 1 / (255 * DEVIATION), shift: -MEAN / DEVIATION } as const;

/** The 60,000 training or 10,000 test samples [image, label]: float32 [1, 28, 28] and int32 []. */
export function mnistDataset(part: Part, { limit, scale = 1 / 255, shift = 0 }: MnistOptions = {}): ArrayDataset {
	const { images, labels } = readMnist(part);
	const count = Math.min(limit ?? labels.length, labels.length);
	return new ArrayDataset(
		{ data: images.subarray(0, count * PIXELS), shape: [count, 1, SIDE, SIDE], scale, shift },
		{ data: labels.subarray(0, count), dtype: 'int32' },
	);
}
