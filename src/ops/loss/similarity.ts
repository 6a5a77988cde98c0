/** Losses of the distance or the cosine of vectors. */
import { requireFunction, requireNumber } from '../../core/checks';
import { checkOptions } from '../../core/options';
import { MAX_RANK } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice, requireShape, requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, clamp, div, eq, minimum, mul, sqrt, square, sub, where } from '../elementwise';
import { pairwiseDistance } from '../norm';
import { norm, sum } from '../reduce';
import { type LossOptions, reduced, requireReduction } from './reduction';

/** Throws unless the named tensors are floating and have the device and the shape of `x`. */
function requireAlike(operation: string, name: string, x: Tensor, others: Readonly<Record<string, Tensor>>): void {
	requireFloatingTensor(operation, x, name);
	for (const [argument, other] of Object.entries(others)) {
		requireFloatingTensor(operation, other, argument);
		requireSameDevice(operation, x, other);
		requireShape(operation, argument, other, x.shape, x, name);
	}
}

export interface CosineEmbeddingOptions extends LossOptions {
	/** The cosine, from -1 to 1, up to which vectors with target -1 have no loss. Default 0. */
	readonly margin?: number;
}

/** PyTorch's guard against division by zero. */
const COSINE_EPS = 1e-12;

/**
 * From the cosine of `input1` and `input2`, [D] or [N, D]: 1 - cosine for `target` 1, max(0, cosine - margin) for `target` -1, [] or [N]. As
 * `torch.nn.functional.cosine_embedding_loss`.
 */
export function cosineEmbeddingLoss(
	input1: Tensor,
	input2: Tensor,
	target: Tensor,
	options: CosineEmbeddingOptions = {},
): Tensor {
	const { reduction = 'mean', margin = 0 } = checkOptions('cosineEmbeddingLoss', options, ['margin', 'reduction']);
	const name = 'cosineEmbeddingLoss';
	requireReduction(name, reduction);
	requireAlike(name, 'input1', input1, { input2 });
	requireTensor(name, target, 'target');
	requireSameDevice(name, input1, target);
	requireRank(name, 'input1', input1, '[D] or [N, D]', 1, 2);
	requireShape(name, 'target', target, input1.shape.slice(0, -1), input1, 'input1');
	return inFloat32('cosineEmbeddingLoss', [input1, input2], (x, y) => {
		const square1 = add(sum(square(x), -1), COSINE_EPS);
		const square2 = add(sum(square(y), -1), COSINE_EPS);
		const cosine = div(sum(mul(x, y), -1), sqrt(mul(square1, square2)));
		const like = where(eq(target, 1), sub(1, cosine), 0);
		const unlike = where(eq(target, -1), clamp(sub(cosine, margin), { min: 0 }), 0);
		return reduced(add(like, unlike), reduction);
	});
}

export interface MarginRankingOptions extends LossOptions {
	/** The least difference of the right order that has no loss. Default 0. */
	readonly margin?: number;
}

/**
 * max(0, margin - target (input1 - input2)). `target` 1 means that `input1` should rank higher, -1 that `input2` should. All have one shape.
 * As `torch.nn.functional.margin_ranking_loss`.
 */
export function marginRankingLoss(input1: Tensor, input2: Tensor, target: Tensor, options: MarginRankingOptions = {}): Tensor {
	const { reduction = 'mean', margin = 0 } = checkOptions('marginRankingLoss', options, ['margin', 'reduction']);
	requireReduction('marginRankingLoss', reduction);
	requireAlike('marginRankingLoss', 'input1', input1, { input2 });
	requireTensor('marginRankingLoss', target, 'target');
	requireSameDevice('marginRankingLoss', input1, target);
	requireShape('marginRankingLoss', 'target', target, input1.shape, input1, 'input1');
	return inFloat32('marginRankingLoss', [input1, input2, target], (x, y, sign) =>
		reduced(clamp(sub(margin, mul(sign, sub(x, y))), { min: 0 }), reduction),
	);
}

export interface TripletMarginOptions extends LossOptions {
	/** Default 1. */
	readonly margin?: number;
	/** The order of the norm. Default 2. */
	readonly p?: number;
	/** Added to each difference, so that the norm has a derivative at 0. Default 1e-6. */
	readonly eps?: number;
	/** Whether to use the distance of positive and negative if it is smaller than that of anchor and negative. Default false. */
	readonly swap?: boolean;
}

/**
 * max(0, margin + |anchor - positive| - |anchor - negative|), with norms of order p over the last dim. As
 * `torch.nn.functional.triplet_margin_loss`.
 */
export function tripletMarginLoss(
	anchor: Tensor,
	positive: Tensor,
	negative: Tensor,
	options: TripletMarginOptions = {},
): Tensor {
	const {
		reduction = 'mean',
		margin = 1,
		p = 2,
		eps = 1e-6,
		swap = false,
	} = checkOptions('tripletMarginLoss', options, ['margin', 'p', 'eps', 'swap', 'reduction']);
	const name = 'tripletMarginLoss';
	requireReduction(name, reduction);
	requireAlike(name, 'anchor', anchor, { positive, negative });
	requireRank(name, 'anchor', anchor, '[..., D]', 1, MAX_RANK);
	requireNumber(name, 'p', p);
	const distance = (a: Tensor, b: Tensor) => norm(add(sub(a, b), eps), -1, { p });
	return inFloat32('tripletMarginLoss', [anchor, positive, negative], (...rows) =>
		reduced(triplet(distance, ...rows, margin, swap), reduction),
	);
}

/** The triplet loss for a distance. With `swap` the negative's distance is that from the nearer of anchor and positive. */
function triplet(distance: Distance, anchor: Tensor, positive: Tensor, negative: Tensor, margin: number, swap: boolean): Tensor {
	const near = distance(anchor, positive);
	let far = distance(anchor, negative);
	if (swap) far = minimum(far, distance(positive, negative));
	return clamp(add(sub(near, far), margin), { min: 0 });
}

/** Returns a distance for each pair of vectors. */
export type Distance = (a: Tensor, b: Tensor) => Tensor;

export interface TripletDistanceOptions extends LossOptions {
	/** The distance of each pair of vectors. Default pairwiseDistance. */
	readonly distanceFunction?: Distance;
	/** Default 1. */
	readonly margin?: number;
	/** Whether to use the distance of positive and negative if it is smaller than that of anchor and negative. Default false. */
	readonly swap?: boolean;
}

/**
 * max(0, margin + distance(anchor, positive) - distance(anchor, negative)) for any distance. As
 * `torch.nn.functional.triplet_margin_with_distance_loss`.
 */
export function tripletMarginWithDistanceLoss(
	anchor: Tensor,
	positive: Tensor,
	negative: Tensor,
	options: TripletDistanceOptions = {},
): Tensor {
	const name = 'tripletMarginWithDistanceLoss';
	const {
		reduction = 'mean',
		distanceFunction = pairwiseDistance,
		margin = 1,
		swap = false,
	} = checkOptions(name, options, ['distanceFunction', 'margin', 'swap', 'reduction']);
	requireReduction(name, reduction);
	requireAlike(name, 'anchor', anchor, { positive, negative });
	requireFunction(name, 'distanceFunction', distanceFunction, 'a function of two tensors');
	const distance = (a: Tensor, b: Tensor) => {
		const found = distanceFunction(a, b);
		requireTensor(name, found, 'what distanceFunction returns');
		return found;
	};
	return inFloat32('tripletMarginWithDistanceLoss', [anchor, positive, negative], (...rows) =>
		reduced(triplet(distance, ...rows, margin, swap), reduction),
	);
}
