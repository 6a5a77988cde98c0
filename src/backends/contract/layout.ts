/** Kernels that move elements and compute nothing. */
import type { View } from '../contract';

type None = Record<string, never>;

export interface LayoutKernels {
	/** y = x, same shape and dtype; x of any strides into contiguous y. */
	copy(inputs: { x: View }, outputs: { y: View }, attributes: None): void;
	/** y = x where y is a view of any strides (without overlap) into a storage that keeps its other elements; x shares no storage with y. */
	copyInto(inputs: { x: View }, outputs: { y: View }, attributes: None): void;
	/** Every element of y, a view of any strides, becomes `value`. */
	fill(inputs: None, outputs: { y: View }, attributes: { value: number }): void;
	/** y[i] = start + i * step, computed as such and not by repeated addition. */
	arange(inputs: None, outputs: { y: View }, attributes: { start: number; step: number }): void;
	/** y is x with `before[d]` elements of `value` in front of dimension d and what y's shape leaves behind it; before may be negative (a crop). */
	pad(inputs: { x: View }, outputs: { y: View }, attributes: { before: readonly number[]; value: number }): void;
}
