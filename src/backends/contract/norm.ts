/**
 * Normalisation: x^ = (x - mean) * rstd, y = x^ * weight + bias, with rstd = 1 / sqrt(variance + eps).
 *
 * x is contiguous and seen as [batch, channels, spatial]. Statistics are taken over a group (channels / groups adjacent channels
 * of one sample) in group, instance and layer normalisation (groups = 1, spatial = 1), or over a channel of all samples in batch
 * normalisation. weight and bias are contiguous, have one element for each channel, and may be missing (1 and 0).
 *
 * Statistics are float32 (float64 for float64). The variance is computed from the deviations, never from the squares. Means come
 * in two parts, [2, ...]: the second holds the rounding error of the first, which may exceed the distance of most elements from
 * the mean. x, y, their gradients, weight and bias have one dtype. All inputs are contiguous, at any offset.
 */
import type { View } from './storage';

export interface NormShape {
	readonly batch: number;
	readonly channels: number;
	readonly spatial: number;
}

export interface GroupNormShape extends NormShape {
	readonly groups: number;
}

export interface NormKernels {
	/**
	 * y and the statistics of each group, mean [2, batch, groups] and rstd [batch, groups]. Without `mean` it is the RMS form:
	 * nothing is subtracted, and rstd = 1 / sqrt(mean(x^2) + eps).
	 */
	groupNorm(
		inputs: { x: View; weight?: View; bias?: View },
		outputs: { y: View; mean?: View; rstd: View },
		attributes: GroupNormShape & { eps: number },
	): void;

	/**
	 * dx = rstd * (h - mean of h - x^ * mean of (h * x^)) over the group, h = gradient * weight. The RMS form (no `mean`) omits the
	 * mean of h.
	 */
	groupNormGrad(
		inputs: { x: View; gradient: View; mean?: View; rstd: View; weight?: View },
		outputs: { dx: View },
		attributes: GroupNormShape,
	): void;

	/**
	 * dweight = sum gradient * x^ and dbias = sum gradient over batch and spatial, for each channel, in the dtype of the
	 * statistics; either output may be left out. With groups = 0 the statistics are those of channels: mean [2, channels], rstd
	 * [channels].
	 */
	normParametersGrad(
		inputs: { x: View; gradient: View; mean?: View; rstd: View },
		outputs: { dweight?: View; dbias?: View },
		attributes: GroupNormShape,
	): void;

	/** mean [2, channels] and biased variance [channels] over batch and spatial. */
	channelStatistics(inputs: { x: View }, outputs: { mean: View; variance: View }, attributes: NormShape): void;

	/**
	 * rstd = 1 / sqrt(variance + eps) for each channel. Also updates running statistics in place if given (contiguous, any dtype):
	 * runningMean += momentum * (mean - runningMean); runningVar likewise, with the unbiased variance, times count / (count - 1).
	 */
	channelScale(
		inputs: { mean: View; variance: View },
		outputs: { rstd: View; runningMean?: View; runningVar?: View },
		attributes: { eps: number; momentum: number; count: number },
	): void;

	/**
	 * y = (x - mean) * rstd * weight + bias, with one value of each for a channel. A mean [channels], in one part, is a running
	 * mean.
	 */
	channelNorm(
		inputs: { x: View; mean: View; rstd: View; weight?: View; bias?: View },
		outputs: { y: View },
		attributes: NormShape,
	): void;

	/**
	 * dx of `channelNorm` if mean and rstd come from x: rstd * weight * (gradient - dbias / n - x^ * dweight / n), with n = batch *
	 * spatial and the sums of `normParametersGrad`.
	 */
	channelNormGrad(
		inputs: { x: View; gradient: View; mean: View; rstd: View; weight?: View; dweight: View; dbias: View },
		outputs: { dx: View },
		attributes: NormShape,
	): void;
}
