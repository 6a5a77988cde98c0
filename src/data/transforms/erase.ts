/** Transforms that erase rectangles of images: cutout and random erasing. */
import { requireFraction, requireNumber, wrongArgument } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { tensor } from '../../ops/creation';
import { logicalAnd, where } from '../../ops/elementwise';
import type { Tensor } from '../../tensor';
import { requireSize, type Size } from './geometry';
import { imageTransform, type Transform } from './transform';

/** Rows top .. bottom - 1 and columns left .. right - 1. Parts outside the image are ignored. */
interface Box {
	readonly top: number;
	readonly bottom: number;
	readonly left: number;
	readonly right: number;
}

/** Fills the box that `draw` returns for each image; null leaves an image unchanged. */
function painted(images: Tensor, value: number, draw: (height: number, width: number) => Box | null): Tensor {
	const [count, , height, width] = images.shape as [number, number, number, number];
	const rows = new Uint8Array(count * height);
	const columns = new Uint8Array(count * width);
	for (let n = 0; n < count; n++) {
		const box = draw(height, width);
		if (box === null) continue;
		rows.fill(1, n * height + Math.max(0, box.top), n * height + Math.min(height, Math.max(0, box.bottom)));
		columns.fill(1, n * width + Math.max(0, box.left), n * width + Math.min(width, Math.max(0, box.right)));
	}
	const { device } = images;
	const inside = logicalAnd(
		tensor(rows, { shape: [count, 1, height, 1], device }),
		tensor(columns, { shape: [count, 1, 1, width], device }),
	);
	return where(inside, value, images);
}

export interface CutoutOptions {
	/** The probability of cutting an image. Default 1. */
	readonly p?: number;
	/** The fill value. Default 0, which is the mean after `normalize`. */
	readonly fill?: number;
}

/**
 * Fills a rectangle of `size` around a random pixel of each image. It may extend beyond the edges. DeVries and Taylor 2017: "Improved
 * regularization of convolutional neural networks with cutout".
 */
export function cutout(size: Size, options: CutoutOptions = {}): Transform {
	const { p = 1, fill = 0 } = checkOptions('cutout', options, ['p', 'fill']);
	const [boxHeight, boxWidth] = requireSize('cutout', 'size', size);
	requireFraction('cutout', 'p', p);
	requireNumber('cutout', 'fill', fill);
	return imageTransform('cutout', (images, draws) =>
		painted(images, fill, (height, width) => {
			const chosen = draws.uniform() < p;
			const top = draws.integer(height) - Math.floor(boxHeight / 2);
			const left = draws.integer(width) - Math.floor(boxWidth / 2);
			return chosen ? { top, bottom: top + boxHeight, left, right: left + boxWidth } : null;
		}),
	);
}

export interface ErasingOptions {
	/** The probability of erasing in an image. Default 0.5. */
	readonly p?: number;
	/** The range of the rectangle's area as a fraction of the image. Default [0.02, 0.33]. */
	readonly scale?: readonly [low: number, high: number];
	/** The range of height / width. Default [0.3, 3.3]. */
	readonly ratio?: readonly [low: number, high: number];
	/** The fill value. Default 0. */
	readonly value?: number;
}

/** The number of attempts to find a rectangle that fits into the image, as in torchvision. If all fail, the image stays unchanged. */
const ATTEMPTS = 10;

/**
 * Fills a rectangle of random size and shape within an image. Zhong et al. 2017: "Random erasing data augmentation". As
 * `torchvision.transforms.RandomErasing`.
 */
export function randomErasing(options: ErasingOptions = {}): Transform {
	checkOptions('randomErasing', options, ['p', 'scale', 'ratio', 'value']);
	const { p = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = options;
	requireFraction('randomErasing', 'p', p);
	requireNumber('randomErasing', 'value', value);
	for (const [argument, [low, high], most] of [
		['scale', scale, 1],
		['ratio', ratio, Number.MAX_VALUE],
	] as const) {
		if (!(low > 0 && low <= high && high <= most))
			throw wrongArgument('randomErasing', argument, 'a range [low, high] above 0', [low, high]);
	}
	const logRatio = [Math.log(ratio[0]), Math.log(ratio[1])] as const;
	return imageTransform('randomErasing', (images, draws) =>
		painted(images, value, (height, width) => {
			if (draws.uniform() >= p) return null;
			for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
				const area = height * width * draws.uniform(...scale);
				const aspect = Math.exp(draws.uniform(...logRatio));
				const boxHeight = Math.round(Math.sqrt(area * aspect));
				const boxWidth = Math.round(Math.sqrt(area / aspect));
				if (boxHeight >= height || boxWidth >= width) continue;
				const top = draws.integer(height - boxHeight + 1);
				const left = draws.integer(width - boxWidth + 1);
				return { top, bottom: top + boxHeight, left, right: left + boxWidth };
			}
			return null;
		}),
	);
}
