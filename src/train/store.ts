/** Stores of checkpoints and logs: files in Node, the origin's private file system in browsers, memory in tests. */
import { DeviceError } from '../core/errors';
import { FileError } from '../core/fileError';

/** Stores byte sequences by name. `write` is atomic: a reader, or a program after a crash, sees either the old or the new bytes. */
export interface CheckpointStore {
	/** Returns the bytes of `name`, or null if there are none. */
	read(name: string): Promise<Uint8Array | null>;
	/** Replaces the bytes of `name`, atomically. */
	write(name: string, bytes: Uint8Array): Promise<void>;
	/** Removes `name`. Does nothing if it does not exist. */
	remove(name: string): Promise<void>;
	/** Lists the names that begin with `prefix`. */
	list(prefix: string): Promise<string[]>;
}

/** Stores logs, which grow at the end. */
export interface LogStore {
	/** Returns the size of a log in bytes; 0 if it does not exist. */
	size(name: string): Promise<number>;
	/** Truncates a log to `bytes`, or creates it. */
	truncate(name: string, bytes: number): Promise<void>;
	/** Appends `text`. It is on the disk when the promise resolves. */
	append(name: string, text: string): Promise<void>;
}

/** Keeps checkpoints in memory, for tests and for runs that resume within one program. */
export class MemoryStore implements CheckpointStore {
	readonly #entries = new Map<string, Uint8Array>();

	async read(name: string): Promise<Uint8Array | null> {
		return this.#entries.get(name)?.slice() ?? null;
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		this.#entries.set(name, bytes.slice());
	}

	async remove(name: string): Promise<void> {
		this.#entries.delete(name);
	}

	async list(prefix: string): Promise<string[]> {
		return [...this.#entries.keys()].filter((name) => name.startsWith(prefix));
	}
}

/**
 * Stores files in the page's origin private file system (OPFS: https://fs.spec.whatwg.org). A writable stream writes to a copy that
 * replaces the file on close, so a page that closes in between leaves the old file. Slashes in names separate folders.
 */
export class BrowserStore implements CheckpointStore, LogStore {
	async #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
		if (globalThis.navigator?.storage?.getDirectory === undefined) {
			throw new DeviceError(
				'BrowserStore: this page has no private file system (it needs https or localhost); pass your own store',
			);
		}
		let folder = await navigator.storage.getDirectory();
		for (const part of parts) {
			try {
				folder = await folder.getDirectoryHandle(part, { create });
			} catch (error) {
				if (isMissing(error)) return null;
				throw error;
			}
		}
		return folder;
	}

	async #file(name: string, create: boolean): Promise<FileSystemFileHandle | null> {
		const parts = name.split('/').filter((part) => part !== '' && part !== '.');
		const folder = await this.#folder(parts.slice(0, -1), create);
		if (folder === null) return null;
		try {
			return await folder.getFileHandle(parts.at(-1) ?? '', { create });
		} catch (error) {
			if (isMissing(error)) return null;
			throw error;
		}
	}

	/** Lets `change` write to a copy of the file, then replaces the file. */
	async #change(
		operation: string,
		name: string,
		keepExistingData: boolean,
		change: (stream: FileSystemWritableFileStream, size: number) => Promise<void>,
	): Promise<void> {
		await named(operation, name, async () => {
			const handle = await this.#file(name, true);
			if (handle === null) throw new DOMException('a folder or file with this name exists', 'TypeMismatchError');
			const { size } = await handle.getFile();
			const stream = await handle.createWritable({ keepExistingData });
			try {
				await change(stream, size);
				await stream.close();
			} catch (error) {
				await stream.abort().catch(() => {});
				throw error;
			}
		});
	}

	read(name: string): Promise<Uint8Array | null> {
		return named('read', name, async () => {
			const handle = await this.#file(name, false);
			return handle === null ? null : new Uint8Array(await (await handle.getFile()).arrayBuffer());
		});
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		await this.#change('write', name, false, (stream) => stream.write(bytes as Uint8Array<ArrayBuffer>));
	}

	async remove(name: string): Promise<void> {
		await named('remove', name, async () => {
			const parts = name.split('/').filter((part) => part !== '');
			const folder = await this.#folder(parts.slice(0, -1), false);
			await folder?.removeEntry(parts.at(-1) ?? '').catch((error: unknown) => {
				if (!isMissing(error)) throw error;
			});
		});
	}

	list(prefix: string): Promise<string[]> {
		return named('list', prefix, async () => {
			const parts = prefix.split('/');
			const before = parts.slice(0, -1);
			const folder = await this.#folder(before, false);
			const names: string[] = [];
			if (folder === null) return names;
			for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
				if (name.startsWith(parts.at(-1)!)) names.push([...before, name].join('/'));
			}
			return names;
		});
	}

	size(name: string): Promise<number> {
		return named('size', name, async () => {
			const handle = await this.#file(name, false);
			return handle === null ? 0 : (await handle.getFile()).size;
		});
	}

	async truncate(name: string, bytes: number): Promise<void> {
		await this.#change('truncate', name, true, (stream) => stream.truncate(bytes));
	}

	async append(name: string, text: string): Promise<void> {
		await this.#change('append', name, true, (stream, size) => stream.write({ type: 'write', position: size, data: text }));
	}
}

/** Runs `fn` and turns errors of the browser's file system into FileErrors. */
async function named<T>(operation: string, name: string, fn: () => Promise<T>): Promise<T> {
	try {
		return await fn();
	} catch (error) {
		// TypeError: an invalid file name.
		if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
		const [reason, cure] =
			error.name === 'QuotaExceededError'
				? ["the page's storage is full", 'Remove files, or keep fewer checkpoints (option keep)']
				: [error.message, 'Choose another name'];
		throw new FileError(`BrowserStore.${operation}: '${name}': ${reason}. ${cure} (${error.name})`, error.name, error);
	}
}

function isMissing(error: unknown): boolean {
	return error instanceof DOMException && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError');
}
