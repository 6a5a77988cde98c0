/**
 * The roofline probes of the benchmarks: what the adapter can do at most, by the plainest means.
 *
 * fma   every thread runs three independent chains of vec4 multiply-adds in registers, unrolled four times, and stores one number: 96 flops
 *       a round. Twelve numbers in flight hide the latency and still fit the registers; components start apart, or a compiler
 *       would compute one for all four.
 * copy  y = x, a vec4 a thread and step, grid-strided by the number of threads so that consecutive threads touch consecutive vectors.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate } from './shader';

export const probeFma: ShaderTemplate<Record<string, never>> = {
	name: 'probe.fma',
	source: () => ({
		bindings: ['read_write'],
		code: wgsl`
struct Params {
	rounds: u32,
	factor: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	let f = vec4<f32>(p.factor);
	var a = vec4<f32>(f32(id.x)) + vec4(0.1, 0.2, 0.3, 0.4);
	var b = a + 1.0;
	var c = a + 2.0;
	for (var i = 0u; i < p.rounds; i++) {
${'		a = fma(a, f, f);\n		b = fma(b, f, f);\n		c = fma(c, f, f);\n'.repeat(4)}	}
	let all = a + b + c;
	y[id.x] = all.x + all.y + all.z + all.w;
}
`,
	}),
};

export const probeCopy: ShaderTemplate<Record<string, never>> = {
	name: 'probe.copy',
	source: () => ({
		bindings: ['read', 'read_write'],
		code: wgsl`
struct Params {
	count: u32,
	threads: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	for (var i = id.x; i < p.count; i += p.threads) {
		y[i] = x[i];
	}
}
`,
	}),
};
