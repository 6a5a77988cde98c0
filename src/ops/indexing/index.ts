/** Elements by index: reading (gather.ts), writing (scatter.ts), sorting and searching (order.ts). */

export { type IndexItem, type IndexPutOptions, index, indexPut } from './advanced';
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
export { nanquantile, type QuantileOptions, quantile } from './quantile';
export { repeatInterleave } from './repeatInterleave';
export { indexAdd, type ScatterOptions, type ScatterReduceOptions, scatter, scatterAdd, scatterReduce } from './scatter';
export * from './unique';
