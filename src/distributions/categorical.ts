/** The categorical distribution. */

import { noGrad } from '../autograd/modes';
import { checkOptions } from '../core/options';
import { broadcastShapes, MAX_RANK, numel } from '../core/shape';
import { full } from '../ops/creation';
import { multinomial } from '../ops/draws';
import { clamp, div, exp, log, mul, neg, to } from '../ops/elementwise';
import { gather } from '../ops/indexing';
import { broadcastTo, movedim, reshape, squeeze, unsqueeze } from '../ops/layout';
import type { Operand } from '../ops/operands';
import { sum } from '../ops/reduce';
import { logSoftmax, softmax } from '../ops/softmax';
import { Tensor } from '../tensor';
import { requireRank } from '../tensorChecks';
import { tidy } from '../tidy';
import { clampProbs, Distribution, oneOf } from './distribution';

/**
 * Draws of positions along the last dim, with probabilities proportional to `probs` or to e^`logits`. Results are int32. As
 * `torch.distributions.Categorical`.
 */
export class Categorical extends Distribution {
	readonly #given: Tensor;
	readonly #isLogits: boolean;

	constructor(parameters: { readonly probs?: Tensor; readonly logits?: Tensor }) {
		checkOptions('Categorical', parameters, ['probs', 'logits']);
		const which = oneOf('Categorical', parameters);
		const given = parameters[which]!;
		requireRank('Categorical', which, given, '[..., C]', 1, MAX_RANK);
		super(given.shape.slice(0, -1));
		this.#given = given;
		this.#isLogits = which === 'logits';
	}

	/** The probabilities, which add up to 1. */
	get probs(): Tensor {
		if (this.#isLogits) return softmax(this.#given, -1);
		return tidy(() => div(this.#given, sum(this.#given, -1, { keepdim: true })));
	}

	/** The logarithms of the probabilities. */
	get logits(): Tensor {
		if (this.#isLogits) return logSoftmax(this.#given, -1);
		return tidy(() => log(clampProbs(this.probs)));
	}

	/** NaN, because positions have no mean. */
	override get mean(): Tensor {
		return full(this.batchShape, Number.NaN, { dtype: this.#given.dtype, device: this.#given.device });
	}

	/** NaN, because positions have no variance. */
	override get variance(): Tensor {
		return this.mean;
	}

	override sample(shape: readonly number[] = []): Tensor {
		const whole = this.extended('Categorical.sample', shape);
		return noGrad(() =>
			tidy(() => {
				const count = numel(shape);
				const rows = reshape(this.probs, [numel(this.batchShape), this.#given.shape.at(-1)!]);
				if (count === 0 || rows.shape[0] === 0) return full(whole, 0, { dtype: 'int32', device: rows.device });
				return reshape(movedim(multinomial(rows, count, { replacement: true }), 1, 0), whole);
			}),
		);
	}

	override logProb(value: Operand): Tensor {
		return tidy(() => {
			const { logits } = this;
			const at = value instanceof Tensor ? value : full([], value, { dtype: 'int32', device: logits.device });
			const shape = broadcastShapes('Categorical.logProb', this.batchShape, at.shape);
			const index = unsqueeze(broadcastTo(to(at, 'int32'), shape), -1);
			return squeeze(gather(broadcastTo(logits, [...shape, logits.shape.at(-1)!]), -1, index), -1);
		});
	}

	override entropy(): Tensor {
		return tidy(() => {
			const { logits } = this;
			// A probability of 0 adds nothing, although its logarithm is infinite.
			return neg(sum(mul(clamp(logits, { min: LOWEST }), exp(logits)), -1));
		});
	}
}

/** Takes the place of -Infinity, because infinity times 0 is NaN. */
const LOWEST = -3e38;
