/** Pooling layers. Images and feature maps are NCHW. */
import { adaptiveAvgPool2d, avgPool2d, maxPool2d } from '../ops/pool';
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
}

export interface AvgPoolOptions {
	/** Default: the kernel size. */
	readonly stride?: Size;
	readonly padding?: Size;
	readonly ceilMode?: boolean;
	/** Count the padding's zeros in the mean. Default true. */
	readonly countIncludePad?: boolean;
	/** Divide by this instead of the window's size. */
	readonly divisorOverride?: number;
}

/** The maximum of each window of [N, C, H, W]. As `torch.nn.MaxPool2d`. */
export class MaxPool2d extends Module {
	constructor(
		readonly kernelSize: Size,
		readonly options: MaxPoolOptions = {},
	) {
		super();
	}

	override forward(input: Tensor): Tensor {
		return maxPool2d(input, this.kernelSize, this.options);
	}

	override extraRepr(): string {
		return `kernelSize=${this.kernelSize}, stride=${this.options.stride ?? this.kernelSize}, padding=${this.options.padding ?? 0}`;
	}
}

/** The mean of each window of [N, C, H, W]. As `torch.nn.AvgPool2d`. */
export class AvgPool2d extends Module {
	constructor(
		readonly kernelSize: Size,
		readonly options: AvgPoolOptions = {},
	) {
		super();
	}

	override forward(input: Tensor): Tensor {
		return avgPool2d(input, this.kernelSize, this.options);
	}

	override extraRepr(): string {
		return `kernelSize=${this.kernelSize}, stride=${this.options.stride ?? this.kernelSize}, padding=${this.options.padding ?? 0}`;
	}
}

/** Means over windows chosen so that the output is `outputSize`. As `torch.nn.AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends Module {
	constructor(readonly outputSize: number | readonly (number | null)[]) {
		super();
	}

	override forward(input: Tensor): Tensor {
		return adaptiveAvgPool2d(input, this.outputSize);
	}

	override extraRepr(): string {
		return `outputSize=${this.outputSize}`;
	}
}
