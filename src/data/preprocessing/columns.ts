/** Tables [N, F] on the host, column by column, where statistics are computed in float64. */
import { type DType, isFloating, type TypedArray } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { tensor } from '../../ops/creation';
import { requireTensor } from '../../ops/requirements';
import type { Tensor } from '../../tensor';

export interface Table {
	readonly values: TypedArray;
	readonly rows: number;
	readonly columns: number;
}

/** Throws unless x is a table [N, F]; of `columns` columns, where they are known. */
export function requireTable(name: string, x: unknown, columns?: number): asserts x is Tensor {
	requireTensor(name, x);
	if (x.ndim !== 2) {
		throw new ShapeError(
			`${name}: takes samples by features, [N, F], not ${formatShape(x.shape)}. Make one column of a vector with reshape([-1, 1])`,
		);
	}
	if (columns !== undefined && x.shape[1] !== columns)
		throw new ShapeError(`${name}: x ${formatShape(x.shape)} has ${x.shape[1]} features; fit saw ${columns}`);
}

/** The elements of x, once the device has them. */
export async function readTable(name: string, x: unknown, columns?: number): Promise<Table> {
	requireTable(name, x, columns);
	const [rows, width] = x.shape as [number, number];
	if (rows === 0) throw new ShapeError(`${name}: x ${formatShape(x.shape)} has no samples to learn from`);
	const values = await x.data();
	for (const value of values) {
		if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
			throw new ArgumentError(
				`${name}: x holds ${value}, of which no statistics can be made. Remove it, or put NaN for missing values`,
			);
	}
	return { values, rows, columns: width };
}

/** The numbers of a column that are not NaN. */
export function columnOf({ values, rows, columns }: Table, column: number): Float64Array {
	const found = new Float64Array(rows);
	let count = 0;
	for (let i = 0; i < rows; i++) {
		const value = values[i * columns + column]!;
		if (!Number.isNaN(value)) found[count++] = value;
	}
	return found.subarray(0, count);
}

/** The dtype of what comes out: x's own, or float32 for whole numbers. */
export function resultDType(x: Tensor): DType {
	return isFloating(x.dtype) ? x.dtype : 'float32';
}

/** A number for each column as a row [1, F] that meets x. */
export function rowFor(x: Tensor, values: ArrayLike<number>): Tensor {
	return tensor(Float64Array.from(values), { shape: [1, values.length], dtype: resultDType(x), device: x.device });
}

/** What a preprocessor has learnt, or an error in words when it has not yet. */
export function requireFitted<T>(name: string, learnt: T | null): T {
	if (learnt === null) throw new ArgumentError(`${name}: nothing has been learnt yet. Call fit(x) or loadStateDict(state) first`);
	return learnt;
}

/** Numbers as JSON has them: those that are not finite become text. */
export type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export function toJson(values: ArrayLike<number>): JsonNumber[] {
	return Array.from(values, (value) => (Number.isFinite(value) ? value : (String(value) as JsonNumber)));
}

export function fromJson(name: string, key: string, values: unknown): Float64Array {
	const valid = Array.isArray(values) && values.every((v) => typeof v === 'number' || /^(NaN|-?Infinity)$/.test(String(v)));
	if (!valid) throw new ArgumentError(`${name}: the state has no list of numbers '${key}'; it takes what stateDict() returned`);
	return Float64Array.from(values as (number | string)[], Number);
}
