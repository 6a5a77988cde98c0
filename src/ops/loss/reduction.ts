/** The reduction of elementwise losses, and the checks that all losses share. */
import { requireOneOf } from '../../core/checks';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { mean, sum } from '../reduce';

export type Reduction = 'none' | 'mean' | 'sum';

const REDUCTIONS = ['none', 'mean', 'sum'] as const;

export interface LossOptions {
	/** Whether to return the mean of the losses, their sum, or each of them. Default 'mean'. */
	readonly reduction?: Reduction;
}

export function requireReduction(operation: string, reduction: Reduction): void {
	requireOneOf(operation, 'reduction', reduction, REDUCTIONS);
}

/** Applies the reduction to elementwise losses. */
export function reduced(losses: Tensor, reduction: Reduction): Tensor {
	return reduction === 'none' ? losses : reduction === 'mean' ? mean(losses) : sum(losses);
}

/** Checks input and target of an elementwise loss. Their shapes must be equal, because a target that broadcasts is usually a mistake. */
export function requirePair(operation: string, input: Tensor, target: Tensor, reduction: Reduction): void {
	requireReduction(operation, reduction);
	requireFloatingTensor(operation, input);
	requireTensor(operation, target, 'target');
	requireSameDevice(operation, input, target);
	requireShape(operation, 'target', target, input.shape, input);
}
