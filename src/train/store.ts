/** Where checkpoints and logs live: files in Node, the origin's private file system in browsers, memory in tests. */
import { DeviceError } from '../core/errors';
import { FileError } from '../core/fileError';

/** A place of named byte sequences. `write` is atomic: a reader, or a program started after a crash, sees the old bytes or the new. */
export interface CheckpointStore {
	/** The bytes of that name, or null when there are none. */
	read(name: string): Promise<Uint8Array | null>;
	/** Replaces the bytes of that name, all or nothing. */
	write(name: string, bytes: Uint8Array): Promise<void>;
	/** Forgets the name; no error when there is none. */
	remove(name: string): Promise<void>;
	/** The names that begin with `prefix`. */
	list(prefix: string): Promise<string[]>;
}

/** A text that grows, for logs. */
export interface LogStore {
	/** How many bytes the log of that name has; 0 when there is none. */
	size(name: string): Promise<number>;
	/** Cuts the log to `bytes`, or makes it. */
	truncate(name: string, bytes: number): Promise<void>;
	/** Adds `text` at the end. It is on the disk when the promise resolves. */
	append(name: string, text: string): Promise<void>;
}

/** Checkpoints in memory: for tests, and for runs that are continued within one program. */
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
 * Files of the page's origin (OPFS: https://fs.spec.whatwg.org). A writable stream there writes to a copy that takes the file's place
 * when it is closed, so a page that is closed meanwhile leaves the old file. Slashes in names are folders.
 */
export class BrowserStore implements CheckpointStore, LogStore {
	async #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
		if (globalThis.navigator?.storage?.getDirectory === undefined) {
			throw new DeviceError(
				'BrowserStore: this page has no private file system (it takes https or localhost); pass a store of your own',
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

	/** Lets `change` write to a copy of the file, which takes its place when all of it is there. */
	async #change(
		operation: string,
		name: string,
		keepExistingData: boolean,
		change: (stream: FileSystemWritableFileStream, size: number) => Promise<void>,
	): Promise<void> {
		await named(operation, name, async () => {
			const handle = await this.#file(name, true);
			if (handle === null) throw new DOMException('a folder or a file is in its way', 'TypeMismatchError');
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

/** `fn()`; what the browser refuses becomes a FileError. */
async function named<T>(operation: string, name: string, fn: () => Promise<T>): Promise<T> {
	try {
		return await fn();
	} catch (error) {
		// TypeError: a name that no file can have.
		if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
		const [reason, cure] =
			error.name === 'QuotaExceededError'
				? ["the page's storage is full", 'Remove what is no longer needed, or keep fewer checkpoints (keep)']
				: [error.message, 'Choose another name'];
		throw new FileError(`BrowserStore.${operation}: '${name}': ${reason}. ${cure} (${error.name})`, error.name, error);
	}
}

function isMissing(error: unknown): boolean {
	return error instanceof DOMException && (error.name === 'NotFoundError' || error.name === 'TypeMismatchError');
}
