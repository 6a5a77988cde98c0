/** Kernels that move elements and compute nothing. */
import type { View } from './storage';

type None = Record<string, never>;

export interface LayoutKernels {
	/** y = x, with the same shape and dtype. x has any strides; y is contiguous. */
	copy(inputs: { x: View }, outputs: { y: View }, attributes: None): void;
	/**
	 * Writes x into y, a view of any strides without overlap. The storage of y keeps its other elements. x shares no storage with
	 * y.
	 */
	copyInto(inputs: { x: View }, outputs: { y: View }, attributes: None): void;
	/** Sets every element of y, a view of any strides, to `value`. */
	fill(inputs: None, outputs: { y: View }, attributes: { value: number }): void;
	/** y[i] = start + i * step, without repeated addition. */
	arange(inputs: None, outputs: { y: View }, attributes: { start: number; step: number }): void;
	/**
	 * y is x with `before[d]` elements of `value` in front of dimension d; y's shape implies the elements behind it. A negative
	 * number crops.
	 */
	pad(inputs: { x: View }, outputs: { y: View }, attributes: { before: readonly number[]; value: number }): void;
}
