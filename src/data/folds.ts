/** Cross-validation: each sample is tested once. Sizes and order are scikit-learn's. */
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { randomPermutation } from '../core/philox';
import { generatorOf, groupByClass, type Labels, type SeedOptions } from './split';

export interface FoldOptions extends SeedOptions {
	/** Whether the samples are shuffled before they are cut into folds. Default false. */
	readonly shuffle?: boolean;
}

/** Which samples to train with and which to test with, each ascending: for `new Subset(dataset, train)`. */
export type Fold = readonly [train: Int32Array, test: Int32Array];

function requireFolds(name: string, nSplits: number): void {
	if (!Number.isInteger(nSplits) || nSplits < 2) {
		throw new ArgumentError(`${name}: nSplits ${nSplits} must be a whole number of at least 2`);
	}
}

/** The folds as their users want them, by the fold in which each sample is tested. */
function* foldsOf(testFold: Int32Array, nSplits: number): IterableIterator<Fold> {
	const places = Int32Array.from(testFold, (_, i) => i);
	for (let fold = 0; fold < nSplits; fold++) {
		yield [places.filter((i) => testFold[i] !== fold), places.filter((i) => testFold[i] === fold)];
	}
}

/**
 * `nSplits` folds (default 5) of consecutive samples, or of shuffled ones; the first (samples mod nSplits) folds have one more.
 * As scikit-learn's KFold.
 */
export class KFold {
	readonly nSplits: number;
	readonly #options: FoldOptions;

	constructor(nSplits = 5, options: FoldOptions = {}) {
		requireFolds('KFold', nSplits);
		this.nSplits = nSplits;
		this.#options = checkOptions('KFold', options, ['shuffle', 'seed']);
	}

	/** The folds of a dataset, or of that many samples. */
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
			for (const place of order.subarray(start, end)) testFold[place] = fold;
			start = end;
		}
		return foldsOf(testFold, this.nSplits);
	}
}

/**
 * `nSplits` folds (default 5), each with the classes in the proportions of the whole. As scikit-learn's StratifiedKFold: without
 * `shuffle`, samples of a class go to the folds in their order. A class
 * of fewer samples than folds is missing from some of them.
 */
export class StratifiedKFold {
	readonly nSplits: number;
	readonly #options: FoldOptions;

	constructor(nSplits = 5, options: FoldOptions = {}) {
		requireFolds('StratifiedKFold', nSplits);
		this.nSplits = nSplits;
		this.#options = checkOptions('StratifiedKFold', options, ['shuffle', 'seed']);
	}

	/** The folds of samples with these labels. */
	split(labels: Labels): IterableIterator<Fold> {
		const { shuffle = false, seed } = this.#options;
		const groups = groupByClass('StratifiedKFold', labels);
		if (groups.every((group) => group.length < this.nSplits)) {
			throw new ArgumentError(
				`StratifiedKFold: no class has ${this.nSplits} samples, one for each fold. Take fewer folds, or KFold`,
			);
		}
		const generator = generatorOf(seed);
		const testFold = new Int32Array(labels.length);
		let start = 0;
		for (const group of groups) {
			// With all samples sorted by class and dealt out in turn, this is what each fold gets of the class.
			const dealt = Array.from(group, (_, i) => (start + i) % this.nSplits).sort((a, b) => a - b);
			start += group.length;
			const order = shuffle ? randomPermutation(generator.next(), group.length) : null;
			group.forEach((place, i) => {
				testFold[place] = dealt[order === null ? i : order[i]!]!;
			});
		}
		return foldsOf(testFold, this.nSplits);
	}
}
