/**
 * The roofline probes of the benchmarks: the most that the adapter can do, measured with simple kernels.
 *
 * fma   every thread runs three independent chains of vec4 multiply-adds in registers, unrolled four times, and stores one
 *       number: 96 flops a round. Twelve numbers in flight hide the latency and still fit the registers. Their components start
 *       at different values, or a compiler would compute one for all four.
 * copy  y = x, one vec4 per thread and step, grid-strided by the number of threads so that consecutive threads touch consecutive
 *       vectors.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite } from '../shaders/shader';

export const probeFma = defineKernel({
	name: 'probe.fma',
	params: { rounds: 'u32', factor: 'f32', threads: 'u32' },
	define: (_: NoVariant) => ({
		bindings: { y: readWrite('f32') },
		invocations: 'p.threads',
		main: wgsl`
	let f = vec4<f32>(p.factor);
	var a = vec4<f32>(f32(i)) + vec4(0.1, 0.2, 0.3, 0.4);
	var b = a + 1.0;
	var c = a + 2.0;
	for (var round = 0u; round < p.rounds; round++) {
${'		a = fma(a, f, f);\n		b = fma(b, f, f);\n		c = fma(c, f, f);\n'.repeat(4)}	}
	let all = a + b + c;
	y[i] = all.x + all.y + all.z + all.w;
`,
	}),
});

export const probeCopy = defineKernel({
	name: 'probe.copy',
	params: { count: 'u32', threads: 'u32' },
	define: (_: NoVariant) => ({
		bindings: { x: read('vec4<f32>'), y: readWrite('vec4<f32>') },
		invocations: 'p.threads',
		main: wgsl`
	for (var at = i; at < p.count; at += p.threads) {
		y[at] = x[at];
	}
`,
	}),
});
