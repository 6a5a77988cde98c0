/** Opens files, URLs, Blobs and bytes, and reads them with progress, until a signal ends it. */
import { loadBytes, type Source, sourceName } from '../data/sources';
import { openCached } from './cache';
import { openUrl } from './http';
import type { OpenOptions, Progress } from './options';
import { thePlatform } from './platform';
import { inBlob, inMemory, type RandomAccess } from './randomAccess';

/** The path, if the source is one; else null. */
function pathOf(source: Source): string | URL | null {
	if (typeof source === 'string') return thePlatform().isPath(source) ? source : null;
	return source instanceof URL && source.protocol === 'file:' ? source : null;
}

/** Whether a source is fetched. */
export function isRemote(source: Source): boolean {
	return (typeof source === 'string' || source instanceof URL) && pathOf(source) === null;
}

/** Opens a source. Errors name `operation`. */
export async function openSource(
	operation: string,
	source: Source,
	{ signal, cache = false }: OpenOptions,
): Promise<RandomAccess> {
	if (source instanceof Uint8Array) return inMemory(sourceName(source), source);
	if (source instanceof ArrayBuffer) return inMemory(sourceName(source), new Uint8Array(source));
	if (source instanceof Blob) return inBlob(source);
	const path = pathOf(source);
	if (path !== null) return thePlatform().openPath(operation, path);
	if (isRemote(source)) {
		const url = new URL(String(source), globalThis.location?.href).href;
		const { store, folder } = thePlatform().cache();
		const opened =
			cache === false
				? await openUrl(operation, url, signal)
				: await openCached(operation, url, signal, store, cache === true ? folder : cache);
		if (opened !== null) return opened;
	}
	return inMemory(sourceName(source), await loadBytes(source, operation));
}

/** Bytes between two calls of `onProgress` and two looks at the signal. */
const PART_BYTES = 2 ** 23;

/** Counts the bytes read from files, and shows progress. */
export class ProgressReader {
	#loaded = 0;
	/** The memory of `parts`. */
	#part = new Uint8Array();

	constructor(
		readonly total: number,
		readonly signal: AbortSignal | undefined,
		readonly tell: ((progress: Progress) => void) | undefined,
	) {}

	/** Reads bytes into memory of their own. */
	async read(file: RandomAccess, begin: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
		const bytes = new Uint8Array(length);
		let filled = 0;
		for await (const part of this.parts(file, begin, length)) {
			bytes.set(part, filled);
			filled += part.length;
		}
		return bytes;
	}

	/** Reads bytes in parts of a whole number of words. Each part is valid until the next is asked for, because they share memory. */
	async *parts(file: RandomAccess, begin: number, length: number): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
		for (let filled = 0; filled < length; ) {
			this.signal?.throwIfAborted();
			const bytes = Math.min(PART_BYTES, length - filled);
			if (this.#part.length < bytes) this.#part = new Uint8Array(Math.min(PART_BYTES, 2 * bytes));
			const part = await file.read(begin + filled, bytes, this.#part);
			yield part;
			filled += bytes;
			this.advance(bytes);
		}
	}

	/** Counts bytes that were read without this reader. */
	advance(bytes: number): void {
		this.#loaded += bytes;
		this.tell?.({ loaded: this.#loaded, total: this.total });
	}
}

/** Runs `use` with a function that reports progress: the caller's, or Node's display if a source is fetched. */
export async function withProgress<T>(
	sources: readonly Source[],
	{ onProgress }: OpenOptions,
	use: (tell: ((progress: Progress) => void) | undefined) => Promise<T>,
): Promise<T> {
	const fetched = onProgress === undefined ? sources.find(isRemote) : undefined;
	const display = fetched === undefined ? null : await thePlatform().showProgress(sourceName(fetched));
	try {
		return await use(onProgress ?? display?.update);
	} finally {
		display?.stop();
	}
}
