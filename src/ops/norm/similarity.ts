/** The cosine of the angle between vectors. */
import { requireFloating } from '../../core/dtype';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes, normalizeDim } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { clamp, div, mul } from '../elementwise';
import { broadcastTo } from '../layout';
import { promote } from '../operands';
import { norm, sum } from '../reduce';

export interface CosineSimilarityOptions {
	/** The dim along which the vectors lie. Default 1. */
	readonly dim?: number;
	/** The least norm to divide by. Default 1e-8. */
	readonly eps?: number;
}

/**
 * x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim` of the shape to which both broadcast, without that dim in the result. As
 * `torch.nn.functional.cosine_similarity`.
 */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options: CosineSimilarityOptions = {}): Tensor {
	const { dim = 1, eps = 1e-8 } = checkOptions('cosineSimilarity', options, ['dim', 'eps']);
	requireTensor('cosineSimilarity', x1);
	requireTensor('cosineSimilarity', x2);
	return inFloat32('cosineSimilarity', [x1, x2], (wide1, wide2) => {
		const [first, second] = promote('cosineSimilarity', wide1, wide2) as [Tensor, Tensor];
		requireFloating('cosineSimilarity', first.dtype);
		const shape = broadcastShapes('cosineSimilarity', first.shape, second.shape);
		if (shape.length === 0) throw new ShapeError(`cosineSimilarity: scalars are no vectors; reshape them to ${formatShape([1])}`);
		const along = normalizeDim('cosineSimilarity', dim, shape.length);
		const [a, b] = [broadcastTo(first, shape), broadcastTo(second, shape)];
		const lengths = mul(clamp(norm(a, along), { min: eps }), clamp(norm(b, along), { min: eps }));
		return div(sum(mul(a, b), along), lengths);
	});
}
