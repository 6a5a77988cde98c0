/** Losses as modules: `new nn.CrossEntropyLoss(options).forward(input, target)`. Formulas and options: src/ops/loss. */
import * as losses from '../ops/loss';
import { type CosineSimilarityOptions, cosineSimilarity } from '../ops/norm';
import type { Tensor } from '../tensor';
import { Module } from './module';

/** The options of a loss that takes `Tensors` tensors before them. */
type OptionsOf<F extends (...args: never[]) => unknown, Tensors extends number = 2> = NonNullable<Parameters<F>[Tensors]>;

/** Class indices or probabilities against logits [N, C, ...]. As `torch.nn.CrossEntropyLoss`. */
export class CrossEntropyLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.crossEntropy> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.crossEntropy(input, target, this.options);
	}
}

/** Class indices against log-probabilities [N, C, ...]. As `torch.nn.NLLLoss`. */
export class NLLLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.nllLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.nllLoss(input, target, this.options);
	}
}

/** (input - target)^2. As `torch.nn.MSELoss`. */
export class MSELoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.mseLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.mseLoss(input, target, this.options);
	}
}

/** |input - target|. As `torch.nn.L1Loss`. */
export class L1Loss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.l1Loss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.l1Loss(input, target, this.options);
	}
}

/** Binary cross-entropy of logits. As `torch.nn.BCEWithLogitsLoss`. */
export class BCEWithLogitsLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.binaryCrossEntropyWithLogits> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.binaryCrossEntropyWithLogits(input, target, this.options);
	}
}

/** Quadratic below beta, linear above. As `torch.nn.SmoothL1Loss`. */
export class SmoothL1Loss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.smoothL1Loss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.smoothL1Loss(input, target, this.options);
	}
}

/** Quadratic up to delta, linear above. As `torch.nn.HuberLoss`. */
export class HuberLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.huberLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.huberLoss(input, target, this.options);
	}
}

/** Binary cross-entropy of probabilities. As `torch.nn.BCELoss`. */
export class BCELoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.binaryCrossEntropy> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.binaryCrossEntropy(input, target, this.options);
	}
}

/** target (log(target) - input), for log-probabilities as input. As `torch.nn.KLDivLoss`. */
export class KLDivLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.klDiv> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.klDiv(input, target, this.options);
	}
}

/** Counts against (logarithms of) rates. As `torch.nn.PoissonNLLLoss`. */
export class PoissonNLLLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.poissonNllLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.poissonNllLoss(input, target, this.options);
	}
}

/** Samples against means and variances. As `torch.nn.GaussianNLLLoss`. */
export class GaussianNLLLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.gaussianNllLoss, 3> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor, variance: Tensor): Tensor {
		return losses.gaussianNllLoss(input, target, variance, this.options);
	}
}

/** The input where the target is 1, max(0, margin - input) where it is -1. As `torch.nn.HingeEmbeddingLoss`. */
export class HingeEmbeddingLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.hingeEmbeddingLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.hingeEmbeddingLoss(input, target, this.options);
	}
}

/** How far each class comes within a margin of the target class. As `torch.nn.MultiMarginLoss`. */
export class MultiMarginLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.multiMarginLoss> = {}) {
		super();
	}

	override forward(input: Tensor, target: Tensor): Tensor {
		return losses.multiMarginLoss(input, target, this.options);
	}
}

/** 1 - cosine for like pairs (target 1), max(0, cosine - margin) for unlike ones (-1). As `torch.nn.CosineEmbeddingLoss`. */
export class CosineEmbeddingLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.cosineEmbeddingLoss, 3> = {}) {
		super();
	}

	override forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
		return losses.cosineEmbeddingLoss(input1, input2, target, this.options);
	}
}

/** max(0, margin + |anchor - positive| - |anchor - negative|). As `torch.nn.TripletMarginLoss`. */
export class TripletMarginLoss extends Module {
	constructor(readonly options: OptionsOf<typeof losses.tripletMarginLoss, 3> = {}) {
		super();
	}

	override forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
		return losses.tripletMarginLoss(anchor, positive, negative, this.options);
	}
}

/** Label sequences under all their alignments to the input. As `torch.nn.CTCLoss`. */
export class CTCLoss extends Module {
	constructor(readonly options: losses.CtcOptions = {}) {
		super();
	}

	override forward(logProbs: Tensor, targets: Tensor, inputLengths: losses.Lengths, targetLengths: losses.Lengths): Tensor {
		return losses.ctcLoss(logProbs, targets, inputLengths, targetLengths, this.options);
	}
}

/** The cosine of the angle between vectors along `dim`, 1 by default. As `torch.nn.CosineSimilarity`. */
export class CosineSimilarity extends Module {
	constructor(readonly options: CosineSimilarityOptions = {}) {
		super();
	}

	override forward(x1: Tensor, x2: Tensor): Tensor {
		return cosineSimilarity(x1, x2, this.options);
	}
}
