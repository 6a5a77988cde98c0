/** Folders of images on the machine's disk. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { encodePng, type Image } from '../image';
import { ImageFolder, type ImageFolderOptions, isImageFile } from '../imageFolder';

/** A dataset of the images in `path`, which has a folder for each class: see ImageFolder. Files are read when they are asked for. */
export async function readImageFolder(path: string, options: ImageFolderOptions = {}): Promise<ImageFolder> {
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
