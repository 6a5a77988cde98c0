/** Finds, removes or clips outliers, column by column. */
import { requireNonNegative } from '../../core/checks';
import { ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { tensor } from '../../ops/creation';
import { gt, logicalOr, lt, maximum, minimum, to } from '../../ops/elementwise';
import { indexSelect } from '../../ops/indexing';
import { any } from '../../ops/reduce';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import { columnOf, readTable, requireTable, resultDType, rowFor } from './columns';
import { quantile } from './imputing';
import { isConstant, momentsOf } from './scaling';

/**
 * The bounds of each column; values outside are outliers. They apply to the data they were computed from and to other data with the same
 * columns.
 */
export class OutlierBounds {
	constructor(
		/** The lower bound of each column. */
		readonly lower: Float64Array,
		/** The upper bound of each column. */
		readonly upper: Float64Array,
	) {}

	/** Marks the outliers of x [N, F]: bool [N, F]. NaN is not an outlier. */
	mask(x: Tensor): Tensor {
		requireTable('OutlierBounds.mask', x, this.lower.length);
		return tidy(() => logicalOr(lt(x, rowFor(x, this.lower)), gt(x, rowFor(x, this.upper))));
	}

	/** Marks the rows of x [N, F] with an outlier: bool [N]. */
	rows(x: Tensor): Tensor {
		return tidy(() => any(this.mask(x), 1));
	}

	/** Clips x [N, F] to the bounds. NaN stays. */
	clip(x: Tensor): Tensor {
		requireTable('OutlierBounds.clip', x, this.lower.length);
		return tidy(() => {
			const values = to(x, resultDType(x));
			return minimum(maximum(values, rowFor(x, this.lower)), rowFor(x, this.upper));
		});
	}

	/**
	 * Removes the rows with an outlier from x [N, F], and the same rows from `others`, such as targets [N]. Returns a promise, because the
	 * number of rows has to be read from the device.
	 */
	async remove(x: Tensor, ...others: readonly Tensor[]): Promise<Tensor[]> {
		const rows = this.rows(x);
		const count = x.shape[0]!;
		for (const other of others) {
			requireTensor('OutlierBounds.remove', other);
			if (other.shape[0] !== count)
				throw new ShapeError(
					`OutlierBounds.remove: x has ${count} rows, but one of the other tensors has ${other.shape[0] ?? 'none'}`,
				);
		}
		const isOutlier = await rows.data();
		rows.dispose();
		const kept = Int32Array.from({ length: count }, (_, i) => i).filter((i) => isOutlier[i] === 0);
		return tidy(() => [x, ...others].map((one) => indexSelect(one, 0, tensor(kept, { device: one.device }))));
	}
}

export interface ZScoreOptions {
	/** The number of standard deviations from the mean to the bounds. Default 3. */
	readonly threshold?: number;
}

/**
 * Bounds at mean - threshold * std and mean + threshold * std of each column of x [N, F], with the population standard deviation. Skips
 * NaN. As `abs(scipy.stats.zscore(x)) > threshold`.
 */
export async function outliersZScore(x: Tensor, options: ZScoreOptions = {}): Promise<OutlierBounds> {
	const { threshold = 3 } = checkOptions('outliersZScore', options, ['threshold']);
	requireNonNegative('outliersZScore', 'threshold', threshold);
	return boundsOf('outliersZScore', x, (values) => {
		const [count, mean, variance] = momentsOf(values);
		// Rounding must not turn equal values into outliers.
		if (isConstant(count, mean, variance))
			return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
		const far = threshold * Math.sqrt(variance);
		return [mean - far, mean + far];
	});
}

export interface IqrOptions {
	/** The number of interquartile ranges from the quartiles to the bounds. Default 1.5, Tukey's. */
	readonly factor?: number;
}

/**
 * Bounds at Q1 - factor * IQR and Q3 + factor * IQR of each column of x [N, F], where IQR = Q3 - Q1 and quartiles are NumPy's (linear).
 * Skips NaN.
 */
export async function outliersIqr(x: Tensor, options: IqrOptions = {}): Promise<OutlierBounds> {
	const { factor = 1.5 } = checkOptions('outliersIqr', options, ['factor']);
	requireNonNegative('outliersIqr', 'factor', factor);
	return boundsOf('outliersIqr', x, (values) => {
		const sorted = values.sort();
		const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
		return [first - factor * (third - first), third + factor * (third - first)];
	});
}

/** Computes bounds by column; a column with only NaN has none. */
async function boundsOf(
	name: string,
	x: Tensor,
	of: (values: Float64Array) => readonly [lower: number, upper: number],
): Promise<OutlierBounds> {
	const table = await readTable(name, x);
	const bounds = Array.from({ length: table.columns }, (_, f) => {
		const values = columnOf(table, f);
		return values.length === 0 ? ([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const) : of(values);
	});
	return new OutlierBounds(
		Float64Array.from(bounds, ([lower]) => lower),
		Float64Array.from(bounds, ([, upper]) => upper),
	);
}
