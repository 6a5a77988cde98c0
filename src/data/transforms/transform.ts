/** The type of transforms, their composition, checks of their batches, and their random numbers. */
import { noGrad } from '../../autograd/modes';
import { requireFunction, wrongArgument } from '../../core/checks';
import { type DType, isFloating } from '../../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../../core/errors';
import { defaultGenerator, type Generator } from '../../core/generator';
import { fillWords, type RandomKey, toUniform } from '../../core/philox';
import { tensor } from '../../ops/creation';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import type { TensorList } from '../batch';

export interface TransformContext {
	/** The source of random numbers. Each transform draws one key per batch. Default: the default generator, see `manualSeed`. */
	readonly generator?: Generator;
}

/**
 * A function from batch to batch. The first field is the images, floating [N, C, H, W]; all transforms except `mixup` pass the other fields
 * through. Runs on the batch's device. The caller owns inputs and outputs, which may be the same tensor.
 */
export type Transform = (batch: TensorList, context?: TransformContext) => TensorList;

/**
 * Makes a transform that changes only the images. It records nothing and disposes of temporaries. `draws` has its own stream for each
 * batch.
 */
export function imageTransform(name: string, apply: (images: Tensor, draws: Draws) => Tensor): Transform {
	return (batch, { generator = defaultGenerator } = {}) => {
		const images = requireImages(name, batch);
		const draws = new Draws(generator.next());
		const changed = images.size === 0 ? images : noGrad(() => tidy(() => apply(images, draws)));
		return [changed, ...batch.slice(1)];
	};
}

/** Returns the images of a batch. Throws unless they are floating [N, C, H, W]. */
export function requireImages(name: string, batch: TensorList): Tensor {
	if (!Array.isArray(batch)) throw new ArgumentError(`${name}: takes a batch, an array of tensors with the images first`);
	const images: unknown = batch[0];
	requireTensor(name, images, 'the first field of the batch');
	if (!isFloating(images.dtype)) {
		throw new DTypeError(
			`${name}: images must be floating, not ${images.dtype}. Load pixels of 0 to 255 as float32 with scale 1 / 255, or convert with .to('float32')`,
		);
	}
	if (images.ndim !== 4) {
		throw new ShapeError(
			`${name}: images must be a batch [N, C, H, W], not ${formatShape(images.shape)}. Add missing dims with unsqueeze`,
		);
	}
	return images;
}

/** The number of words drawn at a time. */
const BLOCK = 256;

/** The random numbers of one transform for one batch, drawn on the host, so that all devices get the same. */
export class Draws {
	readonly #words = new Uint32Array(BLOCK);
	#next = 0;

	constructor(private readonly key: RandomKey) {}

	word(): number {
		const lane = this.#next++ % BLOCK;
		if (lane === 0) fillWords(this.#words, this.key, this.#next - 1);
		return this.#words[lane]!;
	}

	/** A number uniform in [low, high), with 24 bits. */
	uniform(low = 0, high = 1): number {
		return low + (high - low) * toUniform(this.word());
	}

	/** An integer uniform over 0 .. count - 1. */
	integer(count: number): number {
		return Math.min(Math.floor((this.word() / 2 ** 32) * count), count - 1);
	}
}

/** Makes a tensor of per-sample numbers on the images' device, by default in their dtype. */
export function perSample(
	images: Tensor,
	values: ArrayLike<number>,
	shape: readonly number[],
	dtype: DType = images.dtype,
): Tensor {
	return tensor(Float64Array.from(values), { shape, dtype, device: images.device });
}

/** A number r for the range from -r to r, or both bounds. */
export type Range = number | readonly [low: number, high: number];

/** The bounds of a range around `centre`. */
export function requireRange(name: string, argument: string, range: Range, centre = 0): readonly [low: number, high: number] {
	const pair = typeof range === 'number' ? [centre - range, centre + range] : range;
	const valid = Array.isArray(pair) && pair.length === 2 && pair.every(Number.isFinite);
	if (!valid || (typeof range === 'number' && range < 0) || pair[0]! > pair[1]!)
		throw wrongArgument(name, argument, 'a number of at least 0 or [low, high]', range);
	return [pair[0]!, pair[1]!];
}

/** Makes a transform that runs `transforms` in order and disposes of the results in between. As `torchvision.transforms.Compose`. */
export function compose(...transforms: readonly Transform[]): Transform {
	for (const transform of transforms) {
		requireFunction('compose', 'each argument', transform, 'a transform, such as randomHorizontalFlip()');
	}
	return (batch, { generator = defaultGenerator } = {}) =>
		tidy(() => transforms.reduce((fields, transform) => transform(fields, { generator }), batch));
}
