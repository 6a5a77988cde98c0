/** Layers that rearrange or resize their input. They have no parameters. */
import { requireCounts, requireSizesOf } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, requireOptions } from '../core/options';
import { requireSizes as requireShape } from '../core/shape';
import { type InterpolateOptions, interpolate } from '../ops/interpolate';
import { flatten, fold, pixelShuffle, pixelUnshuffle, transpose, type UnfoldOptions, unflatten, unfold } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { Module } from './module';

/** Merges the dimensions from `startDim` (default 1) to `endDim` (default -1) into one. As `torch.nn.Flatten`. */
export class Flatten extends Module {
	readonly startDim: number;
	readonly endDim: number;

	constructor(startDim: number | { readonly startDim?: number; readonly endDim?: number } = 1, endDim = -1) {
		super();
		if (typeof startDim !== 'number') checkOptions('Flatten', startDim, ['startDim', 'endDim']);
		this.startDim = typeof startDim === 'number' ? startDim : (startDim.startDim ?? 1);
		this.endDim = typeof startDim === 'number' ? endDim : (startDim.endDim ?? -1);
		requireCounts('Flatten', { startDim: this.startDim, endDim: this.endDim }, Number.NEGATIVE_INFINITY);
	}

	override forward(input: Tensor): Tensor {
		return flatten(input, this.startDim, this.endDim);
	}
}

/** Returns its input. As `torch.nn.Identity`. */
export class Identity extends Module {
	override forward(input: Tensor): Tensor {
		return input;
	}
}

/** Splits dim `dim` into dims of `sizes`; one of them may be -1. As `torch.nn.Unflatten`. */
export class Unflatten extends Module {
	constructor(
		readonly dim: number,
		readonly sizes: readonly number[],
	) {
		super();
		requireCounts('Unflatten', { dim }, Number.NEGATIVE_INFINITY);
		requireShape('Unflatten', sizes, 'the list of sizes');
	}

	override forward(input: Tensor): Tensor {
		return unflatten(input, this.dim, this.sizes);
	}

	override extraRepr(): string {
		return `dim=${this.dim}, sizes=[${this.sizes.join(', ')}]`;
	}
}

/** Returns the windows of [N, C, H, W] as columns [N, C * kernel elements, windows]. As `torch.nn.Unfold`. */
export class Unfold extends Module {
	constructor(
		readonly kernelSize: number | readonly number[],
		readonly options: UnfoldOptions = {},
	) {
		super();
		requireSizesOf('Unfold', { kernelSize });
		requireOptions('Unfold', options);
	}

	override forward(input: Tensor): Tensor {
		return unfold(input, this.kernelSize, this.options);
	}

	override extraRepr(): string {
		return `kernelSize=${this.kernelSize}`;
	}
}

/** Adds up columns [N, C * kernel elements, windows] into [N, C, ...outputSize]. As `torch.nn.Fold`. */
export class Fold extends Module {
	constructor(
		readonly outputSize: number | readonly number[],
		readonly kernelSize: number | readonly number[],
		readonly options: UnfoldOptions = {},
	) {
		super();
		requireSizesOf('Fold', { outputSize, kernelSize });
		requireOptions('Fold', options);
	}

	override forward(input: Tensor): Tensor {
		return fold(input, this.outputSize, this.kernelSize, this.options);
	}

	override extraRepr(): string {
		return `outputSize=${this.outputSize}, kernelSize=${this.kernelSize}`;
	}
}

/** [N, C r^2, H, W] to [N, C, H r, W r]. Shi et al. 2016. As `torch.nn.PixelShuffle`. */
export class PixelShuffle extends Module {
	constructor(readonly upscaleFactor: number) {
		super();
		requireCounts('PixelShuffle', { upscaleFactor }, 1);
	}

	override forward(input: Tensor): Tensor {
		return pixelShuffle(input, this.upscaleFactor);
	}

	override extraRepr(): string {
		return `upscaleFactor=${this.upscaleFactor}`;
	}
}

/** [N, C, H r, W r] to [N, C r^2, H, W]. As `torch.nn.PixelUnshuffle`. */
export class PixelUnshuffle extends Module {
	constructor(readonly downscaleFactor: number) {
		super();
		requireCounts('PixelUnshuffle', { downscaleFactor }, 1);
	}

	override forward(input: Tensor): Tensor {
		return pixelUnshuffle(input, this.downscaleFactor);
	}

	override extraRepr(): string {
		return `downscaleFactor=${this.downscaleFactor}`;
	}
}

/**
 * Interleaves `groups` groups of channels: channel j of group i becomes channel i of group j. Zhang et al. 2018. As
 * `torch.nn.ChannelShuffle`.
 */
export class ChannelShuffle extends Module {
	constructor(readonly groups: number) {
		super();
		requireCounts('ChannelShuffle', { groups }, 1);
	}

	override forward(input: Tensor): Tensor {
		requireTensor('ChannelShuffle', input);
		const { groups } = this;
		const channels = input.shape[1];
		if (channels === undefined || input.ndim < 3 || !(groups >= 1) || channels % groups !== 0) {
			throw new ShapeError(
				`ChannelShuffle: input ${formatShape(input.shape)} must be [N, C, ...], with C a multiple of the ${groups} groups`,
			);
		}
		return tidy(() => flatten(transpose(unflatten(input, 1, [groups, channels / groups]), 1, 2), 1, 2));
	}

	override extraRepr(): string {
		return `groups=${this.groups}`;
	}
}

/** Resizes feature maps to `size` or by `scaleFactor`. As `torch.nn.Upsample`. */
export class Upsample extends Module {
	constructor(readonly options: InterpolateOptions) {
		super();
		const { size, scaleFactor } = requireOptions(new.target.name, options);
		if ((size ?? scaleFactor) === undefined)
			throw new ArgumentError(`${new.target.name}: give size or scaleFactor: new nn.${new.target.name}({ scaleFactor: 2 })`);
	}

	override forward(input: Tensor): Tensor {
		return interpolate(input, this.options);
	}

	override extraRepr(): string {
		const { size, scaleFactor, mode = 'nearest' } = this.options;
		return `${size === undefined ? `scaleFactor=${scaleFactor}` : `size=${size}`}, mode=${mode}`;
	}
}

/** Resizes images by nearest neighbours. As `torch.nn.UpsamplingNearest2d`. */
export class UpsamplingNearest2d extends Upsample {
	constructor(options: Pick<InterpolateOptions, 'size' | 'scaleFactor'>) {
		super({ ...checkOptions('UpsamplingNearest2d', options, ['size', 'scaleFactor']), mode: 'nearest' });
	}
}

/** Resizes images by bilinear interpolation with aligned corners. As `torch.nn.UpsamplingBilinear2d`. */
export class UpsamplingBilinear2d extends Upsample {
	constructor(options: Pick<InterpolateOptions, 'size' | 'scaleFactor'>) {
		super({ ...checkOptions('UpsamplingBilinear2d', options, ['size', 'scaleFactor']), mode: 'bilinear', alignCorners: true });
	}
}
