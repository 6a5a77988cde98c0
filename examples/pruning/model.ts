/** The network of the digits, without some of its channels. */
import { nn } from 'wgrad';
import { mnistCnn } from '../mnist/model';

/** The layers with weights. */
export const weighted = (model: nn.Sequential) => model.layers.filter((layer) => layer.ownParameters().length > 0);

/** Prunes output channels of all layers but the last, with their biases. */
export async function pruneChannels(model: nn.Sequential, sparsity: number): Promise<void> {
	for (const layer of weighted(model).slice(0, -1)) {
		await nn.prune.lnStructured(layer, 'weight', sparsity, 2, 0);
		const mask = layer.buffer('weight_mask');
		nn.prune.customFromMask(layer, 'bias', mask.reshape([mask.shape[0]!, -1]).amax(1));
	}
}

/** A copy of a model that `pruneChannels` has pruned. */
export function masked(model: nn.Sequential): nn.Sequential {
	const copy = mnistCnn();
	for (const layer of weighted(copy).slice(0, -1)) for (const name of ['weight', 'bias']) nn.prune.identity(layer, name);
	copy.loadStateDict(model.stateDict());
	return copy.eval();
}
