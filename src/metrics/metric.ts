/** The interface of metrics, and sums that stay on the device. */
import { noGrad } from '../autograd/modes';
import { describe, requireCounts, wrongArgument } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { sameShape } from '../core/shape';
import { to } from '../ops/elementwise';
import { add_ } from '../ops/inplace';
import { clone, detach, reshape } from '../ops/layout';
import { argmax } from '../ops/reduce';
import { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { keep, tidy } from '../tidy';

/** The sums of a metric so far. */
export type MetricState = Readonly<Record<string, number | null | Tensor | readonly Tensor[]>>;

/** A metric over batches. `update` reads nothing back, `compute` waits for the device, `reset` starts over and frees the memory. */
export interface Metric<R> {
	update(prediction: Tensor, target: Tensor): void;
	/** The value over all batches since the last reset. NaN without samples. */
	compute(): Promise<R>;
	reset(): void;
	/**
	 * The state, for checkpoints in the middle of an epoch. The caller owns the tensors, which are clones. All metrics of the library
	 * implement it.
	 */
	stateDict?(): MetricState;
	/** Restores a state of `stateDict`. The metric takes over the tensors. */
	loadStateDict?(state: MetricState): void;
}

/** Computes a metric of one batch. */
export async function once<R>(metric: Metric<R>, prediction: Tensor, target: Tensor): Promise<R> {
	metric.update(prediction, target);
	try {
		return await metric.compute();
	} finally {
		metric.reset();
	}
}

/** A running sum on the device. The first addition determines its shape, dtype and device. */
export class DeviceSum {
	#total: Tensor | null = null;

	add(value: Tensor): void {
		noGrad(() => {
			if (this.#total === null) this.#total = keep(clone(detach(value)));
			else add_(this.#total, detach(value));
		});
	}

	/** The sum's elements, or an empty list before the first addition. */
	async read(): Promise<number[]> {
		return this.#total === null ? [] : Array.from(await this.#total.data());
	}

	reset(): void {
		this.#total?.dispose();
		this.#total = null;
	}

	/** A clone of the sum, for `MetricState`. */
	state(): Tensor | null {
		return this.#total === null ? null : noGrad(() => clone(this.#total!));
	}

	/** Continues from `total` and takes it over. */
	restore(total: Tensor | null): void {
		this.reset();
		if (total !== null) this.#total = keep(total);
	}
}

/** The number of samples in a state. Throws an ArgumentError if it is missing or invalid, because states may come from files. */
export function countIn(name: string, state: MetricState): number {
	if (typeof state !== 'object' || state === null)
		throw new ArgumentError(`${name}: loadStateDict() takes the result of stateDict(), not ${describe(state)}`);
	const { count } = state;
	requireCounts(name, { "the state's count": count });
	return count as number;
}

/** A sum in a state; null before the first addition. Throws an ArgumentError unless it has `rank` dims. */
export function sumIn(name: string, state: MetricState, key: string, rank: number): Tensor | null {
	const total = state[key] ?? null;
	if (total === null || (total instanceof Tensor && total.ndim === rank)) return total;
	throw wrongArgument(name, `the state's ${key}`, `a tensor of ${rank} dims or null`, total);
}

/** Throws an ArgumentError unless both are tensors. */
export function requirePair(name: string, prediction: Tensor, target: Tensor): void {
	requireTensor(name, prediction, 'the prediction');
	requireTensor(name, target, 'the target');
}

/** Runs the arithmetic of an update without recording and disposes of temporaries. */
export function updating(fn: () => void): void {
	noGrad(() => tidy(fn));
}

/** Returns classes as int32 vectors. Scores [N, C] become the class with the highest score. */
export function classesOf(name: string, prediction: Tensor, target: Tensor): readonly [prediction: Tensor, target: Tensor] {
	requirePair(name, prediction, target);
	const scores = isFloating(prediction.dtype) && prediction.ndim === 2 && target.ndim === 1;
	const classes = scores ? argmax(prediction, 1) : prediction;
	for (const [what, { dtype }] of Object.entries({ prediction: classes, target })) {
		if (isFloating(dtype)) {
			throw new ArgumentError(
				`${name}: ${what} must hold classes as int32 or bool, not ${dtype}; for two classes compare scores with a threshold: scores.gt(0.5)`,
			);
		}
	}
	if (!sameShape(classes.shape, target.shape)) {
		throw new ShapeError(
			`${name}: prediction ${formatShape(prediction.shape)} and target ${formatShape(target.shape)} must be classes of one shape, or scores [N, C] and classes [N]`,
		);
	}
	return [reshape(to(classes, 'int32'), [-1]), reshape(to(target, 'int32'), [-1])];
}

/** The base of metrics that average over samples: a sum on the device, divided by the number of samples. */
export abstract class MeanMetric implements Metric<number> {
	/** The key of the sum in a state. */
	protected readonly key: string = 'total';
	readonly #total = new DeviceSum();
	#count = 0;

	/** Returns the sum over a batch as a scalar tensor. Runs without recording; its temporaries are disposed of. */
	protected abstract sumOf(prediction: Tensor, target: Tensor): Tensor;

	update(prediction: Tensor, target: Tensor): void {
		updating(() => this.#total.add(this.sumOf(prediction, target)));
		this.#count += target.size;
	}

	async compute(): Promise<number> {
		const [total = Number.NaN] = await this.#total.read();
		return total / this.#count;
	}

	reset(): void {
		this.#total.reset();
		this.#count = 0;
	}

	stateDict(): MetricState {
		return { count: this.#count, [this.key]: this.#total.state() };
	}

	loadStateDict(state: MetricState): void {
		const count = countIn(this.constructor.name, state);
		this.#total.restore(sumIn(this.constructor.name, state, this.key, 0));
		this.#count = count;
	}
}
