/** Quantised matrices on the host: the reference for shaders/quantized.wgsl.ts. */
import type { QuantizedKernels, QuantizedLayout, QuantizedViews } from '../contract/quantized';
import { cpuData } from './storage';

/** Returns a function that writes the elements of a row into `target`. */
function rowReader({ packed, scale, zeroPoint }: QuantizedViews, { bits, groupSize, columns }: QuantizedLayout) {
	const [words, scales] = [cpuData(packed), cpuData(scale)];
	const zeros = zeroPoint && cpuData(zeroPoint);
	const [wordsPerRow, groups] = [packed.shape[1]!, scale.shape[1]!];
	const wordsPerGroup = Math.ceil((groupSize * bits) / 32);
	return (row: number, target: Float64Array): void => {
		for (let c = 0; c < columns; c++) {
			const group = Math.floor(c / groupSize);
			const bit = (c % groupSize) * bits;
			const word = words[packed.offset + row * wordsPerRow + group * wordsPerGroup + Math.floor(bit / 32)]!;
			const code = (word >>> (bit % 32)) % 2 ** bits;
			const zero = zeros === undefined ? 2 ** (bits - 1) : zeros[zeroPoint!.offset + row * groups + group]!;
			target[c] = (code - zero) * scales[scale.offset + row * groups + group]!;
		}
	};
}

export const quantized: QuantizedKernels = {
	quantizedLinear({ x, bias, ...weight }, { out }, layout) {
		const [lines, rows] = out.shape as [number, number];
		const [inputs, result] = [cpuData(x), cpuData(out)];
		const [down, across] = x.strides as [number, number];
		const readRow = rowReader(weight, layout);
		const row = new Float64Array(layout.columns);
		for (let r = 0; r < rows; r++) {
			readRow(r, row);
			const first = bias === undefined ? 0 : cpuData(bias)[bias.offset + r * bias.strides[0]!]!;
			for (let i = 0; i < lines; i++) {
				let sum = first;
				for (let c = 0, at = x.offset + i * down; c < row.length; c++, at += across) sum += inputs[at]! * row[c]!;
				result[i * rows + r] = sum;
			}
		}
	},

	quantizedLinearGrad({ gradient, ...weight }, { dx }, layout) {
		const [lines, columns] = dx.shape as [number, number];
		const given = cpuData(gradient);
		const [down, across] = gradient.strides as [number, number];
		const readRow = rowReader(weight, layout);
		const row = new Float64Array(columns);
		const sums = new Float64Array(lines * columns);
		for (let r = 0; r < gradient.shape[1]!; r++) {
			readRow(r, row);
			for (let i = 0; i < lines; i++) {
				const factor = given[gradient.offset + i * down + r * across]!;
				for (let c = 0, at = i * columns; c < columns; c++, at++) sums[at]! += factor * row[c]!;
			}
		}
		cpuData(dx).set(sums);
	},

	quantizedEmbedding({ index, ...weight }, { y }, layout) {
		const chosen = cpuData(index);
		const table = cpuData(y);
		const readRow = rowReader(weight, layout);
		const row = new Float64Array(layout.columns);
		for (let i = 0; i < index.shape[0]!; i++) {
			readRow(chosen[index.offset + i * index.strides[0]!]!, row);
			table.set(row, i * layout.columns);
		}
	},

	dequantizeWeight(weight, { y }, layout) {
		const table = cpuData(y);
		const readRow = rowReader(weight, layout);
		const row = new Float64Array(layout.columns);
		for (let r = 0; r < weight.packed.shape[0]!; r++) {
			readRow(r, row);
			table.set(row, r * layout.columns);
		}
	},
};
