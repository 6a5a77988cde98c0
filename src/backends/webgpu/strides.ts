/** Views with as few dimensions as their strides allow, and as parameters of kernels. */
import type { ViewValue } from '../../../shaders/parameters';
import type { Shape } from '../../core/shape';
import type { View } from '../contract';

interface CollapsedDims {
	/** At least one dimension. No dimension has size 1 unless it is the only one. */
	readonly shape: readonly number[];
	/** `strides[operand][dimension]`. */
	readonly strides: readonly (readonly number[])[];
}

/**
 * Merges each dimension with the one inside it if a single stride walks both in every operand, and drops dimensions of
 * size 1. `strides` holds one list for each operand. No size of `shape` is 0.
 */
export function collapseDims(shape: Shape, strides: readonly (readonly number[])[]): CollapsedDims {
	const sizes: number[] = [];
	const steps: number[][] = strides.map(() => []);
	// From the innermost dimension outwards; both lists are reversed at the end.
	for (let d = shape.length - 1; d >= 0; d--) {
		const size = shape[d]!;
		if (size === 1) continue;
		const last = sizes.length - 1;
		if (last >= 0 && strides.every((list, k) => list[d] === steps[k]![last]! * sizes[last]!)) {
			sizes[last]! *= size;
		} else {
			sizes.push(size);
			strides.forEach((list, k) => {
				steps[k]!.push(list[d]!);
			});
		}
	}
	if (sizes.length === 0) return { shape: [1], strides: strides.map(() => [1]) };
	return { shape: sizes.reverse(), strides: steps.map((list) => list.reverse()) };
}

export interface Axis {
	readonly size: number;
	readonly stride: number;
}

/** Merges axes (outermost first) that form one run in memory. The result has at least one axis. */
export function collapseAxes(axes: readonly Axis[]): readonly Axis[] {
	const { shape, strides } = collapseDims(
		axes.map(({ size }) => size),
		[axes.map(({ stride }) => stride)],
	);
	return shape.map((size, d) => ({ size, stride: strides[0]![d]! }));
}

/** A view as a kernel parameter. It copies the numbers only, because a launch that waits must not keep a tensor alive. */
export function viewValue({ shape, strides, offset }: Pick<View, 'shape' | 'strides' | 'offset'>): ViewValue {
	return { shape, strides, offset };
}

/** Axes as a parameter of a kernel. */
export function axesView(axes: readonly Axis[], offset?: number): ViewValue {
	return { shape: axes.map(({ size }) => size), strides: axes.map(({ stride }) => stride), offset };
}
