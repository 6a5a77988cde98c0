/** Sorting and searching: sort, argsort, topk, searchsorted. Sorting is stable in both directions. NaN counts as the largest number. */

import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import { indexingKernels, layoutKernels } from '../../backends/kernels';
import { requireOneOf } from '../../core/checks';
import { promoteScalar } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { normalizeDim, numel, sameShape } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { requireShape, requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { contiguous } from '../layout';
import { promote } from '../operands';
import { type ValuesIndices, valuesIndices } from '../reduce';
import { checkIndices, gathered, scatterAdded } from './gather';

export interface SortOptions {
	/** Whether the largest comes first. Default false. */
	descending?: boolean;
	/** PyTorch's option. It has no effect: equal elements always keep their order. */
	stable?: boolean;
}

export interface TopkOptions {
	/** Whether to take the largest elements, or the smallest. Default true. */
	largest?: boolean;
	/** PyTorch's option. It has no effect: the elements are always in order. */
	sorted?: boolean;
}

/** Sorts x along `dim`, the last by default. Returns the values and their indices in x (int32). As `torch.sort`. */
export function sort(x: Tensor, dim = -1, options: SortOptions = {}): ValuesIndices {
	const { descending = false } = checkOptions('sort', options, ['descending', 'stable']);
	requireTensor('sort', x);
	return sorted('sort', x, dim, descending);
}

/** The indices (int32) that sort x along `dim`, the last by default. As `torch.argsort`. */
export function argsort(x: Tensor, dim = -1, options: SortOptions = {}): Tensor {
	const { descending = false } = checkOptions('argsort', options, ['descending', 'stable']);
	requireTensor('argsort', x);
	return argsortOperation({ x }, { dim: normalizeDim('argsort', dim, x.ndim), descending });
}

interface SortAttributes {
	readonly dim: number;
	readonly descending: boolean;
	/** The number of elements to keep. Default all. */
	readonly count?: number | undefined;
}

const argsortOperation = defineOperation({
	name: 'argsort',
	inputs: ['x'],
	forward: ({ x }, attributes: SortAttributes) => sortedBy(x, attributes).indices,
	vjp: NO_GRADIENT,
});

/** The k largest (or smallest) elements along `dim` in order, and their indices in x (int32). Throws if k exceeds the dim. As `torch.topk`. */
export function topk(x: Tensor, k: number, dim = -1, options: TopkOptions = {}): ValuesIndices {
	const { largest = true } = checkOptions('topk', options, ['largest', 'sorted']);
	requireTensor('topk', x);
	const at = normalizeDim('topk', dim, x.ndim);
	const size = x.shape[at] ?? 1;
	if (!Number.isInteger(k) || k < 0 || k > size)
		throw new ArgumentError(`topk: k = ${k} is out of range for dim ${dim} of ${formatShape(x.shape)}`);
	return sorted('topk', x, dim, largest, k);
}

function sorted(name: string, x: Tensor, dim: number, descending: boolean, count?: number): ValuesIndices {
	const { values, indices } = sortOperation({ x }, { dim: normalizeDim(name, dim, x.ndim), descending, count }, { name });
	return valuesIndices(values, indices);
}

const sortOperation = defineOperation({
	name: 'sort',
	inputs: ['x'],
	outputs: ['values', 'indices'],
	forward: ({ x }, attributes: SortAttributes) => sortedBy(x, attributes),
	saves: ['indices'],
	vjp: ({ values: gradient }, { indices }, { dim }, needs, name) => {
		const { shape } = needs.x;
		return { x: gradient && (shape.length === 0 ? gradient : scatterAdded(name, gradient, dim, indices, shape, true)) };
	},
});

function sortedBy(x: Tensor, { dim, descending, count }: SortAttributes): { values: Tensor; indices: Tensor } {
	const last = Math.max(0, x.ndim - 1);
	const [shape, strides] = x.ndim === 0 ? [[1], [1]] : [[...x.shape], [...x.strides]];
	[shape[dim], shape[last]] = [shape[last]!, shape[dim]!];
	[strides[dim], strides[last]] = [strides[last]!, strides[dim]!];
	const values = emptyOn(x, shape);
	const indices = emptyOn(x, shape, 'int32');
	indexingKernels(x.backend).sort({ x: viewOf(x, shape, strides, x.offset) }, { values, indices }, { descending });
	const back = (y: Tensor) => {
		if (x.ndim === 0) return viewOf(y, [], [], 0);
		const swapped = [...y.strides];
		[swapped[dim], swapped[last]] = [swapped[last]!, swapped[dim]!];
		return contiguous(viewOf(y, x.shape.with(dim, count ?? x.shape[dim]!), swapped, 0));
	};
	return { values: back(values), indices: back(indices) };
}

const SIDES = ['left', 'right'] as const;

export interface SearchOptions {
	/** Whether to insert after equal elements instead of before them. Default false. */
	right?: boolean;
	/** `right` as a word: 'right' inserts after equal elements. Default as `right` says. */
	side?: 'left' | 'right';
	/** The indices (int32, of the sequence's shape) that sort an unsorted sequence, as `argsort` returns them. Default null. */
	sorter?: Tensor | null;
}

/**
 * The positions (int32, in the shape of `values`) at which to insert `values` so that `sortedSequence`, ascending along its last dim, stays
 * sorted. The sequence is a vector, or has the leading dims of the values. As `torch.searchsorted`.
 */
export function searchsorted(sortedSequence: Tensor, values: Tensor | number, options: SearchOptions = {}): Tensor {
	const { side, sorter = null, right = side === 'right' } = checkOptions('searchsorted', options, ['right', 'side', 'sorter']);
	requireTensor('searchsorted', sortedSequence);
	if (side !== undefined) requireOneOf('searchsorted', 'side', side, SIDES);
	if (side === 'left' && right) throw new ArgumentError(`searchsorted: side 'left' and right: true exclude each other`);
	if (typeof values === 'number' || sorter !== null) {
		return composed('searchsorted', () => {
			const wanted = typeof values === 'number' ? scalarOn(sortedSequence, values) : values;
			return searchsorted(sorter === null ? sortedSequence : reordered(sortedSequence, sorter), wanted, { right });
		});
	}
	const [sequence, wanted] = promote('searchsorted', sortedSequence, values) as [Tensor, Tensor];
	const vector = sequence.ndim === 1;
	if (
		sequence.ndim === 0 ||
		(!vector && (wanted.ndim !== sequence.ndim || !sameShape(sequence.shape.slice(0, -1), wanted.shape.slice(0, -1))))
	) {
		throw new ShapeError(
			`searchsorted: the sequence ${formatShape(sequence.shape)} must be a vector or have the leading dims of the values ${formatShape(wanted.shape)}`,
		);
	}
	return searchsortedOperation({ sequence, values: wanted }, { right });
}

const searchsortedOperation = defineOperation({
	name: 'searchsorted',
	inputs: ['sequence', 'values'],
	forward: ({ sequence, values }, { right }: { readonly right: boolean }) => {
		const y = emptyOn(values, values.shape, 'int32');
		const length = sequence.shape.at(-1)!;
		const rows = numel(sequence.shape.slice(0, -1));
		const perRow = rows === 0 ? 0 : values.size / rows;
		const matrix = (x: Tensor, columns: number) => viewOf(x, [rows, columns], [columns, 1], x.offset);
		indexingKernels(sequence.backend).searchsorted(
			{ sorted: matrix(contiguous(sequence), length), values: matrix(contiguous(values), perRow) },
			{ y: matrix(y, perRow) },
			{ right },
		);
		return y;
	},
	vjp: NO_GRADIENT,
});

function scalarOn(x: Tensor, value: number): Tensor {
	const y = emptyOn(x, [], promoteScalar(x.dtype, value));
	layoutKernels(y.backend).fill({}, { y }, { value });
	return y;
}

function reordered(sequence: Tensor, sorter: Tensor): Tensor {
	requireTensor('searchsorted', sorter, 'sorter');
	requireShape('searchsorted', 'sorter', sorter, sequence.shape, sequence, 'sequence');
	const what = `the last dim of ${formatShape(sequence.shape)}`;
	const check = checkIndices('searchsorted', sequence, sorter, sequence.shape.at(-1) ?? 1, what);
	return sequence.ndim === 0 ? sequence : gathered('searchsorted', sequence, sequence.ndim - 1, sorter, check);
}
