/** Splits datasets at random, optionally in proportion to classes. */
import { requireList } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { Generator } from '../core/generator';
import { checkOptions } from '../core/options';
import { randomPermutation } from '../core/philox';
import { Tensor } from '../tensor';
import { Subset } from './combine';
import { type Dataset, requireDataset } from './dataset';
import { seedOf } from './randomStream';

export interface SeedOptions {
	/** Default: drawn from the default generator, so that `manualSeed` determines it. */
	readonly seed?: number | bigint;
}

/** The class of each sample: numbers or names. */
export type Labels = ArrayLike<number> | ArrayLike<string>;

export function generatorOf(seed: number | bigint | undefined): Generator {
	const generator = new Generator(0);
	generator.setState({ seed: seedOf(seed), counter: 0 });
	return generator;
}

/**
 * Splits a random order into subsets. `lengths` adds up to the dataset's length, or holds fractions that add up to 1. Fractions round down,
 * and the first parts get the remaining samples, one each. As PyTorch's `random_split`.
 */
export function randomSplit(dataset: Dataset, lengths: readonly number[], options: SeedOptions = {}): Subset[] {
	const { seed } = checkOptions('randomSplit', options, ['seed']);
	requireDataset('randomSplit', dataset);
	requireList('randomSplit', 'lengths or fractions', lengths);
	const sizes = splitSizes(dataset.length, lengths);
	const order = randomPermutation(generatorOf(seed).next(), dataset.length);
	let end = 0;
	return sizes.map((size) => {
		end += size;
		return new Subset(dataset, order.subarray(end - size, end));
	});
}

function splitSizes(total: number, lengths: readonly number[]): number[] {
	const sum = lengths.reduce((a, b) => a + b, 0);
	if (lengths.length === 0 || lengths.some((length) => !(length >= 0))) {
		throw new ArgumentError(`randomSplit: lengths [${lengths.join(', ')}] must be numbers of at least 0`);
	}
	if (sum === total && lengths.every(Number.isInteger)) return [...lengths];
	if (Math.abs(sum - 1) > 1e-9 || lengths.some((length) => length > 1)) {
		throw new ArgumentError(
			`randomSplit: [${lengths.join(', ')}] add up to ${sum}; lengths must add up to the ${total} samples, fractions to 1`,
		);
	}
	const sizes = lengths.map((fraction) => Math.floor(total * fraction));
	const over = total - sizes.reduce((a, b) => a + b, 0);
	for (let i = 0; i < over; i++) sizes[i % sizes.length]!++;
	return sizes;
}

export interface TrainTestOptions extends SeedOptions {
	/** A fraction between 0 and 1 (rounded up), or a number of samples. Default: the complement of `trainSize`, or 0.25. */
	readonly testSize?: number;
	/** A fraction between 0 and 1 (rounded down), or a number of samples. Default: the complement of `testSize`. */
	readonly trainSize?: number;
	/** Shuffle the samples first; otherwise the last samples are the test samples. Default true. */
	readonly shuffle?: boolean;
	/** The class of each sample. Both parts then have the class proportions of the whole. Default none. */
	readonly stratify?: Labels;
}

const SPLIT_OPTIONS = ['testSize', 'trainSize', 'shuffle', 'stratify', 'seed'] as const;

/** Splits a dataset into training and test samples. As scikit-learn's `train_test_split`. */
export function trainTestSplit(dataset: Dataset, options: TrainTestOptions = {}): [train: Subset, test: Subset] {
	requireDataset('trainTestSplit', dataset);
	const { shuffle = true, stratify, seed } = checkOptions('trainTestSplit', options, SPLIT_OPTIONS);
	const total = dataset.length;
	const [train, test] = trainTestSizes(total, options);
	if (!shuffle) {
		if (stratify !== undefined) throw new ArgumentError('trainTestSplit: stratify needs shuffle');
		const indices = Int32Array.from({ length: train + test }, (_, i) => i);
		return [new Subset(dataset, indices.subarray(0, train)), new Subset(dataset, indices.subarray(train))];
	}
	const generator = generatorOf(seed);
	if (stratify === undefined) {
		const order = randomPermutation(generator.next(), total);
		return [new Subset(dataset, order.subarray(test, test + train)), new Subset(dataset, order.subarray(0, test))];
	}
	const [trainIndices, testIndices] = stratifiedIndices(stratify, total, train, test, generator);
	return [new Subset(dataset, trainIndices), new Subset(dataset, testIndices)];
}

function trainTestSizes(total: number, { testSize, trainSize }: TrainTestOptions): [train: number, test: number] {
	const counted = (name: string, size: number | undefined, round: (x: number) => number) => {
		if (size === undefined) return undefined;
		const fraction = size > 0 && size < 1;
		if (!fraction && !(Number.isInteger(size) && size > 0 && size < total)) {
			throw new ArgumentError(
				`trainTestSplit: ${name} ${size} must be a fraction between 0 and 1, or a number from 1 to ${total - 1} of the ${total} samples`,
			);
		}
		return fraction ? round(size * total) : size;
	};
	const defaultTest = testSize === undefined && trainSize === undefined ? 0.25 : testSize;
	const test = counted('testSize', defaultTest, Math.ceil);
	const train = counted('trainSize', trainSize, Math.floor);
	const sizes: [number, number] = [train ?? total - test!, test ?? total - train!];
	if (sizes[0] < 1 || sizes[1] < 1 || sizes[0] + sizes[1] > total) {
		throw new ArgumentError(
			`trainTestSplit: ${sizes[0]} training samples and ${sizes[1]} test samples do not fit ${total} samples; both parts need at least one`,
		);
	}
	return sizes;
}

/** Groups samples by class; classes are in order of first appearance. */
export function groupByClass(name: string, labels: Labels, total?: number): Int32Array[] {
	if ((labels as unknown) instanceof Tensor) {
		throw new ArgumentError(`${name}: labels must be on the host: pass await labels.data()`);
	}
	requireList(name, 'labels', labels);
	if (total !== undefined && labels.length !== total) {
		throw new ArgumentError(`${name}: there are ${labels.length} labels for ${total} samples`);
	}
	const groups = new Map<number | string, number[]>();
	for (let i = 0; i < labels.length; i++) {
		const group = groups.get(labels[i]!);
		if (group === undefined) groups.set(labels[i]!, [i]);
		else group.push(i);
	}
	return [...groups.values()].map((group) => Int32Array.from(group));
}

/** As scikit-learn's StratifiedShuffleSplit. */
function stratifiedIndices(
	labels: Labels,
	total: number,
	train: number,
	test: number,
	generator: Generator,
): [Int32Array, Int32Array] {
	const groups = groupByClass('trainTestSplit', labels, total);
	const rare = groups.findIndex((group) => group.length < 2);
	if (rare >= 0) {
		throw new ArgumentError(
			`trainTestSplit: class ${labels[groups[rare]![0]!]} has only one sample, so it cannot be in both parts. Remove the sample, or leave out stratify`,
		);
	}
	if (Math.min(train, test) < groups.length) {
		throw new ArgumentError(
			`trainTestSplit: ${groups.length} classes do not fit into ${Math.min(train, test)} samples. Make that part larger`,
		);
	}
	const counts = groups.map((group) => group.length);
	const trainCounts = apportioned(counts, train);
	const testCounts = apportioned(
		counts.map((count, k) => count - trainCounts[k]!),
		test,
	);
	const trainIndices: number[] = [];
	const testIndices: number[] = [];
	groups.forEach((group, k) => {
		const order = randomPermutation(generator.next(), group.length).map((index) => group[index]!);
		trainIndices.push(...order.subarray(0, trainCounts[k]!));
		testIndices.push(...order.subarray(trainCounts[k]!, trainCounts[k]! + testCounts[k]!));
	});
	const shuffled = (indices: readonly number[]) =>
		randomPermutation(generator.next(), indices.length).map((index) => indices[index]!);
	return [shuffled(trainIndices), shuffled(testIndices)];
}

/** Distributes `draws` in proportion to `counts`: rounds down and gives the rest to the largest remainders. */
function apportioned(counts: readonly number[], draws: number): number[] {
	const total = counts.reduce((a, b) => a + b, 0);
	const shares = counts.map((count) => (count / total) * draws);
	const result = shares.map(Math.floor);
	const byRemainder = shares.map((_, k) => k).sort((a, b) => (shares[b]! % 1) - (shares[a]! % 1) || a - b);
	const over = draws - result.reduce((a, b) => a + b, 0);
	for (let i = 0; i < over; i++) result[byRemainder[i]!]!++;
	return result;
}
