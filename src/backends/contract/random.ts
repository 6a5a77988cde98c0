/**
 * Kernels that draw random numbers. All are pure functions of their key (see core/philox): element i, in row-major order of
 * the output's shape, comes from word i of the key's stream. The same key gives the same bits on every device, except that
 * normal numbers agree to a few units in the last place only.
 */
import type { RandomKey } from '../../core/philox';
import type { View } from './storage';

type None = Readonly<Record<string, never>>;

export interface RandomKernels {
	/**
	 * out (floating): uniform in [low, high), from 24 random bits. low = high gives low. `largest` is the largest number below high that a
	 * half-precision `out` stores, so that rounding never reaches high.
	 */
	randomUniform(
		inputs: None,
		outputs: { out: View },
		attributes: RandomKey & { low: number; high: number; largest?: number | undefined },
	): void;

	/** out (floating): normal with the given mean and standard deviation, by the Box-Muller transform. */
	randomNormal(inputs: None, outputs: { out: View }, attributes: RandomKey & { mean: number; std: number }): void;

	/**
	 * out (int32): uniform over low .. high - 1, both int32, low < high. A probability has a relative error of at most (high - low)
	 * / 2^32.
	 */
	randomInteger(inputs: None, outputs: { out: View }, attributes: RandomKey & { low: number; high: number }): void;

	/**
	 * out (any dtype): 1 where the element's uniform number is below its probability, else 0. The input p (floating, of out's
	 * shape, any strides) gives each element its own probability; the attribute gives one to all.
	 */
	bernoulli(inputs: { p?: View }, outputs: { out: View }, attributes: RandomKey & { probability?: number }): void;

	/**
	 * y = x * scale where the element is kept; 0 (even of NaN) where it is dropped, with probability p. x and y
	 * are floating, of one shape and dtype; x has any strides. The same kernel with the same key, applied to y's gradient,
	 * gives x's gradient.
	 *
	 * `scale` is 1 / (1 - p) by default, and p = 1 drops everything. Each run of `group` (1 by default) consecutive elements, in
	 * row-major order, shares one draw; dropout2d passes height * width.
	 */
	dropout(inputs: { x: View }, outputs: { y: View }, attributes: RandomKey & { p: number; scale?: number; group?: number }): void;
}
