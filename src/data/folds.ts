/** Cross-validation folds, which test each sample once. Sizes and order are scikit-learn's. */
import { requireCounts } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { randomPermutation } from '../core/philox';
import { generatorOf, groupByClass, type Labels, type SeedOptions } from './split';

export interface FoldOptions extends SeedOptions {
	/** Shuffle the samples before splitting. Default false. */
	readonly shuffle?: boolean;
}

/** The indices of training and test samples, ascending, for `new Subset(dataset, train)`. */
export type Fold = readonly [train: Int32Array, test: Int32Array];

/** Yields the folds, given the fold that tests each sample. */
function* foldsOf(testFold: Int32Array, nSplits: number): IterableIterator<Fold> {
	const indices = Int32Array.from(testFold, (_, i) => i);
	for (let fold = 0; fold < nSplits; fold++) {
		yield [indices.filter((i) => testFold[i] !== fold), indices.filter((i) => testFold[i] === fold)];
	}
}

/**
 * Makes `nSplits` folds (default 5) of consecutive or shuffled samples. The first (samples mod nSplits) folds have one more. As
 * scikit-learn's KFold.
 */
export class KFold {
	readonly nSplits: number;
	readonly #options: FoldOptions;

	constructor(nSplits = 5, options: FoldOptions = {}) {
		requireCounts('KFold', { nSplits }, 2);
		this.nSplits = nSplits;
		this.#options = checkOptions('KFold', options, ['shuffle', 'seed']);
	}

	/** Yields the folds of a dataset, or of a number of samples. */
	split(source: number | { readonly length: number }): IterableIterator<Fold> {
		const total = typeof source === 'number' ? source : source?.length;
		if (!Number.isInteger(total) || total < this.nSplits) {
			throw new ArgumentError(`KFold: ${String(total)} samples are too few for ${this.nSplits} folds`);
		}
		const { shuffle = false, seed } = this.#options;
		const order = shuffle ? randomPermutation(generatorOf(seed).next(), total) : Int32Array.from({ length: total }, (_, i) => i);
		const testFold = new Int32Array(total);
		let start = 0;
		for (let fold = 0; fold < this.nSplits; fold++) {
			const end = start + Math.floor(total / this.nSplits) + (fold < total % this.nSplits ? 1 : 0);
			for (const index of order.subarray(start, end)) testFold[index] = fold;
			start = end;
		}
		return foldsOf(testFold, this.nSplits);
	}
}

/**
 * Makes `nSplits` folds (default 5) with the class proportions of the whole. Without `shuffle`, distributes the samples of a class in
 * order. A class with fewer samples than folds is missing from some folds. As scikit-learn's StratifiedKFold.
 */
export class StratifiedKFold {
	readonly nSplits: number;
	readonly #options: FoldOptions;

	constructor(nSplits = 5, options: FoldOptions = {}) {
		requireCounts('StratifiedKFold', { nSplits }, 2);
		this.nSplits = nSplits;
		this.#options = checkOptions('StratifiedKFold', options, ['shuffle', 'seed']);
	}

	/** Yields the folds of samples with these labels. */
	split(labels: Labels): IterableIterator<Fold> {
		const { shuffle = false, seed } = this.#options;
		const groups = groupByClass('StratifiedKFold', labels);
		if (groups.every((group) => group.length < this.nSplits)) {
			throw new ArgumentError(`StratifiedKFold: no class has ${this.nSplits} samples, one per fold. Use fewer folds, or KFold`);
		}
		const generator = generatorOf(seed);
		const testFold = new Int32Array(labels.length);
		let start = 0;
		for (const group of groups) {
			// Deals out the samples, sorted by class, to the folds in turn; these are the folds of this class.
			const dealt = Array.from(group, (_, i) => (start + i) % this.nSplits).sort((a, b) => a - b);
			start += group.length;
			const order = shuffle ? randomPermutation(generator.next(), group.length) : null;
			group.forEach((index, i) => {
				testFold[index] = dealt[order === null ? i : order[i]!]!;
			});
		}
		return foldsOf(testFold, this.nSplits);
	}
}
