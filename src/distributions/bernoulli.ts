/** The Bernoulli distribution. */
import { noGrad } from '../autograd/modes';
import { checkOptions } from '../core/options';
import { broadcastShapes } from '../core/shape';
import { full } from '../ops/creation';
import { log, mul, neg, sigmoid, sub } from '../ops/elementwise';
import { broadcastTo, expand } from '../ops/layout';
import { binaryCrossEntropyWithLogits } from '../ops/loss';
import type { Operand } from '../ops/operands';
import { bernoulli } from '../ops/random';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { clampProbs, Distribution, oneOf } from './distribution';

/** Draws of 1 with probability `probs`, or sigmoid(`logits`), else 0. As `torch.distributions.Bernoulli`. */
export class Bernoulli extends Distribution {
	readonly #given: Tensor;
	readonly #isLogits: boolean;

	constructor(parameters: { readonly probs?: Tensor; readonly logits?: Tensor }) {
		checkOptions('Bernoulli', parameters, ['probs', 'logits']);
		const which = oneOf('Bernoulli', parameters);
		super(parameters[which]!.shape);
		this.#given = parameters[which]!;
		this.#isLogits = which === 'logits';
	}

	get probs(): Tensor {
		return this.#isLogits ? sigmoid(this.#given) : this.#given;
	}

	get logits(): Tensor {
		if (this.#isLogits) return this.#given;
		return tidy(() => {
			const p = clampProbs(this.#given);
			return sub(log(p), log(sub(1, p)));
		});
	}

	override get mean(): Tensor {
		return this.probs;
	}

	override get variance(): Tensor {
		return tidy(() => {
			const p = this.probs;
			return mul(p, sub(1, p));
		});
	}

	override sample(shape: readonly number[] = []): Tensor {
		return noGrad(() => tidy(() => bernoulli(expand(this.probs, this.extended('Bernoulli.sample', shape)))));
	}

	override logProb(value: Operand): Tensor {
		return tidy(() => {
			const { logits } = this;
			const { dtype, device } = logits;
			const at = value instanceof Tensor ? value : full([], value, { dtype, device });
			const shape = broadcastShapes('Bernoulli.logProb', logits.shape, at.shape);
			return neg(binaryCrossEntropyWithLogits(broadcastTo(logits, shape), broadcastTo(at, shape), { reduction: 'none' }));
		});
	}

	override entropy(): Tensor {
		return tidy(() => binaryCrossEntropyWithLogits(this.logits, this.probs, { reduction: 'none' }));
	}
}
