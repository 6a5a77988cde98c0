/** Folders of images on the machine's disk. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Global } from '../../core/platform';
import { type DroppedFile, readImageFolder as readFiles } from '../drop';
import { encodePng, type Image } from '../image';
import { ImageFolder, type ImageFolderOptions, isImageFile } from '../imageFolder';

/**
 * A dataset of the images in a folder, which has a folder for each class: see ImageFolder. The folder is a path, or in browsers the files that
 * the user chose (`<input type="file" webkitdirectory>`: `input.files`) or dropped (`filesFromDrop`).
 */
export async function readImageFolder(
	folder: string | Global<'URL'> | Iterable<Global<'File'> | DroppedFile>,
	options: ImageFolderOptions = {},
): Promise<ImageFolder> {
	if (typeof folder !== 'string' && !(folder instanceof URL)) return readFiles(folder, options);
	const path = folder instanceof URL ? fileURLToPath(folder) : folder;
	const found = await readdir(path, { recursive: true, withFileTypes: true });
	const files = found.filter((entry) => !entry.isDirectory() && isImageFile(entry.name));
	const entries = files.map((entry) => {
		const file = resolve(entry.parentPath ?? entry.path, entry.name);
		return { path: withSlashes(file), read: async () => new Uint8Array(await readFile(file)) };
	});
	return new ImageFolder(entries, options, withSlashes(resolve(path)));
}

function withSlashes(path: string): string {
	return path.split(sep).join('/');
}

/** Writes an image to a PNG file. */
export async function writePng(path: string, image: Image): Promise<void> {
	await writeFile(path, await encodePng(image));
}
