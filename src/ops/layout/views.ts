/**
 * Views: other shapes and orders of the same memory. A view shares its storage with the input, so in-place writes into one change the other,
 * on the tape too. `reshape`, `flatten` and `contiguous` copy only if no view is possible. Slices are in sliceCat.ts, copies in copies.ts and
 * unfold.ts.
 */

import { copyGradient } from '../../autograd/gradients';
import { defineOperation } from '../../autograd/operation';
import { layoutKernels, reduceKernels } from '../../backends/kernels';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import {
	broadcastStrides,
	checkShape,
	contiguousStrides,
	isContiguous,
	normalizeDim,
	normalizeDims,
	requireSizes,
	type Shape,
	sameShape,
	numel as sizeOf,
} from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { requireTensor } from '../../tensorChecks';

/** The strides that make memory of this geometry a tensor of shape `target`, or null if that needs a copy. */
function stridesAs(
	{ shape, strides }: { readonly shape: Shape; readonly strides: readonly number[] },
	target: Shape,
): readonly number[] | null {
	if (isContiguous(shape, strides)) return contiguousStrides(target);
	// Runs of dims that are contiguous in memory. The dims of `target` must divide these runs.
	const result = new Array<number>(target.length).fill(1);
	let t = target.length - 1;
	let runSize = 1;
	let runStride = strides[shape.length - 1]!;
	for (let d = shape.length - 1; d >= 0; d--) {
		runSize *= shape[d]!;
		const ends = d === 0 || (shape[d - 1] !== 1 && strides[d - 1] !== runSize * runStride);
		if (!ends) continue;
		let filled = 1;
		while (t >= 0 && (filled < runSize || target[t] === 1)) {
			result[t] = filled * runStride;
			filled *= target[t]!;
			t--;
		}
		if (filled !== runSize) return null;
		if (d > 0) {
			runSize = 1;
			runStride = strides[d - 1]!;
		}
	}
	return result;
}

/** The shape with -1 replaced by the size that the number of elements determines. */
function inferShape(operation: string, x: Tensor, shape: Shape): Shape {
	requireSizes(operation, shape);
	const open = shape.indexOf(-1);
	const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
	if (open !== shape.lastIndexOf(-1)) throw new ShapeError(`${operation}: only one size of ${formatShape(shape)} can be -1`);
	const result = open < 0 ? [...shape] : shape.with(open, known === 0 ? Number.NaN : x.size / known);
	if (open >= 0 && (known === 0 || !Number.isInteger(result[open]))) {
		throw new ShapeError(
			`${operation}: the ${x.size} elements of ${formatShape(x.shape)} do not determine the -1 in ${formatShape(shape)}`,
		);
	}
	checkShape(operation, result);
	if (sizeOf(result) !== x.size) {
		throw new ShapeError(
			`${operation}: ${formatShape(x.shape)} has ${x.size} elements, ${formatShape(shape)} has ${sizeOf(result)}`,
		);
	}
	return result;
}

/** The elements in row-major order in another shape. One size may be -1. A view if the strides allow it, else a copy. As `torch.reshape`. */
export function reshape(x: Tensor, shape: Shape): Tensor {
	requireTensor('reshape', x);
	return reshaped('reshape', x, inferShape('reshape', x, shape));
}

/** Like `reshape`, but throws a ShapeError instead of copying. As `torch.Tensor.view`. */
export function view(x: Tensor, shape: Shape): Tensor {
	requireTensor('view', x);
	const target = inferShape('view', x, shape);
	if (stridesAs(x, target) === null) {
		throw new ShapeError(
			`view: ${formatShape(x.shape)} with strides ${formatShape(x.strides)} cannot be seen as ${formatShape(target)} without a copy. Use reshape()`,
		);
	}
	return reshaped('view', x, target);
}

function reshaped(name: string, x: Tensor, shape: Shape): Tensor {
	return reshapeOperation({ x }, { shape }, { name });
}

const reshapeOperation = defineOperation({
	name: 'reshape',
	inputs: ['x'],
	view: true,
	forward: ({ x }, { shape }: { readonly shape: Shape }) => {
		const strides = stridesAs(x, shape);
		if (strides !== null) return viewOf(x, shape, strides, x.offset);
		const y = emptyOn(x, shape);
		layoutKernels(x.backend).copy({ x }, { y: viewOf(y, x.shape, contiguousStrides(x.shape), 0) }, {});
		return y;
	},
	vjp: (gradient, _saved, _attributes, needs) => ({ x: reshape(gradient, needs.x.shape) }),
});

/** A view with the dims of x in the order of `dims`. As `torch.permute`. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
	requireTensor('permute', x);
	return permuted('permute', x, permutation('permute', x, dims));
}

function permutation(operation: string, x: Tensor, dims: readonly number[]): number[] {
	requireSizes(operation, dims, 'the list of dims');
	if (dims.length !== x.ndim) {
		throw new ShapeError(
			`${operation}: ${formatShape(dims)} must list each of the ${x.ndim} dims of ${formatShape(x.shape)} once`,
		);
	}
	normalizeDims(operation, dims, x.ndim);
	return dims.map((dim) => normalizeDim(operation, dim, x.ndim));
}

function permuted(name: string, x: Tensor, order: readonly number[]): Tensor {
	return permuteOperation({ x }, { order }, { name });
}

const permuteOperation = defineOperation({
	name: 'permute',
	inputs: ['x'],
	view: true,
	forward: ({ x }, { order }: { readonly order: readonly number[] }) => {
		const reordered = (list: readonly number[]) => order.map((dim) => list[dim]!);
		return viewOf(x, reordered(x.shape), reordered(x.strides), x.offset);
	},
	vjp: (gradient, _saved, { order }, _needs, name) => {
		const inverse = order.map((_, dim) => order.indexOf(dim));
		return { x: permuted(name, gradient, inverse) };
	},
});

/** A view with two dims swapped. As `torch.transpose`. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
	return transposed('transpose', x, dim0, dim1);
}

/** `transpose` under NumPy's name. As `torch.swapaxes`. */
export function swapaxes(x: Tensor, axis0: number, axis1: number): Tensor {
	return transposed('swapaxes', x, axis0, axis1);
}

function transposed(name: string, x: Tensor, dim0: number, dim1: number): Tensor {
	requireTensor(name, x);
	const a = normalizeDim(name, dim0, x.ndim);
	const b = normalizeDim(name, dim1, x.ndim);
	const order = x.shape.map((_, dim) => (dim === a ? b : dim === b ? a : dim));
	return permuted(name, x, order);
}

/** A view of a matrix with its dims swapped. Vectors and scalars stay as they are. As `torch.t`. */
export function t(x: Tensor): Tensor {
	requireTensor('t', x);
	if (x.ndim > 2) throw new ShapeError(`t: takes at most 2 dims, not ${formatShape(x.shape)}. Use transpose(dim0, dim1) or x.mT`);
	return permuted('t', x, x.ndim === 2 ? [1, 0] : x.shape.map((_, dim) => dim));
}

/** The number of elements. As `torch.numel`. */
export function numel(x: Tensor): number {
	requireTensor('numel', x);
	return x.size;
}

/** A view with the dims `source` at positions `destination`. The other dims keep their order. As `torch.movedim`. */
export function movedim(x: Tensor, source: number | readonly number[], destination: number | readonly number[]): Tensor {
	requireTensor('movedim', x);
	const from = [source].flat();
	const to = [destination].flat();
	if (from.length !== to.length) {
		throw new ArgumentError(`movedim: ${from.length} source dims but ${to.length} destinations; give one for each`);
	}
	normalizeDims('movedim', from, x.ndim);
	normalizeDims('movedim', to, x.ndim);
	const order = new Array<number>(x.ndim).fill(-1);
	from.forEach((dim, i) => {
		order[normalizeDim('movedim', to[i]!, x.ndim)] = normalizeDim('movedim', dim, x.ndim);
	});
	const rest = x.shape.map((_, dim) => dim).filter((dim) => !order.includes(dim));
	return permuted(
		'movedim',
		x,
		order.slice(0, x.ndim).map((dim) => (dim < 0 ? rest.shift()! : dim)),
	);
}

/** A view without dims of size 1: all of them, or those in `dim`. As `torch.squeeze`. */
export function squeeze(x: Tensor, dim?: number | readonly number[]): Tensor {
	requireTensor('squeeze', x);
	const dims = normalizeDims('squeeze', dim, x.ndim);
	return reshaped(
		'squeeze',
		x,
		x.shape.filter((size, d) => size !== 1 || !dims.includes(d)),
	);
}

/** A view with a new dim of size 1, dim `dim` of the result. As `torch.unsqueeze`. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
	requireTensor('unsqueeze', x);
	const at = normalizeDim('unsqueeze', dim, x.ndim + 1);
	const shape = x.shape.toSpliced(at, 0, 1);
	checkShape('unsqueeze', shape);
	return reshaped('unsqueeze', x, shape);
}

/** A view with dims of size 1 repeated to `shape`, and new leading dims. -1 keeps a size. As `torch.Tensor.expand`. */
export function expand(x: Tensor, shape: Shape): Tensor {
	requireTensor('expand', x);
	requireSizes('expand', shape);
	if (shape.length < x.ndim) {
		throw new ShapeError(
			`expand: ${formatShape(shape)} has fewer sizes than ${formatShape(x.shape)}; list one for each dim, -1 to keep it`,
		);
	}
	const added = shape.length - x.ndim;
	const target = shape.map((size, i) => (size === -1 && i >= added ? x.shape[i - added]! : size));
	return expanded('expand', x, target);
}

/** A view of x broadcast to `shape`. As `torch.broadcast_to`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
	requireTensor('broadcastTo', x);
	requireSizes('broadcastTo', shape);
	return expanded('broadcastTo', x, shape);
}

function expanded(name: string, x: Tensor, target: Shape): Tensor {
	checkShape(name, target);
	const added = target.length - x.ndim;
	if (added < 0 || x.shape.some((size, i) => size !== 1 && size !== target[i + added])) {
		throw new ShapeError(
			`${name}: ${formatShape(x.shape)} does not expand to ${formatShape(target)}: only dims of size 1 can be repeated`,
		);
	}
	return expandOperation({ x }, { shape: [...target] }, { name });
}

const expandOperation = defineOperation({
	name: 'expand',
	inputs: ['x'],
	view: true,
	forward: ({ x }, { shape }: { readonly shape: Shape }) =>
		viewOf(x, shape, broadcastStrides(x.shape, x.strides, shape), x.offset),
	vjp: (gradient, _saved, _attributes, needs) => ({ x: sumTo(gradient, needs.x.shape) }),
});

/** Sums x over the dims that broadcasting from `shape` repeated. The VJP of expanding, and expanding is its VJP. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
	return sameShape(x.shape, shape) ? x : sumToOperation({ x }, { shape });
}

const sumToOperation = defineOperation({
	name: 'sum',
	inputs: ['x'],
	forward: ({ x }, { shape }: { readonly shape: Shape }) => {
		const added = x.ndim - shape.length;
		const isRepeated = (dim: number) => dim < added || (shape[dim - added] === 1 && x.shape[dim] !== 1);
		const y = emptyOn(x, shape);
		reduceKernels(x.backend).reduce({ x }, { y }, { op: 'sum', dims: [...x.shape.keys()].filter(isRepeated) });
		return y;
	},
	vjp: (gradient, _saved, _attributes, needs) => ({ x: expanded('expand', gradient, needs.x.shape) }),
});

/** Merges dims `startDim` to `endDim`, both included and all by default, into one. A scalar becomes [1]. As `torch.flatten`. */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
	requireTensor('flatten', x);
	const start = normalizeDim('flatten', startDim, x.ndim);
	const end = normalizeDim('flatten', endDim, x.ndim);
	if (start > end)
		throw new ArgumentError(`flatten: startDim ${startDim} comes after endDim ${endDim} in ${formatShape(x.shape)}`);
	return reshaped('flatten', x, [...x.shape.slice(0, start), sizeOf(x.shape.slice(start, end + 1)), ...x.shape.slice(end + 1)]);
}

/** Splits dim `dim` into dims of `sizes`, one of which may be -1. As `torch.unflatten`. */
export function unflatten(x: Tensor, dim: number, sizes: Shape): Tensor {
	requireTensor('unflatten', x);
	const at = normalizeDim('unflatten', dim, x.ndim);
	if (x.ndim === 0) throw new ShapeError('unflatten: a scalar has no dim to unflatten');
	requireSizes('unflatten', sizes, 'the list of sizes');
	const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
	const full = sizes.map((size) => (size === -1 && known > 0 ? x.shape[at]! / known : size));
	checkShape('unflatten', full);
	if (sizeOf(full) !== x.shape[at]) {
		throw new ShapeError(`unflatten: sizes ${formatShape(sizes)} do not make up dim ${dim} of ${formatShape(x.shape)}`);
	}
	const target = x.shape.toSpliced(at, 1, ...full);
	checkShape('unflatten', target);
	return reshaped('unflatten', x, target);
}

/** A view of x that is not on the tape. As `torch.Tensor.detach`. */
export function detach(x: Tensor): Tensor {
	requireTensor('detach', x);
	return viewOf(x, x.shape, x.strides, x.offset);
}

/** A contiguous copy in its own memory, through which gradients flow. As `torch.clone`. */
export function clone(x: Tensor): Tensor {
	requireTensor('clone', x);
	return copyGradient(x);
}

/** `y`, or a copy of y if it shares the memory of `x`. For operations that never return views. */
export function cloneIfShared(x: Tensor, y: Tensor): Tensor {
	return y.storage === x.storage ? clone(y) : y;
}

/** A copy in its own memory with `strides` of at least 0, through which gradients flow. */
export function cloneAs(x: Tensor, strides: readonly number[]): Tensor {
	return cloneAsOperation({ x }, { strides });
}

const cloneAsOperation = defineOperation({
	name: 'clone',
	inputs: ['x'],
	forward: ({ x }, { strides }: { readonly strides: readonly number[] }) => {
		const span = x.size === 0 ? 0 : x.shape.reduce((end, size, dim) => end + (size - 1) * strides[dim]!, 1);
		const y = viewOf(emptyOn(x, [span]), x.shape, strides, 0);
		layoutKernels(x.backend).copyInto({ x }, { y }, {});
		return y;
	},
	vjp: (gradient) => ({ x: gradient }),
});

/** The values in row-major order without gaps: a view if x has that layout, else a copy. As `torch.Tensor.contiguous`. */
export function contiguous(x: Tensor): Tensor {
	requireTensor('contiguous', x);
	return contiguousOperation({ x }, {});
}

const contiguousOperation = defineOperation({
	name: 'contiguous',
	inputs: ['x'],
	view: true,
	forward: ({ x }) => (x.isContiguous ? viewOf(x, x.shape, x.strides, x.offset) : copyGradient(x)),
	vjp: (gradient) => ({ x: gradient }),
});
