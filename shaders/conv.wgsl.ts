/**
 * Convolution, its input gradient and its weight gradient, as implicit GEMM: no unfolded copy of the input is ever made.
 *
 * Layouts (all contiguous): x [N, G C, D, H, W], weight [G O, C, KD, KH, KW], y [N, G O, D', H', W']; here C and O count
 * channels of one group, and fewer spatial dimensions arrive with leading sizes of 1.
 *
 * pack        weight -> packed [G, O / block, taps, C, block] in f32, O padded with zeros, then bias [G, O / block, block].
 *             With the roles of O and C exchanged it serves the input gradient. It costs nothing beside the convolution,
 *             makes every load of weights an aligned vec4, and leaves no edge to guard in O.
 * correlate   target = bias + sum over channels and taps of packed weight times source. One kernel for two directions, since
 *             everything that differs is data: along each dimension output j of the launch is target element
 *             j outStep + outStart, and tap t of it is source element j inStep + inStart + t tapStep, in u32 arithmetic that
 *             wraps, so that one comparison finds both edges. conv is one launch. The input gradient is one launch for
 *             each residue of the target position modulo the stride, each with the taps that meet this residue: dense work.
 * weightGrad  partial[s, g, o, (c, tap)], or with the last two exchanged, = the sum of gradY x over the s-th range of output
 *             rows (n, d', h'). Both sizes are padded to whole tiles, so that it is stored without a guard.
 * sumPartials gradWeight = the sum of the partial results, in order of s: no atomics, the same bits every time.
 *
 * Ladder:
 * 1. A 16x16 workgroup tile of an im2col-like GEMM: barriers and index arithmetic for every element; slowest everywhere.
 * 2. 16 outputs x 4 positions in registers of each thread, weights loaded by every thread: software adapters spend four
 *    fifths of the time in loads, which cost them 25 multiply-adds each, whether all threads read one address or not.
 * 3. subgroups (SHARED): the 16 values that all threads want are one vec4 of each of four lanes, handed round by
 *    subgroupBroadcast. Right for every subgroup size, as the least in WGSL is 4. Twice as fast as 2 on lavapipe, and compiled
 *    in a third of the time, for its code grows with the number of places that load.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate, StorageType } from './shader';

/** Positions (or elements on the lanes' side of the weight gradient) that one thread holds. */
export const CONV_LANE = 4;
/** Elements of the shared side of the weight gradient that one thread holds. */
export const WEIGHT_GRAD_SHARED = 16;
export const CORRELATE_WORKGROUP = 64;
export const WEIGHT_GRAD_WORKGROUP = 8;
export const PACK_WORKGROUP = 64;

/** Channels of the target that one thread holds: 16, or fewer where a group has no more (depthwise; input gradient of an image). */
export type CorrelateBlock = 16 | 4 | 1;

const LANES = ['x', 'y', 'z', 'w'] as const;

function repeat(count: number, line: (i: number) => string): string {
	return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

/** a_i += b_i * v, with b the shared values in vectors b0, b1, ... */
function multiplyAdd(count: number): string {
	return repeat(count, (i) => `a${i} = fma(vec4(${count === 1 ? 'b0' : `b${i >> 2}.${LANES[i & 3]}`}), v, a${i});`);
}

export type PackVariant = Readonly<{ type: StorageType; bias: boolean; block: CorrelateBlock }>;

/** One thread makes one packed value. */
export const convPack: ShaderTemplate<PackVariant> = {
	name: 'conv.pack',
	source({ type, bias, block }) {
		return {
			bindings: bias ? ['read', 'read_write', 'read'] : ['read', 'read_write'],
			code: wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	taps: u32, channels: u32, blocks: u32, outputs: u32,
	groupStride: u32, outputStride: u32, channelStride: u32, offset: u32,
	weights: u32, total: u32, biasOffset: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> weight: array<${type}>;
@group(0) @binding(2) var<storage, read_write> packed: array<f32>;
#if ${bias}
@group(0) @binding(3) var<storage, read> bias: array<${type}>;
#endif

@compute @workgroup_size(${PACK_WORKGROUP})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
	let i = (wid.x + wid.y * nwg.x) * ${PACK_WORKGROUP}u + lid;
	if (i >= p.total) { return; }
	let isBias = i >= p.weights;
	let row = select(i, i - p.weights, isBias) / ${block}u;
	let channel = select(row % p.channels, 0u, isBias);
	let tapRow = select(row / p.channels, row, isBias);
	let tap = select(tapRow % p.taps, 0u, isBias);
	let part = select(tapRow / p.taps, row, isBias);
	let group = part / p.blocks;
	let output = (part % p.blocks) * ${block}u + i % ${block}u;
	var value = 0.0;
	if (output < p.outputs) {
		if (!isBias) {
			value = f32(weight[p.offset + group * p.groupStride + output * p.outputStride + channel * p.channelStride + tap]);
		}
#if ${bias}
		else {
			value = f32(bias[p.biasOffset + group * p.outputs + output]);
		}
#endif
	}
	packed[i] = value;
}`,
		};
	},
};

export type CorrelateVariant = Readonly<{
	type: StorageType;
	block: CorrelateBlock;
	/** Only with blocks of 16. */
	subgroups: boolean;
	/** Whether four neighbouring positions are an aligned vec4 of the target. */
	store: 'vec4' | 'single';
}>;

/** A thread makes a block of channels for 4 neighbouring positions, counted through all batches; a workgroup has one block of channels. */
export const convCorrelate: ShaderTemplate<CorrelateVariant> = {
	name: 'conv.correlate',
	source({ type, block, subgroups, store }) {
		const vectors = Math.ceil(block / 4);
		/** Declares b0, b1, ...: the block's values at `at` of the packed weights. */
		const shared = (at: string) =>
			subgroups
				? `let mine = weight[${at} + (lane & 3u)];\n${repeat(4, (i) => `let b${i} = subgroupBroadcast(mine, ${i}u);`)}`
				: repeat(vectors, (i) => `let b${i} = weight[${at} + ${i}u];`);
		return {
			bindings: ['read', 'read', 'read_write'],
			code: wgsl`
#if ${subgroups}
enable subgroups;
#endif
#if ${type === 'f16'}
enable f16;
#endif
// Vectors over (depth, height, width); w of size, out and result is their product.
struct Params {
	size: vec4<u32>,
	out: vec4<u32>,
	result: vec4<u32>,
	outStep: vec4<u32>,
	outStart: vec4<u32>,
	inStep: vec4<u32>,
	inStart: vec4<u32>,
	tapStep: vec4<u32>,
	taps: vec4<u32>,        // w: their product
	tapJump: vec4<u32>,     // in the packed weights; w: the first tap
	channels: u32, outputs: u32, groups: u32, blocks: u32,
	positions: u32, offset: u32, weightTaps: u32, bias: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read> weight: array<${block === 1 ? 'f32' : 'vec4<f32>'}>;
@group(0) @binding(3) var<storage, read_write> y: array<${store === 'vec4' ? `vec4<${type}>` : type}>;

@compute @workgroup_size(${CORRELATE_WORKGROUP})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
#if ${subgroups}
	@builtin(subgroup_invocation_id) lane: u32,
#endif
) {
	let flat = wid.x + wid.y * nwg.x;
	let part = flat % (p.groups * p.blocks);
	let first = ((flat / (p.groups * p.blocks)) * ${CORRELATE_WORKGROUP}u + lid) * ${CONV_LANE}u;
	let group = part / p.blocks;
	let output = (part % p.blocks) * ${block}u;

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
	${repeat(
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
	)}

	let bias = p.bias + part * ${vectors}u;
	${shared('bias')}
	${repeat(block, (i) => `var a${i} = vec4<f32>(${block === 1 ? 'b0' : `b${i >> 2}.${LANES[i & 3]}`});`)}
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

	let channels = p.outputs - output;
#if ${store === 'vec4'}
	if (first < p.positions) {
		let start = destination.x / 4u;
		let step = p.result.w / 4u;
		${repeat(block, (o) => `if (${o}u < channels) { y[start + ${o}u * step] = vec4<${type}>(a${o}); }`)}
	}
#else
	let count = p.positions - min(first, p.positions);
	${repeat(
		block,
		(o) => `if (${o}u < channels) {
		let at = destination + ${o}u * p.result.w;
		${repeat(CONV_LANE, (i) => `if (${i}u < count) { y[at.${LANES[i]}] = ${type}(a${o}.${LANES[i]}); }`)}
	}`,
	)}
#endif
}`,
		};
	},
};

export type WeightGradVariant = Readonly<{ type: StorageType; subgroups: boolean; lanes: 'taps' | 'outputs' }>;

/**
 * A thread sums 16 x 4 products of (output channel, tap) over a range of rows. `lanes` says which of the two runs along the
 * lanes, four to each; the 16 of the other are shared by the workgroup. 'outputs' is for few input channels, as in a first layer.
 */
export const convWeightGrad: ShaderTemplate<WeightGradVariant> = {
	name: 'conv.weightGrad',
	source({ type, subgroups, lanes }) {
		const sharedSites = subgroups ? 1 : 4;
		/** Four neighbouring columns (c, tap) from `first` on, under names that start with `name`. */
		const taps = (name: string, first: string) => `
	let ${name}Column = vec4<u32>(${first}) + vec4<u32>(0u, 1u, 2u, 3u);
	let ${name}Tap = ${name}Column % vec4(p.kernel.w);
	let ${name}Source = (${name}Column / vec4(p.kernel.w)) * p.size.w + group * p.channels * p.size.w + p.offsetX;
	let ${name}Width = (${name}Tap % vec4(p.kernel.z)) * p.dilation.z - vec4(p.padding.z);
	let ${name}Height = ((${name}Tap / vec4(p.kernel.z)) % vec4(p.kernel.y)) * p.dilation.y - vec4(p.padding.y);
	let ${name}Depth = (${name}Tap / vec4(p.kernel.z * p.kernel.y)) * p.dilation.x - vec4(p.padding.x);`;
		const outputs = (name: string, first: string) => `
	let ${name}Output = (vec4<u32>(group * p.outputs) + min(vec4<u32>(${first}) + vec4<u32>(0u, 1u, 2u, 3u), vec4(p.outputs - 1u))) * p.out.w + p.offsetY;`;
		const tapsRow = (name: string) => `
		let ${name}Z = ${name}Depth + d * p.stride.x;
		let ${name}Y = ${name}Height + h * p.stride.y;
		let ${name}Inside = (${name}Z < vec4(p.size.x)) & (${name}Y < vec4(p.size.y));
		let ${name}Base = ${name}Source + n * p.groups * p.channels * p.size.w + (${name}Z * p.size.y + ${name}Y) * p.size.z;`;
		const outputsRow = (name: string) => `
		let ${name}Base = ${name}Output + n * p.groups * p.outputs * p.out.w + (d * p.out.y + h) * p.out.z;`;
		const load = (buffer: string, at: string) => `vec4<f32>(${LANES.map((l) => `f32(${buffer}[${at}.${l}])`).join(', ')})`;
		const tapsLoad = (name: string, value: string) => `
			let ${name}X = ${name}Width + w * p.stride.z;
			let ${name}At = ${name}Base + ${name}X;
			let ${value} = select(vec4<f32>(), ${load('x', `${name}At`)}, ${name}Inside & (${name}X < vec4(p.size.z)));`;
		const outputsLoad = (name: string, value: string) => `
			let ${name}At = ${name}Base + w;
			let ${value} = ${load('gradY', `${name}At`)};`;
		const onLanes = lanes === 'taps' ? { setup: taps, row: tapsRow, load: tapsLoad } : { setup: outputs, row: outputsRow, load: outputsLoad };
		const shared = lanes === 'taps' ? { setup: outputs, row: outputsRow, load: outputsLoad } : { setup: taps, row: tapsRow, load: tapsLoad };
		return {
			bindings: ['read', 'read', 'read_write'],
			code: wgsl`
#if ${subgroups}
enable subgroups;
#endif
#if ${type === 'f16'}
enable f16;
#endif
// Vectors over (depth, height, width); w of size, out and kernel is their product.
struct Params {
	size: vec4<u32>,
	out: vec4<u32>,
	kernel: vec4<u32>,
	stride: vec4<u32>,
	padding: vec4<u32>,
	dilation: vec4<u32>,
	channels: u32, outputs: u32, groups: u32, rows: u32,
	rowsPerSplit: u32, laneBlocks: u32, sharedBlocks: u32, offsetX: u32,
	offsetY: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read> gradY: array<${type}>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(${WEIGHT_GRAD_WORKGROUP})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
#if ${subgroups}
	@builtin(subgroup_invocation_id) lane: u32,
#endif
) {
	var flat = wid.x + wid.y * nwg.x;
	let laneFirst = ((flat % p.laneBlocks) * ${WEIGHT_GRAD_WORKGROUP}u + lid) * ${CONV_LANE}u;
	flat /= p.laneBlocks;
	let sharedFirst = (flat % p.sharedBlocks) * ${WEIGHT_GRAD_SHARED}u;
	flat /= p.sharedBlocks;
	let group = flat % p.groups;
	let split = flat / p.groups;
	${onLanes.setup('lane', 'laneFirst')}
#if ${subgroups}
	${shared.setup('shared0', 'sharedFirst + (lane & 3u) * 4u')}
#else
	${repeat(4, (i) => shared.setup(`shared${i}`, `sharedFirst + ${i * 4}u`))}
#endif

	${repeat(WEIGHT_GRAD_SHARED, (i) => `var a${i} = vec4<f32>();`)}
	let end = min((split + 1u) * p.rowsPerSplit, p.rows);
	for (var r = split * p.rowsPerSplit; r < end; r++) {
		let h = r % p.out.y;
		let d = (r / p.out.y) % p.out.x;
		let n = r / (p.out.y * p.out.x);
		${onLanes.row('lane')}
		${repeat(sharedSites, (i) => shared.row(`shared${i}`))}
		for (var w = 0u; w < p.out.z; w++) {
			${onLanes.load('lane', 'v')}
#if ${subgroups}
			${shared.load('shared0', 'shared4')}
			${repeat(4, (i) => `let b${i} = subgroupBroadcast(shared4, ${i}u);`)}
#else
			${repeat(4, (i) => shared.load(`shared${i}`, `b${i}`))}
#endif
			${multiplyAdd(WEIGHT_GRAD_SHARED)}
		}
	}

	let step = p.laneBlocks * ${WEIGHT_GRAD_WORKGROUP}u;
	let start = (((split * p.groups + group) * p.sharedBlocks * ${WEIGHT_GRAD_SHARED}u + sharedFirst) * step) + laneFirst / 4u;
	${repeat(WEIGHT_GRAD_SHARED, (i) => `partial[start + ${i}u * step] = a${i};`)}
}`,
		};
	},
};

/** One thread adds up the partial results of one element. */
export const convSumPartials: ShaderTemplate<Readonly<{ type: StorageType }>> = {
	name: 'conv.sumPartials',
	source({ type }) {
		return {
			bindings: ['read', 'read_write'],
			code: wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	count: u32, splits: u32, splitStride: u32, columns: u32,
	outputs: u32, groupStride: u32, outputStride: u32, columnStride: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradWeight: array<${type}>;

@compute @workgroup_size(${PACK_WORKGROUP})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
	let i = (wid.x + wid.y * nwg.x) * ${PACK_WORKGROUP}u + lid;
	if (i >= p.count) { return; }
	let row = i / p.columns;
	let group = row / p.outputs;
	var at = group * p.groupStride + (row - group * p.outputs) * p.outputStride + (i - row * p.columns) * p.columnStride;
	var sum = 0.0;
	for (var s = 0u; s < p.splits; s++) {
		sum += partial[at];
		at += p.splitStride;
	}
	gradWeight[i] = ${type}(sum);
}`,
		};
	},
};
