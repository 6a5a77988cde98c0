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
import type { ShaderTemplate, StorageType } from './shader';

export type EmbeddingScanVariant = { type: StorageType };

/** Params: n, rows, columns, quads (of columns), offset and stride of index, offset of gradient, skipped (row, 2^32 - 1 for none). */
export const embeddingScan: ShaderTemplate<EmbeddingScanVariant> = {
	name: 'embedding.scan',
	source({ type }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	n: u32,
	rows: u32,
	columns: u32,
	quads: u32,
	offset: u32,
	stride: u32,
	gradientOffset: u32,
	skipped: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> gradient: array<${type}>;
@group(0) @binding(3) var<storage, read_write> dWeight: array<${type}>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let flat = (wid.x + wid.y * nwg.x) * 64u + lid;
	let row = flat / p.quads;
	if (row >= p.rows) {
		return;
	}
	let first = (flat - row * p.quads) * 4u;
	// Loops of a length that compilers do not know: unrolled, each of their loads and stores costs four times as much to compile.
	let end = min(first + 4u, p.columns);
	var sum = vec4<f32>();
	if (row != p.skipped) {
		for (var i = 0u; i < p.n; i++) {
			if (index[p.offset + i * p.stride] == row) {
				let at = p.gradientOffset + i * p.columns;
				for (var c = first; c < end; c++) {
					sum[c - first] += f32(gradient[at + c]);
				}
			}
		}
	}
	for (var c = first; c < end; c++) {
		dWeight[row * p.columns + c] = ${type}(sum[c - first]);
	}
}
`;
		return { code, bindings: ['read', 'read', 'read_write'] };
	},
};
