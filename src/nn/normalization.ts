/** Normalization layers. */

import { requireCounts } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { checkOptions, pickOptions, requireOptions } from '../core/options';
import { checkShape } from '../core/shape';
import { full, ones, zeros, zerosLike } from '../ops/creation';
import { div, sub } from '../ops/elementwise';
import { add_ } from '../ops/inplace';
import { squeeze, unsqueeze } from '../ops/layout';
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from '../ops/norm';
import { BATCHED_FORMS } from '../ops/windows';
import type { Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, ones_, zeros_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface BatchNormOptions extends FactoryOptions {
	/** Added to the variance. Default 1e-5. */
	readonly eps?: number;
	/** Weight of the new batch in the running statistics; null averages over all batches. Default 0.1. */
	readonly momentum?: number | null;
	/** Learn a scale and a shift. Default true. */
	readonly affine?: boolean;
	/** Keep running statistics for inference. Default true. */
	readonly trackRunningStats?: boolean;
}

/** The base of batch and instance normalization: a scale and a shift for each channel, and the running statistics. */
abstract class ChannelNorm extends Module {
	readonly weight: Parameter | null;
	readonly bias: Parameter | null;

	constructor(
		readonly numFeatures: number,
		readonly options: BatchNormOptions | InstanceNormOptions,
		defaults: { readonly affine: boolean; readonly trackRunningStats: boolean },
	) {
		super();
		requireCounts(new.target.name, { numFeatures });
		checkOptions(new.target.name, options, ['eps', 'momentum', 'affine', 'trackRunningStats', 'device', 'dtype']);
		const affine = options.affine ?? defaults.affine;
		this.weight = affine ? ones_(emptyParameter([numFeatures], options)) : null;
		this.bias = affine ? zeros_(emptyParameter([numFeatures], options)) : null;
		if (options.trackRunningStats ?? defaults.trackRunningStats) {
			const factory = pickOptions(options, 'device', 'dtype');
			this.registerBuffer('running_mean', zeros([numFeatures], factory));
			this.registerBuffer('running_var', ones([numFeatures], factory));
			this.registerBuffer('num_batches_tracked', full([], 0, { ...factory, dtype: 'int32' }));
		}
	}

	/** PyTorch's oldest states lack the count of batches, and PyTorch loads them too. */
	protected override optionalState(): readonly string[] {
		return ['num_batches_tracked'];
	}

	override extraRepr(): string {
		const { eps = 1e-5, momentum = 0.1 } = this.options;
		return `${this.numFeatures}, eps=${eps}, momentum=${momentum}`;
	}
}

/**
 * Normalizes each channel over the batch and all positions: y = (x - mean) / sqrt(var + eps) * weight + bias. Training uses the statistics
 * of the batch, inference the running ones. Ioffe and Szegedy 2015. As `torch.nn.BatchNorm*d`.
 */
abstract class BatchNorm extends ChannelNorm {
	declare readonly options: BatchNormOptions;

	constructor(numFeatures: number, options: BatchNormOptions = {}) {
		super(numFeatures, options, { affine: true, trackRunningStats: true });
	}

	protected abstract checkInput(input: Tensor): void;

	/** The running mean of each channel. Throws if `trackRunningStats` is false. */
	get runningMean(): Tensor {
		return this.buffer('running_mean');
	}

	/** The running (unbiased) variance of each channel. Throws if `trackRunningStats` is false. */
	get runningVar(): Tensor {
		return this.buffer('running_var');
	}

	override forward(input: Tensor): Tensor {
		requireTensor(this.constructor.name, input);
		this.checkInput(input);
		const { eps = 1e-5, momentum = 0.1, trackRunningStats = true } = this.options;
		const { weight, bias, training } = this;
		if (!trackRunningStats) return batchNorm(input, { weight, bias, training: true, eps });
		if (training) add_(this.buffer('num_batches_tracked'), 1);
		const { runningMean, runningVar } = this;
		if (training && momentum === null) return this.cumulativeAverage(input, eps);
		return batchNorm(input, { runningMean, runningVar, weight, bias, training, momentum: momentum ?? 0, eps });
	}

	/**
	 * Updates the running statistics to the average over all batches. Computes with the count on the device, because a loaded state sets it
	 * there.
	 */
	private cumulativeAverage(input: Tensor, eps: number): Tensor {
		const { weight, bias } = this;
		return tidy(() => {
			const kept = [this.runningMean, this.runningVar];
			const [mean, variance] = kept.map((buffer) => zerosLike(buffer)) as [Tensor, Tensor];
			const own = { runningMean: mean, runningVar: variance, momentum: 1 };
			const output = batchNorm(input, { ...own, weight, bias, training: true, eps });
			const count = this.buffer('num_batches_tracked');
			[mean, variance].forEach((seen, i) => {
				add_(kept[i]!, div(sub(seen, kept[i]!), count));
			});
			return output;
		});
	}
}

/** Batch normalization of [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
	protected override checkInput(input: Tensor): void {
		requireRank('BatchNorm1d', 'input', input, '[N, C] or [N, C, L]', 2, 3);
	}
}

/** Batch normalization of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
	protected override checkInput(input: Tensor): void {
		requireRank('BatchNorm2d', 'input', input, '[N, C, H, W]', 4);
	}
}

/** Batch normalization of [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
	protected override checkInput(input: Tensor): void {
		requireRank('BatchNorm3d', 'input', input, '[N, C, D, H, W]', 5);
	}
}

export interface LayerNormOptions extends FactoryOptions {
	/** Default 1e-5. */
	readonly eps?: number;
	/** Learn a scale and a shift. Default true. */
	readonly elementwiseAffine?: boolean;
	/** Learn the shift. Default true. */
	readonly bias?: boolean;
}

function shapeOf(layer: string, normalizedShape: number | readonly number[]): readonly number[] {
	const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
	checkShape(layer, shape);
	return [...shape];
}

/** Normalizes over the last dimensions, `normalizedShape`. Ba et al. 2016. As `torch.nn.LayerNorm`. */
export class LayerNorm extends Module {
	readonly normalizedShape: readonly number[];
	readonly weight: Parameter | null;
	readonly bias: Parameter | null;

	constructor(
		normalizedShape: number | readonly number[],
		readonly options: LayerNormOptions = {},
	) {
		super();
		checkOptions('LayerNorm', options, ['eps', 'elementwiseAffine', 'bias', 'device', 'dtype']);
		this.normalizedShape = shapeOf(new.target.name, normalizedShape);
		const affine = options.elementwiseAffine ?? true;
		this.weight = affine ? ones_(emptyParameter(this.normalizedShape, options)) : null;
		this.bias = affine && (options.bias ?? true) ? zeros_(emptyParameter(this.normalizedShape, options)) : null;
	}

	override forward(input: Tensor): Tensor {
		return layerNorm(input, this.normalizedShape, { weight: this.weight, bias: this.bias, eps: this.options.eps ?? 1e-5 });
	}

	override extraRepr(): string {
		return `${formatShape(this.normalizedShape)}, eps=${this.options.eps ?? 1e-5}`;
	}
}

export interface RMSNormOptions extends FactoryOptions {
	/** Added to the mean square. Default: the machine epsilon of the dtype. */
	readonly eps?: number | null;
	/** Learn a scale. Default true. */
	readonly elementwiseAffine?: boolean;
}

/** x / sqrt(mean(x^2) + eps) * weight over the last dimensions, `normalizedShape`. Zhang and Sennrich 2019. As `torch.nn.RMSNorm`. */
export class RMSNorm extends Module {
	readonly normalizedShape: readonly number[];
	readonly weight: Parameter | null;

	constructor(
		normalizedShape: number | readonly number[],
		readonly options: RMSNormOptions = {},
	) {
		super();
		checkOptions('RMSNorm', options, ['eps', 'elementwiseAffine', 'device', 'dtype']);
		this.normalizedShape = shapeOf(new.target.name, normalizedShape);
		this.weight = (options.elementwiseAffine ?? true) ? ones_(emptyParameter(this.normalizedShape, options)) : null;
	}

	override forward(input: Tensor): Tensor {
		return rmsNorm(input, this.normalizedShape, { weight: this.weight, eps: this.options.eps ?? null });
	}

	override extraRepr(): string {
		return `${formatShape(this.normalizedShape)}, eps=${this.options.eps ?? null}`;
	}
}

export interface GroupNormOptions extends FactoryOptions {
	/** Default 1e-5. */
	readonly eps?: number;
	/** Learn a scale and a shift for each channel. Default true. */
	readonly affine?: boolean;
}

/** Normalizes each group of channels of each sample of [N, C, ...] over all positions. Wu and He 2018. As `torch.nn.GroupNorm`. */
export class GroupNorm extends Module {
	readonly weight: Parameter | null;
	readonly bias: Parameter | null;

	constructor(
		readonly numGroups: number,
		readonly numChannels: number,
		readonly options: GroupNormOptions = {},
	) {
		super();
		requireCounts('GroupNorm', { numGroups, numChannels });
		checkOptions('GroupNorm', options, ['eps', 'affine', 'device', 'dtype']);
		if (numChannels % numGroups !== 0)
			throw new ArgumentError(`GroupNorm: ${numChannels} channels must be a multiple of the ${numGroups} groups`);
		const affine = options.affine ?? true;
		this.weight = affine ? ones_(emptyParameter([numChannels], options)) : null;
		this.bias = affine ? zeros_(emptyParameter([numChannels], options)) : null;
	}

	override forward(input: Tensor): Tensor {
		return groupNorm(input, this.numGroups, { weight: this.weight, bias: this.bias, eps: this.options.eps ?? 1e-5 });
	}

	override extraRepr(): string {
		return `${this.numGroups}, ${this.numChannels}, eps=${this.options.eps ?? 1e-5}`;
	}
}

export interface InstanceNormOptions extends FactoryOptions {
	/** Default 1e-5. */
	readonly eps?: number;
	/** Weight of the new input in the running statistics. Default 0.1. */
	readonly momentum?: number;
	/** Learn a scale and a shift for each channel. Default false. */
	readonly affine?: boolean;
	/** Keep running statistics and use them in inference. Default false. */
	readonly trackRunningStats?: boolean;
}

/** Normalizes each channel of each sample over all positions. Ulyanov et al. 2016. As `torch.nn.InstanceNorm*d`. */
abstract class InstanceNorm extends ChannelNorm {
	declare readonly options: InstanceNormOptions;

	constructor(numFeatures: number, options: InstanceNormOptions = {}) {
		super(numFeatures, options, { affine: false, trackRunningStats: false });
	}

	/** The rank of a batched input. */
	protected abstract readonly dims: number;

	override forward(input: Tensor): Tensor {
		const { dims, weight, bias } = this;
		requireTensor(this.constructor.name, input);
		requireRank(this.constructor.name, 'input', input, BATCHED_FORMS[dims - 2]!, dims - 1, dims);
		const { eps = 1e-5, momentum = 0.1, trackRunningStats = false } = this.options;
		const useInputStats = this.training || !trackRunningStats;
		const [runningMean, runningVar] = trackRunningStats ? [this.buffer('running_mean'), this.buffer('running_var')] : [];
		const normalized = (x: Tensor) => instanceNorm(x, { runningMean, runningVar, weight, bias, useInputStats, momentum, eps });
		return input.ndim === dims ? normalized(input) : tidy(() => squeeze(normalized(unsqueeze(input, 0)), 0));
	}
}

/** Instance normalization of [N, C, L] or [C, L]. */
export class InstanceNorm1d extends InstanceNorm {
	protected override readonly dims = 3;
}

/** Instance normalization of [N, C, H, W] or [C, H, W]. */
export class InstanceNorm2d extends InstanceNorm {
	protected override readonly dims = 4;
}

/** Instance normalization of [N, C, D, H, W] or [C, D, H, W]. */
export class InstanceNorm3d extends InstanceNorm {
	protected override readonly dims = 5;
}

export interface LocalResponseNormOptions {
	/** Default 1e-4. */
	readonly alpha?: number;
	/** Default 0.75. */
	readonly beta?: number;
	/** Default 1. */
	readonly k?: number;
}

/**
 * x / (k + alpha / size * sum(x^2))^beta, with the sum over `size` neighbouring channels. Krizhevsky et al. 2012. As
 * `torch.nn.LocalResponseNorm`.
 */
export class LocalResponseNorm extends Module {
	constructor(
		readonly size: number,
		readonly options: LocalResponseNormOptions = {},
	) {
		super();
		requireCounts('LocalResponseNorm', { size }, 1);
		requireOptions('LocalResponseNorm', options);
	}

	override forward(input: Tensor): Tensor {
		return localResponseNorm(input, this.size, this.options);
	}

	override extraRepr(): string {
		const { alpha = 1e-4, beta = 0.75, k = 1 } = this.options;
		return `${this.size}, alpha=${alpha}, beta=${beta}, k=${k}`;
	}
}
