/** Divides the samples of an epoch among the ranks. */
import { requireBoolean, requireCounts, requireInteger } from '../core/checks';
import { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { randomPermutation } from '../core/philox';
import type { Sampler } from '../data';
import { communicatorOf } from './group';

export interface DistributedSamplerOptions {
	/** The number of parts. Default the number of ranks. */
	readonly numReplicas?: number;
	/** Which part. Default this rank. */
	readonly rank?: number;
	/** Draw a new order for each epoch. Default true. */
	readonly shuffle?: boolean;
	/** The seed of the order, the same on all ranks. Default 0. */
	readonly seed?: number;
	/** Leave out the last samples that do not fill all parts, instead of repeating the first ones. Default false. */
	readonly dropLast?: boolean;
}

/**
 * Gives rank r the samples r, r + worldSize, ... of the epoch's order, which all ranks draw alike. All parts have one length: the first samples
 * of the order fill up the last parts. As `torch.utils.data.DistributedSampler`; call `setEpoch` before each epoch.
 */
export class DistributedSampler implements Sampler {
	readonly length: number;
	readonly numReplicas: number;
	readonly rank: number;
	readonly shuffle: boolean;
	readonly seed: number;
	readonly #size: number;
	#epoch = 0;

	constructor(source: number | { readonly length: number }, options: DistributedSamplerOptions = {}) {
		checkOptions('DistributedSampler', options, ['numReplicas', 'rank', 'shuffle', 'seed', 'dropLast']);
		const size = typeof source === 'number' ? source : source?.length;
		requireInteger('DistributedSampler', 'the number of samples', size, 0);
		const { shuffle = true, seed = 0, dropLast = false } = options;
		const numReplicas = options.numReplicas ?? communicatorOf('DistributedSampler').size;
		const rank = options.rank ?? communicatorOf('DistributedSampler').rank;
		requireCounts('DistributedSampler', { numReplicas }, 1);
		requireInteger('DistributedSampler', 'rank', rank, 0, numReplicas);
		requireInteger('DistributedSampler', 'seed', seed);
		for (const [name, value] of Object.entries({ shuffle, dropLast })) requireBoolean('DistributedSampler', name, value);
		this.#size = size;
		this.numReplicas = numReplicas;
		this.rank = rank;
		this.shuffle = shuffle;
		this.seed = seed;
		this.length = Math[dropLast ? 'floor' : 'ceil'](size / numReplicas);
	}

	/** The epoch of the next order, from 0. */
	setEpoch(epoch: number): void {
		requireInteger('DistributedSampler.setEpoch', 'epoch', epoch, 0);
		this.#epoch = epoch;
	}

	indices(): Int32Array {
		const size = this.#size;
		const order = this.shuffle
			? randomPermutation(new Generator(this.seed + this.#epoch).next(), size)
			: Int32Array.from({ length: size }, (_, i) => i);
		return Int32Array.from({ length: this.length }, (_, i) => order[(i * this.numReplicas + this.rank) % size]!);
	}
}
