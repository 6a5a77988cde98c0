/** Functions of one element, and arithmetic, comparisons, logic and bits of several. */
import { isFloating } from '../../../core/dtype';
import * as ops from '../../../ops/elementwise';
import type { Operand } from '../../../ops/operands';
import { Tensor } from '../../../tensor';
import { type Call, input, inputs, type Operator, operand, type Table } from '../operator';

function unary(compute: (x: Tensor) => Tensor): Operator {
	return { run: (call) => compute(input(call, 0)) };
}

type Binary = (a: Operand, b: Operand, call: Call) => Tensor;

/** Sides that are single numbers stay numbers, which needs no upload. */
function binary(compute: Binary, options: Omit<Operator, 'run'> = {}): Operator {
	const run = (call: Call) => {
		const a = operand(call, 0, call.inputs[1] instanceof Tensor ? call.inputs[1].ndim : -1);
		const b = operand(call, 1, a instanceof Tensor ? a.ndim : -1);
		return compute(a, b, call);
	};
	return { ...options, run };
}

/** Arithmetic, whose larger initializers are weights: biases and scales. */
function arithmetic(compute: Binary): Operator {
	return binary(compute, { weights: [0, 1], ignoresNumbers: true });
}

function variadic(combine: (a: Tensor, b: Tensor) => Tensor, finish = (x: Tensor, _count: number) => x): Operator {
	return {
		weights: 'all',
		ignoresNumbers: true,
		run: (call) => {
			const list = inputs(call);
			return finish(list.slice(1).reduce(combine, list[0]!), list.length);
		},
	};
}

function typeOf(a: Operand, b: Operand): Tensor['dtype'] {
	return (a instanceof Tensor ? a : (b as Tensor)).dtype;
}

/** The remainder that has the sign of the divisor, or with `fmod` that of the dividend. */
const mod: Binary = (a, b, { attributes }) => (attributes.flag('fmod') ? ops.fmod(a, b) : ops.remainder(a, b));

/** The result has the type of the base. */
const pow: Binary = (a, b) => {
	if (!(a instanceof Tensor)) return ops.pow(a, b);
	if (isFloating(a.dtype)) return ops.pow(a, b instanceof Tensor ? ops.to(b, a.dtype) : b);
	const isWhole = b instanceof Tensor ? !isFloating(b.dtype) : Number.isInteger(b) && b >= 0;
	if (isWhole) return ops.to(ops.pow(a, b), a.dtype);
	return ops.to(ops.pow(ops.to(a, 'float32'), b), a.dtype);
};

const div: Binary = (a, b) => ops.div(a, b, { roundingMode: isFloating(typeOf(a, b)) ? null : 'trunc' });

function shifted(call: Call): Tensor {
	const [x, by] = [input(call, 0), input(call, 1)];
	const shift = call.attributes.choice('direction', ['LEFT', 'RIGHT']) === 'LEFT' ? ops.bitwiseLeftShift : ops.bitwiseRightShift;
	// A shift of a byte is one of its unsigned value, and bits beyond it vanish.
	return ops.to(shift(ops.to(x, 'int32'), ops.to(by, 'int32')), x.dtype);
}

function isInf(call: Call): Tensor {
	const x = input(call, 0);
	const positive = call.attributes.flag('detect_positive', true);
	const negative = call.attributes.flag('detect_negative', true);
	if (positive && negative) return ops.isinf(x);
	if (positive) return ops.isposinf(x);
	return negative ? ops.isneginf(x) : ops.logicalAnd(ops.isinf(x), ops.eq(x, 0));
}

export const ELEMENTWISE: Table = {
	Abs: unary(ops.abs),
	Acos: unary(ops.acos),
	Acosh: unary(ops.acosh),
	Asin: unary(ops.asin),
	Asinh: unary(ops.asinh),
	Atan: unary(ops.atan),
	Atanh: unary(ops.atanh),
	Ceil: unary(ops.ceil),
	Cos: unary(ops.cos),
	Cosh: unary(ops.cosh),
	Erf: unary(ops.erf),
	Exp: unary(ops.exp),
	Floor: unary(ops.floor),
	Log: unary(ops.log),
	Neg: unary(ops.neg),
	Reciprocal: unary(ops.reciprocal),
	Round: unary(ops.round),
	Sign: unary(ops.sign),
	Sin: unary(ops.sin),
	Sinh: unary(ops.sinh),
	Sqrt: unary(ops.sqrt),
	Tan: unary(ops.tan),
	Tanh: unary(ops.tanh),
	IsNaN: unary(ops.isnan),
	IsInf: { run: isInf },
	Not: unary(ops.logicalNot),
	BitwiseNot: unary((x) => ops.to(ops.bitwiseNot(x), x.dtype)),

	Add: arithmetic((a, b) => ops.add(a, b)),
	Sub: arithmetic((a, b) => ops.sub(a, b)),
	Mul: arithmetic((a, b) => ops.mul(a, b)),
	Div: arithmetic(div),
	Pow: binary(pow),
	Mod: binary(mod),
	Max: variadic(ops.maximum),
	Min: variadic(ops.minimum),
	Sum: variadic((a, b) => ops.add(a, b)),
	Mean: variadic(
		(a, b) => ops.add(a, b),
		(x, count) => ops.div(x, count),
	),
	Where: {
		weights: [1, 2],
		ignoresNumbers: true,
		run: (call) => {
			const condition = input(call, 0);
			const [a, b] = [input(call, 1), input(call, 2)];
			return ops.where(condition, a, b);
		},
	},

	Equal: binary((a, b) => ops.eq(a, b)),
	Greater: binary((a, b) => ops.gt(a, b)),
	GreaterOrEqual: binary((a, b) => ops.ge(a, b)),
	Less: binary((a, b) => ops.lt(a, b)),
	LessOrEqual: binary((a, b) => ops.le(a, b)),
	And: binary((a, b) => ops.logicalAnd(a, b)),
	Or: binary((a, b) => ops.logicalOr(a, b)),
	Xor: binary((a, b) => ops.logicalXor(a, b)),
	BitwiseAnd: binary((a, b) => ops.bitwiseAnd(a, b)),
	BitwiseOr: binary((a, b) => ops.bitwiseOr(a, b)),
	BitwiseXor: binary((a, b) => ops.bitwiseXor(a, b)),
	BitShift: { run: shifted },
};
