/** Layout: views of the whole (views.ts), slicing and joining (sliceCat.ts), what copies (copies.ts), windows of images (unfold.ts). */
export { flip, meshgrid, type PadMode, pad, repeat, roll, tile, tril, triu } from './copies';
export { cat, chunk, concat, diag, diagonal, hstack, narrow, select, slice, split, stack, unbind, vstack } from './sliceCat';
export { fold, pixelShuffle, pixelUnshuffle, type UnfoldOptions, unfold } from './unfold';
export {
	broadcastTo,
	clone,
	contiguous,
	detach,
	expand,
	flatten,
	movedim,
	numel,
	permute,
	reshape,
	squeeze,
	swapaxes,
	t,
	transpose,
	unflatten,
	unsqueeze,
	view,
} from './views';
