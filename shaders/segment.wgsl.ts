/**
 * Sums of rows that go to the same place, in a fixed order: the heart of scatterAdd, indexAdd and the gradient of lookups. Or their
 * products, for scatter that multiplies: read multiply for add below.
 *
 *   y[o, key, c] += sum of source[o, positions[i], c] over all i with keys[i] = key
 *
 * keys are sorted (sort.wgsl.ts), positions say where each stood before; keys from `limit` on are left out. source is contiguous
 * [outer, n, columns], y contiguous [outer, limit, columns], columns counted in fours when `four`.
 *
 * segmentSum   A thread walks a block of 32 sorted keys for one column. A run of equal keys within the block goes to y at once. A run
 *              that reaches into the next block leaves its part in parts[o, block, 1, c], one that comes from the block before in
 *              parts[o, block, 0, c]. So an index that is all one value costs no more than one that is all different.
 * segmentJoin  The thread of the block where such a run begins adds its parts up, block by block, and then to y.
 *
 * Sums are float32 (int32 for integers) whatever the storage; the association depends on n alone. Workgroups of 64.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate, StorageType } from './shader';

export const SEGMENT_BLOCK = 32;

export type SegmentOp = 'sum' | 'product';

export type SegmentVariant = {
	op: SegmentOp;
	type: StorageType;
	four: boolean;
};

const sumType = (type: StorageType) => (type === 'i32' ? 'i32' : 'f32');

const HEAD = ({ op, type, four }: SegmentVariant) => wgsl`
#if ${type === 'f16'}
enable f16;
#endif
#if ${four}
alias T = vec4<${type}>;
alias Sum = vec4<${sumType(type)}>;
#else
alias T = ${type};
alias Sum = ${sumType(type)};
#endif
const BLOCK = ${SEGMENT_BLOCK}u;
const IDENTITY = Sum(${op === 'sum' ? 0 : 1});

fn combined(a: Sum, b: Sum) -> Sum {
	return a ${op === 'sum' ? '+' : '*'} b;
}

struct Params {
	n: u32,
	columns: u32,
	outer: u32,
	blocks: u32,
	limit: u32,
	offset: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
`;

const BLOCK_MAIN = wgsl`
@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let flat = (wid.x + wid.y * nwg.x) * 64u + lid;
	if (flat >= p.outer * p.blocks * p.columns) {
		return;
	}
	let column = flat % p.columns;
	let blockAll = flat / p.columns;
	let o = blockAll / p.blocks;
	let block = blockAll % p.blocks;
	let first = block * BLOCK;
	let last = min(first + BLOCK, p.n);
`;

/** Params: n, columns, outer, blocks (of n), limit, offset (of source, in units of T). */
export const segmentSum: ShaderTemplate<SegmentVariant> = {
	name: 'segment.sum',
	source(variant) {
		const code = wgsl`
${HEAD(variant)}
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> source: array<T>;
@group(0) @binding(4) var<storage, read_write> y: array<T>;
@group(0) @binding(5) var<storage, read_write> parts: array<Sum>;
${BLOCK_MAIN}
	var key = keys[first];
	var fromBefore = first > 0u && keys[max(first, 1u) - 1u] == key;
	var sum = IDENTITY;
	for (var i = first; i < last; i++) {
		sum = combined(sum, Sum(source[p.offset + (o * p.n + positions[i]) * p.columns + column]));
		var next = p.limit;
		if (i + 1u < p.n) {
			next = keys[i + 1u];
		}
		let endOfBlock = i + 1u == last;
		if (!endOfBlock && next == key) {
			continue;
		}
		let goesOn = i + 1u < p.n && next == key;
		if (key < p.limit) {
			if (fromBefore) {
				parts[blockAll * 2u * p.columns + column] = sum;
			} else if (goesOn) {
				parts[(blockAll * 2u + 1u) * p.columns + column] = sum;
			} else {
				let at = (o * p.limit + key) * p.columns + column;
				y[at] = T(combined(Sum(y[at]), sum));
			}
		}
		sum = IDENTITY;
		fromBefore = false;
		key = next;
	}
}
`;
		return { code, bindings: ['read', 'read', 'read', 'read_write', 'read_write'] };
	},
};

/** Params: as of `segmentSum`. */
export const segmentJoin: ShaderTemplate<SegmentVariant> = {
	name: 'segment.join',
	source(variant) {
		const code = wgsl`
${HEAD(variant)}
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> parts: array<Sum>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
${BLOCK_MAIN}
	let key = keys[last - 1u];
	if (last >= p.n || key >= p.limit || keys[min(last, p.n - 1u)] != key) {
		return;
	}
	if (first > 0u && keys[max(first, 1u) - 1u] == key) {
		return;
	}
	var sum = parts[(blockAll * 2u + 1u) * p.columns + column];
	var following = block + 1u;
	while (following < p.blocks) {
		sum = combined(sum, parts[(o * p.blocks + following) * 2u * p.columns + column]);
		let end = (following + 1u) * BLOCK;
		if (end >= p.n || keys[end - 1u] != key || keys[end] != key) {
			break;
		}
		following++;
	}
	let at = (o * p.limit + key) * p.columns + column;
	y[at] = T(combined(Sum(y[at]), sum));
}
`;
		return { code, bindings: ['read', 'read', 'read_write'] };
	},
};
