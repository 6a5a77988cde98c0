/**
 * Index maps: where element i of an elementwise operation lies in a storage. The elements of an operation are numbered in the order of its
 * output, so operations with the same number of elements are fused by these numbers, whatever their shapes were.
 */
import { collapseDims } from '../strides';

export interface IndexMap {
	readonly offset: number;
	/** With as few dims as the strides allow, so that equal maps have equal dims. */
	readonly sizes: readonly number[];
	readonly strides: readonly number[];
}

export function indexMap(offset: number, sizes: readonly number[], strides: readonly number[]): IndexMap {
	const { shape, strides: lists } = collapseDims(sizes, [strides]);
	return { offset, sizes: shape, strides: lists[0]! };
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
	return a.length === b.length && a.every((value, i) => value === b[i]);
}

export function isSame(a: IndexMap, b: IndexMap): boolean {
	return a.offset === b.offset && sameNumbers(a.sizes, b.sizes) && sameNumbers(a.strides, b.strides);
}

/** Whether elements follow each other in memory. */
export function isConsecutive({ sizes, strides }: IndexMap): boolean {
	return sizes.length === 1 && strides[0] === 1;
}

export function isConstant({ strides }: IndexMap): boolean {
	return strides.every((stride) => stride === 0);
}

/**
 * Whether two maps surely have no element in common: ranges apart, or the same strides with starts so far apart that one fits into the gaps
 * of the other.
 */
export function areApart(a: IndexMap, b: IndexMap): boolean {
	const [low, high] = a.offset <= b.offset ? [a, b] : [b, a];
	if (low.strides.some((stride) => stride < 0) || high.strides.some((stride) => stride < 0)) return false;
	if (low.offset + extent(low.sizes, low.strides) <= high.offset) return true;
	if (!sameNumbers(a.sizes, b.sizes) || !sameNumbers(a.strides, b.strides)) return false;
	const shift = high.offset - low.offset;
	const dims = a.sizes.map((size, d) => ({ size, stride: a.strides[d]! })).sort((x, y) => x.stride - y.stride);
	for (let d = 1; d < dims.length; d++) {
		const inner = dims.slice(0, d);
		const reach = extent(
			inner.map(({ size }) => size),
			inner.map(({ stride }) => stride),
		);
		if (shift >= reach && shift + reach <= dims[d]!.stride && isNested(dims.slice(d))) return true;
	}
	return false;
}

/** Whether no two different places of these dims, from the innermost on, are nearer to each other than the innermost stride. */
function isNested(dims: readonly { readonly size: number; readonly stride: number }[]): boolean {
	return dims.every(({ stride }, d) => d === 0 || stride >= dims[d - 1]!.stride * dims[d - 1]!.size);
}

/** The elements from the first to the last, both counted. */
function extent(sizes: readonly number[], strides: readonly number[]): number {
	return 1 + sizes.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, 0);
}

/**
 * The dims that all maps can walk by, from the outermost on; undefined if there are none. The products of inner sizes, at which the maps
 * bend, must divide each other.
 */
export function commonSizes(lists: Iterable<readonly number[]>, size: number): readonly number[] | undefined {
	const cuts = new Set<number>([1, size]);
	for (const sizes of lists) {
		let product = 1;
		for (let d = sizes.length - 1; d > 0; d--) {
			product *= sizes[d]!;
			cuts.add(product);
		}
	}
	const sorted = [...cuts].sort((a, b) => a - b);
	const result: number[] = [];
	for (let k = 1; k < sorted.length; k++) {
		if (sorted[k]! % sorted[k - 1]! !== 0) return undefined;
		result.unshift(sorted[k]! / sorted[k - 1]!);
	}
	return result.length === 0 ? [1] : result;
}

/** The strides of a map along finer dims. */
export function stridesAlong({ sizes, strides }: IndexMap, finer: readonly number[]): number[] {
	const result: number[] = [];
	let d = sizes.length - 1;
	let within = 1;
	for (let k = finer.length - 1; k >= 0; k--) {
		result.unshift(strides[d]! * within);
		within *= finer[k]!;
		if (within === sizes[d] && d > 0) {
			d--;
			within = 1;
		}
	}
	return result;
}
