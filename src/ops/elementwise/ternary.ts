/** Choice and combinations of three operands. */
import { record } from '../../autograd/tape';
import type { TernaryOp } from '../../backends/contract/elementwise';
import { type DType, isFloating, isInt32, requireFloating } from '../../core/dtype';
import { ArgumentError, DTypeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes, type Shape } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { widened } from '../composed';
import {
	broadcastView,
	converted,
	gradientFor,
	type Operand,
	requireOperands,
	requireSameDevice,
	requireTensor,
	resultType,
	scalarFor,
} from '../operands';
import { div, mul, sub } from './binary';

interface Given {
	readonly shape: Shape;
	readonly dtype: DType;
}

const isTensor = (operand: Operand): operand is Tensor => operand instanceof Tensor;

/**
 * `a` where `condition` (bool, or uint8: not 0) holds, else `b`; tensors or numbers, broadcast against each other. The gradient goes to the side
 * that was chosen, and nothing of the other side gets into it, NaN and infinity included. As `torch.where`.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
	requireTensor('where', condition, 'condition');
	if (condition.dtype !== 'bool' && condition.dtype !== 'uint8') {
		throw new DTypeError(`where: condition must be bool, not ${condition.dtype}. Compare with ne(condition, 0)`);
	}
	if (typeof a !== 'number') requireTensor('where', a, 'a');
	if (typeof b !== 'number') requireTensor('where', b, 'b');
	const sides = [a, b].filter(isTensor);
	requireSameDevice('where', condition, ...sides);
	const dtype = sides.length > 0 ? resultType(a, b) : 'float32';
	const given = sides.map(({ shape, dtype }) => ({ shape, dtype }));
	return record({
		name: 'where',
		inputs: [condition, ...sides],
		forward: () => {
			const shape = broadcastShapes('where', condition.shape, ...sides.map((side) => side.shape));
			const y = emptyOn(condition, shape, dtype);
			const view = (side: Operand) => (isTensor(side) ? broadcastView(converted(side, dtype), shape) : undefined);
			const number = (side: Operand) => (isTensor(side) ? 0 : scalarFor(dtype, side));
			const [left, right] = [view(a), view(b)];
			const inputs = { condition: broadcastView(condition, shape), ...(left && { a: left }), ...(right && { b: right }) };
			condition.backend.kernels.where(inputs, { y }, { a: number(a), b: number(b) });
			return y;
		},
		save: () => [condition],
		vjp: whereBack(given, isTensor(a), isTensor(b)),
	});
}

function whereBack(given: readonly Given[], hasA: boolean, hasB: boolean) {
	return (g: Tensor, [condition]: readonly Tensor[], needs: readonly boolean[]) => {
		const gradients: (Tensor | null)[] = [null];
		if (hasA) gradients.push(needs[1] ? gradientFor(where(condition!, g, 0), given[0]!) : null);
		if (hasB) gradients.push(needs[gradients.length] ? gradientFor(where(condition!, 0, g), given[gradients.length - 1]!) : null);
		return gradients;
	};
}

/** a + weight * (b - a), exact at weights 0 and 1; floating operands, a number or a tensor as weight. As `torch.lerp`. */
export function lerp(a: Tensor, b: Tensor, weight: Operand): Tensor {
	requireTensor('lerp', a, 'a');
	requireTensor('lerp', b, 'b');
	requireOperands('lerp', a, weight);
	const dtype = resultType(a, b, ...(isTensor(weight) ? [weight] : []));
	requireFloating('lerp', dtype);
	if (isTensor(weight)) return ternary('lerp', a, b, weight, dtype, 1);
	requireSameDevice('lerp', a, b);
	return record({
		name: 'lerp',
		inputs: [a, b],
		forward: () => {
			const shape = broadcastShapes('lerp', a.shape, b.shape);
			const y = emptyOn(a, shape, dtype);
			const views = { a: broadcastView(converted(a, dtype), shape), b: broadcastView(converted(b, dtype), shape) };
			a.backend.kernels.combine(views, { y }, { op: 'lerp', factor: weight });
			return y;
		},
		vjp: lerpBack(a, b, weight),
	});
}

function lerpBack({ shape: shapeA, dtype: dtypeA }: Tensor, { shape: shapeB, dtype: dtypeB }: Tensor, weight: number) {
	return (g: Tensor, _saved: readonly Tensor[], needs: readonly boolean[]) => [
		needs[0] ? gradientFor(mul(...widened(g), 1 - weight), { shape: shapeA, dtype: dtypeA }) : null,
		needs[1] ? gradientFor(mul(...widened(g), weight), { shape: shapeB, dtype: dtypeB }) : null,
	];
}

type Rule = (g: Tensor, a: Tensor, b: Tensor, c: Tensor, value: number) => Tensor;

const RULES: Record<TernaryOp, readonly [Rule, Rule, Rule]> = {
	lerp: [(g, _a, _b, weight) => mul(g, sub(1, weight)), (g, _a, _b, weight) => mul(g, weight), (g, a, b) => mul(g, sub(b, a))],
	addcmul: [(g) => g, (g, _a, _b, c, value) => mul(scaled(g, value), c), (g, _a, b, _c, value) => mul(scaled(g, value), b)],
	addcdiv: [
		(g) => g,
		(g, _a, _b, c, value) => div(scaled(g, value), c),
		(g, _a, b, c, value) => mul(scaled(g, -value), div(div(b, c), c)),
	],
};

function scaled(g: Tensor, value: number): Tensor {
	return value === 1 ? g : mul(g, value);
}

function ternary(op: TernaryOp, a: Tensor, b: Tensor, c: Tensor, dtype: DType, value: number): Tensor {
	requireSameDevice(op, a, b, c);
	return record({
		name: op,
		inputs: [a, b, c],
		forward: () => {
			const shape = broadcastShapes(op, a.shape, b.shape, c.shape);
			const y = emptyOn(a, shape, dtype);
			const view = (x: Tensor) => broadcastView(converted(x, dtype), shape);
			a.backend.kernels.ternary({ a: view(a), b: view(b), c: view(c) }, { y }, { op, p0: value });
			return y;
		},
		save: () => [a, b, c],
		vjp: ternaryBack(
			op,
			[a, b, c].map(({ shape, dtype }) => ({ shape, dtype })),
			value,
		),
	});
}

function ternaryBack(op: TernaryOp, given: readonly Given[], value: number) {
	return (gradient: Tensor, saved: readonly Tensor[], needs: readonly boolean[]) => {
		const [g, a, b, c] = widened(gradient, saved[0]!, saved[1]!, saved[2]!);
		return RULES[op].map((rule, i) => (needs[i] ? gradientFor(rule(g, a, b, c, value), given[i]!) : null));
	};
}

export interface ValueOptions {
	/** The factor of the product or quotient. Default 1. */
	readonly value?: number;
}

function requireTensors(name: string, a: unknown, b: unknown, c: unknown): void {
	requireTensor(name, a, 'input');
	requireTensor(name, b, 'tensor1');
	requireTensor(name, c, 'tensor2');
}

/** a + value * b * c. On int32 `value` must be whole. As `torch.addcmul`. */
export function addcmul(a: Tensor, b: Tensor, c: Tensor, options: ValueOptions = {}): Tensor {
	const { value = 1 } = checkOptions('addcmul', options, ['value']);
	requireTensors('addcmul', a, b, c);
	const dtype = resultType(a, b, c);
	if (dtype === 'bool') throw new DTypeError(`addcmul: is not defined on bool. Convert with .to('int32')`);
	if (!isFloating(dtype) && !isInt32(value)) {
		throw new ArgumentError(`addcmul: value ${value} must be a whole number for int32 operands`);
	}
	return ternary('addcmul', a, b, c, dtype, value);
}

/** a + value * b / c, floating. As `torch.addcdiv`. */
export function addcdiv(a: Tensor, b: Tensor, c: Tensor, options: ValueOptions = {}): Tensor {
	const { value = 1 } = checkOptions('addcdiv', options, ['value']);
	requireTensors('addcdiv', a, b, c);
	const dtype = resultType(a, b, c);
	requireFloating('addcdiv', dtype);
	return ternary('addcdiv', a, b, c, dtype, value);
}
