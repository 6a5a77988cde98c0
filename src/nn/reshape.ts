/** Layers that only change the shape. */
import { flatten } from '../ops/layout';
import type { Tensor } from '../tensor';
import { Module } from './module';

/** Merges the dimensions from `startDim` (default 1) to `endDim` (default -1) into one. As `torch.nn.Flatten`. */
export class Flatten extends Module {
	readonly startDim: number;
	readonly endDim: number;

	constructor(startDim: number | { readonly startDim?: number; readonly endDim?: number } = 1, endDim = -1) {
		super();
		this.startDim = typeof startDim === 'number' ? startDim : (startDim.startDim ?? 1);
		this.endDim = typeof startDim === 'number' ? endDim : (startDim.endDim ?? -1);
	}

	override forward(input: Tensor): Tensor {
		return flatten(input, this.startDim, this.endDim);
	}
}

/** Gives its input back. As `torch.nn.Identity`. */
export class Identity extends Module {
	override forward(input: Tensor): Tensor {
		return input;
	}
}
