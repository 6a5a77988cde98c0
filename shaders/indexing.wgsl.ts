/**
 * Kernels that read or write elements at the positions that a tensor of int32 indices gives.
 *
 * gather       y[i] = x at the coordinates of i, with the index as one coordinate. Any strides of x and index.
 * gatherRows   The same for contiguous x and y, [outer, size or n, inner], and a one-dimensional index: whole rows move, four
 *              elements at a time if inner and the offset of x are multiples of 4. For lookups and indexSelect.
 * scatter      y = source[i] at the coordinates of i, again with the index as one of them. In place.
 *                unique    : the host guarantees that the positions differ.
 *                not unique: the last write to a position, in the order of i, wins. scatterMark finds the largest i + 1 of each
 *                            position with atomicMax, so timing does not matter; then only that i writes.
 * indexKeys    The position in a contiguous y as a sort key, for sums over equal positions (segment.wgsl.ts); `limit` if the
 *              index is out of range. rowKeys gives the index itself.
 * searchsorted y[i] = the number of elements of a sorted row that are below values[i], by bisection.
 * check        Checks indices that no other kernel here reads unchanged: lengths, offsets, classes of composed losses.
 *
 * An invocation moves one element, or four. The host cannot see indices on the device, so kernels report those out of range. A
 * read clamps such an index; a write at such an index does not happen.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite, type StorageType } from './shader';
import { ORDER_KEY } from './sort.wgsl';

/** The parameters of `OFFSETS`. `strides` belong to the tensor that the index points into and are 0 in the indexed dim. */
const OFFSETS_PARAMS = {
	shape: 'array<vec4<u32>, 2>',
	strides: 'array<vec4<u32>, 2>',
	indexStrides: 'array<vec4<u32>, 2>',
	sourceStrides: 'array<vec4<u32>, 2>?',
	n: 'u32',
	rank: 'u32',
	offset: 'u32',
	indexOffset: 'u32',
	sourceOffset: 'u32?',
	/** Stride and size of the indexed dim. */
	dimStride: 'u32',
	size: 'u32',
	/** The number of elements of the tensor. */
	limit: 'u32',
} as const;

/**
 * The position of element i of an index (of at least one dim) in the index, in the tensor that it points into, and in the source.
 */
const OFFSETS = wgsl`
struct Offsets {
	base: u32,
	index: u32,
	source: u32,
}

fn offsetsOf(i: u32) -> Offsets {
	var rest = i;
	var at = Offsets(p.offset, p.indexOffset, p.sourceOffset);
	// The outermost dim needs no division.
	for (var d = p.rank; d > 0u; d--) {
		let k = (d - 1u) / 4u;
		let j = (d - 1u) % 4u;
		var along = rest;
		if (d > 1u) {
			rest /= p.shape[k][j];
			along -= rest * p.shape[k][j];
		}
		at.base += along * p.strides[k][j];
		at.index += along * p.indexStrides[k][j];
		at.source += along * p.sourceStrides[k][j];
	}
	return at;
}
`;

/** The row that the index gives, clamped into range. */
const CLAMPED = wgsl`
fn clamped(at: u32) -> u32 {
	let row = index[at];
	if (u32(row) >= p.size) {
		reportIndex(row);
	}
	return u32(clamp(row, 0, i32(p.size) - 1));
}
`;

/** Any strides. */
export const gather = defineKernel({
	name: 'indexing.gather',
	params: OFFSETS_PARAMS,
	reportsIndices: true,
	define: ({ type }: Readonly<{ type: StorageType }>) => ({
		bindings: { x: read(type), index: read('i32'), y: readWrite(type) },
		invocations: 'p.n',
		functions: OFFSETS + CLAMPED,
		main: wgsl`
	let at = offsetsOf(i);
	y[i] = x[at.base + clamped(at.index) * p.dimStride];
`,
	}),
});

/** If `wide`, inner, offset and n count vec4. */
type GatherRowsVariant = { type: StorageType; wide: boolean };

/** Moves whole rows. */
export const gatherRows = defineKernel({
	name: 'indexing.gatherRows',
	params: {
		/** The number of elements of y. */
		n: 'u32',
		inner: 'u32',
		/** The number of indices. */
		count: 'u32',
		/** The number of rows of x. */
		size: 'u32',
		/** The offset of x. */
		offset: 'u32',
		indexOffset: 'u32',
		indexStride: 'u32',
	},
	reportsIndices: true,
	define({ type, wide }: GatherRowsVariant) {
		const element = wide ? `vec4<${type}>` : type;
		return {
			bindings: { x: read(element), index: read('i32'), y: readWrite(element) },
			invocations: 'p.n',
			functions: CLAMPED,
			main: wgsl`
	let row = i / p.inner;
	let source = row / p.count * p.size + clamped(p.indexOffset + row % p.count * p.indexStride);
	y[i] = x[p.offset + source * p.inner + i % p.inner];
`,
		};
	},
});

type ScatterVariant = {
	type: StorageType;
	unique: boolean;
};

export const scatter = defineKernel({
	name: 'indexing.scatter',
	params: OFFSETS_PARAMS,
	reportsIndices: true,
	define: ({ type, unique }: ScatterVariant) => ({
		bindings: { index: read('i32'), source: read(type), y: readWrite(type), winner: !unique && read('u32') },
		invocations: 'p.n',
		functions: OFFSETS,
		main: wgsl`
	let at = offsetsOf(i);
	let row = u32(index[at.index]);
	if (row >= p.size) {
		reportIndex(i32(row));
		return;
	}
	let destination = at.base + row * p.dimStride;
#if ${!unique}
	if (winner[destination] != i + 1u) {
		return;
	}
#endif
	y[destination] = source[at.source];
`,
	}),
});

/** `winner` must start as 0. */
export const scatterMark = defineKernel({
	name: 'indexing.scatterMark',
	params: OFFSETS_PARAMS,
	define: (_: NoVariant) => ({
		bindings: { index: read('i32'), winner: readWrite('atomic<u32>') },
		invocations: 'p.n',
		functions: OFFSETS,
		main: wgsl`
	let at = offsetsOf(i);
	let row = u32(index[at.index]);
	if (row < p.size) {
		atomicMax(&winner[at.base + row * p.dimStride], i + 1u);
	}
`,
	}),
});

/** Any strides. */
export const indexKeys = defineKernel({
	name: 'indexing.keys',
	params: OFFSETS_PARAMS,
	reportsIndices: true,
	define: (_: NoVariant) => ({
		bindings: { index: read('i32'), keys: readWrite('u32') },
		invocations: 'p.n',
		functions: OFFSETS,
		main: wgsl`
	let at = offsetsOf(i);
	let row = u32(index[at.index]);
	keys[i] = select(p.limit, at.base + row * p.dimStride, row < p.size);
	if (row >= p.size) {
		reportIndex(i32(row));
	}
`,
	}),
});

/** For whole rows. */
export const rowKeys = defineKernel({
	name: 'indexing.rowKeys',
	params: {
		n: 'u32',
		indexOffset: 'u32',
		indexStride: 'u32',
		size: 'u32',
		/** An index to treat as out of range without a report; -1 for none. */
		skipped: 'u32',
	},
	reportsIndices: true,
	define: (_: NoVariant) => ({
		bindings: { index: read('i32'), keys: readWrite('u32') },
		invocations: 'p.n',
		main: wgsl`
	let row = u32(index[p.indexOffset + i * p.indexStride]);
	keys[i] = select(row, p.size, row >= p.size || row == p.skipped);
	if (row >= p.size) {
		reportIndex(i32(row));
	}
`,
	}),
});

type CheckIndicesVariant = {
	/** Whether the first value must be `least` and each further value at least the previous one. */
	ascending: boolean;
};

/** The index is one-dimensional. */
export const checkIndices = defineKernel({
	name: 'indexing.check',
	params: { n: 'u32', offset: 'u32', stride: 'u32', least: 'i32', count: 'u32' },
	reportsIndices: true,
	define: ({ ascending }: CheckIndicesVariant) => ({
		bindings: { index: read('i32') },
		invocations: 'p.n',
		main: wgsl`
	let at = p.offset + i * p.stride;
	let value = index[at];
	var bad = u32(value - p.least) >= p.count;
#if ${ascending}
	bad = bad || select(value < index[at - select(p.stride, 0u, i == 0u)], value != p.least, i == 0u);
#endif
	if (bad) {
		reportIndex(value);
	}
`,
	}),
});

type SearchVariant = {
	type: StorageType;
	right: boolean;
};

export const searchsorted = defineKernel({
	name: 'indexing.searchsorted',
	params: {
		/** The number of all values, and of the values of a row. */
		n: 'u32',
		perRow: 'u32',
		/** The length of a sorted row. */
		length: 'u32',
		/** The offset of sorted. */
		offset: 'u32',
		valuesOffset: 'u32',
	},
	define: ({ type, right }: SearchVariant) => ({
		bindings: { sorted: read(type), values: read(type), y: readWrite('i32') },
		invocations: 'p.n',
		functions: ORDER_KEY(type),
		main: wgsl`
	let start = p.offset + i / p.perRow * p.length;
	let wanted = orderKey(values[p.valuesOffset + i]);
	var low = 0u;
	var high = p.length;
	while (low < high) {
		let middle = (low + high) / 2u;
		let key = orderKey(sorted[start + middle]);
#if ${right}
		let below = key <= wanted;
#else
		let below = key < wanted;
#endif
		low = select(low, middle + 1u, below);
		high = select(middle, high, below);
	}
	y[i] = i32(low);
`,
	}),
});
