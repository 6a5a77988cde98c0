/** What differs between Node and browsers: paths, the place of the cache, and a display of downloads. Importing `node/` sets Node's. */
import { FileError } from '../core/fileError';
import { BrowserStore, type CheckpointStore } from '../train/store';
import type { Progress } from './options';
import type { RandomAccess } from './randomAccess';

export interface Display {
	update(progress: Progress): void;
	stop(): void;
}

export interface NewFile {
	readonly path: string | URL;
	readonly parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface Removed {
	readonly before?: readonly (string | URL)[];
	readonly after?: readonly (string | URL)[];
}

export interface Platform {
	/** Opens a file by path. */
	openPath(operation: string, path: string | URL): Promise<RandomAccess>;
	/** Writes files by path, all of them or none. Removes paths `before` and `after` the files get their names. */
	writeFiles(operation: string, files: readonly NewFile[], removed?: Removed): Promise<void>;
	/** The store of downloads, and its default folder. */
	cache(): { readonly store: CheckpointStore; readonly folder: string };
	/** Shows the progress of a download to the user. Null if nobody would see it. */
	showProgress(name: string): Promise<Display | null>;
	/** Whether a string is a path. Otherwise it is a URL. */
	isPath(source: string): boolean;
}

let platform: Platform = {
	openPath: (operation, path) => noPaths(operation, path),
	writeFiles: (operation, [file]) => noPaths(operation, file!.path),
	cache: () => ({ store: new BrowserStore(), folder: 'wgrad-cache' }),
	showProgress: async () => null,
	isPath: () => false,
};

async function noPaths(operation: string, path: string | URL): Promise<never> {
	throw new FileError(
		`${operation}: a browser has no paths: '${String(path)}'. Pass a WritableStream or a FileSystemFileHandle, as showSaveFilePicker() gives it`,
		'ENOTSUP',
		undefined,
	);
}

export function thePlatform(): Platform {
	return platform;
}

export function setPlatform(own: Platform): void {
	platform = own;
}
