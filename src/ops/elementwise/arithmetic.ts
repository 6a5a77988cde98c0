/** Sums, products and quotients. In-place operations share their derivatives. */

import { defineOperation } from '../../autograd/operation';
import { elementwiseKernels } from '../../backends/kernels';
import { requireOneOf } from '../../core/checks';
import { promoteScalar } from '../../core/dtype';
import { checkOptions } from '../../core/options';
import { broadcastShapes } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireDivisor, requireFactor } from '../../tensorChecks';
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

/** A rounded quotient is constant between jumps. */
export const ROUNDED: Partials = {
	a: { reads: [], gradient: (g) => mul(g, 0) },
	b: { reads: [], gradient: (g) => mul(g, 0) },
};

export interface AddOptions {
	/** The factor of the second operand, an integer if both operands are integers. Default 1. */
	readonly alpha?: number;
}

/** a + alpha * b, with broadcasting. For bool it is logical or. As `torch.add`. */
export function add(a: Operand, b: Operand, options: AddOptions = {}): Tensor {
	checkOptions('add', options, ['alpha']);
	return sum('add', a, b, options.alpha ?? 1);
}

/** a - alpha * b, with broadcasting. Throws a DTypeError for bool. As `torch.sub`. */
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
	requireFactor(name, 'alpha', alpha, dtype);
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
		elementwiseKernels(a.backend).combine(views, { y }, { op: 'addScaled', factor: attributes.factor });
		return y;
	},
	vjp: (g, _, { factor }, needs) => pullBack(addedTimes(factor), g, { a: g, b: g, y: g }, needs),
});

/** a * b, with broadcasting. For bool it is logical and. As `torch.mul`. */
export function mul(a: Operand, b: Operand): Tensor {
	return times(a, b, commonType('mul', a, b));
}

const times = binary('mul', PRODUCT);

export const ROUNDING_MODES = ['trunc', 'floor', null] as const;

export interface DivOptions {
	/** Rounds the quotient towards zero or down. Default null, which does not round. */
	readonly roundingMode?: 'trunc' | 'floor' | null;
}

/**
 * a / b, with broadcasting. Integers give float32, and with a `roundingMode` integers. Then division by the number 0 throws, and by a
 * tensor's 0 gives the dividend. As `torch.div`.
 */
export function div(a: Operand, b: Operand, options: DivOptions = {}): Tensor {
	checkOptions('div', options, ['roundingMode']);
	const dtype = commonType('div', a, b);
	const mode = options.roundingMode ?? null;
	if (mode === null) return quotient(a, b, floatingType(dtype));
	requireOneOf('div', 'roundingMode', mode, ROUNDING_MODES);
	requireDivisor('div', dtype, b);
	refuseBool('div', dtype, `Convert with .to('int32')`);
	return (mode === 'trunc' ? truncated : floored)(a, b, dtype);
}

const quotient = binary('div', QUOTIENT);
const truncated = binary('truncDiv', ROUNDED, 'div');
const floored = binary('floorDiv', ROUNDED, 'div');
