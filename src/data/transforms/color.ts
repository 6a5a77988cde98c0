/** Transforms of pixel values: brightness, contrast, normalisation. */
import { requirePositive, wrongArgument } from '../../core/checks';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { add, clamp, mul, sub } from '../../ops/elementwise';
import { mean as meanOf, sum } from '../../ops/reduce';
import type { Tensor } from '../../tensor';
import { imageTransform, perSample, type Range, requireRange, type Transform } from './transform';

export interface ColorOptions {
	/** Clips values to these bounds. null does not clip, for images that are already normalised. Default [0, 1]. */
	readonly clip?: readonly [low: number, high: number] | null;
}

const UNIT = [0, 1] as const;

function requireClip(name: string, clip: ColorOptions['clip']): ColorOptions['clip'] {
	if (clip !== null && clip !== undefined) {
		const valid = Array.isArray(clip) && clip.length === 2 && clip[0] < clip[1];
		if (!valid) throw wrongArgument(name, 'clip', '[low, high] or null', clip);
	}
	return clip;
}

function clipped(images: Tensor, clip: ColorOptions['clip']): Tensor {
	return clip === null || clip === undefined ? images : clamp(images, { min: clip[0], max: clip[1] });
}

/** The range of a factor around 1, never negative, as in torchvision. */
function requireFactor(name: string, argument: string, range: Range): readonly [number, number] {
	const [low, high] = requireRange(name, argument, range, 1);
	if (low < 0 && typeof range !== 'number') throw wrongArgument(name, argument, 'a factor of at least 0', low);
	return [Math.max(low, 0), high];
}

function factors(images: Tensor, draw: () => number): Float64Array {
	const values = new Float64Array(images.shape[0]!);
	for (let n = 0; n < values.length; n++) values[n] = draw();
	return values;
}

/**
 * Multiplies each image by a factor drawn uniformly from max(0, 1 - brightness) to 1 + brightness, or from [low, high]. Clips values to [0,
 * 1], so apply it before `normalize`. As `torchvision.transforms.ColorJitter(brightness)`.
 */
export function randomBrightness(brightness: Range, options: ColorOptions = {}): Transform {
	const { clip = UNIT } = checkOptions('randomBrightness', options, ['clip']);
	const range = requireFactor('randomBrightness', 'brightness', brightness);
	requireClip('randomBrightness', clip);
	return imageTransform('randomBrightness', (images, draws) => {
		const values = factors(images, () => draws.uniform(...range));
		return clipped(mul(images, perSample(images, values, [values.length, 1, 1, 1])), clip);
	});
}

/** The luma weights of red, green and blue: ITU-R BT.601, as in torchvision. */
const LUMA = [0.2989, 0.587, 0.114];

/** The mean grey value of each image, [N, 1, 1, 1]: by luma for three channels, otherwise over all channels. */
function greyMeans(images: Tensor): Tensor {
	if (images.shape[1] !== LUMA.length) return meanOf(images, [1, 2, 3], { keepdim: true });
	const channels = meanOf(images, [2, 3], { keepdim: true });
	return sum(mul(channels, perSample(images, LUMA, [1, 3, 1, 1])), 1, { keepdim: true });
}

/**
 * factor * x + (1 - factor) * mean, with the image's mean grey value and a factor drawn uniformly from max(0, 1 - contrast) to 1 +
 * contrast, or from [low, high]. Clips values to [0, 1], so apply it before `normalize`. As `torchvision.transforms.ColorJitter(contrast)`.
 */
export function randomContrast(contrast: Range, options: ColorOptions = {}): Transform {
	const { clip = UNIT } = checkOptions('randomContrast', options, ['clip']);
	const range = requireFactor('randomContrast', 'contrast', contrast);
	requireClip('randomContrast', clip);
	return imageTransform('randomContrast', (images, draws) => {
		const values = factors(images, () => draws.uniform(...range));
		const shape = [values.length, 1, 1, 1];
		const rests = perSample(
			images,
			values.map((factor) => 1 - factor),
			shape,
		);
		const grey = mul(greyMeans(images), rests);
		return clipped(add(mul(images, perSample(images, values, shape)), grey), clip);
	});
}

/** One number for all channels, or one per channel. */
export type PerChannel = number | readonly number[];

function requireChannels(argument: string, values: PerChannel): number[] {
	const list = typeof values === 'number' ? [values] : values;
	if (!Array.isArray(list) || list.length === 0 || !list.every(Number.isFinite))
		throw wrongArgument('normalize', argument, 'a number, or one for each channel', values);
	return [...list];
}

/** (x - mean) / std per channel, computed as a product with 1 / std. As `torchvision.transforms.Normalize`. */
export function normalize(mean: PerChannel, std: PerChannel): Transform {
	const means = requireChannels('mean', mean);
	const stds = requireChannels('std', std);
	for (const value of stds) requirePositive('normalize', 'std', value);
	const scales = stds.map((s) => 1 / s);
	return imageTransform('normalize', (images) => {
		for (const { length } of [means, scales]) {
			if (length !== 1 && length !== images.shape[1]) {
				throw new ShapeError(
					`normalize: ${length} values for images ${formatShape(images.shape)} of ${images.shape[1]} channels. Pass one for each channel, or a number`,
				);
			}
		}
		const operand = (values: number[]) =>
			values.length === 1 ? values[0]! : perSample(images, values, [1, values.length, 1, 1]);
		return mul(sub(images, operand(means)), operand(scales));
	});
}
