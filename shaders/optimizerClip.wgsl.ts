/**
 * The norm of all gradients as one vector, and the factor that brings it down to a limit.
 *
 * squares    : each invocation adds up the squares of elements that are `invocations` apart, in blocks of 32, and writes its sum
 *              to its own slot. One launch for each gradient; all write into one array of partial sums.
 * clipFactor : one workgroup adds up the partial sums. Each of its 64 invocations takes every 64th, in blocks of 32; then the
 *              workgroup combines the results (workgroupReduction.ts).
 *
 * Layout: a gradient is contiguous from its offset on. With `vec4` an invocation reads four elements at once: the host guarantees
 * an offset that is a multiple of 4, and storages are padded to 16 bytes. Elements read beyond the last one are left out.
 *
 * Ladder: scalar, for odd offsets; vec4.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite, WORKGROUP_SIZE } from './shader';
import { workgroupSum } from './workgroupReduction';

type SquaresVariant = { readonly vec4: boolean };

export const squares = defineKernel({
	name: 'optimizer.squares',
	params: {
		/** The number of elements of the gradient. */
		size: 'u32',
		/** The offset, in units of one read. */
		offset: 'u32',
		/** The first slot of the sums. */
		slot: 'u32',
		invocations: 'u32',
	},
	define: ({ vec4 }: SquaresVariant) => ({
		bindings: { gradient: read('V'), partials: readWrite('f32') },
		invocations: 'p.invocations',
		functions: `alias V = ${vec4 ? 'vec4<f32>' : 'f32'};`,
		main: wgsl`
	let count = (p.size + ${vec4 ? 3 : 0}u) / ${vec4 ? 4 : 1}u;
	var total = V();
	var at = i;
	while (at < count) {
		let until = min(count, at + 32u * p.invocations);
		var block = V();
		for (; at < until; at += p.invocations) {
			let value = gradient[p.offset + at];
#if ${vec4}
			block += select(V(), value * value, vec4(4u * at) + vec4(0u, 1u, 2u, 3u) < vec4(p.size));
#else
			block += value * value;
#endif
		}
		total += block;
	}
	partials[p.slot + i] = ${vec4 ? '(total.x + total.y) + (total.z + total.w)' : 'total'};
`,
	}),
});

export const clipFactor = defineKernel({
	name: 'optimizer.clipFactor',
	params: { count: 'u32', maxNorm: 'f32', nan: 'bits' },
	define: (_: NoVariant) => ({
		bindings: { partials: read('f32'), norm: readWrite('f32'), factor: readWrite('f32') },
		functions: workgroupSum('f32', WORKGROUP_SIZE),
		main: wgsl`
	var sum = 0.0;
	var i = lid;
	while (i < p.count) {
		let until = min(p.count, i + ${32 * WORKGROUP_SIZE}u);
		var block = 0.0;
		for (; i < until; i += ${WORKGROUP_SIZE}u) {
			block += partials[i];
		}
		sum += block;
	}
	let total = workgroupSum(sum, lid);
	if (lid == 0u) {
		// Compilers may assume that neither infinity nor NaN occurs, so the bits select their results.
		let bits = bitcast<u32>(total);
		let isNan = bits > 0x7f800000u;
		let length = select(sqrt(total), total, bits >= 0x7f800000u);
		norm[0] = length;
		let share = select(min(1.0, p.maxNorm / (length + 1e-6)), 0.0, bits == 0x7f800000u);
		factor[0] = select(share, bitcast<f32>(p.nan), isNan);
	}
`,
	}),
});
