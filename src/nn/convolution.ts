/** Convolution layers. Images and feature maps are NCHW. */
import { ArgumentError } from '../core/errors';
import { numel } from '../core/shape';
import { conv2d } from '../ops/conv';
import type { Tensor } from '../tensor';
import { emptyParameter, kaimingUniform_, uniform_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface ConvOptions extends FactoryOptions {
	/** Default 1. */
	readonly stride?: number | readonly number[];
	/** Zeros on both sides of each spatial dimension, or 'same' or 'valid'. Default 0. */
	readonly padding?: number | readonly number[] | 'same' | 'valid';
	/** Default 1. */
	readonly dilation?: number | readonly number[];
	/** Blocks of channels that do not mix. Default 1. */
	readonly groups?: number;
	/** Learn an additive bias. Default true. */
	readonly bias?: boolean;
}

/** A size for each of `rank` spatial dimensions. */
function perDimension(layer: string, value: number | readonly number[], rank: number): number[] {
	const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : [...value];
	if (list.length !== rank)
		throw new ArgumentError(`${layer}: [${list.join(', ')}] has ${list.length} sizes; give one number or ${rank}`);
	return list;
}

/** What the convolution layers share: a weight [outChannels, inChannels / groups, ...kernel] and a bias, and how they start. */
abstract class ConvolutionLayer extends Module {
	readonly weight: Parameter;
	readonly bias: Parameter | null;
	readonly kernelSize: readonly number[];

	constructor(
		rank: number,
		readonly inChannels: number,
		readonly outChannels: number,
		kernelSize: number | readonly number[],
		readonly options: ConvOptions,
	) {
		super();
		const name = new.target.name;
		const groups = options.groups ?? 1;
		if (inChannels % groups !== 0 || outChannels % groups !== 0) {
			throw new ArgumentError(
				`${name}: ${inChannels} input and ${outChannels} output channels do not both divide into ${groups} groups`,
			);
		}
		this.kernelSize = perDimension(name, kernelSize, rank);
		this.weight = emptyParameter([outChannels, inChannels / groups, ...this.kernelSize], options);
		this.bias = options.bias === false ? null : emptyParameter([outChannels], options);
		this.resetParameters();
	}

	/** Draws the initial values again: weight and bias uniform in +-1 / sqrt(inChannels / groups * kernel elements). */
	resetParameters(): void {
		kaimingUniform_(this.weight, { a: Math.sqrt(5) });
		const fan = numel(this.weight.shape.slice(1));
		if (this.bias !== null && fan > 0) uniform_(this.bias, -1 / Math.sqrt(fan), 1 / Math.sqrt(fan));
	}

	override extraRepr(): string {
		const { stride = 1, padding = 0, dilation = 1, groups = 1 } = this.options;
		const rest = `stride=${stride}, padding=${padding}, dilation=${dilation}, groups=${groups}, bias=${this.bias !== null}`;
		return `${this.inChannels}, ${this.outChannels}, kernelSize=${this.kernelSize}, ${rest}`;
	}
}

/** Convolution over [N, inChannels, H, W] giving [N, outChannels, H', W']. As `torch.nn.Conv2d`. */
export class Conv2d extends ConvolutionLayer {
	constructor(inChannels: number, outChannels: number, kernelSize: number | readonly number[], options: ConvOptions = {}) {
		super(2, inChannels, outChannels, kernelSize, options);
	}

	override forward(input: Tensor): Tensor {
		return conv2d(input, this.weight, this.bias, this.options);
	}
}
