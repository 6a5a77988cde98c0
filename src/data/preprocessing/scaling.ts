/** Scales features by scikit-learn's definitions. Computes statistics on the host in float64. Skips NaN, which stays NaN. */
import { wrongArgument } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { add, clamp, div, mul, sub, to } from '../../ops/elementwise';
import type { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import {
	columnOf,
	fromJson,
	type JsonNumber,
	readTable,
	requireFitted,
	requireTable,
	resultDType,
	rowFor,
	type Table,
	toJson,
} from './columns';

const EPSILON = Number.EPSILON;

/** The base of scalers: fits statistics and maps in both directions. */
abstract class Scaler<S extends { readonly count: Float64Array }, State> {
	protected learnt: S | null = null;

	/** Computes the statistics of table [N, F] and forgets earlier ones. */
	async fit(x: Tensor): Promise<this> {
		const learnt = this.learn(await readTable(`${this.constructor.name}.fit`, x), null);
		this.learnt = learnt;
		return this;
	}

	/** Adds table [N, F] to the statistics, for data that arrives in parts. */
	async partialFit(x: Tensor): Promise<this> {
		const table = await readTable(`${this.constructor.name}.partialFit`, x, this.learnt?.count.length);
		this.learnt = this.learn(table, this.learnt);
		return this;
	}

	/** Returns the scaled table [N, F] on x's device, in its dtype (float32 for integers). */
	transform(x: Tensor): Tensor {
		const name = `${this.constructor.name}.transform`;
		const learnt = requireFitted(name, this.learnt);
		requireTable(name, x, learnt.count.length);
		return tidy(() => this.forward(to(x, resultDType(x)), learnt));
	}

	async fitTransform(x: Tensor): Promise<Tensor> {
		await this.fit(x);
		return this.transform(x);
	}

	/** Inverts `transform`. */
	inverseTransform(x: Tensor): Tensor {
		const name = `${this.constructor.name}.inverseTransform`;
		const learnt = requireFitted(name, this.learnt);
		requireTable(name, x, learnt.count.length);
		return tidy(() => this.backward(to(x, resultDType(x)), learnt));
	}

	/** The statistics as plain data that survives JSON. */
	abstract stateDict(): State;
	abstract loadStateDict(state: State): void;

	protected abstract learn(table: Table, before: S | null): S;
	protected abstract forward(x: Tensor, learnt: S): Tensor;
	protected abstract backward(x: Tensor, learnt: S): Tensor;
}

export interface StandardScalerOptions {
	/** Subtract the mean. Default true. */
	readonly withMean?: boolean;
	/** Divide by the standard deviation. Default true. */
	readonly withStd?: boolean;
}

interface Moments {
	readonly count: Float64Array;
	readonly mean: Float64Array;
	readonly variance: Float64Array;
}

export interface StandardScalerState {
	readonly count: readonly JsonNumber[];
	readonly mean: readonly JsonNumber[];
	readonly variance: readonly JsonNumber[];
}

/**
 * (x - mean) / std by column, with the population standard deviation (divided by N). A column that is constant up to rounding is divided by
 * 1. As `sklearn.preprocessing.StandardScaler`.
 */
export class StandardScaler extends Scaler<Moments, StandardScalerState> {
	readonly withMean: boolean;
	readonly withStd: boolean;

	constructor(options: StandardScalerOptions = {}) {
		super();
		const { withMean = true, withStd = true } = checkOptions('StandardScaler', options, ['withMean', 'withStd']);
		this.withMean = withMean;
		this.withStd = withStd;
	}

	/** The mean of each column; null before `fit`. */
	get mean(): Float64Array | null {
		return this.learnt?.mean ?? null;
	}

	/** The variance of each column; null before `fit`. */
	get variance(): Float64Array | null {
		return this.learnt?.variance ?? null;
	}

	/** The divisor of each column; null before `fit`. */
	get scale(): Float64Array | null {
		return this.learnt && divisors(this.learnt);
	}

	override stateDict(): StandardScalerState {
		const { count, mean, variance } = requireFitted('StandardScaler.stateDict', this.learnt);
		return { count: toJson(count), mean: toJson(mean), variance: toJson(variance) };
	}

	override loadStateDict(state: StandardScalerState): void {
		const read = (key: keyof StandardScalerState) => fromJson('StandardScaler.loadStateDict', key, state?.[key]);
		this.learnt = { count: read('count'), mean: read('mean'), variance: read('variance') };
	}

	/** Computes the mean first, then deviations from it, and merges them with earlier moments by Chan, Golub and LeVeque 1979. */
	protected override learn(table: Table, before: Moments | null): Moments {
		const { columns } = table;
		const learnt = { count: new Float64Array(columns), mean: new Float64Array(columns), variance: new Float64Array(columns) };
		for (let f = 0; f < columns; f++) {
			const values = columnOf(table, f);
			let [count, mean, variance] = momentsOf(values);
			const n = before?.count[f] ?? 0;
			if (before !== null && n > 0 && count > 0) {
				const total = n + count;
				const shift = mean - before.mean[f]!;
				variance = (before.variance[f]! * n + variance * count + (shift * shift * n * count) / total) / total;
				mean = before.mean[f]! + (shift * count) / total;
				count = total;
			} else if (before !== null && n > 0) {
				[count, mean, variance] = [n, before.mean[f]!, before.variance[f]!];
			}
			learnt.count[f] = count;
			learnt.mean[f] = mean;
			learnt.variance[f] = variance;
		}
		return learnt;
	}

	protected override forward(x: Tensor, learnt: Moments): Tensor {
		let y = x;
		if (this.withMean) {
			// Subtracts the mean in two parts: rounding a mean far from 0 to float32 may lose more than the remaining differences.
			const high = x.dtype === 'float64' ? learnt.mean : Float32Array.from(learnt.mean);
			y = sub(y, rowFor(x, high));
			if (x.dtype !== 'float64')
				y = sub(
					y,
					rowFor(
						x,
						learnt.mean.map((mean, f) => mean - high[f]!),
					),
				);
		}
		return this.withStd ? div(y, rowFor(x, divisors(learnt))) : y;
	}

	protected override backward(x: Tensor, learnt: Moments): Tensor {
		const y = this.withStd ? mul(x, rowFor(x, divisors(learnt))) : x;
		return this.withMean ? add(y, rowFor(x, learnt.mean)) : y;
	}
}

/** Count, mean and variance; NaN without values. */
export function momentsOf(values: Float64Array): [count: number, mean: number, variance: number] {
	const count = values.length;
	let sum = 0;
	for (const value of values) sum += value;
	const mean = sum / count;
	let squares = 0;
	let rest = 0;
	for (const value of values) {
		squares += (value - mean) ** 2;
		rest += value - mean;
	}
	return [count, mean, (squares - (rest * rest) / count) / count];
}

/** Whether a column is constant up to the rounding of its moments, as in scikit-learn's `_is_constant_feature`. */
export function isConstant(count: number, mean: number, variance: number): boolean {
	return variance <= count * EPSILON * variance + (count * mean * EPSILON) ** 2;
}

/** The standard deviations; 1 for constant columns. */
function divisors({ count, mean, variance }: Moments): Float64Array {
	return variance.map((value, f) => (isConstant(count[f]!, mean[f]!, value) ? 1 : Math.sqrt(value)));
}

export interface MinMaxScalerOptions {
	/** The range that each column's smallest and largest value map to. Default [0, 1]. */
	readonly featureRange?: readonly [low: number, high: number];
	/** Clip values outside the range of the fitted data. Default false. */
	readonly clip?: boolean;
}

interface Extremes {
	readonly count: Float64Array;
	readonly min: Float64Array;
	readonly max: Float64Array;
}

export interface MinMaxScalerState {
	readonly count: readonly JsonNumber[];
	readonly min: readonly JsonNumber[];
	readonly max: readonly JsonNumber[];
}

/**
 * (x - min) / (max - min) by column, scaled to `featureRange`. A constant column maps to the range's low end. As
 * `sklearn.preprocessing.MinMaxScaler`.
 */
export class MinMaxScaler extends Scaler<Extremes, MinMaxScalerState> {
	readonly featureRange: readonly [low: number, high: number];
	readonly clip: boolean;

	constructor(options: MinMaxScalerOptions = {}) {
		super();
		const { featureRange = [0, 1], clip = false } = checkOptions('MinMaxScaler', options, ['featureRange', 'clip']);
		if (!Array.isArray(featureRange) || !(featureRange[0] < featureRange[1]))
			throw wrongArgument('MinMaxScaler', 'featureRange', '[low, high] with low below high', featureRange);
		this.featureRange = featureRange;
		this.clip = clip;
	}

	/** The smallest value of each column; null before `fit`. */
	get dataMin(): Float64Array | null {
		return this.learnt?.min ?? null;
	}

	/** The largest value of each column; null before `fit`. */
	get dataMax(): Float64Array | null {
		return this.learnt?.max ?? null;
	}

	/** The factor of each column; null before `fit`. */
	get scale(): Float64Array | null {
		return this.learnt && this.factors(this.learnt);
	}

	override stateDict(): MinMaxScalerState {
		const { count, min, max } = requireFitted('MinMaxScaler.stateDict', this.learnt);
		return { count: toJson(count), min: toJson(min), max: toJson(max) };
	}

	override loadStateDict(state: MinMaxScalerState): void {
		const read = (key: keyof MinMaxScalerState) => fromJson('MinMaxScaler.loadStateDict', key, state?.[key]);
		this.learnt = { count: read('count'), min: read('min'), max: read('max') };
	}

	protected override learn(table: Table, before: Extremes | null): Extremes {
		const { columns } = table;
		const learnt = { count: new Float64Array(columns), min: new Float64Array(columns), max: new Float64Array(columns) };
		for (let f = 0; f < columns; f++) {
			const values = columnOf(table, f);
			const n = before?.count[f] ?? 0;
			let min = n > 0 ? before!.min[f]! : Number.POSITIVE_INFINITY;
			let max = n > 0 ? before!.max[f]! : Number.NEGATIVE_INFINITY;
			for (const value of values) {
				if (value < min) min = value;
				if (value > max) max = value;
			}
			learnt.count[f] = n + values.length;
			learnt.min[f] = learnt.count[f] === 0 ? Number.NaN : min;
			learnt.max[f] = learnt.count[f] === 0 ? Number.NaN : max;
		}
		return learnt;
	}

	private factors({ min, max }: Extremes): Float64Array {
		const [low, high] = this.featureRange;
		return min.map((smallest, f) => {
			const span = max[f]! - smallest;
			return (high - low) / (span < 10 * EPSILON ? 1 : span);
		});
	}

	protected override forward(x: Tensor, learnt: Extremes): Tensor {
		const [low, high] = this.featureRange;
		const y = add(mul(sub(x, rowFor(x, learnt.min)), rowFor(x, this.factors(learnt))), low);
		return this.clip ? clamp(y, { min: low, max: high }) : y;
	}

	protected override backward(x: Tensor, learnt: Extremes): Tensor {
		return add(div(sub(x, this.featureRange[0]), rowFor(x, this.factors(learnt))), rowFor(x, learnt.min));
	}
}
