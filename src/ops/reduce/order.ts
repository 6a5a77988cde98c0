/** Reductions that choose an element: extremes, their positions, and medians. The conventions are those of sums.ts. */

import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import { layoutKernels, lineKernels, reduceKernels } from '../../backends/kernels';
import { isFloating, requireDType } from '../../core/dtype';
import { ArgumentError, formatShape } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { runOperation } from '../../core/scope';
import type { Shape } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { widened } from '../composed';
import { eq, isnan, logicalAnd, logicalOr, maximum, minimum, where } from '../elementwise';
import { reshape } from '../layout';
import { type Dims, expandReduced, mean, type ReduceOptions, type Reduction, reductionOf, splitEvenly } from './sums';

/** Values and their positions along the reduced dim: `const { values, indices } = max(x, 1)` or `const [values, indices] = ...`. */
export type ValuesIndices = readonly [values: Tensor, indices: Tensor] & { readonly values: Tensor; readonly indices: Tensor };

function nonEmptyReduction(operation: string, x: Tensor, dim: Dims | undefined, options: ReduceOptions): Reduction {
	const reduction = reductionOf(operation, x, dim, options);
	if (reduction.count === 0) {
		throw new ArgumentError(
			`${operation}: shape ${formatShape(x.shape)} has no elements over dims ${formatShape(reduction.dims)}. ${operation} needs at least one`,
		);
	}
	return reduction;
}

/** The largest element over `dim`, all by default. NaN wins. Equal elements share the gradient evenly. As `torch.amax`. */
export function amax(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
	checkOptions('amax', options, ['keepdim']);
	return extreme('amax', 'amax', x, dim, options);
}

/** The smallest element over `dim`, all by default. NaN wins. Equal elements share the gradient evenly. As `torch.amin`. */
export function amin(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
	checkOptions('amin', options, ['keepdim']);
	return extreme('amin', 'amin', x, dim, options);
}

function extreme(name: string, op: 'amax' | 'amin', x: Tensor, dim: Dims | undefined, options: ReduceOptions): Tensor {
	return extremeOperation({ x }, { op, ofAll: name !== op, ...nonEmptyReduction(name, x, dim, options) }, { name });
}

type ExtremeAttributes = Reduction & {
	readonly op: 'amax' | 'amin';
	/** Whether it is max or min of all elements. Then NaN elements share the gradient of a NaN. */
	readonly ofAll: boolean;
};

const extremeOperation = defineOperation({
	name: 'amax',
	inputs: ['x'],
	forward: ({ x }, { op, dims, shape }: ExtremeAttributes) => {
		const y = emptyOn(x, shape);
		reduceKernels(x.backend).reduce({ x }, { y }, { op, dims });
		return y;
	},
	saves: ['x', 'output'],
	vjp: (gradient, { x, output: y }, { dims, ofAll }) => ({
		x: ofAll ? shareAmongAll(x, y, gradient) : splitEvenly(eq(x, expandReduced(y, x.shape, dims)), ...widened(gradient), dims),
	}),
});

/** For max, min and median of all elements. As in PyTorch, NaN elements share the gradient of a NaN, unlike in amax and amin. */
function shareAmongAll(x: Tensor, y: Tensor, gradient: Tensor): Tensor {
	const chosen = logicalOr(eq(x, y), logicalAnd(isnan(x), isnan(y)));
	return splitEvenly(chosen, gradient, [...x.shape.keys()]);
}

/**
 * Without `dim`: the largest of all elements, as `amax`. With `dim`: the largest element along that dim and its first position (int32); the
 * gradient goes to that element alone. With another tensor: `maximum`. NaN wins. As `torch.max`.
 */
export function max(x: Tensor): Tensor;
export function max(x: Tensor, other: Tensor): Tensor;
export function max(x: Tensor, dim: number, options?: ReduceOptions): ValuesIndices;
export function max(x: Tensor, dim?: number | Tensor, options: ReduceOptions = {}): Tensor | ValuesIndices {
	if (dim instanceof Tensor) return runOperation('max', () => maximum(x, dim));
	checkOptions('max', options, ['keepdim']);
	return dim === undefined ? extreme('max', 'amax', x, undefined, {}) : extremum('max', x, dim, options);
}

/** The smallest element, in the forms of `max`. As `torch.min`. */
export function min(x: Tensor): Tensor;
export function min(x: Tensor, other: Tensor): Tensor;
export function min(x: Tensor, dim: number, options?: ReduceOptions): ValuesIndices;
export function min(x: Tensor, dim?: number | Tensor, options: ReduceOptions = {}): Tensor | ValuesIndices {
	if (dim instanceof Tensor) return runOperation('min', () => minimum(x, dim));
	checkOptions('min', options, ['keepdim']);
	return dim === undefined ? extreme('min', 'amin', x, undefined, {}) : extremum('min', x, dim, options);
}

function extremum(name: 'max' | 'min', x: Tensor, dim: number, options: ReduceOptions): ValuesIndices {
	const { values, indices } = extremumOperation({ x }, { op: name, ...nonEmptyReduction(name, x, dim, options) }, { name });
	return valuesIndices(values, indices);
}

const extremumOperation = defineOperation({
	name: 'max',
	inputs: ['x'],
	outputs: ['values', 'indices'],
	forward: ({ x }, { op, dims, shape }: Reduction & { readonly op: 'max' | 'min' }) => {
		const outputs = { values: emptyOn(x, shape), indices: emptyOn(x, shape, 'int32') };
		reduceKernels(x.backend).extremum({ x }, outputs, { op, dims });
		return outputs;
	},
	saves: ['indices'],
	vjp: (gradient, { indices }, { dims }, needs) => ({ x: toSelected(gradient.values, indices, needs.x.shape, dims) }),
});

export function valuesIndices(values: Tensor, indices: Tensor): ValuesIndices {
	return Object.assign([values, indices] as const, { values, indices });
}

/** Gives the gradient to the element at the saved position along the only dim, and 0 to the others. */
function toSelected(gradient: Tensor | null, indices: Tensor, shape: Shape, dims: readonly number[]): Tensor | null {
	if (gradient === null) return null;
	const dim = dims[0];
	if (dim === undefined) return reshape(gradient, shape);
	const line = emptyOn(indices, [shape[dim]!]);
	layoutKernels(line.backend).arange({}, { y: line }, { start: 0, step: 1 });
	const along = reshape(
		line,
		shape.map((size, d) => (d === dim ? size : 1)),
	);
	return where(eq(along, expandReduced(indices, shape, dims)), expandReduced(gradient, shape, dims), 0);
}

/**
 * The position (int32) of the largest element along `dim`, or in the flattened tensor. The first of equal elements; the first NaN if there
 * is one. As `torch.argmax`.
 */
export function argmax(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
	checkOptions('argmax', options, ['keepdim']);
	return position('argmax', 'max', x, dim, options);
}

/** The position (int32) of the smallest element, with the rules of `argmax`. As `torch.argmin`. */
export function argmin(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
	checkOptions('argmin', options, ['keepdim']);
	return position('argmin', 'min', x, dim, options);
}

function position(name: string, op: 'max' | 'min', x: Tensor, dim: number | undefined, options: ReduceOptions): Tensor {
	return positionOperation({ x }, { op, ...nonEmptyReduction(name, x, dim, options) }, { name });
}

const positionOperation = defineOperation({
	name: 'argmax',
	inputs: ['x'],
	forward: ({ x }, { op, dims, shape }: Reduction & { readonly op: 'max' | 'min' }) => {
		const indices = emptyOn(x, shape, 'int32');
		reduceKernels(x.backend).extremum({ x }, { indices }, { op, dims });
		return indices;
	},
	vjp: NO_GRADIENT,
});

/**
 * Without `dim`: the lower median of all elements; equal elements share its gradient evenly. With `dim`: the lower median along that dim
 * and its first position (int32); the gradient goes to that element alone. NaN wins. As `torch.median`.
 */
export function median(x: Tensor): Tensor;
export function median(x: Tensor, dim: number, options?: ReduceOptions): ValuesIndices;
export function median(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor | ValuesIndices {
	checkOptions('median', options, ['keepdim']);
	requireTensor('median', x);
	// The median of an empty tensor is NaN, like its mean.
	if (dim === undefined && x.size === 0 && isFloating(x.dtype)) return runOperation('median', () => mean(x));
	const reduction = nonEmptyReduction('median', x, dim, options);
	requireDType('median', x.dtype, ['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int8', 'uint8']);
	if (dim === undefined) return medianOfAll({ x }, reduction);
	const { values, indices } = medianOperation({ x }, reduction);
	return valuesIndices(values, indices);
}

function findMedian(x: Tensor, dim: number, shape: Shape) {
	const outputs = { values: emptyOn(x, shape), indices: emptyOn(x, shape, 'int32') };
	lineKernels(x.backend).median({ x }, outputs, { dim });
	return outputs;
}

const medianOfAll = defineOperation({
	name: 'median',
	inputs: ['x'],
	forward: ({ x }, { shape }: Reduction) => findMedian(reshape(x, [x.size]), 0, shape).values,
	saves: ['x', 'output'],
	vjp: (gradient, { x, output }) => ({ x: shareAmongAll(x, output, gradient) }),
});

const medianOperation = defineOperation({
	name: 'median',
	inputs: ['x'],
	outputs: ['values', 'indices'],
	forward: ({ x }, { dims, shape }: Reduction) => findMedian(x, dims[0] ?? 0, shape),
	saves: ['indices'],
	vjp: (gradient, { indices }, { dims }, needs) => ({ x: toSelected(gradient.values, indices, needs.x.shape, dims) }),
});
