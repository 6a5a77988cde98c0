/** Loads bytes from memory, from a file that the user chose, or from the network. */
import { describe } from '../core/checks';
import { ArgumentError, FormatError, WgradError } from '../core/errors';
import type { Global } from '../core/globals';
import { inflate } from './inflate';

/** The source of a reader. A string is a URL in browsers. In Node it is a path unless it begins with http:// or https://. */
export type Source = string | Global<'URL'> | Global<'Blob'> | ArrayBuffer | Uint8Array;

/**
 * Loads a source's bytes.
 *
 * @internal
 */
export type Load = (source: Source, reader: string) => Promise<Uint8Array<ArrayBuffer>>;

/** The name of a source in messages. */
export function sourceName(source: Source): string {
	if (typeof source === 'string') return source;
	if (source instanceof URL) return source.href;
	if (source instanceof Blob) return 'name' in source ? String(source.name) : 'a Blob';
	return 'the bytes';
}

/**
 * Returns the bytes of a source. Fetches URLs and decompresses gzip.
 *
 * @internal
 */
export const loadBytes: Load = async (source, reader) => {
	if (typeof source === 'string' || source instanceof URL) return unzipped(await fetched(source, reader), source);
	if (source instanceof Blob) return unzipped(new Uint8Array(await source.arrayBuffer()), source);
	if (source instanceof ArrayBuffer) return unzipped(new Uint8Array(source), source);
	if (source instanceof Uint8Array) return unzipped(source as Uint8Array<ArrayBuffer>, source);
	throw new ArgumentError(`${reader}: it reads a URL, a File or Blob, an ArrayBuffer or a Uint8Array, not ${describe(source)}`);
};

async function fetched(url: string | URL, reader: string): Promise<Uint8Array<ArrayBuffer>> {
	let response: Response;
	try {
		response = await fetch(url);
	} catch (error) {
		throw new WgradError(`${reader}: ${String(url)} cannot be fetched: ${(error as Error).message}`, { cause: error });
	}
	if (!response.ok) {
		throw new WgradError(`${reader}: ${String(url)}: the server answered ${response.status} ${response.statusText}`.trimEnd());
	}
	return new Uint8Array(await response.arrayBuffer());
}

/** The limit of decompressed bytes: 100 times the file's size, but at least the first constant and at most the second. */
const UNSUSPECTED = 2 ** 26;
const MOST_UNZIPPED = 2 ** 30;

/** @internal */
export async function unzipped(bytes: Uint8Array<ArrayBuffer>, source: Source): Promise<Uint8Array<ArrayBuffer>> {
	if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
	const limit = Math.min(MOST_UNZIPPED, Math.max(UNSUSPECTED, 100 * bytes.length));
	// A gzip file ends with its decompressed size, if that is true.
	const size = bytes.length < 18 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4).getUint32(0, true);
	const { data, more } = await inflate([bytes], 'gzip', limit, size).catch((error: unknown) => {
		throw new FormatError(`gzip: ${sourceName(source)} begins like a gzip file but is damaged or truncated`, { cause: error });
	});
	if (!more) return data;
	throw new FormatError(
		`gzip: ${sourceName(source)} has ${bytes.length} bytes and unpacks to more than ${limit}. If you trust it, unpack it with gunzip first`,
	);
}

/** Runs `parse()` and adds the name of the source to format errors. */
export async function parsed<T>(name: string, parse: () => T | Promise<T>): Promise<T> {
	try {
		return await parse();
	} catch (error) {
		if (!(error instanceof FormatError)) throw error;
		throw new FormatError(`${name}: ${error.message}`, { cause: error });
	}
}
