/** Reads TensorBoard's event files with code that shares nothing with what writes them: protobufjs by schema, and CRC-32C by bits. */
import protobuf from 'protobufjs';
import * as assert from 'uvu/assert';

/** Of tensorboard/compat/proto, what a run uses. */
const SCHEMA = `
syntax = "proto3";
message Event {
	double wall_time = 1;
	int64 step = 2;
	oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog { enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; STOP = 2; CHECKPOINT = 3; } SessionStatus status = 1; }
message Summary {
	message Value { string tag = 1; oneof value { float simple_value = 2; HistogramProto histo = 5; } }
	repeated Value value = 1;
}
message HistogramProto {
	double min = 1; double max = 2; double num = 3; double sum = 4; double sum_squares = 5;
	repeated double bucket_limit = 6 [packed = true]; repeated double bucket = 7 [packed = true];
}`;

export interface ReadHistogram {
	readonly min: number;
	readonly max: number;
	readonly num: number;
	readonly sum: number;
	readonly sumSquares: number;
	readonly bucketLimit: readonly number[];
	readonly bucket: readonly number[];
}

export interface ReadEvent {
	readonly wallTime: number;
	readonly step?: number;
	readonly fileVersion?: string;
	readonly sessionLog?: { readonly status: string };
	readonly summary?: {
		readonly value: readonly { readonly tag: string; readonly simpleValue?: number; readonly histo?: ReadHistogram }[];
	};
}

const Event = protobuf.parse(SCHEMA).root.lookupType('Event');

export function crc32c(bytes: Uint8Array): number {
	let rest = 0xffffffff;
	for (const byte of bytes) {
		for (let bit = 0; bit < 8; bit++) {
			const carry = (rest ^ (byte >>> bit)) & 1;
			rest = (rest >>> 1) ^ (carry * 0x82f63b78);
		}
	}
	return ~rest >>> 0;
}

function masked(bytes: Uint8Array): number {
	const crc = BigInt(crc32c(bytes));
	return Number(((((crc >> 15n) | (crc << 17n)) & 0xffffffffn) + 0xa282ead8n) & 0xffffffffn);
}

/** All events of a file. Throws if a checksum is wrong or the file ends within a record. */
export function readEvents(file: Buffer): ReadEvent[] {
	const events: ReadEvent[] = [];
	for (let at = 0; at < file.length; ) {
		const length = Number(file.readBigUInt64LE(at));
		assert.is(file.readUInt32LE(at + 8), masked(file.subarray(at, at + 8)), 'the checksum of a length');
		const bytes = file.subarray(at + 12, at + 12 + length);
		assert.is(file.readUInt32LE(at + 12 + length), masked(bytes), 'the checksum of an event');
		events.push(Event.toObject(Event.decode(bytes), { longs: Number, enums: String }) as ReadEvent);
		at += 16 + length;
	}
	return events;
}
