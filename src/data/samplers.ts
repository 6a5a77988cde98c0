/** Samplers: the order of samples in an epoch. Names and meaning are PyTorch's. */
import { requireCounts, requireList, wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { defaultGenerator, type Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { forEachWord, multiplyHigh, randomPermutation } from '../core/philox';

/** Determines the samples of an epoch and their order. */
export interface Sampler {
	/** The number of samples per epoch. */
	readonly length: number;
	/** Returns the samples of one epoch. Draw random numbers from `generator` only; the loader seeds it for each epoch. */
	indices(generator: Generator): Iterable<number>;
}

/** Determines the samples of each batch of an epoch. */
export interface BatchIndices {
	/** The number of batches per epoch. */
	readonly length: number;
	batches(generator: Generator): Iterable<ArrayLike<number>>;
}

type Sized = number | { readonly length: number };

function sizeOf(name: string, source: Sized): number {
	const size = typeof source === 'number' ? source : source?.length;
	if (!Number.isInteger(size) || size < 0) {
		throw wrongArgument(name, 'the source', 'a dataset or a number of samples', source);
	}
	return size;
}

/** 0, 1, 2, ... */
export class SequentialSampler implements Sampler {
	readonly length: number;

	constructor(source: Sized) {
		this.length = sizeOf('SequentialSampler', source);
	}

	indices(): Int32Array {
		return Int32Array.from({ length: this.length }, (_, i) => i);
	}
}

export interface RandomSamplerOptions {
	/** Allow a sample to occur several times. Default false. */
	readonly replacement?: boolean;
	/** The number of samples per epoch. If larger than the dataset, starts another round. Default: the dataset's length. */
	readonly numSamples?: number;
}

/** Takes all samples in random order, or `numSamples` of them, with or without replacement. */
export class RandomSampler implements Sampler {
	readonly length: number;
	readonly replacement: boolean;
	readonly #size: number;

	constructor(source: Sized, options: RandomSamplerOptions = {}) {
		const { replacement = false, numSamples } = checkOptions('RandomSampler', options, ['replacement', 'numSamples']);
		this.#size = sizeOf('RandomSampler', source);
		if (numSamples !== undefined) requireCounts('RandomSampler', { numSamples }, 1);
		this.length = numSamples ?? this.#size;
		if (this.#size === 0 && this.length > 0) throw new ArgumentError('RandomSampler: there are no samples to draw from');
		this.replacement = replacement;
	}

	indices(generator: Generator = defaultGenerator): Int32Array {
		if (!this.replacement && this.length === this.#size) return randomPermutation(generator.next(), this.#size);
		const result = new Int32Array(this.length);
		if (this.replacement) {
			forEachWord(generator.next(), this.length, (word, i) => {
				result[i] = multiplyHigh(word, this.#size);
			});
			return result;
		}
		for (let start = 0; start < this.length; start += this.#size) {
			result.set(randomPermutation(generator.next(), this.#size).subarray(0, this.length - start), start);
		}
		return result;
	}
}

/** Takes the samples at `indices` in random order. */
export class SubsetRandomSampler implements Sampler {
	readonly #subset: Int32Array;

	constructor(indices: ArrayLike<number>) {
		requireList('SubsetRandomSampler', 'indices', indices);
		this.#subset = Int32Array.from(indices);
		const odd = this.#subset.findIndex((value, i) => value !== indices[i] || value < 0);
		if (odd >= 0) throw new ArgumentError(`SubsetRandomSampler: index ${indices[odd]} is not a whole number of at least 0`);
	}

	get length(): number {
		return this.#subset.length;
	}

	indices(generator: Generator = defaultGenerator): Int32Array {
		return randomPermutation(generator.next(), this.length).map((index) => this.#subset[index]!);
	}
}

export interface WeightedOptions {
	/** Allow a sample to occur several times. Default true. */
	readonly replacement?: boolean;
}

/**
 * Draws `numSamples` samples with probabilities in proportion to their weights. To balance classes, use `balancedWeights`.
 *
 * Without replacement, draws successively with the keys log(u) / w of Efraimidis and Spirakis, "Weighted random sampling with a reservoir",
 * 2006.
 */
export class WeightedRandomSampler implements Sampler {
	readonly length: number;
	readonly replacement: boolean;
	readonly #weights: Float64Array;

	constructor(weights: ArrayLike<number>, numSamples: number, options: WeightedOptions = {}) {
		const { replacement = true } = checkOptions('WeightedRandomSampler', options, ['replacement']);
		requireCounts('WeightedRandomSampler', { numSamples }, 1);
		requireList('WeightedRandomSampler', 'weights', weights);
		this.#weights = Float64Array.from(weights);
		const odd = this.#weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
		if (odd >= 0) {
			throw new ArgumentError(`WeightedRandomSampler: weight ${odd} is ${weights[odd]}; weights must be finite and at least 0`);
		}
		const positive = this.#weights.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);
		if (positive === 0) throw new ArgumentError('WeightedRandomSampler: all weights are 0, so there is nothing to draw');
		if (!replacement && numSamples > positive) {
			throw new ArgumentError(
				`WeightedRandomSampler: cannot draw ${numSamples} samples without replacement from ${positive} with positive weight`,
			);
		}
		this.length = numSamples;
		this.replacement = replacement;
	}

	indices(generator: Generator = defaultGenerator): Int32Array {
		return this.replacement ? this.#withReplacement(generator) : this.#withoutReplacement(generator);
	}

	#withReplacement(generator: Generator): Int32Array {
		const weights = this.#weights;
		const ends = new Float64Array(weights.length);
		let total = 0;
		let last = 0;
		weights.forEach((weight, i) => {
			total += weight;
			ends[i] = total;
			if (weight > 0) last = i;
		});
		const result = new Int32Array(this.length);
		forEachWord(generator.next(), this.length, (word, i) => {
			const drawn = word * 2 ** -32 * total;
			let [low, high] = [0, last];
			while (low < high) {
				const middle = (low + high) >>> 1;
				if (ends[middle]! > drawn) high = middle;
				else low = middle + 1;
			}
			result[i] = low;
		});
		return result;
	}

	#withoutReplacement(generator: Generator): Int32Array {
		const keys = new Float64Array(this.#weights.length);
		forEachWord(generator.next(), keys.length, (word, i) => {
			const weight = this.#weights[i]!;
			keys[i] = weight > 0 ? Math.log((word + 0.5) * 2 ** -32) / weight : Number.NEGATIVE_INFINITY;
		});
		const order = Int32Array.from(keys, (_, i) => i);
		return order.sort((a, b) => keys[b]! - keys[a]! || a - b).subarray(0, this.length);
	}
}

/** Returns 1 / (number of samples with the same label) for each label. Drawing with these weights makes all classes equally frequent. */
export function balancedWeights(labels: ArrayLike<number | string>): Float64Array {
	requireList('balancedWeights', 'labels', labels);
	const counts = new Map<number | string, number>();
	for (let i = 0; i < labels.length; i++) counts.set(labels[i]!, (counts.get(labels[i]!) ?? 0) + 1);
	return Float64Array.from(labels as ArrayLike<number>, (label) => 1 / counts.get(label)!);
}

export interface BatchSamplerOptions {
	/** Leave out an incomplete last batch. Default false. */
	readonly dropLast?: boolean;
}

/** Groups the samples of `sampler` into batches of `batchSize`. */
export class BatchSampler implements BatchIndices {
	readonly sampler: Sampler;
	readonly batchSize: number;
	readonly dropLast: boolean;

	constructor(sampler: Sampler, batchSize: number, options: BatchSamplerOptions = {}) {
		const { dropLast = false } = checkOptions('BatchSampler', options, ['dropLast']);
		if (typeof sampler?.indices !== 'function') {
			throw new ArgumentError('BatchSampler: the sampler needs a length and indices(generator), like RandomSampler');
		}
		requireCounts('BatchSampler', { batchSize }, 1);
		this.sampler = sampler;
		this.batchSize = batchSize;
		this.dropLast = dropLast;
	}

	get length(): number {
		return Math[this.dropLast ? 'floor' : 'ceil'](this.sampler.length / this.batchSize);
	}

	*batches(generator: Generator = defaultGenerator): IterableIterator<Int32Array> {
		const indices = this.sampler.indices(generator);
		const order = indices instanceof Int32Array ? indices : Int32Array.from(indices);
		for (let start = 0; start < order.length; start += this.batchSize) {
			if (this.dropLast && start + this.batchSize > order.length) return;
			yield order.subarray(start, start + this.batchSize);
		}
	}
}
