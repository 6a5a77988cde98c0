/**
 * The norm of all gradients as one vector, the factor that brings it down to a limit, and its application; and limits for each element. One
 * launch takes as many gradients as the adapter's bindings allow (tensorList.ts).
 *
 * squares    : each invocation adds up the squares of elements that are `invocations` apart, in blocks of 32, and writes its sum
 *              to its own slot. All launches write into one array of partial sums.
 * clipFactor : one workgroup adds up the partial sums. Each of its 64 invocations takes every 64th, in blocks of 32; then the
 *              workgroup combines the results (workgroupReduction.ts).
 * scale      : multiplies every element by the factor, in place; one invocation for each element, or for four.
 * limit      : limits every element, in place, in the same way. NaN stays.
 *
 * Layout: a gradient is contiguous from its offset on. With `vec4` an invocation reads four elements at once: the host guarantees
 * an offset that is a multiple of 4, and storages are padded to 16 bytes. Elements read beyond the last one are left out; they are written only
 * if they are padding.
 *
 * Ladder: scalar, for odd offsets; vec4.
 */
import { wgsl } from 'wgsl-preprocessor';
import { mathFunctions } from './math.wgsl';
import { defineKernel, type NoVariant, read, readWrite, WORKGROUP_SIZE } from './shader';
import { EACH_PARAMS, type EachVariant, eachElement, findTensor, forTensor, TENSOR_TABLE, tensorBindings } from './tensorList';
import { workgroupSum } from './workgroupReduction';

type SquaresVariant = { readonly vec4: boolean; readonly tensors: number };

export const squares = defineKernel({
	name: 'optimizer.squares',
	params: {
		/** First workgroup, number of elements, offset in units of one read, slot of the first invocation. */
		tensors: TENSOR_TABLE,
		/** The number of workgroups. */
		groups: 'u32',
	},
	define: ({ vec4, tensors }: SquaresVariant) => ({
		bindings: { ...tensorBindings('gradients', tensors, read('V')), partials: readWrite('f32') },
		functions: `alias V = ${vec4 ? 'vec4<f32>' : 'f32'};`,
		main: wgsl`
	${findTensor(tensors)}
	let size = row.y;
	if (groupIndex >= p.groups) {
		return;
	}
	let end = ${tensors === 1 ? 'p.groups' : `select(p.groups, p.tensors[min(tensor + 1u, ${tensors - 1}u)].x, tensor < ${tensors - 1}u)`};
	let invocations = (end - row.x) * ${WORKGROUP_SIZE}u;
	let count = (size + ${vec4 ? 3 : 0}u) / ${vec4 ? 4 : 1}u;
	var total = V();
	var i = at * ${WORKGROUP_SIZE}u + lid;
	while (i < count) {
		let until = min(count, i + 32u * invocations);
		var block = V();
		for (; i < until; i += invocations) {
			var value: V;
			${forTensor(tensors, (k) => `value = gradients${k}[row.z + i];`)}
#if ${vec4}
			block += select(V(), value * value, vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(size));
#else
			block += value * value;
#endif
		}
		total += block;
	}
	partials[row.w + at * ${WORKGROUP_SIZE}u + lid] = ${vec4 ? '(total.x + total.y) + (total.z + total.w)' : 'total'};
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

export const scale = defineKernel({
	name: 'optimizer.scale',
	params: { ...EACH_PARAMS, factorOffset: 'u32' },
	define(variant: EachVariant) {
		const { tensors, types, main } = eachElement(variant, 'value * factor[p.factorOffset]');
		return { bindings: { ...tensors, factor: read('f32') }, functions: types, main };
	},
});

export const limit = defineKernel({
	name: 'optimizer.limit',
	params: { ...EACH_PARAMS, limit: 'f32' },
	define(variant: EachVariant) {
		const result = variant.vec4 ? 'clamped(value, -p.limit, p.limit)' : 'clamped(vec4(value), -p.limit, p.limit).x';
		const { tensors, types, main } = eachElement(variant, result);
		return { bindings: tensors, functions: mathFunctions(result) + types, main };
	},
});
