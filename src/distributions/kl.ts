/** Kullback-Leibler divergences. */
import { ArgumentError } from '../core/errors';
import { add, clamp, div, exp, log, logSigmoid, mul, neg, square, sub } from '../ops/elementwise';
import { sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Bernoulli } from './bernoulli';
import { Categorical } from './categorical';
import type { Distribution } from './distribution';
import { Normal } from './normal';

/** KL(p || q), for two distributions of one class. As `torch.distributions.kl_divergence`. */
export function klDivergence(p: Distribution, q: Distribution): Tensor {
	return tidy(() => {
		if (p instanceof Normal && q instanceof Normal) {
			const ratio = square(div(p.scale, q.scale));
			const distance = square(div(sub(p.loc, q.loc), q.scale));
			return mul(sub(add(ratio, distance), add(log(ratio), 1)), 0.5);
		}
		if (p instanceof Bernoulli && q instanceof Bernoulli) {
			const [a, b] = [p.logits, q.logits];
			const ones = mul(p.probs, sub(logSigmoid(a), logSigmoid(b)));
			return add(ones, mul(sub(1, p.probs), sub(logSigmoid(neg(a)), logSigmoid(neg(b)))));
		}
		if (p instanceof Categorical && q instanceof Categorical) {
			const [a, b] = [p.logits, q.logits];
			return sum(mul(exp(a), sub(clamp(a, { min: LOWEST }), clamp(b, { min: LOWEST }))), -1);
		}
		throw new ArgumentError(
			`klDivergence: takes two Normal, two Bernoulli or two Categorical distributions, not ${nameOf(p)} and ${nameOf(q)}`,
		);
	});
}

/** Half of the lowest float32, so that a difference is finite and its product with a probability of 0 is 0. */
const LOWEST = -1.5e38;

function nameOf(value: unknown): string {
	return (value as object | null)?.constructor?.name ?? String(value);
}
