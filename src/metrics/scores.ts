/** Metrics of scores: log loss, the ROC curve, its area, and average precision. Definitions are scikit-learn's. */
import { noGrad } from '../autograd/modes';
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { clamp, div, log, neg, sub, to } from '../ops/elementwise';
import { gather } from '../ops/indexing';
import { clone, detach, reshape, stack } from '../ops/layout';
import { sum } from '../ops/reduce';
import { Tensor } from '../tensor';
import { keep } from '../tidy';
import { MeanMetric, type Metric, type MetricState, once, requirePair } from './metric';

/** Throws a ShapeError unless scores are [N, C] and classes [N]. */
export function requireScores(name: string, scores: Tensor, target: Tensor): void {
	requirePair(name, scores, target);
	if (scores.ndim !== 2 || target.ndim !== 1 || scores.shape[0] !== target.shape[0]) {
		throw new ShapeError(
			`${name}: needs scores [N, C] and classes [N], not ${formatShape(scores.shape)} and ${formatShape(target.shape)}`,
		);
	}
	if (isFloating(target.dtype))
		throw new ArgumentError(`${name}: target must hold classes as int32 or bool, not ${target.dtype}`);
}

const EPSILON: Readonly<Record<string, number>> = { float16: 2 ** -10, float32: 2 ** -23, float64: 2 ** -52 };

/**
 * The mean negative logarithm of the true class's probability. Takes probabilities [N, C], or [N] of class 1 of two. Clamps them to
 * between eps and 1 - eps, where eps is the dtype's machine epsilon, and normalizes their sum to 1. As `log_loss`.
 */
export class LogLoss extends MeanMetric {
	protected override sumOf(probabilities: Tensor, target: Tensor): Tensor {
		requirePair('LogLoss', probabilities, target);
		const eps = EPSILON[probabilities.dtype];
		if (eps === undefined) throw new ArgumentError(`LogLoss: probabilities must be floating, not ${probabilities.dtype}`);
		let p = clamp(probabilities, { min: eps, max: 1 - eps });
		if (p.ndim === 1) p = stack([sub(1, p), p], 1);
		requireScores('LogLoss', p, target);
		const own = gather(p, 1, reshape(to(target, 'int32'), [-1, 1]));
		return neg(sum(log(div(reshape(own, [-1]), sum(p, 1)))));
	}
}

export function logLoss(probabilities: Tensor, target: Tensor): Promise<number> {
	return once(new LogLoss(), probabilities, target);
}

interface Collected {
	readonly scores: Float64Array;
	readonly positive: Uint8Array;
}

/** The scores and targets in a state, alternating. Throws an ArgumentError if they are missing or a pair has different lengths. */
function requireBatches(name: string, state: MetricState): readonly Tensor[] {
	const batches: unknown = state?.batches;
	const fit = (tensor: unknown, i: number, all: readonly unknown[]) =>
		tensor instanceof Tensor && tensor.ndim === 1 && tensor.size === (all[i ^ 1] as Tensor | undefined)?.size;
	if (!Array.isArray(batches) || !batches.every(fit))
		throw new ArgumentError(
			`${name}: the state's batches must alternate between scores [N] and targets [N], as in the result of stateDict()`,
		);
	return batches;
}

/** Collects scores [N] of class 1 and targets 0 or 1 on the device; `compute` reads and sorts them on the host. */
abstract class FromScores<R> implements Metric<R> {
	readonly #batches: [scores: Tensor, target: Tensor][] = [];

	update(scores: Tensor, target: Tensor): void {
		const name = this.constructor.name;
		requirePair(name, scores, target);
		if (scores.ndim !== 1 || target.ndim !== 1 || scores.size !== target.size) {
			throw new ShapeError(
				`${name}: needs scores [N] of class 1 and targets [N], not ${formatShape(scores.shape)} and ${formatShape(target.shape)}. For scores [N, C], pass the column of one class and target.eq(class)`,
			);
		}
		noGrad(() => this.#batches.push([keep(clone(detach(scores))), keep(clone(detach(target)))]));
	}

	protected abstract value(collected: Collected): R;

	async compute(): Promise<R> {
		const read = await Promise.all(this.#batches.flat().map((tensor) => tensor.data()));
		const values = (side: 0 | 1) => read.flatMap((array, i) => (i % 2 === side ? Array.from(array) : []));
		const [scores, targets] = [Float64Array.from(values(0)), values(1)];
		if (scores.some(Number.isNaN)) throw new ArgumentError(`${this.constructor.name}: some scores are NaN`);
		if (targets.some((target) => target !== 0 && target !== 1))
			throw new ArgumentError(`${this.constructor.name}: targets must be 0 or 1`);
		return this.value({ scores, positive: Uint8Array.from(targets) });
	}

	reset(): void {
		for (const tensor of this.#batches.splice(0).flat()) tensor.dispose();
	}

	stateDict(): MetricState {
		return noGrad(() => ({ batches: this.#batches.flat().map((tensor) => clone(tensor)) }));
	}

	loadStateDict(state: MetricState): void {
		const tensors = requireBatches(this.constructor.name, state);
		this.reset();
		for (let i = 0; i < tensors.length; i += 2) this.#batches.push([keep(tensors[i]!), keep(tensors[i + 1]!)]);
	}
}

interface Step {
	readonly threshold: number;
	/** The number of samples with a score of at least the threshold, by class. */
	readonly negatives: number;
	readonly positives: number;
}

/** Counts at each distinct score, highest first. */
function steps({ scores, positive }: Collected): Step[] {
	const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!);
	const result: Step[] = [];
	let [negatives, positives] = [0, 0];
	order.forEach((i, rank) => {
		if (positive[i] === 1) positives++;
		else negatives++;
		const next = order[rank + 1];
		if (next === undefined || scores[next] !== scores[i]) result.push({ threshold: scores[i]!, negatives, positives });
	});
	return result;
}

export interface RocCurveValues {
	/** False positive rate, rising from 0. NaN without negative targets. */
	readonly fpr: number[];
	/** True positive rate, rising from 0. NaN without positive targets. */
	readonly tpr: number[];
	/** Thresholds in falling order; the first is Infinity. A score of at least the threshold counts as positive. */
	readonly thresholds: number[];
}

/** The ROC curve. Leaves out points on the straight line between their neighbours. As `roc_curve`. */
export class RocCurve extends FromScores<RocCurveValues> {
	protected override value(collected: Collected): RocCurveValues {
		const all = steps(collected);
		const corners = all.filter(({ negatives, positives }, i) => {
			const [before, after] = [all[i - 1], all[i + 1]];
			if (before === undefined || after === undefined) return true;
			return (
				after.negatives - negatives !== negatives - before.negatives ||
				after.positives - positives !== positives - before.positives
			);
		});
		const points = [{ threshold: Number.POSITIVE_INFINITY, negatives: 0, positives: 0 }, ...corners];
		const last = points.at(-1)!;
		return {
			fpr: points.map(({ negatives }) => negatives / (last.negatives || Number.NaN)),
			tpr: points.map(({ positives }) => positives / (last.positives || Number.NaN)),
			thresholds: points.map(({ threshold }) => threshold),
		};
	}
}

export function rocCurve(scores: Tensor, target: Tensor): Promise<RocCurveValues> {
	return once(new RocCurve(), scores, target);
}

/**
 * The area under the ROC curve: the probability that a positive scores higher than a negative. NaN if only one class occurs. As
 * `roc_auc_score`.
 */
export class RocAuc extends FromScores<number> {
	protected override value(collected: Collected): number {
		let [area, negatives, positives] = [0, 0, 0];
		for (const step of steps(collected)) {
			area += ((step.negatives - negatives) * (step.positives + positives)) / 2;
			({ negatives, positives } = step);
		}
		return area / (negatives * positives || Number.NaN);
	}
}

export function rocAuc(scores: Tensor, target: Tensor): Promise<number> {
	return once(new RocAuc(), scores, target);
}

/** The mean precision over all thresholds, weighted by the increase in recall. 0 without positive targets. As `average_precision_score`. */
export class AveragePrecision extends FromScores<number> {
	protected override value(collected: Collected): number {
		if (collected.scores.length === 0) return Number.NaN;
		let [sum, before] = [0, 0];
		for (const { negatives, positives } of steps(collected)) {
			sum += ((positives - before) * positives) / (positives + negatives);
			before = positives;
		}
		return before === 0 ? 0 : sum / before;
	}
}

export function averagePrecision(scores: Tensor, target: Tensor): Promise<number> {
	return once(new AveragePrecision(), scores, target);
}
