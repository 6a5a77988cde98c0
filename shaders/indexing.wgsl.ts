/**
 * Elements moved to and from places that a tensor of int32 indices names.
 *
 * gather       y[i] = x at i's own coordinates, but for one dim, where the index stands.
 *                rows   : x and y are contiguous [outer, size or n, inner] and the index is one-dimensional: whole rows move, four
 *                         elements a thread where inner, and x's offset, are multiples of 4. Lookups and indexSelect.
 *                general: any strides of x and index.
 * scatter      y[place] = source[i], in place, the place found as above.
 *                unique : the host promises that places differ.
 *                last   : of several writes to a place the last in order of i wins. `scatter.mark` notes the largest i + 1 for each
 *                         place by an integer atomic maximum, whose result does not depend on timing; then only that i writes.
 * indexKeys    the place as a sort key, for sums over equal places (segment.wgsl.ts); `limit` where the index is out of range.
 *                rows   : the index itself. general: the place in a contiguous y.
 * searchsorted y[i] = how many elements of a sorted row are below values[i], by bisection.
 *
 * check        Looks at indices that no kernel above gets as they are: lengths, offsets, classes of composed losses.
 *
 * One thread makes one element (or four), workgroups of 64. The host cannot see indices on the device, so kernels report those out of range
 * (reportIndex.ts); their reads clamp, their writes are left out.
 */
import { wgsl } from 'wgsl-preprocessor';
import { reportIndex } from './reportIndex';
import type { Access, ShaderTemplate, StorageType } from './shader';
import { ORDER_KEY } from './sort.wgsl';

const FLAT_INDEX = wgsl`
@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let i = (wid.x + wid.y * nwg.x) * 64u + lid;
	if (i >= p.n) {
		return;
	}
`;

/** Where index and the tensor that it points into stand at element i of the index, of at least one dim; `strides` is 0 in the dim indexed. */
const PLACE = wgsl`
struct Params {
	shape: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 2>,
	indexStrides: array<vec4<u32>, 2>,
	sourceStrides: array<vec4<u32>, 2>,
	n: u32,
	rank: u32,
	offset: u32,
	indexOffset: u32,
	sourceOffset: u32,
	dimStride: u32,
	size: u32,
	limit: u32,
	report: u32,
}

struct Place {
	base: u32,
	index: u32,
	source: u32,
}

fn place(i: u32) -> Place {
	var rest = i;
	var at = Place(p.offset, p.indexOffset, p.sourceOffset);
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

export type GatherVariant = {
	type: StorageType;
	access: 'rows4' | 'rows' | 'general';
};

/**
 * Params of rows: n (elements of y, in fours for rows4), inner (likewise), count (of indices), size (rows of x), offset (of x, likewise),
 * indexOffset, indexStride.
 */
export const gather: ShaderTemplate<GatherVariant> = {
	name: 'indexing.gather',
	source({ type, access }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
#if ${access === 'rows4'}
alias T = vec4<${type}>;
#else
alias T = ${type};
#endif
#if ${access === 'general'}
${PLACE}
#else
struct Params {
	n: u32,
	inner: u32,
	count: u32,
	size: u32,
	offset: u32,
	indexOffset: u32,
	indexStride: u32,
	report: u32,
}
#endif

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
${reportIndex(4)}
fn clamped(at: u32) -> u32 {
	let row = index[at];
	if (u32(row) >= p.size) {
		reportIndex(row);
	}
	return u32(clamp(row, 0, i32(p.size) - 1));
}

${FLAT_INDEX}
#if ${access === 'general'}
	let at = place(i);
	y[i] = x[at.base + clamped(at.index) * p.dimStride];
#else
	let row = i / p.inner;
	let source = row / p.count * p.size + clamped(p.indexOffset + row % p.count * p.indexStride);
	y[i] = x[p.offset + source * p.inner + i % p.inner];
#endif
}
`;
		return { code, bindings: ['read', 'read', 'read_write', 'read_write'] };
	},
};

export type ScatterVariant = {
	type: StorageType;
	unique: boolean;
};

/** Params: PLACE's, with `size` the elements of y in the indexed dim. */
export const scatter: ShaderTemplate<ScatterVariant> = {
	name: 'indexing.scatter',
	source({ type, unique }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
alias T = ${type};
${PLACE}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read> source: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
#if ${!unique}
@group(0) @binding(4) var<storage, read> winner: array<u32>;
#endif
${reportIndex(unique ? 4 : 5)}
${FLAT_INDEX}
	let at = place(i);
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
}
`;
		const winner: readonly Access[] = unique ? [] : ['read'];
		return { code, bindings: ['read', 'read', 'read_write', ...winner, 'read_write'] };
	},
};

/** Params: as of `scatter`. winner is zero before. */
export const scatterMark: ShaderTemplate<Record<string, never>> = {
	name: 'indexing.scatterMark',
	source() {
		const code = wgsl`
${PLACE}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> winner: array<atomic<u32>>;

${FLAT_INDEX}
	let at = place(i);
	let row = u32(index[at.index]);
	if (row < p.size) {
		atomicMax(&winner[at.base + row * p.dimStride], i + 1u);
	}
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};

export type IndexKeysVariant = {
	access: 'rows' | 'general';
};

/** Params of rows: n, indexOffset, indexStride, size, skipped (an index that counts as out of range; 0xffffffff for none). */
export const indexKeys: ShaderTemplate<IndexKeysVariant> = {
	name: 'indexing.keys',
	source({ access }) {
		const code = wgsl`
#if ${access === 'general'}
${PLACE}
#else
struct Params {
	n: u32,
	indexOffset: u32,
	indexStride: u32,
	size: u32,
	skipped: u32,
	report: u32,
}
#endif
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
${reportIndex(3)}
${FLAT_INDEX}
#if ${access === 'general'}
	let at = place(i);
	let row = u32(index[at.index]);
	keys[i] = select(p.limit, at.base + row * p.dimStride, row < p.size);
#else
	let row = u32(index[p.indexOffset + i * p.indexStride]);
	keys[i] = select(row, p.size, row >= p.size || row == p.skipped);
#endif
	if (row >= p.size) {
		reportIndex(i32(row));
	}
}
`;
		return { code, bindings: ['read', 'read_write', 'read_write'] };
	},
};

export type CheckIndicesVariant = {
	/** Whether no value may be below the one before, nor the first one other than `least`. */
	ascending: boolean;
};

/** Params: n, offset, stride, least, count. index is one-dimensional. */
export const checkIndices: ShaderTemplate<CheckIndicesVariant> = {
	name: 'indexing.check',
	source({ ascending }) {
		const code = wgsl`
struct Params {
	n: u32,
	offset: u32,
	stride: u32,
	least: i32,
	count: u32,
	report: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
${reportIndex(2)}
${FLAT_INDEX}
	let at = p.offset + i * p.stride;
	let value = index[at];
	var bad = u32(value - p.least) >= p.count;
#if ${ascending}
	bad = bad || select(value < index[at - select(p.stride, 0u, i == 0u)], value != p.least, i == 0u);
#endif
	if (bad) {
		reportIndex(value);
	}
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};

export type SearchVariant = {
	type: StorageType;
	right: boolean;
};

/** Params: n (values in all), perRow (values a row), length (of a sorted row), offset (of sorted), valuesOffset. */
export const searchsorted: ShaderTemplate<SearchVariant> = {
	name: 'indexing.searchsorted',
	source({ type, right }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	n: u32,
	perRow: u32,
	length: u32,
	offset: u32,
	valuesOffset: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sorted: array<${type}>;
@group(0) @binding(2) var<storage, read> values: array<${type}>;
@group(0) @binding(3) var<storage, read_write> y: array<i32>;
${ORDER_KEY(type)}

${FLAT_INDEX}
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
}
`;
		return { code, bindings: ['read', 'read', 'read_write'] };
	},
};
