/** What all losses share: the reduction of elementwise losses to a number, and the checks of input against target. */
import { requireFloating } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { sameShape } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireSameDevice, requireTensor } from '../../tensorChecks';
import { mean, sum } from '../reduce';

export type Reduction = 'none' | 'mean' | 'sum';

export interface LossOptions {
	/** What becomes of the single losses: their mean, their sum, or nothing. Default 'mean'. */
	readonly reduction?: Reduction;
}

export function requireReduction(operation: string, reduction: Reduction): void {
	if (reduction !== 'none' && reduction !== 'mean' && reduction !== 'sum') {
		throw new ArgumentError(`${operation}: reduction '${String(reduction)}' is not 'none', 'mean' or 'sum'`);
	}
}

/** Single losses as the reduction asks. */
export function reduced(losses: Tensor, reduction: Reduction): Tensor {
	return reduction === 'none' ? losses : reduction === 'mean' ? mean(losses) : sum(losses);
}

/** Checks a loss that compares element with element: equal shapes, since a target that broadcasts is nearly always a mistake. */
export function requirePair(operation: string, input: Tensor, target: Tensor, reduction: Reduction): void {
	requireReduction(operation, reduction);
	requireTensor(operation, input);
	requireTensor(operation, target, 'target');
	requireSameDevice(operation, input, target);
	requireFloating(operation, input.dtype);
	if (!sameShape(input.shape, target.shape)) {
		throw new ShapeError(
			`${operation}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)} must have one shape. Reshape or expand the target`,
		);
	}
}
