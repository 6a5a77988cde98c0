/** The distance between vectors. */
import { requireFloating } from '../../core/dtype';
import { ArgumentError, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, sub } from '../elementwise';
import { promote } from '../operands';
import { norm } from '../reduce';

export interface PairwiseDistanceOptions {
	/** The order of the norm. Default 2. */
	readonly p?: number;
	/** Added to each difference, so that the norm has a derivative where it is 0. Default 1e-6. */
	readonly eps?: number;
	/** Keep the last dim, with size 1. Default false. */
	readonly keepdim?: boolean;
}

/** |x1 - x2 + eps|, the norm of order p over the last dim of what both broadcast to. As `torch.nn.functional.pairwise_distance`. */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
	const { p = 2, eps = 1e-6, keepdim = false } = checkOptions('pairwiseDistance', options, ['p', 'eps', 'keepdim']);
	if (typeof p !== 'number' || Number.isNaN(p)) throw new ArgumentError(`pairwiseDistance: p must be a number, not ${String(p)}`);
	requireTensor('pairwiseDistance', x1);
	requireTensor('pairwiseDistance', x2);
	return inFloat32('pairwiseDistance', [x1, x2], (wide1, wide2) => {
		const [first, second] = promote('pairwiseDistance', wide1, wide2) as [Tensor, Tensor];
		requireFloating('pairwiseDistance', first.dtype);
		if (first.ndim === 0 && second.ndim === 0)
			throw new ShapeError('pairwiseDistance: scalars are no vectors; reshape them to [1]');
		return norm(add(sub(first, second), eps), -1, { p, keepdim });
	});
}
