/**
 * Convolution, its input gradient and its weight gradient as implicit GEMM, without an unfolded copy of the input.
 *
 * Layouts (all contiguous): x [N, G C, D, H, W], weight [G O, C, KD, KH, KW], y [N, G O, D', H', W']. C and O count
 * the channels of one group. Fewer spatial dimensions have leading sizes of 1.
 *
 * pack        weight -> packed [G, O / block, taps, C, block] in f32, O padded with zeros, then bias [G, O / block, block].
 *             It serves the input gradient with O and C exchanged. It costs little, makes every load of weights an
 *             aligned vec4, and removes the guard of O at the edge.
 * correlate   target = bias + sum over channels and taps of packed weight times source. One kernel computes two directions,
 *             because only their parameters differ: along each dimension output j of the launch is target element
 *             j outStep + outStart, and tap t of it is source element j inStep + inStart + t tapStep, in wrapping u32
 *             arithmetic, so that one comparison finds both edges. conv is one launch. The input gradient is one launch for
 *             each residue of the target position modulo the stride, with the taps that meet this residue.
 * weightGrad  partial[s, g, o, (c, tap)], or with the last two dims exchanged, = the sum of gradY x over the s-th range of output
 *             rows (n, d', h'). Both sizes are padded to whole tiles, so that stores need no guard.
 * sumPartials gradWeight = the sum of the partial results, in order of s, without atomics: the same bits every time.
 *
 * Ladder:
 * 1. shaders/convTiled.wgsl.ts: tiles in workgroup memory, for GPUs. Barriers and workgroup memory are slow on software adapters.
 * 2. 16 outputs x 4 positions in the registers of each invocation, which loads all weights itself. Software adapters spend four
 *    fifths of the time in loads: each costs as much as 25 multiply-adds, even if all invocations read one address.
 * 3. subgroups: of the 16 values that all invocations need, each of four lanes loads one vec4, and subgroupBroadcast shares them.
 *    Correct for every subgroup size, because WGSL's smallest is 4. Twice as fast as 2 on lavapipe, and compiled in a third of
 *    the time, because lavapipe's code grows with the number of loads in the source.
 * 4. row3: kernels of width 3, the most common ones, load six elements for their three taps instead of twelve.
 *
 * This file holds what all kernels share, pack and sumPartials; convCorrelate and convWeightGrad hold the register kernels.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, LANES, lines, read, readWrite, type StorageType } from './shader';

/** The positions (or elements along the lanes of the weight gradient) of one invocation. */
export const CONV_LANE = 4;

/** The target channels of one invocation: 16, or fewer if a group has fewer (depthwise; input gradient of an image). */
export type CorrelateBlock = 16 | 4 | 1;

/** a_i += b_i * value, for i below `count`. The shared values b are in vectors b0, b1, ... (or in one number b0). */
export function multiplyAdd(count: number, value = 'v'): string {
	return lines(count, (i) => `a${i} = fma(vec4(${count === 1 ? 'b0' : `b${i >> 2}.${LANES[i & 3]}`}), ${value}, a${i});`);
}

/** Four scalar loads, at the indices in the vector `at`. */
export function vectorLoad(buffer: string, at: string): string {
	return `vec4<f32>(${LANES.map((lane) => `f32(${buffer}[${at}.${lane}])`).join(', ')})`;
}

/**
 * Parameters of `correlate`, in registers or tiled. Vectors are (depth, height, width); w of size, out and result is their
 * product.
 */
export const CORRELATE_PARAMS = {
	size: 'vec4<u32>',
	out: 'vec4<u32>',
	result: 'vec4<u32>',
	outStep: 'vec4<u32>',
	outStart: 'vec4<u32>',
	inStep: 'vec4<u32>',
	inStart: 'vec4<u32>',
	tapStep: 'vec4<u32>',
	/** w is their product. */
	taps: 'vec4<u32>',
	/** Steps in the packed weights; w is the first tap. */
	tapJump: 'vec4<u32>',
	channels: 'u32',
	outputs: 'u32',
	groups: 'u32',
	blocks: 'u32',
	positions: 'u32',
	offset: 'u32',
	weightTaps: 'u32',
	/** The index of the bias in the packed weights. */
	bias: 'u32',
} as const;

/**
 * Parameters of `weightGrad`, in registers or tiled. Vectors are (depth, height, width); w of size, out and kernel is their
 * product.
 */
export const WEIGHT_GRAD_PARAMS = {
	size: 'vec4<u32>',
	out: 'vec4<u32>',
	kernel: 'vec4<u32>',
	stride: 'vec4<u32>',
	padding: 'vec4<u32>',
	dilation: 'vec4<u32>',
	channels: 'u32',
	outputs: 'u32',
	groups: 'u32',
	rows: 'u32',
	rowsPerSplit: 'u32',
	laneBlocks: 'u32',
	sharedBlocks: 'u32',
	offsetX: 'u32',
	offsetY: 'u32',
	splits: 'u32',
} as const;

/** The buffers of every `weightGrad` kernel. */
export const weightGradBindings = (type: StorageType) => ({
	x: read(type),
	gradY: read(type),
	partial: readWrite('vec4<f32>'),
});

type PackVariant = Readonly<{ type: StorageType; bias: boolean; block: CorrelateBlock }>;

/** Each invocation writes one packed value. */
export const convPack = defineKernel({
	name: 'conv.pack',
	params: {
		taps: 'u32',
		channels: 'u32',
		blocks: 'u32',
		outputs: 'u32',
		groupStride: 'u32',
		outputStride: 'u32',
		channelStride: 'u32',
		offset: 'u32',
		/** The number of packed values before the bias. */
		weights: 'u32',
		total: 'u32',
		biasOffset: 'u32?',
	},
	define({ type, bias, block }: PackVariant) {
		return {
			bindings: { weight: read(type), packed: readWrite('f32'), bias: bias && read(type) },
			invocations: 'p.total',
			main: wgsl`
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
`,
		};
	},
});

/** Each invocation adds the partial results of one element. */
export const convSumPartials = defineKernel({
	name: 'conv.sumPartials',
	params: {
		count: 'u32',
		splits: 'u32',
		splitStride: 'u32',
		columns: 'u32',
		outputs: 'u32',
		groupStride: 'u32',
		outputStride: 'u32',
		columnStride: 'u32',
	},
	define({ type }: Readonly<{ type: StorageType }>) {
		return {
			bindings: { partial: read('f32'), gradWeight: readWrite(type) },
			invocations: 'p.count',
			main: wgsl`
	let row = i / p.columns;
	let group = row / p.outputs;
	var at = group * p.groupStride + (row - group * p.outputs) * p.outputStride + (i - row * p.columns) * p.columnStride;
	var sum = 0.0;
	for (var s = 0u; s < p.splits; s++) {
		sum += partial[at];
		at += p.splitStride;
	}
	gradWeight[i] = ${type}(sum);
`,
		};
	},
});
