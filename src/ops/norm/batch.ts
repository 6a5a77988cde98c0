/** Batch normalization: normalizes each channel over all samples and positions, with running statistics for inference. */

import { defineOperation } from '../../autograd/operation';
import type { NormShape } from '../../backends/contract/norm';
import { elementwiseKernels, normKernels } from '../../backends/kernels';
import { requireNonNegative } from '../../core/checks';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { emptyOn, type Tensor } from '../../tensor';
import { widened } from '../composed';
import { add, mul, rsqrt, square, sub, to } from '../elementwise';
import { contiguousTarget, writeBack } from '../inplace';
import { contiguous, reshape } from '../layout';
import { converted } from '../operands';
import { mean, sum } from '../reduce';
import {
	type AffineOptions,
	checkNormInput,
	deviations,
	parameterFor,
	parameterSums,
	requireAffine,
	statisticsType,
} from './groups';

export interface BatchNormOptions extends AffineOptions {
	/** The running mean of each channel, [C]. Training updates it in place, inference uses it. */
	readonly runningMean?: Tensor | null;
	/** The running unbiased variance of each channel, [C]. */
	readonly runningVar?: Tensor | null;
	/** Whether to use the statistics of this batch and update the running ones. Default false. */
	readonly training?: boolean;
	/** The weight of this batch in the update of the running statistics. Default 0.1. */
	readonly momentum?: number;
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias for each channel of floating x, [N, C, ...]. weight and bias are [C]. Training uses the mean
 * and the biased variance of the batch, and updates the running statistics on the device. Inference uses the running statistics. Ioffe and
 * Szegedy 2015. As `torch.nn.functional.batch_norm`.
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
	checkOptions('batchNorm', options, ['runningMean', 'runningVar', 'training', 'momentum', 'weight', 'bias', 'eps']);
	const { runningMean, runningVar, weight, bias, training = false, momentum = 0.1, eps = 1e-5 } = options;
	const [batch, channels, spatial] = checkNormInput('batchNorm', x, 2);
	const shape = { batch, channels, spatial };
	requireNonNegative('batchNorm', 'eps', eps);
	requireAffine('batchNorm', x, [channels], { weight, bias });
	requireRunning('batchNorm', x, channels, runningMean, runningVar, training);
	if (training && batch * spatial <= 1) {
		throw new ArgumentError(
			`batchNorm: in training it needs more than one value for each channel; input ${formatShape(x.shape)} has ${batch * spatial}`,
		);
	}
	return batchOperation({ x, weight, bias, runningMean, runningVar }, { ...shape, eps, momentum, training });
}

type BatchAttributes = NormShape & { readonly eps: number; readonly momentum: number; readonly training: boolean };

const batchOperation = defineOperation({
	name: 'batchNorm',
	inputs: ['x', 'weight?', 'bias?'],
	constants: ['runningMean?', 'runningVar?'],
	forward: ({ x, weight, bias, runningMean, runningVar }, attributes: BatchAttributes) => {
		const { batch, channels, spatial, eps, momentum, training } = attributes;
		const { backend } = x;
		const packed = contiguous(x);
		const statistics = (...parts: number[]) => emptyOn(x, [...parts, channels], statisticsType(x.dtype));
		const output = emptyOn(x, x.shape);
		const rstd = statistics();
		const mean = training ? statistics(2) : statistics();
		const variance = training ? statistics() : converted(contiguous(runningVar!), rstd.dtype);
		if (training) {
			normKernels(backend).channelStatistics({ x: packed }, { mean, variance }, attributes);
			const scaling = { eps, momentum, count: batch * spatial };
			if (runningMean && runningVar) {
				const means = contiguousTarget('batchNorm', runningMean);
				const variances = contiguousTarget('batchNorm', runningVar, means);
				normKernels(backend).channelScale({ mean, variance }, { rstd, runningMean: means, runningVar: variances }, scaling);
				writeBack('batchNorm', means, runningMean);
				writeBack('batchNorm', variances, runningVar);
			} else normKernels(backend).channelScale({ mean, variance }, { rstd }, scaling);
		} else {
			elementwiseKernels(backend).cast({ x: runningMean! }, { y: mean }, {});
			normKernels(backend).channelScale({ mean, variance }, { rstd }, { eps, momentum: 0, count: 2 });
		}
		normKernels(backend).channelNorm(
			{ x: packed, mean, rstd, ...(weight && { weight: parameterFor(x, weight) }), ...(bias && { bias: parameterFor(x, bias) }) },
			{ y: output },
			attributes,
		);
		return { output, mean, rstd };
	},
	saves: ['x', 'weight', 'mean', 'rstd'],
	vjp: (gradient, { mean, rstd, ...saved }, attributes, needs) => {
		const [incoming, x, weight] = widened(gradient, saved.x, saved.weight);
		if (attributes.training) return batchGradients(incoming, x, weight, mean, attributes, needs);
		return inferenceGradients(incoming, x, weight, mean, rstd, attributes, needs);
	},
	fusedVjp: (gradient, { x, weight, mean, rstd }, attributes, needs) => {
		if (!attributes.training) return inferenceGradients(...widened(gradient, x, weight), mean, rstd, attributes, needs);
		const inputs = { x: contiguous(x), gradient: contiguous(gradient), mean, rstd };
		const wantsX = needs.x !== null;
		// dx needs both sums, even if weight and bias need no gradient.
		const view = { ...attributes, groups: 0 };
		const { dweight, dbias } = parameterSums(inputs, view, wantsX || needs.weight !== null, wantsX || needs.bias !== null);
		const dx = needs.x && emptyOn(x, x.shape);
		if (dx) {
			const sums = { dweight: dweight!, dbias: dbias! };
			normKernels(x.backend).channelNormGrad(
				{ ...inputs, ...sums, ...(weight && { weight: parameterFor(x, weight) }) },
				{ dx },
				attributes,
			);
		}
		return { x: dx, weight: needs.weight && dweight, bias: needs.bias && dbias };
	},
});

interface Needs {
	readonly x: unknown;
	readonly weight: unknown;
	readonly bias: unknown;
}

/** Throws unless both running statistics are given, or neither in training. Each is [channels]. */
export function requireRunning(
	name: string,
	x: Tensor,
	channels: number,
	runningMean: Tensor | null | undefined,
	runningVar: Tensor | null | undefined,
	training: boolean,
): void {
	if ((runningMean == null) !== (runningVar == null))
		throw new ArgumentError(`${name}: pass runningMean and runningVar together, or neither`);
	if (!training && runningMean == null) throw new ArgumentError(`${name}: without training it needs runningMean and runningVar`);
	requireAffine(name, x, [channels], { runningMean, runningVar });
	for (const [argument, tensor] of Object.entries({ runningMean, runningVar })) {
		if (tensor?.requiresGrad) throw new ArgumentError(`${name}: ${argument} is written in place and cannot require a gradient`);
	}
}

/** Reshapes a tensor with one element for each channel, so that it broadcasts to [batch, channels, spatial]. */
function beside(tensor: Tensor, { channels }: NormShape): Tensor {
	return reshape(tensor, [1, channels, 1]);
}

function seen(tensor: Tensor, { batch, channels, spatial }: NormShape): Tensor {
	return reshape(tensor, [batch, channels, spatial]);
}

/** The gradients in training, where the statistics depend on x. */
function batchGradients(
	gradient: Tensor,
	x: Tensor,
	weight: Tensor | null,
	centre: Tensor,
	{ eps, ...shape }: BatchAttributes,
	needs: Needs,
) {
	const over = (t: Tensor) => mean(t, [0, 2], { keepdim: true });
	const values = seen(x, shape);
	const incoming = seen(gradient, shape);
	const deviation = deviations(values, centre, [1, shape.channels, 1], [0, 2]);
	const rstd = rsqrt(add(over(square(deviation)), eps));
	const normal = mul(deviation, rstd);
	const scale = weight ? mul(beside(weight, shape), rstd) : rstd;
	const level = sub(incoming, over(incoming));
	return {
		x: needs.x ? reshape(mul(scale, sub(level, mul(normal, over(mul(incoming, normal))))), x.shape) : null,
		weight: needs.weight ? sum(mul(incoming, normal), [0, 2]) : null,
		bias: needs.bias ? sum(incoming, [0, 2]) : null,
	};
}

/** The gradients in inference, where the running statistics are constants. */
function inferenceGradients(
	gradient: Tensor,
	x: Tensor,
	weight: Tensor | null,
	centre: Tensor,
	rstd: Tensor,
	shape: NormShape,
	needs: Needs,
) {
	const incoming = seen(gradient, shape);
	const factor = beside(to(rstd, x.dtype), shape);
	const normal = () => mul(sub(seen(x, shape), beside(to(centre, x.dtype), shape)), factor);
	return {
		x: needs.x ? reshape(mul(incoming, weight ? mul(beside(weight, shape), factor) : factor), x.shape) : null,
		weight: needs.weight ? sum(mul(incoming, normal()), [0, 2]) : null,
		bias: needs.bias ? sum(incoming, [0, 2]) : null,
	};
}
