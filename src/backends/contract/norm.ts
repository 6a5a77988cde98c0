/**
 * Normalisation: x^ = (x - mean) * rstd, y = x^ * weight + bias, with rstd = 1 / sqrt(variance + eps).
 *
 * x is contiguous and seen as [batch, channels, spatial]. Either a group, channels / groups neighbouring channels of one
 * sample, has statistics of its own: group, instance and (groups = 1, spatial = 1) layer normalisation; or a channel has,
 * over all samples: batch normalisation. weight and bias are contiguous, one element for each channel, and may be missing (1 and 0).
 *
 * Statistics are float32 (float64 for float64), and the variance comes from the deviations, never from the squares. Means come in two parts,
 * [2, ...]: the second is what rounding left of the first, for a float32 may be further from the mean than most elements are.
 * x, y, gradients of either, weight and bias have one dtype. All inputs are contiguous, at any offset.
 */
import type { View } from '../contract';

export interface NormShape {
	readonly batch: number;
	readonly channels: number;
	readonly spatial: number;
}

export interface GroupNormShape extends NormShape {
	readonly groups: number;
}

export interface NormKernels {
	/** Statistics of each group, mean [2, batch, groups] and rstd [batch, groups], and y. Without `mean` it is the RMS form: nothing is subtracted, rstd = 1 / sqrt(mean(x^2) + eps). */
	groupNorm(
		inputs: { x: View; weight?: View; bias?: View },
		outputs: { y: View; mean?: View; rstd: View },
		attributes: GroupNormShape & { eps: number },
	): void;

	/** dx = rstd * (h - mean of h - x^ * mean of (h * x^)) over the group, h = gradient * weight; the RMS form (no `mean`) has no mean of h. */
	groupNormGrad(
		inputs: { x: View; gradient: View; mean?: View; rstd: View; weight?: View },
		outputs: { dx: View },
		attributes: GroupNormShape,
	): void;

	/**
	 * dweight = sum gradient * x^ and dbias = sum gradient over batch and spatial, for each channel, in the dtype of the statistics;
	 * either may be left out. The statistics are those of groups, or with groups = 0 of channels: mean [2, channels], rstd [channels].
	 */
	normParametersGrad(
		inputs: { x: View; gradient: View; mean?: View; rstd: View },
		outputs: { dweight?: View; dbias?: View },
		attributes: GroupNormShape,
	): void;

	/** mean [2, channels] and biased variance [channels] over batch and spatial. */
	channelStatistics(inputs: { x: View }, outputs: { mean: View; variance: View }, attributes: NormShape): void;

	/**
	 * rstd = 1 / sqrt(variance + eps) for each channel; and, where running statistics are given, in place (contiguous, any dtype):
	 * runningMean += momentum * (mean - runningMean), and so the variance, made unbiased: times count / (count - 1).
	 */
	channelScale(
		inputs: { mean: View; variance: View },
		outputs: { rstd: View; runningMean?: View; runningVar?: View },
		attributes: { eps: number; momentum: number; count: number },
	): void;

	/** y = (x - mean) * rstd * weight + bias, all of one element for each channel; a mean [channels], not in parts, is a running one. */
	channelNorm(
		inputs: { x: View; mean: View; rstd: View; weight?: View; bias?: View },
		outputs: { y: View },
		attributes: NormShape,
	): void;

	/**
	 * dx of `channelNorm` where mean and rstd come from x: rstd * weight * (gradient - dbias / n - x^ * dweight / n), with n = batch *
	 * spatial and the sums of `normParametersGrad`.
	 */
	channelNormGrad(
		inputs: { x: View; gradient: View; mean: View; rstd: View; weight?: View; dweight: View; dbias: View },
		outputs: { dx: View },
		attributes: NormShape,
	): void;
}
