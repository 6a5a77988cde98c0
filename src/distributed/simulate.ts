/** Predicts how well a training scales to more ranks, from what was measured on few. */
import { requireCounts, requireFraction, requireNonNegative, requireOneOf, requirePositive } from '../core/checks';
import { checkOptions } from '../core/options';

export interface ScalingOptions {
	/** Milliseconds of a step on one rank, with its part of the batch. */
	readonly stepMs: number;
	/** Bytes of the gradients: 4 for each float32 parameter. */
	readonly bytes: number;
	/** Gigabytes a second between two ranks, in one direction. */
	readonly bandwidth: number;
	/** Milliseconds of a message without contents. Default 0.02. */
	readonly latencyMs?: number;
	/** Milliseconds in which a rank itself reads, adds up and uploads the gradients. Default 0. */
	readonly hostMs?: number;
	/** The number of buckets. Default 1. */
	readonly buckets?: number;
	/** The share of the step during which gradients may travel: the backward walk after the first bucket. Default 0. */
	readonly hidden?: number;
	/**
	 * 'allReduce' is DistributedDataParallel; 'zero1' and 'zero2' the stages of ZeroRedundancyOptimizer; 'local' is local SGD and DiLoCo.
	 * Default 'allReduce'.
	 */
	readonly method?: 'allReduce' | 'zero1' | 'zero2' | 'local';
	/** Steps between two averages of 'local'. Default 1. */
	readonly innerSteps?: number;
}

export interface Scaling {
	readonly ranks: number;
	/** Milliseconds of communication in a step, hidden or not. */
	readonly communicationMs: number;
	readonly stepMs: number;
	/** The time of one rank's step alone, by the time of this one. */
	readonly efficiency: number;
}

/**
 * The step time on `ranks` ranks that each have as much work as one alone (weak scaling).
 *
 * A reduction to one part for each rank, and its counterpart, a gathering of these parts, each move (n - 1) / n of the bytes through each rank and
 * take ceil(log2 n) messages a bucket (Thakur et al. 2005, "Optimization of collective communication operations in MPICH"). An all-reduce is both.
 * A broadcast of the parameters from their owners is a gathering. What the backward walk does not hide adds to the step.
 */
export function predictScaling(ranks: number, options: ScalingOptions): Scaling {
	const names = ['stepMs', 'bytes', 'bandwidth', 'latencyMs', 'hostMs', 'buckets', 'hidden', 'method', 'innerSteps'] as const;
	checkOptions('predictScaling', options, names);
	const { stepMs, bytes, bandwidth, latencyMs = 0.02, hostMs = 0, buckets = 1, hidden = 0, innerSteps = 1 } = options;
	const { method = 'allReduce' } = options;
	requireCounts('predictScaling', { ranks, buckets, innerSteps }, 1);
	requirePositive('predictScaling', 'stepMs', stepMs);
	requireNonNegative('predictScaling', 'bytes', bytes);
	requirePositive('predictScaling', 'bandwidth', bandwidth);
	requireNonNegative('predictScaling', 'latencyMs', latencyMs);
	requireNonNegative('predictScaling', 'hostMs', hostMs);
	requireFraction('predictScaling', 'hidden', hidden);
	requireOneOf('predictScaling', 'method', method, ['allReduce', 'zero1', 'zero2', 'local']);
	if (ranks === 1) return { ranks, communicationMs: 0, stepMs, efficiency: 1 };
	const half = ((ranks - 1) / ranks) * (bytes / (bandwidth * 1e6)) + buckets * Math.ceil(Math.log2(ranks)) * latencyMs;
	// Each half passes through the host's memory once.
	const reduce = half + hostMs / 2;
	const gather = half + hostMs / 2;
	// What the next step must wait for, and what the backward walk may hide.
	const [hideable, exposed] = {
		allReduce: [reduce + gather, 0],
		zero1: [reduce + gather, gather],
		zero2: [reduce, gather],
		local: [0, (reduce + gather) / innerSteps],
	}[method] as [number, number];
	const left = Math.max(hideable / buckets, hideable - hidden * stepMs);
	const total = stepMs + (hideable === 0 ? 0 : left) + exposed;
	return { ranks, communicationMs: hideable + exposed, stepMs: total, efficiency: stepMs / total };
}
