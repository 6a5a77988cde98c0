/** Regression metrics. Predictions and targets are [N] or [N, D]. Definitions are scikit-learn's. */
import { noGrad } from '../autograd/modes';
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { sameShape } from '../core/shape';
import { abs, add, mul, square, sub, to } from '../ops/elementwise';
import { clone, reshape } from '../ops/layout';
import { mean, sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { keep, tidy } from '../tidy';
import { countIn, DeviceSum, MeanMetric, type Metric, type MetricState, once, requirePair, sumIn } from './metric';

/** Returns both as [N, D], the target in the prediction's dtype. */
function pair(name: string, prediction: Tensor, target: Tensor): readonly [prediction: Tensor, target: Tensor] {
	requirePair(name, prediction, target);
	if (!sameShape(prediction.shape, target.shape) || prediction.ndim < 1 || prediction.ndim > 2) {
		throw new ShapeError(
			`${name}: prediction and target must both be [N] or both [N, D], not ${formatShape(prediction.shape)} and ${formatShape(target.shape)}`,
		);
	}
	if (!isFloating(prediction.dtype)) throw new ArgumentError(`${name}: prediction must be floating, not ${prediction.dtype}`);
	const shape = [prediction.shape[0]!, prediction.shape[1] ?? 1];
	return [reshape(prediction, shape), reshape(to(target, prediction.dtype), shape)];
}

abstract class MeanError extends MeanMetric {
	protected abstract error(difference: Tensor): Tensor;

	protected override sumOf(prediction: Tensor, target: Tensor): Tensor {
		const [predicted, wanted] = pair(this.constructor.name, prediction, target);
		return sum(this.error(sub(predicted, wanted)));
	}
}

/** Mean of the squared differences. As `mean_squared_error`. */
export class MeanSquaredError extends MeanError {
	protected override error(difference: Tensor): Tensor {
		return square(difference);
	}
}

export function meanSquaredError(prediction: Tensor, target: Tensor): Promise<number> {
	return once(new MeanSquaredError(), prediction, target);
}

/** Mean of the absolute differences. As `mean_absolute_error`. */
export class MeanAbsoluteError extends MeanError {
	protected override error(difference: Tensor): Tensor {
		return abs(difference);
	}
}

export function meanAbsoluteError(prediction: Tensor, target: Tensor): Promise<number> {
	return once(new MeanAbsoluteError(), prediction, target);
}

/**
 * 1 - sum (target - prediction)^2 / sum (target - mean)^2, averaged over columns. Constant targets give 1 for exact predictions, otherwise
 * 0. Fewer than two samples give NaN. Merges means and deviations of batches by Chan, Golub and LeVeque 1979, to avoid cancellation. As
 * `r2_score`.
 */
export class R2Score implements Metric<number> {
	readonly #residuals = new DeviceSum();
	/** Moments of the targets minus a pivot, the first batch's mean: far from zero, float32 loses small differences between means. */
	#moments: { readonly pivot: Tensor; readonly mean: Tensor; readonly deviations: Tensor } | null = null;
	#count = 0;

	update(prediction: Tensor, target: Tensor): void {
		tidy(() => pair('R2Score', prediction, target));
		const rows = target.shape[0]!;
		if (rows === 0) return;
		const weight = rows / (this.#count + rows);
		const before = this.#count;
		const next = noGrad(() =>
			tidy(() => {
				const [predicted, wanted] = pair('R2Score', prediction, target);
				this.#residuals.add(sum(square(sub(predicted, wanted)), 0));
				const pivot = this.#moments?.pivot ?? mean(wanted, 0);
				const shifted = sub(wanted, pivot);
				const center = mean(shifted, 0);
				const deviations = sum(square(sub(shifted, center)), 0);
				if (this.#moments === null) return { pivot, mean: center, deviations };
				const shift = sub(center, this.#moments.mean);
				const between = mul(square(shift), before * weight);
				return {
					pivot: clone(pivot),
					mean: add(this.#moments.mean, mul(shift, weight)),
					deviations: add(add(this.#moments.deviations, deviations), between),
				};
			}),
		);
		this.#release();
		for (const tensor of Object.values(next)) keep(tensor);
		this.#moments = next;
		this.#count += rows;
	}

	#release(): void {
		for (const tensor of Object.values(this.#moments ?? {})) tensor.dispose();
		this.#moments = null;
	}

	async compute(): Promise<number> {
		const residuals = await this.#residuals.read();
		if (this.#moments === null || this.#count < 2) return Number.NaN;
		const deviations = await this.#moments.deviations.data();
		const scores = residuals.map((residual, d) => {
			if (deviations[d] === 0) return residual === 0 ? 1 : 0;
			return 1 - residual / deviations[d]!;
		});
		return scores.reduce((total, score) => total + score, 0) / scores.length;
	}

	reset(): void {
		this.#residuals.reset();
		this.#release();
		this.#count = 0;
	}

	stateDict(): MetricState {
		const moments = noGrad(() => Object.entries(this.#moments ?? {}).map(([name, tensor]) => [name, clone(tensor)]));
		return { count: this.#count, residuals: this.#residuals.state(), ...Object.fromEntries(moments) };
	}

	loadStateDict(state: MetricState): void {
		const count = countIn('R2Score', state);
		const names = ['residuals', 'pivot', 'mean', 'deviations'];
		const [residuals, pivot, mean, deviations] = names.map((key) => sumIn('R2Score', state, key, 1));
		const complete = residuals && pivot && mean && deviations;
		if (!complete && (residuals || pivot || mean || deviations || count > 0))
			throw new ArgumentError(`R2Score: the state must have all of ${names.join(', ')}, or none of them and no samples`);
		this.reset();
		if (!complete) return;
		this.#count = count;
		this.#residuals.restore(residuals);
		this.#moments = { pivot: keep(pivot), mean: keep(mean), deviations: keep(deviations) };
	}
}

export function r2Score(prediction: Tensor, target: Tensor): Promise<number> {
	return once(new R2Score(), prediction, target);
}
