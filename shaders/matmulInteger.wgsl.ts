/**
 * Products of int32 matrices, exact modulo 2^32: out = a b + bias, of any strides. The parameters are those of matmul.wgsl.ts.
 *
 * An invocation computes one element of out and reads its row and column in place. There is one variant: integer products are
 * counts and masks, never the bulk of a network's work.
 */
import { wgsl } from 'wgsl-preprocessor';
import { MATMUL_PARAMS, MATRICES } from './matmul.wgsl';
import { defineKernel, type NoVariant, read, readWrite } from './shader';

export const matmulInteger = defineKernel({
	name: 'matmul.integer',
	params: MATMUL_PARAMS,
	divisible: true,
	define: (_: NoVariant) => ({
		bindings: { a: read('i32'), b: read('i32'), bias: read('i32'), out: readWrite('i32') },
		invocations: 'p.batches * p.rows * p.columns',
		functions: MATRICES,
		main: wgsl`
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
`,
	}),
});
