/** Output and input gradient in registers: see shaders/conv.wgsl.ts. */
import { wgsl } from 'wgsl-preprocessor';
import { CONV_LANE, CORRELATE_PARAMS, type CorrelateBlock, multiplyAdd } from './conv.wgsl';
import { defineKernel, LANES, lines, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';

/** Where each of four adjacent positions reads and writes. */
const ANY_SETUP = `let first = quad * ${CONV_LANE}u;
	let count = p.positions - min(first, p.positions);
	var w = first % p.out.z;
	var h = first / p.out.z;
	var d = h / p.out.y;
	h -= d * p.out.y;
	var n = d / p.out.x;
	d -= n * p.out.x;
	var z: vec4<u32>;
	var row: vec4<u32>;
	var column: vec4<u32>;
	var source: vec4<u32>;
	var destination: vec4<u32>;
	${lines(
		CONV_LANE,
		(i) => `{
		z.${LANES[i]} = d * p.inStep.x + p.inStart.x;
		row.${LANES[i]} = h * p.inStep.y + p.inStart.y;
		column.${LANES[i]} = w * p.inStep.z + p.inStart.z;
		source.${LANES[i]} = p.offset + (n * p.groups + group) * p.channels * p.size.w;
		destination.${LANES[i]} = ((n * p.groups + group) * p.outputs + output) * p.result.w
			+ ((d * p.outStep.x + p.outStart.x) * p.result.y + h * p.outStep.y + p.outStart.y) * p.result.z + w * p.outStep.z + p.outStart.z;
		w += 1u;
		h += u32(w == p.out.z);
		w = select(w, 0u, w == p.out.z);
		d += u32(h == p.out.y);
		h = select(h, 0u, h == p.out.y);
		n += u32(d == p.out.x);
		d = select(d, 0u, d == p.out.x);
	}`,
	)}`;

/** As ANY_SETUP, for four adjacent positions of one row; the last of them may lie beyond its end. */
const ROW_SETUP = `let quads = (p.out.z + 3u) / 4u;
	let r = quad / quads;
	let w = (quad - r * quads) * 4u;
	let slice = r / p.out.y;
	let h = r - slice * p.out.y;
	let n = slice / p.out.x;
	let d = slice - n * p.out.x;
	let count = select(0u, min(p.out.z - w, 4u), quad < p.positions);
	let z = d * p.inStep.x + p.inStart.x;
	let row = h * p.inStep.y + p.inStart.y;
	let column = w + p.inStart.z;
	let columnsNear = (vec4(column) + vec4<u32>(0u, 1u, 2u, 3u)) < vec4(p.size.z);
	let columnsFar = (vec2(column) + vec2<u32>(4u, 5u)) < vec2(p.size.z);
	let source = p.offset + (n * p.groups + group) * p.channels * p.size.w;
	let destination = vec4(((n * p.groups + group) * p.outputs + output) * p.result.w
		+ ((d * p.outStep.x + p.outStart.x) * p.result.y + h * p.outStep.y + p.outStart.y) * p.result.z + w) + vec4<u32>(0u, 1u, 2u, 3u);`;

type CorrelateVariant = Readonly<{
	type: StorageType;
	/**
	 * any  : the four positions of an invocation are adjacent, counted through rows and batches.
	 * row3 : they are in one row, and the three taps of a kernel's row, one element apart, share six elements.
	 */
	walk: 'any' | 'row3';
	block: CorrelateBlock;
	/** Only with blocks of 16. */
	subgroups: boolean;
	/** Whether four adjacent positions are an aligned vec4 of the target. */
	store: 'vec4' | 'single';
}>;

/** Each invocation computes a block of channels for 4 adjacent positions; a workgroup has one block of channels. */
export const convCorrelate = defineKernel({
	name: 'conv.correlate',
	params: CORRELATE_PARAMS,
	divisible: true,
	define({ type, walk, block, subgroups, store }: CorrelateVariant) {
		const vectors = Math.ceil(block / 4);
		/** Declares b0, b1, ...: the block's values at index `at` of the packed weights. */
		const shared = (at: string) =>
			subgroups
				? `let mine = weight[${at} + (subgroupLane & 3u)];\n${lines(4, (i) => `let b${i} = subgroupBroadcast(mine, ${i}u);`)}`
				: lines(vectors, (i) => `let b${i} = weight[${at} + ${i}u];`);
		return {
			bindings: {
				x: read(type),
				weight: read(block === 1 ? 'f32' : 'vec4<f32>'),
				y: readWrite(store === 'vec4' ? `vec4<${type}>` : type),
			},
			enable: subgroups ? ['subgroups'] : [],
			main: wgsl`
	let part = groupIndex % (p.groups * p.blocks);
	let quad = (groupIndex / (p.groups * p.blocks)) * ${WORKGROUP_SIZE}u + lid;
	let group = part / p.blocks;
	let output = (part % p.blocks) * ${block}u;

#if ${walk === 'row3'}
	${ROW_SETUP}
#else
	${ANY_SETUP}
#endif
	let bias = p.bias + part * ${vectors}u;
	${shared('bias')}
	${lines(block, (i) => `var a${i} = vec4<f32>(${block === 1 ? 'b0' : `b${i >> 2}.${LANES[i & 3]}`});`)}
#if ${walk === 'row3'}
	var tap = vec2<u32>();
	for (var t = 0u; t < p.taps.x * p.taps.y; t++) {
		let atZ = z + tap.x * p.tapStep.x;
		let atRow = row + tap.y * p.tapStep.y;
		let inside = atZ < p.size.x && atRow < p.size.y;
		let insideNear = columnsNear & vec4(inside);
		let insideFar = columnsFar & vec2(inside);
		var at = source + (atZ * p.size.y + atRow) * p.size.z + column;
		let weightTap = p.tapJump.w + tap.x * p.tapJump.x + tap.y * p.tapJump.y;
		let jump = p.tapJump.z * p.channels * ${vectors}u;
		var weightAt = (part * p.weightTaps + weightTap) * p.channels * ${vectors}u;
		for (var c = 0u; c < p.channels; c++) {
			let near = select(vec4<f32>(), vec4<f32>(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u])), insideNear);
			let far = select(vec2<f32>(), vec2<f32>(f32(x[at + 4u]), f32(x[at + 5u])), insideFar);
			{
				${shared('weightAt')}
				${multiplyAdd(block, 'near')}
			}
			{
				${shared('weightAt + jump')}
				${multiplyAdd(block, 'vec4(near.yzw, far.x)')}
			}
			{
				${shared('weightAt + 2u * jump')}
				${multiplyAdd(block, 'vec4(near.zw, far)')}
			}
			at += p.size.w;
			weightAt += ${vectors}u;
		}
		tap.y += 1u;
		tap.x += u32(tap.y == p.taps.y);
		tap.y = select(tap.y, 0u, tap.y == p.taps.y);
	}
#else
	var tap = vec3<u32>();
	for (var t = 0u; t < p.taps.w; t++) {
		let atZ = z + tap.x * p.tapStep.x;
		let atRow = row + tap.y * p.tapStep.y;
		let atColumn = column + tap.z * p.tapStep.z;
		let inside = (atZ < vec4(p.size.x)) & (atRow < vec4(p.size.y)) & (atColumn < vec4(p.size.z));
		var at = source + (atZ * p.size.y + atRow) * p.size.z + atColumn;
		let weightTap = p.tapJump.w + tap.x * p.tapJump.x + tap.y * p.tapJump.y + tap.z * p.tapJump.z;
		var weightAt = (part * p.weightTaps + weightTap) * p.channels * ${vectors}u;
		for (var c = 0u; c < p.channels; c++) {
			let v = select(vec4<f32>(), vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w])), inside);
			${shared('weightAt')}
			${multiplyAdd(block)}
			at += vec4(p.size.w);
			weightAt += ${vectors}u;
		}
		tap.z += 1u;
		tap.y += u32(tap.z == p.taps.z);
		tap.z = select(tap.z, 0u, tap.z == p.taps.z);
		tap.x += u32(tap.y == p.taps.y);
		tap.y = select(tap.y, 0u, tap.y == p.taps.y);
	}
#endif

	let channels = p.outputs - output;
#if ${store === 'vec4'}
	if (count > 0u) {
		let start = destination.x / 4u;
		let step = p.result.w / 4u;
		${lines(block, (o) => `if (${o}u < channels) { y[start + ${o}u * step] = vec4<${type}>(a${o}); }`)}
	}
#else
	${lines(
		block,
		(o) => `if (${o}u < channels) {
		let at = destination + ${o}u * p.result.w;
		${lines(CONV_LANE, (i) => `if (${i}u < count) { y[at.${LANES[i]}] = ${type}(a${o}.${LANES[i]}); }`)}
	}`,
	)}
#endif
`,
		};
	},
});
