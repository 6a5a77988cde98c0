/** What BERT and ViT share: self-attention of whole sequences, a dense layer, and a stack of layers. */
import { ArgumentError } from '../core/errors';
import { Linear, type Module, ModuleList } from '../nn';
import { scaledDotProductAttention } from '../ops/attention';
import type { Tensor } from '../tensor';
import { ACTIVATION_NAMES, type ActivationName } from './activations';
import type { ConfigReader } from './config';
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
	/** Whether the projections to queries, keys and values have biases. */
	readonly qkvBias: boolean;
}

/** The options of the layers in a configuration of Hugging Face. Errors name `model`. */
export function encoderLayerOptions(
	model: string,
	read: ConfigReader,
	defaults: Pick<EncoderLayerOptions, 'dropout' | 'attentionDropout'>,
	qkvBias: boolean,
): EncoderLayerOptions {
	const [width, heads] = [read.count('hidden_size'), read.count('num_attention_heads')];
	if (width % heads !== 0)
		throw new ArgumentError(`${model}: hidden_size ${width} does not divide into num_attention_heads ${heads}`);
	return {
		width,
		heads,
		inner: read.count('intermediate_size'),
		activation: read.oneOf('hidden_act', ACTIVATION_NAMES, 'gelu'),
		eps: read.number('layer_norm_eps', 1e-12),
		dropout: read.number('hidden_dropout_prob', defaults.dropout),
		attentionDropout: read.number('attention_probs_dropout_prob', defaults.attentionDropout),
		qkvBias,
	};
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
