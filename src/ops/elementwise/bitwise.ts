/** Functions of the bits of integers. bool counts as one bit. Their results have no gradient. */
import type { BinaryOp } from '../../backends/contract/elementwise';
import { type DType, requireDType } from '../../core/dtype';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import type { Operand } from '../operands';
import { sub } from './arithmetic';
import { logicalNot } from './compare';
import { binary, commonType, refuseBool } from './definitions';

/** Dtypes that have bits. */
const TAKEN = ['int32', 'int8', 'uint8', 'bool'] as const satisfies readonly DType[];

function bitwise(op: BinaryOp, takesBool: boolean) {
	const run = binary(op, NONE);
	return (a: Operand, b: Operand): Tensor => {
		const dtype = commonType(op, a, b);
		requireDType(op, dtype, TAKEN);
		if (!takesBool) refuseBool(op, dtype, "Convert with .to('int32')");
		return run(a, b, dtype);
	};
}

/** Integers require no gradient, so these never run. */
const NONE = { a: { reads: [], gradient: (g: Tensor) => g }, b: { reads: [], gradient: (g: Tensor) => g } } as const;

/** a & b of integers or bool, elementwise. As `torch.bitwise_and`. */
export const bitwiseAnd = bitwise('bitwiseAnd', true);

/** a | b of integers or bool, elementwise. As `torch.bitwise_or`. */
export const bitwiseOr = bitwise('bitwiseOr', true);

/** a ^ b of integers or bool, elementwise. As `torch.bitwise_xor`. */
export const bitwiseXor = bitwise('bitwiseXor', true);

/** a << b of integers, elementwise. A shift by less than 0 or more than 31 bits gives 0. As `torch.bitwise_left_shift`. */
export const bitwiseLeftShift = bitwise('bitwiseLeftShift', false);

/** a >> b of integers, elementwise. Keeps the sign. A shift by less than 0 or more than 31 bits gives 0 or -1. As `torch.bitwise_right_shift`. */
export const bitwiseRightShift = bitwise('bitwiseRightShift', false);

/** ~x of integers, and the logical opposite of bool. As `torch.bitwise_not`. */
export function bitwiseNot(x: Tensor): Tensor {
	requireTensor('bitwiseNot', x);
	requireDType('bitwiseNot', x.dtype, TAKEN);
	return composed('bitwiseNot', () => (x.dtype === 'bool' ? logicalNot(x) : sub(-1, x)));
}
