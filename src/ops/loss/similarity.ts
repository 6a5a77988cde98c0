/** Losses of how near vectors are to each other. */
import { requireFloating } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { sameShape } from '../../core/shape';
import type { Tensor } from '../../tensor';
import { requireSameDevice, requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, clamp, div, eq, minimum, mul, sqrt, square, sub, where } from '../elementwise';
import { pairwiseDistance } from '../norm';
import { norm, sum } from '../reduce';
import { type LossOptions, reduced, requireReduction } from './reduction';

function requireAlike(operation: string, ...tensors: readonly Tensor[]): void {
	for (const tensor of tensors) requireTensor(operation, tensor);
	requireSameDevice(operation, ...tensors);
	for (const tensor of tensors) {
		requireFloating(operation, tensor.dtype);
		if (!sameShape(tensor.shape, tensors[0]!.shape)) {
			throw new ShapeError(`${operation}: inputs ${tensors.map((x) => formatShape(x.shape)).join(', ')} must have one shape`);
		}
	}
}

export interface CosineEmbeddingOptions extends LossOptions {
	/** How similar unlike vectors may be, from -1 to 1. Default 0. */
	readonly margin?: number;
}

/** PyTorch's guard against division by zero. */
const COSINE_EPS = 1e-12;

/**
 * With the cosine of `input1` and `input2`, [D] or [N, D]: 1 - cosine where `target`, [] or [N], is 1; max(0, cosine - margin) where it is -1.
 * As `torch.nn.functional.cosine_embedding_loss`.
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
	requireAlike(name, input1, input2);
	requireTensor(name, target, 'target');
	requireSameDevice(name, input1, target);
	if (input1.ndim !== 1 && input1.ndim !== 2)
		throw new ShapeError(`${name}: inputs must be [D] or [N, D], not ${formatShape(input1.shape)}`);
	if (!sameShape(target.shape, input1.shape.slice(0, -1))) {
		throw new ShapeError(
			`${name}: target ${formatShape(target.shape)} must be ${formatShape(input1.shape.slice(0, -1))} for inputs ${formatShape(input1.shape)}`,
		);
	}
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
	/** By how much the ranking must be right. Default 0. */
	readonly margin?: number;
}

/**
 * max(0, margin - target (input1 - input2)): `target` 1 says that `input1` ought to rank higher, -1 that `input2` ought to. All of one shape.
 * As `torch.nn.functional.margin_ranking_loss`.
 */
export function marginRankingLoss(input1: Tensor, input2: Tensor, target: Tensor, options: MarginRankingOptions = {}): Tensor {
	const { reduction = 'mean', margin = 0 } = checkOptions('marginRankingLoss', options, ['margin', 'reduction']);
	requireReduction('marginRankingLoss', reduction);
	requireAlike('marginRankingLoss', input1, input2);
	requireTensor('marginRankingLoss', target, 'target');
	requireSameDevice('marginRankingLoss', input1, target);
	if (!sameShape(target.shape, input1.shape)) {
		throw new ShapeError(
			`marginRankingLoss: target ${formatShape(target.shape)} must have the shape of the inputs, ${formatShape(input1.shape)}`,
		);
	}
	return inFloat32('marginRankingLoss', [input1, input2, target], (x, y, sign) =>
		reduced(clamp(sub(margin, mul(sign, sub(x, y))), { min: 0 }), reduction),
	);
}

export interface TripletMarginOptions extends LossOptions {
	/** Default 1. */
	readonly margin?: number;
	/** The order of the norm. Default 2. */
	readonly p?: number;
	/** Added to each difference, so that the norm has a derivative where it is 0. Default 1e-6. */
	readonly eps?: number;
	/** Take the negative's distance from the positive where it is the smaller one. Default false. */
	readonly swap?: boolean;
}

/**
 * max(0, margin + |anchor - positive| - |anchor - negative|), norms of order p over the last dim. As
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
	requireAlike(name, anchor, positive, negative);
	if (anchor.ndim === 0) throw new ShapeError(`${name}: inputs must have at least one dim`);
	if (typeof p !== 'number' || Number.isNaN(p)) throw new ArgumentError(`${name}: p must be a number, not ${String(p)}`);
	const distance = (a: Tensor, b: Tensor) => norm(add(sub(a, b), eps), -1, { p });
	return inFloat32('tripletMarginLoss', [anchor, positive, negative], (...rows) =>
		reduced(triplet(distance, ...rows, margin, swap), reduction),
	);
}

/** max(0, margin + distance of anchor and positive - distance of anchor, or with `swap` of the nearer of both, and negative). */
function triplet(distance: Distance, anchor: Tensor, positive: Tensor, negative: Tensor, margin: number, swap: boolean): Tensor {
	const near = distance(anchor, positive);
	let far = distance(anchor, negative);
	if (swap) far = minimum(far, distance(positive, negative));
	return clamp(add(sub(near, far), margin), { min: 0 });
}

/** A distance for each pair of vectors. */
export type Distance = (a: Tensor, b: Tensor) => Tensor;

export interface TripletDistanceOptions extends LossOptions {
	/** How far vectors are apart. Default pairwiseDistance. */
	readonly distanceFunction?: Distance;
	/** Default 1. */
	readonly margin?: number;
	/** Take the negative's distance from the positive where it is the smaller one. Default false. */
	readonly swap?: boolean;
}

/**
 * max(0, margin + distance(anchor, positive) - distance(anchor, negative)) with a distance of your own. As
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
	requireAlike(name, anchor, positive, negative);
	if (typeof distanceFunction !== 'function')
		throw new ArgumentError(`${name}: distanceFunction must be a function of two tensors, not ${typeof distanceFunction}`);
	const distance = (a: Tensor, b: Tensor) => {
		const found = distanceFunction(a, b);
		requireTensor(name, found, 'what distanceFunction returns');
		return found;
	};
	return inFloat32('tripletMarginWithDistanceLoss', [anchor, positive, negative], (...rows) =>
		reduced(triplet(distance, ...rows, margin, swap), reduction),
	);
}
