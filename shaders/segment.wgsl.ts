/**
 * Sums of rows that go to the same place, in a fixed order, for scatterAdd, indexAdd and the gradient of lookups. Or products
 * or extremes, for a scatter that multiplies or compares: "add" below then means that.
 *
 *   y[o, key, c] += sum of source[o, positions[i], c] over all i with keys[i] = key
 *
 * keys are sorted (sort.wgsl.ts), and positions say where each key was before. Keys from `limit` on are left out. source is
 * contiguous [outer, n, columns], y contiguous [outer, limit, columns]; columns count vec4 if `four`.
 *
 * segmentSum   A thread walks a block of 32 sorted keys for one column. A run of equal keys within the block goes to y at once. A
 *              run that reaches into the next block leaves its part in parts[o, block, 1, c]; a run that comes from the previous
 *              block leaves its part in parts[o, block, 0, c]. So an index with a single value costs no more than one with all
 *              values different.
 * segmentJoin  The thread of the block where such a run begins adds up its parts, block by block, and adds them to y.
 *
 * Sums are float32 (int32 for integers) for every storage type; the association depends on n alone. Workgroups of 64.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType } from './shader';

export const SEGMENT_BLOCK = 32;

export type SegmentOp = 'sum' | 'product' | 'largest' | 'smallest';

type SegmentVariant = {
	op: SegmentOp;
	type: StorageType;
	four: boolean;
};

const sumType = (type: StorageType) => (type === 'i32' ? 'i32' : 'f32');

const SEGMENT_PARAMS = {
	n: 'u32',
	columns: 'u32',
	outer: 'u32',
	/** The number of blocks of n. */
	blocks: 'u32',
	limit: 'u32',
	/** The offset of source, in units of T. */
	offset: 'u32',
} as const;

const INVOCATIONS = 'p.outer * p.blocks * p.columns';

/** The larger or smaller of a and b. NaN wins; its bits tell, because compilers may assume that it does not occur. */
function extreme(max: 'max' | 'min', type: 'i32' | 'f32', four: boolean): string {
	if (type === 'i32') return `fn combined(a: Sum, b: Sum) -> Sum { return ${max}(a, b); }`;
	const bits = four ? 'vec4<u32>' : 'u32';
	return `
fn isNanSum(x: Sum) -> ${four ? 'vec4<bool>' : 'bool'} {
	return (bitcast<${bits}>(x) & ${bits}(0x7fffffffu)) > ${bits}(0x7f800000u);
}
fn combined(a: Sum, b: Sum) -> Sum {
	return select(select(${max}(a, b), b, isNanSum(b)), a, isNanSum(a));
}`;
}

const COMBINED: Record<SegmentOp, (type: 'i32' | 'f32', four: boolean) => string> = {
	sum: () => 'fn combined(a: Sum, b: Sum) -> Sum { return a + b; }',
	product: () => 'fn combined(a: Sum, b: Sum) -> Sum { return a * b; }',
	largest: (type, four) => extreme('max', type, four),
	smallest: (type, four) => extreme('min', type, four),
};

const FUNCTIONS = ({ op, type, four }: SegmentVariant) => wgsl`
#if ${four}
alias T = vec4<${type}>;
alias Sum = vec4<${sumType(type)}>;
#else
alias T = ${type};
alias Sum = ${sumType(type)};
#endif
const BLOCK = ${SEGMENT_BLOCK}u;

${COMBINED[op](sumType(type), four)}
`;

const BLOCK_MAIN = wgsl`
	let column = i % p.columns;
	let blockAll = i / p.columns;
	let o = blockAll / p.blocks;
	let block = blockAll % p.blocks;
	let first = block * BLOCK;
	let last = min(first + BLOCK, p.n);
`;

export const segmentSum = defineKernel({
	name: 'segment.sum',
	params: SEGMENT_PARAMS,
	define: (variant: SegmentVariant) => ({
		bindings: {
			keys: read('u32'),
			positions: read('u32'),
			source: read('T'),
			y: readWrite('T'),
			parts: readWrite('Sum'),
		},
		invocations: INVOCATIONS,
		functions: FUNCTIONS(variant),
		main: wgsl`
${BLOCK_MAIN}
	var key = keys[first];
	var fromBefore = first > 0u && keys[max(first, 1u) - 1u] == key;
	var sum: Sum;
	var begins = true;
	for (var i = first; i < last; i++) {
		let term = Sum(source[p.offset + (o * p.n + positions[i]) * p.columns + column]);
		sum = select(combined(sum, term), term, begins);
		begins = false;
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
		begins = true;
		fromBefore = false;
		key = next;
	}
`,
	}),
});

export const segmentJoin = defineKernel({
	name: 'segment.join',
	params: SEGMENT_PARAMS,
	define: (variant: SegmentVariant) => ({
		bindings: { keys: read('u32'), parts: read('Sum'), y: readWrite('T') },
		invocations: INVOCATIONS,
		functions: FUNCTIONS(variant),
		main: wgsl`
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
`,
	}),
});
