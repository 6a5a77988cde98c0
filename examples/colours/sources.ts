/** The sources of colour images: CIFAR-10's files, a folder of images, or drawn images. */
import { join } from 'node:path';
import { ArrayDataset, CIFAR10_CLASSES, type Dataset, readCifar10, readImageFolder, trainTestSplit } from 'wgrad/data';
import { CLASSES, colourSet, SIDE } from './synthetic';

/** Samples [image, class]: float32 [3, 32, 32] from 0 to 1, and int32 []. */
export interface Source {
	readonly train: Dataset;
	readonly test: Dataset;
	/** The classes' names. */
	readonly classes: readonly string[];
}

const TRAINING_FILES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
const TEST_FILE = 'test_batch.bin';
const SCALE = 1 / 255;

/** Reads the unpacked binary version of CIFAR-10: https://www.cs.toronto.edu/~kriz/cifar.html */
export async function cifar(folder: string): Promise<Source> {
	const read = async (...files: string[]) => {
		const { images, labels } = await readCifar10(...files.map((file) => join(folder, file)));
		return new ArrayDataset({ ...images, scale: SCALE }, labels);
	};
	return { train: await read(...TRAINING_FILES), test: await read(TEST_FILE), classes: CIFAR10_CLASSES };
}

/** Reads a folder with one subfolder of PNG or JPEG files per class; a fifth of the images is for testing. */
export async function imageFolder(folder: string, seed: number): Promise<Source> {
	const images = await readImageFolder(folder, { size: SIDE, fit: 'cover', channels: 3, cache: true });
	const [train, test] = trainTestSplit(images, { testSize: 0.2, seed, stratify: images.labels });
	return { train, test, classes: images.classes };
}

/** Draws images: see synthetic.ts. */
export function synthetic(trainCount: number, testCount: number, seed: number): Source {
	const make = (count: number, seed: number) => {
		const { pixels, labels } = colourSet(count, seed);
		return new ArrayDataset({ data: pixels, shape: [count, 3, SIDE, SIDE], scale: SCALE }, { data: labels, dtype: 'int32' });
	};
	return { train: make(trainCount, 2 * seed), test: make(testCount, 2 * seed + 1), classes: CLASSES };
}
