/**
 * Llama and decoders of its shape (Mistral, Qwen2, SmolLM): root-mean-square norms, rotary positions, grouped heads, SwiGLU. Touvron et al.
 * 2023. Keys are those of Hugging Face's LlamaForCausalLM.
 */
import { ArgumentError } from '../core/errors';
import { Embedding, type KVCache, Linear, ModuleList, RMSNorm, RotaryPositions, type RotaryScaling } from '../nn';
import { add, mul } from '../ops/elementwise';
import { linear } from '../ops/matmul';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { ACTIVATION_NAMES, ACTIVATIONS, type ActivationName } from './activations';
import { type CacheSizes, CausalModel, type DecoderCall } from './causalModel';
import { ConfigReader, type PretrainedConfig } from './config';
import { attendCausally, mergeHeads, splitHeads } from './heads';
import { HubModule } from './hubModule';

interface LayerOptions {
	readonly width: number;
	readonly heads: number;
	readonly groups: number;
	readonly headSize: number;
	readonly inner: number;
	readonly activation: ActivationName;
	readonly eps: number;
	/** Whether the projections to queries, keys, values and the output have biases. */
	readonly biases: readonly [inward: boolean, outward: boolean];
	readonly mlpBias: boolean;
}

class Attention extends HubModule {
	readonly qProj: Linear;
	readonly kProj: Linear;
	readonly vProj: Linear;
	readonly oProj: Linear;

	constructor(
		readonly options: LayerOptions,
		/** Shared by all layers. It has no state. */
		readonly rotaryEmb: RotaryPositions,
	) {
		super();
		const { width, heads, groups, headSize, biases } = options;
		this.qProj = new Linear(width, heads * headSize, { bias: biases[0] });
		this.kProj = new Linear(width, groups * headSize, { bias: biases[0] });
		this.vProj = new Linear(width, groups * headSize, { bias: biases[0] });
		this.oProj = new Linear(heads * headSize, width, { bias: biases[1] });
	}

	override forward(x: Tensor, call: DecoderCall, cache: KVCache | null): Tensor {
		const { heads, groups } = this.options;
		const turned = (y: Tensor) =>
			this.rotaryEmb.forward(y, call.step === null ? { offset: call.earlier } : { positions: call.step.position });
		const query = turned(splitHeads(this.qProj.forward(x), heads));
		const key = turned(splitHeads(this.kProj.forward(x), groups));
		const value = splitHeads(this.vProj.forward(x), groups);
		return this.oProj.forward(mergeHeads(attendCausally(query, key, value, call, cache)));
	}
}

class Mlp extends HubModule {
	readonly gateProj: Linear;
	readonly upProj: Linear;
	readonly downProj: Linear;

	constructor(readonly options: LayerOptions) {
		super();
		const { width, inner, mlpBias: bias } = options;
		this.gateProj = new Linear(width, inner, { bias });
		this.upProj = new Linear(width, inner, { bias });
		this.downProj = new Linear(inner, width, { bias });
	}

	override forward(x: Tensor): Tensor {
		return this.downProj.forward(mul(ACTIVATIONS[this.options.activation](this.gateProj.forward(x)), this.upProj.forward(x)));
	}
}

class Layer extends HubModule {
	readonly selfAttn: Attention;
	readonly mlp: Mlp;
	readonly inputLayernorm: RMSNorm;
	readonly postAttentionLayernorm: RMSNorm;

	constructor(options: LayerOptions, rotary: RotaryPositions) {
		super();
		const { width, eps } = options;
		this.selfAttn = new Attention(options, rotary);
		this.mlp = new Mlp(options);
		this.inputLayernorm = new RMSNorm(width, { eps });
		this.postAttentionLayernorm = new RMSNorm(width, { eps });
	}

	override forward(x: Tensor, call: DecoderCall, cache: KVCache | null): Tensor {
		return tidy(() => {
			const attended = add(x, this.selfAttn.forward(this.inputLayernorm.forward(x), call, cache));
			return add(attended, this.mlp.forward(this.postAttentionLayernorm.forward(attended)));
		});
	}
}

class Decoder extends HubModule {
	readonly embedTokens: Embedding;
	readonly layers: ModuleList<Layer>;
	readonly norm: RMSNorm;

	constructor(sizes: { vocabulary: number; layers: number }, options: LayerOptions, rotary: RotaryPositions) {
		super();
		this.embedTokens = new Embedding(sizes.vocabulary, options.width);
		this.layers = new ModuleList(Array.from({ length: sizes.layers }, () => new Layer(options, rotary)));
		this.norm = new RMSNorm(options.width, { eps: options.eps });
	}

	override forward(tokens: Tensor, call: DecoderCall): Tensor {
		let x = this.embedTokens.forward(tokens);
		for (const [i, layer] of this.layers.items.entries()) x = layer.forward(x, call, call.caches?.[i] ?? null);
		return this.norm.forward(x);
	}
}

/** The most positions of a model by default: tables for a whole context of 131,072 tokens would take more memory than small models. */
const MOST_POSITIONS = 4096;

export interface LlamaOptions {
	/** The largest number of tokens that the model sees. Default: `max_position_embeddings`, at most 4096. */
	readonly maxLength?: number;
}

/** Llama with its language head. `config` has the fields of Hugging Face's LlamaConfig, MistralConfig or Qwen2Config. */
export class LlamaForCausalLM extends CausalModel {
	readonly model: Decoder;
	/** null if the logits come from the token table. */
	readonly lmHead: Linear | null;
	readonly maxLength: number;
	protected readonly cacheSizes: CacheSizes;
	protected override readonly window: number | null;

	constructor(config: PretrainedConfig, options: LlamaOptions = {}) {
		super({ model_type: 'llama', ...config });
		const read = new ConfigReader(config);
		const [width, heads, layers] = [
			read.count('hidden_size'),
			read.count('num_attention_heads'),
			read.count('num_hidden_layers'),
		];
		const groups = read.count('num_key_value_heads', heads);
		const headSize = read.count('head_dim', width / heads);
		if (heads % groups !== 0)
			throw new ArgumentError(
				`LlamaForCausalLM: num_attention_heads ${heads} must be a multiple of num_key_value_heads ${groups}`,
			);
		const kind = read.oneOf('model_type', ['llama', 'mistral', 'qwen2'], 'llama');
		const bias = read.boolean('attention_bias', false);
		this.maxLength = options.maxLength ?? Math.min(read.count('max_position_embeddings'), MOST_POSITIONS);
		const slides = kind === 'mistral' || (kind === 'qwen2' && read.boolean('use_sliding_window', false));
		this.window = slides && read.has('sliding_window') ? read.count('sliding_window') : null;
		this.cacheSizes = { layers, heads: groups, headSize };
		const rotary = new RotaryPositions(this.maxLength, headSize, {
			base: read.number('rope_theta', 10000),
			scaling: scalingOf(read),
		});
		this.model = new Decoder(
			{ vocabulary: read.count('vocab_size'), layers },
			{
				width,
				heads,
				groups,
				headSize,
				inner: read.count('intermediate_size'),
				activation: read.oneOf('hidden_act', ACTIVATION_NAMES, 'silu'),
				eps: read.number('rms_norm_eps', 1e-6),
				biases: kind === 'qwen2' ? [true, false] : [bias, bias],
				mlpBias: read.boolean('mlp_bias', false),
			},
			rotary,
		);
		const isTied = read.boolean('tie_word_embeddings', false);
		this.lmHead = isTied ? null : new Linear(width, read.count('vocab_size'), { bias: false });
	}

	protected override features(tokens: Tensor, call: DecoderCall): Tensor {
		return this.model.forward(tokens, call);
	}

	protected override logits(features: Tensor): Tensor {
		return this.lmHead?.forward(features) ?? linear(features, this.model.embedTokens.weight);
	}

	/** Files may hold the angles of old versions, and the head of a model that ties it. */
	override keyOf(key: string): string | null {
		if (key.endsWith('rotary_emb.inv_freq') || (key === 'lm_head.weight' && this.lmHead === null)) return null;
		return key;
	}
}

/** Reads `rope_scaling`. */
function scalingOf(config: ConfigReader): RotaryScaling | null {
	const read = config.section('rope_scaling');
	if (read === null) return null;
	const kind = read.oneOf(read.has('rope_type') ? 'rope_type' : 'type', ['default', 'linear', 'llama3']);
	if (kind === 'default') return null;
	const factor = read.number('factor');
	if (kind === 'linear') return { type: 'linear', factor };
	return {
		type: 'llama3',
		factor,
		lowFreqFactor: read.number('low_freq_factor'),
		highFreqFactor: read.number('high_freq_factor'),
		originalMaxLength: read.count('original_max_position_embeddings'),
	};
}
