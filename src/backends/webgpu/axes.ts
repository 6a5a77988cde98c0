/** Dims of a view as kernels walk them: adjacent dims that form one run in memory are merged. */
import type { ViewValue } from '../../../shaders/parameters';
import type { View } from '../contract';

export interface Axis {
	readonly size: number;
	readonly stride: number;
}

/** Merges axes (outermost first) that form one run in memory. The result has at least one axis. */
export function mergedAxes(axes: readonly Axis[]): readonly Axis[] {
	const result: Axis[] = [];
	for (const axis of axes) {
		const last = result[result.length - 1];
		if (axis.size === 1) continue;
		if (last !== undefined && last.stride === axis.size * axis.stride) {
			result[result.length - 1] = { size: last.size * axis.size, stride: axis.stride };
		} else {
			result.push(axis);
		}
	}
	return result.length > 0 ? result : [{ size: 1, stride: 1 }];
}

/** A view as a kernel parameter. It copies the numbers only, because a launch that waits must not keep a tensor alive. */
export function viewValue({ shape, strides, offset }: Pick<View, 'shape' | 'strides' | 'offset'>): ViewValue {
	return { shape, strides, offset };
}

/** Axes as a parameter of a kernel. */
export function axesView(axes: readonly Axis[], offset?: number): ViewValue {
	return { shape: axes.map(({ size }) => size), strides: axes.map(({ stride }) => stride), offset };
}
