/** Activation functions as layers. Each computes the function of its name; see src/ops/elementwise for the formulas. */

import { requireCounts, requireNonNegative, requireNumber } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions, requireOptions } from '../core/options';
import * as functions from '../ops/elementwise';
import { add, glu, hardshrink, le, mul, prelu, softshrink, tanhshrink, threshold, where } from '../ops/elementwise';
import { rand } from '../ops/random';
import { logSoftmax, softmax, softmin } from '../ops/softmax';
import { BATCHED_FORMS } from '../ops/windows';
import type { Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { constant_, emptyParameter } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

/** A layer without parameters or options. */
abstract class Activation extends Module {
	abstract override forward(input: Tensor): Tensor;
}

interface ActivationLayer extends Module {
	forward(input: Tensor): Tensor;
}

/** The class of an activation without options. */
function activation(fn: (input: Tensor) => Tensor): new () => ActivationLayer {
	return class extends Activation {
		override forward(input: Tensor): Tensor {
			return fn(input);
		}
	};
}

/** Reads an option that is given as a number, PyTorch's positional form, or by name. */
function option<K extends string>(
	name: string,
	value: number | { readonly [key in K]?: number } | undefined,
	key: K,
	fallback: number,
): number {
	if (value === undefined) return fallback;
	return typeof value === 'number'
		? value
		: (checkOptions<{ readonly [key in K]?: number }, [K]>(name, value, [key])[key] ?? fallback);
}

/** max(x, 0). As `torch.nn.ReLU`. */
export class ReLU extends activation(functions.relu) {}

/** min(max(x, 0), 6). As `torch.nn.ReLU6`. */
export class ReLU6 extends activation(functions.relu6) {}

/** 1 / (1 + exp(-x)). As `torch.nn.Sigmoid`. */
export class Sigmoid extends activation(functions.sigmoid) {}

/** log(sigmoid(x)). As `torch.nn.LogSigmoid`. */
export class LogSigmoid extends activation(functions.logSigmoid) {}

/** tanh(x). As `torch.nn.Tanh`. */
export class Tanh extends activation(functions.tanh) {}

/** x sigmoid(x). As `torch.nn.SiLU`. */
export class SiLU extends activation(functions.silu) {}

/** x tanh(softplus(x)). As `torch.nn.Mish`. */
export class Mish extends activation(functions.mish) {}

/** x / (1 + |x|). As `torch.nn.Softsign`. */
export class Softsign extends activation(functions.softsign) {}

/** Scaled ELU, Klambauer et al. 2017. As `torch.nn.SELU`. */
export class SELU extends activation(functions.selu) {}

/** relu6(x + 3) / 6. As `torch.nn.Hardsigmoid`. */
export class Hardsigmoid extends activation(functions.hardsigmoid) {}

/** x relu6(x + 3) / 6. As `torch.nn.Hardswish`. */
export class Hardswish extends activation(functions.hardswish) {}

/** x Phi(x), exactly or by tanh. Hendrycks and Gimpel 2016. As `torch.nn.GELU`. */
export class GELU extends Activation {
	constructor(readonly options: { readonly approximate?: 'none' | 'tanh' } = {}) {
		super();
		requireOptions('GELU', options);
	}

	override forward(input: Tensor): Tensor {
		return functions.gelu(input, this.options);
	}

	override extraRepr(): string {
		return `approximate=${this.options.approximate ?? 'none'}`;
	}
}

/** x where positive, negativeSlope x elsewhere. Default 0.01. As `torch.nn.LeakyReLU`. */
export class LeakyReLU extends Activation {
	readonly negativeSlope: number;

	constructor(negativeSlope?: number | { readonly negativeSlope?: number }) {
		super();
		this.negativeSlope = option('LeakyReLU', negativeSlope, 'negativeSlope', 0.01);
	}

	override forward(input: Tensor): Tensor {
		return functions.leakyRelu(input, { negativeSlope: this.negativeSlope });
	}

	override extraRepr(): string {
		return `negativeSlope=${this.negativeSlope}`;
	}
}

/** x where positive, alpha (exp(x) - 1) elsewhere. Default alpha 1. As `torch.nn.ELU`. */
export class ELU extends Activation {
	readonly alpha: number;

	constructor(alpha?: number | { readonly alpha?: number }) {
		super();
		this.alpha = option('ELU', alpha, 'alpha', 1);
	}

	override forward(input: Tensor): Tensor {
		return functions.elu(input, { alpha: this.alpha });
	}

	override extraRepr(): string {
		return `alpha=${this.alpha}`;
	}
}

/** max(0, x) + min(0, alpha (exp(x / alpha) - 1)). Default alpha 1. As `torch.nn.CELU`. */
export class CELU extends Activation {
	readonly alpha: number;

	constructor(alpha?: number | { readonly alpha?: number }) {
		super();
		this.alpha = option('CELU', alpha, 'alpha', 1);
	}

	override forward(input: Tensor): Tensor {
		return functions.celu(input, { alpha: this.alpha });
	}

	override extraRepr(): string {
		return `alpha=${this.alpha}`;
	}
}

/** log(1 + exp(beta x)) / beta, and x itself where beta x > threshold. Defaults 1 and 20. As `torch.nn.Softplus`. */
export class Softplus extends Activation {
	constructor(readonly options: { readonly beta?: number; readonly threshold?: number } = {}) {
		super();
		requireOptions('Softplus', options);
	}

	override forward(input: Tensor): Tensor {
		return functions.softplus(input, this.options);
	}
}

/** x limited to [minVal, maxVal]. Defaults -1 and 1. As `torch.nn.Hardtanh`. */
export class Hardtanh extends Activation {
	constructor(readonly options: { readonly minVal?: number; readonly maxVal?: number } = {}) {
		super();
		requireOptions('Hardtanh', options);
	}

	override forward(input: Tensor): Tensor {
		return functions.hardtanh(input, this.options);
	}
}

/** Reads a dim that is given as a number, PyTorch's positional form, or by name. */
function dimOf(layer: string, given: number | { readonly dim: number }): number {
	const dim = typeof given === 'object' && given !== null ? checkOptions(layer, given, ['dim']).dim : given;
	requireCounts(layer, { dim }, Number.NEGATIVE_INFINITY);
	return dim;
}

/** exp(x_i) / sum_j exp(x_j) along `dim`, which is required. As `torch.nn.Softmax`. */
export class Softmax extends Activation {
	readonly dim: number;

	constructor(dim: number | { readonly dim: number }) {
		super();
		this.dim = dimOf(new.target.name, dim);
	}

	override forward(input: Tensor): Tensor {
		return softmax(input, this.dim);
	}

	override extraRepr(): string {
		return `dim=${this.dim}`;
	}
}

/** log(softmax(x)) along `dim`. As `torch.nn.LogSoftmax`. */
export class LogSoftmax extends Activation {
	readonly dim: number;

	constructor(dim: number | { readonly dim: number }) {
		super();
		this.dim = dimOf(new.target.name, dim);
	}

	override forward(input: Tensor): Tensor {
		return logSoftmax(input, this.dim);
	}

	override extraRepr(): string {
		return `dim=${this.dim}`;
	}
}

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
		requireRank('Softmax2d', 'input', input, BATCHED_FORMS[2], 3, 4);
		return softmax(input, -3);
	}
}
