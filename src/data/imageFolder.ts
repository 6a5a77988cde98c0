/** Datasets of images in one folder per class. */
import type { DeviceName } from '../backends/contract';
import { deviceOfNew } from '../backends/registry';
import { requireList } from '../core/checks';
import { ArgumentError, FormatError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import type { TensorList } from './batch';
import { type Dataset, requireIndex } from './dataset';
import { checkImageOptions, decodeImage, IMAGE_OPTIONS, type Image, type ImageOptions } from './image';
import { unitValues, writePlanes } from './imageTensor';

/** A file with its path. */
export interface FileEntry {
	/** For example 'animals/cat/1.png'. */
	readonly path: string;
	read(): Promise<Uint8Array>;
}

export interface ImageFolderOptions extends ImageOptions {
	/** Default 3. */
	readonly channels?: 1 | 3 | 4;
	/** Keep decoded images in memory, as bytes, so that the second epoch reads no files. Default false. */
	readonly cache?: boolean;
}

/** Whether a file is an image, by its name. */
export function isImageFile(path: string): boolean {
	return /^[^.].*\.(png|jpe?g|webp|gif|bmp|avif)$/is.test(path.split('/').at(-1)!);
}

/**
 * Images with their folder as the class. Samples are [image float32 [C, H, W] from 0 to 1, class int32]. Reads and decodes files on demand.
 * Classes are the folder names, sorted by character codes; ignores folders that start with a dot. As torchvision's ImageFolder.
 */
export class ImageFolder implements Dataset {
	/** The names of the classes, by number. */
	readonly classes: readonly string[];
	/** The class of each image. */
	readonly labels: Int32Array;
	/** The path of each image. */
	readonly paths: readonly string[];
	readonly #entries: readonly FileEntry[];
	readonly #options: ImageOptions;
	readonly #cached: Map<number, Promise<Image>> | null;

	/** `root` is the folder that all paths begin with. Default: their common folder, if any. */
	constructor(files: readonly FileEntry[], options: ImageFolderOptions = {}, root?: string) {
		const { cache = false, ...image } = checkOptions('readImageFolder', options, [...IMAGE_OPTIONS, 'cache']);
		checkImageOptions('readImageFolder', image);
		requireList('ImageFolder', 'files', files);
		const odd = files.find((file) => typeof file?.path !== 'string' || typeof file.read !== 'function');
		if (odd !== undefined) throw new ArgumentError('ImageFolder: a file needs a path and a function read');
		const images = files.filter(({ path }) => isImageFile(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
		const start = root ?? sharedFolder(images);
		const entries = images.filter(({ path }) => !below(path, start).some((part) => part.startsWith('.')));
		if (entries.length === 0) {
			throw new ArgumentError(
				'readImageFolder: found no images. It takes a folder with one subfolder of PNG or JPEG files per class',
			);
		}
		const names = entries.map(({ path }) => className(path, start));
		this.classes = [...new Set(names)].sort();
		const numbers = new Map(this.classes.map((name, i) => [name, i]));
		this.labels = Int32Array.from(names, (name) => numbers.get(name)!);
		this.paths = entries.map(({ path }) => path);
		this.#entries = entries;
		this.#options = { channels: 3, ...image };
		this.#cached = cache ? new Map() : null;
	}

	get length(): number {
		return this.#entries.length;
	}

	/** Returns the pixels of image `index`. */
	image(index: number): Promise<Image> {
		requireIndex('ImageFolder', index, this.length);
		const cached = this.#cached?.get(index);
		if (cached !== undefined) return cached;
		const image = this.#decode(index);
		this.#cached?.set(index, image);
		// Do not cache failures: the file may be readable next time.
		image.catch(() => this.#cached?.delete(index));
		return image;
	}

	async #decode(index: number): Promise<Image> {
		const { path, read } = this.#entries[index]!;
		const bytes = await read();
		try {
			return await decodeImage(bytes, this.#options);
		} catch (error) {
			throw new FormatError(`readImageFolder: ${path}: ${(error as Error).message}`, { cause: error });
		}
	}

	async get(index: number, device?: DeviceName): Promise<TensorList> {
		const image = await this.image(index);
		return this.#fields([image], [index], [], device);
	}

	async batch(indices: ArrayLike<number>, device?: DeviceName): Promise<TensorList> {
		const list = Int32Array.from(indices);
		const images = await Promise.all(Array.from(list, (index) => this.image(index)));
		return this.#fields(images, list, [list.length], device);
	}

	#fields(
		images: readonly Image[],
		list: ArrayLike<number>,
		leading: readonly number[],
		device: DeviceName = deviceOfNew(),
	): TensorList {
		const first = images[0];
		if (first === undefined) throw new ArgumentError('ImageFolder: a batch needs at least one image');
		const { width, height, channels } = first;
		const planes = new Uint8Array(images.length * channels * height * width);
		images.forEach((image, i) => {
			if (image.width !== width || image.height !== height) {
				const [a, b] = [first, image].map(({ height, width }) => formatShape([height, width]));
				throw new ShapeError(
					`ImageFolder: ${this.paths[list[0]!]} has size ${a}, ${this.paths[list[i]!]} has ${b}. All images of a batch must have the same size. Pass size: [height, width]`,
				);
			}
			writePlanes(image, planes, i * channels * height * width);
		});
		const labels = Int32Array.from(list, (index) => this.labels[index]!);
		return [
			tensor(unitValues(planes), { shape: [...leading, channels, height, width], device }),
			tensor(labels, { shape: leading, device }),
		];
	}
}

/** The folder that contains all files at least one folder deeper; '' if there is none. */
function sharedFolder(files: readonly FileEntry[]): string {
	const first = files[0]?.path.split('/')[0];
	return files.every(({ path }) => path.startsWith(`${first}/`) && path.split('/').length > 2) ? (first ?? '') : '';
}

/** The path parts from the root to a file. */
function below(path: string, root: string): string[] {
	return path
		.slice(root.length)
		.split('/')
		.filter((part) => part !== '');
}

function className(path: string, root: string): string {
	const parts = below(path, root);
	if (parts.length > 1) return parts[0]!;
	throw new ArgumentError(`readImageFolder: ${path} is not in a class folder. Sort the images into one folder per class`);
}
