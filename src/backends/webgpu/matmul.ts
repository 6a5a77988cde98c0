/** Launches of shaders/matmul.wgsl.ts. The launcher merges batches and chooses the kernel, the reads and the splits. */
import {
	type Float,
	type MATMUL_PARAMS,
	type MatmulTileVariant,
	matmulInteger,
	matmulTile,
	matmulWorkgroup,
	tileSize,
	WORKGROUP_TILE,
} from '../../../shaders/matmul.wgsl';
import { type MatmulVectorVariant, matmulSum, matmulVector } from '../../../shaders/matmulVector.wgsl';
import type { ParameterValues } from '../../../shaders/parameters';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import { numel } from '../../core/shape';
import type { Storage, View } from '../contract';
import type { MatmulKernels } from '../contract/matmul';
import { decided, decidedNumber } from './decisions';
import { type Gpu, type Launch, storageType } from './launch';
import { collapseDims } from './strides';

/** An operand as a matrix: the strides of its own dim (rows of a, columns of b), of depth, and of the batch dims. */
interface Operand {
	readonly storage: Storage;
	readonly offset: number;
	readonly own: number;
	readonly depth: number;
	/** Innermost first, like the sizes in `Problem`. */
	readonly batch: readonly number[];
}

interface Problem {
	readonly rows: number;
	readonly columns: number;
	readonly depth: number;
	/** Sizes of the batch dims, innermost first. */
	readonly batch: readonly number[];
	readonly batches: number;
	readonly a: Operand;
	readonly b: Operand;
	readonly bias: View | undefined;
	readonly out: Storage;
	/** Of a, b and the bias. */
	readonly storage: Float;
	readonly output: Float;
}

function describe(a: View, b: View, bias: View | undefined, out: View): Problem {
	const rank = out.shape.length;
	let rows = out.shape[rank - 2]!;
	const columns = out.shape[rank - 1]!;
	const depth = a.shape[rank - 1]!;
	const strides = [a, b].map((view) => view.strides.slice(0, -2));
	const merged = collapseDims(out.shape.slice(0, -2), strides);
	let batch = [...merged.shape].reverse();
	let [aBatch, bBatch] = merged.strides.map((list) => [...list].reverse()) as [number[], number[]];
	// The stride of a dim of size 1 does not matter; 0 suits every rule below.
	let aRow = rows === 1 ? 0 : a.strides[rank - 2]!;
	if (batch[0] === 1) {
		[batch, aBatch, bBatch] = [[], [], []];
	} else if (bBatch[0] === 0 && (rows === 1 || aBatch[0] === rows * aRow)) {
		// Adjacent matrices that share one b form one tall matrix.
		if (rows === 1) aRow = aBatch[0]!;
		rows *= batch[0]!;
		batch = batch.slice(1);
		aBatch = aBatch.slice(1);
		bBatch = bBatch.slice(1);
	}
	const one = (size: number, stride: number) => (size === 1 ? 0 : stride);
	return {
		rows,
		columns,
		depth,
		batch,
		batches: numel(batch),
		a: { storage: a.storage, offset: a.offset, own: aRow, depth: one(depth, a.strides[rank - 1]!), batch: aBatch },
		b: {
			storage: b.storage,
			offset: b.offset,
			own: one(columns, b.strides[rank - 1]!),
			depth: one(depth, b.strides[rank - 2]!),
			batch: bBatch,
		},
		bias,
		out: out.storage,
		storage: storageType(a) as Float,
		output: storageType(out) as Float,
	};
}

/** The dim along which an operand can be read as vec4, if any. */
function vectorDim({ offset, own, depth, batch }: Operand, ownSize: number, depthSize: number): 'own' | 'depth' | undefined {
	if (offset % 4 !== 0 || batch.some((stride) => stride % 4 !== 0)) return undefined;
	if (depth === 1 && depthSize % 4 === 0 && own % 4 === 0) return 'depth';
	if (own === 1 && ownSize % 4 === 0 && depth % 4 === 0) return 'own';
	return undefined;
}

const biasStride = ({ bias }: Problem): number => (bias === undefined || bias.shape[0] === 1 ? 0 : bias.strides[0]!);

interface Splits {
	readonly splits: number;
	readonly splitDepth: number;
}

/** Splits the depth into parts of at least `least`, for about `wanted` workgroups. */
function splitDepth(depth: number, workgroups: number, wanted: number, least: number): Splits {
	const splits = Math.max(1, Math.min(Math.ceil(wanted / workgroups), Math.floor(depth / least), 1024));
	const each = Math.max(16, Math.ceil(depth / splits / 16) * 16);
	return { splits: Math.max(1, Math.ceil(depth / each)), splitDepth: each };
}

/** The number of workgroups that keep a device busy. */
const wantedWorkgroups = (gpu: Gpu): number => decidedNumber(gpu, 'matmul.splits', gpu.isSoftware ? 8 : 256);
/** Below this many rows or columns a 64 x 64 tile is mostly padding. */
const WORKGROUP_KERNEL_LEAST = 32;
/** Up to this many rows or columns, reading the matrix once for each costs no more than a tile. */
const VECTOR_KERNEL_MOST = 3;

/**
 * The rows and columns of an invocation. Each choice was the fastest measured on lavapipe (subgroups of 8), on SwiftShader (of 4)
 * or on both without subgroups. For small products GPUs use the variant without sharing, with few rows, so that there are more
 * invocations.
 */
function tileName({ isSoftware, subgroupSize }: Gpu): string {
	if (isSoftware && subgroupSize === 8) return '4x4 shared by 8';
	if (isSoftware && subgroupSize === 4) return '4x8 shared by 4';
	return isSoftware ? '8x4' : '4x4';
}

type TileForm = Pick<MatmulTileVariant, 'share' | 'rowQuads' | 'columnQuads'>;

const TILES: Readonly<Record<string, TileForm>> = {
	'4x4': { share: 1, rowQuads: 1, columnQuads: 1 },
	'8x4': { share: 1, rowQuads: 2, columnQuads: 1 },
	'4x8': { share: 1, rowQuads: 1, columnQuads: 2 },
	'4x4 shared by 4': { share: 4, rowQuads: 1, columnQuads: 1 },
	'4x8 shared by 4': { share: 4, rowQuads: 1, columnQuads: 2 },
	'4x4 shared by 8': { share: 8, rowQuads: 1, columnQuads: 1 },
	'4x8 shared by 8': { share: 8, rowQuads: 1, columnQuads: 2 },
};

/** The tile of an invocation; null for tiles in workgroup memory. */
function tileForm(gpu: Gpu, rows: number, columns: number): TileForm | null {
	const small = gpu.isSoftware || Math.min(rows, columns) < WORKGROUP_KERNEL_LEAST;
	const own = small ? tileName(gpu) : 'workgroup';
	const chosen = decided(gpu, 'matmul.tile', own);
	const tile = TILES[chosen];
	if (tile === undefined) return null;
	const fits = tile.share === 1 || (tile.share === 4 ? gpu.subgroupSize >= 4 : gpu.subgroupSize === 8);
	return fits ? tile : (TILES[own] ?? null);
}

/** Parameters that differ between kernels. */
type OwnParams = Pick<
	ParameterValues<typeof MATMUL_PARAMS>,
	'biasStride' | 'aAlongRows' | 'bAlongDepth' | 'outRow' | 'outColumn' | 'biasColumn'
>;

/** One object literal, because copying an object takes longer than the rest of a launch. Partial results get no bias. */
function paramsOf(
	{ batch, batches, rows, columns, depth, a, b, bias }: Problem,
	{ splits, splitDepth: each }: Splits,
	rowTiles: number,
	columnTiles: number,
	{ biasStride: biasStep, aAlongRows, bAlongDepth, outRow, outColumn, biasColumn }: OwnParams,
): ParameterValues<typeof MATMUL_PARAMS> {
	return {
		batch: batch.flatMap((size, d) => [size, a.batch[d]!, b.batch[d]!, 0]),
		batchRank: batch.length,
		batches,
		rows,
		columns,
		depth,
		splits,
		splitDepth: each,
		rowTiles,
		columnTiles,
		aOffset: a.offset,
		aRow: a.own,
		aDepth: a.depth,
		bOffset: b.offset,
		bColumn: b.own,
		bDepth: b.depth,
		biasOffset: bias?.offset,
		biasStride: biasStep,
		hasBias: bias !== undefined && splits === 1,
		aAlongRows,
		bAlongDepth,
		outRow,
		outColumn,
		biasColumn,
	};
}

/** The buffers of all kernels. Without a bias, b is bound again as `bias`. */
function buffersOf({ a, b, bias }: Problem, out: Storage) {
	return { a: a.storage, b: b.storage, bias: bias?.storage ?? b.storage, out };
}

/** Launches `run` into out, or into partial results that a second launch adds up. */
function launchSplit(gpu: Gpu, problem: Problem, { splits }: Splits, run: (out: Storage, output: Float) => void): void {
	if (splits === 1) {
		run(problem.out, problem.output);
		return;
	}
	const { rows, columns, batches, bias, out, storage, output } = problem;
	const count = batches * rows * columns;
	const partial = gpu.scratch(splits * count, 'float32');
	run(partial, 'f32');
	gpu.launch({
		kernel: matmulSum,
		variant: { storage, output },
		buffers: { partial, bias: bias?.storage ?? problem.b.storage, out },
		params: {
			count,
			columns,
			splits,
			biasOffset: bias?.offset,
			biasStride: biasStride(problem),
			hasBias: bias !== undefined,
		},
		grid: [Math.ceil(count / WORKGROUP_SIZE)],
		flops: splits * count,
		bytes: (splits + 1) * count * 4,
	});
	gpu.release(partial);
}

function work({ rows, columns, depth, batches, storage }: Problem): Pick<Launch, 'flops' | 'bytes'> {
	const elements = batches * (rows * depth + depth * columns + rows * columns);
	const bytes = elements * (storage === 'f16' ? 2 : 4);
	return { flops: 2 * batches * rows * columns * depth, bytes };
}

function launchTiles(gpu: Gpu, problem: Problem): void {
	const { rows, columns, depth, batches, a, b, storage } = problem;
	const aDim = vectorDim(a, rows, depth);
	const bDim = vectorDim(b, columns, depth);
	const vectors = aDim !== undefined && bDim !== undefined && depth % 4 === 0 && columns % 4 === 0;
	const form = tileForm(gpu, rows, columns);
	const tile = form === null ? WORKGROUP_TILE : tileSize(form);
	const rowTiles = Math.ceil(rows / tile.rows);
	const columnTiles = Math.ceil(columns / tile.columns);
	const workgroups = rowTiles * columnTiles * batches;
	const splits = splitDepth(depth, workgroups, wantedWorkgroups(gpu), 256);
	launchSplit(gpu, problem, splits, (out, output) => {
		const launch = {
			buffers: buffersOf(problem, out),
			params: paramsOf(problem, splits, rowTiles, columnTiles, {
				biasStride: biasStride(problem),
				aAlongRows: vectors && aDim === 'own',
				bAlongDepth: vectors && bDim === 'depth',
			}),
			grid: [workgroups * splits.splits] as const,
			...work(problem),
		};
		const variant = { vectors, storage, output };
		if (form === null) gpu.launch({ kernel: matmulWorkgroup, variant, ...launch });
		else gpu.launch({ kernel: matmulTile, variant: { ...form, ...variant }, ...launch });
	});
}

/** Each invocation computes one element: integers must be exact, not fast. */
function launchIntegers(gpu: Gpu, problem: Problem): void {
	const { rows, columns, batches, depth, out } = problem;
	gpu.launch({
		kernel: matmulInteger,
		variant: {},
		buffers: buffersOf(problem, out),
		params: paramsOf(problem, { splits: 1, splitDepth: depth }, rows, columns, { biasStride: biasStride(problem) }),
		grid: [Math.ceil((batches * rows * columns) / WORKGROUP_SIZE)],
		...work(problem),
	});
}

/** A product with few columns. If `turned`, `problem` is the transpose of a product with few rows. */
function launchVectors(gpu: Gpu, problem: Problem, turned: boolean): void {
	const { rows, columns, depth, batches, a, b, storage } = problem;
	const dense = vectorDim(a, rows, depth);
	const vectorFits = b.depth === 1 && b.offset % 4 === 0 && [b.own, ...b.batch].every((stride) => stride % 4 === 0);
	const along = dense === undefined || !vectorFits ? 'scalar' : dense === 'own' ? 'rows' : 'depth';
	const together = rows === 1 || along === 'rows' ? 1 : 4;
	const lanes = decidedNumber(gpu, 'matmul.vectorLanes', gpu.isSoftware ? 8 : along === 'rows' ? 16 : 64);
	const slices = along === 'rows' ? decidedNumber(gpu, 'matmul.vectorSlices', gpu.isSoftware ? 1 : 8) : 1;
	const tile = along === 'rows' ? 4 * lanes : together;
	const tiles = Math.ceil(rows / tile);
	const workgroups = tiles * columns * batches;
	const splits = splitDepth(depth, workgroups, wantedWorkgroups(gpu), gpu.isSoftware ? 4096 : 1024);
	launchSplit(gpu, turned ? flipped(problem) : problem, splits, (out, output) => {
		const variant: MatmulVectorVariant = { along, rows: together, lanes, slices, storage, output };
		const step = biasStride(problem);
		gpu.launch({
			kernel: matmulVector,
			variant,
			buffers: buffersOf(problem, out),
			params: paramsOf(problem, splits, tiles, 1, {
				biasStride: turned ? step : 0,
				outRow: turned ? 1 : columns,
				outColumn: turned ? rows : 1,
				biasColumn: turned ? 0 : step,
			}),
			grid: [workgroups * splits.splits],
			...work(problem),
		});
	});
}

/** outT = bT aT: swaps the operands. Bias and out stay as they are. */
function flipped(problem: Problem): Problem {
	return { ...problem, rows: problem.columns, columns: problem.rows, a: problem.b, b: problem.a };
}

export function matmulKernels(gpu: Gpu): MatmulKernels {
	return {
		matmul({ a, b, bias }, { out }) {
			if (numel(out.shape) === 0) return;
			const problem = describe(a, b, bias, out);
			if (out.dtype === 'int32') {
				launchIntegers(gpu, problem);
				return;
			}
			if (problem.columns <= VECTOR_KERNEL_MOST && problem.columns <= problem.rows) launchVectors(gpu, problem, false);
			else if (problem.rows <= VECTOR_KERNEL_MOST) launchVectors(gpu, flipped(problem), true);
			else launchTiles(gpu, problem);
		},
	};
}
