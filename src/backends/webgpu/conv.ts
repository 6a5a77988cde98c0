/** Launches of shaders/conv.wgsl.ts: the geometry, the split of the weight gradient's sum, and the choice of variants. */
import { CONV_LANE, type CorrelateBlock, convPack, convSumPartials } from '../../../shaders/conv.wgsl';
import { convCorrelate } from '../../../shaders/convCorrelate.wgsl';
import { convCorrelateTiled, convWeightGradTiled, TILED_DEPTH, TILED_SIDE } from '../../../shaders/convTiled.wgsl';
import {
	convWeightGrad,
	WEIGHT_GRAD_SHARED,
	WEIGHT_GRAD_WORKGROUP,
	type WeightGradVariant,
} from '../../../shaders/convWeightGrad.wgsl';
import { convWeightGradRow3, ROW3_COLUMNS } from '../../../shaders/convWeightGradRow3.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { ConvKernels, Triple } from '../contract/conv';
import { backwardWalks, flopsOf, forwardWalk, type Geometry, geometry, triple, type Walk } from './convGeometry';
import { decided, decidedNumber } from './decisions';
import { type Gpu, storageType } from './launch';
import { viewBytes } from './memory';

/** The number of workgroups that share the weight gradient's sum: software adapters need an even load, GPUs need many. */
const WANTED_WORKGROUPS = { software: 64, gpu: 512 };
const MAX_SPLITS = 64;
/** From this many elements of a group's weight gradient on, a 64 x 64 tile is faster than invocations that share nothing. */
const WORTH_A_TILE = 256;
/** From this many channels on, the shared loads of `row3` outweigh the idle invocations at the ends of rows. */
const ROW3_CHANNELS = 8;

/** One direction of `correlate`. `channels` and `outputs` are those that one group reads and writes. */
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
	/** Where the bias begins, in elements of the shader's array. */
	readonly bias: number;
}

type RegisterLanes = WeightGradVariant['lanes'];

/** How the weight gradient is cut into workgroups. */
interface Cut {
	/** 'tiled' uses workgroup memory; 'row3' suits kernels of width 3; the others are variants of the kernel for any shape. */
	readonly lanes: RegisterLanes | 'tiled' | 'row3';
	readonly laneBlocks: number;
	readonly sharedBlocks: number;
	/** Workgroups for each split of the sum. */
	readonly workgroups: number;
	/** Sizes of the partial results of one group, padded to whole blocks. */
	readonly laneSize: number;
	readonly sharedSize: number;
}

/** Elements of a workgroup along the lanes and along the shared side. */
const BLOCKS = {
	tiled: [TILED_SIDE, TILED_SIDE],
	row3: [ROW3_COLUMNS, WEIGHT_GRAD_SHARED],
	taps: [WEIGHT_GRAD_WORKGROUP * CONV_LANE, WEIGHT_GRAD_SHARED],
	outputs: [WEIGHT_GRAD_WORKGROUP * CONV_LANE, WEIGHT_GRAD_SHARED],
} as const;

function cutInTiles(lanes: keyof typeof BLOCKS, g: Geometry, columns: number): Cut {
	const [laneWork, sharedWork] = BLOCKS[lanes];
	const [onLanes, onShared] = lanes === 'outputs' ? [g.outputs, columns] : [columns, g.outputs];
	const laneBlocks = Math.ceil(onLanes / laneWork);
	const sharedBlocks = Math.ceil(onShared / sharedWork);
	return {
		lanes,
		laneBlocks,
		sharedBlocks,
		workgroups: g.groups * laneBlocks * sharedBlocks,
		laneSize: laneBlocks * laneWork,
		sharedSize: sharedBlocks * sharedWork,
	};
}

function cutInSingles(g: Geometry, columns: number): Cut {
	const quads = Math.ceil(columns / CONV_LANE);
	const blocks = Math.ceil((g.groups * g.outputs * quads) / WORKGROUP_SIZE);
	return {
		lanes: 'single',
		laneBlocks: quads,
		sharedBlocks: blocks,
		workgroups: blocks,
		laneSize: quads * CONV_LANE,
		sharedSize: g.outputs,
	};
}

/** GPUs use tiles unless they would be nearly empty; otherwise the cheapest register variant wins. */
function cutOf(gpu: Gpu, g: Geometry, columns: number): Cut {
	const singles = cutInSingles(g, columns);
	const chosen = decided(gpu, 'convWeightGrad.tile', '');
	const hasRow3 = gpu.features.has('subgroups') && g.kernel[2] === 3 && g.stride[2] === 1 && g.dilation[2] === 1;
	if (chosen === 'single') return singles;
	if (chosen === 'taps' || chosen === 'outputs' || chosen === 'tiled') return cutInTiles(chosen, g, columns);
	if (chosen === 'row3' && hasRow3) return cutInTiles('row3', g, columns);
	if (!gpu.isSoftware) return g.outputs * columns >= WORTH_A_TILE ? cutInTiles('tiled', g, columns) : singles;
	const byTaps = cutInTiles(hasRow3 && columns >= ROW3_COLUMNS ? 'row3' : 'taps', g, columns);
	const byOutputs = cutInTiles('outputs', g, columns);
	const best = byTaps.workgroups <= byOutputs.workgroups ? byTaps : byOutputs;
	// Eight invocations that share nothing cost half of a workgroup of eight that share.
	const singleCost = (singles.workgroups * WORKGROUP_SIZE) / WEIGHT_GRAD_WORKGROUP / 2;
	return best.workgroups <= singleCost ? best : singles;
}

/** Whether to use tiles in workgroup memory: on GPUs, unless most of each tile would be empty. */
function isForTiles(gpu: Gpu, c: Correlation): boolean {
	const own = !gpu.isSoftware && c.outputs >= TILED_SIDE / 4;
	// Tiles read weights in blocks of 16.
	return c.outputs > 4 && decided(gpu, 'conv.tile', own ? 'workgroup' : 'registers') === 'workgroup';
}

export function convKernels(gpu: Gpu): ConvKernels {
	const subgroups = gpu.features.has('subgroups');
	const sharesWeights = subgroups && decided(gpu, 'conv.sharing', 'subgroup') === 'subgroup';

	function pack(c: Correlation, weight: View, bias: View | undefined): Packed {
		const block = c.outputs === 1 ? 1 : c.outputs <= 4 ? 4 : 16;
		const blocks = Math.ceil(c.outputs / block);
		const taps = numel(c.kernel);
		const weights = c.groups * blocks * taps * c.channels * block;
		const total = weights + c.groups * blocks * block;
		const storage = gpu.scratch(total, 'float32');
		gpu.launch({
			kernel: convPack,
			variant: { type: storageType(weight), bias: bias !== undefined, block },
			buffers: { weight: weight.storage, packed: storage, bias: bias?.storage },
			params: {
				taps: Math.max(taps, 1),
				channels: Math.max(c.channels, 1),
				blocks,
				outputs: c.outputs,
				groupStride: c.outputs * c.channels * taps,
				outputStride: c.outputStride,
				channelStride: c.channelStride,
				offset: weight.offset,
				weights,
				total,
				biasOffset: bias?.offset,
			},
			grid: [Math.ceil(total / WORKGROUP_SIZE)],
			flops: 0,
			bytes: viewBytes(weight) + total * 4,
		});
		return { storage, block, blocks, bias: weights / Math.min(block, 4) };
	}

	function correlate(c: Correlation, packed: Packed, source: View, target: View, walks: readonly [Walk, Walk, Walk]): void {
		const tiled = isForTiles(gpu, c);
		const [, high, wide] = c.kernel;
		const each = (field: keyof Walk): number[] => walks.map((walk) => walk[field]);
		const out = triple((d) => walks[d].out);
		const taps = triple((d) => walks[d].taps);
		const width = walks[2];
		const isRow3 =
			!tiled &&
			width.taps === 3 &&
			width.tapStep === 1 &&
			width.inStep === 1 &&
			width.outStep === 1 &&
			(out[2] % CONV_LANE === 0 || c.channels >= ROW3_CHANNELS);
		const quads = isRow3
			? c.batch * out[0] * out[1] * Math.ceil(out[2] / CONV_LANE)
			: Math.ceil((c.batch * numel(out)) / CONV_LANE);
		const isAligned = (isRow3 ? out[2] : numel(out)) % CONV_LANE === 0;
		const isWhole = walks.every(({ outStep }) => outStep === 1);
		const firstTap = (walks[0].firstTap * high + walks[1].firstTap) * wide + walks[2].firstTap;
		const record = {
			buffers: { x: source.storage, weight: packed.storage, y: target.storage },
			params: {
				size: [...c.size, numel(c.size)],
				out: [...out, numel(out)],
				result: [...c.result, numel(c.result)],
				outStep: each('outStep'),
				outStart: each('outStart'),
				inStep: each('inStep'),
				inStart: each('inStart'),
				tapStep: each('tapStep'),
				taps: [...taps, numel(taps)],
				tapJump: [walks[0].tapJump * high * wide, walks[1].tapJump * wide, walks[2].tapJump, firstTap],
				channels: c.channels,
				outputs: c.outputs,
				groups: c.groups,
				blocks: packed.blocks,
				positions: isRow3 ? quads : c.batch * numel(out),
				offset: source.offset,
				weightTaps: numel(c.kernel),
				bias: packed.bias,
			},
			flops: 2 * c.batch * numel(out) * c.groups * c.outputs * c.channels * numel(taps),
			bytes: viewBytes(source, target),
		};
		const type = storageType(source);
		if (tiled) {
			const tiles = Math.ceil((c.batch * numel(out)) / TILED_SIDE) * c.groups * Math.ceil((packed.blocks * 16) / TILED_SIDE);
			gpu.launch({ ...record, kernel: convCorrelateTiled, variant: { type }, grid: [tiles] });
			return;
		}
		gpu.launch({
			...record,
			kernel: convCorrelate,
			variant: {
				type,
				walk: isRow3 ? 'row3' : 'any',
				block: packed.block,
				subgroups: sharesWeights && packed.block === 16,
				store: isWhole && isAligned ? 'vec4' : 'single',
			},
			grid: [Math.ceil(quads / WORKGROUP_SIZE) * c.groups * packed.blocks],
		});
	}

	return {
		conv({ x, weight, bias }, { y }, attributes) {
			if (numel(y.shape) === 0) return;
			const g = geometry(x, weight, y, attributes);
			const c: Correlation = {
				...g,
				result: g.out,
				outputStride: g.channels * numel(g.kernel),
				channelStride: numel(g.kernel),
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
				outputStride: numel(g.kernel),
				channelStride: g.channels * numel(g.kernel),
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
			const columns = g.channels * numel(g.kernel);
			const cut = cutOf(gpu, g, columns);
			const { lanes, laneBlocks, sharedBlocks, laneSize, sharedSize } = cut;
			// A split counts output rows, or positions in multiples of a tile's depth.
			const unit = lanes === 'tiled' ? TILED_DEPTH : 1;
			const rows = g.batch * g.out[0] * g.out[1] * (lanes === 'tiled' ? g.out[2] : 1);
			const wanted = Math.ceil(
				decidedNumber(gpu, 'convWeightGrad.splits', WANTED_WORKGROUPS[gpu.isSoftware ? 'software' : 'gpu']) / cut.workgroups,
			);
			const units = Math.ceil(rows / unit);
			const rowsPerSplit = Math.ceil(units / Math.min(MAX_SPLITS, wanted)) * unit;
			const splits = rows === 0 ? 1 : Math.ceil(rows / rowsPerSplit);
			const groupStride = laneSize * sharedSize;
			// These two kernels write partial results as [column, output]; the others write [output, column].
			const byColumn = lanes === 'outputs' || lanes === 'row3';
			const columnSize = lanes === 'outputs' ? laneSize : sharedSize;
			const splitStride = g.groups * groupStride;
			const partial = gpu.scratch(splits * splitStride, 'float32');
			const record = {
				buffers: { x: x.storage, gradY: gradY.storage, partial },
				params: {
					size: [...g.size, numel(g.size)],
					out: [...g.out, numel(g.out)],
					kernel: [...g.kernel, numel(g.kernel)],
					stride: g.stride,
					padding: g.padding,
					dilation: g.dilation,
					channels: g.channels,
					outputs: g.outputs,
					groups: g.groups,
					rows,
					rowsPerSplit,
					laneBlocks,
					sharedBlocks,
					offsetX: x.offset,
					offsetY: gradY.offset,
					splits,
				},
				grid: [cut.workgroups * splits] as const,
				flops: flopsOf(g),
				bytes: viewBytes(x, gradY) + splits * splitStride * 4,
			};
			const type = storageType(x);
			if (lanes === 'tiled') gpu.launch({ ...record, kernel: convWeightGradTiled, variant: { type } });
			else if (lanes === 'row3') gpu.launch({ ...record, kernel: convWeightGradRow3, variant: { type } });
			else
				gpu.launch({ ...record, kernel: convWeightGrad, variant: { type, lanes, subgroups: subgroups && lanes !== 'single' } });
			gpu.launch({
				kernel: convSumPartials,
				variant: { type: storageType(gradWeight) },
				buffers: { partial, gradWeight: gradWeight.storage },
				params: {
					count,
					splits,
					splitStride,
					columns,
					outputs: g.outputs,
					groupStride,
					outputStride: byColumn ? 1 : laneSize,
					columnStride: byColumn ? columnSize : 1,
				},
				grid: [Math.ceil(count / WORKGROUP_SIZE)],
				flops: splits * count,
				bytes: splits * count * 4 + viewBytes(gradWeight),
			});
			gpu.release(partial);
		},
	};
}
