/** Classification metrics: accuracy, the confusion matrix, and precision, recall and F1 from it. Definitions are scikit-learn's. */
import { describe, requireCounts, requireOneOf } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { checkOptions, requireOptions } from '../core/options';
import { arange } from '../ops/creation';
import { eq, gt, logicalAnd, logicalOr, lt, to } from '../ops/elementwise';
import { gather, oneHot } from '../ops/indexing';
import { reshape, transpose } from '../ops/layout';
import { matmul } from '../ops/matmul';
import { amax, sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import {
	classesOf,
	countIn,
	DeviceSum,
	MeanMetric,
	type Metric,
	type MetricState,
	once,
	requirePair,
	sumIn,
	updating,
} from './metric';
import { requireScores } from './scores';

/** The fraction of correct predictions. Predictions are classes or scores [N, C]. As `accuracy_score`. */
export class Accuracy extends MeanMetric {
	protected override readonly key = 'right';

	protected override sumOf(prediction: Tensor, target: Tensor): Tensor {
		const [predicted, wanted] = classesOf('Accuracy', prediction, target);
		return sum(to(eq(predicted, wanted), 'int32'));
	}
}

export function accuracy(prediction: Tensor, target: Tensor): Promise<number> {
	return once(new Accuracy(), prediction, target);
}

/**
 * The fraction of samples with the true class among the k highest scores [N, C]. Among equal scores, the higher class wins. Default k 2. As
 * `top_k_accuracy_score`.
 */
export class TopKAccuracy extends MeanMetric {
	readonly k: number;
	protected override readonly key = 'right';

	constructor(options: { k?: number } = {}) {
		super();
		const { k = 2 } = checkOptions('TopKAccuracy', options, ['k']);
		requireCounts('TopKAccuracy', { k }, 1);
		this.k = k;
	}

	protected override sumOf(scores: Tensor, target: Tensor): Tensor {
		requireScores('TopKAccuracy', scores, target);
		const [count, classes] = [scores.shape[0]!, scores.shape[1]!];
		const wanted = reshape(to(target, 'int32'), [count, 1]);
		const own = gather(scores, 1, wanted);
		const indices = arange(classes, { dtype: 'int32', device: scores.device });
		const above = logicalOr(gt(scores, own), logicalAnd(eq(scores, own), gt(reshape(indices, [1, classes]), wanted)));
		return sum(to(lt(sum(to(above, 'int32'), 1), this.k), 'int32'));
	}
}

export function topKAccuracy(scores: Tensor, target: Tensor, options: { k?: number } = {}): Promise<number> {
	return once(new TopKAccuracy(options), scores, target);
}

export interface ConfusionOptions {
	/** Classes are 0 ... numClasses - 1. Default: the C of scores [N, C]. Metrics over several batches need it for predicted classes. */
	readonly numClasses?: number;
}

/**
 * Counts samples by true class (row) and predicted class (column). Counts on the device with a product of one-hot matrices. As
 * `confusion_matrix`.
 */
export class ConfusionMatrix implements Metric<number[][]> {
	readonly #counts = new DeviceSum();
	#numClasses: number | null;
	#count = 0;

	constructor(options: ConfusionOptions = {}) {
		const { numClasses } = checkOptions('ConfusionMatrix', options, ['numClasses']);
		if (numClasses !== undefined) requireCounts('ConfusionMatrix', { numClasses }, 1);
		this.#numClasses = numClasses ?? null;
	}

	update(prediction: Tensor, target: Tensor): void {
		requirePair('ConfusionMatrix', prediction, target);
		this.#numClasses ??= prediction.ndim === target.ndim + 1 ? prediction.shape[1]! : null;
		const classes = this.#numClasses;
		if (classes === null)
			throw new ArgumentError('ConfusionMatrix: give the number of classes: new ConfusionMatrix({ numClasses })');
		updating(() => {
			const [predicted, wanted] = classesOf('ConfusionMatrix', prediction, target);
			const [columns, rows] = [predicted, wanted].map((labels) => to(oneHot(labels!, classes), 'float32'));
			// float32 counts exactly up to 2^24 samples in a batch; the sum over batches is int32.
			this.#counts.add(to(matmul(transpose(rows!, 0, 1), columns!), 'int32'));
		});
		this.#count += target.size;
	}

	async compute(): Promise<number[][]> {
		const counts = await this.#counts.read();
		const classes = counts.length === 0 ? 0 : this.#numClasses!;
		if (counts.reduce((total, count) => total + count, 0) !== this.#count)
			throw new ArgumentError(`ConfusionMatrix: some classes lie outside 0 ... ${classes - 1}; raise numClasses`);
		return Array.from({ length: classes }, (_, i) => counts.slice(i * classes, (i + 1) * classes));
	}

	reset(): void {
		this.#counts.reset();
		this.#count = 0;
	}

	stateDict(): MetricState {
		return { count: this.#count, numClasses: this.#numClasses, counts: this.#counts.state() };
	}

	loadStateDict(state: MetricState): void {
		const count = countIn('ConfusionMatrix', state);
		const counts = sumIn('ConfusionMatrix', state, 'counts', 2);
		const numClasses = (state.numClasses ?? null) as number | null;
		if (counts?.shape.some((size) => size !== numClasses))
			throw new ArgumentError(
				`ConfusionMatrix: the state's counts are ${formatShape(counts.shape)}, not its numClasses, ${describe(numClasses)}, squared`,
			);
		if (numClasses !== null) requireCounts('ConfusionMatrix', { numClasses }, 1);
		this.#count = count;
		this.#numClasses = numClasses;
		this.#counts.restore(counts);
	}
}

/** Finds numClasses if it is not given: from the scores, or by reading the largest class. */
async function countClasses(prediction: Tensor, target: Tensor, { numClasses }: ConfusionOptions): Promise<number> {
	requirePair('confusionMatrix', prediction, target);
	if (numClasses !== undefined) return numClasses;
	if (prediction.ndim === target.ndim + 1) return prediction.shape[1]!;
	if (target.size === 0 || prediction.size === 0) return 2;
	const largest = tidy(() => classesOf('numClasses', prediction, target).map((labels) => amax(labels)));
	const [a, b] = await Promise.all(largest.map((tensor) => tensor.item()));
	for (const tensor of largest) tensor.dispose();
	return Math.max(a!, b!) + 1;
}

export async function confusionMatrix(prediction: Tensor, target: Tensor, options: ConfusionOptions = {}): Promise<number[][]> {
	requireOptions('confusionMatrix', options);
	const numClasses = await countClasses(prediction, target, options);
	return once(new ConfusionMatrix({ numClasses }), prediction, target);
}

/**
 * How to combine classes. 'binary': the value of class `posLabel`. 'micro': counts all classes together. 'macro': the mean over classes
 * that occur in targets or predictions. 'weighted': the same, weighted by the number of targets. For every class, call `perClass`.
 */
export type Average = 'binary' | 'micro' | 'macro' | 'weighted';

export interface AverageOptions extends ConfusionOptions {
	/** Default 'binary', for two classes. */
	readonly average?: Average;
	/** The class that 'binary' evaluates. Default 1. */
	readonly posLabel?: number;
	/** The result of 0 / 0: precision without predictions, recall without targets. Default 0. */
	readonly zeroDivision?: 0 | 1;
}

interface Counts {
	readonly hits: number;
	readonly predicted: number;
	readonly wanted: number;
}

abstract class FromCounts implements Metric<number> {
	readonly #confusion: ConfusionMatrix;
	readonly #options: Required<Omit<AverageOptions, 'numClasses'>>;

	constructor(options: AverageOptions = {}) {
		const name = this.constructor.name;
		const names = ['numClasses', 'average', 'posLabel', 'zeroDivision'] as const;
		const { numClasses, average = 'binary', posLabel = 1, zeroDivision = 0 } = checkOptions(name, options, names);
		requireOneOf(name, 'average', average, ['binary', 'micro', 'macro', 'weighted']);
		if (average === 'binary') requireOneOf(name, 'posLabel', posLabel, [0, 1]);
		requireOneOf(name, 'zeroDivision', zeroDivision, [0, 1]);
		const classes = numClasses ?? (average === 'binary' ? 2 : undefined);
		if (average === 'binary' && classes !== 2)
			throw new ArgumentError(`${name}: average 'binary' takes 2 classes, not ${classes}; choose 'macro', 'micro' or 'weighted'`);
		this.#confusion = new ConfusionMatrix(classes === undefined ? {} : { numClasses: classes });
		this.#options = { average, posLabel, zeroDivision };
	}

	/** The metric of one class, or of all classes together. */
	protected abstract value(counts: Counts, zeroDivision: number): number;

	update(prediction: Tensor, target: Tensor): void {
		this.#confusion.update(prediction, target);
	}

	async #counts(): Promise<Counts[]> {
		const matrix = await this.#confusion.compute();
		return matrix.map((row, i) => ({
			hits: row[i]!,
			predicted: matrix.reduce((total, other) => total + other[i]!, 0),
			wanted: row.reduce((total, count) => total + count, 0),
		}));
	}

	/** The value of every class, in the order of the classes. */
	async perClass(): Promise<number[]> {
		return (await this.#counts()).map((counts) => this.value(counts, this.#options.zeroDivision));
	}

	async compute(): Promise<number> {
		const { average, posLabel, zeroDivision } = this.#options;
		const all = await this.#counts();
		const total = (key: keyof Counts) => all.reduce((sum, counts) => sum + counts[key], 0);
		if (total('wanted') === 0) return Number.NaN;
		if (average === 'binary') return this.value(all[posLabel] ?? { hits: 0, predicted: 0, wanted: 0 }, zeroDivision);
		if (average === 'micro')
			return this.value({ hits: total('hits'), predicted: total('predicted'), wanted: total('wanted') }, zeroDivision);
		const present = all.filter(({ predicted, wanted }) => predicted + wanted > 0);
		const weights = present.map(({ wanted }) => (average === 'macro' ? 1 : wanted));
		const sum = present.reduce((sum, counts, i) => sum + weights[i]! * this.value(counts, zeroDivision), 0);
		return sum / weights.reduce((sum, weight) => sum + weight, 0);
	}

	reset(): void {
		this.#confusion.reset();
	}

	stateDict(): MetricState {
		return this.#confusion.stateDict();
	}

	loadStateDict(state: MetricState): void {
		this.#confusion.loadStateDict(state);
	}
}

function precisionOf({ hits, predicted }: Counts, zeroDivision: number): number {
	return predicted === 0 ? zeroDivision : hits / predicted;
}

function recallOf({ hits, wanted }: Counts, zeroDivision: number): number {
	return wanted === 0 ? zeroDivision : hits / wanted;
}

/** The fraction of the predictions of a class that are correct: TP / (TP + FP). As `precision_score`. */
export class Precision extends FromCounts {
	protected override value(counts: Counts, zeroDivision: number): number {
		return precisionOf(counts, zeroDivision);
	}
}

/** The fraction of the samples of a class that were predicted: TP / (TP + FN). As `recall_score`. */
export class Recall extends FromCounts {
	protected override value(counts: Counts, zeroDivision: number): number {
		return recallOf(counts, zeroDivision);
	}
}

/** The harmonic mean of precision and recall. As `f1_score`. */
export class F1 extends FromCounts {
	protected override value(counts: Counts, zeroDivision: number): number {
		const [precision, recall] = [precisionOf(counts, zeroDivision), recallOf(counts, zeroDivision)];
		return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
	}
}

type Averaged = (prediction: Tensor, target: Tensor, options?: AverageOptions) => Promise<number>;

function functional(name: string, Class: new (options: AverageOptions) => Metric<number>): Averaged {
	const measure: Averaged = async (prediction, target, options = {}) => {
		requireOptions(Class.name, options);
		let numClasses = await countClasses(prediction, target, options);
		if ((options.average ?? 'binary') === 'binary') numClasses = Math.max(numClasses, 2);
		return once(new Class({ ...options, numClasses }), prediction, target);
	};
	return Object.defineProperty(measure, 'name', { value: name });
}

/** `Precision` of one batch. */
export const precision: Averaged = functional('precision', Precision);
/** `Recall` of one batch. */
export const recall: Averaged = functional('recall', Recall);
/** `F1` of one batch. */
export const f1: Averaged = functional('f1', F1);
