/** Converts tensors to images and images to tensors. */
import type { DeviceName } from '../backends/contract';
import { requireCounts } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { tensor } from '../ops/creation';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import type { Image } from './image';

export interface ImageGridOptions {
	/** Images per row. Default 8, or fewer if there are fewer images. */
	readonly columns?: number;
	/** Pixels between images and around the grid. Default 2. */
	readonly padding?: number;
	/** The grey value of the padding, 0 to 255. Default 0. */
	readonly background?: number;
	/** The values that map to black and white; others are clipped. Default [0, 1]. */
	readonly range?: readonly [low: number, high: number];
}

/**
 * Arranges the images of a batch [N, C, H, W] (1, 3 or 4 channels) or [N, H, W] in one image, row by row. As torchvision's `make_grid`. To
 * write a file: `writePng(path, await imageGrid(samples))`.
 */
export async function imageGrid(images: Tensor, options: ImageGridOptions = {}): Promise<Image> {
	requireTensor('imageGrid', images, 'images');
	const [count, channels, height, width] = sizesOf(images);
	const {
		columns = Math.min(8, count),
		padding = 2,
		background = 0,
		range = [0, 1],
	} = checkOptions('imageGrid', options, ['columns', 'padding', 'background', 'range']);
	requireCounts('imageGrid', { columns }, 1);
	requireCounts('imageGrid', { padding });
	const [low, high] = range;
	if (!(low < high)) throw new ArgumentError(`imageGrid: range [${range.join(', ')}] must go from a lower to a higher value`);
	const values = await images.data();
	const across = padding + columns * (width + padding);
	const down = padding + Math.ceil(count / columns) * (height + padding);
	const data = new Uint8Array(across * down * channels).fill(background);
	for (let n = 0; n < count; n++) {
		const left = padding + (n % columns) * (width + padding);
		const top = padding + Math.floor(n / columns) * (height + padding);
		for (let c = 0; c < channels; c++) {
			for (let y = 0; y < height; y++) {
				for (let x = 0; x < width; x++) {
					const value = (values[((n * channels + c) * height + y) * width + x]! - low) / (high - low);
					data[((top + y) * across + left + x) * channels + c] = Math.round(255 * Math.min(1, Math.max(0, value)));
				}
			}
		}
	}
	return { data, width: across, height: down, channels };
}

function sizesOf({ shape }: Tensor): [count: number, channels: number, height: number, width: number] {
	const [a = 0, b = 0, c = 0, d = 0] = shape;
	if (shape.length === 4 && a > 0 && [1, 3, 4].includes(b)) return [a, b, c, d];
	if (shape.length === 3 && a > 0) return [a, 1, b, c];
	throw new ShapeError(
		`imageGrid: it takes images [N, C, H, W] with 1, 3 or 4 channels, or [N, H, W], not ${formatShape(shape)}`,
	);
}

/** Writes pixels as one plane per channel, [C, H, W], to `to` from index `at`. */
export function writePlanes({ data, width, height, channels }: Image, to: Uint8Array, at = 0): void {
	const area = width * height;
	for (let c = 0; c < channels; c++) {
		const plane = at + c * area;
		for (let i = 0; i < area; i++) to[plane + i] = data[i * channels + c]!;
	}
}

/** Maps bytes to 0 to 1. */
export function unitValues(bytes: Uint8Array): Float32Array {
	const values = new Float32Array(bytes.length);
	for (let i = 0; i < bytes.length; i++) values[i] = bytes[i]! / 255;
	return values;
}

/** Converts an image to float32 [C, H, W] from 0 to 1. As torchvision's `to_tensor`. */
export function imageTensor(image: Image, options: { readonly device?: DeviceName } = {}): Tensor {
	const { device } = checkOptions('imageTensor', options, ['device']);
	const { data, width, height, channels } = image ?? {};
	if (!(data instanceof Uint8Array) || data.length !== width * height * channels) {
		throw new ArgumentError('imageTensor: it takes an image { data, width, height, channels }, as returned by decodeImage');
	}
	const planes = new Uint8Array(channels * height * width);
	writePlanes(image, planes);
	const shape = [channels, height, width];
	return tensor(unitValues(planes), device === undefined ? { shape } : { shape, device });
}
