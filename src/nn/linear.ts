/** Fully connected layers. */
import { requireCounts } from '../core/checks';
import { formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { sameShape } from '../core/shape';
import { mul } from '../ops/elementwise';
import { flatten, unsqueeze } from '../ops/layout';
import { linear } from '../ops/matmul';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, kaimingUniform_, uniform_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface LinearOptions extends FactoryOptions {
	/** Learn an additive bias. Default true. */
	readonly bias?: boolean;
}

const LINEAR_OPTIONS = ['bias', 'device', 'dtype'] as const;

/**
 * y = x W^T + b. x: [..., inFeatures], weight: [outFeatures, inFeatures], bias: [outFeatures], y: [..., outFeatures].
 * Weight and bias start uniform in +-1 / sqrt(inFeatures). As `torch.nn.Linear`.
 */
export class Linear extends Module {
	readonly weight: Parameter;
	readonly bias: Parameter | null;

	constructor(
		readonly inFeatures: number,
		readonly outFeatures: number,
		options: LinearOptions = {},
	) {
		super();
		requireCounts('Linear', { inFeatures, outFeatures });
		checkOptions('Linear', options, LINEAR_OPTIONS);
		this.weight = emptyParameter([outFeatures, inFeatures], options);
		this.bias = options.bias === false ? null : emptyParameter([outFeatures], options);
		this.resetParameters();
	}

	/** Draws new initial values. */
	resetParameters(): void {
		kaimingUniform_(this.weight, { a: Math.sqrt(5) });
		const bound = this.inFeatures > 0 ? 1 / Math.sqrt(this.inFeatures) : 0;
		if (this.bias !== null) uniform_(this.bias, -bound, bound);
	}

	override forward(input: Tensor): Tensor {
		return linear(input, this.weight, this.bias);
	}

	override extraRepr(): string {
		return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
	}
}

/**
 * y_k = x1^T A_k x2 + b_k. x1: [..., in1Features], x2: [..., in2Features], weight: [outFeatures, in1Features, in2Features]. Weight
 * and bias start uniform in +-1 / sqrt(in1Features). As `torch.nn.Bilinear`.
 */
export class Bilinear extends Module {
	readonly weight: Parameter;
	readonly bias: Parameter | null;

	constructor(
		readonly in1Features: number,
		readonly in2Features: number,
		readonly outFeatures: number,
		options: LinearOptions = {},
	) {
		super();
		requireCounts('Bilinear', { in1Features, in2Features, outFeatures });
		checkOptions('Bilinear', options, LINEAR_OPTIONS);
		this.weight = emptyParameter([outFeatures, in1Features, in2Features], options);
		this.bias = options.bias === false ? null : emptyParameter([outFeatures], options);
		this.resetParameters();
	}

	/** Draws new initial values. */
	resetParameters(): void {
		const bound = this.in1Features > 0 ? 1 / Math.sqrt(this.in1Features) : 0;
		uniform_(this.weight, -bound, bound);
		if (this.bias !== null) uniform_(this.bias, -bound, bound);
	}

	override forward(input1: Tensor, input2: Tensor): Tensor {
		const { in1Features, in2Features } = this;
		requireTensor('Bilinear', input1, 'input1');
		requireTensor('Bilinear', input2, 'input2');
		if (
			input1.shape.at(-1) !== in1Features ||
			input2.shape.at(-1) !== in2Features ||
			!sameShape(input1.shape.slice(0, -1), input2.shape.slice(0, -1))
		) {
			throw new ShapeError(
				`Bilinear: inputs ${formatShape(input1.shape)} and ${formatShape(input2.shape)} must have the last dims ${in1Features} and ${in2Features}, and equal other dims`,
			);
		}
		return tidy(() => {
			const products = flatten(mul(unsqueeze(input1, -1), unsqueeze(input2, -2)), -2, -1);
			return linear(products, flatten(this.weight, 1), this.bias);
		});
	}

	override extraRepr(): string {
		return `in1Features=${this.in1Features}, in2Features=${this.in2Features}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
	}
}
