/** Pixels of pictures, as browsers keep them, as planes of numbers. */
import type { View } from './storage';

export interface PixelKernels {
	/**
	 * y [C, H, W], float32, from 0 to 1; C is 1, 3 or 4. x [H, P], int32, contiguous from offset 0: a pixel in each word, red in its lowest
	 * byte, then green, blue and alpha. P is W or more; what follows the W-th pixel of a row is not read. C = 1 is grey:
	 * 0.299 red + 0.587 green + 0.114 blue (ITU-R 601).
	 */
	pixels(inputs: { x: View }, outputs: { y: View }, attributes?: Readonly<Record<never, never>>): void;
}
