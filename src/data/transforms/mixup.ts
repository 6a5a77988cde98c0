/** Mixup: mixes each sample with another one. */
import { noGrad } from '../../autograd/modes';
import { requireCounts, requireFinite, requirePositive } from '../../core/checks';
import { isFloating } from '../../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { defaultGenerator } from '../../core/generator';
import { checkOptions } from '../../core/options';
import { randomPermutation } from '../../core/philox';
import { tensor } from '../../ops/creation';
import { add, mul, to } from '../../ops/elementwise';
import { indexSelect, oneHot } from '../../ops/indexing';
import type { Tensor } from '../../tensor';
import { requireRank, requireTensor } from '../../tensorChecks';
import { tidy } from '../../tidy';
import { Draws, perSample, requireImages, type Transform } from './transform';

export interface MixupOptions {
	/** The number of classes, for integer targets [N]. They become probabilities [N, numClasses]. */
	readonly numClasses?: number;
}

/** A standard normal number by the Box-Muller transform. */
function normal(draws: Draws): number {
	const radius = Math.sqrt(-2 * Math.log(1 - draws.uniform()));
	return radius * Math.cos(2 * Math.PI * draws.uniform());
}

/**
 * The logarithm of a number from Gamma(shape, 1), Marsaglia and Tsang 2000. Shapes below 1 use their boost; the logarithm avoids underflow.
 */
function logGamma(draws: Draws, shape: number): number {
	if (shape < 1) return logGamma(draws, shape + 1) + Math.log(1 - draws.uniform()) / shape;
	const d = shape - 1 / 3;
	const c = 1 / Math.sqrt(9 * d);
	for (;;) {
		const x = normal(draws);
		const v = (1 + c * x) ** 3;
		if (v <= 0) continue;
		if (Math.log(1 - draws.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v);
	}
}

/** A number from Beta(alpha, alpha). */
function beta(draws: Draws, alpha: number): number {
	const difference = logGamma(draws, alpha) - logGamma(draws, alpha);
	return 1 / (1 + Math.exp(-difference));
}

/** Converts targets to numbers that can be mixed: classes to one-hot rows. Floating targets stay as they are. */
function softTargets(target: Tensor, numClasses: number | undefined, dtype: Tensor['dtype']): Tensor {
	if (isFloating(target.dtype)) return target;
	if (target.dtype === 'bool') return to(target, dtype);
	if (numClasses === undefined) {
		throw new ArgumentError(
			`mixup: targets are classes (${target.dtype}), which cannot be mixed. Pass numClasses to get probabilities [N, numClasses]`,
		);
	}
	requireRank('mixup', 'classes', target, '[N] (probabilities come as float32)', 1);
	return to(oneHot(target, numClasses), dtype);
}

/**
 * Replaces each image and target by lambda * own + (1 - lambda) * other, with a lambda from Beta(alpha, alpha) per sample. The others are a
 * random permutation of the batch. Integer targets become rows of probabilities, which `crossEntropy` takes. Zhang et al. 2017: "mixup:
 * Beyond empirical risk minimization".
 */
export function mixup(alpha: number, options: MixupOptions = {}): Transform {
	const { numClasses } = checkOptions('mixup', options, ['numClasses']);
	requireFinite('mixup', 'alpha', alpha);
	requirePositive('mixup', 'alpha', alpha);
	if (numClasses !== undefined) requireCounts('mixup', { numClasses }, 1);
	return (batch, { generator = defaultGenerator } = {}) => {
		const images = requireImages('mixup', batch);
		if (batch.length !== 2)
			throw new ArgumentError(`mixup: it takes batches of images and targets, [x, y], not of ${batch.length} fields`);
		const target: unknown = batch[1];
		requireTensor('mixup', target, 'the target');
		const count = images.shape[0]!;
		if (target.ndim === 0 || target.shape[0] !== count)
			throw new ShapeError(`mixup: ${count} images and targets ${formatShape(target.shape)} are not a batch`);
		const draws = new Draws(generator.next());
		const order = randomPermutation(generator.next(), count);
		const lambdas = Array.from({ length: count }, () => beta(draws, alpha));
		return noGrad(() =>
			tidy(() => {
				const others = tensor(order, { device: images.device });
				const soft = softTargets(target, numClasses, images.dtype);
				return [images, soft].map((x) => {
					const shape = [count, ...new Array<number>(x.ndim - 1).fill(1)];
					const rests = lambdas.map((lambda) => 1 - lambda);
					return add(mul(x, perSample(x, lambdas, shape)), mul(indexSelect(x, 0, others), perSample(x, rests, shape)));
				});
			}),
		);
	};
}
