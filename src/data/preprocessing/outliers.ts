/** Values far from the others of their column: found, removed or clipped. */
import { ArgumentError, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { tensor } from '../../ops/creation';
import { gt, logicalOr, lt, maximum, minimum, to } from '../../ops/elementwise';
import { indexSelect } from '../../ops/indexing';
import { any } from '../../ops/reduce';
import { requireTensor } from '../../ops/requirements';
import type { Tensor } from '../../tensor';
import { tidy } from '../../tidy';
import { columnOf, readTable, requireTable, resultDType, rowFor } from './columns';
import { quantile } from './imputing';
import { isConstant, momentsOf } from './scaling';

/** The bounds of each column, within which values are no outliers; of the data that made them or of any other with the same columns. */
export class OutlierBounds {
	constructor(
		/** The least value of each column that is no outlier. */
		readonly lower: Float64Array,
		/** The greatest. */
		readonly upper: Float64Array,
	) {}

	/** Which elements of x [N, F] are outliers: bool, [N, F]. NaN is none. */
	mask(x: Tensor): Tensor {
		requireTable('OutlierBounds.mask', x, this.lower.length);
		return tidy(() => logicalOr(lt(x, rowFor(x, this.lower)), gt(x, rowFor(x, this.upper))));
	}

	/** Which rows of x [N, F] have an outlier: bool, [N]. */
	rows(x: Tensor): Tensor {
		return tidy(() => any(this.mask(x), 1));
	}

	/** x [N, F] with outliers moved to the bound that they are beyond. NaN stays. */
	clip(x: Tensor): Tensor {
		requireTable('OutlierBounds.clip', x, this.lower.length);
		return tidy(() => {
			const values = to(x, resultDType(x));
			return minimum(maximum(values, rowFor(x, this.lower)), rowFor(x, this.upper));
		});
	}

	/**
	 * x [N, F] without the rows that have an outlier, and the same rows of `others`, such as targets [N]. A promise, since the number of
	 * rows is only known once the device has answered.
	 */
	async remove(x: Tensor, ...others: readonly Tensor[]): Promise<Tensor[]> {
		const rows = this.rows(x);
		const count = x.shape[0]!;
		for (const other of others) {
			requireTensor('OutlierBounds.remove', other);
			if (other.shape[0] !== count)
				throw new ShapeError(
					`OutlierBounds.remove: x has ${count} rows, but a tensor to keep in step has ${other.shape[0] ?? 'none'}`,
				);
		}
		const isOutlier = await rows.data();
		rows.dispose();
		const kept = Int32Array.from({ length: count }, (_, i) => i).filter((i) => isOutlier[i] === 0);
		return tidy(() => [x, ...others].map((one) => indexSelect(one, 0, tensor(kept, { device: one.device }))));
	}
}

export interface ZScoreOptions {
	/** Standard deviations from the mean that are too many. Default 3. */
	readonly threshold?: number;
}

/**
 * Bounds at mean - threshold * std and mean + threshold * std of each column of x [N, F], with the standard deviation of the population;
 * NaN is skipped. As `abs(scipy.stats.zscore(x)) > threshold`.
 */
export async function outliersZScore(x: Tensor, options: ZScoreOptions = {}): Promise<OutlierBounds> {
	const { threshold = 3 } = checkOptions('outliersZScore', options, ['threshold']);
	requirePositive('outliersZScore', 'threshold', threshold);
	return boundsOf('outliersZScore', x, (values) => {
		const [count, mean, variance] = momentsOf(values);
		// Rounding must not make outliers of equal values.
		if (isConstant(count, mean, variance))
			return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
		const far = threshold * Math.sqrt(variance);
		return [mean - far, mean + far];
	});
}

export interface IqrOptions {
	/** Interquartile ranges beyond the quartiles that are too many. Default 1.5, Tukey's. */
	readonly factor?: number;
}

/**
 * Bounds at Q1 - factor * IQR and Q3 + factor * IQR of each column of x [N, F], where IQR = Q3 - Q1 and quartiles are NumPy's (linear);
 * NaN is skipped.
 */
export async function outliersIqr(x: Tensor, options: IqrOptions = {}): Promise<OutlierBounds> {
	const { factor = 1.5 } = checkOptions('outliersIqr', options, ['factor']);
	requirePositive('outliersIqr', 'factor', factor);
	return boundsOf('outliersIqr', x, (values) => {
		const sorted = values.sort();
		const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
		return [first - factor * (third - first), third + factor * (third - first)];
	});
}

function requirePositive(name: string, argument: string, value: number): void {
	if (!(value >= 0)) throw new ArgumentError(`${name}: ${argument} must be at least 0, not ${value}`);
}

/** Bounds by column; a column of NaN alone has none. */
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
