/** Convolution layers. Images and feature maps are NCHW. */
import { requireCounts, requireOneOf } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { checkOptions, type Leading, leadingOptions, pickOptions } from '../core/options';
import { numel, type Shape } from '../core/shape';
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from '../ops/conv';
import { type PadMode, pad } from '../ops/layout';
import {
	CONV_NAMES,
	CONV_TRANSPOSE_NAMES,
	type ConvPositions,
	type ConvTransposePositions,
	type PerDim,
	perDim,
} from '../ops/windows';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { emptyParameter, kaimingUniform_, uniform_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface ConvOptions extends FactoryOptions {
	/** Default 1. */
	readonly stride?: number | readonly number[];
	/** Elements added at both ends of each spatial dim, or 'same' (keeps the size) or 'valid' (none). Default 0. */
	readonly padding?: number | readonly number[] | 'same' | 'valid';
	/** The padding's values: zeros, the mirrored input, its edge, or its other end. Default 'zeros'. */
	readonly paddingMode?: 'zeros' | Exclude<PadMode, 'constant'>;
	/** Default 1. */
	readonly dilation?: number | readonly number[];
	/** Blocks of channels that do not mix. Default 1. */
	readonly groups?: number;
	/** Learn an additive bias. Default true. */
	readonly bias?: boolean;
}

const CONV_OPTIONS = ['stride', 'padding', 'paddingMode', 'dilation', 'groups', 'bias', 'device', 'dtype'] as const;

export interface ConvTransposeOptions extends FactoryOptions {
	/** Distance in the output between neighbours of the input. Default 1. */
	readonly stride?: number | readonly number[];
	/** Elements cut off both ends of each spatial dim. Default 0. */
	readonly padding?: number | readonly number[];
	/** Elements added at the far end of each spatial dim; less than stride or dilation. Default 0. */
	readonly outputPadding?: number | readonly number[];
	/** Default 1. */
	readonly dilation?: number | readonly number[];
	/** Blocks of channels that do not mix. Default 1. */
	readonly groups?: number;
	/** Learn an additive bias. Default true. */
	readonly bias?: boolean;
}

const CONV_TRANSPOSE_OPTIONS = ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias', 'device', 'dtype'] as const;

/** The base of all convolution layers: a weight, a bias per output channel, and their initial values. */
abstract class ConvolutionLayer extends Module {
	readonly weight: Parameter;
	readonly bias: Parameter | null;
	readonly kernelSize: readonly number[];

	constructor(
		readonly inChannels: number,
		readonly outChannels: number,
		kernel: { readonly size: number | readonly number[]; readonly rank: number; readonly transposed: boolean },
		readonly options: ConvOptions | ConvTransposeOptions,
	) {
		super();
		const name = new.target.name;
		requireCounts(name, { inChannels, outChannels });
		const groups = options.groups ?? 1;
		if (inChannels % groups !== 0 || outChannels % groups !== 0) {
			throw new ArgumentError(
				`${name}: ${inChannels} input and ${outChannels} output channels must both be multiples of the ${groups} groups`,
			);
		}
		this.kernelSize = perDim(name, 'kernelSize', kernel.size, kernel.rank, 1);
		const channels = kernel.transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
		this.weight = emptyParameter([...channels, ...this.kernelSize], options);
		this.bias = options.bias === false ? null : emptyParameter([outChannels], options);
		this.resetParameters();
	}

	/** Draws new initial values: weight and bias uniform in +-1 / sqrt(fan), where fan is the number of elements of weight[0]. */
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

type Convolution = (
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null,
	options: Pick<ConvOptions, 'stride' | 'padding' | 'dilation' | 'groups'>,
) => Tensor;

/** Weight [outChannels, inChannels / groups, ...kernel]. */
abstract class ConvNd extends ConvolutionLayer {
	private readonly convolution: Convolution;
	/** The padding that `pad` adds before the convolution; null if the convolution itself pads with zeros. */
	private readonly border: { readonly mode: Exclude<PadMode, 'constant'>; readonly sides: readonly number[] } | null;

	constructor(
		convolution: Convolution,
		rank: number,
		inChannels: number,
		outChannels: number,
		kernelSize: number | readonly number[],
		override readonly options: ConvOptions,
	) {
		const name = new.target.name;
		checkOptions(name, options, CONV_OPTIONS);
		super(inChannels, outChannels, { size: kernelSize, rank, transposed: false }, options);
		const { paddingMode: mode = 'zeros', padding = 0, dilation = 1, stride = 1 } = options;
		requireOneOf(name, 'paddingMode', mode, ['zeros', 'reflect', 'replicate', 'circular']);
		if (padding === 'same' && perDim(name, 'stride', stride, rank, 1).some((step) => step !== 1))
			throw new ArgumentError(`${name}: padding 'same' keeps the size, so stride must be 1, not ${stride}`);
		this.convolution = convolution;
		if (mode === 'zeros' || padding === 'valid') {
			this.border = null;
		} else {
			const reach = perDim(name, 'dilation', dilation, rank, 1).map((step, d) => step * (this.kernelSize[d]! - 1));
			const before = padding === 'same' ? reach.map((total) => Math.floor(total / 2)) : perDim(name, 'padding', padding, rank, 0);
			const after = padding === 'same' ? reach.map((total, d) => total - before[d]!) : before;
			this.border = { mode, sides: before.flatMap((count, d) => [after[d]!, count]).reverse() };
		}
	}

	override forward(input: Tensor): Tensor {
		const { weight, bias } = this;
		const border = this.border;
		const call = pickOptions(this.options, 'stride', 'padding', 'dilation', 'groups');
		if (border === null) return this.convolution(input, weight, bias, call);
		return tidy(() => this.convolution(pad(input, border.sides, { mode: border.mode }), weight, bias, { ...call, padding: 0 }));
	}
}

/** Convolution of [N, inChannels, L] to [N, outChannels, L']. As `torch.nn.Conv1d`. */
export class Conv1d extends ConvNd {
	constructor(inChannels: number, outChannels: number, kernelSize: PerDim, ...rest: Leading<ConvPositions, ConvOptions>) {
		super(conv1d, 1, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_NAMES));
	}
}

/** Convolution of [N, inChannels, H, W] to [N, outChannels, H', W']. As `torch.nn.Conv2d`. */
export class Conv2d extends ConvNd {
	constructor(inChannels: number, outChannels: number, kernelSize: PerDim, ...rest: Leading<ConvPositions, ConvOptions>) {
		super(conv2d, 2, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_NAMES));
	}
}

/** Convolution of [N, inChannels, D, H, W] to [N, outChannels, D', H', W']. As `torch.nn.Conv3d`. */
export class Conv3d extends ConvNd {
	constructor(inChannels: number, outChannels: number, kernelSize: PerDim, ...rest: Leading<ConvPositions, ConvOptions>) {
		super(conv3d, 3, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_NAMES));
	}
}

type TransposedConvolution = typeof convTranspose2d;

/** Weight [inChannels, outChannels / groups, ...kernel]. */
abstract class ConvTransposeNd extends ConvolutionLayer {
	readonly convolution: TransposedConvolution;
	private readonly callOptions: Omit<ConvTransposeOptions, 'bias' | 'device' | 'dtype'>;

	constructor(
		convolution: TransposedConvolution,
		rank: number,
		inChannels: number,
		outChannels: number,
		kernelSize: number | readonly number[],
		override readonly options: ConvTransposeOptions,
	) {
		checkOptions(new.target.name, options, CONV_TRANSPOSE_OPTIONS);
		super(inChannels, outChannels, { size: kernelSize, rank, transposed: true }, options);
		this.convolution = convolution;
		this.callOptions = pickOptions(options, 'stride', 'padding', 'outputPadding', 'dilation', 'groups');
	}

	/** `outputSize` gives the spatial sizes of the output and replaces the option `outputPadding`. */
	override forward(input: Tensor, outputSize?: Shape): Tensor {
		const { weight, bias } = this;
		if (outputSize === undefined) return this.convolution(input, weight, bias, this.callOptions);
		return this.convolution(input, weight, bias, {
			...this.callOptions,
			outputPadding: this.paddingFor(input.shape, outputSize),
		});
	}

	private paddingFor(shape: Shape, outputSize: Shape): number[] {
		const name = this.constructor.name;
		const rank = this.kernelSize.length;
		const stride = perDim(name, 'stride', this.options.stride ?? 1, rank, 1);
		const padding = perDim(name, 'padding', this.callOptions.padding ?? 0, rank, 0);
		const dilation = perDim(name, 'dilation', this.options.dilation ?? 1, rank, 1);
		const spatial = shape.slice(-rank);
		const least = spatial.map(
			(size, d) => (size - 1) * stride[d]! - 2 * padding[d]! + dilation[d]! * (this.kernelSize[d]! - 1) + 1,
		);
		if (outputSize.length !== rank || outputSize.some((size, d) => size < least[d]! || size >= least[d]! + stride[d]!)) {
			const most = least.map((size, d) => size + stride[d]! - 1);
			throw new ArgumentError(
				`${name}: outputSize ${formatShape(outputSize)} is impossible for input ${formatShape(shape)}: it must lie between ${formatShape(least)} and ${formatShape(most)}`,
			);
		}
		return outputSize.map((size, d) => size - least[d]!);
	}

	override extraRepr(): string {
		return `${super.extraRepr()}, outputPadding=${this.options.outputPadding ?? 0}`;
	}
}

/** Transposed convolution of [N, inChannels, L] to [N, outChannels, L']. As `torch.nn.ConvTranspose1d`. */
export class ConvTranspose1d extends ConvTransposeNd {
	constructor(
		inChannels: number,
		outChannels: number,
		kernelSize: PerDim,
		...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
	) {
		super(convTranspose1d, 1, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_TRANSPOSE_NAMES));
	}
}

/** Transposed convolution of [N, inChannels, H, W] to [N, outChannels, H', W']. As `torch.nn.ConvTranspose2d`. */
export class ConvTranspose2d extends ConvTransposeNd {
	constructor(
		inChannels: number,
		outChannels: number,
		kernelSize: PerDim,
		...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
	) {
		super(convTranspose2d, 2, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_TRANSPOSE_NAMES));
	}
}

/** Transposed convolution of [N, inChannels, D, H, W] to [N, outChannels, D', H', W']. As `torch.nn.ConvTranspose3d`. */
export class ConvTranspose3d extends ConvTransposeNd {
	constructor(
		inChannels: number,
		outChannels: number,
		kernelSize: PerDim,
		...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
	) {
		super(convTranspose3d, 3, inChannels, outChannels, kernelSize, leadingOptions(new.target.name, rest, CONV_TRANSPOSE_NAMES));
	}
}
