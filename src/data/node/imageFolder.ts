/** Reads folders of images by path, and writes PNG files. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFileErrors } from '../../core/fileError';
import type { Global } from '../../core/globals';
import { type DroppedFile, readImageFolder as readFiles } from '../droppedFiles';
import { encodePng, type Image } from '../image';
import { ImageFolder, type ImageFolderOptions, isImageFile } from '../imageFolder';
import { readWhole, writeWhole } from './disk';

/**
 * Makes a dataset of the images in a folder with one subfolder per class: see ImageFolder. `folder` is a path. In browsers it is the files
 * that the user chose (`<input type="file" webkitdirectory>`: `input.files`) or dropped (`filesFromDrop`). Follows links to files and
 * folders. A folder that several links of one class lead to counts once.
 */
export async function readImageFolder(
	folder: string | Global<'URL'> | Iterable<Global<'File'> | DroppedFile>,
	options: ImageFolderOptions = {},
): Promise<ImageFolder> {
	if (typeof folder !== 'string' && !(folder instanceof URL)) return readFiles(folder, options);
	const root = resolve(folder instanceof URL ? fileURLToPath(folder) : folder);
	const entries = (await imagesBelow(root)).map((file) => ({
		path: withSlashes(file),
		read: () => readWhole('readImageFolder', file),
	}));
	return new ImageFolder(entries, options, withSlashes(root));
}

async function imagesBelow(root: string): Promise<string[]> {
	const images: string[] = [];
	await visit(root, new Set());
	return images;

	/** `seen` holds the real paths of the folders visited, to stop at links that form a loop. */
	async function visit(folder: string, seen: Set<string>): Promise<void> {
		const entries = await withFileErrors('readImageFolder', 'read', folder, async () => {
			const real = await realpath(folder);
			if (seen.has(real)) return [];
			seen.add(real);
			return readdir(folder, { withFileTypes: true });
		});
		for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
			const path = join(folder, entry.name);
			const kind = await followed(path, entry);
			// Each class starts with an empty set, because two classes may share a folder.
			if (kind === 'folder' && !entry.name.startsWith('.')) await visit(path, folder === root ? new Set(seen) : seen);
			else if (kind === 'file' && isImageFile(entry.name)) images.push(path);
		}
	}
}

/** Returns null for pipes, sockets and devices: reading them could block forever. */
async function followed(path: string, entry: Dirent): Promise<'folder' | 'file' | null> {
	try {
		const kind = entry.isSymbolicLink() ? await stat(path) : entry;
		return kind.isDirectory() ? 'folder' : kind.isFile() ? 'file' : null;
	} catch {
		// A broken link: reading the image will report it.
		return 'file';
	}
}

function withSlashes(path: string): string {
	return path.split(sep).join('/');
}

/** Writes an image to a PNG file, atomically. */
export async function writePng(path: string, image: Image): Promise<void> {
	await writeWhole('writePng', path, await encodePng(image), { folders: false, flush: false });
}
