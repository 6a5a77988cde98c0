/** `fromPixels`: tensors from what a page shows. */
import type { DeviceName } from '../backends/contract';
import { pixelKernels } from '../backends/kernels';
import { backendOf, deviceOfNew } from '../backends/registry';
import { wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Global } from '../core/globals';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { isPixelData, type PixelData, tensor } from '../ops/creation';
import { emptyOn, Tensor } from '../tensor';
import { tidy } from '../tidy';

/** What `fromPixels` takes. A video gives the picture that it shows now. */
export type PixelSource =
	| PixelData
	| Global<'ImageData'>
	| Global<'ImageBitmap'>
	| Global<'HTMLCanvasElement'>
	| Global<'OffscreenCanvas'>
	| Global<'HTMLImageElement'>
	| Global<'HTMLVideoElement'>
	| Global<'VideoFrame'>;

export interface FromPixelsOptions {
	/** 1: grey (ITU-R 601 luma), 3: RGB, 4: RGB and alpha. Default 3. */
	readonly channels?: 1 | 3 | 4;
	/** Default `defaultDevice()`. */
	readonly device?: DeviceName;
}

/**
 * Makes float32 [C, H, W] from 0 to 1 of a picture: an ImageData, a canvas, an `<img>`, a video, a VideoFrame or an ImageBitmap. Colours are
 * sRGB and not multiplied by alpha, as in `imageTensor`. Does not wait.
 *
 * On WebGPU, canvases and bitmaps are copied on the device, and videos and images by way of a canvas, which the browser keeps on the GPU: JavaScript
 * never reads their pixels. On the CPU they pass through a canvas. To
 * scale, pass `await createImageBitmap(source, { resizeWidth, resizeHeight })`. Within `compile` the call runs as usual: make the tensor outside, and pass it.
 *
 * Throws an ArgumentError if the picture has no pixels yet, is larger than the device's textures, or comes from another site that does not
 * allow its use.
 */
export function fromPixels(source: PixelSource, options: FromPixelsOptions = {}): Tensor {
	const { channels = 3, device = deviceOfNew() } = checkOptions('fromPixels', options, ['channels', 'device']);
	if (![1, 3, 4].includes(channels))
		throw wrongArgument('fromPixels', 'channels', '1 (grey), 3 (RGB) or 4 (RGB and alpha)', channels);
	const [width, height] = sizeOf(source);
	return runOperation('fromPixels', () =>
		tidy(() => {
			const words = wordsOf(source, width, height, device);
			const y = emptyOn(words, [channels, height, width], 'float32');
			pixelKernels(words.backend).pixels({ x: words }, { y });
			return y;
		}),
	);
}

/** The side to which WebGPU limits textures on every device. */
const LONGEST_SIDE = 8192;

type Sizes = Readonly<
	Record<
		'width' | 'height' | 'videoWidth' | 'videoHeight' | 'naturalWidth' | 'naturalHeight' | 'displayWidth' | 'displayHeight',
		unknown
	>
>;

function sizeOf(source: PixelSource): [width: number, height: number] {
	const sizes = (typeof source === 'object' && source !== null ? source : {}) as Sizes;
	const pairs = [
		[sizes.videoWidth, sizes.videoHeight],
		[sizes.naturalWidth, sizes.naturalHeight],
		[sizes.displayWidth, sizes.displayHeight],
		[sizes.width, sizes.height],
	] as const;
	const pair = pairs.find((pair): pair is [number, number] => pair.every((side) => typeof side === 'number'));
	if (pair === undefined)
		throw wrongArgument('fromPixels', 'the source', 'an ImageData, canvas, image, video, VideoFrame or ImageBitmap', source);
	const [width, height] = pair;
	if (!(Number.isInteger(width) && Number.isInteger(height)))
		throw new ArgumentError(`fromPixels: a picture has whole numbers of pixels, not ${width} x ${height}`);
	if (!(width > 0 && height > 0))
		throw new ArgumentError(
			"fromPixels: the picture has no pixels yet; wait for a video's 'loadeddata' event, or for an image's decode()",
		);
	return [width, height];
}

/** The pixels as int32 [H, P], a word for each. */
function wordsOf(source: PixelSource, width: number, height: number, device: DeviceName): Tensor {
	if (isPixelData(source)) return wordsOfBytes(source, width, height, device);
	const backend = backendOf(device);
	if (backend.uploadPicture === undefined)
		return wordsOfBytes(
			readable(() => drawn(source, width, height, true).getImageData(0, 0, width, height)),
			width,
			height,
			device,
		);
	if (Math.max(width, height) > LONGEST_SIDE)
		throw new ArgumentError(
			`fromPixels: the picture has ${width} x ${height} pixels; WebGPU takes at most ${LONGEST_SIDE} on a side. Scale it: await createImageBitmap(source, { resizeWidth: ${LONGEST_SIDE} })`,
		);
	const picture = isCopied(source) ? source : drawn(source, width, height, false).canvas;
	const { storage, pitch } = readable(() => backend.uploadPicture!(picture, width, height));
	return new Tensor(storage, [height, pitch]);
}

function wordsOfBytes({ data }: PixelData, width: number, height: number, device: DeviceName): Tensor {
	const bytes: unknown = data;
	if (ArrayBuffer.isView(bytes) && !(bytes instanceof Uint8ClampedArray || bytes instanceof Uint8Array))
		throw wrongArgument('fromPixels', 'data', 'bytes from 0 to 255, a Uint8ClampedArray as ImageData has it', data);
	if (data.length !== 4 * width * height)
		throw new ArgumentError(
			`fromPixels: ${width} x ${height} pixels have ${4 * width * height} bytes (red, green, blue, alpha), not ${data.length}`,
		);
	// A copy begins at a multiple of four bytes.
	return tensor(new Int32Array(Uint8Array.from(data).buffer), { shape: [height, width], device });
}

/** Draws a picture on a canvas, in place of the one before. `read` is for canvases of which the host reads. */
function drawn(source: PixelSource, width: number, height: number, read: boolean): OffscreenCanvasRenderingContext2D {
	if (typeof OffscreenCanvas !== 'function')
		throw new ArgumentError(
			'fromPixels: only browsers have canvases and videos; pass { data, width, height } with four bytes per pixel',
		);
	const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: read })!;
	readable(() => context.drawImage(source as ImageBitmap, 0, 0, width, height));
	return context;
}

/** Whether WebGPU copies the source everywhere. Some browsers lose the device when they copy a video. */
function isCopied(source: PixelSource): boolean {
	// By name, because the class of another frame's canvas is another one.
	const name = Object.prototype.toString.call(source).slice('[object '.length, -1);
	return ['OffscreenCanvas', 'HTMLCanvasElement', 'ImageBitmap'].includes(name);
}

/** Explains the errors of browsers. */
function readable<T>(read: () => T): T {
	try {
		return read();
	} catch (error) {
		if (!(error instanceof DOMException)) throw error;
		const cure =
			error.name === 'SecurityError'
				? "it comes from another site; set its crossOrigin to 'anonymous', and let that site allow it (CORS)"
				: error.message;
		throw new ArgumentError(`fromPixels: the browser does not give the picture's pixels: ${cure}`, { cause: error });
	}
}
