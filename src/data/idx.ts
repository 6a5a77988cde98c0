/** Reads IDX, the format of MNIST and similar datasets: http://yann.lecun.com/exdb/mnist/ */
import { requireBytes } from '../core/checks';
import { FormatError, formatShape } from '../core/errors';
import { numel } from '../core/shape';

type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** The array of a file, in the form that ArrayDataset takes. */
export interface IdxArray {
	readonly data: IdxData;
	readonly shape: readonly number[];
}

const TYPES: Readonly<Record<number, readonly [array: new (length: number) => IdxData, bytes: number, read: keyof DataView]>> = {
	8: [Uint8Array, 1, 'getUint8'],
	9: [Int8Array, 1, 'getInt8'],
	11: [Int16Array, 2, 'getInt16'],
	12: [Int32Array, 4, 'getInt32'],
	13: [Float32Array, 4, 'getFloat32'],
	14: [Float64Array, 8, 'getFloat64'],
};

/** Parses an IDX file of any of its six types. Does not copy bytes. */
export function parseIdx(bytes: Uint8Array): IdxArray {
	requireBytes('parseIdx', bytes);
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const type = bytes.length < 4 || view.getUint16(0) !== 0 ? undefined : TYPES[bytes[2]!];
	if (type === undefined) {
		const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
		throw new FormatError(
			`parseIdx: a file that begins with '${start}' is not an IDX file, which begins with 00 00 and a type from 08 to 0e`,
		);
	}
	const [array, width, read] = type;
	const rank = bytes[3]!;
	const header = 4 + 4 * rank;
	if (bytes.length < header)
		throw new FormatError(`parseIdx: the file ends within its header: ${bytes.length} of ${header} bytes`);
	const shape = Array.from({ length: rank }, (_, dim) => view.getUint32(4 + 4 * dim));
	const length = numel(shape);
	if (bytes.length !== header + length * width) {
		throw new FormatError(
			`parseIdx: shape ${formatShape(shape)} takes ${header + length * width} bytes, but the file has ${bytes.length}: it is truncated or damaged`,
		);
	}
	if (array === Uint8Array) return { data: bytes.subarray(header), shape };
	const data = new array(length);
	const readAt = (view[read] as (at: number, littleEndian: boolean) => number).bind(view);
	for (let i = 0; i < length; i++) data[i] = readAt(header + i * width, false);
	return { data, shape };
}
