/**
 * Stable sorting of rows of 32-bit keys, each with the position where it stood.
 *
 * sortKeys    turns elements of any type into unsigned keys of the same order, x of any strides into contiguous rows.
 * rank        short rows, one launch: a thread counts the keys of its row that come before its own, and stores it there. n^2 comparisons
 *             that all threads of a row read in step, and nothing to wait for: measured on lavapipe, a bitonic network in workgroup
 *             memory took ten times as long for its barriers.
 * radix       longer rows, digits of 4 bits from the lowest on, three launches a digit:
 *               count : a thread counts the 16 digits of its own chunk of 64 consecutive elements;
 *               scan  : one workgroup a row turns the counts, in order of (digit, chunk), into first places;
 *               move  : the same threads put their elements there one after the other, which is what makes it stable.
 *             No atomics and no thread order: a thread owns a chunk rather than a coalesced stripe, which costs bandwidth on GPUs but
 *             needs no workgroup memory or subgroups, and the number of digits follows the largest key.
 *
 * Layout: keys and positions are [rows, n]; counts are [rows, 16, chunks]. A grid counts rows for
 * scan, (row, chunk) for count and move.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate, StorageType } from './shader';
import { placeByFields } from './strides';

export const RADIX_CHUNK = 64;
export const RADIX_BITS = 4;

/** orderKey(value): unsigned keys in the order of the values; NaN of any kind above all, -0 equal to 0. */
export const ORDER_KEY = (type: StorageType) => wgsl`
fn orderKey(value: ${type}) -> u32 {
#if ${type === 'f32' || type === 'f16'}
	let bits = bitcast<u32>(f32(value));
	if ((bits & 0x7fffffffu) > 0x7f800000u) {
		return 0xffffffffu;
	}
	if ((bits & 0x7fffffffu) == 0u) {
		return 0x80000000u;
	}
	return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
#elif ${type === 'i32'}
	return bitcast<u32>(value) ^ 0x80000000u;
#else
	return value;
#endif
}
`;

export type SortKeysVariant = {
	type: StorageType;
	descending: boolean;
};

/** Params: shape and strides of x, of at least one dim; n, rank, offset. */
export const sortKeys: ShaderTemplate<SortKeysVariant> = {
	name: 'sort.keys',
	source({ type, descending }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	shape: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 2>,
	n: u32,
	rank: u32,
	offset: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
${ORDER_KEY(type)}

${placeByFields('place')}
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
	let key = orderKey(x[place(i)]);
#if ${descending}
	keys[i] = ~key;
#else
	keys[i] = key;
#endif
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};

/** Params: rows, n. */
export const rankSort: ShaderTemplate<Record<string, never>> = {
	name: 'sort.rank',
	source() {
		const code = wgsl`
struct Params {
	rows: u32,
	n: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> sortedKeys: array<u32>;
@group(0) @binding(3) var<storage, read_write> positions: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let i = (wid.x + wid.y * nwg.x) * 64u + lid;
	if (i >= p.rows * p.n) {
		return;
	}
	let start = i / p.n * p.n;
	let key = keys[i];
	var rank = start;
	for (var k = start; k < i; k++) {
		rank += select(0u, 1u, keys[k] <= key);
	}
	for (var k = i + 1u; k < start + p.n; k++) {
		rank += select(0u, 1u, keys[k] < key);
	}
	sortedKeys[rank] = key;
	positions[rank] = i - start;
}
`;
		return { code, bindings: ['read', 'read_write', 'read_write'] };
	},
};

const RADIX_PARAMS = wgsl`
struct Params {
	rows: u32,
	n: u32,
	chunks: u32,
	shift: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
`;

const CHUNK_MAIN = wgsl`
@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let flat = (wid.x + wid.y * nwg.x) * 64u + lid;
	if (flat >= p.rows * p.chunks) {
		return;
	}
	let row = flat / p.chunks;
	let chunk = flat % p.chunks;
	let first = row * p.n + chunk * ${RADIX_CHUNK}u;
	let last = row * p.n + min((chunk + 1u) * ${RADIX_CHUNK}u, p.n);
	let table = row * p.chunks * 16u + chunk;
`;

export const radixCount: ShaderTemplate<Record<string, never>> = {
	name: 'sort.radixCount',
	source() {
		const code = wgsl`
${RADIX_PARAMS}
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
${CHUNK_MAIN}
	var count: array<u32, 16>;
	for (var d = 0u; d < 16u; d++) {
		count[d] = 0u;
	}
	for (var i = first; i < last; i++) {
		count[(keys[i] >> p.shift) & 15u] += 1u;
	}
	for (var d = 0u; d < 16u; d++) {
		counts[table + d * p.chunks] = count[d];
	}
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};

export const radixScan: ShaderTemplate<Record<string, never>> = {
	name: 'sort.radixScan',
	source() {
		const code = wgsl`
${RADIX_PARAMS}
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let row = wid.x + wid.y * nwg.x;
	let entries = p.chunks * 16u;
	let share = (entries + 255u) / 256u;
	let start = min(lid * share, entries);
	let end = select(start, min(start + share, entries), row < p.rows);
	let table = row * entries;
	var sum = 0u;
	for (var i = start; i < end; i++) {
		sum += counts[table + i];
	}
	sums[lid] = sum;
	workgroupBarrier();
	for (var step = 1u; step < 256u; step *= 2u) {
		var before = 0u;
		if (lid >= step) {
			before = sums[lid - step];
		}
		workgroupBarrier();
		sums[lid] += before;
		workgroupBarrier();
	}
	var at = sums[lid] - sum;
	for (var i = start; i < end; i++) {
		let count = counts[table + i];
		counts[table + i] = at;
		at += count;
	}
}
`;
		return { code, bindings: ['read_write'] };
	},
};

export type RadixMoveVariant = {
	/** Positions are not there yet: an element stands where it is. */
	first: boolean;
};

export const radixMove: ShaderTemplate<RadixMoveVariant> = {
	name: 'sort.radixMove',
	source({ first }) {
		const code = wgsl`
${RADIX_PARAMS}
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> movedKeys: array<u32>;
@group(0) @binding(4) var<storage, read_write> movedPositions: array<u32>;
#if ${!first}
@group(0) @binding(5) var<storage, read> positions: array<u32>;
#endif
${CHUNK_MAIN}
	var next: array<u32, 16>;
	for (var d = 0u; d < 16u; d++) {
		next[d] = starts[table + d * p.chunks];
	}
	for (var i = first; i < last; i++) {
		let key = keys[i];
		let digit = (key >> p.shift) & 15u;
		let to = row * p.n + next[digit];
		next[digit] += 1u;
		movedKeys[to] = key;
#if ${first}
		movedPositions[to] = i - row * p.n;
#else
		movedPositions[to] = positions[i];
#endif
	}
}
`;
		return {
			code,
			bindings: first ? ['read', 'read', 'read_write', 'read_write'] : ['read', 'read', 'read_write', 'read_write', 'read'],
		};
	},
};
