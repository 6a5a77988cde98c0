/** Sums, products and quotients, and their derivatives, which in-place operations share. */
import { defineOperation } from '../../autograd/operation';
import { isFloating, isInt32, promoteScalar } from '../../core/dtype';
import { ArgumentError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireDivisor } from '../../tensorChecks';
import { floatingType, type Operand } from '../operands';
import { binary, type Common, commonType, type Partials, pullBack, refuseBool, unary, viewAs } from './definitions';

/** -x. */
export const neg = unary('neg', 'numbers', (g): Tensor => neg(g));

/** The derivatives of a + factor * b. */
export const addedTimes = (factor: number): Partials => ({
	a: { reads: [], gradient: (g) => g },
	b: { reads: [], gradient: (g) => (factor === 1 ? g : factor === -1 ? neg(g) : mul(g, factor)) },
	single: 'both',
});

export const PRODUCT: Partials = {
	a: { reads: ['b'], gradient: (g, _, b) => mul(g, b) },
	b: { reads: ['a'], gradient: (g, a) => mul(g, a) },
	single: 'both',
};

export const QUOTIENT: Partials = {
	a: { reads: ['b'], gradient: (g, _, b) => div(g, b) },
	b: { reads: ['a', 'b'], gradient: (g, a, b) => neg(mul(g, div(div(a, b), b))) },
	single: 'a',
};

/** A quotient that is rounded is constant between jumps. */
export const ROUNDED: Partials = {
	a: { reads: [], gradient: (g) => mul(g, 0) },
	b: { reads: [], gradient: (g) => mul(g, 0) },
};

export interface AddOptions {
	/** The factor of the second operand. Default 1. */
	readonly alpha?: number;
}

/** a + alpha * b. On bool it is or. As `torch.add`. */
export function add(a: Operand, b: Operand, options: AddOptions = {}): Tensor {
	checkOptions('add', options, ['alpha']);
	return sum('add', a, b, options.alpha ?? 1);
}

/** a - alpha * b. As `torch.sub`, refuses bool. */
export function sub(a: Operand, b: Operand, options: AddOptions = {}): Tensor {
	checkOptions('sub', options, ['alpha']);
	for (const operand of [a, b]) {
		if (operand instanceof Tensor) refuseBool('sub', operand.dtype, `Use logicalXor, or convert with .to('int32')`);
	}
	return sum('sub', a, b, options.alpha ?? 1);
}

function sum(name: 'add' | 'sub', a: Operand, b: Operand, alpha: number): Tensor {
	const dtype = commonType(name, a, b);
	if (alpha === 1) return (name === 'add' ? plus : minus)(a, b, dtype);
	if (typeof alpha !== 'number') throw new ArgumentError(`${name}: alpha must be a number, not ${typeof alpha}`);
	if (!isFloating(dtype) && !isInt32(alpha)) {
		throw new ArgumentError(`${name}: alpha ${alpha} must be a whole number for ${dtype} operands`);
	}
	const factor = name === 'add' ? alpha : -alpha;
	if (typeof b === 'number') return plus(a, b * factor, promoteScalar(dtype, b * factor), name);
	if (typeof a === 'number') return add(mul(b, factor), a);
	return sumWithFactor({ a, b }, { factor, dtype, shape: broadcastShapes(name, a.shape, b.shape) }, { name });
}

const plus = binary('add', addedTimes(1));
const minus = binary('sub', addedTimes(-1));

const sumWithFactor = defineOperation({
	name: 'add',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: Common & { readonly factor: number }) => {
		const y = emptyOn(a, attributes.shape, attributes.dtype);
		const views = { a: viewAs(a, attributes), b: viewAs(b, attributes) };
		a.backend.kernels.combine(views, { y }, { op: 'addScaled', factor: attributes.factor });
		return y;
	},
	vjp: (g, _, { factor }, needs) => pullBack(addedTimes(factor), g, { a: g, b: g, y: g }, needs),
});

/** a * b. On bool it is and. As `torch.mul`. */
export function mul(a: Operand, b: Operand): Tensor {
	return times(a, b, commonType('mul', a, b));
}

const times = binary('mul', PRODUCT);

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
	const dtype = commonType('div', a, b);
	const mode = options.roundingMode ?? null;
	if (mode === null) return quotient(a, b, floatingType(dtype));
	if (mode !== 'trunc' && mode !== 'floor')
		throw new ArgumentError(`div: roundingMode '${String(mode)}' is not 'trunc', 'floor' or null`);
	requireDivisor('div', dtype, b);
	refuseBool('div', dtype, `Convert with .to('int32')`);
	return (mode === 'trunc' ? truncated : floored)(a, b, dtype);
}

const quotient = binary('div', QUOTIENT);
const truncated = binary('truncDiv', ROUNDED, 'div');
const floored = binary('floorDiv', ROUNDED, 'div');
