/**
 * Histograms as TensorBoard shows them: buckets that grow by a tenth, on both sides of 0, from 1e-12 to 1e20, so that they suit values of any
 * size. As tensorflow/core/lib/histogram/histogram.cc.
 */

/** The finite values of a tensor. */
export interface Histogram {
	readonly min: number;
	readonly max: number;
	readonly count: number;
	readonly sum: number;
	readonly sumOfSquares: number;
	/** In order. Each begins where the one before it ends. */
	readonly buckets: readonly Bucket[];
	/** The values that are NaN or infinite, which no bucket counts. */
	readonly nonFinite: number;
}

interface Bucket {
	/** Its upper end, which it excludes. */
	readonly limit: number;
	readonly count: number;
}

let ends: Float64Array | null = null;

/** The upper ends of all buckets, ascending. */
function allEnds(): Float64Array {
	if (ends !== null) return ends;
	const positive: number[] = [];
	for (let end = 1e-12; end < 1e20; end *= 1.1) positive.push(end);
	positive.push(Number.MAX_VALUE);
	ends = Float64Array.from([...positive.map((end) => -end).reverse(), 0, ...positive]);
	return ends;
}

/** Counts the values. Runs of empty buckets become one. */
export function histogramOf(values: ArrayLike<number>): Histogram {
	const limits = allEnds();
	const counts = new Float64Array(limits.length);
	let [min, max, count, sum, sumOfSquares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
	for (let i = 0; i < values.length; i++) {
		const value = values[i]!;
		if (!Number.isFinite(value)) continue;
		min = Math.min(min, value);
		max = Math.max(max, value);
		count++;
		sum += value;
		sumOfSquares += value * value;
		counts[bucketOf(limits, value)]!++;
	}
	const buckets: Bucket[] = [];
	for (let i = 0; i < limits.length; i++) {
		const bucket = { limit: limits[i]!, count: counts[i]! };
		if (bucket.count === 0 && buckets.at(-1)?.count === 0) buckets.pop();
		buckets.push(bucket);
	}
	if (count === 0) [min, max] = [0, 0];
	return { min, max, count, sum, sumOfSquares, buckets, nonFinite: values.length - count };
}

/** The index of the first bucket that ends above `value`; the largest number belongs to the last. */
function bucketOf(limits: Float64Array, value: number): number {
	let [low, high] = [0, limits.length - 1];
	while (low < high) {
		const middle = (low + high) >> 1;
		if (limits[middle]! > value) high = middle;
		else low = middle + 1;
	}
	return low;
}
