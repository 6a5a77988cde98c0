/** Normalization layers. */
import { formatShape, ShapeError } from '../core/errors';
import { full, ones, zeros } from '../ops/creation';
import { add_ } from '../ops/inplace';
import { batchNorm, layerNorm } from '../ops/norm';
import type { Tensor } from '../tensor';
import { emptyParameter, ones_, zeros_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface BatchNormOptions extends FactoryOptions {
	/** Added to the variance. Default 1e-5. */
	readonly eps?: number;
	/** The share of the new batch in the running statistics, or null for their plain average over batches. Default 0.1. */
	readonly momentum?: number | null;
	/** Learn a scale and a shift. Default true. */
	readonly affine?: boolean;
	/** Keep running statistics for inference. Default true. */
	readonly trackRunningStats?: boolean;
}

/**
 * Normalizes each channel over the batch and all positions: y = (x - mean) / sqrt(var + eps) * weight + bias. Statistics of
 * the batch while training, running ones in inference. Ioffe and Szegedy 2015. As `torch.nn.BatchNorm*d`.
 */
abstract class BatchNorm extends Module {
	readonly weight: Parameter | null;
	readonly bias: Parameter | null;
	/** Batches seen, on the host: the plain average needs the number, and a device read would make every step wait. */
	#batches = 0;

	constructor(
		readonly numFeatures: number,
		readonly options: BatchNormOptions = {},
	) {
		super();
		const affine = options.affine ?? true;
		this.weight = affine ? ones_(emptyParameter([numFeatures], options)) : null;
		this.bias = affine ? zeros_(emptyParameter([numFeatures], options)) : null;
		if (options.trackRunningStats ?? true) {
			this.registerBuffer('running_mean', zeros([numFeatures], options));
			this.registerBuffer('running_var', ones([numFeatures], options));
			this.registerBuffer('num_batches_tracked', full([], 0, { ...options, dtype: 'int32' }));
		}
	}

	protected abstract checkInput(input: Tensor): void;

	/** The running mean of each channel. Throws when none is kept. */
	get runningMean(): Tensor {
		return this.buffer('running_mean');
	}

	/** The running (unbiased) variance of each channel. Throws when none is kept. */
	get runningVar(): Tensor {
		return this.buffer('running_var');
	}

	override forward(input: Tensor): Tensor {
		this.checkInput(input);
		const { eps = 1e-5, momentum = 0.1, trackRunningStats = true } = this.options;
		const { weight, bias, training } = this;
		if (!trackRunningStats) return batchNorm(input, { weight, bias, training: true, eps });
		if (training) {
			this.#batches++;
			add_(this.buffer('num_batches_tracked'), 1);
		}
		const { runningMean, runningVar } = this;
		return batchNorm(input, { runningMean, runningVar, weight, bias, training, momentum: momentum ?? 1 / this.#batches, eps });
	}

	override extraRepr(): string {
		return `${this.numFeatures}, eps=${this.options.eps ?? 1e-5}, momentum=${this.options.momentum ?? 0.1}`;
	}
}

/** Batch normalization of [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
	protected override checkInput({ shape }: Tensor): void {
		if (shape.length !== 2 && shape.length !== 3)
			throw new ShapeError(`BatchNorm1d: it takes [N, C] or [N, C, L], not shape ${formatShape(shape)}`);
	}
}

/** Batch normalization of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
	protected override checkInput({ shape }: Tensor): void {
		if (shape.length !== 4) throw new ShapeError(`BatchNorm2d: it takes [N, C, H, W], not shape ${formatShape(shape)}`);
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
		this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
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
