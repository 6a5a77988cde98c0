/** Files that are read in any order, so that no more than a part need be in memory. */
import { FormatError } from '../core/errors';
import { loadBytes, type Source, sourceName } from '../data/sources';

export interface RandomAccess {
	/** For messages. */
	readonly name: string;
	/** In bytes. */
	readonly size: number;
	/** Reads `length` bytes from `begin` on. Throws a FormatError if the file ends before. May return memory of the source. */
	read(begin: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
	close(): Promise<void>;
}

/** @internal */
export type OpenPath = (operation: string, path: string | URL) => Promise<RandomAccess>;

let openPath: OpenPath | null = null;

/** Makes strings that are no URLs paths of files. */
export function setOpenPath(open: OpenPath): void {
	openPath = open;
}

/** Opens a source. Errors name `operation`. */
export async function openSource(operation: string, source: Source): Promise<RandomAccess> {
	if (source instanceof Uint8Array) return inMemory(sourceName(source), source);
	if (source instanceof ArrayBuffer) return inMemory(sourceName(source), new Uint8Array(source));
	if (source instanceof Blob) return inBlob(source);
	if (openPath !== null && (typeof source === 'string' || source instanceof URL) && isPath(source))
		return openPath(operation, source);
	return inMemory(sourceName(source), await loadBytes(source, operation));
}

function isPath(source: string | URL): boolean {
	return typeof source === 'string' ? !/^(https?|blob|data):/.test(source) : source.protocol === 'file:';
}

/** Throws a FormatError unless a file of `size` bytes holds these. */
export function requireWithin(name: string, size: number, begin: number, length: number): void {
	if (Number.isSafeInteger(begin) && begin >= 0 && length >= 0 && begin + length <= size) return;
	throw new FormatError(
		`${name} ends after ${size} bytes, and bytes ${begin} to ${begin + length} are missing: it is cut short or damaged`,
	);
}

function inMemory(name: string, bytes: Uint8Array): RandomAccess {
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

function inBlob(blob: Blob): RandomAccess {
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
