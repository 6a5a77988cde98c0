/** How close vectors are: the cosine of their angle, and their distance. */
import { requireNonNegative, requireNumber } from '../../core/checks';
import { requireFloating } from '../../core/dtype';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { broadcastShapes, normalizeDim } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor, requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, clamp, div, mul, sub } from '../elementwise';
import { broadcastTo, unsqueeze } from '../layout';
import { promote } from '../operands';
import { norm, sum } from '../reduce';

export interface CosineSimilarityOptions {
	/** The dim of the vectors. Default 1. */
	readonly dim?: number;
	/** The least divisor. Default 1e-8. */
	readonly eps?: number;
}

/**
 * x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim` of the common shape of both, which broadcast. The result lacks that dim. As
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

export interface PairwiseDistanceOptions {
	/** The order of the norm. Default 2. */
	readonly p?: number;
	/** Added to each difference, so that the norm has a derivative at 0. Default 1e-6. */
	readonly eps?: number;
	/** Whether to keep the last dim with size 1. Default false. */
	readonly keepdim?: boolean;
}

/** The norm of order p of x1 - x2 + eps over the last dim. x1 and x2 broadcast. As `torch.nn.functional.pairwise_distance`. */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
	const { p = 2, eps = 1e-6, keepdim = false } = checkOptions('pairwiseDistance', options, ['p', 'eps', 'keepdim']);
	requireNumber('pairwiseDistance', 'p', p);
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

/**
 * The distance of each row of x1 [..., P, M] to each row of x2 [..., R, M], [..., P, R]: the norm of order p of the difference. Leading dims
 * broadcast. A distance of 0 has gradient 0. As `torch.cdist`.
 */
export function cdist(x1: Tensor, x2: Tensor, options: { readonly p?: number } = {}): Tensor {
	const { p = 2 } = checkOptions('cdist', options, ['p']);
	requireNonNegative('cdist', 'p', p);
	requireFloatingTensor('cdist', x1, 'x1');
	requireFloatingTensor('cdist', x2, 'x2');
	if (x1.ndim < 2 || x2.ndim < 2 || x1.shape.at(-1) !== x2.shape.at(-1)) {
		throw new ShapeError(
			`cdist: needs [..., P, M] and [..., R, M] with one M, not ${formatShape(x1.shape)} and ${formatShape(x2.shape)}`,
		);
	}
	return inFloat32('cdist', [x1, x2], (first, second) => norm(sub(unsqueeze(first, -2), unsqueeze(second, -3)), -1, { p }));
}
