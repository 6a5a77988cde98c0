/** Fully connected layers. */
import { linear } from '../ops/matmul';
import type { Tensor } from '../tensor';
import { emptyParameter, kaimingUniform_, uniform_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface LinearOptions extends FactoryOptions {
	/** Learn an additive bias. Default true. */
	readonly bias?: boolean;
}

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
		this.weight = emptyParameter([outFeatures, inFeatures], options);
		this.bias = options.bias === false ? null : emptyParameter([outFeatures], options);
		this.resetParameters();
	}

	/** Draws the initial values again. */
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
