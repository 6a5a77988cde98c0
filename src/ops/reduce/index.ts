/** Reductions: the public ones by file, and what other families build on. */
export { amax, amin, argmax, argmin, max, median, min, type ValuesIndices, valuesIndices } from './order';
export { cumprod, cumsum, type ScanOptions } from './scan';
export {
	type AccumulateOptions,
	all,
	any,
	type Dims,
	mean,
	type NormOptions,
	norm,
	prod,
	type ReduceOptions,
	std,
	sum,
	trace,
	type VarianceOptions,
	variance,
} from './sums';
