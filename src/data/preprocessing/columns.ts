/** Reads tables [N, F] to the host, column by column, for statistics in float64. */
import { type DType, isFloating, type TypedArray } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { tensor } from '../../ops/creation';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';

export interface Table {
	readonly values: TypedArray;
	readonly rows: number;
	readonly columns: number;
}

/** Throws unless x is a table [N, F], with `columns` columns if given. */
export function requireTable(name: string, x: unknown, columns?: number): asserts x is Tensor {
	requireTensor(name, x);
	if (x.ndim !== 2) {
		throw new ShapeError(
			`${name}: it takes samples by features, [N, F], not ${formatShape(x.shape)}. Turn a vector into a column with reshape([-1, 1])`,
		);
	}
	if (columns !== undefined && x.shape[1] !== columns)
		throw new ShapeError(`${name}: x ${formatShape(x.shape)} has ${x.shape[1]} features; fit saw ${columns}`);
}

/** Reads the elements of x from the device. */
export async function readTable(name: string, x: unknown, columns?: number): Promise<Table> {
	requireTable(name, x, columns);
	const [rows, width] = x.shape as [number, number];
	if (rows === 0) throw new ShapeError(`${name}: x ${formatShape(x.shape)} has no samples to fit`);
	const values = await x.data();
	for (const value of values) {
		if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
			throw new ArgumentError(`${name}: x holds ${value}, which has no statistics. Remove it, or use NaN for missing values`);
	}
	return { values, rows, columns: width };
}

/** The values of a column that are not NaN. */
export function columnOf({ values, rows, columns }: Table, column: number): Float64Array {
	const found = new Float64Array(rows);
	let count = 0;
	for (let i = 0; i < rows; i++) {
		const value = values[i * columns + column]!;
		if (!Number.isNaN(value)) found[count++] = value;
	}
	return found.subarray(0, count);
}

/** The dtype of the result: x's own, or float32 for integers. */
export function resultDType(x: Tensor): DType {
	return isFloating(x.dtype) ? x.dtype : 'float32';
}

/** A tensor [1, F] with one number per column, which broadcasts with x. */
export function rowFor(x: Tensor, values: ArrayLike<number>): Tensor {
	return tensor(Float64Array.from(values), { shape: [1, values.length], dtype: resultDType(x), device: x.device });
}

/** Returns the fitted statistics. Throws if there are none yet. */
export function requireFitted<T>(name: string, learnt: T | null): T {
	if (learnt === null) throw new ArgumentError(`${name}: not fitted yet. Call fit(x) or loadStateDict(state) first`);
	return learnt;
}

/** Numbers in JSON; non-finite ones become strings. */
export type JsonNumber = number | 'NaN' | 'Infinity' | '-Infinity';

export function toJson(values: ArrayLike<number>): JsonNumber[] {
	return Array.from(values, (value) => (Number.isFinite(value) ? value : (String(value) as JsonNumber)));
}

export function fromJson(name: string, key: string, values: unknown): Float64Array {
	const valid = Array.isArray(values) && values.every((v) => typeof v === 'number' || /^(NaN|-?Infinity)$/.test(String(v)));
	if (!valid) throw new ArgumentError(`${name}: the state has no list of numbers '${key}'; pass the result of stateDict()`);
	return Float64Array.from(values as (number | string)[], Number);
}
