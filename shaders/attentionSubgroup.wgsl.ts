/**
 * Attention for software adapters with subgroups: see attention.wgsl.ts for what is computed.
 *
 * A workgroup of 8 lanes has 32 own rows, four a lane, turned so that a vec4 holds one element of the four: the softmax of a query
 * then needs no other lane. They lie in private memory, a row of results beside them. Streamed rows come by tiles of `held` a lane of
 * the subgroup; each lane loads its own and subgroupBroadcast hands their elements around, an instruction each, where a load costs
 * some 30. With 4 of them a tile of 32 x 32 scores takes 8 reads of vec4 for 512 multiply-adds; with 2 it is a seventh slower and
 * compiles in half the time, which suits small heads.
 *
 * Scores stay in registers, numbered variables since WGSL has no others; loops over the elements of rows are not unrolled beyond
 * a quad: compile time is the other thing that software adapters are short of.
 */
import { wgsl } from 'wgsl-preprocessor';
import { type AttentionOptionsVariant, accesses, declarations, lines, OWN_ROWS, range, sizeOf } from './attention.wgsl';
import type { ShaderTemplate } from './shader';

export type AttentionSubgroupVariant = AttentionOptionsVariant & {
	/** Invocations of a subgroup, all the adapter has. */
	subgroup: 4 | 8;
	/** Streamed rows that a lane loads at a time. */
	held: 2 | 4;
};

const LANES = 8;

/** Fills private memory with the lane's own rows of tensor `name`, times `factor`. */
function loadOwn(name: string, count: string, head: string, target: string, factor: string): string {
	return `
	{
		${lines(4, (r) => `let row${r} = ${head} + min(own + ${r}u, ${count} - 1u) * p.${name}.z;`)}
		for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
			${lines(4, (r) => `let x${r} = ${name}Quad(row${r}, d);`)}
			${lines(4, (q) => `${target}[4u * d + ${q}u] = vec4<f32>(${range(4).map((r) => `x${r}[${q}]`)})${factor};`)}
		}
	}`;
}

/** Stores the lane's rows of results, times `factor` (a vec4 of the four rows). */
function storeOwn(name: string, count: string, head: string, strides: string, source: string, factor: string): string {
	return `
	{
		let factor = ${factor};
		for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
			${lines(4, (q) => `let x${q} = ${source}[4u * d + ${q}u] * factor;`)}
			${lines(
				4,
				(r) =>
					`if (own + ${r}u < ${count}) { ${name}Store(${head} + (own + ${r}u) * ${strides}.z, d, vec4<f32>(${range(4).map((q) => `x${q}[${r}]`)})); }`,
			)}
		}
	}`;
}

export const attentionSubgroup: ShaderTemplate<AttentionSubgroupVariant> = {
	name: 'attention.subgroup',
	source(variant) {
		const { kind, size, mask, dropout, storage, subgroup, held } = variant;
		const streamed = held * subgroup;
		const forward = kind === 'forward';
		const byKeys = kind === 'keyValue';
		const each = (line: (i: number) => string) => lines(streamed, line);
		/** Element i of the streamed rows that the lanes hold in x0 ... x3, which are vec4. */
		const element = (i: number, q: number) => `subgroupBroadcast(x${Math.floor(i / subgroup)}[${q}], ${i % subgroup}u)`;

		/** Declares rows \`at0\` ... of the streamed tensor that this lane loads. */
		const streamRows = (name: string, head: string) =>
			lines(held, (t) => `let ${name}At${t} = ${head} + stream${t} * p.${name}.z;`);
		const loadStream = (name: string) => lines(held, (t) => `let x${t} = ${name}Quad(${name}At${t}, d);`);

		/** s0 ... += streamed rows times own rows. */
		const product = (s: string, name: string, own: string) => `
		${each((i) => `var ${s}${i} = vec4<f32>();`)}
		for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
			${loadStream(name)}
			${lines(4, (q) => `let y${q} = ${own}[4u * d + ${q}u];`)}
			${lines(4, (q) => each((i) => `${s}${i} += ${element(i, q)} * y${q};`))}
		}`;
		/** sums += streamed rows, weighted by s0 ...; what was there is multiplied by \`keep\` before. */
		const accumulate = (s: string, name: string, sums: string, keep: string) => `
		for (var d = 0u; d < p.${sizeOf(name)}; d++) {
			${lines(held, (t) => `let x${t} = ${name}Element(${name}At${t} + d);`)}
			var y = ${sums}[d]${keep};
			${each((i) => `y += subgroupBroadcast(x${Math.floor(i / subgroup)}, ${i % subgroup}u) * ${s}${i};`)}
			${sums}[d] = y;
		}`;

		/** Masks the scores by position, and adds the mask, gathered in a loop since each place that loads costs compile time. */
		const restrict = wgsl`
#if ${mask !== 'none'}
		for (var i = 0u; i < ${streamed}u; i++) {
			bias[i] = vec4<f32>(${range(4).map((r) => (byKeys ? `biasAt(maskHead, first + i, own + ${r}u)` : `biasAt(maskHead, own + ${r}u, first + i)`))});
		}
		${each((i) => `s${i} += bias[${i}];`)}
#endif
#if ${byKeys}
		${each((i) => `s${i} = select(s${i}, vec4<f32>(MASKED), ownKeys >= vec4<u32>(visible(first + ${i}u)));`)}
#else
		${each((i) => `s${i} = select(s${i}, vec4<f32>(MASKED), vec4<u32>(first + ${i}u) >= seen);`)}
#endif`;
		const draw = wgsl`
#if ${dropout}
#if ${byKeys}
		for (var i = 0u; i < ${streamed}u; i++) {
			kept[i] = keptAt(rowHead + first + i, own / 4u);
		}
#else
		for (var i = 0u; i < ${streamed / 4}u; i++) {
			${lines(4, (r) => `let kept${r} = keptAt(rowHead + own + ${r}u, first / 4u + i);`)}
			${lines(4, (q) => `kept[4u * i + ${q}u] = vec4<f32>(${range(4).map((r) => `kept${r}[${q}]`)});`)}
		}
#endif
#endif`;
		const drop = (s: string) => (dropout ? each((i) => `${s}${i} *= kept[${i}];`) : '');

		const code = wgsl`
#if ${storage === 'f16'}
enable f16;
#endif
enable subgroups;
${declarations(variant)}

var<private> ownA: array<vec4<f32>, ${size}>;
var<private> sumsA: array<vec4<f32>, ${size}>;
#if ${!forward}
var<private> ownB: array<vec4<f32>, ${size}>;
#endif
#if ${byKeys}
var<private> sumsB: array<vec4<f32>, ${size}>;
#endif
#if ${mask !== 'none'}
var<private> bias: array<vec4<f32>, ${streamed}>;
#endif
#if ${dropout}
var<private> kept: array<vec4<f32>, ${streamed}>;
#endif

@compute @workgroup_size(${LANES})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
	@builtin(subgroup_invocation_id) member: u32,
) {
	let tile = wid.x + wid.y * grid.x;
	if (tile >= p.tiles) {
		return;
	}
#if ${byKeys}
	let heads = p.heads / p.group;
	let batch = tile / p.rowTiles / heads;
	let keyHead = tile / p.rowTiles % heads;
	let firstOwn = tile % p.rowTiles * ${OWN_ROWS}u;
	let own = firstOwn + lane * 4u;
	let ownKeys = vec4<u32>(own) + vec4<u32>(0u, 1u, 2u, 3u);
	${loadOwn('k', 'p.keys', 'headOf(p.k, batch, keyHead)', 'ownA', ' * p.scale')}
	${loadOwn('v', 'p.keys', 'headOf(p.v, batch, keyHead)', 'ownB', '')}
	for (var h = keyHead * p.group; h < (keyHead + 1u) * p.group; h++) {
		let rowHead = (batch * p.heads + h) * p.queries;
#if ${mask !== 'none'}
		let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
		for (var first = select(0u, firstOwn, p.causal != 0u); first < p.queries; first += ${streamed}u) {
			${lines(held, (t) => `let stream${t} = min(first + ${t * subgroup}u + member, p.queries - 1u);`)}
			${streamRows('q', 'headOf(p.q, batch, h)')}
			${streamRows('gradient', 'headOf(p.gradient, batch, h)')}
			${product('s', 'q', 'ownA')}
			${restrict}
			${lines(held, (t) => `let row${t} = rows[rowHead + stream${t}];`)}
			${each((i) => {
				const part = (c: number) => `subgroupBroadcast(row${Math.floor(i / subgroup)}[${c}], ${i % subgroup}u)`;
				return `s${i} = decay(s${i} - ${part(0)} - ${part(1)});`;
			})}
			${draw}
			${product('d', 'gradient', 'ownB')}
			${drop('d')}
			${each((i) => `d${i} = s${i} * (d${i} - subgroupBroadcast(row${Math.floor(i / subgroup)}[2], ${i % subgroup}u));`)}
			${drop('s')}
			${accumulate('s', 'gradient', 'sumsB', '')}
			${accumulate('d', 'q', 'sumsA', '')}
		}
	}
	${storeOwn('dk', 'p.keys', 'headOf(p.out, batch, keyHead)', 'p.out', 'sumsA', 'vec4<f32>(p.scale)')}
	${storeOwn('dv', 'p.keys', 'headOf(p.out2, batch, keyHead)', 'p.out2', 'sumsB', 'vec4<f32>(1.0)')}
#else
	let batch = tile / p.rowTiles / p.heads;
	let h = tile / p.rowTiles % p.heads;
	let keyHead = h / p.group;
	// The last tiles first: of causal ones they are the longest.
	let firstOwn = (p.rowTiles - 1u - tile % p.rowTiles) * ${OWN_ROWS}u;
	let own = firstOwn + lane * 4u;
	let rowHead = (batch * p.heads + h) * p.queries;
	let seen = vec4<u32>(visible(own), visible(own + 1u), visible(own + 2u), visible(own + 3u));
	let end = select(p.keys, min(firstOwn + ${OWN_ROWS}u, p.keys), p.causal != 0u);
#if ${mask !== 'none'}
	let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
	${loadOwn('q', 'p.queries', 'headOf(p.q, batch, h)', 'ownA', ' * p.scale')}
#if ${forward}
	var largest = vec4<f32>(MASKED);
	var total = vec4<f32>();
#else
	${loadOwn('gradient', 'p.queries', 'headOf(p.gradient, batch, h)', 'ownB', '')}
	${lines(4, (r) => `let row${r} = rows[rowHead + min(own + ${r}u, p.queries - 1u)];`)}
	let largest = vec4<f32>(row0.x, row1.x, row2.x, row3.x);
	let logTotal = vec4<f32>(row0.y, row1.y, row2.y, row3.y);
	let delta = vec4<f32>(row0.z, row1.z, row2.z, row3.z);
#endif
	for (var first = 0u; first < end; first += ${streamed}u) {
		${lines(held, (t) => `let stream${t} = min(first + ${t * subgroup}u + member, p.keys - 1u);`)}
		${streamRows('k', 'headOf(p.k, batch, keyHead)')}
		${streamRows('v', 'headOf(p.v, batch, keyHead)')}
		${product('s', 'k', 'ownA')}
		${restrict}
		${draw}
#if ${forward}
		let before = largest;
		${each((i) => `largest = max(largest, s${i});`)}
		let keep = decay(before - largest);
		total *= keep;
		${each((i) => `s${i} = decay(s${i} - largest);\ntotal += s${i};`)}
		${drop('s')}
		${accumulate('s', 'v', 'sumsA', ' * keep')}
#else
		${each((i) => `s${i} = decay(s${i} - largest - logTotal);`)}
		${product('d', 'v', 'ownB')}
		${drop('d')}
		${each((i) => `d${i} = s${i} * (d${i} - delta);`)}
		${accumulate('d', 'k', 'sumsA', '')}
#endif
	}
#if ${forward}
	// What such rows have accumulated are weights of masked scores.
	let empty = largest < vec4<f32>(-1.5e38);
	let safe = select(total, vec4<f32>(1.0), empty);
	${storeOwn('o', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'select(1.0 / safe, vec4<f32>(), empty)')}
	let logTotal = select(log(safe), vec4<f32>(), empty);
	let shift = select(largest, vec4<f32>(), empty);
	${lines(4, (r) => `if (own + ${r}u < p.queries) { logSumExp[rowHead + own + ${r}u] = vec2<f32>(shift[${r}], logTotal[${r}]); }`)}
#else
	${storeOwn('dq', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'vec4<f32>(p.scale)')}
#endif
#endif
}
`;
		return { code, bindings: accesses(variant) };
	},
};
