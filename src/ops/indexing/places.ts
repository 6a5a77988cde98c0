/**
 * Elements by index: gather, scatter and their relatives. Sorting and searching are in order.ts.
 *
 * Indices are int32 and at least 0 (but for `take`). One that is out of range throws where the host can see it, on the CPU. On the GPU it cannot:
 * there reads clamp the index into its range and writes to it do not happen, so memory is safe and the result is not.
 *
 * `gather` and `scatterAdd` are each other's VJP. Everything is deterministic: contributions to one element are added in a fixed
 * order, and of several writes the last in row-major order of the index wins.
 */
import { NO_GRADIENT, record } from '../../autograd/tape';
import { requireDType } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes, checkShape, contiguousStrides, normalizeDim, type Shape, sameShape } from '../../core/shape';
import { emptyOn, Tensor, viewOf } from '../../tensor';
import { tidy } from '../../tidy';
import { add, eq, lt, mul, where } from '../elementwise';
import { broadcastTo, contiguous, narrow, reshape } from '../layout';
import { requireSameDevice, requireTensor } from '../requirements';

/** Throws unless `index` is int32, on the device of `x`, and, where the host can see it, within `least` .. size - 1. */
export function checkIndices(operation: string, x: Tensor, index: Tensor, size: number, what: string, least = 0): void {
	requireDType(operation, index.dtype, ['int32'], 'index');
	requireSameDevice(operation, x, index);
	if (index.size === 0) return;
	if (size === 0) throw new ArgumentError(`${operation}: ${what} has size 0, so there is nothing to index`);
	const values = index.storage.hostData?.();
	if (values === undefined) return;
	const { shape, strides } = index;
	const place = shape.map(() => 0);
	let at = index.offset;
	for (let i = 0; i < index.size; i++) {
		const value = values[at]!;
		if (value < least || value >= size)
			throw new ArgumentError(`${operation}: index ${value} is out of range for ${what} of size ${size}`);
		for (let d = shape.length - 1; d >= 0; d--) {
			at += strides[d]!;
			if (++place[d]! < shape[d]!) break;
			at -= strides[d]! * shape[d]!;
			place[d] = 0;
		}
	}
}

/** Checks what gather and scatter have in common; gives the normalized dim. */
function checkPlaces(operation: string, x: Tensor, dim: number, index: Tensor): number {
	requireTensor(operation, index, 'index');
	if (x.ndim === 0) throw new ShapeError(`${operation}: a scalar has no dim to index; reshape it to [1]`);
	const at = normalizeDim(operation, dim, x.ndim);
	if (index.ndim !== x.ndim || index.shape.some((size, d) => d !== at && size > x.shape[d]!)) {
		throw new ShapeError(
			`${operation}: index ${formatShape(index.shape)} must have the rank of ${formatShape(x.shape)} and be no larger except in dim ${at}`,
		);
	}
	checkIndices(operation, x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`);
	return at;
}

/** y[i, j, ...] = x[i, index[i, j, ...], ...] for dim 1: y has the shape of `index`, which has x's rank and is no larger but in `dim`. */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
	requireTensor('gather', x);
	return gathered('gather', x, checkPlaces('gather', x, dim, index), index);
}

/** `gather` after all checks. */
export function gathered(name: string, x: Tensor, dim: number, index: Tensor): Tensor {
	return record({
		name,
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, index.shape);
			x.backend.kernels.gather({ x, index }, { y }, { dim });
			return y;
		},
		save: () => [index],
		vjp: gatherBack(name, dim, x.shape),
	});
}

function gatherBack(name: string, dim: number, shape: Shape) {
	return (gradient: Tensor, [index]: readonly [Tensor]) => [accumulated(name, gradient, dim, index, shape)];
}

/** Zeros of `shape` to which `source` is added at `index`. */
function accumulated(name: string, source: Tensor, dim: number, index: Tensor, shape: Shape): Tensor {
	return record({
		name,
		inputs: [source],
		forward: () => {
			const y = emptyOn(source, shape);
			y.backend.kernels.fill({}, { y }, { value: 0 });
			y.backend.kernels.scatterAddInto({ index, source: contiguous(source) }, { y }, { dim });
			return y;
		},
		save: () => [index],
		vjp: accumulateBack(name, dim),
	});
}

function accumulateBack(name: string, dim: number) {
	return (gradient: Tensor, [index]: readonly [Tensor]) => [gathered(name, gradient, dim, index)];
}

/** x with `source[i, j, ...]` added at [i, index[i, j, ...], ...] for dim 1. source has x's dtype and at least the shape of `index`. */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
	requireTensor('scatterAdd', x);
	const at = checkPlaces('scatterAdd', x, dim, index);
	return tidy(() => addedAt('scatterAdd', x, at, index, sourceFor('scatterAdd', x, index, source)));
}

/** The part of `source` that belongs to `index`. */
function sourceFor(operation: string, x: Tensor, index: Tensor, source: Tensor): Tensor {
	requireTensor(operation, source, 'source');
	requireDType(operation, source.dtype, [x.dtype], 'source');
	requireSameDevice(operation, x, source);
	if (source.ndim !== index.ndim || source.shape.some((size, d) => size < index.shape[d]!)) {
		throw new ShapeError(
			`${operation}: source ${formatShape(source.shape)} must be at least as large as index ${formatShape(index.shape)}`,
		);
	}
	return index.shape.reduce((part, size, d) => (part.shape[d] === size ? part : narrow(part, d, 0, size)), source);
}

function addedAt(name: string, x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
	requireDType(name, x.dtype, ['float32', 'float64', 'float16', 'int32']);
	return record({
		name,
		inputs: [x, source],
		forward: () => {
			const y = emptyOn(x, x.shape);
			y.backend.kernels.copy({ x }, { y }, {});
			y.backend.kernels.scatterAddInto({ index, source: contiguous(source) }, { y }, { dim });
			return y;
		},
		save: () => [index],
		vjp: (gradient, [at], needs) => [gradient, needs[1] ? gathered(name, gradient, dim, at) : null],
	});
}

/**
 * x with `source[i, j, ...]`, or a number, written at [i, index[i, j, ...], ...] for dim 1. Of several writes to one place the last
 * wins, and it alone receives the gradient.
 */
export function scatter(x: Tensor, dim: number, index: Tensor, source: Tensor | number): Tensor {
	requireTensor('scatter', x);
	const at = checkPlaces('scatter', x, dim, index);
	if (typeof source === 'number') return filledAt(x, at, index, source);
	return tidy(() => writtenAt(x, at, index, sourceFor('scatter', x, index, source)));
}

function writtenAt(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
	return record({
		name: 'scatter',
		inputs: [x, source],
		forward: () => {
			const y = emptyOn(x, x.shape);
			y.backend.kernels.copy({ x }, { y }, {});
			y.backend.kernels.scatterInto({ index, source }, { y }, { dim, unique: false });
			return y;
		},
		save: () => [index],
		vjp: (gradient, [at], needs) => [
			needs[0] ? filledAt(gradient, dim, at, 0) : null,
			needs[1] ? where(winners(at, dim, gradient.shape), gathered('scatter', gradient, dim, at), 0) : null,
		],
	});
}

function filledAt(x: Tensor, dim: number, index: Tensor, value: number): Tensor {
	return record({
		name: 'scatter',
		inputs: [x],
		forward: () => {
			const y = emptyOn(x, x.shape);
			const one = emptyOn(x, [1]);
			const { kernels } = x.backend;
			kernels.copy({ x }, { y }, {});
			kernels.fill({}, { y: one }, { value });
			const source = viewOf(
				one,
				index.shape,
				index.shape.map(() => 0),
				0,
			);
			// Equal values: whichever write comes last, the result is the same.
			kernels.scatterInto({ index, source }, { y }, { dim, unique: true });
			return y;
		},
		save: () => [index],
		vjp: (gradient, [at]) => [filledAt(gradient, dim, at, 0)],
	});
}

/** For each write whether it is the last to its place in a tensor of `shape`. */
function winners(index: Tensor, dim: number, shape: Shape): Tensor {
	const { kernels } = index.backend;
	const order = emptyOn(index, index.shape);
	const last = emptyOn(index, shape);
	kernels.arange({}, { y: viewOf(order, [index.size], [1], 0) }, { start: 0, step: 1 });
	kernels.scatterInto({ index, source: order }, { y: last }, { dim, unique: false });
	return eq(gathered('scatter', last, dim, index), order);
}

/** Zeros of `shape` with `source` at `index`, whose places all differ: the VJP of choosing and reordering. */
export function placedAt(name: string, source: Tensor, dim: number, index: Tensor, shape: Shape): Tensor {
	return record({
		name,
		inputs: [source],
		forward: () => {
			const y = emptyOn(source, shape);
			y.backend.kernels.fill({}, { y }, { value: 0 });
			y.backend.kernels.scatterInto({ index, source }, { y }, { dim, unique: true });
			return y;
		},
		save: () => [index],
		vjp: accumulateBack(name, dim),
	});
}

/** `index`, of one dim, repeated along all dims of `shape` but `dim`, without a copy. */
function spreadIndex(index: Tensor, dim: number, shape: Shape): Tensor {
	const strides = shape.map((_, d) => (d === dim ? (index.strides[0] ?? 0) : 0));
	return viewOf(index, shape.with(dim, index.size), strides, index.offset);
}

function checkRowIndex(operation: string, x: Tensor, dim: number, index: Tensor): number {
	if (x.ndim === 0) throw new ShapeError(`${operation}: a scalar has no dim to index; reshape it to [1]`);
	requireTensor(operation, index, 'index');
	const at = normalizeDim(operation, dim, x.ndim);
	if (index.ndim > 1) throw new ShapeError(`${operation}: the index must be a vector, not ${formatShape(index.shape)}`);
	checkIndices(operation, x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`);
	return at;
}

/** The entries of x along `dim` that the vector `index` lists. */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
	requireTensor('indexSelect', x);
	const at = checkRowIndex('indexSelect', x, dim, index);
	return tidy(() => gathered('indexSelect', x, at, spreadIndex(index, at, x.shape)));
}

/** x with alpha * source added to the entries along `dim` that the vector `index` lists, entry i of source to entry index[i]. */
export function indexAdd(x: Tensor, dim: number, index: Tensor, source: Tensor, options: { alpha?: number } = {}): Tensor {
	const { alpha = 1 } = checkOptions('indexAdd', options, ['alpha']);
	requireTensor('indexAdd', x);
	const at = checkRowIndex('indexAdd', x, dim, index);
	requireTensor('indexAdd', source, 'source');
	requireDType('indexAdd', source.dtype, [x.dtype], 'source');
	requireSameDevice('indexAdd', x, source);
	const expected = x.shape.with(at, index.size);
	if (!sameShape(source.shape, expected)) {
		throw new ShapeError(
			`indexAdd: source ${formatShape(source.shape)} must be ${formatShape(expected)} for ${index.size} indices along dim ${at}`,
		);
	}
	return tidy(() => addedAt('indexAdd', x, at, spreadIndex(index, at, x.shape), alpha === 1 ? source : mul(source, alpha)));
}

/** The elements of x, counted in row-major order (negative ones from the back), that `index` lists, in the shape of `index`. As `torch.take`. */
export function take(x: Tensor, index: Tensor): Tensor {
	requireTensor('take', x);
	requireTensor('take', index, 'index');
	checkIndices('take', x, index, x.size, `the elements of ${formatShape(x.shape)}`, -x.size);
	return tidy(() => {
		const place = where(lt(index, 0), add(index, x.size), index);
		return reshape(gathered('take', reshape(x, [-1]), 0, reshape(place, [-1])), index.shape);
	});
}

/**
 * As `gather`, with x and index broadcast against each other except in `dim`; without `dim` both are flattened. Goes with the
 * indices that argsort, argmax and topk give.
 */
export function takeAlongDim(x: Tensor, index: Tensor, dim?: number): Tensor {
	requireTensor('takeAlongDim', x);
	requireTensor('takeAlongDim', index, 'index');
	if (dim === undefined) {
		checkIndices('takeAlongDim', x, index, x.size, `the elements of ${formatShape(x.shape)}`);
		return tidy(() => gathered('takeAlongDim', reshape(x, [-1]), 0, reshape(index, [-1])));
	}
	if (index.ndim !== x.ndim || x.ndim === 0) {
		throw new ShapeError(
			`takeAlongDim: index ${formatShape(index.shape)} must have the rank of ${formatShape(x.shape)}, at least 1`,
		);
	}
	const at = normalizeDim('takeAlongDim', dim, x.ndim);
	checkIndices('takeAlongDim', x, index, x.shape[at]!, `dim ${at} of ${formatShape(x.shape)}`);
	const others = broadcastShapes('takeAlongDim', x.shape.with(at, 1), index.shape.with(at, 1));
	return tidy(() =>
		gathered(
			'takeAlongDim',
			broadcastTo(x, others.with(at, x.shape[at]!)),
			at,
			broadcastTo(index, others.with(at, index.shape[at]!)),
		),
	);
}

/** x with `value` (a number, or a scalar tensor) where the bool `mask` is true; x and mask are broadcast against each other. */
export function maskedFill(x: Tensor, mask: Tensor, value: number | Tensor): Tensor {
	requireTensor('maskedFill', x);
	requireTensor('maskedFill', mask, 'mask');
	requireDType('maskedFill', mask.dtype, ['bool'], 'mask');
	requireSameDevice('maskedFill', x, mask);
	const shape = broadcastShapes('maskedFill', x.shape, mask.shape);
	if (value instanceof Tensor) {
		if (value.ndim !== 0)
			throw new ShapeError(`maskedFill: the value must be a number or a scalar tensor, not ${formatShape(value.shape)}`);
		requireDType('maskedFill', value.dtype, [x.dtype], 'value');
		return where(mask, value, x);
	}
	return tidy(() => filledWhere(broadcastTo(x, shape), broadcastTo(mask, shape), value));
}

function filledWhere(x: Tensor, mask: Tensor, value: number): Tensor {
	return record({
		name: 'maskedFill',
		inputs: [x],
		forward: () => {
			const one = emptyOn(x, [1]);
			const y = emptyOn(x, x.shape);
			x.backend.kernels.fill({}, { y: one }, { value });
			const a = viewOf(
				one,
				x.shape,
				x.shape.map(() => 0),
				0,
			);
			x.backend.kernels.where({ condition: mask, a, b: x }, { y }, {});
			return y;
		},
		save: () => [mask],
		vjp: (gradient, [where]) => [filledWhere(gradient, where, 0)],
	});
}

/** Positions, in row-major order, where the broadcast `x` is not 0; waits for the device. */
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
 * The elements of x where the bool `mask` is true, as a vector; x and mask are broadcast against each other. How many there are
 * is only known once the device has answered: hence a promise. Differentiable in x.
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
	return tidy(() =>
		gathered('maskedSelect', reshape(broadcastTo(x, shape), [-1]), 0, uploaded(x, positions, [positions.length])),
	);
}

/** The coordinates (int32, [count, ndim]) of the elements that are not 0, in row-major order. A promise, as `maskedSelect`. */
export async function nonzero(x: Tensor): Promise<Tensor> {
	requireTensor('nonzero', x);
	const positions = await nonzeroPositions(x);
	const strides = contiguousStrides(x.shape);
	const coordinates = new Int32Array(positions.length * x.ndim);
	positions.forEach((position, i) => {
		strides.forEach((stride, d) => {
			coordinates[i * x.ndim + d] = Math.floor(position / stride) % x.shape[d]!;
		});
	});
	return uploaded(x, coordinates, [positions.length, x.ndim]);
}

/**
 * How often each number from 0 on occurs in the int32 vector x (int32, [max(minlength, largest + 1)]), or with `weights`, of x's
 * shape, the sum of the weights of each. A promise, since the largest number decides the shape.
 */
export async function bincount(x: Tensor, options: { weights?: Tensor; minlength?: number } = {}): Promise<Tensor> {
	const { weights, minlength = 0 } = checkOptions('bincount', options, ['weights', 'minlength']);
	requireTensor('bincount', x);
	requireDType('bincount', x.dtype, ['int32']);
	if (x.ndim !== 1) throw new ShapeError(`bincount: needs a vector, not ${formatShape(x.shape)}`);
	if (!Number.isInteger(minlength) || minlength < 0 || minlength >= 2 ** 31)
		throw new ArgumentError(`bincount: minlength ${minlength} must be a whole number of at least 0 and below 2^31`);
	if (weights !== undefined && !sameShape(weights.shape, x.shape)) {
		throw new ShapeError(`bincount: weights ${formatShape(weights.shape)} must have the shape of x, ${formatShape(x.shape)}`);
	}
	const values = await x.data();
	let length = minlength;
	for (const value of values) {
		if (value < 0) throw new ArgumentError(`bincount: ${value} is below 0; only numbers of at least 0 can be counted`);
		if (value >= length) length = value + 1;
	}
	if (weights !== undefined) return accumulatedWeights(x, weights, length);
	const counts = new Int32Array(length);
	for (const value of values) counts[value]!++;
	return uploaded(x, counts, [length]);
}

function accumulatedWeights(x: Tensor, weights: Tensor, length: number): Tensor {
	return record({
		name: 'bincount',
		inputs: [weights],
		forward: () => accumulated('bincount', weights, 0, x, [length]),
		vjp: NO_GRADIENT,
	});
}

/** 1 at the class that each index names, 0 elsewhere: int32, [...indices.shape, numClasses]. */
export function oneHot(indices: Tensor, numClasses: number): Tensor {
	requireTensor('oneHot', indices);
	if (!Number.isInteger(numClasses) || numClasses < 1) {
		throw new ArgumentError(`oneHot: numClasses is ${numClasses}; say how many classes there are, at least 1`);
	}
	checkIndices('oneHot', indices, indices, numClasses, 'the classes');
	const shape = [...indices.shape, numClasses];
	checkShape('oneHot', shape);
	return record({
		name: 'oneHot',
		inputs: [indices],
		forward: () => {
			const { kernels } = indices.backend;
			const classes = emptyOn(indices, [numClasses]);
			const equal = emptyOn(indices, shape, 'bool');
			const y = emptyOn(indices, shape);
			kernels.arange({}, { y: classes }, { start: 0, step: 1 });
			const a = viewOf(indices, shape, [...indices.strides, 0], indices.offset);
			const b = viewOf(classes, shape, [...indices.shape.map(() => 0), 1], 0);
			kernels.compare({ a, b }, { y: equal }, { op: 'eq' });
			kernels.cast({ x: equal }, { y }, {});
			return y;
		},
		vjp: NO_GRADIENT,
	});
}
