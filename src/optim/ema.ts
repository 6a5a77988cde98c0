/** Exponential moving averages of weights. */

import { noGrad } from '../autograd/modes';
import type { Backend } from '../backends/contract';
import { optimizerKernels } from '../backends/kernels';
import { live, witness } from '../core/capture';
import { requireFraction } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { sameShape } from '../core/shape';
import { checkState, isCount, isListOf } from '../core/state';
import { copy_ } from '../ops/inplace';
import { clone, detach } from '../ops/layout';
import { markWritten, packed, Tensor } from '../tensor';
import { requireParameters } from '../tensorChecks';
import { keep, tidy } from '../tidy';

export interface EMAOptions {
	/** The weight of the old average in an update. Default 0.999. */
	readonly decay?: number;
	/** Use min(decay, n / (n + 9)) at update n, so that the average soon forgets the initial weights. Default false. */
	readonly warmup?: boolean;
}

/** Plain data. The tensors are clones. */
export interface EMAState {
	readonly updates: number;
	readonly averages: readonly Tensor[];
}

/**
 * Exponential moving average of weights: average = decay average + (1 - decay) weight at every `update()`, in few launches.
 * Evaluate between two calls of `swap()`. As `torch.optim.swa_utils.AveragedModel` with `get_ema_avg_fn`, for parameters only: buffers such
 * as running statistics belong to the weights that produced them.
 */
export class EMA {
	readonly decay: number;
	readonly warmup: boolean;
	readonly #params: readonly Tensor[];
	readonly #averages: readonly Tensor[];
	#updates = 0;
	#swapped = false;

	/** The averages start as the current weights. */
	constructor(params: Iterable<Tensor>, options: EMAOptions = {}) {
		const { decay = 0.999, warmup = false } = checkOptions('EMA', options, ['decay', 'warmup']);
		requireFraction('EMA', 'decay', decay);
		this.decay = decay;
		this.warmup = warmup;
		this.#params = requireParameters('EMA', params);
		if (this.#params.length === 0) throw new ArgumentError('EMA: the list of parameters is empty; pass model.parameters()');
		this.#averages = noGrad(() => this.#params.map((param) => keep(clone(detach(param)))));
	}

	/** The averages, in the order of the parameters. Between two calls of `swap()`, the weights instead. */
	get averages(): readonly Tensor[] {
		return this.#averages;
	}

	/** Adds the current weights to the averages. Call it after `optimizer.step()`. */
	update(): void {
		if (this.#swapped) throw new ArgumentError('EMA.update: the model holds the averages; call swap() again first');
		live(this, 'update', () => this.#update());
	}

	#update(): void {
		this.#updates++;
		const decay = this.warmup ? Math.min(this.decay, this.#updates / (this.#updates + 9)) : this.decay;
		runOperation('EMA.update', () => {
			const averages = this.#averages;
			const copies: Tensor[] = [];
			const lists = new Map<Backend, { params: Tensor[]; averages: Tensor[] }>();
			this.#params.forEach((param, i) => {
				const { backend } = param;
				const list = lists.get(backend) ?? { params: [], averages: [] };
				lists.set(backend, list);
				const weights = packed(param);
				if (weights !== param) copies.push(weights);
				list.params.push(weights);
				list.averages.push(averages[i]!);
			});
			for (const [backend, list] of lists)
				optimizerKernels(backend).emaStep({ params: list.params }, { averages: list.averages }, { decay });
			for (const { params } of lists.values())
				for (const weights of params) if (!this.#params.includes(weights)) weights.dispose();
		});
		for (const average of this.#averages) markWritten(average, 'EMA.update');
	}

	/** Exchanges weights and averages exactly. The model has the averages until the next call. */
	swap(): void {
		witness?.refuse('EMA.swap changes the host');
		this.#swapped = !this.#swapped;
		noGrad(() =>
			tidy(() => {
				this.#params.forEach((param, i) => {
					const weights = clone(detach(param));
					copy_(param, this.#averages[i]!);
					copy_(this.#averages[i]!, weights);
				});
			}),
		);
	}

	/** Copies the averages into `params`, by default the parameters themselves. Cannot be undone. */
	copyTo(params: Iterable<Tensor> = this.#params): void {
		const targets = [...params];
		if (targets.length !== this.#params.length || targets.some(({ shape }, i) => !sameShape(shape, this.#params[i]!.shape)))
			throw new ArgumentError('EMA.copyTo: the tensors must match the parameters in number and shapes');
		noGrad(() => {
			for (const [i, target] of targets.entries()) copy_(target, this.#averages[i]!);
		});
	}

	stateDict(): EMAState {
		const averages = noGrad(() => this.#averages.map((average) => clone(average)));
		return { updates: this.#updates, averages };
	}

	/**
	 * What `loadStateDict` would throw. Changes nothing.
	 *
	 * @internal
	 */
	requireLoadable(state: EMAState): void {
		const { averages } = checkState<EMAState>('EMA.loadStateDict', state, {
			updates: isCount,
			averages: isListOf((average) => average instanceof Tensor),
		});
		if (averages.length !== this.#averages.length || averages.some(({ shape }, i) => !sameShape(shape, this.#averages[i]!.shape)))
			throw new ArgumentError('EMA.loadStateDict: the averages must match the parameters in number and shapes');
	}

	loadStateDict(state: EMAState): void {
		this.requireLoadable(state);
		this.#updates = state.updates;
		noGrad(() => {
			for (const [i, average] of state.averages.entries()) copy_(this.#averages[i]!, average);
		});
	}

	/** Frees the averages. */
	dispose(): void {
		for (const average of this.#averages) average.dispose();
	}
}
