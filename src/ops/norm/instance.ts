/** Instance normalization: normalizes each channel of each sample over its positions. */
import { noGrad } from '../../autograd/modes';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import type { Tensor } from '../../tensor';
import { composed, widened } from '../composed';
import { mul } from '../elementwise';
import { add_, mul_, writeInFloat32 } from '../inplace';
import { reshape } from '../layout';
import { mean, variance } from '../reduce';
import { batchNorm, requireRunning } from './batch';
import { type AffineOptions, checkNormInput, normalizeGroups, requireAffine } from './groups';

export interface InstanceNormOptions extends AffineOptions {
	/** The running mean of each channel, [C]. Updated in place with `useInputStats`, else used. */
	readonly runningMean?: Tensor | null;
	/** The running unbiased variance of each channel, [C]. */
	readonly runningVar?: Tensor | null;
	/** Whether to use the statistics of each sample instead of the running ones. Default true. */
	readonly useInputStats?: boolean;
	/** The weight of this input in the update of the running statistics. Default 0.1. */
	readonly momentum?: number;
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias for each sample and channel of floating x, [N, C, ...]. weight and bias are [C]. Ulyanov et
 * al. 2016. As `torch.nn.functional.instance_norm`.
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
	checkOptions('instanceNorm', options, ['runningMean', 'runningVar', 'useInputStats', 'momentum', 'weight', 'bias', 'eps']);
	const { runningMean, runningVar, weight, bias, useInputStats = true, momentum = 0.1, eps = 1e-5 } = options;
	const [batch, channels, spatial] = checkNormInput('instanceNorm', x, 3);
	requireAffine('instanceNorm', x, [channels], { weight, bias });
	requireRunning('instanceNorm', x, channels, runningMean, runningVar, useInputStats);
	if (!useInputStats) return composed('instanceNorm', () => batchNorm(x, { runningMean, runningVar, weight, bias, eps }));
	if (spatial <= 1)
		throw new ArgumentError(`instanceNorm: input ${formatShape(x.shape)} needs more than one position in each channel`);
	if (runningMean && runningVar) track(reshape(x, [batch, channels, spatial]), runningMean, runningVar, momentum);
	return normalizeGroups({
		name: 'instanceNorm',
		x,
		weight,
		bias,
		view: { batch, channels, groups: channels, spatial },
		eps,
		centred: true,
	});
}

/** Updates the running statistics with the averages over the samples. */
function track(x: Tensor, runningMean: Tensor, runningVar: Tensor, momentum: number): void {
	composed('instanceNorm', () =>
		noGrad(() => {
			const [wide] = widened(x);
			for (const [running, now] of [
				[runningMean, mean(wide, 2)],
				[runningVar, variance(wide, 2)],
			] as const) {
				writeInFloat32(running, (target) => add_(mul_(target, 1 - momentum), mul(mean(now, 0), momentum)));
			}
		}),
	);
}
