/**
 * Products of int32 matrices, exact modulo 2^32: out = a b + bias, of any strides. The parameters are those of matmul.wgsl.ts.
 *
 * A thread computes one element of out, reading its row and its column where they lie. There is one form: whole numbers are counts and
 * masks here, never the bulk of a network's work. Rows of the grid beyond the last element do nothing.
 */
import { wgsl } from 'wgsl-preprocessor';
import { PARAMS } from './matmul.wgsl';
import type { ShaderTemplate } from './shader';

export const matmulInteger: ShaderTemplate<Record<string, never>> = {
	name: 'matmul.integer',
	source: () => ({
		bindings: ['read', 'read', 'read', 'read_write'],
		code: wgsl`
${PARAMS}
@group(0) @binding(1) var<storage, read> a: array<i32>;
@group(0) @binding(2) var<storage, read> b: array<i32>;
@group(0) @binding(3) var<storage, read> bias: array<i32>;
@group(0) @binding(4) var<storage, read_write> out: array<i32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
) {
	let i = (p.firstGroup + wid.x + wid.y * grid.x) * 64u + lane;
	if (i >= p.batches * p.rows * p.columns) {
		return;
	}
	let column = i % p.columns;
	let row = i / p.columns % p.rows;
	let base = matrices(i / (p.columns * p.rows)) + vec2<u32>(row * p.aRow, column * p.bColumn);
	var sum = 0;
	if (p.hasBias != 0u) {
		sum = bias[p.biasOffset + column * p.biasStride];
	}
	for (var k = 0u; k < p.depth; k++) {
		sum += a[base.x + k * p.aDepth] * b[base.y + k * p.bDepth];
	}
	out[i] = sum;
}
`,
	}),
};
