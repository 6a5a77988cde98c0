/** Fills in missing values by scikit-learn's definitions. */
import { requireOneOf, wrongArgument } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { tensor } from '../../ops/creation';
import { eq, isnan, to, where } from '../../ops/elementwise';
import { indexSelect } from '../../ops/indexing';
import type { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import {
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

export type ImputeStrategy = 'mean' | 'median' | 'mostFrequent' | 'constant';

export interface SimpleImputerOptions {
	/**
	 * The statistic of the present values that replaces missing ones. 'mostFrequent' takes the smallest of equally frequent values. Default
	 * 'mean'.
	 */
	readonly strategy?: ImputeStrategy;
	/** The value for 'constant'. Default 0. */
	readonly fillValue?: number;
	/** The value that marks missing values. Default NaN. */
	readonly missingValues?: number;
	/** Keep a column without any value, filled with `fillValue`; otherwise `transform` drops it. Default false. */
	readonly keepEmptyFeatures?: boolean;
}

export interface SimpleImputerState {
	readonly statistics: readonly JsonNumber[];
}

/** Fills in missing values by column. As `sklearn.impute.SimpleImputer`. */
export class SimpleImputer {
	readonly strategy: ImputeStrategy;
	readonly fillValue: number;
	readonly missingValues: number;
	readonly keepEmptyFeatures: boolean;
	/** The fill value of each column; NaN for a column without values. Null before `fit`. */
	statistics: Float64Array | null = null;

	constructor(options: SimpleImputerOptions = {}) {
		checkOptions('SimpleImputer', options, ['strategy', 'fillValue', 'missingValues', 'keepEmptyFeatures']);
		const { strategy = 'mean', fillValue = 0, missingValues = Number.NaN, keepEmptyFeatures = false } = options;
		requireOneOf('SimpleImputer', 'strategy', strategy, ['mean', 'median', 'mostFrequent', 'constant']);
		for (const [name, value] of Object.entries({ fillValue, missingValues })) {
			if (typeof value !== 'number') throw wrongArgument('SimpleImputer', name, 'a number', value);
		}
		this.strategy = strategy;
		this.fillValue = fillValue;
		this.missingValues = missingValues;
		this.keepEmptyFeatures = keepEmptyFeatures;
	}

	/** Computes the fill values from table [N, F]. */
	async fit(x: Tensor): Promise<this> {
		const table = await readTable('SimpleImputer.fit', x);
		const statistics = new Float64Array(table.columns);
		for (let f = 0; f < table.columns; f++) statistics[f] = this.statisticOf(this.presentIn(table, f, x));
		this.statistics = statistics;
		return this;
	}

	/** Returns [N, F] without missing values, on x's device, in its dtype (float32 for integers). */
	transform(x: Tensor): Tensor {
		const statistics = requireFitted('SimpleImputer.transform', this.statistics);
		requireTable('SimpleImputer.transform', x, statistics.length);
		return tidy(() => {
			const values = to(x, resultDType(x));
			const missing = Number.isNaN(this.missingValues) ? isnan(values) : eq(values, this.missingValues);
			const filled = where(missing, rowFor(x, statistics), values);
			const kept = Int32Array.from(statistics.keys()).filter((f) => !Number.isNaN(statistics[f]!));
			return kept.length === statistics.length ? filled : indexSelect(filled, 1, tensor(kept, { device: x.device }));
		});
	}

	async fitTransform(x: Tensor): Promise<Tensor> {
		await this.fit(x);
		return this.transform(x);
	}

	/** The fill values as plain data that survives JSON. */
	stateDict(): SimpleImputerState {
		return { statistics: toJson(requireFitted('SimpleImputer.stateDict', this.statistics)) };
	}

	loadStateDict(state: SimpleImputerState): void {
		this.statistics = fromJson('SimpleImputer.loadStateDict', 'statistics', state?.statistics);
	}

	/** The present values of a column. */
	private presentIn({ values, rows, columns }: Table, column: number, x: Tensor): Float64Array {
		const missing = x.dtype === 'float64' ? this.missingValues : Math.fround(this.missingValues);
		const present: number[] = [];
		for (let i = 0; i < rows; i++) {
			const value = values[i * columns + column]!;
			if (Number.isNaN(missing) ? !Number.isNaN(value) : value !== missing) present.push(value);
		}
		return Float64Array.from(present);
	}

	private statisticOf(present: Float64Array): number {
		if (this.strategy === 'constant') return this.fillValue;
		if (present.length === 0) return this.keepEmptyFeatures ? this.fillValue : Number.NaN;
		if (this.strategy === 'mean') return present.reduce((sum, value) => sum + value, 0) / present.length;
		const sorted = present.sort();
		return this.strategy === 'median' ? quantile(sorted, 0.5) : mostFrequent(sorted);
	}
}

/** The quantile of ascending values, with linear interpolation (NumPy's default). */
export function quantile(sorted: Float64Array, q: number): number {
	const position = (sorted.length - 1) * q;
	const low = sorted[Math.floor(position)]!;
	const high = sorted[Math.ceil(position)]!;
	return low + (high - low) * (position - Math.floor(position));
}

/** The most frequent of ascending values; the smallest if there are several. */
function mostFrequent(sorted: Float64Array): number {
	let best = Number.NaN;
	let most = 0;
	let run = 0;
	sorted.forEach((value, i) => {
		run = value === sorted[i - 1] ? run + 1 : 1;
		if (run > most) [best, most] = [value, run];
	});
	return best;
}
