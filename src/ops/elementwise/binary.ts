/** Arithmetic of two operands, tensors or numbers, with broadcasting and PyTorch's promotion. */
import { record, type Vjp } from '../../autograd/tape';
import type { BinaryOp } from '../../backends/contract/elementwise';
import { type DType, isFloating, isInt32, promoteScalar, requireFloating } from '../../core/dtype';
import { ArgumentError, DTypeError } from '../../core/errors';
import { runOperation } from '../../core/operation';
import { checkOptions } from '../../core/options';
import { broadcastShapes, type Shape, sameShape } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { widened } from '../composed';
import {
	broadcastView,
	converted,
	floatingType,
	gradientFor,
	type Operand,
	requireOperands,
	requireSameDevice,
	resultType,
	scalarFor,
} from '../operands';
import { requireDivisor } from '../requirements';
import { eq, ge, le, logicalAnd } from './compare';
import { where } from './ternary';
import { log, neg, square } from './unary';

/** What a VJP of two operands is written in: the gradient, the operands as they were given, and the result. */
type Rule = (g: Tensor, a: Operand, b: Operand, y: Tensor) => Tensor;

export interface BinaryRules {
	readonly left: Rule;
	readonly right: Rule;
	/** Which of a, b and y each rule reads; they are saved only where the rule will run. */
	readonly leftUses: string;
	readonly rightUses: string;
	/** Which rules are one kernel, so that float16 has nothing in between. */
	readonly single?: 'both' | 'left';
}

interface Given {
	readonly shape: Shape;
	readonly dtype: DType;
}

function given(operand: Operand): Given | number {
	return typeof operand === 'number' ? operand : { shape: operand.shape, dtype: operand.dtype };
}

/** Which of a, b and y the VJP needs, given which operands require a gradient. */
function usesOf(rules: BinaryRules, a: Operand, b: Operand): string {
	const left = a instanceof Tensor && a.requiresGrad ? rules.leftUses : '';
	const right = b instanceof Tensor && b.requiresGrad ? rules.rightUses : '';
	return left + right;
}

/** Which operands to save. */
function savesOf(uses: string, a: Operand, b: Operand): string[] {
	return [...'ab'].filter((letter, i) => uses.includes(letter) && [a, b][i] instanceof Tensor);
}

/** The rules as an in-place operation needs them: `before` gives the target a as it is before the write. They must not read y. */
export function inPlaceRule(
	rules: BinaryRules,
	a: Tensor,
	b: Operand,
	before: () => Tensor,
): { readonly saved: readonly Tensor[]; readonly vjp: Vjp<readonly Tensor[]> } {
	const saves = savesOf(usesOf(rules, a, b), a, b);
	return {
		saved: saves.map((letter) => (letter === 'a' ? before() : (b as Tensor))),
		vjp: binaryBack(rules, given(a), given(b), saves, false),
	};
}

/** Computes op(a, b) in `dtype`; the operands have been checked. */
function binary(name: string, op: BinaryOp, a: Operand, b: Operand, dtype: DType, rules: BinaryRules): Tensor {
	const tensors = [a, b].filter((operand) => operand instanceof Tensor);
	const uses = usesOf(rules, a, b);
	const saves = savesOf(uses, a, b);
	const savesOutput = uses.includes('y');
	return record({
		name,
		inputs: tensors,
		forward: () => compute(name, op, a, b, dtype),
		save: (y) => [...saves.map((letter) => (letter === 'a' ? a : b) as Tensor), ...(savesOutput ? [y] : [])],
		vjp: binaryBack(rules, given(a), given(b), saves, savesOutput),
	});
}

function compute(name: string, op: BinaryOp, a: Operand, b: Operand, dtype: DType): Tensor {
	if (a instanceof Tensor && b instanceof Tensor) {
		const shape = broadcastShapes(name, a.shape, b.shape);
		const y = emptyOn(a, shape, dtype);
		const views = { a: broadcastView(converted(a, dtype), shape), b: broadcastView(converted(b, dtype), shape) };
		a.backend.kernels.binary(views, { y }, { op });
		return y;
	}
	const scalarFirst = typeof a === 'number';
	const x = (scalarFirst ? b : a) as Tensor;
	const y = emptyOn(x, x.shape, dtype);
	const scalar = scalarFor(dtype, (scalarFirst ? a : b) as number);
	x.backend.kernels.binaryScalar({ x: converted(x, dtype) }, { y }, { op, scalar, scalarFirst });
	return y;
}

function binaryBack(
	rules: BinaryRules,
	left: Given | number,
	right: Given | number,
	saves: readonly string[],
	savesOutput: boolean,
) {
	return (g: Tensor, saved: readonly Tensor[], needs: readonly boolean[]) => {
		// A rule never reads what it did not declare, so that the gradient may stand in for it.
		const operand = (letter: string, side: Given | number) =>
			typeof side === 'number' ? side : (saved[saves.indexOf(letter)] ?? g);
		const ofOne = rules.single === 'both' || (rules.single === 'left' && typeof right === 'number');
		const isSummed = [left, right].some((side) => typeof side !== 'number' && !sameShape(side.shape, g.shape));
		const wide = <T extends Operand>(x: T) => (typeof x === 'number' || (ofOne && !isSummed) ? x : (widened(x)[0] as T));
		const a = wide(operand('a', left));
		const b = wide(operand('b', right));
		const y = wide(savesOutput ? saved[saves.length]! : g);
		const incoming = wide(g);
		const gradients: (Tensor | null)[] = [];
		for (const [side, rule] of [[left, rules.left] as const, [right, rules.right] as const]) {
			if (typeof side === 'number') continue;
			gradients.push(needs[gradients.length] ? gradientFor(rule(incoming, a, b, y), side) : null);
		}
		return gradients;
	};
}

function checked(name: string, a: Operand, b: Operand): DType {
	requireOperands(name, a, b);
	if (a instanceof Tensor && b instanceof Tensor) requireSameDevice(name, a, b);
	return resultType(a, b);
}

function refuseBool(name: string, dtype: DType, cure: string): void {
	if (dtype === 'bool') throw new DTypeError(`${name}: is not defined on bool. ${cure}`);
}

export interface AddOptions {
	/** The factor of the second operand. Default 1. */
	readonly alpha?: number;
}

const ADD: BinaryRules = { left: (g) => g, right: (g) => g, leftUses: '', rightUses: '', single: 'both' };
const SUB: BinaryRules = { left: (g) => g, right: (g) => neg(g), leftUses: '', rightUses: '', single: 'both' };

/** a + alpha * b. On bool it is or. As `torch.add`. */
export function add(a: Operand, b: Operand, options: AddOptions = {}): Tensor {
	checkOptions('add', options, ['alpha']);
	return sum('add', 'add', a, b, options.alpha ?? 1);
}

/** a - alpha * b. As `torch.sub`, refuses bool. */
export function sub(a: Operand, b: Operand, options: AddOptions = {}): Tensor {
	checkOptions('sub', options, ['alpha']);
	for (const operand of [a, b]) {
		if (operand instanceof Tensor) refuseBool('sub', operand.dtype, `Use logicalXor, or convert with .to('int32')`);
	}
	return sum('sub', 'sub', a, b, options.alpha ?? 1);
}

function sum(name: string, op: 'add' | 'sub', a: Operand, b: Operand, alpha: number): Tensor {
	const dtype = checked(name, a, b);
	if (alpha === 1) return binary(name, op, a, b, dtype, op === 'add' ? ADD : SUB);
	if (typeof alpha !== 'number') throw new ArgumentError(`${name}: alpha must be a number, not ${typeof alpha}`);
	if (!isFloating(dtype) && !isInt32(alpha)) {
		throw new ArgumentError(`${name}: alpha ${alpha} must be a whole number for ${dtype} operands`);
	}
	const factor = op === 'add' ? alpha : -alpha;
	if (typeof b === 'number') return binary(name, 'add', a, b * factor, promoteScalar(dtype, b * factor), ADD);
	if (typeof a === 'number') return add(mul(b, factor), a);
	return record({
		name,
		inputs: [a, b],
		forward: () => {
			const shape = broadcastShapes(name, a.shape, b.shape);
			const y = emptyOn(a, shape, dtype);
			const views = { a: broadcastView(converted(a, dtype), shape), b: broadcastView(converted(b, dtype), shape) };
			a.backend.kernels.combine(views, { y }, { op: 'addScaled', factor });
			return y;
		},
		vjp: binaryBack(addedTimes(factor), given(a), given(b), [], false),
	});
}

/** The rules of a + factor * b. */
function addedTimes(factor: number): BinaryRules {
	return { left: (g) => g, right: (g) => (factor === 1 ? g : mul(g, factor)), leftUses: '', rightUses: '', single: 'both' };
}

const MUL: BinaryRules = {
	left: (g, _, b) => mul(g, b),
	right: (g, a) => mul(g, a),
	leftUses: 'b',
	rightUses: 'a',
	single: 'both',
};

/** a * b. On bool it is and. As `torch.mul`. */
export function mul(a: Operand, b: Operand): Tensor {
	return binary('mul', 'mul', a, b, checked('mul', a, b), MUL);
}

const DIV: BinaryRules = {
	left: (g, _, b) => div(g, b),
	right: (g, a, b) => neg(mul(g, div(div(a, b), b))),
	leftUses: 'b',
	rightUses: 'ab',
	single: 'left',
};

/** The quotient is rounded: its gradient is zero. */
const ROUNDED: BinaryRules = { left: (g) => mul(g, 0), right: (g) => mul(g, 0), leftUses: '', rightUses: '' };

export interface DivOptions {
	/** Round the quotient towards zero or down. Default null: not at all. */
	readonly roundingMode?: 'trunc' | 'floor' | null;
}

/**
 * a / b. Whole numbers give float32 unless `roundingMode` keeps them whole (where int32 by a tensor's 0 gives the dividend; by the
 * number 0 it throws). As `torch.div`.
 */
export function div(a: Operand, b: Operand, options: DivOptions = {}): Tensor {
	checkOptions('div', options, ['roundingMode']);
	const dtype = checked('div', a, b);
	const mode = options.roundingMode ?? null;
	if (mode === null) return binary('div', 'div', a, b, floatingType(dtype), DIV);
	if (mode !== 'trunc' && mode !== 'floor')
		throw new ArgumentError(`div: roundingMode '${String(mode)}' is not 'trunc', 'floor' or null`);
	requireDivisor('div', dtype, b);
	refuseBool('div', dtype, `Convert with .to('int32')`);
	return binary('div', mode === 'trunc' ? 'truncDiv' : 'floorDiv', a, b, dtype, ROUNDED);
}

const POW: BinaryRules = {
	left: (g, a, b) => {
		if (typeof b === 'number') return b === 0 ? mul(g, 0) : b === 1 ? g : mul(g, mul(pow(a, b - 1), b));
		// Where the exponent is 0 the power is constant, even of 0 and infinity.
		return where(eq(b, 0), 0, mul(g, mul(b, pow(a, sub(b, 1)))));
	},
	right: (g, a, b, y) => {
		if (typeof a === 'number') {
			if (a === 0) return mul(g, where(ge(b, 0), 0, Number.NEGATIVE_INFINITY));
			return mul(g, mul(y, Math.log(a)));
		}
		// 0^b is constantly 0 for b > 0; log must not see that 0, for its second derivative would.
		const flat = typeof b === 'number' ? eq(a, 0) : logicalAnd(eq(a, 0), ge(b, 0));
		return mul(g, where(flat, 0, mul(y, log(where(flat, 1, a)))));
	},
	leftUses: 'ab',
	rightUses: 'aby',
};

/** What the in-place operations share with those that give a new tensor. */
export const RULES = { addedTimes, mul: MUL, div: DIV, rounded: ROUNDED };

/** a to the power b; x^0 and 1^x are 1 always. int32 to a negative number throws, to a tensor's negative element truncates. As `torch.pow`. */
export function pow(a: Operand, b: Operand): Tensor {
	const dtype = checked('pow', a, b);
	refuseBool('pow', dtype, `Convert with .to('int32')`);
	if (typeof b === 'number' && b < 0 && !isFloating(dtype)) {
		throw new ArgumentError(`pow: whole numbers to the negative power ${b} are fractions. Convert with .to('float32')`);
	}
	if (b === 2 && a instanceof Tensor && a.dtype === dtype) return runOperation('pow', () => square(a));
	return binary('pow', 'pow', a, b, dtype, POW);
}

/** The gradient goes to the operand that was chosen, and half to each where they are equal, as in PyTorch. */
const chosen = (g: Tensor, mine: Operand, other: Operand, beaten: (x: Operand, y: Operand) => Tensor) =>
	where(beaten(mine, other), where(eq(mine, other), mul(g, 0.5), 0), g);

const MAXIMUM: BinaryRules = {
	left: (g, a, b) => chosen(g, a, b, le),
	right: (g, a, b) => chosen(g, b, a, le),
	leftUses: 'ab',
	rightUses: 'ab',
};
const MINIMUM: BinaryRules = {
	left: (g, a, b) => chosen(g, a, b, ge),
	right: (g, a, b) => chosen(g, b, a, ge),
	leftUses: 'ab',
	rightUses: 'ab',
};

/** The larger of a and b; NaN where either is. As `torch.maximum`. */
export function maximum(a: Operand, b: Operand): Tensor {
	return binary('maximum', 'maximum', a, b, checked('maximum', a, b), MAXIMUM);
}

/** The smaller of a and b; NaN where either is. As `torch.minimum`. */
export function minimum(a: Operand, b: Operand): Tensor {
	return binary('minimum', 'minimum', a, b, checked('minimum', a, b), MINIMUM);
}

const FMOD: BinaryRules = {
	left: (g) => g,
	right: (g, a, b) => neg(mul(g, div(a, b, { roundingMode: 'trunc' }))),
	leftUses: '',
	rightUses: 'ab',
};
const REMAINDER: BinaryRules = {
	left: (g) => g,
	right: (g, a, b) => neg(mul(g, div(a, b, { roundingMode: 'floor' }))),
	leftUses: '',
	rightUses: 'ab',
};

/** a - trunc(a / b) * b: the remainder with the sign of a, exactly. As `torch.fmod`. */
export function fmod(a: Operand, b: Operand): Tensor {
	const dtype = checked('fmod', a, b);
	refuseBool('fmod', dtype, `Convert with .to('int32')`);
	requireDivisor('fmod', dtype, b);
	return binary('fmod', 'fmod', a, b, dtype, FMOD);
}

/** a - floor(a / b) * b: the remainder with the sign of b, as Python's %. As `torch.remainder`. */
export function remainder(a: Operand, b: Operand): Tensor {
	const dtype = checked('remainder', a, b);
	refuseBool('remainder', dtype, `Convert with .to('int32')`);
	requireDivisor('remainder', dtype, b);
	return binary('remainder', 'remainder', a, b, dtype, REMAINDER);
}

const ATAN2: BinaryRules = {
	left: (g, a, b) => mul(g, div(b, squareSum(a, b))),
	right: (g, a, b) => neg(mul(g, div(a, squareSum(a, b)))),
	leftUses: 'ab',
	rightUses: 'ab',
};

function squareSum(a: Operand, b: Operand): Tensor {
	if (typeof a === 'number') return add(square(b as Tensor), a * a);
	if (typeof b === 'number') return add(square(a), b * b);
	return add(square(a), square(b));
}

/** The angle of the point (b, a), from -pi to pi. As `torch.atan2`. */
export function atan2(a: Operand, b: Operand): Tensor {
	return binary('atan2', 'atan2', a, b, floatingType(checked('atan2', a, b)), ATAN2);
}

const HYPOT: BinaryRules = {
	left: (g, a, _, y) => mul(g, div(a, y)),
	right: (g, _, b, y) => mul(g, div(b, y)),
	leftUses: 'ay',
	rightUses: 'by',
};

/** sqrt(a^2 + b^2), without overflow on the way; floating operands. As `torch.hypot`. */
export function hypot(a: Operand, b: Operand): Tensor {
	const dtype = checked('hypot', a, b);
	requireFloating('hypot', dtype);
	return binary('hypot', 'hypot', a, b, dtype, HYPOT);
}
