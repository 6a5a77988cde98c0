/** Launches of shaders/layout.wgsl.ts. */
import { arange, copy, fill, pad, transpose } from '../../../shaders/layout.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { isInteger } from '../../core/dtype';
import { numel } from '../../core/shape';
import type { View } from '../contract';
import type { LayoutKernels } from '../contract/layout';
import { planElementwise, scalarsOf } from './elementwisePlan';
import { type Gpu, storageType } from './launch';
import { collapseDims, viewValue } from './strides';

/** Below this many elements a strided copy costs no more than its launch; a second pipeline would cost more. */
const SMALLEST_TRANSPOSE = 4096;

/** The element type of a copy: two bytes or four. */
function typeAndBytes(view: View): { type: 'u32' | 'f16'; bytes: number } {
	return view.dtype === 'float16' ? { type: 'f16', bytes: 2 } : { type: 'u32', bytes: 4 };
}

/** A value of the view's dtype as kernel parameters. */
function elementOf(view: View, value: number) {
	return scalarsOf(view, view.dtype === 'bool' ? Number(value !== 0) : value);
}

/** Sets every element of y to `value`. */
export function fillView(gpu: Gpu, y: View, value: number): void {
	const plan = planElementwise(gpu, [], y, elementOf(y, value));
	const { type, bytes } = typeAndBytes(y);
	gpu.launch({
		kernel: fill,
		variant: { type, access: plan.access },
		buffers: { out: y.storage },
		params: plan.params,
		grid: plan.grid,
		flops: 0,
		bytes: bytes * plan.size,
	});
}

export function layoutKernels(gpu: Gpu): LayoutKernels {
	/**
	 * Copies by tiles if y is consecutive along one dimension, x along another, and all else is aligned. Returns whether it did.
	 */
	function copyTransposed(x: View, y: View): boolean {
		const size = numel(y.shape);
		if (size < SMALLEST_TRANSPOSE || x.offset % 4 !== 0 || y.offset % 4 !== 0) return false;
		const { shape, strides } = collapseDims(y.shape, [x.strides, y.strides]);
		const [xs, ys] = strides as [readonly number[], readonly number[]];
		const row = ys.indexOf(1);
		const column = xs.indexOf(1);
		if (row < 0 || column < 0 || row === column || shape[row]! % 4 !== 0 || shape[column]! % 4 !== 0) return false;
		const aligned = shape.every((_, d) => (d === column || xs[d]! % 4 === 0) && (d === row || ys[d]! % 4 === 0));
		if (!aligned) return false;
		const { type, bytes } = typeAndBytes(x);
		const outer = shape.map((_, d) => d).filter((d) => d !== row && d !== column);
		const count = numel(outer.map((d) => shape[d]!));
		const [rowQuads, columnQuads] = [shape[row]! / 4, shape[column]! / 4];
		gpu.launch({
			kernel: transpose,
			variant: { type },
			buffers: { x: x.storage, y: y.storage },
			params: {
				sizes: outer.map((d) => shape[d]!),
				steps: outer.flatMap((d) => [xs[d]! / 4, ys[d]! / 4, 0, 0]),
				rank: outer.length,
				count,
				rowQuads,
				columnQuads,
				xOffset: x.offset / 4,
				yOffset: y.offset / 4,
				xStep: xs[row]! / 4,
				yStep: ys[column]! / 4,
			},
			grid: [Math.ceil(rowQuads / 8) * Math.ceil(columnQuads / 8) * count],
			flops: 0,
			bytes: 2 * bytes * size,
		});
		return true;
	}

	function copyView(x: View, y: View): void {
		if (copyTransposed(x, y)) return;
		const plan = planElementwise(gpu, [x], y);
		const { type, bytes } = typeAndBytes(x);
		gpu.launch({
			kernel: copy,
			variant: { type, access: plan.access },
			buffers: { x: x.storage, out: y.storage },
			params: plan.params,
			grid: plan.grid,
			flops: 0,
			bytes: 2 * bytes * plan.size,
		});
	}

	return {
		copy({ x }, { y }) {
			copyView(x, y);
		},

		copyInto({ x }, { y }) {
			copyView(x, y);
		},

		fill(_inputs, { y }, { value }) {
			fillView(gpu, y, value);
		},

		arange(_inputs, { y }, { start, step }) {
			const size = numel(y.shape);
			gpu.launch({
				kernel: arange,
				variant: { type: storageType(y) },
				buffers: { out: y.storage },
				params: isInteger(y.dtype) ? { size, integerStart: start, integerStep: step } : { size, start, step },
				grid: [Math.ceil(size / (4 * WORKGROUP_SIZE))],
				flops: 2 * size,
				bytes: typeAndBytes(y).bytes * size,
			});
		},

		pad({ x }, { y }, { before, value }) {
			const size = numel(y.shape);
			const { type, bytes } = typeAndBytes(y);
			gpu.launch({
				kernel: pad,
				variant: { type },
				buffers: { x: x.storage, out: y.storage },
				params: { x: viewValue(x), outSizes: y.shape, before, size, ...elementOf(y, value) },
				grid: [Math.ceil(size / (4 * WORKGROUP_SIZE))],
				flops: 0,
				bytes: bytes * (numel(x.shape) + size),
			});
		},
	};
}
