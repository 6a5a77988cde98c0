/** Launches of shaders/quantized.wgsl.ts and quantizedTile.wgsl.ts. */
import type { Float } from '../../../shaders/matmul.wgsl';
import {
	COLUMN_WORDS,
	LANE_ROWS,
	quantizedColumns,
	quantizedLanes,
	quantizedRows,
	quantizedVector,
	quantizedWeight,
	VECTOR_ROWS,
} from '../../../shaders/quantized.wgsl';
import { quantizedTile, TILE } from '../../../shaders/quantizedTile.wgsl';
import { WORKGROUP_SIZE } from '../../../shaders/shader';
import type { View } from '../contract';
import type { QuantizedKernels, QuantizedLayout, QuantizedViews } from '../contract/quantized';
import { type Gpu, type Launch, storageType } from './launch';
import { matmulKernels } from './matmul';
import { gpuBytes } from './memory';

/** Up to this many lines, a GPU reads the matrix once for each line, and mostly from its cache. */
const VECTOR_MOST = 8;
/**
 * From this many lines on, a software adapter dequantises a float32 matrix into scratch memory and multiplies it with matmul's tiles, which
 * are several times faster than the kernels here. With float16 an invocation computes eight lines instead, because scratch memory is
 * float32.
 */
const SEVERAL_LINES = 3;

const float = (view: View): Float => storageType(view) as Float;

/** The matrix's part of the variants, buffers and parameters of all kernels. */
function matrixOf({ packed, scale, zeroPoint }: QuantizedViews, { bits, groupSize, columns }: QuantizedLayout) {
	return {
		variant: { bits, asymmetric: zeroPoint !== undefined, scale: float(scale) },
		buffers: { packed: packed.storage, scale: scale.storage, zeroPoint: zeroPoint?.storage },
		params: {
			rows: packed.shape[0]!,
			columns,
			words: packed.shape[1]!,
			groups: scale.shape[1]!,
			groupSize,
			groupWords: Math.ceil((groupSize * bits) / 32),
			packedOffset: packed.offset,
			scaleOffset: scale.offset,
			zeroOffset: zeroPoint?.offset,
		},
	};
}

/** Strides with 0 for dims of size 1, where the stride does not matter, because 0 allows vec4 reads. */
const stride = (view: View, dim: number): number => (view.shape[dim] === 1 ? 0 : view.strides[dim]!);

const operand = (view: View) => ({
	lines: view.shape[0]!,
	xOffset: view.offset,
	xLine: stride(view, 0),
	xStep: view.strides[1]!,
});

/** Whether lines can be read as vec4: rows are dense, and all offsets and strides are multiples of 4. */
function isInQuads(view: View): boolean {
	const [, depth] = view.shape as [number, number];
	return view.strides[1] === 1 && depth % 4 === 0 && view.offset % 4 === 0 && stride(view, 0) % 4 === 0;
}

/** The work of a product: every kernel reads the matrix once. */
function work(
	{ packed, scale, zeroPoint }: QuantizedViews,
	columns: number,
	x: View,
	out: View,
): Pick<Launch, 'flops' | 'bytes'> {
	const elements = x.shape[0]! * (x.shape[1]! + out.shape[1]!);
	const groups = scale.shape[0]! * scale.shape[1]!;
	const matrix = 4 * packed.shape[0]! * packed.shape[1]! + groups * (gpuBytes(scale.dtype) + (zeroPoint === undefined ? 0 : 4));
	return { flops: 2 * x.shape[0]! * packed.shape[0]! * columns, bytes: matrix + elements * gpuBytes(out.dtype) };
}

export function quantizedKernels(gpu: Gpu): QuantizedKernels {
	const { matmul } = matmulKernels(gpu);

	const dequantizes = (lines: number, { scale }: QuantizedViews, out: View): boolean =>
		gpu.isSoftware && lines >= SEVERAL_LINES && scale.dtype === 'float32' && out.dtype === 'float32';

	/** Runs `use` with the matrix in scratch memory. */
	function withDequantized(weight: QuantizedViews, layout: QuantizedLayout, use: (matrix: View) => void): void {
		const [rows, columns] = [weight.packed.shape[0]!, layout.columns];
		const storage = gpu.scratch(rows * columns, 'float32');
		const matrix: View = { storage, dtype: 'float32', shape: [rows, columns], strides: [columns, 1], offset: 0 };
		launchDequantize(weight, matrix, layout);
		use(matrix);
		gpu.release(storage);
	}

	function launchDequantize(weight: QuantizedViews, y: View, layout: QuantizedLayout): void {
		const matrix = matrixOf(weight, layout);
		const { rows, words } = matrix.params;
		gpu.launch({
			kernel: quantizedWeight,
			variant: matrix.variant,
			buffers: { ...matrix.buffers, y: y.storage },
			params: { ...matrix.params, lines: rows },
			grid: [Math.ceil((rows * words) / WORKGROUP_SIZE)],
			flops: 0,
			bytes: rows * (4 * words + layout.columns * gpuBytes(y.dtype)),
		});
	}

	return {
		quantizedLinear({ x, bias, ...weight }, { out }, layout) {
			const [lines, rows] = out.shape as [number, number];
			if (lines * rows === 0) return;
			if (layout.columns > 0 && dequantizes(lines, weight, out)) {
				withDequantized(weight, layout, (matrix) => {
					const turned = { ...matrix, shape: [layout.columns, rows], strides: [1, layout.columns] };
					matmul({ a: x, b: turned, bias }, { out }, {});
				});
				return;
			}
			const matrix = matrixOf(weight, layout);
			const vectors = isInQuads(x) && layout.groupSize % 4 === 0;
			const variant = { ...matrix.variant, vectors, storage: float(out) };
			const launch = {
				buffers: { ...matrix.buffers, x: x.storage, bias: bias?.storage ?? x.storage, out: out.storage },
				...work(weight, layout.columns, x, out),
			};
			const paramsFor = (tiles: number) => ({
				...matrix.params,
				...operand(x),
				tiles,
				biasOffset: bias?.offset,
				biasStride: bias?.strides[0],
				hasBias: bias !== undefined,
			});
			if (gpu.isSoftware) {
				const each = lines < SEVERAL_LINES ? 1 : 8;
				const tiles = Math.ceil(rows / LANE_ROWS);
				const grid = [tiles * Math.ceil(lines / each)] as const;
				gpu.launch({ kernel: quantizedLanes, variant: { ...variant, lines: each }, params: paramsFor(tiles), grid, ...launch });
			} else if (lines <= VECTOR_MOST) {
				const tiles = Math.ceil(rows / VECTOR_ROWS);
				gpu.launch({ kernel: quantizedVector, variant, params: paramsFor(tiles), grid: [tiles * lines], ...launch });
			} else {
				const tiles = Math.ceil(rows / TILE);
				const grid = [tiles * Math.ceil(lines / TILE)] as const;
				gpu.launch({ kernel: quantizedTile, variant: { ...variant, turned: false }, params: paramsFor(tiles), grid, ...launch });
			}
		},

		quantizedLinearGrad({ gradient, ...weight }, { dx }, layout) {
			const [lines, columns] = dx.shape as [number, number];
			if (lines * columns === 0) return;
			if (weight.packed.shape[0]! > 0 && dequantizes(lines, weight, dx)) {
				withDequantized(weight, layout, (matrix) => matmul({ a: gradient, b: matrix }, { out: dx }, {}));
				return;
			}
			const matrix = matrixOf(weight, layout);
			const variant = { ...matrix.variant, storage: float(dx) };
			const launch = {
				buffers: { ...matrix.buffers, x: gradient.storage, out: dx.storage },
				...work(weight, columns, gradient, dx),
			};
			const words = weight.packed.shape[1]!;
			const paramsFor = (tiles: number) => ({ ...matrix.params, ...operand(gradient), tiles });
			if (gpu.isSoftware || lines <= VECTOR_MOST) {
				const each = lines === 1 ? 1 : 4;
				const tiles = Math.ceil(words / COLUMN_WORDS);
				const grid = [tiles * Math.ceil(lines / each)] as const;
				gpu.launch({ kernel: quantizedColumns, variant: { ...variant, lines: each }, params: paramsFor(tiles), grid, ...launch });
			} else {
				const tiles = Math.ceil((words * (32 / layout.bits)) / TILE);
				const grid = [tiles * Math.ceil(lines / TILE)] as const;
				const vectors = isInQuads(gradient);
				gpu.launch({
					kernel: quantizedTile,
					variant: { ...variant, turned: true, vectors },
					params: paramsFor(tiles),
					grid,
					...launch,
				});
			}
		},

		quantizedEmbedding({ index, ...weight }, { y }, { check, ...layout }) {
			const matrix = matrixOf(weight, layout);
			const lines = index.shape[0]!;
			const count = lines * matrix.params.words;
			gpu.launch({
				kernel: quantizedRows,
				variant: matrix.variant,
				buffers: { ...matrix.buffers, index: index.storage, y: y.storage },
				params: { ...matrix.params, lines, indexOffset: index.offset, indexStride: index.strides[0]! },
				grid: [Math.ceil(count / WORKGROUP_SIZE)],
				flops: 0,
				bytes: 4 * count + lines * (4 + layout.columns * gpuBytes(y.dtype)),
				check,
			});
		},

		dequantizeWeight(weight, { y }, layout) {
			launchDequantize(weight, y, layout);
		},
	};
}
