/** Functions of three operands: where, lerp, addcmul, addcdiv. */

import { defineOperation } from '../../autograd/operation';
import type { TernaryOp } from '../../backends/contract/elementwise';
import { elementwiseKernels } from '../../backends/kernels';
import { type DType, requireFloating } from '../../core/dtype';
import { DTypeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireFactor, requireOperands, requireSameDevice, requireTensor } from '../../tensorChecks';
import { widened } from '../composed';
import { broadcastView, type Operand, scalarFor, sumTo, typeOfResult } from '../operands';
import { div, mul, sub } from './arithmetic';
import { type Common, refuseBool, viewAs } from './definitions';

const isTensor = (operand: Operand): operand is Tensor => operand instanceof Tensor;

/**
 * `a` where the bool `condition` is true, else `b`. `a` and `b` are tensors or numbers; all three broadcast. The gradient goes to the side
 * that was chosen, and NaN or infinity on the other side does not affect it. As in PyTorch, a condition of uint8 still works, with a
 * warning. As `torch.where`.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
	requireTensor('where', condition, 'condition');
	if (condition.dtype === 'uint8') warnOfBytes();
	else if (condition.dtype !== 'bool') {
		throw new DTypeError(`where: condition must be bool, not ${condition.dtype}. Compare with ne(condition, 0)`);
	}
	if (typeof a !== 'number') requireTensor('where', a, 'a');
	if (typeof b !== 'number') requireTensor('where', b, 'b');
	const sides = [a, b].filter(isTensor);
	requireSameDevice('where', condition, ...sides);
	const dtype = sides.length > 0 ? typeOfResult(a, b) : 'float32';
	return chosen(
		{ a: isTensor(a) ? a : null, b: isTensor(b) ? b : null, condition },
		{
			left: isTensor(a) ? 0 : scalarFor(dtype, a),
			right: isTensor(b) ? 0 : scalarFor(dtype, b),
			dtype,
			shape: broadcastShapes('where', condition.shape, ...sides.map((side) => side.shape)),
		},
	);
}

let hasWarned = false;

function warnOfBytes(): void {
	if (hasWarned) return;
	hasWarned = true;
	console.warn("wgrad: where: a condition of uint8 is deprecated. Convert it with .to('bool')");
}

/** The sides are tensors, or the numbers `left` and `right`. */
const chosen = defineOperation({
	name: 'where',
	inputs: ['a?', 'b?'],
	constants: ['condition'],
	forward: ({ a, b, condition }, attributes: Common & { readonly left: number; readonly right: number }) => {
		const y = emptyOn(condition, attributes.shape, attributes.dtype);
		const views = {
			condition: broadcastView(condition, attributes.shape),
			...(a && { a: viewAs(a, attributes) }),
			...(b && { b: viewAs(b, attributes) }),
		};
		elementwiseKernels(condition.backend).where(views, { y }, { a: attributes.left, b: attributes.right });
		return y;
	},
	saves: ['condition'],
	vjp: (g, { condition }, _, needs) => ({
		a: needs.a && sumTo(where(condition, g, 0), needs.a.shape),
		b: needs.b && sumTo(where(condition, 0, g), needs.b.shape),
	}),
});

/** a + weight * (b - a) of floating operands, exact for weights 0 and 1. `weight` is a number or a tensor. As `torch.lerp`. */
export function lerp(a: Tensor, b: Tensor, weight: Operand): Tensor {
	requireTensor('lerp', a, 'a');
	requireTensor('lerp', b, 'b');
	requireOperands('lerp', a, weight);
	const dtype = typeOfResult(a, b, ...(isTensor(weight) ? [weight] : []));
	requireFloating('lerp', dtype);
	if (isTensor(weight)) return weightedByTensor(a, b, weight, dtype, 1);
	requireSameDevice('lerp', a, b);
	return weighted({ a, b }, { weight, dtype, shape: broadcastShapes('lerp', a.shape, b.shape) });
}

const weighted = defineOperation({
	name: 'lerp',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: Common & { readonly weight: number }) => {
		const y = emptyOn(a, attributes.shape, attributes.dtype);
		const views = { a: viewAs(a, attributes), b: viewAs(b, attributes) };
		elementwiseKernels(a.backend).combine(views, { y }, { op: 'lerp', factor: attributes.weight });
		return y;
	},
	vjp: (gradient, _, { weight }, needs) => {
		const [g] = widened(gradient);
		return {
			a: needs.a && sumTo(mul(g, 1 - weight), needs.a.shape),
			b: needs.b && sumTo(mul(g, weight), needs.b.shape),
		};
	},
});

type Side = 'a' | 'b' | 'c';

/** The derivative by one operand, in differentiable operations, and the operands that it reads. */
interface Partial {
	readonly reads: readonly Side[];
	readonly gradient: (g: Tensor, operands: { readonly [S in Side]: Tensor }, value: number) => Tensor;
}

/** The function op(a, b, c). */
function ternary(op: TernaryOp, partials: { readonly [S in Side]: Partial }) {
	const run = defineOperation({
		name: op,
		inputs: ['a', 'b', 'c'],
		forward: ({ a, b, c }, attributes: Common & { readonly value: number }) => {
			const y = emptyOn(a, attributes.shape, attributes.dtype);
			const views = { a: viewAs(a, attributes), b: viewAs(b, attributes), c: viewAs(c, attributes) };
			elementwiseKernels(a.backend).ternary(views, { y }, { op, p0: attributes.value });
			return y;
		},
		saves: { a: partials.a.reads, b: partials.b.reads, c: partials.c.reads },
		vjp: (gradient, saved, { value }, needs) => {
			// An operand that no derivative reads is not saved, so any tensor takes its place.
			const [g, a, b, c] = widened(gradient, saved.a ?? gradient, saved.b ?? gradient, saved.c ?? gradient);
			const by = (side: Side) => needs[side] && sumTo(partials[side].gradient(g, { a, b, c }, value), needs[side].shape);
			return { a: by('a'), b: by('b'), c: by('c') };
		},
	});
	return (a: Tensor, b: Tensor, c: Tensor, dtype: DType, value: number) => {
		requireSameDevice(op, a, b, c);
		return run({ a, b, c }, { value, dtype, shape: broadcastShapes(op, a.shape, b.shape, c.shape) });
	};
}

const weightedByTensor = ternary('lerp', {
	a: { reads: ['c'], gradient: (g, { c }) => mul(g, sub(1, c)) },
	b: { reads: ['c'], gradient: (g, { c }) => mul(g, c) },
	c: { reads: ['a', 'b'], gradient: (g, { a, b }) => mul(g, sub(b, a)) },
});

function scaled(g: Tensor, value: number): Tensor {
	return value === 1 ? g : mul(g, value);
}

export interface ValueOptions {
	/** The factor of the product or quotient. Default 1. */
	readonly value?: number;
}

function requireTerms(name: string, a: unknown, b: unknown, c: unknown): void {
	requireTensor(name, a, 'input');
	requireTensor(name, b, 'tensor1');
	requireTensor(name, c, 'tensor2');
}

/** a + value * b * c, with broadcasting. For integers `value` must be an integer. As `torch.addcmul`. */
export function addcmul(a: Tensor, b: Tensor, c: Tensor, options: ValueOptions = {}): Tensor {
	const { value = 1 } = checkOptions('addcmul', options, ['value']);
	requireTerms('addcmul', a, b, c);
	const dtype = typeOfResult(a, b, c);
	refuseBool('addcmul', dtype, "Convert with .to('int32')");
	requireFactor('addcmul', 'value', value, dtype);
	return withProduct(a, b, c, dtype, value);
}

const withProduct = ternary('addcmul', {
	a: { reads: [], gradient: (g) => g },
	b: { reads: ['c'], gradient: (g, { c }, value) => mul(scaled(g, value), c) },
	c: { reads: ['b'], gradient: (g, { b }, value) => mul(scaled(g, value), b) },
});

/** a + value * b / c of floating operands, with broadcasting. As `torch.addcdiv`. */
export function addcdiv(a: Tensor, b: Tensor, c: Tensor, options: ValueOptions = {}): Tensor {
	const { value = 1 } = checkOptions('addcdiv', options, ['value']);
	requireTerms('addcdiv', a, b, c);
	const dtype = typeOfResult(a, b, c);
	requireFloating('addcdiv', dtype);
	return withQuotient(a, b, c, dtype, value);
}

const withQuotient = ternary('addcdiv', {
	a: { reads: [], gradient: (g) => g },
	b: { reads: ['c'], gradient: (g, { c }, value) => div(scaled(g, value), c) },
	c: { reads: ['b', 'c'], gradient: (g, { b, c }, value) => mul(scaled(g, -value), div(div(b, c), c)) },
});
