/** The attention weights of any model, whichever layer computes them. */
import { ArgumentError } from '../core/errors';
import { Module } from '../nn/module';
import { observeAttention } from '../ops/attention';
import { detach } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { keep, tidy } from '../tidy';
import { call, type Inputs, type Interpretable, inInference, listOf, requireModel } from './model';

export interface AttentionMap {
	/** The path of the module that attended, such as 'transformer.h.0.attn'; '' for the model itself or a function. */
	readonly path: string;
	/** [N, heads, L, S]: how much query l attends to key s. A row sums to 1. */
	readonly weights: Tensor;
}

/**
 * The attention weights of one forward pass, in the order in which the model attends. Takes every model whose attention is
 * `scaledDotProductAttention` or `nn.MultiheadAttention`: it computes the weights, which the fused kernels never store, and changes nothing
 * else. Throws an ArgumentError if the model does not attend.
 */
export function attentionMaps(model: Interpretable, input: Inputs): AttentionMap[] {
	requireModel('attentionMaps', model);
	const inputs = listOf('attentionMaps', input);
	for (const each of inputs) requireTensor('attentionMaps', each);
	return tidy(() =>
		inInference(model, () => {
			const found: AttentionMap[] = [];
			const running: string[] = [];
			const modules = model instanceof Module ? model.namedModules() : [];
			const hooks = modules.flatMap(([path, module]) => [
				module.registerForwardPreHook(() => void running.push(path)),
				module.registerForwardHook(() => void running.pop()),
			]);
			const stop = observeAttention((weights) => found.push({ path: running.at(-1) ?? '', weights: keep(detach(weights)) }));
			try {
				tidy(() => void call(model, inputs));
				if (found.length === 0)
					throw new ArgumentError(
						'attentionMaps: the model did not attend. It must use scaledDotProductAttention or nn.MultiheadAttention, and not run as compiled',
					);
				return found.map(({ path, weights }) => ({ path, weights: detach(weights) }));
			} finally {
				stop();
				for (const hook of hooks) hook.remove();
				for (const { weights } of found) weights.dispose();
			}
		}),
	);
}
