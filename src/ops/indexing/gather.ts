/**
 * Reading by index and by mask: gather and its relatives. Writing by index is in scatter.ts, sorting and searching in order.ts.
 *
 * Indices are int32 and at least 0. Only `take` accepts negative ones. An index out of range throws: on the CPU at once, on WebGPU at the
 * next read, `sync()` or step of an optimizer. Until then kernels clamp the indices of reads and skip writes. The backward pass does not
 * check again.
 */

import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import { elementwiseKernels, indexingKernels, layoutKernels } from '../../backends/kernels';
import { requireInteger } from '../../core/checks';
import { fillValue, requireDType } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { callSite, type IndexCheck } from '../../core/indexCheck';
import { checkOptions } from '../../core/options';
import { runOperation } from '../../core/scope';
import { broadcastShapes, checkShape, contiguousStrides, normalizeDim, type Shape } from '../../core/shape';
import { emptyOn, Tensor, viewOf } from '../../tensor';
import { requireRank, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import { composed } from '../composed';
import { add, lt, to, where } from '../elementwise';
import { broadcastTo, contiguous, detach, reshape, select } from '../layout';
import { floatingType } from '../operands';

/**
 * Throws unless `index` is int32 and on the device of `x`, and on the CPU unless its values are 0 .. size - 1 (-size .. size - 1 with
 * `wraps`). On WebGPU it returns a check, which the caller passes to the kernel that takes the index.
 */
export function checkIndices(
	operation: string,
	x: Tensor,
	index: Tensor,
	size: number,
	what: string,
	wraps = false,
): IndexCheck | undefined {
	requireDType(operation, index.dtype, ['int32'], 'index');
	requireSameDevice(operation, x, index);
	if (index.size === 0) return undefined;
	if (size === 0) throw new ArgumentError(`${operation}: ${what} has size 0, so there is nothing to index`);
	return boundsCheck(index, {
		operation,
		least: 0,
		count: size,
		wraps,
		noun: 'index',
		rule: `is out of range for ${what} of size ${size}`,
	});
}

/** On the CPU, throws unless `check` allows every value of `index`. On WebGPU, returns the check for the kernel that takes the index. */
export function boundsCheck(index: Tensor, check: IndexCheck): IndexCheck | undefined {
	if (index.device === 'webgpu') return { ...check, call: callSite() };
	launchCheck(index, check);
	return undefined;
}

/** `boundsCheck` for values that no kernel reads as indices: on WebGPU it launches a kernel that only checks. */
export function checkBounds(values: Tensor, check: IndexCheck): void {
	const later = boundsCheck(values, check);
	if (later !== undefined) launchCheck(values, later);
}

function launchCheck(index: Tensor, check: IndexCheck): void {
	runOperation(check.operation, () => indexingKernels(index.backend).checkIndices({ index }, {}, check));
}

/** A scalar as a vector of one element. PyTorch treats scalars so in operations that index along a dim. */
export function asVector(x: Tensor): Tensor {
	return x.ndim === 0 ? reshape(x, [1]) : x;
}

/** A normalized dim, and the check for the kernel that takes the index along it. */
interface CheckedDim {
	readonly at: number;
	readonly check: IndexCheck | undefined;
}

/** Checks the dim and the index of gather and scatter. */
export function checkGatherIndex(operation: string, x: Tensor, dim: number, index: Tensor): CheckedDim {
	requireTensor(operation, index, 'index');
	const at = normalizeDim(operation, dim, x.ndim);
	if (index.ndim !== x.ndim || index.shape.some((size, d) => d !== at && size > x.shape[d]!)) {
		throw new ShapeError(
			`${operation}: index ${formatShape(index.shape)} must have the rank of ${formatShape(x.shape)} and be no larger except in dim ${at}`,
		);
	}
	return { at, check: checkIndices(operation, x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`) };
}

/**
 * y[i, j, ...] = x[i, index[i, j, ...], ...] for dim 1. y has the shape of `index` (int32), which has x's rank and is no larger except in
 * `dim`. A scalar counts as a vector of one element. An index out of range throws: on WebGPU at the next read, `sync()` or `step()`. As
 * `torch.gather`.
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
	requireTensor('gather', x);
	requireTensor('gather', index, 'index');
	if (x.ndim === 0 || index.ndim === 0)
		return composed('gather', () => reshape(gather(asVector(x), dim, asVector(index)), index.shape));
	const { at, check } = checkGatherIndex('gather', x, dim, index);
	return gathered('gather', x, at, index, check);
}

/** `gather` without checks on the host. */
export function gathered(name: string, x: Tensor, dim: number, index: Tensor, check?: IndexCheck): Tensor {
	return gatherOperation({ x, index }, { dim }, { name, check });
}

const gatherOperation = defineOperation({
	name: 'gather',
	inputs: ['x'],
	constants: ['index'],
	forward: ({ x, index }, { dim }: { readonly dim: number }, check) => {
		const y = emptyOn(x, index.shape);
		indexingKernels(x.backend).gather({ x, index }, { y }, { dim, check });
		return y;
	},
	saves: ['index'],
	vjp: (gradient, { index }, { dim }, needs, name) => ({ x: scatterAdded(name, gradient, dim, index, needs.x.shape) }),
});

/** Adds `source` to zeros of `shape` at `index`. With `isUnique` the index names no element twice, so a plain write is enough. */
export function scatterAdded(name: string, source: Tensor, dim: number, index: Tensor, shape: Shape, isUnique = false): Tensor {
	return scatterAddOperation({ source, index }, { dim, shape, isUnique }, { name });
}

interface ScatterAddAttributes {
	readonly dim: number;
	readonly shape: Shape;
	readonly isUnique: boolean;
}

const scatterAddOperation = defineOperation({
	name: 'scatterAdd',
	inputs: ['source'],
	constants: ['index'],
	forward: ({ source, index }, { dim, shape, isUnique }: ScatterAddAttributes) => {
		const y = emptyOn(source, shape);
		const { backend } = y;
		layoutKernels(backend).fill({}, { y }, { value: 0 });
		if (isUnique) indexingKernels(backend).scatterInto({ index, source }, { y }, { dim, unique: true });
		else indexingKernels(backend).scatterAddInto({ index, source: contiguous(source) }, { y }, { dim });
		return y;
	},
	saves: ['index'],
	vjp: (gradient, { index }, { dim }, _needs, name) => ({ source: gathered(name, gradient, dim, index) }),
});

/** A view of a 1-D index, expanded along all dims of `shape` except `dim`. */
export function expandIndex(index: Tensor, dim: number, shape: Shape): Tensor {
	const strides = shape.map((_, d) => (d === dim ? (index.strides[0] ?? 0) : 0));
	return viewOf(index, shape.with(dim, index.size), strides, index.offset);
}

export function checkVectorIndex(operation: string, x: Tensor, dim: number, index: Tensor): CheckedDim {
	requireTensor(operation, index, 'index');
	const at = normalizeDim(operation, dim, x.ndim);
	requireRank(operation, 'index', index, 'a vector', 0, 1);
	return { at, check: checkIndices(operation, x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`) };
}

/**
 * The entries of x along `dim` at the int32 vector `index`. A scalar x has the one index 0. An index out of range throws: on WebGPU at the
 * next read, `sync()` or `step()`. As `torch.index_select`.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
	requireTensor('indexSelect', x);
	if (x.ndim === 0) {
		requireTensor('indexSelect', index, 'index');
		if (index.size !== 1)
			throw new ShapeError(`indexSelect: of a scalar the index must be one element, not ${formatShape(index.shape)}`);
		return composed('indexSelect', () => reshape(indexSelect(reshape(x, [1]), dim, index), []));
	}
	const { at, check } = checkVectorIndex('indexSelect', x, dim, index);
	return composed('indexSelect', () => gathered('indexSelect', x, at, expandIndex(index, at, x.shape), check));
}

/**
 * The elements of flattened x at the int32 `index`, in the shape of `index`. Negative indices count from the end. An index out of range
 * throws: on WebGPU at the next read, `sync()` or `step()`. As `torch.take`.
 */
export function take(x: Tensor, index: Tensor): Tensor {
	requireTensor('take', x);
	requireTensor('take', index, 'index');
	const check = checkIndices('take', x, index, x.size, `the elements of ${formatShape(x.shape)}`, true);
	return composed('take', () => {
		const position = where(lt(index, 0), add(index, x.size), index);
		return reshape(gathered('take', reshape(x, [-1]), 0, reshape(position, [-1]), check), index.shape);
	});
}

/**
 * `gather` with broadcasting: x and `index` broadcast in all dims except `dim`. Without `dim` both are flattened. For the indices that
 * argsort, argmax and topk return. An index out of range throws: on WebGPU at the next read, `sync()` or `step()`. As
 * `torch.take_along_dim`.
 */
export function takeAlongDim(x: Tensor, index: Tensor, dim?: number): Tensor {
	requireTensor('takeAlongDim', x);
	requireTensor('takeAlongDim', index, 'index');
	if (dim === undefined) {
		const check = checkIndices('takeAlongDim', x, index, x.size, `the elements of ${formatShape(x.shape)}`);
		return composed('takeAlongDim', () => gathered('takeAlongDim', reshape(x, [-1]), 0, reshape(index, [-1]), check));
	}
	if (index.ndim !== x.ndim || x.ndim === 0) {
		throw new ShapeError(
			`takeAlongDim: index ${formatShape(index.shape)} must have the rank of ${formatShape(x.shape)}, at least 1`,
		);
	}
	const at = normalizeDim('takeAlongDim', dim, x.ndim);
	const check = checkIndices('takeAlongDim', x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`);
	const others = broadcastShapes('takeAlongDim', x.shape.with(at, 1), index.shape.with(at, 1));
	return composed('takeAlongDim', () =>
		gathered(
			'takeAlongDim',
			broadcastTo(x, others.with(at, x.shape[at]!)),
			at,
			broadcastTo(index, others.with(at, index.shape[at]!)),
			check,
		),
	);
}

/** `value` where the bool `mask` is true, else x. `value` is a number, boolean or scalar tensor and takes x's dtype. x and mask broadcast. As `torch.masked_fill`. */
export function maskedFill(x: Tensor, mask: Tensor, value: number | boolean | Tensor): Tensor {
	requireTensor('maskedFill', x);
	requireTensor('maskedFill', mask, 'mask');
	requireDType('maskedFill', mask.dtype, ['bool'], 'mask');
	requireSameDevice('maskedFill', x, mask);
	const shape = broadcastShapes('maskedFill', x.shape, mask.shape);
	if (value instanceof Tensor) {
		requireRank('maskedFill', 'value', value, 'a number or a scalar tensor', 0);
		requireSameDevice('maskedFill', x, value);
		return composed('maskedFill', () => where(mask, to(value, x.dtype), x));
	}
	const stored = fillValue('maskedFill', x.dtype, value);
	return composed('maskedFill', () => filledWhere(broadcastTo(x, shape), broadcastTo(mask, shape), stored));
}

function filledWhere(x: Tensor, mask: Tensor, value: number): Tensor {
	return maskedFillOperation({ x, mask }, { value });
}

const maskedFillOperation = defineOperation({
	name: 'maskedFill',
	inputs: ['x'],
	constants: ['mask'],
	forward: ({ x, mask }, { value }: { readonly value: number }) => {
		const y = emptyOn(x, x.shape);
		elementwiseKernels(x.backend).where({ condition: mask, a: filledView(x, x.shape, value), b: x }, { y }, {});
		return y;
	},
	saves: ['mask'],
	vjp: (gradient, { mask }) => ({ x: filledWhere(gradient, mask, 0) }),
});

/** One element with `value`, in the dtype and on the device of x, expanded to `shape`. */
export function filledView(x: Tensor, shape: Shape, value: number): Tensor {
	const one = emptyOn(x, [1]);
	layoutKernels(one.backend).fill({}, { y: one }, { value });
	const strides = shape.map(() => 0);
	return viewOf(one, shape, strides, 0);
}

/** The row-major positions of the elements that are not 0. Waits for the device. */
async function nonzeroPositions(x: Tensor): Promise<Int32Array> {
	const values = await x.data();
	const found: number[] = [];
	for (let i = 0; i < values.length; i++) if (values[i] !== 0) found.push(i);
	return Int32Array.from(found);
}

function uploaded(like: Tensor, data: Int32Array, shape: Shape): Tensor {
	return new Tensor(like.backend.upload(data, 'int32'), shape);
}

/**
 * The elements of x where the bool `mask` is true, as a vector. x and mask broadcast. Returns a promise, because only the device knows the
 * size. Differentiable by x. As `torch.masked_select`.
 */
export async function maskedSelect(x: Tensor, mask: Tensor): Promise<Tensor> {
	requireTensor('maskedSelect', x);
	requireTensor('maskedSelect', mask, 'mask');
	requireDType('maskedSelect', mask.dtype, ['bool'], 'mask');
	requireSameDevice('maskedSelect', x, mask);
	const shape = broadcastShapes('maskedSelect', x.shape, mask.shape);
	const whole = broadcastTo(mask, shape);
	const positions = await nonzeroPositions(whole);
	whole.dispose();
	return composed('maskedSelect', () =>
		gathered('maskedSelect', reshape(broadcastTo(x, shape), [-1]), 0, uploaded(x, positions, [positions.length])),
	);
}

/**
 * The coordinates, int32 [count, ndim], of the elements that are not 0, in row-major order. With `asTuple` a vector for each dim, as
 * `index` takes them. Returns a promise, like `maskedSelect`. As `torch.nonzero`.
 */
export function nonzero(x: Tensor, options: { readonly asTuple: true }): Promise<Tensor[]>;
export function nonzero(x: Tensor, options?: { readonly asTuple?: false }): Promise<Tensor>;
export async function nonzero(x: Tensor, options: { readonly asTuple?: boolean } = {}): Promise<Tensor | Tensor[]> {
	const { asTuple = false } = checkOptions('nonzero', options, ['asTuple']);
	requireTensor('nonzero', x);
	const positions = await nonzeroPositions(x);
	const strides = contiguousStrides(x.shape);
	const coordinates = new Int32Array(positions.length * x.ndim);
	positions.forEach((position, i) => {
		strides.forEach((stride, d) => {
			coordinates[i * x.ndim + d] = Math.floor(position / stride) % x.shape[d]!;
		});
	});
	const all = uploaded(x, coordinates, [positions.length, x.ndim]);
	if (!asTuple) return all;
	return tidy(() => Array.from({ length: x.ndim }, (_, d) => contiguous(select(all, 1, d))));
}

/**
 * Counts each number in the vector x of integers: int32 [max(minlength, largest + 1)]. With `weights` of x's shape it adds up the
 * weights instead, in their dtype if floating, else in float32. Default minlength 0. Returns a promise, because the largest number decides
 * the shape. Throws an ArgumentError for a negative number. As `torch.bincount`.
 */
export async function bincount(x: Tensor, options: { weights?: Tensor; minlength?: number } = {}): Promise<Tensor> {
	const { weights, minlength = 0 } = checkOptions('bincount', options, ['weights', 'minlength']);
	requireTensor('bincount', x);
	requireDType('bincount', x.dtype, ['int32', 'int8', 'uint8']);
	requireRank('bincount', 'input', x, 'a vector', 1);
	requireInteger('bincount', 'minlength', minlength, 0, 2 ** 31);
	if (weights !== undefined) {
		requireTensor('bincount', weights, 'weights');
		requireSameDevice('bincount', x, weights);
		requireShape('bincount', 'weights', weights, x.shape, x);
	}
	const values = await x.data();
	let length = minlength;
	for (const value of values) {
		if (value < 0) throw new ArgumentError(`bincount: ${value} is below 0; only numbers of at least 0 can be counted`);
		if (value >= length) length = value + 1;
	}
	if (weights !== undefined) return summedWeights(x, weights, length);
	const counts = new Int32Array(length);
	for (const value of values) counts[value]!++;
	return uploaded(x, counts, [length]);
}

function summedWeights(x: Tensor, weights: Tensor, length: number): Tensor {
	return tidy(() => {
		const floating = detach(to(weights, floatingType(weights.dtype)));
		return scatterAdded('bincount', floating, 0, x, [length]);
	});
}

/**
 * 1 at the class of each int32 index and 0 elsewhere: int32 [...indices.shape, numClasses]. An index out of range throws: on WebGPU at the
 * next read, `sync()` or `step()`. As `torch.nn.functional.one_hot`.
 */
export function oneHot(indices: Tensor, numClasses: number): Tensor {
	requireTensor('oneHot', indices);
	requireInteger('oneHot', 'numClasses', numClasses, 1);
	const check = checkIndices('oneHot', indices, indices, numClasses, 'the classes');
	const shape = [...indices.shape, numClasses];
	checkShape('oneHot', shape);
	return oneHotOperation({ indices }, { numClasses }, { check });
}

const oneHotOperation = defineOperation({
	name: 'oneHot',
	inputs: ['indices'],
	forward: ({ indices }, { numClasses }: { readonly numClasses: number }, check) => {
		const y = emptyOn(indices, [...indices.shape, numClasses]);
		const column = [...indices.shape, 1];
		const index = viewOf(indices, column, [...indices.strides, 0], indices.offset);
		layoutKernels(y.backend).fill({}, { y }, { value: 0 });
		indexingKernels(y.backend).scatterInto(
			{ index, source: filledView(indices, column, 1) },
			{ y },
			{ dim: indices.ndim, unique: true, check },
		);
		return y;
	},
	vjp: NO_GRADIENT,
});
