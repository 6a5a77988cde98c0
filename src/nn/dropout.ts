/** Dropout layers: active while training, the identity in inference. */
import { dropout } from '../ops/random';
import type { Tensor } from '../tensor';
import { Module } from './module';

/** Zeroes each element with probability `p` and scales the others by 1 / (1 - p). Srivastava et al. 2014. As `torch.nn.Dropout`. */
export class Dropout extends Module {
	readonly p: number;

	/** `p` alone or as an option. Default 0.5. */
	constructor(p: number | { readonly p?: number } = 0.5) {
		super();
		this.p = typeof p === 'number' ? p : (p.p ?? 0.5);
	}

	override forward(input: Tensor): Tensor {
		return dropout(input, { p: this.p, training: this.training });
	}

	override extraRepr(): string {
		return `p=${this.p}`;
	}
}
