/** Files that are read in any order, so that only parts of them are in memory. */
import { FormatError } from '../core/errors';
import { sourceName } from '../data/sources';

export interface RandomAccess {
	/** For messages. */
	readonly name: string;
	/** In bytes. */
	readonly size: number;
	/**
	 * Reads `length` bytes from `begin` on. Throws a FormatError if the file is shorter. May return memory of the source, or part of `into`, which
	 * has at least `length` bytes.
	 */
	read(begin: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
	close(): Promise<void>;
}

/** Throws a FormatError unless a file of `size` bytes holds `length` bytes from `begin` on. */
export function requireWithin(name: string, size: number, begin: number, length: number): void {
	if (Number.isSafeInteger(begin) && begin >= 0 && length >= 0 && begin + length <= size) return;
	throw new FormatError(
		`${name} ends after ${size} bytes, and bytes ${begin} to ${begin + length} are missing: it is cut short or damaged`,
	);
}

export function inMemory(name: string, bytes: Uint8Array): RandomAccess {
	// Node's Buffer is a Uint8Array with a slice() that does not copy.
	const plain = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
	return {
		name,
		size: plain.length,
		async read(begin, length) {
			requireWithin(name, plain.length, begin, length);
			return plain.subarray(begin, begin + length);
		},
		async close() {},
	};
}

export function inBlob(blob: Blob): RandomAccess {
	const name = sourceName(blob);
	return {
		name,
		size: blob.size,
		async read(begin, length) {
			requireWithin(name, blob.size, begin, length);
			return new Uint8Array(await blob.slice(begin, begin + length).arrayBuffer());
		},
		async close() {},
	};
}
