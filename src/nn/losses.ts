/** Losses as modules: `new nn.CrossEntropyLoss(options).forward(input, target)`. Formulas and options: src/ops/loss. */
import * as losses from '../ops/loss';
import type { Tensor } from '../tensor';
import { Module } from './module';

type OptionsOf<F extends (...args: never[]) => unknown> = NonNullable<Parameters<F>[2]>;

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
