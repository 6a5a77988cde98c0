/** Further activation layers: shrinkage, thresholds, learned and random slopes, gates, softmax over channels. */
import { requireCounts, requireNonNegative, requireNumber } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { add, glu, hardshrink, le, mul, prelu, softshrink, tanhshrink, threshold, where } from '../ops/elementwise';
import { rand } from '../ops/random';
import { softmax, softmin } from '../ops/softmax';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { constant_, emptyParameter } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface PReLUOptions extends FactoryOptions {
	/** Initial value of the slopes. Default 0.25. */
	readonly init?: number;
}

/** x where positive, weight x elsewhere, with one learned slope, or one per channel of [N, C, ...]. As `torch.nn.PReLU`. */
export class PReLU extends Module {
	readonly weight: Parameter;

	constructor(
		readonly numParameters = 1,
		options: PReLUOptions = {},
	) {
		super();
		requireCounts('PReLU', { numParameters });
		checkOptions('PReLU', options, ['init', 'device', 'dtype']);
		this.weight = constant_(emptyParameter([numParameters], options), options.init ?? 0.25);
	}

	override forward(input: Tensor): Tensor {
		return prelu(input, this.weight);
	}

	override extraRepr(): string {
		return `numParameters=${this.numParameters}`;
	}
}

/**
 * x where at least 0, slope x elsewhere. The slope is uniform in [lower, upper) during training, and their mean in inference. As
 * `torch.nn.RReLU`.
 */
export class RReLU extends Module {
	constructor(
		readonly lower = 1 / 8,
		readonly upper = 1 / 3,
	) {
		super();
		requireNumber('RReLU', 'lower', lower);
		requireNumber('RReLU', 'upper', upper);
		if (!(lower <= upper)) throw new ArgumentError(`RReLU: lower ${lower} must be at most upper ${upper}`);
	}

	override forward(input: Tensor): Tensor {
		requireTensor('RReLU', input);
		const { lower, upper } = this;
		return tidy(() => {
			const slope = this.training
				? add(mul(rand(input.shape, { dtype: input.dtype, device: input.device }), upper - lower), lower)
				: (lower + upper) / 2;
			return where(le(input, 0), mul(input, slope), input);
		});
	}

	override extraRepr(): string {
		return `lower=${this.lower}, upper=${this.upper}`;
	}
}

/** a sigmoid(b) for the two halves a, b of the input along `dim`, -1 by default. Dauphin et al. 2016. As `torch.nn.GLU`. */
export class GLU extends Module {
	constructor(readonly dim = -1) {
		super();
		requireCounts('GLU', { dim }, Number.NEGATIVE_INFINITY);
	}

	override forward(input: Tensor): Tensor {
		return glu(input, this.dim);
	}

	override extraRepr(): string {
		return `dim=${this.dim}`;
	}
}

/** x - tanh(x). As `torch.nn.Tanhshrink`. */
export class Tanhshrink extends Module {
	override forward(input: Tensor): Tensor {
		return tanhshrink(input);
	}
}

/** x - lambda where x > lambda, x + lambda where x < -lambda, else 0. Default 0.5. As `torch.nn.Softshrink`. */
export class Softshrink extends Module {
	constructor(readonly lambda = 0.5) {
		super();
		requireNumber('Softshrink', 'lambda', lambda);
		requireNonNegative('Softshrink', 'lambda', lambda);
	}

	override forward(input: Tensor): Tensor {
		return softshrink(input, { lambda: this.lambda });
	}

	override extraRepr(): string {
		return `lambda=${this.lambda}`;
	}
}

/** x where |x| > lambda, else 0. Default 0.5. As `torch.nn.Hardshrink`. */
export class Hardshrink extends Module {
	constructor(readonly lambda = 0.5) {
		super();
		requireNumber('Hardshrink', 'lambda', lambda);
	}

	override forward(input: Tensor): Tensor {
		return hardshrink(input, { lambda: this.lambda });
	}

	override extraRepr(): string {
		return `lambda=${this.lambda}`;
	}
}

/** x where x > threshold, else `value`. As `torch.nn.Threshold`. */
export class Threshold extends Module {
	constructor(
		readonly threshold: number,
		readonly value: number,
	) {
		super();
		requireNumber('Threshold', 'threshold', threshold);
		requireNumber('Threshold', 'value', value);
	}

	override forward(input: Tensor): Tensor {
		return threshold(input, this.threshold, this.value);
	}

	override extraRepr(): string {
		return `threshold=${this.threshold}, value=${this.value}`;
	}
}

/** softmax(-x) along `dim`. As `torch.nn.Softmin`. */
export class Softmin extends Module {
	constructor(readonly dim: number) {
		super();
		requireCounts('Softmin', { dim }, Number.NEGATIVE_INFINITY);
	}

	override forward(input: Tensor): Tensor {
		return softmin(input, this.dim);
	}

	override extraRepr(): string {
		return `dim=${this.dim}`;
	}
}

/** Softmax over the channels of [N, C, H, W] or [C, H, W]. As `torch.nn.Softmax2d`. */
export class Softmax2d extends Module {
	override forward(input: Tensor): Tensor {
		requireTensor('Softmax2d', input);
		if (input.ndim !== 3 && input.ndim !== 4)
			throw new ShapeError(`Softmax2d: it takes [N, C, H, W] or [C, H, W], not shape ${formatShape(input.shape)}`);
		return softmax(input, -3);
	}
}
