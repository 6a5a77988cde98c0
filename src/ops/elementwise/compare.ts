/** Comparisons, logic and predicates: results are bool and have no gradient. */
import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import type { CompareOp, PredicateOp } from '../../backends/contract/elementwise';
import { runOperation } from '../../core/currentOperation';
import { isFloating, isInt32 } from '../../core/dtype';
import { broadcastShapes } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireOperands, requireSameDevice, requireTensor } from '../../tensorChecks';
import { converted, type Operand, resultType, storedAs } from '../operands';
import { type Common, viewAs } from './definitions';

/** The same comparison with its sides exchanged. */
const MIRRORED: Record<CompareOp, CompareOp> = {
	eq: 'eq',
	ne: 'ne',
	lt: 'gt',
	le: 'ge',
	gt: 'lt',
	ge: 'le',
	logicalAnd: 'logicalAnd',
	logicalOr: 'logicalOr',
	logicalXor: 'logicalXor',
};

function compare(op: CompareOp, a: Operand, b: Operand): Tensor {
	requireOperands(op, a, b);
	if (a instanceof Tensor && b instanceof Tensor) {
		requireSameDevice(op, a, b);
		return comparison({ a, b }, { op, dtype: resultType(a, b), shape: broadcastShapes(op, a.shape, b.shape) }, { name: op });
	}
	if (typeof a === 'number') return runOperation(op, () => compare(MIRRORED[op], b, a));
	return comparisonWithNumber({ x: a }, { op, number: comparable(a, b as number) }, { name: op });
}

const comparison = defineOperation({
	name: 'compare',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: Common & { readonly op: CompareOp }) => {
		const y = emptyOn(a, attributes.shape, 'bool');
		a.backend.kernels.compare({ a: viewAs(a, attributes), b: viewAs(b, attributes) }, { y }, { op: attributes.op });
		return y;
	},
	vjp: NO_GRADIENT,
});

const comparisonWithNumber = defineOperation({
	name: 'compare',
	inputs: ['x'],
	forward: ({ x }, { op, number }: { readonly op: CompareOp; readonly number: number }) => {
		const dtype = resultType(x, number);
		const y = emptyOn(x, x.shape, 'bool');
		x.backend.kernels.compareScalar({ x: converted(x, dtype) }, { y }, { op, scalar: storedAs(dtype, number) });
		return y;
	},
	vjp: NO_GRADIENT,
});

/** A whole number beyond int32 as infinity: it is beyond all of int32, which float32, where they would meet, might round away. */
function comparable(x: Tensor, scalar: number): number {
	if (isFloating(x.dtype) || !Number.isInteger(scalar) || isInt32(scalar)) return scalar;
	return scalar > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

/** Whether a and b are equal, elementwise; NaN equals nothing. */
export function eq(a: Operand, b: Operand): Tensor {
	return compare('eq', a, b);
}

/** Whether a and b differ, elementwise; NaN differs from everything. */
export function ne(a: Operand, b: Operand): Tensor {
	return compare('ne', a, b);
}

/** Whether a < b, elementwise. */
export function lt(a: Operand, b: Operand): Tensor {
	return compare('lt', a, b);
}

/** Whether a <= b, elementwise. */
export function le(a: Operand, b: Operand): Tensor {
	return compare('le', a, b);
}

/** Whether a > b, elementwise. */
export function gt(a: Operand, b: Operand): Tensor {
	return compare('gt', a, b);
}

/** Whether a >= b, elementwise. */
export function ge(a: Operand, b: Operand): Tensor {
	return compare('ge', a, b);
}

/** Whether both are not 0 (NaN is not 0), elementwise. */
export function logicalAnd(a: Operand, b: Operand): Tensor {
	return compare('logicalAnd', a, b);
}

/** Whether one at least is not 0 (NaN is not 0), elementwise. */
export function logicalOr(a: Operand, b: Operand): Tensor {
	return compare('logicalOr', a, b);
}

/** Whether exactly one is not 0 (NaN is not 0), elementwise. */
export function logicalXor(a: Operand, b: Operand): Tensor {
	return compare('logicalXor', a, b);
}

function predicate(op: PredicateOp, x: Tensor): Tensor {
	requireTensor(op, x);
	return tested({ x }, { op }, { name: op });
}

const tested = defineOperation({
	name: 'predicate',
	inputs: ['x'],
	forward: ({ x }, { op }: { readonly op: PredicateOp }) => {
		const y = emptyOn(x, x.shape, 'bool');
		x.backend.kernels.predicate({ x }, { y }, { op });
		return y;
	},
	vjp: NO_GRADIENT,
});

/** Where x is NaN. */
export function isnan(x: Tensor): Tensor {
	return predicate('isnan', x);
}

/** Where x is infinite, of either sign. */
export function isinf(x: Tensor): Tensor {
	return predicate('isinf', x);
}

/** Where x is neither NaN nor infinite. */
export function isfinite(x: Tensor): Tensor {
	return predicate('isfinite', x);
}

/** Where x is 0. */
export function logicalNot(x: Tensor): Tensor {
	return predicate('logicalNot', x);
}
