/** GPT-2: a decoder with learned positions and tied embeddings. Radford et al. 2019. Keys are those of Hugging Face's GPT2LMHeadModel. */
import { ArgumentError } from '../core/errors';
import { Dropout, Embedding, init, type KVCache, LayerNorm, ModuleList, type Parameter } from '../nn';
import { emptyParameter } from '../nn/init';
import { tensor } from '../ops/creation';
import { add, clamp, sub } from '../ops/elementwise';
import { chunk, narrow, transpose } from '../ops/layout';
import { linear } from '../ops/matmul';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { ACTIVATION_NAMES, ACTIVATIONS, type ActivationName } from './activations';
import { type CacheSizes, CausalModel, type DecoderCall } from './causalModel';
import { ConfigReader, type PretrainedConfig } from './config';
import { attendCausally, mergeHeads, splitHeads } from './heads';
import { HubModule } from './hubModule';

interface BlockOptions {
	readonly width: number;
	readonly heads: number;
	readonly inner: number;
	readonly activation: ActivationName;
	readonly eps: number;
	readonly residualDropout: number;
	readonly attentionDropout: number;
}

/** x W + b with W [in, out], unlike Linear. Hugging Face calls it Conv1D. */
class Conv1D extends HubModule {
	readonly weight: Parameter;
	readonly bias: Parameter;

	constructor(inFeatures: number, outFeatures: number) {
		super();
		this.weight = init.normal_(emptyParameter([inFeatures, outFeatures], {}), 0, 0.02);
		this.bias = init.zeros_(emptyParameter([outFeatures], {}));
	}

	override forward(x: Tensor): Tensor {
		return tidy(() => linear(x, transpose(this.weight, 0, 1), this.bias));
	}
}

class Attention extends HubModule {
	readonly cAttn: Conv1D;
	readonly cProj: Conv1D;

	constructor(readonly options: BlockOptions) {
		super();
		this.cAttn = new Conv1D(options.width, 3 * options.width);
		this.cProj = new Conv1D(options.width, options.width);
	}

	override forward(x: Tensor, call: DecoderCall, cache: KVCache | null): Tensor {
		const { heads, attentionDropout } = this.options;
		const [query, key, value] = chunk(this.cAttn.forward(x), 3, -1).map((part) => splitHeads(part, heads)) as [
			Tensor,
			Tensor,
			Tensor,
		];
		return this.cProj.forward(mergeHeads(attendCausally(query, key, value, call, cache, this.training ? attentionDropout : 0)));
	}
}

class Mlp extends HubModule {
	readonly cFc: Conv1D;
	readonly cProj: Conv1D;

	constructor(readonly options: BlockOptions) {
		super();
		this.cFc = new Conv1D(options.width, options.inner);
		this.cProj = new Conv1D(options.inner, options.width);
	}

	override forward(x: Tensor): Tensor {
		return this.cProj.forward(ACTIVATIONS[this.options.activation](this.cFc.forward(x)));
	}
}

class Block extends HubModule {
	readonly ln_1: LayerNorm;
	readonly attn: Attention;
	readonly ln_2: LayerNorm;
	readonly mlp: Mlp;
	readonly dropout: Dropout;

	constructor(options: BlockOptions) {
		super();
		const { width, eps } = options;
		this.ln_1 = new LayerNorm(width, { eps });
		this.attn = new Attention(options);
		this.ln_2 = new LayerNorm(width, { eps });
		this.mlp = new Mlp(options);
		this.dropout = new Dropout(options.residualDropout);
	}

	override forward(x: Tensor, call: DecoderCall, cache: KVCache | null): Tensor {
		return tidy(() => {
			const attended = add(x, this.dropout.forward(this.attn.forward(this.ln_1.forward(x), call, cache)));
			return add(attended, this.dropout.forward(this.mlp.forward(this.ln_2.forward(attended))));
		});
	}
}

class Transformer extends HubModule {
	readonly wte: Embedding;
	readonly wpe: Embedding;
	readonly drop: Dropout;
	readonly h: ModuleList<Block>;
	readonly ln_f: LayerNorm;

	constructor(sizes: { vocabulary: number; positions: number; layers: number; dropout: number }, options: BlockOptions) {
		super();
		this.wte = new Embedding(sizes.vocabulary, options.width);
		this.wpe = new Embedding(sizes.positions, options.width);
		this.drop = new Dropout(sizes.dropout);
		this.h = new ModuleList(Array.from({ length: sizes.layers }, () => new Block(options)));
		this.ln_f = new LayerNorm(options.width, { eps: options.eps });
	}

	override forward(tokens: Tensor, call: DecoderCall, padding: readonly number[] | null): Tensor {
		let x = this.drop.forward(add(this.wte.forward(tokens), this.positionsOf(tokens, call, padding)));
		for (const [i, block] of this.h.items.entries()) x = block.forward(x, call, call.caches?.[i] ?? null);
		return this.ln_f.forward(x);
	}

	/** The vectors of positions, [L, width] or [N, L, width]. With padding, positions count from each row's first token. */
	private positionsOf({ shape, device }: Tensor, { earlier, step }: DecoderCall, padding: readonly number[] | null): Tensor {
		const length = shape[1]!;
		if (step !== null) {
			const own =
				padding === null
					? step.position
					: sub(step.position, tensor(padding, { shape: [padding.length, 1], dtype: 'int32', device }));
			return this.wpe.forward(padding === null ? own : clamp(own, { min: 0 }));
		}
		if (padding === null) return narrow(this.wpe.weight, 0, earlier, length);
		const positions = Int32Array.from({ length: padding.length * length }, (_, n) =>
			Math.max(0, earlier + (n % length) - padding[Math.floor(n / length)]!),
		);
		return this.wpe.forward(tensor(positions, { shape: [padding.length, length], device }));
	}
}

/** Maps features to logits with the token table, which it shares. */
export class TiedHead extends HubModule {
	constructor(readonly weight: Parameter) {
		super();
	}

	override forward(x: Tensor): Tensor {
		return linear(x, this.weight);
	}
}

/** GPT-2 with its language head. `config` has the fields of Hugging Face's GPT2Config. */
export class GPT2LMHeadModel extends CausalModel {
	readonly transformer: Transformer;
	readonly lmHead: TiedHead;
	readonly maxLength: number;
	protected readonly cacheSizes: CacheSizes;

	constructor(config: PretrainedConfig) {
		super({ model_type: 'gpt2', ...config });
		const read = new ConfigReader(config);
		const [width, heads, layers] = [read.count('n_embd'), read.count('n_head'), read.count('n_layer')];
		if (width % heads !== 0) throw new ArgumentError(`GPT2LMHeadModel: n_embd ${width} does not divide into n_head ${heads}`);
		this.maxLength = read.count('n_positions');
		this.cacheSizes = { layers, heads, headSize: width / heads };
		const sizes = {
			vocabulary: read.count('vocab_size'),
			positions: this.maxLength,
			layers,
			dropout: read.number('embd_pdrop', 0.1),
		};
		this.transformer = new Transformer(sizes, {
			width,
			heads,
			inner: read.count('n_inner', 4 * width),
			activation: read.oneOf('activation_function', ACTIVATION_NAMES, 'gelu_new'),
			eps: read.number('layer_norm_epsilon', 1e-5),
			residualDropout: read.number('resid_pdrop', 0.1),
			attentionDropout: read.number('attn_pdrop', 0.1),
		});
		this.lmHead = new TiedHead(this.transformer.wte.weight);
	}

	protected override features(tokens: Tensor, call: DecoderCall, padding: readonly number[] | null): Tensor {
		return this.transformer.forward(tokens, call, padding);
	}

	protected override logits(features: Tensor): Tensor {
		return this.lmHead.forward(features);
	}

	/** Old files have no prefix `transformer.`, and hold masks. */
	override keyOf(key: string): string | null {
		if (/\.attn\.(masked_)?bias$/.test(key)) return null;
		return /^(transformer|lm_head)\./.test(key) ? key : `transformer.${key}`;
	}
}
