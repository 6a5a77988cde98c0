/** Dropout layers. They act during training and pass the input through in inference. */

import { requireFraction } from '../core/checks';
import { requireFloating } from '../core/dtype';
import { formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { add, ge, mul, where } from '../ops/elementwise';
import { flatten, reshape, squeeze, unsqueeze } from '../ops/layout';
import { dropout, dropout2d, rand } from '../ops/random';
import { BATCHED_FORMS } from '../ops/windows';
import type { Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { Module } from './module';

/** The base of the dropout layers. `p` is the probability, as a number or an option. Default 0.5. */
abstract class DropoutLayer extends Module {
	readonly p: number;

	constructor(p: number | { readonly p?: number } = 0.5) {
		super();
		this.p = typeof p === 'number' ? p : (checkOptions(new.target.name, p, ['p']).p ?? 0.5);
		requireFraction(new.target.name, 'p', this.p);
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

/** Zeroes whole channels of [N, C, L] or [C, L], otherwise like `Dropout`. As `torch.nn.Dropout1d`. */
export class Dropout1d extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		return tidy(() => squeeze(dropout2d(unsqueeze(input, -1), { p: this.p, training: this.training }), -1));
	}
}

/** Zeroes whole feature maps of [N, C, H, W] or [C, H, W], otherwise like `Dropout`. Tompson et al. 2015. As `torch.nn.Dropout2d`. */
export class Dropout2d extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		return dropout2d(input, { p: this.p, training: this.training });
	}
}

/** Zeroes whole volumes of [N, C, D, H, W] or [C, D, H, W], otherwise like `Dropout`. As `torch.nn.Dropout3d`. */
export class Dropout3d extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		requireTensor('Dropout3d', input);
		requireRank('Dropout3d', 'input', input, BATCHED_FORMS[3], 4, 5);
		if (!this.training || this.p === 0) return input;
		return tidy(() => reshape(dropout2d(flatten(input, -2), { p: this.p }), input.shape));
	}
}

/** The limit of SELU at minus infinity: -lambda alpha. */
const SATURATION = -1.7580993408473766;

/** Draws a mask of `shape` and sets dropped elements to SELU's saturation. Then scales and shifts to keep mean 0 and variance 1. */
function alphaDropped(input: Tensor, shape: readonly number[], p: number): Tensor {
	return tidy(() => {
		const { dtype, device } = input;
		const scale = p === 1 ? 0 : 1 / Math.sqrt((1 - p) * (1 + p * SATURATION ** 2));
		const kept = ge(rand(shape, { dtype, device }), p);
		return where(kept, add(mul(input, scale), -scale * SATURATION * p), scale * SATURATION * (1 - p));
	});
}

/**
 * Dropout for SELU networks. Sets dropped elements to SELU's saturation, then scales and shifts to keep mean and variance. Klambauer et al.
 * 2017. As `torch.nn.AlphaDropout`.
 */
export class AlphaDropout extends DropoutLayer {
	override forward(input: Tensor): Tensor {
		requireTensor(this.constructor.name, input);
		requireFloating(this.constructor.name, input.dtype);
		if (!this.training || this.p === 0) return input;
		return alphaDropped(input, this.maskShape(input.shape), this.p);
	}

	protected maskShape(shape: readonly number[]): readonly number[] {
		return shape;
	}
}

/** Alpha dropout of whole channels of [N, C, ...]. As `torch.nn.FeatureAlphaDropout`. */
export class FeatureAlphaDropout extends AlphaDropout {
	protected override maskShape(shape: readonly number[]): readonly number[] {
		if (shape.length < 2) throw new ShapeError(`FeatureAlphaDropout: it takes [N, C, ...], not shape ${formatShape(shape)}`);
		return shape.map((size, d) => (d < 2 ? size : 1));
	}
}
