/**
 * Stable sorting of rows of 32-bit keys, together with the positions of the keys.
 *
 * sortKeys    turns elements of any type into unsigned keys of the same order, x of any strides into contiguous rows.
 * rank        short rows, one launch: a thread counts the keys of its row that come before its own, and stores its key there. n^2
 *             comparisons, which all threads of a row read in step, without barriers: on lavapipe a bitonic network in workgroup
 *             memory took ten times as long because of its barriers.
 * radix       longer rows, digits of 4 bits from the lowest on, three launches per digit:
 *               count : a thread counts the 16 digits of its own chunk of 64 consecutive elements;
 *               scan  : one workgroup per row turns the counts, in order of (digit, chunk), into start positions;
 *               move  : the same threads put their elements there one after the other, which makes the sort stable.
 *             No atomics, no dependence on thread order. A thread owns a chunk rather than a coalesced stripe. This costs
 *             bandwidth on GPUs but needs no workgroup memory or subgroups. The number of digits follows the largest key.
 *
 * Layout: keys and positions are [rows, n]; counts are [rows, 16, chunks]. A grid counts rows for scan, and (row, chunk) for
 * count and move.
 */
import { wgsl } from 'wgsl-preprocessor';
import { offsetFunction } from './parameters';
import { defineKernel, type NoVariant, read, readWrite, type StorageType } from './shader';

export const RADIX_CHUNK = 64;
export const RADIX_BITS = 4;

/** orderKey(value): unsigned keys in the order of the values; every NaN is above all numbers, and -0 equals 0. */
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

type SortKeysVariant = {
	type: StorageType;
	descending: boolean;
};

export const sortKeys = defineKernel({
	name: 'sort.keys',
	params: { x: 'view', n: 'u32' },
	define: ({ type, descending }: SortKeysVariant) => ({
		bindings: { x: read(type), keys: readWrite('u32') },
		invocations: 'p.n',
		functions: ORDER_KEY(type) + offsetFunction('place', 'x'),
		main: wgsl`
	let key = orderKey(x[place(i)]);
#if ${descending}
	keys[i] = ~key;
#else
	keys[i] = key;
#endif
`,
	}),
});

export const rankSort = defineKernel({
	name: 'sort.rank',
	params: { rows: 'u32', n: 'u32' },
	define: (_: NoVariant) => ({
		bindings: { keys: read('u32'), sortedKeys: readWrite('u32'), positions: readWrite('u32') },
		invocations: 'p.rows * p.n',
		main: wgsl`
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
`,
	}),
});

const RADIX_PARAMS = { rows: 'u32', n: 'u32', chunks: 'u32', shift: 'u32' } as const;

const CHUNKS = 'p.rows * p.chunks';

const CHUNK_MAIN = wgsl`
	let row = i / p.chunks;
	let chunk = i % p.chunks;
	let first = row * p.n + chunk * ${RADIX_CHUNK}u;
	let last = row * p.n + min((chunk + 1u) * ${RADIX_CHUNK}u, p.n);
	let table = row * p.chunks * 16u + chunk;
`;

export const radixCount = defineKernel({
	name: 'sort.radixCount',
	params: RADIX_PARAMS,
	define: (_: NoVariant) => ({
		bindings: { keys: read('u32'), counts: readWrite('u32') },
		invocations: CHUNKS,
		main: wgsl`
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
`,
	}),
});

export const radixScan = defineKernel({
	name: 'sort.radixScan',
	params: RADIX_PARAMS,
	define: (_: NoVariant) => ({
		bindings: { counts: readWrite('u32') },
		workgroupSize: 256,
		functions: 'var<workgroup> sums: array<u32, 256>;',
		main: wgsl`
	let row = groupIndex;
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
`,
	}),
});

type RadixMoveVariant = {
	/** The first pass: positions are not stored yet, so an element's position is its index. */
	first: boolean;
};

export const radixMove = defineKernel({
	name: 'sort.radixMove',
	params: RADIX_PARAMS,
	define: ({ first }: RadixMoveVariant) => ({
		bindings: {
			keys: read('u32'),
			starts: read('u32'),
			movedKeys: readWrite('u32'),
			movedPositions: readWrite('u32'),
			positions: !first && read('u32'),
		},
		invocations: CHUNKS,
		main: wgsl`
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
`,
	}),
});
