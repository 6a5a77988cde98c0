/** Layout: views of the whole (views.ts), parts and joining (parts.ts), what moves elements (moves.ts). */
export { flip, fold, type PadMode, pad, repeat, roll, tile, tril, triu, type UnfoldOptions, unfold } from './moves';
export { cat, chunk, diag, diagonal, narrow, select, slice, split, stack } from './parts';
export { pixelShuffle, pixelUnshuffle } from './pixels';
export {
	broadcastTo,
	clone,
	contiguous,
	detach,
	expand,
	flatten,
	meshgrid,
	movedim,
	permute,
	reshape,
	squeeze,
	transpose,
	unflatten,
	unsqueeze,
	view,
} from './views';
