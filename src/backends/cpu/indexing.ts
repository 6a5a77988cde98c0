/** Gather, scatter and sort on the host: the reference for shaders/indexing.wgsl.ts and shaders/sort.wgsl.ts. */
import { ArgumentError } from '../../core/errors';
import { indexMessage } from '../../core/indexCheck';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { IndexingKernels } from '../contract/indexing';
import { cpuData, positions } from './storage';

/** The position in `target` that each element of `index` addresses: its own coordinates, with its value in dim `dim`. */
function targetPositions(target: View, index: View, dim: number): Int32Array {
	// The coordinates of `index`, with target's strides and without `dim`.
	const strides = target.strides.map((stride, d) => (d === dim ? 0 : stride));
	const result = positions({ shape: index.shape, strides, offset: target.offset });
	const values = cpuData(index);
	positions(index).forEach((position, i) => {
		result[i]! += values[position]! * target.strides[dim]!;
	});
	return result;
}

/** Ascending; NaN is larger than everything. */
function compare(a: number, b: number): number {
	if (a < b) return -1;
	if (a > b) return 1;
	if (a === b) return 0;
	return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

export const indexing: IndexingKernels = {
	checkIndices({ index }, _, check) {
		const { least, count, ignored, wraps = false, ascending = false } = check;
		const values = cpuData(index);
		let before = least;
		positions(index).forEach((position, i) => {
			const value = values[position]!;
			if (value === ignored) return;
			const at = wraps && value < 0 ? value + count : value;
			const falls = ascending && (i === 0 ? value !== least : value < before);
			if (at < least || at >= least + count || falls) throw new ArgumentError(indexMessage(check, value));
			before = value;
		});
	},

	gather({ x, index }, { y }, { dim }) {
		const source = cpuData(x);
		const target = cpuData(y);
		targetPositions(x, index, dim).forEach((at, i) => {
			target[i] = source[at]!;
		});
	},

	scatterAddInto({ index, source }, { y }, { dim }) {
		const added = cpuData(source);
		const target = cpuData(y);
		const from = positions(source);
		const sums = Float64Array.from(target);
		targetPositions(y, index, dim).forEach((at, i) => {
			sums[at]! += added[from[i]!]!;
		});
		target.set(sums);
	},

	scatterReduceInto({ index, source }, { y }, { dim, op }) {
		const given = cpuData(source);
		const target = cpuData(y);
		const from = positions(source);
		const multiply = y.dtype === 'int32' ? Math.imul : (a: number, b: number) => a * b;
		const combine = { product: multiply, largest: Math.max, smallest: Math.min }[op];
		const results = Float64Array.from(target);
		targetPositions(y, index, dim).forEach((at, i) => {
			results[at] = combine(results[at]!, given[from[i]!]!);
		});
		target.set(results);
	},

	scatterInto({ index, source }, { y }, { dim }) {
		const written = cpuData(source);
		const target = cpuData(y);
		const from = positions(source);
		targetPositions(y, index, dim).forEach((at, i) => {
			target[at] = written[from[i]!]!;
		});
	},

	sort({ x }, { values, indices }, { descending }) {
		const source = cpuData(x);
		const sorted = cpuData(values);
		const stood = cpuData(indices);
		const from = positions(x);
		const length = x.shape.at(-1) ?? 1;
		const sign = descending ? -1 : 1;
		for (let row = 0; row < from.length; row += length) {
			const order = Array.from({ length }, (_, i) => i);
			order.sort((i, j) => sign * compare(source[from[row + i]!]!, source[from[row + j]!]!) || i - j);
			order.forEach((i, at) => {
				sorted[row + at] = source[from[row + i]!]!;
				stood[row + at] = i;
			});
		}
	},

	searchsorted({ sorted, values }, { y }, { right }) {
		const row = cpuData(sorted);
		const wanted = cpuData(values);
		const result = cpuData(y);
		const length = sorted.shape[1]!;
		const perRow = values.shape[1]!;
		for (let i = 0; i < numel(values.shape); i++) {
			const start = sorted.offset + Math.floor(i / perRow) * length;
			let low = 0;
			let high = length;
			while (low < high) {
				const middle = (low + high) >> 1;
				const order = compare(row[start + middle]!, wanted[values.offset + i]!);
				if (order < 0 || (right && order === 0)) low = middle + 1;
				else high = middle;
			}
			result[i] = low;
		}
	},
};
