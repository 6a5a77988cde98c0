/** Launches of shaders/elementwise.wgsl.ts. */
import {
	binary,
	binaryScalar,
	cast,
	combine,
	compare,
	compareScalar,
	type ELEMENTWISE_PARAMS,
	type ElementType,
	predicate,
	ternary,
	unary,
	unaryGrad,
	where,
} from '../../../shaders/elementwise.wgsl';
import type { Bindings, Kernel, Variant } from '../../../shaders/shader';
import type { View } from '../contract';
import type { ElementwiseKernels } from '../contract/elementwise';
import { type ElementwisePlan, planElementwise, scalarsOf } from './elementwisePlan';
import { type Gpu, type LaunchBuffers, storageType } from './launch';
import { gpuBytes } from './memory';

/** Floating-point operations per element, for the profile. A function costs roughly as much as a few polynomials. */
const FLOPS = { arithmetic: 1, function: 20 };

const CHEAP = new Set([
	'neg',
	'abs',
	'sign',
	'square',
	'relu',
	'relu6',
	'leakyRelu',
	'clamp',
	'hardtanh',
	'floor',
	'ceil',
	'round',
	'trunc',
	'frac',
]);

function flopsOf(op: string): number {
	return CHEAP.has(op) ? FLOPS.arithmetic : FLOPS.function;
}

/** Bytes of one element in all the views together. */
function bytesOf(...views: readonly View[]): number {
	return views.reduce((sum, { dtype }) => sum + gpuBytes(dtype), 0);
}

/** The element type of a view in a kernel that reads and writes one type. */
function elementType(view: View): ElementType {
	if (view.dtype === 'uint8') return 'u8';
	return view.dtype === 'int8' ? 'i8' : storageType(view);
}

export function elementwiseKernels(gpu: Gpu): ElementwiseKernels {
	function run<V extends Variant, B extends Bindings>(
		kernel: Kernel<V, typeof ELEMENTWISE_PARAMS, B>,
		variant: NoInfer<V>,
		plan: ElementwisePlan,
		buffers: NoInfer<LaunchBuffers<B>>,
		elementBytes: number,
		flops: number = FLOPS.arithmetic,
	): void {
		const { params, grid, size } = plan;
		gpu.launch({ kernel, variant, buffers, params, grid, flops: size * flops, bytes: size * elementBytes });
	}

	return {
		unary({ x }, { y }, { op, p0, p1 }) {
			const plan = planElementwise(gpu, [x], y, p0 === undefined ? undefined : scalarsOf(x, p0, p1));
			const variant = { op, type: elementType(x), access: plan.access };
			run(unary, variant, plan, { x: x.storage, out: y.storage }, bytesOf(x, y), flopsOf(op));
		},

		unaryGrad({ saved, gradient }, { dx }, { op, p0, p1 }) {
			const plan = planElementwise(gpu, [gradient, saved], dx, p0 === undefined ? undefined : { s: p0, t: p1 });
			const variant = { op, type: storageType(saved), access: plan.access };
			const buffers = { g: gradient.storage, x: saved.storage, out: dx.storage };
			run(unaryGrad, variant, plan, buffers, bytesOf(saved, gradient, dx), flopsOf(op));
		},

		predicate({ x }, { y }, { op }) {
			const plan = planElementwise(gpu, [x], y);
			const variant = { op, type: storageType(x), access: plan.access };
			run(predicate, variant, plan, { x: x.storage, out: y.storage }, bytesOf(x, y));
		},

		binary({ a, b }, { y }, { op }) {
			const plan = planElementwise(gpu, [a, b], y);
			const variant = { op, type: elementType(y), access: plan.access, inPlace: false };
			run(binary, variant, plan, { a: a.storage, b: b.storage, out: y.storage }, bytesOf(a, b, y));
		},

		binaryScalar({ x }, { y }, { op, scalar, scalarFirst }) {
			const plan = planElementwise(gpu, [x], y, scalarsOf(x, scalar));
			const side = scalarFirst ? 'left' : 'right';
			const variant = { op, type: elementType(y), access: plan.access, inPlace: false, scalar: side } as const;
			run(binaryScalar, variant, plan, { x: x.storage, out: y.storage }, bytesOf(x, y));
		},

		binaryInPlace({ b }, { a }, { op }) {
			// The plan includes the old value as an input, but the shader reads it through the output's binding.
			const plan = planElementwise(gpu, [a, b], a);
			const variant = { op, type: elementType(a), access: plan.access, inPlace: true };
			run(binary, variant, plan, { b: b.storage, out: a.storage }, bytesOf(b, a));
		},

		binaryScalarInPlace(_inputs, { x }, { op, scalar }) {
			const plan = planElementwise(gpu, [x], x, scalarsOf(x, scalar));
			const variant = { op, type: elementType(x), access: plan.access, inPlace: true, scalar: 'right' } as const;
			run(binaryScalar, variant, plan, { out: x.storage }, bytesOf(x));
		},

		compare({ a, b }, { y }, { op }) {
			const plan = planElementwise(gpu, [a, b], y);
			const variant = { op, type: storageType(a), access: plan.access };
			run(compare, variant, plan, { a: a.storage, b: b.storage, out: y.storage }, bytesOf(a, b, y));
		},

		compareScalar({ x }, { y }, { op, scalar }) {
			const plan = planElementwise(gpu, [x], y, scalarsOf(x, scalar));
			const variant = { op, type: storageType(x), access: plan.access };
			run(compareScalar, variant, plan, { x: x.storage, out: y.storage }, bytesOf(x, y));
		},

		combine({ a, b }, { y }, { op, factor }) {
			const plan = planElementwise(gpu, [a, b], y, scalarsOf(y, factor));
			const variant = { op, type: elementType(y), access: plan.access };
			run(combine, variant, plan, { a: a.storage, b: b.storage, out: y.storage }, bytesOf(a, b, y));
		},

		where({ condition, a, b }, { y }, { a: left = 0, b: right = 0 }) {
			const inputs = [condition, a, b].filter((view) => view !== undefined);
			const plan = planElementwise(gpu, inputs, y, scalarsOf(y, left, right));
			const type = y.dtype === 'float16' ? 'f16' : 'u32';
			const variant = { a: a !== undefined, b: b !== undefined, type, access: plan.access } as const;
			const buffers = { condition: condition.storage, a: a?.storage, b: b?.storage, out: y.storage };
			run(where, variant, plan, buffers, bytesOf(...inputs, y));
		},

		ternary({ a, b, c }, { y }, { op, p0 = 1 }) {
			const plan = planElementwise(gpu, [a, b, c], y, scalarsOf(y, p0));
			const variant = { op, type: elementType(y), access: plan.access };
			const buffers = { a: a.storage, b: b.storage, c: c.storage, out: y.storage };
			run(ternary, variant, plan, buffers, bytesOf(a, b, c, y));
		},

		cast({ x }, { y }) {
			const plan = planElementwise(gpu, [x], y);
			const variant = { from: storageType(x), to: elementType(y), access: plan.access };
			run(cast, variant, plan, { x: x.storage, out: y.storage }, bytesOf(x, y));
		},
	};
}
