/**
 * Attention without a matrix of weights in memory, after Dao et al. 2022 and 2023 (FlashAttention). This file holds what all
 * kernels share.
 *
 *   forward    o = softmax(scale q kT + mask) v: a tile of queries walks over tiles of keys with a running maximum and sum, and
 *              rescales its sums when the maximum grows. Writes o and, for each query, the largest score and the logarithm of the
 *              sum of exp(score - largest).
 *   rows       for each query its log-sum-exp and delta, the sum of gradient * o.
 *   query      dq: a tile of queries walks over the keys and recomputes the weights from the log-sum-exp.
 *   keyValue   dk, dv: a tile of keys walks over the queries of all heads that read it.
 *
 * One workgroup writes each result, in a fixed order, without atomics. It holds a tile of *own* rows, keeps their sums in
 * registers, and reads the *streamed* rows one after the other. Own rows are queries and streamed rows are keys, except in
 * keyValue, where the roles are swapped. The ladder:
 *
 *   attentionSmall.wgsl.ts       streamed rows one by one, shared by subgroupBroadcast: software adapters, heads up to 64.
 *   attentionSubgroup.wgsl.ts    streamed rows in tiles, shared by subgroupBroadcast: software adapters, larger heads.
 *   attentionWorkgroup.wgsl.ts   both staged in workgroup memory: GPUs, and adapters without subgroups.
 *
 * Tensors are [batch, heads, rows, size] of any strides except the last, which is 1. `vectors` variants read vec4: the host
 * guarantees that sizes, strides and offsets are multiples of 4. Rows beyond the end read the last row again; their scores are
 * masked and nothing is stored. A masked score is set to MASKED, and exp(MASKED) is 0. Added masks are clamped to stay above
 * MASKED. The bits of a mask tell whether it is -infinity. Dropout draws words of Philox by the position of a weight (see the
 * contract), and each backward kernel redraws them.
 */
import { wgsl } from 'wgsl-preprocessor';
import { mathFunctions } from './math.wgsl';
import { PHILOX } from './random.wgsl';
import { defineKernel, read, readWrite } from './shader';

type Float = 'f32' | 'f16';

export type AttentionKind = 'forward' | 'query' | 'keyValue';

export type AttentionOptionsVariant = {
	kind: AttentionKind;
	/** Capacity of the registers for a row: at least the row sizes of q, k and v. */
	size: 32 | 64 | 128 | 256;
	vectors: boolean;
	/**
	 * bool and float32 masks are both words, and a parameter tells them apart, because another variant would take seconds to
	 * compile.
	 */
	mask: 'none' | 'words' | 'f16';
	dropout: boolean;
	storage: Float;
};

/** The own rows of a tile. A launch has one workgroup for each tile of each head. */
export const OWN_ROWS = 32;

/** Whether a tensor's rows have `size` or `valueSize` elements. */
export const sizeOf = (name: string): 'size' | 'valueSize' => (['q', 'k', 'dq', 'dk'].includes(name) ? 'size' : 'valueSize');

/** The buffers of each kind. */
export function attentionBindings({ kind, vectors, mask, storage }: AttentionOptionsVariant) {
	const element = vectors ? `vec4<${storage}>` : storage;
	const forward = kind === 'forward';
	const byKeys = kind === 'keyValue';
	return {
		q: read(element),
		k: read(element),
		v: read(element),
		gradient: !forward && read(element),
		rows: !forward && read('vec4<f32>'),
		mask: mask !== 'none' && read(mask === 'words' ? 'u32' : mask),
		o: forward && readWrite(element),
		dq: kind === 'query' && readWrite(element),
		dk: byKeys && readWrite(element),
		dv: byKeys && readWrite(element),
		logSumExp: forward && readWrite('vec2<f32>'),
	};
}

/** The buffers that hold rows of elements. */
const TENSORS = ['q', 'k', 'v', 'gradient', 'o', 'dq', 'dk', 'dv'] as const;

/** For each tensor, x, y and z are the strides of batch, head and row, and w is the offset. */
export const ATTENTION_PARAMS = {
	/** The key of Philox. */
	key: 'vec4<u32>?',
	q: 'vec4<u32>',
	k: 'vec4<u32>',
	v: 'vec4<u32>',
	gradient: 'vec4<u32>?',
	/** out is for o, dq or dk, and out2 for dv. */
	out: 'vec4<u32>',
	out2: 'vec4<u32>?',
	/** Strides of batch, head, query and key. */
	mask: 'vec4<u32>?',
	maskOffset: 'u32?',
	isBool: 'bool?',
	/** The number of workgroups, and of tiles of own rows for each head. */
	tiles: 'u32',
	rowTiles: 'u32',
	/** The number of query heads, and of query heads that share one head of k and v. */
	heads: 'u32',
	group: 'u32',
	queries: 'u32',
	keys: 'u32',
	size: 'u32',
	valueSize: 'u32',
	causal: 'bool',
	scale: 'f32',
	/** Dropout: the count of the 2^24 values that drop a weight, and the factor of the other weights. */
	dropped: 'u32?',
	keptScale: 'f32?',
} as const;

/** Reads and stores four adjacent elements of the row that begins at element `row`; d counts quads. */
function rowAccess(name: string, written: boolean, { vectors }: Pick<AttentionOptionsVariant, 'vectors'>): string {
	const size = `p.${sizeOf(name)}`;
	if (written) {
		return vectors
			? `fn ${name}Store(row: u32, d: u32, value: vec4<f32>) { ${name}[(row >> 2u) + d] = vec4<T>(value); }
fn ${name}StoreElement(at: u32, value: f32) { ${name}[at >> 2u][at & 3u] = T(value); }`
			: `
fn ${name}StoreElement(at: u32, value: f32) { ${name}[at] = T(value); }
fn ${name}Store(row: u32, d: u32, value: vec4<f32>) {
	var left = value;
	for (var c = 4u * d; c < min(4u * d + 4u, ${size}); c++) {
		${name}[row + c] = T(left.x);
		left = left.yzww;
	}
}`;
	}
	return vectors
		? `fn ${name}Quad(row: u32, d: u32) -> vec4<f32> { return vec4<f32>(${name}[(row >> 2u) + d]); }
fn ${name}Element(at: u32) -> f32 { return f32(${name}[at >> 2u][at & 3u]); }`
		: `
fn ${name}Element(at: u32) -> f32 { return f32(${name}[at]); }
fn ${name}Quad(row: u32, d: u32) -> vec4<f32> {
	let c = vec4<u32>(4u * d) + vec4<u32>(0u, 1u, 2u, 3u);
	let at = vec4<u32>(row) + min(c, vec4<u32>(${size} - 1u));
	let values = vec4<f32>(f32(${name}[at.x]), f32(${name}[at.y]), f32(${name}[at.z]), f32(${name}[at.w]));
	return select(vec4<f32>(), values, c < vec4<u32>(${size}));
}`;
}

/** The functions of all variants. */
export function declarations(variant: AttentionOptionsVariant): string {
	const { mask, dropout, storage } = variant;
	const bindings = attentionBindings(variant);
	const access = TENSORS.map((name) => {
		const binding = bindings[name];
		return binding === false ? '' : rowAccess(name, binding.access === 'read_write', variant);
	});
	return wgsl`
alias T = ${storage};
${access.join('\n')}

const MASKED = -2e38;
${mathFunctions('isNan(x)')}

/** The first element of row 0 of a head. */
fn headOf(strides: vec4<u32>, batch: u32, head: u32) -> u32 {
	return strides.w + batch * strides.x + head * strides.y;
}

/** exp of numbers that only rounding can make positive. Keeps NaN, which max may drop. */
fn decay(x: vec4<f32>) -> vec4<f32> {
	return select(exp(max(x, vec4<f32>(-200.0))), x, isNan(x));
}

/** The number of keys that a query may attend to, counted from the first; 0 for queries beyond the end. */
fn visible(query: u32) -> u32 {
	let keys = select(p.keys, min(query + 1u, p.keys), p.causal != 0u);
	return select(0u, keys, query < p.queries);
}

#if ${mask !== 'none'}
/** The term that the mask adds to the score of query and key. \`head\` is the first element of their head in the mask. */
fn biasAt(head: u32, query: u32, key: u32) -> f32 {
	let value = mask[head + min(query, p.queries - 1u) * p.mask.z + min(key, p.keys - 1u) * p.mask.w];
#if ${mask === 'f16'}
	let wide = f32(value);
	return select(wide, MASKED, bitcast<u32>(wide) == 0xff800000u);
#else
	if (p.isBool != 0u) {
		return select(0.0, MASKED, value == 0u);
	}
	if ((value & 0x7fffffffu) > 0x7f800000u) {
		return bitcast<f32>(value);
	}
	return select(max(bitcast<f32>(value), -1e38), MASKED, value == 0xff800000u);
#endif
}
#endif

#if ${dropout}
${PHILOX}

/** The dropout factors of four adjacent weights of query \`row\`; \`quad\` is the number of the four keys. */
fn keptAt(row: u32, quad: u32) -> vec4<f32> {
	let words = philox(row * ((p.keys + 3u) / 4u) + quad);
	return select(vec4<f32>(p.keptScale), vec4<f32>(), (words >> vec4<u32>(8u)) < vec4<u32>(p.dropped));
}
#endif
`;
}

/** The invocations of a workgroup in the variants with subgroups; each has four own rows of the tile. */
export const OWN_LANES = OWN_ROWS / 4;

/**
 * The declarations of those variants, with private memory for an invocation's own rows of one or two tensors and of the results.
 */
export function ownMemory(variant: AttentionOptionsVariant): string {
	const { kind, size } = variant;
	return wgsl`
${declarations(variant)}

var<private> ownA: array<f32, ${4 * size}>;
var<private> sumsA: array<f32, ${4 * size}>;
#if ${kind !== 'forward'}
var<private> ownB: array<f32, ${4 * size}>;
#endif
#if ${kind === 'keyValue'}
var<private> sumsB: array<f32, ${4 * size}>;
#endif
`;
}

/** The start of main in all kernels: the tile's first own row, the first of the invocation's four, and their batch and head. */
export const ownRows = (kind: AttentionKind, own: string): string => wgsl`
	if (groupIndex >= p.tiles) {
		return;
	}
#if ${kind === 'keyValue'}
	let heads = p.heads / p.group;
	let batch = groupIndex / p.rowTiles / heads;
	let keyHead = groupIndex / p.rowTiles % heads;
	let firstOwn = groupIndex % p.rowTiles * ${OWN_ROWS}u;
	let own = firstOwn + ${own};
	let ownKeys = vec4<u32>(own) + vec4<u32>(0u, 1u, 2u, 3u);
#else
	let batch = groupIndex / p.rowTiles / p.heads;
	let h = groupIndex / p.rowTiles % p.heads;
	let keyHead = h / p.group;
	// The last tiles first, because with a causal mask they take longest.
	let firstOwn = (p.rowTiles - 1u - groupIndex % p.rowTiles) * ${OWN_ROWS}u;
	let own = firstOwn + ${own};
	let rowHead = (batch * p.heads + h) * p.queries;
	let seen = vec4<u32>(visible(own), visible(own + 1u), visible(own + 2u), visible(own + 3u));
	let end = select(p.keys, min(firstOwn + ${OWN_ROWS}u, p.keys), p.causal != 0u);
#endif
`;

/** The results of four queries in forward: the factor of their sums, the largest score, and the logarithm of the sum. */
export const ROW_RESULTS = wgsl`
	// Rows that attend to no key have sums of masked scores only.
	let empty = largest < vec4<f32>(-1.5e38);
	let safe = select(total, vec4<f32>(1.0), empty);
	let factor = select(1.0 / safe, vec4<f32>(), empty);
	let logTotal = select(log(safe), vec4<f32>(), empty);
	let shift = select(largest, vec4<f32>(), empty);
`;

type AttentionRowsVariant = { vectors: boolean; storage: Float };

/** rows: each invocation computes one query. */
export const attentionRows = defineKernel({
	name: 'attention.rows',
	params: {
		/** Strides of batch, head and row, and the offset. */
		o: 'vec4<u32>',
		gradient: 'vec4<u32>',
		/** The queries of all heads. */
		count: 'u32',
		heads: 'u32',
		queries: 'u32',
		valueSize: 'u32',
	},
	define({ vectors, storage }: AttentionRowsVariant) {
		const element = vectors ? `vec4<${storage}>` : storage;
		return {
			bindings: { o: read(element), gradient: read(element), logSumExp: read('vec2<f32>'), rows: readWrite('vec4<f32>') },
			invocations: 'p.count',
			functions: rowAccess('o', false, { vectors }) + rowAccess('gradient', false, { vectors }),
			main: wgsl`
	let head = i / p.queries;
	let place = vec3<u32>(head / p.heads, head % p.heads, i % p.queries);
	let at = p.o.w + dot(place, p.o.xyz);
	let gradientAt = p.gradient.w + dot(place, p.gradient.xyz);
	var sums = vec4<f32>();
	for (var d = 0u; d < (p.valueSize + 3u) / 4u; d++) {
		sums += oQuad(at, d) * gradientQuad(gradientAt, d);
	}
	rows[i] = vec4<f32>(logSumExp[i], (sums.x + sums.y) + (sums.z + sums.w), 0.0);
`,
		};
	},
});
