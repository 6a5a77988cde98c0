/**
 * Attention for software adapters with subgroups and heads of more than 64 elements. attention.wgsl.ts defines what is computed.
 *
 * A workgroup of 8 lanes has 32 own rows, four for each lane, transposed so that a vec4 holds one element of each of the four. So
 * the softmax of a query needs no other lane. Own rows and their results are in private memory. Streamed rows come in tiles of 4
 * for each lane of the subgroup. Each lane loads its own rows, and subgroupBroadcast shares an element in one instruction, where
 * a load costs about 30: a tile of 32 x 32 scores takes 8 vec4 reads for 512 multiply-adds.
 *
 * Scores stay in registers, as numbered variables. Compile time matters, too, because lavapipe compiles kernels one after
 * another. So loops over the elements of rows are unrolled only four times, and own rows are loaded and stored one at a time,
 * because each read or write in the source becomes a branch for each lane.
 */
import { wgsl } from 'wgsl-preprocessor';
import {
	ATTENTION_PARAMS,
	type AttentionOptionsVariant,
	attentionBindings,
	OWN_LANES,
	ownMemory,
	ownRows,
	ROW_RESULTS,
	sizeOf,
} from './attention.wgsl';
import { defineKernel, lines, range } from './shader';

type AttentionSubgroupVariant = AttentionOptionsVariant & {
	/** The adapter's only subgroup size. */
	subgroup: 4 | 8;
};

/** The streamed rows that a lane loads at a time. */
const HELD = 4;

/** Element c of the four own rows in private memory. */
const four = (array: string, c: string) => `vec4<f32>(${range(4).map((r) => `${array}[4u * (${c}) + ${r}u]`)})`;

/** Fills private memory with the lane's own rows of tensor `name`. */
function loadOwn(name: string, count: string, head: string, target: string): string {
	return `
	for (var r = 0u; r < 4u; r++) {
		let row = ${head} + min(own + r, ${count} - 1u) * p.${name}.z;
		for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
			let x = ${name}Quad(row, d);
			${lines(4, (q) => `${target}[16u * d + ${4 * q}u + r] = x[${q}];`)}
		}
	}`;
}

/** Stores the lane's rows of results, times `factor`, which may depend on `r`. */
function storeOwn(name: string, count: string, head: string, strides: string, source: string, factor: string): string {
	return `
	for (var r = 0u; r < 4u; r++) {
		if (own + r < ${count}) {
			let row = ${head} + (own + r) * ${strides}.z;
			for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
				${name}Store(row, d, vec4<f32>(${range(4).map((q) => `${source}[16u * d + ${4 * q}u + r]`)}) * ${factor});
			}
		}
	}`;
}

/** Reads what the gradients need of `count` queries into the elements of three vectors; `row` is the index of query n. */
function readRows(count: number, row: string): string {
	return `
	var largest = vec4<f32>();
	var logTotal = vec4<f32>();
	var delta = vec4<f32>();
	for (var n = 0u; n < ${count}u; n++) {
		let read = rows[rowHead + min(${row}, p.queries - 1u)];
		let here = vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(n);
		largest = select(largest, vec4<f32>(read.x), here);
		logTotal = select(logTotal, vec4<f32>(read.y), here);
		delta = select(delta, vec4<f32>(read.z), here);
	}`;
}

export const attentionSubgroup = defineKernel({
	name: 'attention.subgroup',
	params: ATTENTION_PARAMS,
	divisible: true,
	define(variant: AttentionSubgroupVariant) {
		const { kind, mask, dropout, subgroup } = variant;
		const streamed = HELD * subgroup;
		const forward = kind === 'forward';
		const byKeys = kind === 'keyValue';
		const each = (line: (i: number) => string) => lines(streamed, line);
		/** Element i of the streamed rows that the lanes hold in x0 ... x3, which are vec4. */
		const element = (i: number, q: number) => `subgroupBroadcast(x${Math.floor(i / subgroup)}[${q}], ${i % subgroup}u)`;

		const ofRow = (name: string, i: number) => `subgroupBroadcast(${name}[${Math.floor(i / subgroup)}], ${i % subgroup}u)`;

		/** Declares the rows `at0` ... of the streamed tensor that this lane loads. */
		const streamRows = (name: string, head: string) =>
			lines(HELD, (t) => `let ${name}At${t} = ${head} + stream${t} * p.${name}.z;`);
		const loadStream = (name: string) => lines(HELD, (t) => `let x${t} = ${name}Quad(${name}At${t}, d);`);

		/** s0 ... += streamed rows times own rows. */
		const product = (s: string, name: string, own: string) => `
		${each((i) => `var ${s}${i} = vec4<f32>();`)}
		for (var d = 0u; d < (p.${sizeOf(name)} + 3u) / 4u; d++) {
			${loadStream(name)}
			${lines(4, (q) => `let y${q} = ${four(own, `4u * d + ${q}u`)};`)}
			${lines(4, (q) => each((i) => `${s}${i} += ${element(i, q)} * y${q};`))}
		}`;
		/** sums += streamed rows, weighted by s0 ...; `keep` is the factor of the previous sums. */
		const accumulate = (s: string, name: string, sums: string, keep: string) => `
		for (var d = 0u; d < p.${sizeOf(name)}; d++) {
			${lines(HELD, (t) => `let x${t} = ${name}Element(${name}At${t} + d);`)}
			var y = ${four(sums, 'd')}${keep};
			${each((i) => `y += subgroupBroadcast(x${Math.floor(i / subgroup)}, ${i % subgroup}u) * ${s}${i};`)}
			${lines(4, (q) => `${sums}[4u * d + ${q}u] = y[${q}];`)}
		}`;

		/**
		 * Scales the scores, masks them by position, and adds the mask. A loop reads the mask, because each load in the source costs
		 * compile time.
		 */
		const restrict = wgsl`
		${each((i) => `s${i} *= p.scale;`)}
#if ${mask !== 'none'}
		for (var i = 0u; i < ${streamed}u; i++) {
			for (var r = 0u; r < 4u; r++) {
				bias[4u * i + r] = ${byKeys ? 'biasAt(maskHead, first + i, own + r)' : 'biasAt(maskHead, own + r, first + i)'};
			}
		}
		${each((i) => `s${i} += ${four('bias', `${i}u`)};`)}
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
			let drawn = keptAt(rowHead + first + i, own / 4u);
			${lines(4, (r) => `kept[4u * i + ${r}u] = drawn[${r}];`)}
		}
#else
		for (var i = 0u; i < ${streamed / 4}u; i++) {
			for (var r = 0u; r < 4u; r++) {
				let drawn = keptAt(rowHead + own + r, first / 4u + i);
				${lines(4, (q) => `kept[16u * i + ${4 * q}u + r] = drawn[${q}];`)}
			}
		}
#endif
#endif`;
		const drop = (s: string) => (dropout ? each((i) => `${s}${i} *= ${four('kept', `${i}u`)};`) : '');

		return {
			bindings: attentionBindings(variant),
			workgroupSize: OWN_LANES,
			enable: ['subgroups'],
			functions: wgsl`
${ownMemory(variant)}
#if ${mask !== 'none'}
var<private> bias: array<f32, ${4 * streamed}>;
#endif
#if ${dropout}
var<private> kept: array<f32, ${4 * streamed}>;
#endif
`,
			main: wgsl`
	${ownRows(kind, 'lid * 4u')}
#if ${byKeys}
	${loadOwn('k', 'p.keys', 'headOf(p.k, batch, keyHead)', 'ownA')}
	${loadOwn('v', 'p.keys', 'headOf(p.v, batch, keyHead)', 'ownB')}
	for (var h = keyHead * p.group; h < (keyHead + 1u) * p.group; h++) {
		let rowHead = (batch * p.heads + h) * p.queries;
#if ${mask !== 'none'}
		let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
		for (var first = select(0u, firstOwn, p.causal != 0u); first < p.queries; first += ${streamed}u) {
			${lines(HELD, (t) => `let stream${t} = min(first + ${t * subgroup}u + subgroupLane, p.queries - 1u);`)}
			${streamRows('q', 'headOf(p.q, batch, h)')}
			${streamRows('gradient', 'headOf(p.gradient, batch, h)')}
			${product('s', 'q', 'ownA')}
			${restrict}
			${readRows(HELD, `first + ${subgroup}u * n + subgroupLane`)}
			${each((i) => `s${i} = decay(s${i} - ${ofRow('largest', i)} - ${ofRow('logTotal', i)});`)}
			${draw}
			${product('d', 'gradient', 'ownB')}
			${drop('d')}
			${each((i) => `d${i} = s${i} * (d${i} - ${ofRow('delta', i)});`)}
			${drop('s')}
			${accumulate('s', 'gradient', 'sumsB', '')}
			${accumulate('d', 'q', 'sumsA', '')}
		}
	}
	${storeOwn('dk', 'p.keys', 'headOf(p.out, batch, keyHead)', 'p.out', 'sumsA', 'p.scale')}
	${storeOwn('dv', 'p.keys', 'headOf(p.out2, batch, keyHead)', 'p.out2', 'sumsB', '1.0')}
#else
#if ${mask !== 'none'}
	let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
	${loadOwn('q', 'p.queries', 'headOf(p.q, batch, h)', 'ownA')}
#if ${forward}
	var largest = vec4<f32>(MASKED);
	var total = vec4<f32>();
#else
	${loadOwn('gradient', 'p.queries', 'headOf(p.gradient, batch, h)', 'ownB')}
	${readRows(4, 'own + n')}
#endif
	for (var first = 0u; first < end; first += ${streamed}u) {
		${lines(HELD, (t) => `let stream${t} = min(first + ${t * subgroup}u + subgroupLane, p.keys - 1u);`)}
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
	${ROW_RESULTS}
	${storeOwn('o', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'factor[r]')}
	for (var r = 0u; r < 4u; r++) {
		if (own + r < p.queries) {
			logSumExp[rowHead + own + r] = vec2<f32>(shift[r], logTotal[r]);
		}
	}
#else
	${storeOwn('dq', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'p.scale')}
#endif
#endif
`,
		};
	},
});
