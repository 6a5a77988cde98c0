/** Dims of a view as kernels walk them: neighbours that lie in memory as one are merged, and travel in the parameters. */
import type { ViewValue } from '../../../shaders/parameters';

export interface Axis {
	readonly size: number;
	readonly stride: number;
}

export const NAN_BITS = 0x7fc00000;

/** Joins axes, outermost first, that lie in memory as one; there is always at least one axis. */
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

/** Axes as a parameter of a kernel. */
export function axesView(axes: readonly Axis[], offset?: number): ViewValue {
	return { shape: axes.map(({ size }) => size), strides: axes.map(({ stride }) => stride), offset };
}

/** Sizes or strides as eight parameter words, outermost first; those beyond the rank are not read. */
export function axisWords(axes: readonly Axis[], of: (axis: Axis) => number): number[] {
	return Array.from({ length: 8 }, (_, d) => (d < axes.length ? of(axes[d]!) >>> 0 : 0));
}
