/** What all distributions share. */
import { noGrad } from '../autograd/modes';
import { wrongArgument } from '../core/checks';
import { isFloating, requireFloating } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { broadcastShapes, checkShape, type Shape } from '../core/shape';
import { full } from '../ops/creation';
import { clamp } from '../ops/elementwise';
import { broadcastTo } from '../ops/layout';
import { type Operand, promote } from '../ops/operands';
import { Tensor } from '../tensor';
import { requireFloatingTensor } from '../tensorChecks';
import { keep, tidy } from '../tidy';

/** A batch of probability distributions. As `torch.distributions.Distribution`. */
export abstract class Distribution {
	constructor(
		/** The shape of the parameters, which is that of one draw. */
		readonly batchShape: Shape,
	) {}

	abstract get mean(): Tensor;
	abstract get variance(): Tensor;

	/** Draws [...shape, ...batchShape] without a gradient. */
	sample(shape: readonly number[] = []): Tensor {
		return noGrad(() => this.rsample(shape));
	}

	/** Draws with a gradient by the parameters. Throws for distributions that have none. */
	rsample(_shape: readonly number[] = []): Tensor {
		throw new ArgumentError(
			`${this.constructor.name}.rsample: draws of this distribution have no gradient. Use sample() and logProb()`,
		);
	}

	/** The logarithm of the density, or of the probability, at `value`. */
	abstract logProb(value: Operand): Tensor;
	abstract entropy(): Tensor;

	protected extended(operation: string, shape: readonly number[]): number[] {
		checkShape(operation, shape);
		return [...shape, ...this.batchShape];
	}
}

/** Two parameters as floating tensors of one dtype, broadcast to one shape. */
export function parametersOf(
	name: string,
	given: Readonly<Record<string, Operand>>,
): readonly [first: Tensor, second: Tensor, shape: Shape] {
	for (const [argument, value] of Object.entries(given))
		if (typeof value !== 'number' && !(value instanceof Tensor))
			throw wrongArgument(name, argument, 'a tensor or a number', value);
	const values = Object.values(given);
	const like = values.find((value) => value instanceof Tensor);
	const options =
		like === undefined ? {} : { dtype: isFloating(like.dtype) ? like.dtype : ('float32' as const), device: like.device };
	const tensors = values.map((value) => (value instanceof Tensor ? value : full([], value, options)));
	return tidy(() => {
		const [a, b] = promote(name, ...tensors) as [Tensor, Tensor];
		requireFloating(name, a.dtype, 'parameters');
		const shape = broadcastShapes(name, a.shape, b.shape);
		return [keep(broadcastTo(a, shape)), keep(broadcastTo(b, shape)), shape] as const;
	});
}

/** The name of the parameter that is given: exactly one of two. */
export function oneOf(name: string, given: { readonly probs?: Tensor; readonly logits?: Tensor }): 'probs' | 'logits' {
	if ((given.probs === undefined) === (given.logits === undefined))
		throw new ArgumentError(`${name}: give either probs or logits`);
	const which = given.probs === undefined ? 'logits' : 'probs';
	requireFloatingTensor(name, given[which], which);
	return which;
}

/** The least distance of a probability from 0 and 1 for its logarithm, as in PyTorch: an epsilon of float32. */
const EPSILON = 2 ** -23;

/** Keeps probabilities away from 0 and 1, so that their logarithms are finite. */
export function clampProbs(probs: Tensor): Tensor {
	return clamp(probs, EPSILON, 1 - EPSILON);
}
