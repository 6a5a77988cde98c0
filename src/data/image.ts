/** 8-bit images: decodes them from files, scales them, and encodes them as PNG. */
import { requireOneOf, wrongArgument } from '../core/checks';
import { ArgumentError, FormatError } from '../core/errors';
import type { Global } from '../core/globals';
import { checkOptions } from '../core/options';
import { checkJpeg, sizeOf } from './imageSize';
import { preparePng } from './png';

/** Pixels row by row with interleaved channels, as in canvases and PNG files. */
export interface Image {
	/** height * width * channels values from 0 to 255. */
	readonly data: Uint8Array;
	readonly width: number;
	readonly height: number;
	/** 1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha. */
	readonly channels: number;
}

export interface ImageOptions {
	/** 1: grey (ITU-R 601 luma), 3: RGB, 4: RGB and alpha. Default: the file's own. */
	readonly channels?: 1 | 3 | 4;
	/** Scale the image to this size, bilinearly: [height, width], or one number for both. Default: its own size. */
	readonly size?: number | readonly [height: number, width: number];
	/** How to fit another aspect ratio: 'fill' distorts the image, 'cover' cuts off both ends evenly. Default 'fill'. */
	readonly fit?: 'fill' | 'cover';
	/** The largest number of pixels. Throws for larger images before decoding them. Default 2^26: 8192 x 8192. */
	readonly maxPixels?: number;
}

const MAX_PIXELS = 2 ** 26;
/** The same limit as libpng's. */
const LONGEST_SIDE = 1_000_000;

export const IMAGE_OPTIONS = ['channels', 'size', 'fit', 'maxPixels'] as const;

/** Checks the options and returns the size as [height, width]. */
export function checkImageOptions(
	name: string,
	{ channels, size, fit = 'fill', maxPixels = MAX_PIXELS }: ImageOptions,
): readonly [number, number] | null {
	if (channels !== undefined && ![1, 3, 4].includes(channels))
		throw wrongArgument(name, 'channels', '1 (grey), 3 (RGB) or 4 (RGB and alpha)', channels);
	requireOneOf(name, 'fit', fit, ['fill', 'cover']);
	if (typeof maxPixels !== 'number' || !(maxPixels >= 1))
		throw wrongArgument(name, 'maxPixels', 'a number of at least 1', maxPixels);
	if (size === undefined) return null;
	const pair = typeof size === 'number' ? ([size, size] as const) : size;
	if (pair?.length !== 2 || pair.some((side) => !Number.isInteger(side) || side < 1)) {
		throw wrongArgument(name, 'size', '[height, width] or one whole number, of at least 1', size);
	}
	return pair;
}

/**
 * Decodes a PNG or JPEG file; in browsers, any format that they display. Rounds 16-bit PNG values to 8 bits. JPEG decoders may round
 * slightly differently. Ignores the rotation that cameras store.
 */
export async function decodeImage(bytes: Uint8Array | Global<'Blob'>, options: ImageOptions = {}): Promise<Image> {
	const size = checkImageOptions('decodeImage', checkOptions('decodeImage', options, IMAGE_OPTIONS));
	const data = bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
	if (!(data instanceof Uint8Array)) throw wrongArgument('decodeImage', 'the image', 'a Uint8Array or a Blob', bytes);
	const image = await decode(data, options.maxPixels ?? MAX_PIXELS);
	const wanted = withChannels(image, options.channels ?? image.channels);
	return size === null ? wanted : resized(wanted, size, options.fit);
}

async function decode(bytes: Uint8Array, maxPixels: number): Promise<Image> {
	const check = (width: number, height: number) => {
		if (Math.max(width, height) > LONGEST_SIDE) {
			throw new FormatError(
				`decodeImage: the image has ${width} x ${height} pixels; no side may have more than ${LONGEST_SIDE}. Cut it into pieces`,
			);
		}
		if (width * height <= maxPixels) return;
		throw new FormatError(
			`decodeImage: the image has ${width} x ${height} pixels, more than ${maxPixels}. Scale it down, or pass maxPixels: ${width * height} if you trust the file`,
		);
	};
	const starts = (...signature: readonly number[]) => signature.every((byte, i) => bytes[i] === byte);
	const inBrowser = typeof createImageBitmap === 'function' && typeof OffscreenCanvas === 'function';
	let reason = 'the file is neither PNG nor JPEG';
	if (starts(0x89, 0x50, 0x4e, 0x47)) {
		const { file, header } = await preparePng(bytes, check);
		// fast-png assumes whole bytes in interlaced rows, even for fewer than 8 bits per pixel.
		if (!header.interlaced || header.depth >= 8) return decodePng(file, header.type === 3);
		reason = 'an interlaced PNG file of fewer than 8 bits cannot be read';
	}
	const jpeg = starts(0xff, 0xd8, 0xff);
	const size = sizeOf(bytes);
	if (size !== null) check(...size);
	if (inBrowser) return decodeInBrowser(bytes, jpeg ? 3 : 4, check);
	if (!jpeg) throw new FormatError(`decodeImage: ${reason}; convert it`);
	return decodeJpeg(bytes, maxPixels, checkJpeg(bytes).isRgb);
}

function damaged(kind: string, error: unknown): FormatError {
	return new FormatError(`decodeImage: the ${kind} file is damaged: ${error instanceof Error ? error.message : String(error)}`, {
		cause: error,
	});
}

// A canvas would multiply by alpha and back. The same code decodes PNG files everywhere, to the same values.
async function decodePng(bytes: Uint8Array, indexed: boolean): Promise<Image> {
	const { convertIndexedToRgb, decode } = await import('fast-png');
	try {
		const png = decode(bytes, { checkCrc: true });
		const { width, height, palette } = png;
		if (indexed) return { data: convertIndexedToRgb(png), width, height, channels: palette![0]!.length };
		return { data: bytesOf(png), width, height, channels: png.channels };
	} catch (error) {
		throw damaged('PNG', error);
	}
}

/** Converts values of 1, 2, 4, 8 or 16 bits to 0 to 255. Values of fewer than 8 bits are packed, and each row starts at a new byte. */
function bytesOf({
	data,
	depth,
	width,
	height,
}: {
	data: ArrayLike<number>;
	depth: number;
	width: number;
	height: number;
}): Uint8Array {
	if (depth === 8) return new Uint8Array(data);
	if (depth === 16) return Uint8Array.from(data, (value) => Math.round(value / 257));
	const result = new Uint8Array(width * height);
	const stride = Math.ceil((width * depth) / 8);
	const highest = 2 ** depth - 1;
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			const byte = data[y * stride + ((x * depth) >> 3)]!;
			const value = (byte >> (8 - depth - ((x * depth) & 7))) & highest;
			result[y * width + x] = (value * 255) / highest;
		}
	}
	return result;
}

/** The decoder's memory per pixel in bytes; measured: 29. */
const JPEG_BYTES = 32;

async function decodeJpeg(bytes: Uint8Array, maxPixels: number, isRgb: boolean): Promise<Image> {
	const { default: jpeg } = await import('jpeg-js');
	try {
		const { data, width, height } = jpeg.decode(bytes, {
			useTArray: true,
			formatAsRGBA: false,
			tolerantDecoding: false,
			...(isRgb ? { colorTransform: false } : {}),
			maxResolutionInMP: maxPixels / 1e6,
			// Blocks are whole, so small images need more.
			maxMemoryUsageInMB: Math.ceil((JPEG_BYTES * maxPixels) / 2 ** 20) + 1,
		});
		return { data, width, height, channels: 3 };
	} catch (error) {
		throw damaged('JPEG', error);
	}
}

async function decodeInBrowser(
	bytes: Uint8Array,
	channels: 3 | 4,
	check: (width: number, height: number) => void,
): Promise<Image> {
	let bitmap: ImageBitmap;
	try {
		bitmap = await createImageBitmap(new Blob([bytes as Uint8Array<ArrayBuffer>]), {
			imageOrientation: 'none' as ImageOrientation,
			colorSpaceConversion: 'none',
			premultiplyAlpha: 'none',
		});
	} catch (error) {
		throw new FormatError('decodeImage: this browser cannot read the file: it is damaged or not an image', { cause: error });
	}
	const { width, height } = bitmap;
	check(width, height);
	const canvas = new OffscreenCanvas(width, height);
	const context = canvas.getContext('2d', { willReadFrequently: true })!;
	context.drawImage(bitmap, 0, 0);
	bitmap.close();
	const data = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
	return withChannels({ data, width, height, channels: 4 }, channels);
}

/** Converts an image to another number of channels. */
function withChannels(image: Image, channels: number): Image {
	const { data, width, height, channels: own } = image;
	if (own === channels) return image;
	const result = new Uint8Array(width * height * channels);
	const grey = own < 3;
	const alpha = own === 2 || own === 4;
	for (let i = 0; i < width * height; i++) {
		const from = i * own;
		const to = i * channels;
		const red = data[from]!;
		const green = grey ? red : data[from + 1]!;
		const blue = grey ? red : data[from + 2]!;
		if (channels < 3) result[to] = grey ? red : Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
		else {
			result[to] = red;
			result[to + 1] = green;
			result[to + 2] = blue;
		}
		if (channels === 4) result[to + 3] = alpha ? data[from + own - 1]! : 255;
	}
	return { data: result, width, height, channels };
}

/** The source pixels and weights of each pixel of a resized line. */
interface Contributions {
	readonly first: Int32Array;
	readonly weights: readonly Float64Array[];
}

/**
 * A triangle filter as wide as a pixel of the coarser grid, over the part of the line from `start` on. Interpolates bilinearly when the
 * image grows, and averages over the area of a pixel when it shrinks. As Pillow's and torchvision's (antialiased) bilinear resize.
 */
function contributions(size: number, start: number, length: number, target: number): Contributions {
	const scale = length / target;
	const support = Math.max(1, scale);
	const first = new Int32Array(target);
	const weights = Array.from({ length: target }, (_, i) => {
		const centre = start + (i + 0.5) * scale;
		const from = Math.max(0, Math.floor(centre - support + 0.5));
		const end = Math.min(size, Math.floor(centre + support + 0.5));
		first[i] = from;
		const own = Float64Array.from({ length: end - from }, (_, k) => Math.max(0, 1 - Math.abs(from + k + 0.5 - centre) / support));
		const total = own.reduce((a, b) => a + b, 0);
		return own.map((weight) => weight / total);
	});
	return { first, weights };
}

/** Resizes the image to [height, width]. 'cover' keeps the aspect ratio and cuts off both ends; 'fill' distorts. */
function resized(image: Image, [height, width]: readonly [number, number], fit: 'fill' | 'cover' = 'fill'): Image {
	const { data, channels } = image;
	if (image.width === width && image.height === height) return image;
	const scale = fit === 'cover' ? Math.min(image.width / width, image.height / height) : 0;
	const [usedWidth, usedHeight] = fit === 'cover' ? [scale * width, scale * height] : [image.width, image.height];
	const across = contributions(image.width, (image.width - usedWidth) / 2, usedWidth, width);
	const down = contributions(image.height, (image.height - usedHeight) / 2, usedHeight, height);

	// Resizes each row horizontally and adds it, unrounded, to the new rows that it contributes to. So tall images need no extra memory.
	const line = width * channels;
	const row = new Float32Array(line);
	const sums = new Float64Array(height * line);
	let next = 0;
	for (let y = 0; y < image.height; y++) {
		while (next < height && down.first[next]! + down.weights[next]!.length <= y) next++;
		if (next === height || down.first[next]! > y) continue;
		for (let x = 0; x < width; x++) {
			const weights = across.weights[x]!;
			const from = (y * image.width + across.first[x]!) * channels;
			for (let c = 0; c < channels; c++) {
				let sum = 0;
				for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[from + k * channels + c]!;
				row[x * channels + c] = sum;
			}
		}
		for (let to = next; to < height && down.first[to]! <= y; to++) {
			const weight = down.weights[to]![y - down.first[to]!];
			if (weight === undefined) continue;
			for (let i = 0; i < line; i++) sums[to * line + i]! += weight * row[i]!;
		}
	}
	return { data: Uint8Array.from(sums, Math.round), width, height, channels };
}

/** Encodes an image as the bytes of a PNG file. */
export async function encodePng(image: Image): Promise<Uint8Array> {
	const { data, width, height, channels } = image ?? {};
	if (
		!(data instanceof Uint8Array || (data as unknown) instanceof Uint8ClampedArray) ||
		data.length !== width * height * channels
	) {
		throw new ArgumentError(
			`encodePng: an image of ${width} x ${height} pixels with ${channels} channels needs a Uint8Array of ${width * height * channels} values`,
		);
	}
	if (!(width >= 1 && height >= 1 && [1, 2, 3, 4].includes(channels))) {
		throw new ArgumentError(`encodePng: PNG does not support ${width} x ${height} pixels with ${channels} channels`);
	}
	const { encode } = await import('fast-png');
	return encode({ data, width, height, channels, depth: 8 });
}
