/** Launches of shaders/elementwise.wgsl.ts. */
import {
	binary,
	binaryScalar,
	cast,
	combine,
	compare,
	compareScalar,
	type ElementType,
	predicate,
	ternary,
	unary,
	unaryGrad,
	where,
} from '../../../shaders/elementwise.wgsl';
import type { ShaderTemplate, Variant } from '../../../shaders/shader';
import { isFloating } from '../../core/dtype';
import type { View } from '../contract';
import type { ElementwiseKernels } from '../contract/elementwise';
import { floatBits, type Gpu, storageType } from './launch';
import { planQuads, type QuadPlan } from './quads';

const BYTES = { f32: 4, f16: 2, i32: 4, u32: 4 };

/** Operations for each element, for the profile: what a function of a few polynomials costs, roughly. */
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

/** The type of a view whose kernel writes elements of the same type. */
function elementType(view: View): ElementType {
	return view.dtype === 'uint8' ? 'u8' : storageType(view);
}

/** A uniform parameter as the shader reads it: int32 arithmetic takes whole numbers within int32. */
function parameterWord(view: View, value: number): number {
	if (!isFloating(view.dtype)) {
		return Math.min(Math.max(Math.trunc(value), -(2 ** 31)), 2 ** 31 - 1) >>> 0;
	}
	return floatBits(value);
}

export function elementwiseKernels(gpu: Gpu): ElementwiseKernels {
	function run<V extends Variant>(
		kernel: ShaderTemplate<V>,
		plan: QuadPlan,
		variant: V,
		inputs: readonly View[],
		output: View,
		flops: number = FLOPS.arithmetic,
	): void {
		gpu.launch({
			kernel,
			variant,
			buffers: [...inputs, output].map((view) => view.storage),
			params: plan.params,
			grid: plan.grid,
			flops: plan.size * flops,
			bytes: plan.size * [...inputs, output].reduce((sum, view) => sum + BYTES[storageType(view)], 0),
		});
	}

	return {
		unary({ x }, { y }, { op, p0 = 0, p1 = 0 }) {
			const plan = planQuads(gpu, [x], y, parameterWord(x, p0), parameterWord(x, p1));
			const flops = CHEAP.has(op) ? FLOPS.arithmetic : FLOPS.function;
			run(unary, plan, { op, type: elementType(x), access: plan.access }, [x], y, flops);
		},

		unaryGrad({ saved, gradient }, { dx }, { op, p0 = 0, p1 = 0 }) {
			const plan = planQuads(gpu, [gradient, saved], dx, floatBits(p0), floatBits(p1));
			const flops = CHEAP.has(op) ? FLOPS.arithmetic : FLOPS.function;
			run(unaryGrad, plan, { op, type: storageType(saved), access: plan.access }, [gradient, saved], dx, flops);
		},

		predicate({ x }, { y }, { op }) {
			const plan = planQuads(gpu, [x], y);
			run(predicate, plan, { op, type: storageType(x), access: plan.access }, [x], y);
		},

		binary({ a, b }, { y }, { op }) {
			const plan = planQuads(gpu, [a, b], y);
			run(binary, plan, { op, type: elementType(y), access: plan.access, inPlace: false }, [a, b], y);
		},

		binaryScalar({ x }, { y }, { op, scalar, scalarFirst }) {
			const plan = planQuads(gpu, [x], y, parameterWord(x, scalar));
			run(
				binaryScalar,
				plan,
				{ op, type: elementType(y), access: plan.access, inPlace: false, scalar: scalarFirst ? 'left' : 'right' },
				[x],
				y,
			);
		},

		binaryInPlace({ b }, { a }, { op }) {
			// The plan has a place for the old value, which the shader reads through the output's.
			const plan = planQuads(gpu, [a, b], a);
			run(binary, plan, { op, type: elementType(a), access: plan.access, inPlace: true }, [b], a);
		},

		binaryScalarInPlace(_inputs, { x }, { op, scalar }) {
			const plan = planQuads(gpu, [x], x, parameterWord(x, scalar));
			run(binaryScalar, plan, { op, type: elementType(x), access: plan.access, inPlace: true, scalar: 'right' }, [], x);
		},

		compare({ a, b }, { y }, { op }) {
			const plan = planQuads(gpu, [a, b], y);
			run(compare, plan, { op, type: storageType(a), access: plan.access }, [a, b], y);
		},

		compareScalar({ x }, { y }, { op, scalar }) {
			const plan = planQuads(gpu, [x], y, parameterWord(x, scalar));
			run(compareScalar, plan, { op, type: storageType(x), access: plan.access }, [x], y);
		},

		combine({ a, b }, { y }, { op, factor }) {
			const plan = planQuads(gpu, [a, b], y, parameterWord(y, factor));
			run(combine, plan, { op, type: elementType(y), access: plan.access }, [a, b], y);
		},

		where({ condition, a, b }, { y }, { a: left = 0, b: right = 0 }) {
			const inputs = [condition, a, b].filter((view) => view !== undefined);
			const plan = planQuads(gpu, inputs, y, parameterWord(y, left), parameterWord(y, right));
			const variant = {
				a: a !== undefined,
				b: b !== undefined,
				type: y.dtype === 'float16' ? 'f16' : 'u32',
				access: plan.access,
			} as const;
			run(where, plan, variant, inputs, y);
		},

		ternary({ a, b, c }, { y }, { op, p0 = 1 }) {
			const plan = planQuads(gpu, [a, b, c], y, parameterWord(y, p0));
			run(ternary, plan, { op, type: elementType(y), access: plan.access }, [a, b, c], y);
		},

		cast({ x }, { y }) {
			const plan = planQuads(gpu, [x], y);
			run(cast, plan, { from: storageType(x), to: elementType(y), access: plan.access }, [x], y);
		},
	};
}
