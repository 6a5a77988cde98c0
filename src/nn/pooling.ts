/** Pooling layers. Images and feature maps are NCHW. */
import { requireSizesOf } from '../core/checks';
import { type Leading, leadingOptions, requireOptions } from '../core/options';
import {
	adaptiveAvgPool1d,
	adaptiveAvgPool2d,
	adaptiveAvgPool3d,
	adaptiveMaxPool1d,
	adaptiveMaxPool2d,
	adaptiveMaxPool3d,
	avgPool1d,
	avgPool2d,
	avgPool3d,
	maxPool1d,
	maxPool2d,
	maxPool3d,
	type OutputSize,
} from '../ops/pool';
import type { ValuesIndices } from '../ops/reduce';
import { maxUnpool1d, maxUnpool2d, maxUnpool3d } from '../ops/unpool';
import { AVG_POOL_NAMES, type AvgPoolPositions, MAX_POOL_NAMES, type MaxPoolPositions } from '../ops/windows';
import type { Tensor } from '../tensor';
import { Module } from './module';

type Size = number | readonly number[];

export interface MaxPoolOptions {
	/** Default: the kernel size. */
	readonly stride?: Size;
	readonly padding?: Size;
	readonly dilation?: Size;
	/** Round the output size up. Default false. */
	readonly ceilMode?: boolean;
	/** Whether forward also returns the positions of the maxima, for MaxUnpool. Default false. */
	readonly returnIndices?: boolean;
}

export interface AvgPoolOptions {
	/** Default: the kernel size. */
	readonly stride?: Size;
	readonly padding?: Size;
	readonly ceilMode?: boolean;
	/** Include the padding's zeros in the mean. Default true. */
	readonly countIncludePad?: boolean;
	/** Divide by this number instead of the window's size. */
	readonly divisorOverride?: number;
}

/** The base of the layers with a fixed window. */
abstract class WindowPool<Options extends { readonly stride?: Size; readonly padding?: Size }> extends Module {
	constructor(
		readonly kernelSize: Size,
		readonly options: Options,
	) {
		super();
		requireSizesOf(new.target.name, { kernelSize });
		requireOptions(new.target.name, options);
	}

	override extraRepr(): string {
		return `kernelSize=${this.kernelSize}, stride=${this.options.stride ?? this.kernelSize}, padding=${this.options.padding ?? 0}`;
	}
}

type MaxPoolOptionsFor<WithIndices extends boolean> = MaxPoolOptions &
	(WithIndices extends true ? { readonly returnIndices: true } : { readonly returnIndices?: false });

type MaxPooled<WithIndices extends boolean> = WithIndices extends true ? ValuesIndices : Tensor;

/** Takes stride, padding and dilation as options or by position, in this order. */
abstract class MaxPool<WithIndices extends boolean> extends WindowPool<MaxPoolOptions> {
	constructor(kernelSize: Size, ...rest: Leading<MaxPoolPositions, MaxPoolOptionsFor<WithIndices>>) {
		super(kernelSize, leadingOptions<MaxPoolOptions>(new.target.name, rest, MAX_POOL_NAMES));
	}
}

/** Takes stride, padding, ceilMode and countIncludePad as options or by position, in this order. */
abstract class AvgPool<Options extends AvgPoolOptions = AvgPoolOptions> extends WindowPool<Options> {
	constructor(kernelSize: Size, ...rest: Leading<AvgPoolPositions, Options>) {
		super(kernelSize, leadingOptions<Options>(new.target.name, rest, AVG_POOL_NAMES));
	}
}

/** The maximum of each window of [N, C, L]. As `torch.nn.MaxPool1d`. */
export class MaxPool1d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
	override forward(input: Tensor): MaxPooled<WithIndices> {
		return maxPool1d(input, this.kernelSize, this.options as object) as MaxPooled<WithIndices>;
	}
}

/** The maximum of each window of [N, C, H, W]. As `torch.nn.MaxPool2d`. */
export class MaxPool2d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
	override forward(input: Tensor): MaxPooled<WithIndices> {
		return maxPool2d(input, this.kernelSize, this.options as object) as MaxPooled<WithIndices>;
	}
}

/** The maximum of each window of [N, C, D, H, W]. As `torch.nn.MaxPool3d`. */
export class MaxPool3d<WithIndices extends boolean = false> extends MaxPool<WithIndices> {
	override forward(input: Tensor): MaxPooled<WithIndices> {
		return maxPool3d(input, this.kernelSize, this.options as object) as MaxPooled<WithIndices>;
	}
}

interface MaxUnpoolLayerOptions {
	/** Default: the kernel size. */
	readonly stride?: Size;
	readonly padding?: Size;
}

/** Takes stride and padding as options or by position, in this order. */
abstract class MaxUnpool extends WindowPool<MaxUnpoolLayerOptions> {
	constructor(kernelSize: Size, ...rest: Leading<[stride: Size, padding: Size], MaxUnpoolLayerOptions>) {
		super(kernelSize, leadingOptions<MaxUnpoolLayerOptions>(new.target.name, rest, ['stride', 'padding']));
	}
}

/** Zeros with the values of [N, C, L] at the positions that MaxPool1d returned. As `torch.nn.MaxUnpool1d`. */
export class MaxUnpool1d extends MaxUnpool {
	override forward(input: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
		return maxUnpool1d(input, indices, this.kernelSize, { ...this.options, ...(outputSize && { outputSize }) });
	}
}

/** Zeros with the values of [N, C, H, W] at the positions that MaxPool2d returned. As `torch.nn.MaxUnpool2d`. */
export class MaxUnpool2d extends MaxUnpool {
	override forward(input: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
		return maxUnpool2d(input, indices, this.kernelSize, { ...this.options, ...(outputSize && { outputSize }) });
	}
}

/** Zeros with the values of [N, C, D, H, W] at the positions that MaxPool3d returned. As `torch.nn.MaxUnpool3d`. */
export class MaxUnpool3d extends MaxUnpool {
	override forward(input: Tensor, indices: Tensor, outputSize?: readonly number[]): Tensor {
		return maxUnpool3d(input, indices, this.kernelSize, { ...this.options, ...(outputSize && { outputSize }) });
	}
}

/** The mean of each window of [N, C, L]. As `torch.nn.AvgPool1d`. */
export class AvgPool1d extends AvgPool<Omit<AvgPoolOptions, 'divisorOverride'>> {
	override forward(input: Tensor): Tensor {
		return avgPool1d(input, this.kernelSize, this.options);
	}
}

/** The mean of each window of [N, C, H, W]. As `torch.nn.AvgPool2d`. */
export class AvgPool2d extends AvgPool {
	override forward(input: Tensor): Tensor {
		return avgPool2d(input, this.kernelSize, this.options);
	}
}

/** The mean of each window of [N, C, D, H, W]. As `torch.nn.AvgPool3d`. */
export class AvgPool3d extends AvgPool {
	override forward(input: Tensor): Tensor {
		return avgPool3d(input, this.kernelSize, this.options);
	}
}

/** The base of the layers that choose windows to give `outputSize`; null keeps the input's size. */
abstract class AdaptivePool extends Module {
	constructor(readonly outputSize: OutputSize) {
		super();
		requireSizesOf(new.target.name, { outputSize: Array.isArray(outputSize) ? outputSize.map((size) => size ?? 1) : outputSize });
	}

	abstract override forward(input: Tensor): Tensor;

	override extraRepr(): string {
		return `outputSize=${this.outputSize}`;
	}
}

interface AdaptiveLayer extends Module {
	readonly outputSize: OutputSize;
	forward(input: Tensor): Tensor;
}

/** The class of layers that call `pool`. */
function adaptive(pool: (input: Tensor, outputSize: OutputSize) => Tensor): new (outputSize: OutputSize) => AdaptiveLayer {
	return class extends AdaptivePool {
		override forward(input: Tensor): Tensor {
			return pool(input, this.outputSize);
		}
	};
}

/** Means over windows of [N, C, L]. As `torch.nn.AdaptiveAvgPool1d`. */
export class AdaptiveAvgPool1d extends adaptive(adaptiveAvgPool1d) {}

/** Means over windows of [N, C, H, W]. As `torch.nn.AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends adaptive(adaptiveAvgPool2d) {}

/** Means over windows of [N, C, D, H, W]. As `torch.nn.AdaptiveAvgPool3d`. */
export class AdaptiveAvgPool3d extends adaptive(adaptiveAvgPool3d) {}

/** Maxima over windows of [N, C, L]. As `torch.nn.AdaptiveMaxPool1d`. */
export class AdaptiveMaxPool1d extends adaptive(adaptiveMaxPool1d) {}

/** Maxima over windows of [N, C, H, W]. As `torch.nn.AdaptiveMaxPool2d`. */
export class AdaptiveMaxPool2d extends adaptive(adaptiveMaxPool2d) {}

/** Maxima over windows of [N, C, D, H, W]. As `torch.nn.AdaptiveMaxPool3d`. */
export class AdaptiveMaxPool3d extends adaptive(adaptiveMaxPool3d) {}
