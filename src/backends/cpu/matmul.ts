/** Reference matrix products: one row of the result at a time, accumulated in float64. */
import type { TypedArray } from '../../core/dtype';
import type { View } from '../contract';
import type { MatmulKernels } from '../contract/matmul';
import { cpuData, positions } from './storage';

/** Storage positions of the matrices of a batch: where element (0, 0) of each lies. */
function matrices({ shape, strides, offset }: View): Int32Array {
	return positions({ shape: shape.slice(0, -2), strides: strides.slice(0, -2), offset });
}

/** sum += factor * (elements of `data` from `start` on, `step` apart). */
function addScaled(sum: Float64Array, factor: number, data: TypedArray, start: number, step: number): void {
	for (let j = 0, at = start; j < sum.length; j++, at += step) sum[j]! += factor * data[at]!;
}

/** The dot product of two runs of `length` elements. */
function dot(length: number, x: TypedArray, xStart: number, xStep: number, y: TypedArray, yStart: number, yStep: number): number {
	let sum = 0;
	for (let k = 0, i = xStart, j = yStart; k < length; k++, i += xStep, j += yStep) sum += x[i]! * y[j]!;
	return sum;
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
		if (bias !== undefined) addScaled(first, 1, cpuData(bias), bias.offset, bias.strides[0]!);

		if (out.dtype === 'int32') {
			multiplyIntegers();
			return;
		}
		const sum = new Float64Array(columns);
		for (let batch = 0; batch < outStarts.length; batch++) {
			const bStart = bStarts[batch]!;
			for (let i = 0; i < rows; i++) {
				const aStart = aStarts[batch]! + i * aRow;
				sum.set(first);
				// Both orders add the same terms; walk b along whichever of its dims lies densely in memory.
				if (bDepth < bColumn) {
					for (let j = 0; j < columns; j++) {
						sum[j]! += dot(depth, aData, aStart, aDepth, bData, bStart + j * bColumn, bDepth);
					}
				} else {
					for (let k = 0; k < depth; k++) addScaled(sum, aData[aStart + k * aDepth]!, bData, bStart + k * bDepth, bColumn);
				}
				outData.set(sum, outStarts[batch]! + i * columns);
			}
		}

		/** Modulo 2^32, which products in float64 would round. */
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
