/** Elements by index: from places (places.ts), to places (scatter.ts); sorting and searching (order.ts). */
export { argsort, type SearchOptions, type SortOptions, searchsorted, sort, type TopkOptions, topk } from './order';
export {
	bincount,
	gather,
	indexSelect,
	maskedFill,
	maskedSelect,
	nonzero,
	oneHot,
	take,
	takeAlongDim,
} from './places';
export { indexAdd, type ScatterOptions, scatter, scatterAdd } from './scatter';
