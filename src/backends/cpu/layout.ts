/** Kernels that move elements, on the host. */
import { contiguousStrides, isContiguous, numel } from '../../core/shape';
import type { View } from '../contract';
import type { LayoutKernels } from '../contract/layout';
import { cpuData, forEachPosition, positions } from './storage';

function copyElements(x: View, y: View): void {
	if (numel(x.shape) === 0) return;
	const source = cpuData(x);
	const target = cpuData(y);
	if (isContiguous(x.shape, x.strides) && isContiguous(y.shape, y.strides)) {
		target.set(source.subarray(x.offset, x.offset + numel(x.shape)), y.offset);
		return;
	}
	const at = positions(y);
	forEachPosition(x, (position, i) => {
		target[at[i]!] = source[position]!;
	});
}

export const layout: LayoutKernels = {
	copy({ x }, { y }) {
		copyElements(x, y);
	},

	copyInto({ x }, { y }) {
		copyElements(x, y);
	},

	fill(_inputs, { y }, { value }) {
		const data = cpuData(y);
		const stored = y.dtype === 'bool' ? Number(value !== 0) : value;
		if (isContiguous(y.shape, y.strides)) {
			data.fill(stored, y.offset, y.offset + numel(y.shape));
			return;
		}
		forEachPosition(y, (position) => {
			data[position] = stored;
		});
	},

	arange(_inputs, { y }, { start, step }) {
		const data = cpuData(y);
		const size = numel(y.shape);
		for (let i = 0; i < size; i++) data[y.offset + i] = start + i * step;
	},

	pad({ x }, { y }, { before, value }) {
		cpuData(y).fill(value);
		// The part of x inside y, and its position there. A negative `before` crops at the front, a small y at the back.
		const first = before.map((count) => Math.max(0, -count));
		const shape = x.shape.map((size, d) => Math.max(0, Math.min(size, y.shape[d]! - before[d]!) - first[d]!));
		const strides = contiguousStrides(y.shape);
		const shift = (view: View, to: readonly number[], steps: readonly number[]): View => ({
			storage: view.storage,
			dtype: view.dtype,
			shape,
			strides: steps,
			offset: view.offset + to.reduce((sum, count, d) => sum + count * steps[d]!, 0),
		});
		copyElements(
			shift(x, first, x.strides),
			shift(
				y,
				before.map((count) => Math.max(0, count)),
				strides,
			),
		);
	},
};
