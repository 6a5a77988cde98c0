/**
 * TensorBoard's event files: a sequence of TFRecords, each with one message `Event`.
 *
 * Records: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details. Messages: event.proto, summary.proto and histogram.proto in
 * https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto; the numbers below are the fields' keys there.
 */
import protobuf from 'protobufjs/minimal.js';
import type { Histogram } from './histogram';

/** A named value of one step. */
export type Summary = { readonly tag: string } & ({ readonly scalar: number } | { readonly histogram: Histogram });

/** What an event tells. */
export type EventContent =
	/** The first event of a file. */
	| 'version'
	/** A run begins or continues here: readers drop what earlier files of the folder hold from this step on. */
	| 'start'
	| readonly Summary[];

/** The wire types of protobuf. */
const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const FOUR_BYTES = 5;

const key = (field: number, wire: number) => (field << 3) | wire;

/** Encodes an event as a record. `seconds` is its time since 1970. */
export function encodeEvent(seconds: number, step: number, content: EventContent): Uint8Array {
	const writer = protobuf.Writer.create();
	writer.uint32(key(1, EIGHT_BYTES)).double(seconds);
	if (step !== 0) writer.uint32(key(2, VARINT)).int64(step);
	if (content === 'version') writer.uint32(key(3, LENGTH)).string('brain.Event:2');
	else if (content === 'start') {
		// SessionLog, with the status START.
		writer.uint32(key(7, LENGTH)).fork().uint32(key(1, VARINT)).int32(1).ldelim();
	} else {
		writer.uint32(key(5, LENGTH)).fork();
		for (const summary of content) writeValue(writer.uint32(key(1, LENGTH)).fork(), summary).ldelim();
		writer.ldelim();
	}
	return record(writer.finish());
}

function writeValue(writer: protobuf.Writer, summary: Summary): protobuf.Writer {
	writer.uint32(key(1, LENGTH)).string(summary.tag);
	if ('scalar' in summary) return writer.uint32(key(2, FOUR_BYTES)).float(summary.scalar);
	const { min, max, count, sum, sumOfSquares, buckets } = summary.histogram;
	writer.uint32(key(5, LENGTH)).fork();
	for (const [i, value] of [min, max, count, sum, sumOfSquares].entries()) writer.uint32(key(1 + i, EIGHT_BYTES)).double(value);
	const lists = [buckets.map(({ limit }) => limit), buckets.map(({ count }) => count)];
	for (const [i, values] of lists.entries()) writeDoubles(writer, 6 + i, values);
	return writer.ldelim();
}

/** A packed list. */
function writeDoubles(writer: protobuf.Writer, field: number, values: readonly number[]): void {
	writer.uint32(key(field, LENGTH)).fork();
	for (const value of values) writer.double(value);
	writer.ldelim();
}

/** A record: the length, its checksum, the bytes, their checksum. */
function record(bytes: Uint8Array): Uint8Array {
	const result = new Uint8Array(bytes.length + 16);
	const view = new DataView(result.buffer);
	view.setBigUint64(0, BigInt(bytes.length), true);
	view.setUint32(8, maskedChecksum(result.subarray(0, 8)), true);
	result.set(bytes, 12);
	view.setUint32(12 + bytes.length, maskedChecksum(bytes), true);
	return result;
}

/** By byte: CRC-32C with the reversed polynomial 0x82f63b78 (RFC 3720, appendix B.4). */
const TABLE = /* @__PURE__ */ Uint32Array.from({ length: 256 }, (_, byte) => {
	let rest = byte;
	for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1;
	return rest;
});

function maskedChecksum(bytes: Uint8Array): number {
	let rest = 0xffffffff;
	for (const byte of bytes) rest = (rest >>> 8) ^ TABLE[(rest ^ byte) & 0xff]!;
	const crc = ~rest >>> 0;
	// Rotated and shifted, because the checksum of bytes that hold a checksum is weak.
	return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
