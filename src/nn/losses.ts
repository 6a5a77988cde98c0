/** Losses as modules: `new nn.CrossEntropyLoss(options).forward(input, target)`. For formulas and options see src/ops/loss. */
import { requireOptions } from '../core/options';
import * as losses from '../ops/loss';
import { cosineSimilarity, pairwiseDistance } from '../ops/norm';
import type { Tensor } from '../tensor';
import { Module } from './module';

/** The options type of a loss function that takes them after `Tensors` tensors. */
type OptionsOf<F extends (...args: never[]) => unknown, Tensors extends number = 2> = NonNullable<Parameters<F>[Tensors]>;

/** A loss with the options of its function, which checks them. */
abstract class Loss<F extends (...args: never[]) => unknown, Tensors extends number = 2> extends Module {
	readonly options: OptionsOf<F, Tensors>;

	constructor(options?: OptionsOf<F, Tensors>) {
		super();
		this.options = requireOptions(new.target.name, options === undefined ? {} : options) as OptionsOf<F, Tensors>;
	}
}

/** A loss of an input and a target. */
interface PairLoss<O> extends Module {
	readonly options: O;
	forward(input: Tensor, target: Tensor): Tensor;
}

/** The class of a loss of an input and a target. */
function pairLoss<O extends object>(
	loss: (input: Tensor, target: Tensor, options?: O) => Tensor,
): new (
	options?: O,
) => PairLoss<O> {
	return class extends Loss<typeof loss> {
		override forward(input: Tensor, target: Tensor): Tensor {
			return loss(input, target, this.options);
		}
	};
}

/** Class indices or probabilities against logits [N, C, ...]. As `torch.nn.CrossEntropyLoss`. */
export class CrossEntropyLoss extends pairLoss(losses.crossEntropy) {}

/** Class indices against log-probabilities [N, C, ...]. As `torch.nn.NLLLoss`. */
export class NLLLoss extends pairLoss(losses.nllLoss) {}

/** (input - target)^2. As `torch.nn.MSELoss`. */
export class MSELoss extends pairLoss(losses.mseLoss) {}

/** |input - target|. As `torch.nn.L1Loss`. */
export class L1Loss extends pairLoss(losses.l1Loss) {}

/** Binary cross-entropy of logits. As `torch.nn.BCEWithLogitsLoss`. */
export class BCEWithLogitsLoss extends pairLoss(losses.binaryCrossEntropyWithLogits) {}

/** Quadratic below beta, linear above. As `torch.nn.SmoothL1Loss`. */
export class SmoothL1Loss extends pairLoss(losses.smoothL1Loss) {}

/** Quadratic up to delta, linear above. As `torch.nn.HuberLoss`. */
export class HuberLoss extends pairLoss(losses.huberLoss) {}

/** Binary cross-entropy of probabilities. As `torch.nn.BCELoss`. */
export class BCELoss extends pairLoss(losses.binaryCrossEntropy) {}

/** target (log(target) - input), for log-probabilities as input. As `torch.nn.KLDivLoss`. */
export class KLDivLoss extends pairLoss(losses.klDiv) {}

/** Counts against (logarithms of) rates. As `torch.nn.PoissonNLLLoss`. */
export class PoissonNLLLoss extends pairLoss(losses.poissonNllLoss) {}

/** Samples against means and variances. As `torch.nn.GaussianNLLLoss`. */
export class GaussianNLLLoss extends Loss<typeof losses.gaussianNllLoss, 3> {
	override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
		return losses.gaussianNllLoss(input, target, variance, this.options);
	}
}

/** The input for target 1, max(0, margin - input) for target -1. As `torch.nn.HingeEmbeddingLoss`. */
export class HingeEmbeddingLoss extends pairLoss(losses.hingeEmbeddingLoss) {}

/** sum over other classes of max(0, margin - x_target + x_class)^p / C. As `torch.nn.MultiMarginLoss`. */
export class MultiMarginLoss extends pairLoss(losses.multiMarginLoss) {}

/** 1 - cosine for similar pairs (target 1), max(0, cosine - margin) for dissimilar ones (target -1). As `torch.nn.CosineEmbeddingLoss`. */
export class CosineEmbeddingLoss extends Loss<typeof losses.cosineEmbeddingLoss, 3> {
	override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
		return losses.cosineEmbeddingLoss(input1, input2, target, this.options);
	}
}

/** max(0, margin + |anchor - positive| - |anchor - negative|). As `torch.nn.TripletMarginLoss`. */
export class TripletMarginLoss extends Loss<typeof losses.tripletMarginLoss, 3> {
	override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
		return losses.tripletMarginLoss(anchor, positive, negative, this.options);
	}
}

/** `TripletMarginLoss` with your own distance function. As `torch.nn.TripletMarginWithDistanceLoss`. */
export class TripletMarginWithDistanceLoss extends Loss<typeof losses.tripletMarginWithDistanceLoss, 3> {
	override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
		return losses.tripletMarginWithDistanceLoss(anchor, positive, negative, this.options);
	}
}

/** max(0, margin - target (input1 - input2)), for targets 1 and -1. As `torch.nn.MarginRankingLoss`. */
export class MarginRankingLoss extends Loss<typeof losses.marginRankingLoss, 3> {
	override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
		return losses.marginRankingLoss(input1, input2, target, this.options);
	}
}

/** log(1 + exp(-target input)), for targets 1 and -1. As `torch.nn.SoftMarginLoss`. */
export class SoftMarginLoss extends pairLoss(losses.softMarginLoss) {}

/** Margins between the target classes of a sample, listed up to the first -1, and all other classes. As `torch.nn.MultiLabelMarginLoss`. */
export class MultiLabelMarginLoss extends pairLoss(losses.multiLabelMarginLoss) {}

/** Binary cross-entropy of logits, averaged over the classes. As `torch.nn.MultiLabelSoftMarginLoss`. */
export class MultiLabelSoftMarginLoss extends pairLoss(losses.multiLabelSoftMarginLoss) {}

/** The negative log-likelihood of label sequences over all their alignments to the input. As `torch.nn.CTCLoss`. */
export class CTCLoss extends Loss<typeof losses.ctcLoss, 4> {
	override forward(logProbs: Tensor, targets: Tensor, inputLengths: losses.Lengths, targetLengths: losses.Lengths): Tensor {
		return losses.ctcLoss(logProbs, targets, inputLengths, targetLengths, this.options);
	}
}

/** The cosine of the angle between vectors along `dim`, 1 by default. As `torch.nn.CosineSimilarity`. */
export class CosineSimilarity extends Loss<typeof cosineSimilarity> {
	override forward(x1: Tensor, x2: Tensor): Tensor {
		return cosineSimilarity(x1, x2, this.options);
	}
}

/** |x1 - x2 + eps| over the last dim. As `torch.nn.PairwiseDistance`. */
export class PairwiseDistance extends Loss<typeof pairwiseDistance> {
	override forward(x1: Tensor, x2: Tensor): Tensor {
		return pairwiseDistance(x1, x2, this.options);
	}
}
