/**
 * The gradient of lookups in a small table.
 *
 *   dWeight[r, c] = sum of gradient[i, c] over all i with index[i] = r
 *
 * scan   A thread owns one row and four of its columns, and walks all indices. rows * n / 4 loads in all for every column, so only for small
 *        tables: characters, positions, classes. It is one pipeline where sorting the indices takes seven (segment.wgsl.ts, sort.wgsl.ts),
 *        which a first training step waits for, and one launch instead of a dozen. The threads of a row read the same indices.
 *
 * gradient [n, columns] and dWeight [rows, columns] are contiguous, columns may be any. Every element is written: the host fills nothing.
 * Indices that name no row, and those of `skipped`, count nowhere. Sums are float32, in the order of the indices. Workgroups of 64.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType } from './shader';

export type EmbeddingScanVariant = { type: StorageType };

export const embeddingScan = defineKernel({
	name: 'embedding.scan',
	params: {
		n: 'u32',
		rows: 'u32',
		columns: 'u32',
		/** Of columns. */
		quads: 'u32',
		/** Of index. */
		offset: 'u32',
		stride: 'u32',
		gradientOffset: 'u32',
		/** A row that gets nothing; -1 for none. */
		skipped: 'u32',
	},
	define: ({ type }: EmbeddingScanVariant) => ({
		bindings: { index: read('u32'), gradient: read(type), dWeight: readWrite(type) },
		invocations: 'p.rows * p.quads',
		main: wgsl`
	let row = i / p.quads;
	let first = (i - row * p.quads) * 4u;
	// Loops of a length that compilers do not know: unrolled, each of their loads and stores costs four times as much to compile.
	let end = min(first + 4u, p.columns);
	var sum = vec4<f32>();
	if (row != p.skipped) {
		for (var j = 0u; j < p.n; j++) {
			if (index[p.offset + j * p.stride] == row) {
				let at = p.gradientOffset + j * p.columns;
				for (var c = first; c < end; c++) {
					sum[c - first] += f32(gradient[at + c]);
				}
			}
		}
	}
	for (var c = first; c < end; c++) {
		dWeight[row * p.columns + c] = ${type}(sum[c - first]);
	}
`,
	}),
});
