/** Elements by index (places.ts), and sorting and searching (order.ts). */
export { argsort, type SearchOptions, type SortOptions, searchsorted, sort, type TopkOptions, topk } from './order';
export {
	bincount,
	gather,
	indexAdd,
	indexSelect,
	maskedFill,
	maskedSelect,
	nonzero,
	oneHot,
	scatter,
	scatterAdd,
	take,
	takeAlongDim,
} from './places';
