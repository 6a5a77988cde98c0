/**
 * Encodes categories as numbers by scikit-learn's definitions. Categories are strings or numbers on the host; encoded values are tensors.
 */
import type { DeviceName } from '../../backends/contract';
import { deviceOfNew } from '../../backends/registry';
import { describe, requireList, requireOneOf } from '../../core/checks';
import type { DType } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { tensor } from '../../ops/creation';
import { Tensor } from '../../tensor';
import { requireFitted } from './columns';

export type Category = string | number;

/** Returns each category once, ascending: numbers by value with NaN last, strings by character codes. */
function sortedCategories(name: string, values: Iterable<Category>): Category[] {
	const categories = [...new Set(values)];
	const kinds = new Set(categories.map((category) => typeof category));
	if (kinds.size > 1 || !(kinds.size === 0 || kinds.has('string') || kinds.has('number'))) {
		throw new ArgumentError(`${name}: categories must be all strings or all numbers, not ${[...kinds].join(' and ')}`);
	}
	return categories.sort((a, b) => {
		if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
		return a < b ? -1 : a > b ? 1 : 0;
	});
}

function indicesOf(categories: readonly Category[]): ReadonlyMap<Category, number> {
	return new Map(categories.map((category, i) => [category, i]));
}

function shownCategory(category: Category): string {
	return typeof category === 'string' ? `'${category}'` : describe(category);
}

/** Categories in JSON; NaN becomes null. */
type JsonCategory = Category | null;

function categoriesFromJson(name: string, values: unknown): Category[] {
	if (!Array.isArray(values) || !values.every((v) => v === null || typeof v === 'string' || typeof v === 'number'))
		throw new ArgumentError(`${name}: the state has no list of categories; pass the result of stateDict()`);
	return (values as JsonCategory[]).map((value) => value ?? Number.NaN);
}

function categoriesToJson(categories: readonly Category[]): JsonCategory[] {
	return categories.map((category) => (Number.isNaN(category) ? null : category));
}

export interface LabelEncoderState {
	readonly classes: readonly JsonCategory[];
}

/** Encodes labels (strings or numbers) as classes 0 .. n - 1, and decodes them. As `sklearn.preprocessing.LabelEncoder`. */
export class LabelEncoder {
	#classes: readonly Category[] | null = null;
	#indices: ReadonlyMap<Category, number> = new Map();

	/** The labels in ascending order: class i is classes[i]. Null before `fit`. */
	get classes(): readonly Category[] | null {
		return this.#classes;
	}

	fit(labels: ArrayLike<Category>): this {
		requireList('LabelEncoder.fit', 'labels', labels);
		this.#learn(sortedCategories('LabelEncoder.fit', Array.from(labels)));
		return this;
	}

	/** Returns the classes of fitted labels: int32 [N] on `device`, by default the default device. */
	transform(labels: ArrayLike<Category>, { device = deviceOfNew() }: { readonly device?: DeviceName } = {}): Tensor {
		requireFitted('LabelEncoder.transform', this.#classes);
		requireList('LabelEncoder.transform', 'labels', labels);
		const classes = Int32Array.from({ length: labels.length }, (_, i) => {
			const index = this.#indices.get(labels[i]!);
			if (index === undefined) {
				throw new ArgumentError(
					`LabelEncoder.transform: ${shownCategory(labels[i]!)} at index ${i} is not a label that fit saw. Fit on all labels that may occur`,
				);
			}
			return index;
		});
		return tensor(classes, { device });
	}

	fitTransform(labels: ArrayLike<Category>, options: { readonly device?: DeviceName } = {}): Tensor {
		return this.fit(labels).transform(labels, options);
	}

	/** Returns the labels of classes, given as an integer tensor or a list. */
	async inverseTransform(classes: Tensor | ArrayLike<number>): Promise<Category[]> {
		const known = requireFitted('LabelEncoder.inverseTransform', this.#classes);
		const values = classes instanceof Tensor ? await classes.data() : classes;
		return Array.from(values, (index) => {
			const label = known[index];
			if (label === undefined)
				throw new ArgumentError(`LabelEncoder.inverseTransform: ${index} is not a class from 0 to ${known.length - 1}`);
			return label;
		});
	}

	/** The fitted categories as plain data that survives JSON. */
	stateDict(): LabelEncoderState {
		return { classes: categoriesToJson(requireFitted('LabelEncoder.stateDict', this.#classes)) };
	}

	loadStateDict(state: LabelEncoderState): void {
		this.#learn(categoriesFromJson('LabelEncoder.loadStateDict', state?.classes));
	}

	#learn(classes: readonly Category[]): void {
		this.#classes = classes;
		this.#indices = indicesOf(classes);
	}
}

export interface OneHotEncoderOptions {
	/** What `transform` does with a category that `fit` did not see: 'error' throws, 'ignore' returns zeros. Default 'error'. */
	readonly handleUnknown?: 'error' | 'ignore';
	/**
	 * Drop a column of each feature, so that columns do not add up to one: 'first' drops the first category, 'ifBinary' only in features
	 * with two. Default null.
	 */
	readonly drop?: 'first' | 'ifBinary' | null;
	/** The categories of each feature, in order. Default 'auto': those that `fit` sees, ascending. */
	readonly categories?: readonly (readonly Category[])[] | 'auto';
}

export interface OneHotEncoderState {
	readonly categories: readonly (readonly JsonCategory[])[];
}

interface Feature {
	readonly categories: readonly Category[];
	readonly indices: ReadonlyMap<Category, number>;
	/** The index of the dropped category; -1 for none. */
	readonly dropped: number;
	/** The feature's first column in the encoded rows. */
	readonly column: number;
	/** Its number of columns. */
	readonly width: number;
}

/** Samples, each a list of one category per feature. */
export type CategoryRows = readonly (readonly Category[])[];

/**
 * Encodes each feature as one column per category: 1 if the sample has the category, otherwise 0. As `sklearn.preprocessing.OneHotEncoder`.
 */
export class OneHotEncoder {
	readonly handleUnknown: 'error' | 'ignore';
	readonly drop: 'first' | 'ifBinary' | null;
	readonly #given: readonly (readonly Category[])[] | null;
	#features: readonly Feature[] | null = null;

	constructor(options: OneHotEncoderOptions = {}) {
		checkOptions('OneHotEncoder', options, ['handleUnknown', 'drop', 'categories']);
		const { handleUnknown = 'error', drop = null, categories = 'auto' } = options;
		requireOneOf('OneHotEncoder', 'handleUnknown', handleUnknown, ['error', 'ignore']);
		requireOneOf('OneHotEncoder', 'drop', drop, ['first', 'ifBinary', null]);
		this.handleUnknown = handleUnknown;
		this.drop = drop;
		this.#given = categories === 'auto' ? null : categories;
	}

	/** The categories of each feature; null before `fit`. */
	get categories(): readonly (readonly Category[])[] | null {
		return this.#features?.map(({ categories }) => categories) ?? null;
	}

	fit(rows: CategoryRows): this {
		const width = requireRows('OneHotEncoder.fit', rows, this.#given?.length);
		const seen = Array.from({ length: width }, (_, f) =>
			sortedCategories(
				'OneHotEncoder.fit',
				rows.map((row) => row[f]!),
			),
		);
		if (this.#given !== null && this.handleUnknown === 'error') {
			seen.forEach((categories, f) => {
				const unknown = categories.find((category) => !this.#given![f]!.includes(category));
				if (unknown !== undefined) throw unknownCategory('OneHotEncoder.fit', unknown, f);
			});
		}
		this.#learn(this.#given ?? seen);
		return this;
	}

	/** Returns [N, columns] on `device` (default: the default device) in `dtype` (default: float32). */
	transform(
		rows: CategoryRows,
		{ device = deviceOfNew(), dtype = 'float32' }: { readonly device?: DeviceName; readonly dtype?: DType } = {},
	): Tensor {
		const features = requireFitted('OneHotEncoder.transform', this.#features);
		requireRows('OneHotEncoder.transform', rows, features.length);
		const columns = widthOf(features);
		const values = new Float32Array(rows.length * columns);
		rows.forEach((row, i) => {
			features.forEach(({ indices, dropped, column }, f) => {
				const index = indices.get(row[f]!);
				if (index === undefined) {
					if (this.handleUnknown === 'error') throw unknownCategory('OneHotEncoder.transform', row[f]!, f);
				} else if (index !== dropped) {
					values[i * columns + column + index - Number(dropped >= 0 && index > dropped)] = 1;
				}
			});
		});
		return tensor(values, { shape: [rows.length, columns], dtype, device });
	}

	fitTransform(rows: CategoryRows, options: { readonly device?: DeviceName; readonly dtype?: DType } = {}): Tensor {
		return this.fit(rows).transform(rows, options);
	}

	/**
	 * Returns the category with the largest value of each feature. For all zeros, returns the dropped category, or null if none was
	 * dropped.
	 */
	async inverseTransform(encoded: Tensor): Promise<(Category | null)[][]> {
		const features = requireFitted('OneHotEncoder.inverseTransform', this.#features);
		const columns = widthOf(features);
		if (!(encoded instanceof Tensor) || encoded.ndim !== 2 || encoded.shape[1] !== columns) {
			throw new ShapeError(
				`OneHotEncoder.inverseTransform: takes a tensor [N, ${columns}], not ${encoded instanceof Tensor ? formatShape(encoded.shape) : describe(encoded)}`,
			);
		}
		const values = await encoded.data();
		return Array.from({ length: encoded.shape[0]! }, (_, i) =>
			features.map(({ categories, dropped, column, width }) => {
				let best = -1;
				let most = 0;
				for (let k = 0; k < width; k++) {
					const value = values[i * columns + column + k]!;
					if (value > most) [best, most] = [k, value];
				}
				if (best < 0) return dropped >= 0 ? categories[dropped]! : null;
				return categories[best + Number(dropped >= 0 && best >= dropped)]!;
			}),
		);
	}

	/** Returns a name per column, made of the names of feature and category. Default names of features: x0, x1, ... */
	getFeatureNamesOut(inputFeatures?: readonly string[]): string[] {
		const features = requireFitted('OneHotEncoder.getFeatureNamesOut', this.#features);
		if (inputFeatures !== undefined && inputFeatures.length !== features.length)
			throw new ArgumentError(`OneHotEncoder.getFeatureNamesOut: ${inputFeatures.length} names for ${features.length} features`);
		return features.flatMap(({ categories, dropped }, f) =>
			categories.filter((_, index) => index !== dropped).map((category) => `${inputFeatures?.[f] ?? `x${f}`}_${category}`),
		);
	}

	/** The fitted categories as plain data that survives JSON. */
	stateDict(): OneHotEncoderState {
		const features = requireFitted('OneHotEncoder.stateDict', this.#features);
		return { categories: features.map(({ categories }) => categoriesToJson(categories)) };
	}

	loadStateDict(state: OneHotEncoderState): void {
		if (!Array.isArray(state?.categories))
			throw new ArgumentError('OneHotEncoder.loadStateDict: invalid state; pass the result of stateDict()');
		this.#learn(state.categories.map((values) => categoriesFromJson('OneHotEncoder.loadStateDict', values)));
	}

	#learn(all: readonly (readonly Category[])[]): void {
		let column = 0;
		this.#features = all.map((categories) => {
			const drops = this.drop === 'first' || (this.drop === 'ifBinary' && categories.length === 2);
			const dropped = drops ? 0 : -1;
			const width = categories.length - Number(drops);
			const feature = { categories: [...categories], indices: indicesOf(categories), dropped, column, width };
			column += width;
			return feature;
		});
	}
}

function widthOf(features: readonly Feature[]): number {
	return features.reduce((sum, { width }) => sum + width, 0);
}

function unknownCategory(name: string, category: Category, feature: number): ArgumentError {
	return new ArgumentError(
		`${name}: ${shownCategory(category)} is not a known category of feature ${feature}. Fit on all categories, or pass handleUnknown: 'ignore'`,
	);
}

/** The number of features. Throws unless all rows have it. */
function requireRows(name: string, rows: CategoryRows, width?: number): number {
	const wanted = width ?? rows[0]?.length;
	if (wanted === undefined) throw new ArgumentError(`${name}: there are no samples to fit`);
	rows.forEach((row, i) => {
		if (!Array.isArray(row) || row.length !== wanted)
			throw new ShapeError(`${name}: row ${i} has ${row?.length ?? 'no'} features, not ${wanted}; rows are lists of categories`);
	});
	return wanted;
}
