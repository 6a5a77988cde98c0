/**
 * The norm of all gradients as one vector, and the factor that brings it below a limit.
 *
 * squares    : each invocation adds up the squares of the elements that are as far apart as there are invocations, in blocks of 32, and writes its sum
 *              to a slot of its own. One launch a gradient; all write into one array of partial sums.
 * clipFactor : one workgroup adds the partial sums up: each of its 64 invocations those that are 64 apart, in blocks of 32, then what all have
 *              (together.ts).
 *
 * Layout: a gradient is contiguous from its offset on. With `vec4` an invocation reads four elements at once: the host guarantees an offset that is
 * a multiple of 4, and storages are padded to 16 bytes; what lies behind the last element is read and left out.
 *
 * Ladder: scalar, for odd offsets; vec4.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate } from './shader';
import { sumOfAll } from './together';

export type SquaresVariant = { readonly vec4: boolean };

/** Params: elements, the gradient's offset (in what is read at once), the first slot, and invocations in all. */
export const squares: ShaderTemplate<SquaresVariant> = {
	name: 'optimizer.squares',
	source: ({ vec4 }) => ({
		bindings: ['read', 'read_write'],
		code: wgsl`
alias V = ${vec4 ? 'vec4<f32>' : 'f32'};
struct Params {
	size: u32,
	offset: u32,
	slot: u32,
	invocations: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> gradient: array<V>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	let count = (p.size + ${vec4 ? 3 : 0}u) / ${vec4 ? 4 : 1}u;
	var total = V();
	var i = id.x;
	while (i < count) {
		let until = min(count, i + 32u * p.invocations);
		var block = V();
		for (; i < until; i += p.invocations) {
			let value = gradient[p.offset + i];
#if ${vec4}
			block += select(V(), value * value, vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(p.size));
#else
			block += value * value;
#endif
		}
		total += block;
	}
	if (id.x < p.invocations) {
		partials[p.slot + id.x] = ${vec4 ? '(total.x + total.y) + (total.z + total.w)' : 'total'};
	}
}
`,
	}),
};

/** Params: partial sums, the limit, and the bits of NaN. */
export const clipFactor: ShaderTemplate<Record<never, never>> = {
	name: 'optimizer.clipFactor',
	source: () => ({
		bindings: ['read', 'read_write', 'read_write'],
		code: wgsl`
struct Params {
	count: u32,
	maxNorm: f32,
	nan: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;
${sumOfAll('f32', 64)}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lid: u32) {
	var sum = 0.0;
	var i = lid;
	while (i < p.count) {
		let until = min(p.count, i + 2048u);
		var block = 0.0;
		for (; i < until; i += 64u) {
			block += partials[i];
		}
		sum += block;
	}
	let total = sumOfAll(sum, lid);
	if (lid == 0u) {
		// Compilers may assume that neither infinity nor NaN occurs, so what they lead to is chosen by their bits.
		let bits = bitcast<u32>(total);
		let isNan = bits > 0x7f800000u;
		let length = select(sqrt(total), total, bits >= 0x7f800000u);
		norm[0] = length;
		let share = select(min(1.0, p.maxNorm / (length + 1e-6)), 0.0, bits == 0x7f800000u);
		factor[0] = select(share, bitcast<f32>(p.nan), isNan);
	}
}
`,
	}),
};
