/** Channels into pixels and back: sub-pixel convolution's rearrangement. Shi et al. 2016. */
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import type { Tensor } from '../../tensor';
import { composed } from '../composed';
import { requireTensor } from '../requirements';
import { permute, reshape } from './views';

/** [..., C r^2, H, W] to [..., C, H r, W r] for the factor r. As `torch.nn.functional.pixel_shuffle`. */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
	const { rest, channels, height, width } = requireImage('pixelShuffle', x, upscaleFactor, 'upscaleFactor');
	const r = upscaleFactor;
	if (channels % (r * r) !== 0)
		throw new ShapeError(
			`pixelShuffle: ${channels} channels of ${formatShape(x.shape)} are no multiple of upscaleFactor^2, ${r * r}`,
		);
	const c = channels / (r * r);
	const at = rest.length;
	return composed('pixelShuffle', () => {
		const split = reshape(x, [...rest, c, r, r, height, width]);
		const moved = permute(split, [...rest.keys(), at, at + 3, at + 1, at + 4, at + 2]);
		return reshape(moved, [...rest, c, height * r, width * r]);
	});
}

/** The inverse of `pixelShuffle`: [..., C, H r, W r] to [..., C r^2, H, W]. As `torch.nn.functional.pixel_unshuffle`. */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
	const { rest, channels, height, width } = requireImage('pixelUnshuffle', x, downscaleFactor, 'downscaleFactor');
	const r = downscaleFactor;
	if (height % r !== 0 || width % r !== 0)
		throw new ShapeError(`pixelUnshuffle: height and width of ${formatShape(x.shape)} are no multiples of downscaleFactor ${r}`);
	const at = rest.length;
	return composed('pixelUnshuffle', () => {
		const split = reshape(x, [...rest, channels, height / r, r, width / r, r]);
		const moved = permute(split, [...rest.keys(), at, at + 2, at + 4, at + 1, at + 3]);
		return reshape(moved, [...rest, channels * r * r, height / r, width / r]);
	});
}

function requireImage(operation: string, x: Tensor, factor: number, argument: string) {
	requireTensor(operation, x);
	if (!Number.isInteger(factor) || factor < 1)
		throw new ArgumentError(`${operation}: ${argument} is ${factor}; it must be a whole number of at least 1`);
	if (x.ndim < 3) throw new ShapeError(`${operation}: needs [..., C, H, W], not ${formatShape(x.shape)}`);
	const [channels, height, width] = x.shape.slice(-3) as [number, number, number];
	return { rest: x.shape.slice(0, -3), channels, height, width };
}
