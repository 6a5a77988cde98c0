/** Elements by index: reading (gather.ts), writing (scatter.ts), sorting and searching (order.ts). */

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
} from './gather';
export { argsort, type SearchOptions, type SortOptions, searchsorted, sort, type TopkOptions, topk } from './order';
export { indexAdd, type ScatterOptions, scatter, scatterAdd } from './scatter';
