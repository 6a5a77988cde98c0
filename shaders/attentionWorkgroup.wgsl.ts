/**
 * Attention for GPUs and for adapters without subgroups. attention.wgsl.ts defines what is computed.
 *
 * A workgroup of 128 has 32 own rows and walks over tiles of 32 streamed rows. Invocation (y, x) of 8 x 16 computes the scores of
 * own rows 4y .. 4y + 3 with streamed rows 2x and 2x + 1. Of the sums of its four rows it keeps the quads x, x + 16, ...
 *
 *   product      Both sides are staged 32 elements deep, transposed so that adjacent invocations read adjacent elements: six vec4
 *                reads for 32 multiply-adds.
 *   accumulate   Weights are in workgroup memory, four own rows in a vec4; streamed rows are staged 64 elements wide.
 *
 * All 16 invocations that share a row compute its running maximum and sum from workgroup memory, which costs less than sharing
 * results. The kernel uses 16 KiB of workgroup memory, which every adapter has.
 */
import { wgsl } from 'wgsl-preprocessor';
import {
	ATTENTION_PARAMS,
	type AttentionOptionsVariant,
	attentionBindings,
	declarations,
	OWN_ROWS,
	ownRows,
	ROW_RESULTS,
	sizeOf,
} from './attention.wgsl';
import { defineKernel, lines, range } from './shader';

/** The streamed rows of a tile. */
const STREAMED = 32;
/** Quads staged at a time: of both sides for products, of streamed rows for sums. */
const DEEP = 8;
const WIDE = 16;
const WORKGROUP = 128;

export const attentionWorkgroup = defineKernel({
	name: 'attention.workgroup',
	params: ATTENTION_PARAMS,
	divisible: true,
	define(variant: AttentionOptionsVariant) {
		const { kind, size, mask, dropout } = variant;
		const forward = kind === 'forward';
		const byKeys = kind === 'keyValue';
		const chunks = Math.ceil(size / (4 * WIDE));
		const quads = (name: string) => `(p.${sizeOf(name)} + 3u) / 4u`;
		/** Element 0 of row `first` + i of tensor `name`; rows beyond `count` read the last row. */
		const row = (name: string, head: string, first: string, count: string, i: string) =>
			`${head} + min(${first} + ${i}, ${count} - 1u) * p.${name}.z`;
		const inside = (name: string, at: string, d: string) =>
			`select(vec4<f32>(), ${name}Quad(${at}, min(${d}, ${quads(name)} - 1u)), ${d} < ${quads(name)})`;

		interface Side {
			readonly name: string;
			readonly head: string;
		}
		const [ownCount, streamCount] = byKeys ? ['p.keys', 'p.queries'] : ['p.queries', 'p.keys'];

		/** `s`0 and `s`1 become the products of the invocation's own rows, a vec4, with its two streamed rows. */
		const product = (s: string, own: Side, streamed: Side) => `
		${s}0 = vec4<f32>();
		${s}1 = vec4<f32>();
		for (var chunk = 0u; chunk < ${quads(own.name)}; chunk += ${DEEP}u) {
			workgroupBarrier();
			for (var n = lid; n < ${OWN_ROWS * DEEP}u; n += ${WORKGROUP}u) {
				let d = chunk + n % ${DEEP}u;
				let i = n / ${DEEP}u;
				let to = n % ${DEEP}u * ${OWN_ROWS}u + i;
				staged[to] = ${inside(own.name, row(own.name, own.head, 'firstOwn', ownCount, 'i'), 'd')};
				staged[${OWN_ROWS * DEEP}u + to] = ${inside(streamed.name, row(streamed.name, streamed.head, 'first', streamCount, 'i'), 'd')};
			}
			workgroupBarrier();
			for (var d = 0u; d < ${DEEP}u; d++) {
				let y0 = staged[${OWN_ROWS * DEEP}u + d * ${STREAMED}u + 2u * x];
				let y1 = staged[${OWN_ROWS * DEEP}u + d * ${STREAMED}u + 2u * x + 1u];
				${lines(4, (r) => `let x${r} = staged[d * ${OWN_ROWS}u + 4u * y + ${r}u];`)}
				${lines(2, (j) => `${s}${j} += vec4<f32>(${range(4).map((r) => `dot(x${r}, y${j})`)});`)}
			}
		}`;

		/** Adds the streamed rows, weighted by `weights`, to `sums`. */
		const accumulate = (sums: string, weights: string, streamed: Side) =>
			lines(
				chunks,
				(c) => `
		if (${c * WIDE}u < ${quads(streamed.name)}) {
			workgroupBarrier();
			for (var n = lid; n < ${STREAMED * WIDE}u; n += ${WORKGROUP}u) {
				let d = ${c * WIDE}u + n % ${WIDE}u;
				let i = n / ${WIDE}u;
				staged[n] = ${inside(streamed.name, row(streamed.name, streamed.head, 'first', streamCount, 'i'), 'd')};
			}
			workgroupBarrier();
			for (var i = 0u; i < ${STREAMED}u; i++) {
				let weight = ${weights}[i * 8u + y];
				let value = staged[i * ${WIDE}u + x];
				${lines(4, (r) => `${sums}${c}_${r} += weight[${r}] * value;`)}
			}
		}`,
			);
		const eachSum = (line: (c: number, r: number) => string) => lines(chunks, (c) => lines(4, (r) => line(c, r)));
		const store = (name: string, sums: string, head: string, strides: string, factor: (r: number) => string) =>
			eachSum(
				(c, r) => `
	if (own + ${r}u < ${ownCount} && ${c * WIDE}u + x < ${quads(name)}) {
		${name}Store(${head} + (own + ${r}u) * ${strides}.z, ${c * WIDE}u + x, ${sums}${c}_${r} * ${factor(r)});
	}`,
			);

		const pairs = (line: (j: number) => string) => lines(2, line);
		const masked = wgsl`
		${pairs((j) => `s${j} *= p.scale;`)}
#if ${mask !== 'none'}
		${pairs(
			(j) =>
				`s${j} += vec4<f32>(${range(4).map((r) => (byKeys ? `biasAt(maskHead, stream + ${j}u, own + ${r}u)` : `biasAt(maskHead, own + ${r}u, stream + ${j}u)`))});`,
		)}
#endif
		${pairs(
			(j) =>
				`s${j} = select(s${j}, vec4<f32>(MASKED), ${byKeys ? `ownKeys >= vec4<u32>(visible(stream + ${j}u))` : `vec4<u32>(stream + ${j}u) >= seen`});`,
		)}
#if ${dropout && byKeys}
		${pairs((j) => `let kept${j} = keptAt(rowHead + stream + ${j}u, own / 4u);`)}
#elif ${dropout}
		${lines(4, (r) => `let drawn${r} = keptAt(rowHead + own + ${r}u, stream / 4u);`)}
		let odd = (stream & 2u) != 0u;
		${pairs((j) => `let kept${j} = vec4<f32>(${range(4).map((r) => `select(drawn${r}[${j}], drawn${r}[${j + 2}], odd)`)});`)}
#endif`;
		const drop = (j: number) => (dropout ? ` * kept${j}` : '');
		/** Writes the invocation's two columns to workgroup memory. */
		const leave = (array: string, value: (j: number) => string) =>
			pairs((j) => `${array}[(2u * x + ${j}u) * 8u + y] = ${value(j)};`);

		const q = { name: 'q', head: 'headOf(p.q, batch, h)' };
		const k = { name: 'k', head: 'headOf(p.k, batch, keyHead)' };
		const v = { name: 'v', head: 'headOf(p.v, batch, keyHead)' };
		const gradient = { name: 'gradient', head: 'headOf(p.gradient, batch, h)' };

		return {
			bindings: attentionBindings(variant),
			workgroupSize: WORKGROUP,
			functions: wgsl`
${declarations(variant)}

var<workgroup> staged: array<vec4<f32>, ${STREAMED * WIDE}>;
var<workgroup> weights: array<vec4<f32>, ${STREAMED * 8}>;
var<workgroup> slopes: array<vec4<f32>, ${STREAMED * 8}>;
`,
			main: wgsl`
	let x = lid % 16u;
	let y = lid / 16u;
	${ownRows(kind, '4u * y')}
	var s0: vec4<f32>;
	var s1: vec4<f32>;
	${eachSum((c, r) => `var a${c}_${r} = vec4<f32>();`)}
#if ${byKeys}
	var d0: vec4<f32>;
	var d1: vec4<f32>;
	${eachSum((c, r) => `var b${c}_${r} = vec4<f32>();`)}
	for (var h = keyHead * p.group; h < (keyHead + 1u) * p.group; h++) {
		let rowHead = (batch * p.heads + h) * p.queries;
#if ${mask !== 'none'}
		let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
		for (var first = select(0u, firstOwn, p.causal != 0u); first < p.queries; first += ${STREAMED}u) {
			let stream = first + 2u * x;
			${product('s', k, q)}
			${masked}
			${product('d', v, gradient)}
			${pairs((j) => `let row${j} = rows[rowHead + min(stream + ${j}u, p.queries - 1u)];`)}
			${pairs((j) => `s${j} = decay(s${j} - row${j}.x - row${j}.y);`)}
			${leave('weights', (j) => `s${j}${drop(j)}`)}
			${leave('slopes', (j) => `s${j} * (d${j}${drop(j)} - row${j}.z)`)}
			${accumulate('b', 'weights', gradient)}
			${accumulate('a', 'slopes', q)}
		}
	}
	${store('dk', 'a', 'headOf(p.out, batch, keyHead)', 'p.out', () => 'p.scale')}
	${store('dv', 'b', 'headOf(p.out2, batch, keyHead)', 'p.out2', () => '1.0')}
#else
#if ${mask !== 'none'}
	let maskHead = p.maskOffset + batch * p.mask.x + h * p.mask.y;
#endif
#if ${forward}
	var largest = vec4<f32>(MASKED);
	var total = vec4<f32>();
#else
	var d0: vec4<f32>;
	var d1: vec4<f32>;
	${lines(4, (r) => `let row${r} = rows[rowHead + min(own + ${r}u, p.queries - 1u)];`)}
	let largest = vec4<f32>(row0.x, row1.x, row2.x, row3.x);
	let logTotal = vec4<f32>(row0.y, row1.y, row2.y, row3.y);
	let delta = vec4<f32>(row0.z, row1.z, row2.z, row3.z);
#endif
	for (var first = 0u; first < end; first += ${STREAMED}u) {
		let stream = first + 2u * x;
		${product('s', q, k)}
		${masked}
#if ${forward}
		${leave('slopes', (j) => `s${j}`)}
		workgroupBarrier();
		let before = largest;
		for (var i = 0u; i < ${STREAMED}u; i++) {
			largest = max(largest, slopes[i * 8u + y]);
		}
		let keep = decay(before - largest);
		${pairs((j) => `s${j} = decay(s${j} - largest);`)}
		${leave('weights', (j) => `s${j}${drop(j)}`)}
#if ${dropout}
		// The sum includes the weights that dropout removes.
		workgroupBarrier();
		${leave('slopes', (j) => `s${j}`)}
#endif
		workgroupBarrier();
		total *= keep;
		for (var i = 0u; i < ${STREAMED}u; i++) {
			total += ${dropout ? 'slopes' : 'weights'}[i * 8u + y];
		}
		${eachSum((c, r) => `a${c}_${r} *= keep[${r}];`)}
		${accumulate('a', 'weights', v)}
#else
		${product('d', gradient, v)}
		${pairs((j) => `s${j} = decay(s${j} - largest - logTotal);`)}
		${leave('slopes', (j) => `s${j} * (d${j}${drop(j)} - delta)`)}
		${accumulate('a', 'slopes', k)}
#endif
	}
#if ${forward}
	${ROW_RESULTS}
	${store('o', 'a', 'headOf(p.out, batch, h)', 'p.out', (r) => `factor[${r}]`)}
	${lines(4, (r) => `if (x == 0u && own + ${r}u < p.queries) { logSumExp[rowHead + own + ${r}u] = vec2<f32>(shift[${r}], logTotal[${r}]); }`)}
#else
	${store('dq', 'a', 'headOf(p.out, batch, h)', 'p.out', () => 'p.scale')}
#endif
#endif
`,
		};
	},
});
