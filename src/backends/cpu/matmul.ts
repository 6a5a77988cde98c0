/** Reference matrix products, one row of the result at a time, with float64 sums. */
import type { TypedArray } from '../../core/dtype';
import type { View } from '../contract';
import type { MatmulKernels } from '../contract/matmul';
import { cpuData, positions } from './storage';

/** The storage position of element (0, 0) of each matrix in a batch. */
function matrices({ shape, strides, offset }: View): Int32Array {
	return positions({ shape: shape.slice(0, -2), strides: strides.slice(0, -2), offset });
}

/** Copies a matrix into `target`, row by row, as float64. */
function pack(target: Float64Array, columns: number, data: TypedArray, start: number, rowStep: number, columnStep: number): void {
	for (let at = 0, row = start; at < target.length; row += rowStep) {
		for (let j = 0, from = row; j < columns; j++, from += columnStep) target[at++] = data[from]!;
	}
}

/** Adds the row of `a` that begins at `start`, times `b`, to `sum`. The rows of `b` are as long as `sum`. */
function addProduct(sum: Float64Array, a: Float64Array, start: number, depth: number, b: Float64Array): void {
	const columns = sum.length;
	let k = 0;
	// Four terms at a time, in the order of the loop below, because reading and writing `sum` takes most of the time.
	for (; k + 4 <= depth; k += 4) {
		const [a0, a1, a2, a3] = [a[start + k]!, a[start + k + 1]!, a[start + k + 2]!, a[start + k + 3]!];
		const b0 = k * columns;
		const b1 = b0 + columns;
		const b2 = b1 + columns;
		const b3 = b2 + columns;
		for (let j = 0; j < columns; j++) {
			sum[j] = sum[j]! + a0 * b[b0 + j]! + a1 * b[b1 + j]! + a2 * b[b2 + j]! + a3 * b[b3 + j]!;
		}
	}
	for (; k < depth; k++) {
		const factor = a[start + k]!;
		for (let j = 0, at = k * columns; j < columns; j++, at++) sum[j]! += factor * b[at]!;
	}
}

export const matmul: MatmulKernels = {
	matmul({ a, b, bias }, { out }) {
		const rank = out.shape.length;
		const rows = out.shape[rank - 2]!;
		const columns = out.shape[rank - 1]!;
		const depth = a.shape[rank - 1]!;
		const [aRow, aDepth] = [a.strides[rank - 2]!, a.strides[rank - 1]!];
		const [bDepth, bColumn] = [b.strides[rank - 2]!, b.strides[rank - 1]!];
		const [aData, bData, outData] = [cpuData(a), cpuData(b), cpuData(out)];
		const [aStarts, bStarts, outStarts] = [matrices(a), matrices(b), matrices(out)];
		const first = new Float64Array(columns);
		if (bias !== undefined) pack(first, columns, cpuData(bias), bias.offset, 0, bias.strides[0]!);

		if (out.dtype === 'int32') {
			multiplyIntegers();
			return;
		}
		const sum = new Float64Array(columns);
		const left = new Float64Array(rows * depth);
		const right = new Float64Array(depth * columns);
		for (let batch = 0; batch < outStarts.length; batch++) {
			pack(left, depth, aData, aStarts[batch]!, aRow, aDepth);
			if (batch === 0 || bStarts[batch] !== bStarts[batch - 1]) pack(right, columns, bData, bStarts[batch]!, bDepth, bColumn);
			for (let i = 0; i < rows; i++) {
				sum.set(first);
				addProduct(sum, left, i * depth, depth, right);
				outData.set(sum, outStarts[batch]! + i * columns);
			}
		}

		/** Computes modulo 2^32; float64 would round the products. */
		function multiplyIntegers(): void {
			for (const [batch, outStart] of outStarts.entries()) {
				for (let i = 0; i < rows; i++) {
					for (let j = 0; j < columns; j++) {
						let sum = first[j]!;
						for (let k = 0; k < depth; k++) {
							const x = aData[aStarts[batch]! + i * aRow + k * aDepth]!;
							sum = (sum + Math.imul(x, bData[bStarts[batch]! + k * bDepth + j * bColumn]!)) | 0;
						}
						outData[outStart + i * columns + j] = sum;
					}
				}
			}
		}
	},
};
