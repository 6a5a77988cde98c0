/** Launches of shaders/conv.wgsl.ts: geometry, split of the weight gradient's sum, and the choice of variants. */
import { CONV_LANE, type CorrelateBlock, convPack, convSumPartials, PACK_WORKGROUP } from '../../../shaders/conv.wgsl';
import { CORRELATE_WORKGROUP, convCorrelate } from '../../../shaders/convCorrelate.wgsl';
import { convWeightGrad, WEIGHT_GRAD_SHARED, WEIGHT_GRAD_WORKGROUP } from '../../../shaders/convWeightGrad.wgsl';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import { asTriple, type ConvAttributes, type ConvKernels, type Triple } from '../contract/conv';
import { type Gpu, storageType } from './launch';

/** Enough workgroups for every core of a large GPU, and for an even load on a small CPU. */
const WANTED_WORKGROUPS = 64;
const MAX_SPLITS = 64;
/** From here on the shared loads of `row3` outweigh the threads that it leaves idle at the end of rows. */
const ROW3_CHANNELS = 8;

const volume = ([depth, height, width]: Triple): number => depth * height * width;
const words = (values: readonly number[]): number[] => values.map((value) => value >>> 0);
const triple = (make: (dimension: 0 | 1 | 2) => number): Triple => [make(0), make(1), make(2)];
const bytesOf = (...views: readonly View[]): number =>
	views.reduce((sum, view) => sum + numel(view.shape) * (storageType(view) === 'f16' ? 2 : 4), 0);

/** What the three directions share. `channels` and `outputs` count those of one group. */
interface Geometry {
	readonly batch: number;
	readonly groups: number;
	readonly channels: number;
	readonly outputs: number;
	readonly size: Triple;
	readonly out: Triple;
	readonly kernel: Triple;
	readonly stride: Triple;
	readonly padding: Triple;
	readonly dilation: Triple;
}

function geometry(x: View, weight: View, y: View, { stride, padding, dilation, groups }: ConvAttributes): Geometry {
	return {
		batch: x.shape[0]!,
		groups,
		channels: weight.shape[1]!,
		outputs: weight.shape[0]! / groups,
		size: asTriple(x.shape.slice(2), 1),
		out: asTriple(y.shape.slice(2), 1),
		kernel: asTriple(weight.shape.slice(2), 1),
		stride: asTriple(stride, 1),
		padding: asTriple(padding, 0),
		dilation: asTriple(dilation, 1),
	};
}

const flopsOf = (g: Geometry): number =>
	2 * g.batch * g.groups * g.outputs * g.channels * volume(g.out) * volume(g.kernel);

/** How a launch of `correlate` walks one dimension (see shaders/conv.wgsl.ts). */
interface Walk {
	readonly out: number;
	readonly outStep: number;
	readonly outStart: number;
	readonly inStep: number;
	readonly inStart: number;
	readonly tapStep: number;
	readonly taps: number;
	/** In the kernel, of which a launch may use every other tap. */
	readonly firstTap: number;
	readonly tapJump: number;
}

function forwardWalk(g: Geometry, dimension: 0 | 1 | 2): Walk {
	return {
		out: g.out[dimension],
		outStep: 1,
		outStart: 0,
		inStep: g.stride[dimension],
		inStart: -g.padding[dimension],
		tapStep: g.dilation[dimension],
		taps: g.kernel[dimension],
		firstTap: 0,
		tapJump: 1,
	};
}

/** The same taps in the opposite order where they go backwards, so that they go forwards. */
function forwards(walk: Walk): Walk {
	if (walk.tapStep > 0 || walk.taps === 0) return walk;
	const last = walk.taps - 1;
	return {
		...walk,
		inStart: walk.inStart + last * walk.tapStep,
		tapStep: -walk.tapStep,
		firstTap: walk.firstTap + last * walk.tapJump,
		tapJump: -walk.tapJump,
	};
}

function gcd(a: number, b: number): number {
	return b === 0 ? a : gcd(b, a % b);
}

/**
 * One walk for each residue of the position j in x modulo the stride s. Output i and tap k meet j where s i = j + padding -
 * dilation k, so the taps of one residue are `jump` apart, and each step of j by s is a step of i by one.
 */
function backwardWalks(g: Geometry, dimension: 0 | 1 | 2): Walk[] {
	const size = g.size[dimension];
	const kernel = g.kernel[dimension];
	const stride = g.stride[dimension];
	const dilation = g.dilation[dimension];
	const jump = stride / gcd(stride, dilation);
	const walks: Walk[] = [];
	for (let residue = 0; residue < Math.min(stride, size); residue++) {
		const position = residue + g.padding[dimension];
		let firstTap = 0;
		while (firstTap < kernel && (position - dilation * firstTap) % stride !== 0) firstTap++;
		const walk = {
			out: Math.ceil((size - residue) / stride),
			outStep: stride,
			outStart: residue,
			inStep: 1,
			inStart: Math.floor((position - dilation * firstTap) / stride),
			tapStep: -(dilation * jump) / stride,
			taps: Math.ceil((kernel - firstTap) / jump),
			firstTap,
			tapJump: jump,
		};
		walks.push(forwards(walk));
	}
	return walks;
}

/** One side of `correlate`: what is read, what is written, with the channels of one group of each. */
interface Correlation {
	readonly batch: number;
	readonly groups: number;
	readonly channels: number;
	readonly outputs: number;
	readonly kernel: Triple;
	readonly size: Triple;
	readonly result: Triple;
	/** Strides of the weight by output and channel of this correlation. */
	readonly outputStride: number;
	readonly channelStride: number;
}

/** Weights in the order that `correlate` reads them. */
interface Packed {
	readonly storage: Storage;
	readonly block: CorrelateBlock;
	readonly blocks: number;
	/** Where the bias begins, in units of the shader's array. */
	readonly bias: number;
}

/** How the weight gradient is cut into workgroups. */
interface Tiles {
	readonly lanes: 'taps' | 'outputs' | 'single';
	readonly laneBlocks: number;
	readonly sharedBlocks: number;
	/** Workgroups for each split of the sum. */
	readonly tiles: number;
	/** Of the partial results of one group, padded to whole tiles. */
	readonly laneSize: number;
	readonly sharedSize: number;
}

/** The cut that costs least, where a workgroup without sharing costs half of one with it. */
function tilesOf(g: Geometry, columns: number): Tiles {
	const laneWork = WEIGHT_GRAD_WORKGROUP * CONV_LANE;
	const shared = (lanes: 'taps' | 'outputs', onLanes: number, onShared: number): Tiles => {
		const laneBlocks = Math.ceil(onLanes / laneWork);
		const sharedBlocks = Math.ceil(onShared / WEIGHT_GRAD_SHARED);
		return {
			lanes,
			laneBlocks,
			sharedBlocks,
			tiles: g.groups * laneBlocks * sharedBlocks,
			laneSize: laneBlocks * laneWork,
			sharedSize: sharedBlocks * WEIGHT_GRAD_SHARED,
		};
	};
	const byTaps = shared('taps', columns, g.outputs);
	const byOutputs = shared('outputs', g.outputs, columns);
	const best = byTaps.tiles <= byOutputs.tiles ? byTaps : byOutputs;
	const quads = Math.ceil(columns / CONV_LANE);
	const singles = Math.ceil((g.groups * g.outputs * quads) / WEIGHT_GRAD_WORKGROUP);
	if (best.tiles <= singles / 2) return best;
	return {
		lanes: 'single',
		laneBlocks: quads,
		sharedBlocks: singles,
		tiles: singles,
		laneSize: quads * CONV_LANE,
		sharedSize: g.outputs,
	};
}

export function convKernels(gpu: Gpu): ConvKernels {
	const subgroups = gpu.features.has('subgroups');

	function pack(c: Correlation, weight: View, bias: View | undefined): Packed {
		const block = c.outputs === 1 ? 1 : c.outputs <= 4 ? 4 : 16;
		const blocks = Math.ceil(c.outputs / block);
		const taps = volume(c.kernel);
		const weights = c.groups * blocks * taps * c.channels * block;
		const total = weights + c.groups * blocks * block;
		const storage = gpu.scratch(total, 'float32');
		gpu.launch({
			kernel: convPack,
			variant: { type: storageType(weight), bias: bias !== undefined, block },
			buffers: bias === undefined ? [weight.storage, storage] : [weight.storage, storage, bias.storage],
			params: [
				taps,
				c.channels,
				blocks,
				c.outputs,
				c.outputs * c.channels * taps,
				c.outputStride,
				c.channelStride,
				weight.offset,
				weights,
				total,
				bias?.offset ?? 0,
			],
			grid: [Math.ceil(total / PACK_WORKGROUP)],
			flops: 0,
			bytes: bytesOf(weight) + total * 4,
		});
		return { storage, block, blocks, bias: weights / Math.min(block, 4) };
	}

	function correlate(c: Correlation, packed: Packed, source: View, target: View, walks: readonly [Walk, Walk, Walk]): void {
		const [, high, wide] = c.kernel;
		const each = (field: keyof Walk): number[] => words(walks.map((walk) => walk[field]));
		const out = triple((d) => walks[d].out);
		const taps = triple((d) => walks[d].taps);
		const width = walks[2];
		const isRow3 =
			width.taps === 3 &&
			width.tapStep === 1 &&
			width.inStep === 1 &&
			width.outStep === 1 &&
			(out[2] % CONV_LANE === 0 || c.channels >= ROW3_CHANNELS);
		const quads = isRow3 ? c.batch * out[0] * out[1] * Math.ceil(out[2] / CONV_LANE) : Math.ceil((c.batch * volume(out)) / CONV_LANE);
		const isAligned = (isRow3 ? out[2] : volume(out)) % CONV_LANE === 0;
		const isWhole = walks.every(({ outStep }) => outStep === 1);
		const firstTap = (walks[0].firstTap * high + walks[1].firstTap) * wide + walks[2].firstTap;
		gpu.launch({
			kernel: convCorrelate,
			variant: {
				type: storageType(source),
				walk: isRow3 ? 'row3' : 'any',
				block: packed.block,
				subgroups: subgroups && packed.block === 16,
				store: isWhole && isAligned ? 'vec4' : 'single',
			},
			buffers: [source.storage, packed.storage, target.storage],
			params: [
				...c.size,
				volume(c.size),
				...out,
				volume(out),
				...c.result,
				volume(c.result),
				...each('outStep'),
				0,
				...each('outStart'),
				0,
				...each('inStep'),
				0,
				...each('inStart'),
				0,
				...each('tapStep'),
				0,
				...taps,
				volume(taps),
				...words([walks[0].tapJump * high * wide, walks[1].tapJump * wide, walks[2].tapJump]),
				firstTap,
				c.channels,
				c.outputs,
				c.groups,
				packed.blocks,
				isRow3 ? quads : c.batch * volume(out),
				source.offset,
				volume(c.kernel),
				packed.bias,
			],
			grid: [Math.ceil(quads / CORRELATE_WORKGROUP) * c.groups * packed.blocks],
			flops: 2 * c.batch * volume(out) * c.groups * c.outputs * c.channels * volume(taps),
			bytes: bytesOf(source, target),
		});
	}

	return {
		conv({ x, weight, bias }, { y }, attributes) {
			if (numel(y.shape) === 0) return;
			const g = geometry(x, weight, y, attributes);
			const c: Correlation = {
				...g,
				result: g.out,
				outputStride: g.channels * volume(g.kernel),
				channelStride: volume(g.kernel),
			};
			const packed = pack(c, weight, bias);
			correlate(c, packed, x, y, [forwardWalk(g, 0), forwardWalk(g, 1), forwardWalk(g, 2)]);
			gpu.release(packed.storage);
		},

		convInputGrad({ gradY, weight, bias }, { gradX }, attributes) {
			if (numel(gradX.shape) === 0) return;
			const g = geometry(gradX, weight, gradY, attributes);
			const c: Correlation = {
				...g,
				channels: g.outputs,
				outputs: g.channels,
				size: g.out,
				result: g.size,
				outputStride: volume(g.kernel),
				channelStride: g.channels * volume(g.kernel),
			};
			const packed = pack(c, weight, bias);
			for (const depth of backwardWalks(g, 0)) {
				for (const height of backwardWalks(g, 1)) {
					for (const width of backwardWalks(g, 2)) correlate(c, packed, gradY, gradX, [depth, height, width]);
				}
			}
			gpu.release(packed.storage);
		},

		convWeightGrad({ x, gradY }, { gradWeight }, attributes) {
			const count = numel(gradWeight.shape);
			if (count === 0) return;
			const g = geometry(x, gradWeight, gradY, attributes);
			const columns = g.channels * volume(g.kernel);
			const { lanes, laneBlocks, sharedBlocks, tiles, laneSize, sharedSize } = tilesOf(g, columns);
			const rows = g.batch * g.out[0] * g.out[1];
			const wanted = Math.max(1, Math.min(MAX_SPLITS, rows, Math.ceil(WANTED_WORKGROUPS / tiles)));
			const rowsPerSplit = Math.ceil(rows / wanted);
			const splits = rowsPerSplit === 0 ? 1 : Math.ceil(rows / rowsPerSplit);
			const groupStride = laneSize * sharedSize;
			const splitStride = g.groups * groupStride;
			const partial = gpu.scratch(splits * splitStride, 'float32');
			gpu.launch({
				kernel: convWeightGrad,
				variant: { type: storageType(x), subgroups: subgroups && lanes !== 'single', lanes },
				buffers: [x.storage, gradY.storage, partial],
				params: [
					...g.size,
					volume(g.size),
					...g.out,
					volume(g.out),
					...g.kernel,
					volume(g.kernel),
					...g.stride,
					0,
					...g.padding,
					0,
					...g.dilation,
					0,
					g.channels,
					g.outputs,
					g.groups,
					rows,
					rowsPerSplit,
					laneBlocks,
					sharedBlocks,
					x.offset,
					gradY.offset,
				],
				grid: [tiles * splits],
				flops: flopsOf(g),
				bytes: bytesOf(x, gradY) + splits * splitStride * 4,
			});
			gpu.launch({
				kernel: convSumPartials,
				variant: { type: storageType(gradWeight) },
				buffers: [partial, gradWeight.storage],
				params: [
					count,
					splits,
					splitStride,
					columns,
					g.outputs,
					groupStride,
					lanes === 'outputs' ? 1 : laneSize,
					lanes === 'outputs' ? laneSize : 1,
				],
				grid: [Math.ceil(count / PACK_WORKGROUP)],
				flops: splits * count,
				bytes: splits * count * 4 + bytesOf(gradWeight),
			});
			gpu.release(partial);
		},
	};
}
