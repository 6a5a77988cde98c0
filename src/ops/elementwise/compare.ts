/** Comparisons, logic and predicates. Their results are bool and have no gradient. */

import { defineOperation, NO_GRADIENT } from '../../autograd/operation';
import type { CompareOp, PredicateOp } from '../../backends/contract/elementwise';
import { elementwiseKernels } from '../../backends/kernels';
import { isFloating, isInt32 } from '../../core/dtype';
import { runOperation } from '../../core/scope';
import { broadcastShapes } from '../../core/shape';
import { emptyOn, Tensor } from '../../tensor';
import { requireOperands, requireSameDevice, requireTensor } from '../../tensorChecks';
import { converted, type Operand, storedAs, typeOfResult } from '../operands';
import { type Common, viewAs } from './definitions';

/** The comparison with exchanged sides. */
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
		return comparison({ a, b }, { op, dtype: typeOfResult(a, b), shape: broadcastShapes(op, a.shape, b.shape) }, { name: op });
	}
	if (typeof a === 'number') return runOperation(op, () => compare(MIRRORED[op], b, a));
	return comparisonWithNumber({ x: a }, { op, number: comparable(a, b as number) }, { name: op });
}

const comparison = defineOperation({
	name: 'compare',
	inputs: ['a', 'b'],
	forward: ({ a, b }, attributes: Common & { readonly op: CompareOp }) => {
		const y = emptyOn(a, attributes.shape, 'bool');
		elementwiseKernels(a.backend).compare({ a: viewAs(a, attributes), b: viewAs(b, attributes) }, { y }, { op: attributes.op });
		return y;
	},
	vjp: NO_GRADIENT,
});

const comparisonWithNumber = defineOperation({
	name: 'compare',
	inputs: ['x'],
	forward: ({ x }, { op, number }: { readonly op: CompareOp; readonly number: number }) => {
		const dtype = typeOfResult(x, number);
		const y = emptyOn(x, x.shape, 'bool');
		elementwiseKernels(x.backend).compareScalar({ x: converted(x, dtype) }, { y }, { op, scalar: storedAs(dtype, number) });
		return y;
	},
	vjp: NO_GRADIENT,
});

/** Replaces an integer beyond int32 by infinity, because float32, the common dtype, might round it to a value within int32. */
function comparable(x: Tensor, scalar: number): number {
	if (isFloating(x.dtype) || !Number.isInteger(scalar) || isInt32(scalar)) return scalar;
	return scalar > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

/** Whether a = b, elementwise. NaN equals nothing. As `torch.eq`. */
export function eq(a: Operand, b: Operand): Tensor {
	return compare('eq', a, b);
}

/** Whether a and b differ, elementwise. NaN differs from everything. As `torch.ne`. */
export function ne(a: Operand, b: Operand): Tensor {
	return compare('ne', a, b);
}

/** Whether a < b, elementwise. As `torch.lt`. */
export function lt(a: Operand, b: Operand): Tensor {
	return compare('lt', a, b);
}

/** Whether a <= b, elementwise. As `torch.le`. */
export function le(a: Operand, b: Operand): Tensor {
	return compare('le', a, b);
}

/** Whether a > b, elementwise. As `torch.gt`. */
export function gt(a: Operand, b: Operand): Tensor {
	return compare('gt', a, b);
}

/** Whether a >= b, elementwise. As `torch.ge`. */
export function ge(a: Operand, b: Operand): Tensor {
	return compare('ge', a, b);
}

/** Whether a and b are both not 0, elementwise. NaN is not 0. As `torch.logical_and`. */
export function logicalAnd(a: Operand, b: Operand): Tensor {
	return compare('logicalAnd', a, b);
}

/** Whether a or b is not 0, elementwise. NaN is not 0. As `torch.logical_or`. */
export function logicalOr(a: Operand, b: Operand): Tensor {
	return compare('logicalOr', a, b);
}

/** Whether exactly one of a and b is not 0, elementwise. NaN is not 0. As `torch.logical_xor`. */
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
		elementwiseKernels(x.backend).predicate({ x }, { y }, { op });
		return y;
	},
	vjp: NO_GRADIENT,
});

/** Whether x is NaN, elementwise. As `torch.isnan`. */
export function isnan(x: Tensor): Tensor {
	return predicate('isnan', x);
}

/** Whether x is infinite, of either sign, elementwise. As `torch.isinf`. */
export function isinf(x: Tensor): Tensor {
	return predicate('isinf', x);
}

/** Whether x is neither NaN nor infinite, elementwise. As `torch.isfinite`. */
export function isfinite(x: Tensor): Tensor {
	return predicate('isfinite', x);
}

/** Whether x is 0, elementwise. As `torch.logical_not`. */
export function logicalNot(x: Tensor): Tensor {
	return predicate('logicalNot', x);
}

/** Whether x is +infinity, elementwise. As `torch.isposinf`. */
export function isposinf(x: Tensor): Tensor {
	return predicate('isposinf', x);
}

/** Whether x is -infinity, elementwise. As `torch.isneginf`. */
export function isneginf(x: Tensor): Tensor {
	return predicate('isneginf', x);
}
