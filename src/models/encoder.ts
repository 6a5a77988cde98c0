/** What BERT and ViT share: self-attention of whole sequences, a dense layer, and a stack of layers. */
import { Linear, type Module, ModuleList } from '../nn';
import { scaledDotProductAttention } from '../ops/attention';
import type { Tensor } from '../tensor';
import type { ActivationName } from './activations';
import { mergeHeads, splitHeads } from './heads';
import { HubModule } from './hubModule';

export interface EncoderLayerOptions {
	readonly width: number;
	readonly heads: number;
	readonly inner: number;
	readonly activation: ActivationName;
	readonly eps: number;
	readonly dropout: number;
	readonly attentionDropout: number;
	/** Biases of the projections to queries, keys and values. */
	readonly qkvBias: boolean;
}

export class SelfAttention extends HubModule {
	readonly query: Linear;
	readonly key: Linear;
	readonly value: Linear;

	constructor(readonly options: EncoderLayerOptions) {
		super();
		const { width, qkvBias: bias } = options;
		this.query = new Linear(width, width, { bias });
		this.key = new Linear(width, width, { bias });
		this.value = new Linear(width, width, { bias });
	}

	override forward(x: Tensor, attnMask: Tensor | null = null): Tensor {
		const { heads, attentionDropout } = this.options;
		const [q, k, v] = [this.query, this.key, this.value].map((part) => splitHeads(part.forward(x), heads)) as [
			Tensor,
			Tensor,
			Tensor,
		];
		return mergeHeads(scaledDotProductAttention(q, k, v, { attnMask, dropoutP: this.training ? attentionDropout : 0 }));
	}
}

/** A linear layer under the name `dense`, and a function of its output. */
export class Dense extends HubModule {
	readonly dense: Linear;

	constructor(
		inFeatures: number,
		outFeatures: number,
		readonly activation: (x: Tensor) => Tensor = (x) => x,
	) {
		super();
		this.dense = new Linear(inFeatures, outFeatures);
	}

	override forward(x: Tensor): Tensor {
		return this.activation(this.dense.forward(x));
	}
}

/** Layers one after the other. Each takes the output of the one before, and the mask. */
export class Encoder<L extends Module & { forward(x: Tensor, mask: Tensor | null): Tensor }> extends HubModule {
	readonly layer: ModuleList<L>;

	constructor(layers: readonly L[]) {
		super();
		this.layer = new ModuleList(layers);
	}

	override forward(x: Tensor, mask: Tensor | null = null): Tensor {
		return this.layer.items.reduce((y, layer) => layer.forward(y, mask), x);
	}
}
