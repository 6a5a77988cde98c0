/** Parses the binary versions of CIFAR-10 and CIFAR-100: https://www.cs.toronto.edu/~kriz/cifar.html */
import { requireBytes } from '../core/checks';
import { FormatError } from '../core/errors';
import { checkOptions } from '../core/options';

const PIXELS = 3 * 32 * 32;

/** Images and labels, in the form that ArrayDataset takes: `new ArrayDataset({ ...images, scale: 1 / 255 }, labels)`. */
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

/** Parses CIFAR-10's binary files, such as data_batch_1.bin, and concatenates them. */
export function parseCifar10(...files: readonly Uint8Array[]): LabelledArrays {
	return parseRecords('parseCifar10', files, 1, 0, 10);
}

/** Parses CIFAR-100's train.bin or test.bin, with fine labels (0 to 99) or coarse ones (0 to 19). Default fine. */
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
			`${name}: ${odd.length} bytes are not a multiple of the record size ${record}: the file is truncated or not the binary version`,
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
					`${name}: record ${start / record} has label ${value}, above ${classes - 1}: this is another format`,
				);
			}
			labels[next] = value;
			pixels.set(bytes.subarray(start + labelBytes, start + record), next * PIXELS);
		}
	}
	return { images: { data: pixels, shape: [count, 3, 32, 32] }, labels: { data: labels, shape: [count] } };
}
