/** Dropout layers: active while training, the identity in inference. */
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { squeeze, unsqueeze } from '../ops/layout';
import { dropout, dropout2d } from '../ops/random';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Module } from './module';

/** What dropout layers share: the probability `p`, alone or as an option. Default 0.5. */
abstract class DropoutLayer extends Module {
	readonly p: number;

	constructor(p: number | { readonly p?: number } = 0.5) {
		super();
		this.p = typeof p === 'number' ? p : (checkOptions(new.target.name, p, ['p']).p ?? 0.5);
		if (!(this.p >= 0 && this.p <= 1)) throw new ArgumentError(`${new.target.name}: p must lie in [0, 1], not ${this.p}`);
	}

	abstract override forward(input: Tensor): Tensor;

	override extraRepr(): string {
		return `p=${this.p}`;
	}
}

/** Zeroes each element with probability `p` and scales the others by 1 / (1 - p). Srivastava et al. 2014. As `torch.nn.Dropout`. */
export class Dropout extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		return dropout(input, { p: this.p, training: this.training });
	}
}

/** The same for whole channels of [N, C, L] or [C, L]. As `torch.nn.Dropout1d`. */
export class Dropout1d extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		return tidy(() => squeeze(dropout2d(unsqueeze(input, -1), { p: this.p, training: this.training }), -1));
	}
}

/** The same for whole feature maps of [N, C, H, W] or [C, H, W]. Tompson et al. 2015. As `torch.nn.Dropout2d`. */
export class Dropout2d extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		return dropout2d(input, { p: this.p, training: this.training });
	}
}
