/** Kernels that sample images at arbitrary positions, for rotation, zoom, crop, flip and gridSample. */
import type { View } from './storage';

/** The value at a position outside the image. */
export type SamplePadding =
	/** `fill`. */
	| 'constant'
	/** The nearest pixel of the image. */
	| 'edge'
	/** The image mirrored at the centres of its outermost pixels: 2 1 | 0 1 2 | 1 0. */
	| 'reflect'
	/** The image mirrored at its outer edges: 1 0 | 0 1 2 | 2 1. */
	| 'symmetric';

export interface SampleAttributes {
	/**
	 * Bilinear: the weighted mean of the four pixels around a position. Nearest: the nearest pixel; of two, the one with the even
	 * index. Bicubic: Keys' cubic convolution of the 16 pixels around a position with A = -0.75; only there the padding moves pixels, not
	 * the position.
	 */
	readonly mode: 'bilinear' | 'nearest' | 'bicubic';
	readonly padding: SamplePadding;
	readonly fill: number;
}

/** The conversion of a grid's numbers to pixels: pixel = (number + 1) * scale + shift, rounded as PyTorch does. */
export interface GridAttributes extends SampleAttributes {
	readonly scale: readonly [x: number, y: number];
	readonly shift: readonly [x: number, y: number];
}

/**
 * x [N, C, H, W] and y [N, C, H', W'] are floating, of one dtype. Positions count pixels from the centre of pixel (0, 0). A pixel
 * outside a 'constant' image has the value `fill`. A bilinear position at the centre of a pixel gives that pixel's bits,
 * even next to NaN. H and W are at least 1.
 */
export interface SampleKernels {
	/**
	 * y[n, c, i, j] = x[n, c] at column m0 j + m1 i + m2, row m3 j + m4 i + m5, where m = matrices[n]; matrices is [N, 6], float32
	 * (float64 if x is float64).
	 */
	affineSample(inputs: { x: View; matrices: View }, outputs: { y: View }, attributes: SampleAttributes): void;

	/** y[n, c, i, j] = x[n, c] at the column and row that grid[n, i, j] gives; grid is [N, H', W', 2], of x's dtype. */
	gridSample(inputs: { x: View; grid: View }, outputs: { y: View }, attributes: GridAttributes): void;
}
