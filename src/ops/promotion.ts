/** Which dtype the result of an operation has, for programs that allocate it. */
import { type DType, requireKnownDType, widerType } from '../core/dtype';
import { requireOperands } from '../tensorChecks';
import { type Operand, typeOfResult } from './operands';

/** The dtype that an operation on two vectors of these dtypes gives. As `torch.promote_types`. */
export function promoteTypes(a: DType, b: DType): DType {
	requireKnownDType('promoteTypes', a);
	requireKnownDType('promoteTypes', b);
	return widerType(a, b);
}

/** The dtype of `add(a, b)`. Numbers and scalar tensors decide only between bool, integer and floating. As `torch.result_type`. */
export function resultType(a: Operand, b: Operand): DType {
	requireOperands('resultType', a, b);
	return typeOfResult(a, b);
}
