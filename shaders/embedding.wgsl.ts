/**
 * The gradient of lookups in a small table.
 *
 *   dWeight[r, c] = sum of gradient[i, c] over all i with index[i] = r
 *
 * scan   An invocation has one row and four of its columns and walks over all indices. That takes rows * n / 4 loads for every
 *        column, so it suits small tables only: characters, positions, classes. It needs one pipeline and one launch. Sorting the
 *        indices needs seven pipelines (segment.wgsl.ts, sort.wgsl.ts), which a first training step waits for, and a dozen
 *        launches.
 *
 * gradient [n, columns] and dWeight [rows, columns] are contiguous with any number of columns. The kernel writes every element,
 * so the host fills nothing. Indices out of range and `skipped` add to no row. Sums are float32, in the order of the indices.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite, type StorageType } from './shader';

type EmbeddingScanVariant = { type: StorageType };

export const embeddingScan = defineKernel({
	name: 'embedding.scan',
	params: {
		n: 'u32',
		rows: 'u32',
		columns: 'u32',
		/** Quads of columns. */
		quads: 'u32',
		/** Offset and stride of index. */
		offset: 'u32',
		stride: 'u32',
		gradientOffset: 'u32',
		/** A row that gets the gradient 0; -1 for none. */
		skipped: 'u32',
	},
	define: ({ type }: EmbeddingScanVariant) => ({
		bindings: { index: read('u32'), gradient: read(type), dWeight: readWrite(type) },
		invocations: 'p.rows * p.quads',
		main: wgsl`
	let row = i / p.quads;
	let first = (i - row * p.quads) * 4u;
	// Compilers must not know the loops' lengths: each load and store of an unrolled loop would take four times as long to compile.
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
