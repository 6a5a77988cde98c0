/** The binary versions of CIFAR-10 and CIFAR-100: https://www.cs.toronto.edu/~kriz/cifar.html */
import { FormatError } from '../core/errors';
import { checkOptions } from '../core/options';
import { requireBytes } from './arguments';

const PIXELS = 3 * 32 * 32;

/** Images and labels; each is an array as ArrayDataset takes it: `new ArrayDataset({ ...images, scale: 1 / 255 }, labels)`. */
export interface LabelledArrays {
	/** uint8 [N, 3, 32, 32]: red, green, blue. */
	readonly images: { readonly data: Uint8Array; readonly shape: readonly [number, 3, 32, 32] };
	/** int32 [N]. */
	readonly labels: { readonly data: Int32Array; readonly shape: readonly [number] };
}

export const CIFAR10_CLASSES: readonly string[] = [
	'airplane',
	'automobile',
	'bird',
	'cat',
	'deer',
	'dog',
	'frog',
	'horse',
	'ship',
	'truck',
];

/** The images of CIFAR-10's binary files, such as data_batch_1.bin, one after another. */
export function parseCifar10(...files: readonly Uint8Array[]): LabelledArrays {
	return parseRecords('parseCifar10', files, 1, 0, 10);
}

/** The images of CIFAR-100's train.bin or test.bin with their fine labels (0 to 99), or the coarse ones (0 to 19). */
export function parseCifar100(bytes: Uint8Array, options: { readonly coarse?: boolean } = {}): LabelledArrays {
	const { coarse = false } = checkOptions('parseCifar100', options, ['coarse']);
	return parseRecords('parseCifar100', [bytes], 2, coarse ? 0 : 1, coarse ? 20 : 100);
}

function parseRecords(
	name: string,
	files: readonly Uint8Array[],
	labelBytes: number,
	label: number,
	classes: number,
): LabelledArrays {
	for (const bytes of files) requireBytes(name, bytes);
	const record = labelBytes + PIXELS;
	const odd = files.find((bytes) => bytes.length === 0 || bytes.length % record !== 0);
	if (odd !== undefined) {
		throw new FormatError(
			`${name}: ${odd.length} bytes are no whole number of records of ${record} bytes: the file is cut off, or is not the binary version`,
		);
	}
	const count = files.reduce((sum, bytes) => sum + bytes.length / record, 0);
	const pixels = new Uint8Array(count * PIXELS);
	const labels = new Int32Array(count);
	let next = 0;
	for (const bytes of files) {
		for (let start = 0; start < bytes.length; start += record, next++) {
			const value = bytes[start + label]!;
			if (value >= classes) {
				throw new FormatError(
					`${name}: record ${start / record} has label ${value}, beyond ${classes - 1}: this is another format`,
				);
			}
			labels[next] = value;
			pixels.set(bytes.subarray(start + labelBytes, start + record), next * PIXELS);
		}
	}
	return { images: { data: pixels, shape: [count, 3, 32, 32] }, labels: { data: labels, shape: [count] } };
}
