/**
 * Attention for software adapters with subgroups and heads of up to 64 elements. attention.wgsl.ts defines what is computed.
 *
 * A workgroup of 8 lanes has 32 own rows, four for each lane, transposed so that a vec4 holds one element of each of the four. So
 * the softmax of a query needs no other lane. Own rows and their results are in private memory. Streamed rows come one at a time:
 * each lane of a subgroup reads a quad of the row, and subgroupBroadcast shares the elements.
 *
 * The variant is made for short compile times, which dominate a first step because lavapipe compiles kernels one after another.
 * Lavapipe emits one instruction for arithmetic on all lanes, but separate code for each lane where a kernel reads a buffer, or
 * private memory at a non-constant index. So the source reads each tensor at one place, and own rows element by element. Rows are
 * unrolled, which makes the indices of the arithmetic constants. No loop with a read has a constant bound, or the compiler would
 * unroll it, too. Larger heads are too large to unroll and gain from several streamed rows at a time: see
 * attentionSubgroup.wgsl.ts.
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

type AttentionSmallVariant = AttentionOptionsVariant & {
	size: 32 | 64;
	/** The adapter's only subgroup size. */
	subgroup: 4 | 8;
};

/** Element c of the four own rows in private memory. */
const four = (array: string, c: number) => `vec4<f32>(${range(4).map((r) => `${array}[${4 * c + r}]`)})`;

/** Fills private memory with the lane's own rows of tensor `name`. */
function loadOwn(name: string, count: string, head: string, target: string): string {
	return `
	for (var n = own; n < min(own + 4u, ${count}); n++) {
		let row = ${head} + n * p.${name}.z;
		for (var d = 0u; d < p.${sizeOf(name)}; d++) {
			${target}[4u * d + n % 4u] = ${name}Element(row + d);
		}
	}`;
}

/** Stores the lane's rows of results, times `factor`, which may depend on `n`. */
function storeOwn(name: string, count: string, head: string, strides: string, source: string, factor: string): string {
	return `
	for (var n = own; n < min(own + 4u, ${count}); n++) {
		let row = ${head} + n * ${strides}.z;
		for (var d = 0u; d < p.${sizeOf(name)}; d++) {
			${name}StoreElement(row + d, ${source}[4u * d + n % 4u] * ${factor});
		}
	}`;
}

/** Reads what the gradients need of the four own queries, into the elements of three vectors. */
const READ_ROWS = `
	var largest = vec4<f32>();
	var logTotal = vec4<f32>();
	var delta = vec4<f32>();
	for (var at = 3u * own; at < 3u * min(own + 4u, p.queries); at++) {
		let read = vec4<f32>(rows[rowHead + at / 3u][at % 3u]);
		let here = vec4<u32>(own) + vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(at / 3u);
		largest = select(largest, read, here & vec4<bool>(at % 3u == 0u));
		logTotal = select(logTotal, read, here & vec4<bool>(at % 3u == 1u));
		delta = select(delta, read, here & vec4<bool>(at % 3u == 2u));
	}`;

export const attentionSmall = defineKernel({
	name: 'attention.small',
	params: ATTENTION_PARAMS,
	divisible: true,
	define(variant: AttentionSmallVariant) {
		const { kind, size, mask, dropout, subgroup } = variant;
		const forward = kind === 'forward';
		const byKeys = kind === 'keyValue';
		const reads = size / (4 * subgroup);

		/** Element d of the streamed row of a tensor. */
		const element = (name: string, d: number) =>
			`subgroupBroadcast(${name}${Math.floor(d / (4 * subgroup))}[${d % 4}], ${Math.floor(d / 4) % subgroup}u)`;
		/** Reads row number `row` of a streamed tensor into the lanes. Elements beyond its end are multiplied by zeros. */
		const stream = (name: string, head: string, row: string) => {
			const last = `(p.${sizeOf(name)} - 1u) / 4u`;
			const read = (d: string) => `${name}Quad(${head} + ${row} * p.${name}.z, min(${d}, ${last}))`;
			if (reads === 1) return `let ${name}0 = ${read('subgroupLane')};`;
			return `
			${lines(reads, (n) => `var ${name}${n} = vec4<f32>();`)}
			for (var d = 0u; d <= ${last}; d += ${subgroup}u) {
				let read = ${read('d + subgroupLane')};
				${lines(reads, (n) => `${name}${n} = select(${name}${n}, read, d == ${n * subgroup}u);`)}
			}`;
		};

		/** s: the streamed row times the own rows. Two sums, because each addition waits for the previous one. */
		const product = (s: string, name: string, own: string) => `
			var ${s} = vec4<f32>();
			var ${s}Odd = vec4<f32>();
			${lines(size, (d) => `${s}${d % 2 ? 'Odd' : ''} += ${element(name, d)} * ${four(own, d)};`)}
			${s} += ${s}Odd;`;
		/** sums += the streamed row, weighted by `s`; `keep` is the factor of the previous sums. */
		const accumulate = (s: string, name: string, sums: string, keep: string) => `{
			var y = vec4<f32>();
			${lines(size, (d) => `y = ${four(sums, d)}${keep} + ${element(name, d)} * ${s};\n${put(sums, d)}`)}
		}`;

		const put = (sums: string, d: number) => lines(4, (r) => `${sums}[${4 * d + r}] = y[${r}];`);

		return {
			bindings: attentionBindings(variant),
			workgroupSize: OWN_LANES,
			enable: ['subgroups'],
			functions: wgsl`
${ownMemory(variant)}

#if ${mask !== 'none'}
/** The terms that the mask adds to the scores of the four own rows and a streamed row. */
fn biasOf(head: u32, own: u32, streamed: u32) -> vec4<f32> {
	var bias = vec4<f32>();
	let rows = vec4<u32>(own) + vec4<u32>(0u, 1u, 2u, 3u);
	for (var row = own; row < min(own + 4u, p.${byKeys ? 'keys' : 'queries'}); row++) {
		bias = select(bias, vec4<f32>(biasAt(head, ${byKeys ? 'streamed, row' : 'row, streamed'})), rows == vec4<u32>(row));
	}
	return bias;
}
#endif
`,
			main: wgsl`
	${ownRows(kind, 'lid * 4u')}
#if ${byKeys}
	${loadOwn('k', 'p.keys', 'headOf(p.k, batch, keyHead)', 'ownA')}
	${loadOwn('v', 'p.keys', 'headOf(p.v, batch, keyHead)', 'ownB')}
	for (var h = keyHead * p.group; h < (keyHead + 1u) * p.group; h++) {
		let rowHead = (batch * p.heads + h) * p.queries;
		for (var i = select(0u, firstOwn, p.causal != 0u); i < p.queries; i++) {
			${stream('q', 'headOf(p.q, batch, h)', 'i')}
			${stream('gradient', 'headOf(p.gradient, batch, h)', 'i')}
			let read = rows[rowHead + i][min(subgroupLane, 2u)];
			let shift = subgroupBroadcast(read, 0u);
			let logTotal = subgroupBroadcast(read, 1u);
			let delta = subgroupBroadcast(read, 2u);
			${product('s', 'q', 'ownA')}
			s *= p.scale;
#if ${mask !== 'none'}
			s += biasOf(p.maskOffset + batch * p.mask.x + h * p.mask.y, own, i);
#endif
			s = select(s, vec4<f32>(MASKED), ownKeys >= vec4<u32>(visible(i)));
			var weight = decay(s - shift - logTotal);
			${product('d', 'gradient', 'ownB')}
#if ${dropout}
			let kept = keptAt(rowHead + i, own / 4u);
			d = weight * (d * kept - delta);
			weight *= kept;
#else
			d = weight * (d - delta);
#endif
			${accumulate('weight', 'gradient', 'sumsB', '')}
			${accumulate('d', 'q', 'sumsA', '')}
		}
	}
	${storeOwn('dk', 'p.keys', 'headOf(p.out, batch, keyHead)', 'p.out', 'sumsA', 'p.scale')}
	${storeOwn('dv', 'p.keys', 'headOf(p.out2, batch, keyHead)', 'p.out2', 'sumsB', '1.0')}
#else
	${loadOwn('q', 'p.queries', 'headOf(p.q, batch, h)', 'ownA')}
#if ${forward}
	var largest = vec4<f32>(MASKED);
	var total = vec4<f32>();
#else
	${loadOwn('gradient', 'p.queries', 'headOf(p.gradient, batch, h)', 'ownB')}
	${READ_ROWS}
#endif
#if ${dropout}
	for (var first = 0u; first < end; first += 4u) {
		// Row r holds the factors of own query r for the four keys.
		var drawn = mat4x4<f32>();
		for (var r = 0u; r < 4u; r++) {
			let row = keptAt(rowHead + own + r, first / 4u);
			let here = vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(r);
			${lines(4, (q) => `drawn[${q}] = select(drawn[${q}], vec4<f32>(row[${q}]), here);`)}
		}
		for (var i = first; i < min(first + 4u, end); i++) {
			let kept = select(select(drawn[0], drawn[1], i == first + 1u), select(drawn[2], drawn[3], i == first + 3u), i >= first + 2u);
#else
		for (var i = 0u; i < end; i++) {
#endif
			${stream('k', 'headOf(p.k, batch, keyHead)', 'i')}
			${stream('v', 'headOf(p.v, batch, keyHead)', 'i')}
			${product('s', 'k', 'ownA')}
			s *= p.scale;
#if ${mask !== 'none'}
			s += biasOf(p.maskOffset + batch * p.mask.x + h * p.mask.y, own, i);
#endif
			s = select(s, vec4<f32>(MASKED), vec4<u32>(i) >= seen);
#if ${forward}
			// Either the score or the previous largest score has the exponential 1.
			let grown = s > largest;
			let other = decay(-abs(s - largest));
			largest = select(largest, s, grown);
			let keep = select(vec4<f32>(1.0), other, grown);
			var weight = select(other, vec4<f32>(1.0), grown);
			total = total * keep + weight;
#if ${dropout}
			weight *= kept;
#endif
			${accumulate('weight', 'v', 'sumsA', ' * keep')}
#else
			let weight = decay(s - largest - logTotal);
			${product('d', 'v', 'ownB')}
#if ${dropout}
			d *= kept;
#endif
			d = weight * (d - delta);
			${accumulate('d', 'k', 'sumsA', '')}
#endif
		}
#if ${dropout}
	}
#endif
#if ${forward}
	${ROW_RESULTS}
	${storeOwn('o', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'factor[n % 4u]')}
	for (var n = 2u * own; n < 2u * min(own + 4u, p.queries); n++) {
		logSumExp[rowHead + n / 2u][n % 2u] = select(shift, logTotal, vec4<bool>(n % 2u == 1u))[n / 2u % 4u];
	}
#else
	${storeOwn('dq', 'p.queries', 'headOf(p.out, batch, h)', 'p.out', 'sumsA', 'p.scale')}
#endif
#endif
`,
		};
	},
});
