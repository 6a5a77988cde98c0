/** Ways to average gradients over the ranks with fewer bytes. */
import { requireCounts, requireFraction } from '../core/checks';
import { float32ToHalves, halvesToFloat32 } from '../core/halves';
import { checkOptions } from '../core/options';
import { numel, type Shape } from '../core/shape';
import { finished } from './collectives';
import type { Communicator, Values } from './communicator';
import { orthonormalize } from './orthonormalize';

/** Averages the flat gradients of one bucket over the ranks. It may keep what it did not send, for the next step. */
export interface Reduction {
	/** Whether `mean` makes one collective call, without a wait before it. */
	readonly isOneCall: boolean;
	/** The mean over the ranks; the same bits on all. */
	mean(own: Values, communicator: Communicator, what: string): Promise<Values>;
}

/** Makes the reduction of each bucket. */
export interface GradientCompression {
	/** `shapes` are those of the bucket's parameters, in their order. */
	reductionFor(shapes: readonly Shape[]): Reduction;
}

/** The mean by one MPI_Iallreduce of the values as they are. */
export const plainReduction: Reduction = {
	isOneCall: true,
	async mean(own, communicator, what) {
		const total = own.slice();
		await communicator.allReduce(own, total, 'sum', what);
		return finished(total, 'mean', communicator.size);
	},
};

/**
 * Sends gradients as float16: half the bytes. Each rank adds up its part of the sum in float32, in the order of the ranks. Values beyond 65504
 * become infinite: GradScaler then skips the step. As PyTorch's `fp16_compress_hook`.
 */
export class Float16Compression implements GradientCompression {
	reductionFor(): Reduction {
		return { isOneCall: false, mean: float16Mean };
	}
}

async function float16Mean(own: Values, communicator: Communicator, what: string): Promise<Values> {
	const { size } = communicator;
	const part = Math.ceil(own.length / size);
	const padded = new Float32Array(part * size);
	// Before the halves: a sum of them could overflow.
	for (let i = 0; i < own.length; i++) padded[i] = own[i]! / size;
	const received = new Uint16Array(part * size);
	await communicator.allToAll(float32ToHalves('float16', padded), received, what);
	const values = halvesToFloat32('float16', received);
	const sum = new Float32Array(part);
	for (let rank = 0; rank < size; rank++) for (let i = 0; i < part; i++) sum[i] = sum[i]! + values[rank * part + i]!;
	const all = new Uint16Array(part * size);
	await communicator.allGather(float32ToHalves('float16', sum), all, what);
	const result = halvesToFloat32('float16', all).subarray(0, own.length);
	return own instanceof Float64Array ? Float64Array.from(result) : result;
}

export interface TopKOptions {
	/** The fraction of the elements to send, those of the largest absolute value. Default 0.01. */
	readonly ratio?: number;
}

/**
 * Sends the largest elements of each bucket, and adds the others to the gradient of the next step (error feedback). Stich et al. 2018,
 * "Sparsified SGD with memory".
 */
export class TopKCompression implements GradientCompression {
	readonly ratio: number;

	constructor(options: TopKOptions = {}) {
		const { ratio = 0.01 } = checkOptions('TopKCompression', options, ['ratio']);
		requireFraction('TopKCompression', 'ratio', ratio, '(0, 1]');
		this.ratio = ratio;
	}

	reductionFor(shapes: readonly Shape[]): Reduction {
		const size = shapes.reduce((total, shape) => total + numel(shape), 0);
		const count = Math.max(1, Math.round(size * this.ratio));
		const kept = new Float32Array(size);
		return {
			isOneCall: false,
			async mean(own, communicator, what) {
				for (let i = 0; i < size; i++) kept[i] = kept[i]! + own[i]!;
				const chosen = largest(kept, count);
				const values = Float32Array.from(chosen, (index) => kept[index]!);
				for (const index of chosen) kept[index] = 0;
				const allIndices = new Int32Array(count * communicator.size);
				const allValues = new Float32Array(count * communicator.size);
				await communicator.allGather(chosen, allIndices, what);
				await communicator.allGather(values, allValues, what);
				const result = own.slice().fill(0);
				for (const [i, index] of allIndices.entries()) result[index] = result[index]! + allValues[i]! / communicator.size;
				return result;
			},
		};
	}
}

/** The positions of the `count` values that are largest in absolute value, ascending; of equal ones the first. NaN counts as largest. */
function largest(values: Float32Array, count: number): Int32Array {
	const magnitudes = values.map((value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.abs(value)));
	const threshold = magnitudes.slice().sort()[values.length - count]!;
	const chosen = new Int32Array(count);
	let above = 0;
	for (const magnitude of magnitudes) if (magnitude > threshold) above++;
	let equal = count - above;
	let next = 0;
	for (let i = 0; i < values.length && next < count; i++) {
		if (magnitudes[i]! > threshold || (magnitudes[i] === threshold && equal-- > 0)) chosen[next++] = i;
	}
	return chosen;
}

export interface PowerSGDOptions {
	/** The rank of the approximation. Default 1. */
	readonly matrixApproximationRank?: number;
}

/**
 * Approximates each gradient of at least two dims, as a matrix M [dim 0, others], by P Qᵀ with few columns, and sends P and Q: one step of
 * power iteration, warm-started by the last Q. What the approximation lacks is added to the gradient of the next step. Other gradients travel
 * as they are. Vogels et al. 2019, "PowerSGD". As PyTorch's `powerSGD_hook`.
 */
export class PowerSGDCompression implements GradientCompression {
	readonly matrixApproximationRank: number;

	constructor(options: PowerSGDOptions = {}) {
		const { matrixApproximationRank = 1 } = checkOptions('PowerSGDCompression', options, ['matrixApproximationRank']);
		requireCounts('PowerSGDCompression', { matrixApproximationRank }, 1);
		this.matrixApproximationRank = matrixApproximationRank;
	}

	reductionFor(shapes: readonly Shape[]): Reduction {
		const parts = partsOf(shapes, this.matrixApproximationRank);
		const size = shapes.reduce((total, shape) => total + numel(shape), 0);
		const error = new Float32Array(size);
		return { isOneCall: false, mean: (own, communicator, what) => powerMean(parts, error, own, communicator, what) };
	}
}

/** A gradient within its bucket: a matrix to approximate, or `columns` of 0 for one that travels as it is. */
interface Part {
	readonly start: number;
	readonly size: number;
	readonly rows: number;
	readonly columns: number;
	readonly rank: number;
	/** [columns, rank] */
	readonly q: Float64Array;
}

function partsOf(shapes: readonly Shape[], rank: number): Part[] {
	let start = 0;
	return shapes.map((shape, i) => {
		const size = numel(shape);
		const rows = shape[0] ?? 1;
		const columns = rows === 0 ? 0 : size / rows;
		const own = Math.min(rank, rows, columns);
		const pays = shape.length >= 2 && (rows + columns) * own < size;
		const part = {
			start,
			size,
			rows,
			columns: pays ? columns : 0,
			rank: own,
			// The same on all ranks; any start of full rank does.
			q: pays ? Float64Array.from({ length: columns * own }, (_, k) => Math.sin(1 + i + 1.7 * k * (k + 1))) : new Float64Array(0),
		};
		start += size;
		return part;
	});
}

async function powerMean(parts: readonly Part[], error: Float32Array, own: Values, communicator: Communicator, what: string) {
	const { size } = communicator;
	const result = own.slice();
	for (let i = 0; i < own.length; i++) error[i] = own[i]! + error[i]!;
	const matrices = parts.filter(({ columns }) => columns > 0);
	const plain = parts.filter(({ columns }) => columns === 0);
	const meanOf = async (pieces: readonly Float64Array[]) => {
		const flat = new Float32Array(pieces.reduce((total, { length }) => total + length, 0));
		let at = 0;
		for (const piece of pieces) {
			flat.set(piece, at);
			at += piece.length;
		}
		const total = new Float32Array(flat.length);
		await communicator.allReduce(flat, total, 'sum', what);
		at = 0;
		for (const piece of pieces) for (let i = 0; i < piece.length; i++) piece[i] = total[at++]! / size;
	};
	const ps = matrices.map(({ start, rows, columns, rank, q }) => {
		const p = new Float64Array(rows * rank);
		for (let i = 0; i < rows; i++)
			for (let j = 0; j < columns; j++)
				for (let k = 0; k < rank; k++) p[i * rank + k] = p[i * rank + k]! + error[start + i * columns + j]! * q[j * rank + k]!;
		return p;
	});
	const others = plain.map(({ start, size: length }) => Float64Array.from(error.subarray(start, start + length)));
	await meanOf([...ps, ...others]);
	matrices.forEach(({ rows, rank }, m) => {
		orthonormalize(ps[m]!, rows, rank);
	});
	matrices.forEach(({ start, rows, columns, rank, q }, m) => {
		const p = ps[m]!;
		q.fill(0);
		for (let i = 0; i < rows; i++)
			for (let j = 0; j < columns; j++)
				for (let k = 0; k < rank; k++) q[j * rank + k] = q[j * rank + k]! + error[start + i * columns + j]! * p[i * rank + k]!;
	});
	await meanOf(matrices.map(({ q }) => q));
	matrices.forEach(({ start, rows, columns, rank, q }, m) => {
		const p = ps[m]!;
		for (let i = 0; i < rows; i++)
			for (let j = 0; j < columns; j++) {
				let value = 0;
				for (let k = 0; k < rank; k++) value += p[i * rank + k]! * q[j * rank + k]!;
				const at = start + i * columns + j;
				result[at] = value;
				error[at] = error[at]! - result[at]!;
			}
	});
	plain.forEach(({ start }, i) => {
		result.set(others[i]!, start);
		error.fill(0, start, start + others[i]!.length);
	});
	return result;
}
