/** Batch normalisation: each channel over all samples and positions, with running statistics for inference. */
import { isGradEnabled } from '../../autograd/modes';
import { recordMany } from '../../autograd/tape';
import type { NormShape } from '../../backends/contract/norm';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { emptyOn, type Tensor } from '../../tensor';
import { widened } from '../composed';
import { add, mul, rsqrt, square, sub, to } from '../elementwise';
import { putBack, takeOut } from '../inplace';
import { contiguous, reshape } from '../layout';
import { converted } from '../operands';
import { mean, sum } from '../reduce';
import {
	type AffineOptions,
	deviations,
	type Found,
	gradientsInOrder,
	parameterSums,
	requireAffine,
	requireEps,
	samples,
	statisticsType,
	type Wants,
	wantsOf,
} from './groups';

export interface BatchNormOptions extends AffineOptions {
	/** Running mean of each channel: updated in place in training, used in inference. */
	readonly runningMean?: Tensor | null;
	/** Running unbiased variance of each channel. */
	readonly runningVar?: Tensor | null;
	/** Use, and keep track of, the statistics of this batch. Default false. */
	readonly training?: boolean;
	/** The share of this batch in the running statistics. Default 0.1. */
	readonly momentum?: number;
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias for each channel of x, [N, C, ...]; weight and bias are [C]. In training, mean and (biased)
 * variance are those of the batch and go into the running statistics, on the device; in inference the running ones are used. Ioffe
 * and Szegedy 2015, as `torch.nn.functional.batch_norm`.
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
	checkOptions('batchNorm', options, ['runningMean', 'runningVar', 'training', 'momentum', 'weight', 'bias', 'eps']);
	const { runningMean, runningVar, weight, bias, training = false, momentum = 0.1, eps = 1e-5 } = options;
	const [batch, channels, spatial] = samples('batchNorm', x, 2);
	const shape = { batch, channels, spatial };
	requireEps('batchNorm', eps);
	requireAffine('batchNorm', x, [channels], { weight, bias });
	requireRunning('batchNorm', x, channels, runningMean, runningVar, training);
	if (training && batch * spatial <= 1) {
		throw new ArgumentError(
			`batchNorm: in training it needs more than one value for each channel; input ${formatShape(x.shape)} has ${batch * spatial}`,
		);
	}
	const [y, ...statistics] = recordMany({
		name: 'batchNorm',
		inputs: [x, ...[weight, bias].filter((tensor) => tensor != null)],
		forward: () => {
			const { kernels } = x.backend;
			const packed = contiguous(x);
			const statistics = (...parts: number[]) => emptyOn(x, [...parts, channels], statisticsType(x.dtype));
			const output = emptyOn(x, x.shape);
			const rstd = statistics();
			const centre = training ? statistics(2) : statistics();
			const variance = training ? statistics() : converted(contiguous(runningVar!), rstd.dtype);
			if (training) {
				kernels.channelStatistics({ x: packed }, { mean: centre, variance }, shape);
				const found = { mean: centre, variance };
				const attributes = { eps, momentum, count: batch * spatial };
				if (runningMean && runningVar) {
					const means = takeOut('batchNorm', runningMean);
					const variances = takeOut('batchNorm', runningVar, means);
					kernels.channelScale(found, { rstd, runningMean: means, runningVar: variances }, attributes);
					putBack('batchNorm', means, runningMean);
					putBack('batchNorm', variances, runningVar);
				} else kernels.channelScale(found, { rstd }, attributes);
			} else {
				kernels.cast({ x: runningMean! }, { y: centre }, {});
				kernels.channelScale({ mean: centre, variance }, { rstd }, { eps, momentum: 0, count: 2 });
			}
			kernels.channelNorm(
				{ x: packed, mean: centre, rstd, ...(weight && { weight: contiguous(weight) }), ...(bias && { bias: contiguous(bias) }) },
				{ y: output },
				shape,
			);
			return [output, centre, rstd];
		},
		noGradient: [1, 2],
		save: ([, centre, rstd]) => [x, centre!, rstd!, ...(weight ? [weight] : [])],
		vjp: batchBack(shape, eps, training, weight != null),
	});
	for (const tensor of statistics) tensor.dispose();
	return y!;
}

/** Both running statistics or, in training, none; each [channels]. */
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

function batchBack(shape: NormShape, eps: number, training: boolean, weighted: boolean) {
	return ([gradient]: readonly (Tensor | null)[], saved: readonly Tensor[], needs: readonly boolean[]): (Tensor | null)[] => {
		const [x, centre, rstd] = [saved[0]!, saved[1]!, saved[2]!];
		const weight = weighted ? saved[3]! : null;
		const wants = wantsOf(needs, weighted);
		let found: Found;
		const wide = () => widened(gradient!, x, weight);
		if (!training) found = inferenceGradients(...wide(), centre, rstd, shape, wants);
		else if (isGradEnabled()) found = composedGradients(...wide(), centre, shape, eps, wants);
		else found = fusedGradients(gradient!, x, centre, rstd, weight, shape, wants);
		return gradientsInOrder(found, needs, weighted, [shape.channels]);
	};
}

function fusedGradients(
	gradient: Tensor,
	x: Tensor,
	centre: Tensor,
	rstd: Tensor,
	weight: Tensor | null,
	shape: NormShape,
	wants: Wants,
): Found {
	const inputs = { x: contiguous(x), gradient: contiguous(gradient), mean: centre, rstd };
	// dx needs both sums, whoever else wants them.
	const all = { weight: wants.weight || wants.x, bias: wants.bias || wants.x };
	const sums = parameterSums(inputs, { ...shape, groups: 0 }, all, rstd.dtype);
	const dx = wants.x ? emptyOn(x, x.shape) : null;
	if (dx) {
		x.backend.kernels.channelNormGrad(
			{ ...inputs, dweight: sums.weight!, dbias: sums.bias!, ...(weight && { weight: contiguous(weight) }) },
			{ dx },
			shape,
		);
	}
	return {
		x: dx,
		weight: wants.weight ? converted(sums.weight!, x.dtype) : null,
		bias: wants.bias ? converted(sums.bias!, x.dtype) : null,
	};
}

/** A tensor of one element for each channel beside [batch, channels, spatial]. */
function beside(tensor: Tensor, { channels }: NormShape): Tensor {
	return reshape(tensor, [1, channels, 1]);
}

function seen(tensor: Tensor, { batch, channels, spatial }: NormShape): Tensor {
	return reshape(tensor, [batch, channels, spatial]);
}

function composedGradients(
	gradient: Tensor,
	x: Tensor,
	weight: Tensor | null,
	centre: Tensor,
	shape: NormShape,
	eps: number,
	wants: Wants,
): Found {
	const over = (t: Tensor) => mean(t, [0, 2], { keepdim: true });
	const values = seen(x, shape);
	const incoming = seen(gradient, shape);
	const deviation = deviations(values, centre, [1, shape.channels, 1], [0, 2]);
	const rstd = rsqrt(add(over(square(deviation)), eps));
	const normal = mul(deviation, rstd);
	const scale = weight ? mul(beside(weight, shape), rstd) : rstd;
	const level = sub(incoming, over(incoming));
	return {
		x: wants.x ? reshape(mul(scale, sub(level, mul(normal, over(mul(incoming, normal))))), x.shape) : null,
		weight: wants.weight ? sum(mul(incoming, normal), [0, 2]) : null,
		bias: wants.bias ? sum(incoming, [0, 2]) : null,
	};
}

/** Running statistics are constants. */
function inferenceGradients(
	gradient: Tensor,
	x: Tensor,
	weight: Tensor | null,
	centre: Tensor,
	rstd: Tensor,
	shape: NormShape,
	wants: Wants,
): Found {
	const incoming = seen(gradient, shape);
	const factor = beside(to(rstd, x.dtype), shape);
	const normal = () => mul(sub(seen(x, shape), beside(to(centre, x.dtype), shape)), factor);
	return {
		x: wants.x ? reshape(mul(incoming, weight ? mul(beside(weight, shape), factor) : factor), x.shape) : null,
		weight: wants.weight ? sum(mul(incoming, normal()), [0, 2]) : null,
		bias: wants.bias ? sum(incoming, [0, 2]) : null,
	};
}
