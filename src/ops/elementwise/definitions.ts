/** Makes operations of functions of one number and of two. */

import { defineOperation } from '../../autograd/operation';
import type { OutputInfo } from '../../autograd/tape';
import type { View } from '../../backends/contract';
import type { BinaryOp, Parameters, UnaryGradOp, UnaryOp } from '../../backends/contract/elementwise';
import { UNARY } from '../../backends/contract/elementwiseFunctions';
import { elementwiseKernels } from '../../backends/kernels';
import { type DType, requireFloating } from '../../core/dtype';
import { DTypeError } from '../../core/errors';
import { broadcastShapes, type Shape, sameShape } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireOperands, requireSameDevice, requireTensor } from '../../tensorChecks';
import { widened } from '../composed';
import { broadcastView, converted, floatingType, type Operand, scalarFor, sumTo, typeOfResult } from '../operands';

/** Which dtypes a function of one number takes. */
type Accepts =
	/** Floating dtypes. */
	| 'floating'
	/** All except bool. Integers keep their dtype. */
	| 'numbers'
	/** All. Integers and bool become float32. */
	| 'promotes'
	/** All except bool. Integers become float32. */
	| 'promotes numbers';

/** The gradient g times the derivative, in differentiable operations. `saved` is x or y, as `saves` in the row of the contract says. */
type Derivative = (g: Tensor, saved: Tensor, p0: number, p1: number) => Tensor;

/** Functions that save nothing have a constant derivative. */
type DerivativeOf<Op extends UnaryOp> = Op extends UnaryGradOp ? Derivative : (g: Tensor) => Tensor;

/** The function y = op(x). */
export function unary<Op extends UnaryOp>(op: Op, accepts: Accepts, derivative: DerivativeOf<Op>): (x: Tensor) => Tensor {
	const run = unaryWith(op, accepts, derivative);
	return (x) => run(x, {});
}

/** The function y = op(x) with parameters; `name` is its public name. */
export function unaryWith<Op extends UnaryOp>(
	op: Op,
	accepts: Accepts,
	derivative: DerivativeOf<Op>,
	name: string = op,
): (x: Tensor, parameters: Parameters) => Tensor {
	const promotes = accepts === 'promotes' || accepts === 'promotes numbers';
	const takesBool = accepts === 'promotes';
	const cure = `Convert with .to('${promotes ? 'float32' : 'int32'}')`;
	const forward = ({ x }: { readonly x: Tensor }, parameters: Parameters) => {
		const dtype = promotes ? floatingType(x.dtype) : x.dtype;
		const y = emptyOn(x, x.shape, dtype);
		elementwiseKernels(x.backend).unary({ x: converted(x, dtype) }, { y }, { op, ...parameters });
		return y;
	};
	const run = hasGradient(op)
		? defineWithGradient(op, forward, derivative as Derivative)
		: defineOperation({ name: op, inputs: ['x'], forward, vjp: (g) => ({ x: (derivative as (g: Tensor) => Tensor)(g) }) });
	const named = { name };
	return (x, parameters) => {
		requireTensor(name, x);
		if (accepts === 'floating') requireFloating(name, x.dtype);
		if (!takesBool) refuseBool(name, x.dtype, cure);
		return run({ x }, parameters, named);
	};
}

function hasGradient(op: UnaryOp): op is UnaryGradOp {
	return 'saves' in UNARY[op];
}

function defineWithGradient(
	op: UnaryGradOp,
	forward: (inputs: { readonly x: Tensor }, parameters: Parameters) => Tensor,
	derivative: Derivative,
) {
	const kept = UNARY[op].saves === 'x' ? 'x' : 'output';
	return defineOperation({
		name: op,
		inputs: ['x'],
		forward,
		saves: [kept],
		vjp: (gradient, saved, { p0 = 0, p1 = 0 }) => {
			const [g, v] = widened(gradient, saved[kept]);
			return { x: derivative(g, v, p0, p1) };
		},
		fusedVjp: (gradient, saved, parameters) => {
			const dx = emptyOn(gradient, gradient.shape);
			elementwiseKernels(gradient.backend).unaryGrad({ saved: saved[kept], gradient }, { dx }, { op, ...parameters });
			return { x: dx };
		},
	});
}

/** The dtype and shape to which operands are converted and broadcast. */
export interface Common {
	readonly dtype: DType;
	readonly shape: Shape;
}

export function viewAs(x: Tensor, { dtype, shape }: Common): View {
	return broadcastView(converted(x, dtype), shape);
}

/** The values that the derivatives of a function of two numbers read: its operands as given, and its result. */
type Read = 'a' | 'b' | 'y';

/** The derivative by one operand. The tape saves what it reads only if that operand requires a gradient. */
interface Partial {
	readonly reads: readonly Read[];
	/** The gradient g times the derivative, in differentiable operations. */
	readonly gradient: (g: Tensor, a: Operand, b: Operand, y: Tensor) => Tensor;
}

export interface Partials {
	readonly a: Partial;
	readonly b: Partial;
	/** Derivatives that are one kernel, so that float16 needs no widening: by both operands, or by a if b is a number. */
	readonly single?: 'both' | 'a';
}

type Needed = { readonly [Side in 'a' | 'b']: OutputInfo | null };

/** The gradients of the operands that need one. Pass any tensor for one that the derivatives do not read. */
export function pullBack(
	{ a: byA, b: byB, single }: Partials,
	gradient: Tensor,
	operands: { readonly a: Operand; readonly b: Operand; readonly y: Tensor },
	needs: Needed,
): { a: Tensor | null; b: Tensor | null } {
	const isSingle = single === 'both' || (single === 'a' && typeof operands.b === 'number');
	const isSummed = [needs.a, needs.b].some((need) => need !== null && !sameShape(need.shape, gradient.shape));
	const wide = <T extends Operand>(x: T) => (typeof x === 'number' || (isSingle && !isSummed) ? x : (widened(x)[0] as T));
	const [g, a, b, y] = [wide(gradient), wide(operands.a), wide(operands.b), wide(operands.y)];
	return {
		a: needs.a && sumTo(byA.gradient(g, a, b, y), needs.a.shape),
		b: needs.b && sumTo(byB.gradient(g, a, b, y), needs.b.shape),
	};
}

/** The number beside a tensor, and whether it comes first. */
interface ScalarOperand {
	readonly dtype: DType;
	readonly number: number;
	readonly scalarFirst: boolean;
}

/** Computes op(a, b) in `dtype`. The operands are checked. */
export type Binary = (a: Operand, b: Operand, dtype: DType, name?: string) => Tensor;

/** The function op(a, b); `publicName` is its public name. */
export function binary(op: BinaryOp, partials: Partials, publicName: string = op): Binary {
	const saved = (side: 'a' | 'b') => partials[side].reads.map((read) => (read === 'y' ? 'output' : read));
	const ofTensors = defineOperation({
		name: op,
		inputs: ['a', 'b'],
		forward: ({ a, b }, common: Common) => {
			const y = emptyOn(a, common.shape, common.dtype);
			elementwiseKernels(a.backend).binary({ a: viewAs(a, common), b: viewAs(b, common) }, { y }, { op });
			return y;
		},
		saves: { a: saved('a'), b: saved('b') },
		vjp: (g, { a, b, output }, _, needs) => pullBack(partials, g, { a: a ?? g, b: b ?? g, y: output ?? g }, needs),
	});
	const withNumber = (side: 'a' | 'b') =>
		defineOperation({
			name: op,
			inputs: ['x'],
			forward: ({ x }, { dtype, number, scalarFirst }: ScalarOperand) => {
				const y = emptyOn(x, x.shape, dtype);
				const attributes = { op, scalar: scalarFor(dtype, number), scalarFirst };
				elementwiseKernels(x.backend).binaryScalar({ x: converted(x, dtype) }, { y }, attributes);
				return y;
			},
			saves: saved(side).flatMap((name) => (name === side ? 'x' : name === 'output' ? name : [])),
			vjp: (g, { x, output }, { number }, needs) => {
				const [tensor, y] = [x ?? g, output ?? g];
				if (side === 'a') return { x: pullBack(partials, g, { a: tensor, b: number, y }, { a: needs.x, b: null }).a };
				return { x: pullBack(partials, g, { a: number, b: tensor, y }, { a: null, b: needs.x }).b };
			},
		});
	const [ofFirst, ofSecond] = [withNumber('a'), withNumber('b')];
	return (a, b, dtype, name = publicName) => {
		if (typeof b === 'number') return ofFirst({ x: a as Tensor }, { dtype, number: b, scalarFirst: false }, { name });
		if (typeof a === 'number') return ofSecond({ x: b }, { dtype, number: a, scalarFirst: true }, { name });
		return ofTensors({ a, b }, { dtype, shape: broadcastShapes(name, a.shape, b.shape) }, { name });
	};
}

/** Checks the operands, and returns their common dtype. */
export function commonType(name: string, a: Operand, b: Operand): DType {
	requireOperands(name, a, b);
	if (a instanceof Tensor && b instanceof Tensor) requireSameDevice(name, a, b);
	return typeOfResult(a, b);
}

export function refuseBool(name: string, dtype: DType, cure: string): void {
	if (dtype === 'bool') throw new DTypeError(`${name}: is not defined on bool. ${cure}`);
}
