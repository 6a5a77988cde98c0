/** The different elements of a tensor. The host finds them, because only their number decides the shape of the result. */
import type { TypedArray } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { storedArray } from '../../core/halves';
import { checkOptions } from '../../core/options';
import { normalizeDim } from '../../core/shape';
import { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { movedim } from '../layout';

export interface UniqueOptions {
	/** PyTorch's option. It has no effect: the result is always in ascending order. */
	readonly sorted?: boolean;
	/** Whether to also return, for each element of x, its position in the result. Default false. */
	readonly returnInverse?: boolean;
	/** Whether to also return how often each element of the result occurs in x. Default false. */
	readonly returnCounts?: boolean;
	/** Compares slices along this dim instead of elements. Default null: elements of the flattened tensor. */
	readonly dim?: number | null;
}

/** `const { values, inverse } = await unique(x, { returnInverse: true })`. Integer tensors; those that the options leave out are null. */
export interface Unique {
	readonly values: Tensor;
	readonly inverse: Tensor | null;
	readonly counts: Tensor | null;
}

/**
 * The different elements of x in ascending order, as a vector. With `dim`, the different slices along it. Each NaN differs from every other.
 * Returns a promise, because only the device knows the size; with `returnInverse` or `returnCounts` one of an object. Has no gradient. As
 * `torch.unique`.
 */
export function unique(
	x: Tensor,
	options: UniqueOptions & ({ readonly returnInverse: true } | { readonly returnCounts: true }),
): Promise<Unique>;
export function unique(x: Tensor, options?: UniqueOptions): Promise<Tensor>;
export async function unique(x: Tensor, options: UniqueOptions = {}): Promise<Tensor | Unique> {
	const {
		returnInverse = false,
		returnCounts = false,
		dim = null,
	} = checkOptions('unique', options, ['sorted', 'returnInverse', 'returnCounts', 'dim']);
	requireTensor('unique', x);
	const at = dim === null ? null : normalizeDim('unique', dim, x.ndim);
	if (at !== null && x.ndim === 0) throw new ArgumentError('unique: a scalar has no dim. Leave it out');
	const rows = at === null ? x.size : x.shape[at]!;
	const first = at === null ? x : movedim(x, at, 0);
	const values = await first.data();
	const width = rows === 0 ? 0 : values.length / rows;
	const order = Array.from({ length: rows }, (_, i) => i).sort(
		(a, b) => compareRows(values, a * width, b * width, width) || a - b,
	);
	const groups: number[] = [];
	const counts: number[] = [];
	const inverse = new Int32Array(rows);
	for (const row of order) {
		const last = groups.at(-1);
		if (last === undefined || !sameRows(values, last * width, row * width, width)) {
			groups.push(row);
			counts.push(0);
		}
		counts[counts.length - 1]!++;
		inverse[row] = groups.length - 1;
	}
	const kept = values.slice(0, groups.length * width);
	for (const [i, row] of groups.entries()) kept.set(values.subarray(row * width, row * width + width), i * width);
	const stored = storedArray(x.dtype, kept);
	const upload = (data: TypedArray, shape: readonly number[], dtype = x.dtype) =>
		new Tensor(x.backend.upload(data, dtype), shape);
	const packed = upload(stored, at === null ? [groups.length] : first.shape.with(0, groups.length));
	if (first !== x) first.dispose();
	const result = at === null ? packed : movedim(packed, 0, at);
	if (!returnInverse && !returnCounts) return result;
	return {
		values: result,
		inverse: returnInverse ? upload(inverse, at === null ? x.shape : [rows], 'int32') : null,
		counts: returnCounts ? upload(Int32Array.from(counts), [counts.length], 'int32') : null,
	};
}

/** Row by row, from the first element that differs. NaN comes last. */
function compareRows(values: TypedArray, a: number, b: number, width: number): number {
	for (let i = 0; i < width; i++) {
		const [x, y] = [values[a + i]!, values[b + i]!];
		if (x === y) continue;
		const order = x < y ? -1 : x > y ? 1 : Number(Number.isNaN(x)) - Number(Number.isNaN(y));
		if (order !== 0) return order;
	}
	return 0;
}

function sameRows(values: TypedArray, a: number, b: number, width: number): boolean {
	for (let i = 0; i < width; i++) if (values[a + i] !== values[b + i]) return false;
	return true;
}
