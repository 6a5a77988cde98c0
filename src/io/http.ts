/** A file on a server: one request while reads go from front to back, and another for each jump and each broken connection. */
import { FormatError, WgradError } from '../core/errors';
import { type RandomAccess, requireWithin } from './randomAccess';

/** A jump of at most this many bytes reads and drops them; a longer one sends a new request. */
const SKIPPED = 2 ** 20;
const MOST_RETRIES = 5;
const FIRST_WAIT_MS = 250;

export interface RemoteFile extends RandomAccess {
	/** Changes when the file changes; '' if the server does not tell. */
	readonly version: string;
}

/** Opens a URL. Returns null if the server does not tell the size, or compresses the file. */
export async function openUrl(operation: string, url: string, signal: AbortSignal | undefined): Promise<RemoteFile | null> {
	const response = await requested(operation, url, signal, 0);
	const size = Number(response.headers.get('content-length') ?? Number.NaN);
	if (response.headers.has('content-encoding') || !Number.isSafeInteger(size) || response.body === null) {
		await response.body?.cancel();
		return null;
	}
	return new HttpFile(operation, url, signal, size, response);
}

async function requested(operation: string, url: string, signal: AbortSignal | undefined, from: number): Promise<Response> {
	const headers: Record<string, string> = from === 0 ? {} : { Range: `bytes=${from}-` };
	let response: Response;
	try {
		response = await fetch(url, { headers, ...(signal && { signal }) });
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new NetworkError(`${operation}: ${url} cannot be fetched: ${(error as Error).message}`, { cause: error });
	}
	if (response.ok) return response;
	await response.body?.cancel();
	const text = `${operation}: ${url}: the server answered ${response.status} ${response.statusText}`.trimEnd();
	throw response.status >= 500 || response.status === 429 ? new NetworkError(text) : new WgradError(text);
}

/** A failure that may not happen again. */
class NetworkError extends WgradError {}

class HttpFile implements RemoteFile {
	readonly version: string;
	#reader: ReadableStreamDefaultReader<Uint8Array>;
	/** Where in the file the bytes of `#rest` begin. */
	#at = 0;
	/** Bytes that have arrived and are not yet read. */
	#rest = new Uint8Array();
	#broken = false;

	constructor(
		readonly operation: string,
		readonly name: string,
		readonly signal: AbortSignal | undefined,
		readonly size: number,
		response: Response,
	) {
		this.version = versionOf(response);
		this.#reader = response.body!.getReader();
	}

	async read(begin: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
		requireWithin(this.name, this.size, begin, length);
		const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
		let filled = 0;
		for (let retries = 0; filled < length; ) {
			try {
				const part = await this.#next(begin + filled, length - filled);
				bytes.set(part, filled);
				filled += part.length;
				retries = 0;
			} catch (error) {
				this.#broken = true;
				if (!(error instanceof NetworkError) || retries === MOST_RETRIES) throw error;
				await waited(FIRST_WAIT_MS * 2 ** retries++, this.signal);
			}
		}
		return bytes;
	}

	/** At least one byte from `begin` on, and at most `length`. */
	async #next(begin: number, length: number): Promise<Uint8Array> {
		if (this.#broken || begin < this.#at || begin - this.#at - this.#rest.length > SKIPPED) await this.#restart(begin);
		while (begin >= this.#at + this.#rest.length) {
			this.#at += this.#rest.length;
			this.#rest = await this.#arrived();
		}
		const start = begin - this.#at;
		const part = this.#rest.subarray(start, start + length);
		this.#rest = this.#rest.subarray(start + part.length);
		this.#at = begin + part.length;
		return part;
	}

	async #arrived(): Promise<Uint8Array<ArrayBuffer>> {
		let result: ReadableStreamReadResult<Uint8Array>;
		try {
			result = await this.#reader.read();
		} catch (error) {
			if (this.signal?.aborted) throw error;
			throw new NetworkError(`${this.operation}: ${this.name}: the connection broke: ${(error as Error).message}`, {
				cause: error,
			});
		}
		if (result.done)
			throw new NetworkError(`${this.operation}: ${this.name}: the connection ended after ${this.#at} of ${this.size} bytes`);
		return result.value as Uint8Array<ArrayBuffer>;
	}

	async #restart(from: number): Promise<void> {
		await this.close();
		const response = await requested(this.operation, this.name, this.signal, from);
		if (versionOf(response) !== this.version) {
			await response.body?.cancel();
			throw new FormatError(`${this.operation}: ${this.name} has changed on the server while it was read. Load it again`);
		}
		this.#reader = response.body!.getReader();
		// A server that ignores ranges sends the whole file.
		this.#at = response.status === 206 ? from : 0;
		this.#rest = new Uint8Array();
		this.#broken = false;
	}

	async close(): Promise<void> {
		await this.#reader.cancel().catch(() => {});
	}
}

function versionOf(response: Response): string {
	return response.headers.get('etag') ?? response.headers.get('last-modified') ?? '';
}

function waited(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
	return new Promise((resolve, reject) => {
		const stop = () => {
			clearTimeout(timer);
			reject(signal!.reason as Error);
		};
		const timer = setTimeout(() => {
			signal?.removeEventListener('abort', stop);
			resolve();
		}, milliseconds);
		signal?.addEventListener('abort', stop, { once: true });
	});
}
