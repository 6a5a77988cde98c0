import { checkOptions } from '../core/options';
import { Dropout, Embedding, LayerNorm, Linear } from '../nn';
import { zerosLike } from '../ops/creation';
import { add, clamp, div, mul, ne, tanh, to } from '../ops/elementwise';
import { narrow, reshape, select, unsqueeze } from '../ops/layout';
import { normalize } from '../ops/norm';
import { sum } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { ACTIVATIONS } from './activations';
import { ConfigReader, type PretrainedConfig } from './config';
import { Dense, Encoder, type EncoderLayerOptions, encoderLayerOptions, SelfAttention } from './encoder';
import { HubModule, PretrainedModel, requireLength } from './hubModule';

/** norm(residual + dropout(x W + b)). */
class Output extends HubModule {
	readonly dense: Linear;
	readonly LayerNorm: LayerNorm;
	readonly dropout: Dropout;

	constructor(inFeatures: number, { width, eps, dropout }: EncoderLayerOptions) {
		super();
		this.dense = new Linear(inFeatures, width);
		this.LayerNorm = new LayerNorm(width, { eps });
		this.dropout = new Dropout(dropout);
	}

	override forward(x: Tensor, residual: Tensor): Tensor {
		return this.LayerNorm.forward(add(this.dropout.forward(this.dense.forward(x)), residual));
	}
}

class Attention extends HubModule {
	readonly self: SelfAttention;
	readonly output: Output;

	constructor(options: EncoderLayerOptions) {
		super();
		this.self = new SelfAttention(options);
		this.output = new Output(options.width, options);
	}

	override forward(x: Tensor, mask: Tensor | null): Tensor {
		return this.output.forward(this.self.forward(x, mask), x);
	}
}

class Layer extends HubModule {
	readonly attention: Attention;
	readonly intermediate: Dense;
	readonly output: Output;

	constructor(options: EncoderLayerOptions) {
		super();
		this.attention = new Attention(options);
		this.intermediate = new Dense(options.width, options.inner, ACTIVATIONS[options.activation]);
		this.output = new Output(options.inner, options);
	}

	override forward(x: Tensor, mask: Tensor | null): Tensor {
		return tidy(() => {
			const attended = this.attention.forward(x, mask);
			return this.output.forward(this.intermediate.forward(attended), attended);
		});
	}
}

interface EmbeddingSizes {
	readonly vocabulary: number;
	readonly positions: number;
	/** The number of token types; 0 without them. */
	readonly types: number;
}

class Embeddings extends HubModule {
	readonly wordEmbeddings: Embedding;
	readonly positionEmbeddings: Embedding;
	readonly tokenTypeEmbeddings: Embedding | null;
	readonly LayerNorm: LayerNorm;
	readonly dropout: Dropout;

	constructor({ vocabulary, positions, types }: EmbeddingSizes, { width, eps, dropout }: EncoderLayerOptions) {
		super();
		this.wordEmbeddings = new Embedding(vocabulary, width);
		this.positionEmbeddings = new Embedding(positions, width);
		this.tokenTypeEmbeddings = types === 0 ? null : new Embedding(types, width);
		this.LayerNorm = new LayerNorm(width, { eps });
		this.dropout = new Dropout(dropout);
	}

	override forward(tokens: Tensor, types: Tensor | null): Tensor {
		const words = this.wordEmbeddings.forward(tokens);
		const kinds = this.tokenTypeEmbeddings?.forward(types ?? zerosLike(tokens));
		const positions = narrow(this.positionEmbeddings.weight, 0, 0, tokens.shape[1]!);
		return this.dropout.forward(this.LayerNorm.forward(add(kinds === undefined ? words : add(words, kinds), positions)));
	}
}

export interface BertCall {
	/** bool or int32 [N, L]: 0 for padding. Default: no padding. */
	readonly attentionMask?: Tensor | null;
	/** int32 [N, L]: the part of the text that each token belongs to. Default: all 0. */
	readonly tokenTypeIds?: Tensor | null;
}

export interface BertOutput {
	/** [N, L, width]. */
	readonly lastHiddenState: Tensor;
	/** [N, width] from the first token, after a layer and tanh; null if the model has no such layer. */
	readonly poolerOutput: Tensor | null;
}

/** Parts of keys in DistilBERT's files, and BERT's. */
const DISTILBERT_KEYS = [
	['transformer.layer.', 'encoder.layer.'],
	['.attention.q_lin.', '.attention.self.query.'],
	['.attention.k_lin.', '.attention.self.key.'],
	['.attention.v_lin.', '.attention.self.value.'],
	['.attention.out_lin.', '.attention.output.dense.'],
	['.sa_layer_norm.', '.attention.output.LayerNorm.'],
	['.ffn.lin1.', '.intermediate.dense.'],
	['.ffn.lin2.', '.output.dense.'],
	['.output_layer_norm.', '.output.LayerNorm.'],
] as const;

/** DistilBERT's fields under BERT's names. */
function asBert(config: PretrainedConfig): PretrainedConfig {
	const { dim, n_layers, n_heads, hidden_dim, activation, dropout, attention_dropout } = config;
	return {
		...config,
		...{ hidden_size: dim, num_hidden_layers: n_layers, num_attention_heads: n_heads, intermediate_size: hidden_dim },
		...{ hidden_act: activation, hidden_dropout_prob: dropout, attention_probs_dropout_prob: attention_dropout },
		...{ type_vocab_size: 0, layer_norm_eps: 1e-12 },
	};
}

export interface BertOptions {
	/** Add the layer for `poolerOutput`. Default: true for BERT, false for DistilBERT. */
	readonly pooler?: boolean;
}

/**
 * Features of tokens, int32 [N, L], from BERT or DistilBERT. `config` has the fields of Hugging Face's BertConfig or DistilBertConfig.
 */
export class BertModel extends PretrainedModel {
	readonly embeddings: Embeddings;
	readonly encoder: Encoder<Layer>;
	readonly pooler: Dense | null;
	readonly maxLength: number;
	private readonly isDistilled: boolean;

	constructor(config: PretrainedConfig, options: BertOptions = {}) {
		super({ model_type: 'bert', ...config });
		checkOptions('BertModel', options, ['pooler']);
		this.isDistilled = config.model_type === 'distilbert';
		const read = new ConfigReader(this.isDistilled ? asBert(config) : config);
		const layer = encoderLayerOptions('BertModel', read, { dropout: 0.1, attentionDropout: 0.1 }, true);
		const { width } = layer;
		this.maxLength = read.count('max_position_embeddings', 512);
		const sizes = { vocabulary: read.count('vocab_size'), positions: this.maxLength, types: read.number('type_vocab_size', 2) };
		this.embeddings = new Embeddings(sizes, layer);
		this.encoder = new Encoder(Array.from({ length: read.count('num_hidden_layers') }, () => new Layer(layer)));
		this.pooler = (options.pooler ?? !this.isDistilled) ? new Dense(width, width, tanh) : null;
	}

	override forward(tokens: Tensor, { attentionMask = null, tokenTypeIds = null }: BertCall = {}): BertOutput {
		requireLength(this, tokens.shape[1] ?? 0, this.maxLength);
		return tidy(() => {
			const mask = attentionMask && reshape(ne(attentionMask, 0), [tokens.shape[0]!, 1, 1, tokens.shape[1]!]);
			const lastHiddenState = this.encoder.forward(this.embeddings.forward(tokens, tokenTypeIds), mask);
			return { lastHiddenState, poolerOutput: this.pooler?.forward(select(lastHiddenState, 1, 0)) ?? null };
		});
	}

	/**
	 * Sentence embeddings, [N, width]: the mean of the tokens' features without padding, scaled to length 1. Reimers and Gurevych 2019. The cosine
	 * similarity of two texts is the dot product of their embeddings.
	 */
	embed(tokens: Tensor, { attentionMask = null, ...call }: BertCall = {}): Tensor {
		return tidy(() => {
			const { lastHiddenState } = this.forward(tokens, { attentionMask, ...call });
			if (attentionMask === null) return normalize(lastHiddenState.mean(1), { dim: 1 });
			const weights = unsqueeze(to(ne(attentionMask, 0), lastHiddenState.dtype), 2);
			const total = clamp(sum(weights, 1), { min: 1e-9 });
			return normalize(div(sum(mul(lastHiddenState, weights), 1), total), { dim: 1 });
		});
	}

	/** Accepts files with a head or a prefix, and the names of norms in old files. */
	override keyOf(key: string): string | null {
		let own = key
			.replace(/^(bert|distilbert)\./, '')
			.replace(/\.gamma$/, '.weight')
			.replace(/\.beta$/, '.bias');
		if (this.isDistilled) for (const [theirs, ours] of DISTILBERT_KEYS) own = own.replace(theirs, ours);
		if (own === 'embeddings.position_ids' || (own.startsWith('pooler.') && this.pooler === null)) return null;
		return /^(embeddings|encoder|pooler)\./.test(own) ? own : null;
	}

	override fileKeyOf(key: string): string {
		return this.isDistilled ? DISTILBERT_KEYS.reduce((name, [theirs, ours]) => name.replace(ours, theirs), key) : key;
	}
}
