/**
 * Keeps downloads in blocks, each with its SHA-256. An interrupted download resumes where it stopped; a damaged block is fetched again.
 *
 *   <folder>/<hash of the URL>/record.json   the URL, size and version of the file, and the digests of its blocks
 *   <folder>/<hash of the URL>/0, 1, ...     the blocks
 */
import { FormatError, WgradError } from '../core/errors';
import { isCount, isListOf, isObject, orNull } from '../core/state';
import type { CheckpointStore } from '../train/store';
import { openUrl, type RemoteFile } from './http';
import { type RandomAccess, requireWithin } from './randomAccess';

const BLOCK_BYTES = 2 ** 24;

interface CacheRecord {
	readonly url: string;
	readonly size: number;
	readonly version: string;
	/** Null until it is loaded. */
	readonly digests: (string | null)[];
}

/** Opens a URL through the cache in `folder` of `store`. Returns null if the server does not tell the size. */
export async function openCached(
	operation: string,
	url: string,
	signal: AbortSignal | undefined,
	store: CheckpointStore,
	folder: string,
): Promise<RandomAccess | null> {
	const place = `${folder}/${(await digestOf(new TextEncoder().encode(url))).slice(0, 32)}`;
	const known = await readRecord(store, `${place}/record.json`, url);
	let remote: RemoteFile | null;
	try {
		remote = await openUrl(operation, url, signal);
		if (remote === null) return null;
	} catch (error) {
		// Without a connection, a complete copy serves.
		if (signal?.aborted || !(error instanceof WgradError) || known === null || known.digests.includes(null)) throw error;
		return new CachedFile(operation, known, place, store, null);
	}
	const { size, version } = remote;
	const isSame = known !== null && known.size === size && known.version === version;
	const digests = Array<null>(Math.ceil(size / BLOCK_BYTES)).fill(null);
	return new CachedFile(operation, isSame ? known : { url, size, version, digests }, place, store, remote);
}

async function readRecord(store: CheckpointStore, name: string, url: string): Promise<CacheRecord | null> {
	const bytes = await store.read(name);
	if (bytes === null) return null;
	try {
		const record = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
		if (!isObject(record) || record.url !== url || !isCount(record.size) || typeof record.version !== 'string') return null;
		const isDigest = orNull((value) => typeof value === 'string');
		if (!isListOf(isDigest, Math.ceil(record.size / BLOCK_BYTES))(record.digests)) return null;
		return record as unknown as CacheRecord;
	} catch {
		return null;
	}
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
	const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
	return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

class CachedFile implements RandomAccess {
	readonly name: string;
	readonly size: number;
	/** The block read last, because neighbouring small tensors share one. */
	#block: Uint8Array<ArrayBuffer> = new Uint8Array();
	#index = -1;

	constructor(
		readonly operation: string,
		readonly record: CacheRecord,
		readonly place: string,
		readonly store: CheckpointStore,
		/** Where missing blocks come from; null without a connection. */
		readonly remote: RemoteFile | null,
	) {
		this.name = record.url;
		this.size = record.size;
	}

	async read(begin: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
		requireWithin(this.name, this.size, begin, length);
		const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
		for (let filled = 0; filled < length; ) {
			const at = begin + filled;
			const block = await this.#blockAt(Math.floor(at / BLOCK_BYTES));
			const part = block.subarray(at % BLOCK_BYTES, (at % BLOCK_BYTES) + length - filled);
			bytes.set(part, filled);
			filled += part.length;
		}
		return bytes;
	}

	async #blockAt(index: number): Promise<Uint8Array<ArrayBuffer>> {
		if (this.#index !== index) {
			this.#block = (await this.#stored(index)) ?? (await this.#fetched(index));
			this.#index = index;
		}
		return this.#block;
	}

	async #stored(index: number): Promise<Uint8Array<ArrayBuffer> | null> {
		const digest = this.record.digests[index]!;
		if (digest === null) return null;
		const bytes = (await this.store.read(`${this.place}/${index}`)) as Uint8Array<ArrayBuffer> | null;
		return bytes !== null && (await digestOf(bytes)) === digest ? bytes : null;
	}

	async #fetched(index: number): Promise<Uint8Array<ArrayBuffer>> {
		if (this.remote === null)
			throw new FormatError(`${this.operation}: the cached copy of ${this.name} is damaged, and the server cannot be reached`);
		const begin = index * BLOCK_BYTES;
		const bytes = await this.remote.read(begin, Math.min(BLOCK_BYTES, this.size - begin));
		this.record.digests[index] = await digestOf(bytes);
		await this.store.write(`${this.place}/${index}`, bytes);
		await this.store.write(`${this.place}/record.json`, new TextEncoder().encode(JSON.stringify(this.record)));
		return bytes;
	}

	async close(): Promise<void> {
		await this.remote?.close();
	}
}
