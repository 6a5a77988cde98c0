/** Reads folders that the user of a page chose or dropped. */
import { ArgumentError } from '../core/errors';
import type { Global } from '../core/globals';
import { type FileEntry, ImageFolder, type ImageFolderOptions } from './imageFolder';

/** A file with its path, as returned by `filesFromDrop`. */
export interface DroppedFile {
	/** For example 'animals/cat/1.png'. */
	readonly path: string;
	readonly file: Global<'File'>;
}

/**
 * Returns the dropped files, including all files in dropped folders, of a 'drop' event's `dataTransfer`. Call it inside the event handler:
 * afterwards the browser clears the data.
 */
export async function filesFromDrop(dataTransfer: Global<'DataTransfer'>): Promise<DroppedFile[]> {
	if (dataTransfer?.items === undefined) {
		throw new ArgumentError("filesFromDrop: it takes the dataTransfer of a 'drop' event");
	}
	const items = Array.from(dataTransfer.items).filter(({ kind }) => kind === 'file');
	// Before the first await, because the items are empty afterwards.
	const found = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
	const lists = await Promise.all(
		found.map(async (entry) => {
			if (entry === null) return [];
			return entry instanceof File ? [{ path: entry.name, file: entry }] : filesBelow(entry);
		}),
	);
	return lists.flat();
}

async function filesBelow(entry: FileSystemEntry): Promise<DroppedFile[]> {
	const path = entry.fullPath.replace(/^\//, '');
	if (entry.isFile) {
		const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
		return [{ path, file }];
	}
	const reader = (entry as FileSystemDirectoryEntry).createReader();
	const files: DroppedFile[] = [];
	// A reader returns some entries at a time (100 in Chromium), and none at the end.
	for (;;) {
		const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
		if (entries.length === 0) return files;
		files.push(...(await Promise.all(entries.map(filesBelow))).flat());
	}
}

/**
 * Makes a dataset of the images in a folder that the user chose (`<input type="file" webkitdirectory>`: `input.files`) or dropped
 * (`filesFromDrop`): see ImageFolder. Ignores other files.
 */
export function readImageFolder(
	files: Iterable<Global<'File'> | DroppedFile>,
	options: ImageFolderOptions = {},
): Promise<ImageFolder> {
	if (typeof (files as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== 'function' || typeof files === 'string') {
		return Promise.reject(
			new ArgumentError(
				'readImageFolder: it takes files: those of an <input type="file" webkitdirectory>, or the result of filesFromDrop. Paths work in Node only',
			),
		);
	}
	return Promise.resolve().then(() => new ImageFolder(Array.from(files, entryOf), options));
}

function entryOf(item: File | DroppedFile): FileEntry {
	if (!(item instanceof File) && !(item?.file instanceof Blob)) {
		throw new ArgumentError('readImageFolder: it takes a list of File objects, or the result of filesFromDrop');
	}
	const { path, file } = item instanceof File ? { path: item.webkitRelativePath || item.name, file: item } : item;
	return { path, read: async () => new Uint8Array(await file.arrayBuffer()) };
}
