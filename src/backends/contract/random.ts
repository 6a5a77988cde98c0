/**
 * Kernels that draw random numbers. All are pure functions of their key (see core/philox): element i, in row-major order of
 * the output's shape, comes from word i of the key's stream. On every device the same key gives the same bits, normal
 * numbers excepted, which agree to a few units of the last place.
 */
import type { RandomKey } from '../../core/philox';
import type { View } from '../contract';

type None = Readonly<Record<string, never>>;

export interface RandomKernels {
	/** out (floating): uniform in [low, high), from 24 random bits. low = high gives low. */
	randomUniform(inputs: None, outputs: { out: View }, attributes: RandomKey & { low: number; high: number }): void;

	/** out (floating): normal of that mean and standard deviation, by Box and Muller's transform. */
	randomNormal(inputs: None, outputs: { out: View }, attributes: RandomKey & { mean: number; std: number }): void;

	/** out (int32): uniform over low .. high - 1, int32 both, low < high; probabilities are off by at most (high - low) / 2^32 of themselves. */
	randomInteger(inputs: None, outputs: { out: View }, attributes: RandomKey & { low: number; high: number }): void;

	/**
	 * out (any dtype): 1 where the element's uniform number is below its probability, else 0. Either p (floating, of out's
	 * shape, any strides) gives each element its own, or the attribute gives one to all.
	 */
	bernoulli(inputs: { p?: View }, outputs: { out: View }, attributes: RandomKey & { probability?: number }): void;

	/**
	 * y = x * scale where the element is kept, 0 (even of NaN) where it is dropped, which happens with probability p. x and y
	 * are floating, of one shape and dtype; x has any strides. The gradient is the same kernel, with the same key, on the
	 * gradient of y.
	 *
	 * `scale` is 1 / (1 - p) by default, and p = 1 drops everything. `group` (1 by default) consecutive elements, in
	 * row-major order, share one draw: height * width of them for dropout2d.
	 */
	dropout(inputs: { x: View }, outputs: { y: View }, attributes: RandomKey & { p: number; scale?: number; group?: number }): void;
}
