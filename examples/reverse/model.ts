/** An encoder-decoder Transformer that maps one sequence of tokens to another. */
import { argmax, cat, crossEntropy, full, nn, noGrad, type Tensor, tidy } from 'wgrad';

/** Special tokens: padding, and the start token of the decoder. */
export const PAD = 0;
export const START = 1;
/** The first token of a symbol. */
export const SYMBOLS = 2;

interface TranslatorOptions {
	/** Number of tokens, including PAD and START. */
	readonly vocabulary: number;
	readonly maxLength: number;
	readonly width: number;
	readonly heads: number;
	/** Layers of the encoder, and of the decoder. */
	readonly layers: number;
}

export class Translator extends nn.Module {
	readonly tokens: nn.Embedding;
	readonly positions: nn.LearnedPositions;
	readonly transformer: nn.Transformer;
	readonly output: nn.Linear;

	constructor(readonly options: TranslatorOptions) {
		super();
		const { vocabulary, maxLength, width, heads, layers } = options;
		this.tokens = new nn.Embedding(vocabulary, width);
		this.positions = new nn.LearnedPositions(maxLength, width, { batchFirst: true });
		this.transformer = new nn.Transformer({
			dModel: width,
			nhead: heads,
			numEncoderLayers: layers,
			numDecoderLayers: layers,
			dimFeedforward: 4 * width,
			dropout: 0,
			batchFirst: true,
			normFirst: true,
		});
		this.output = new nn.Linear(width, vocabulary);
	}

	/** Returns logits [B, T, vocabulary] of the token after each one of `target` [B, T], for sources [B, S]; both int32. */
	override forward(source: Tensor, target: Tensor): Tensor {
		return tidy(() => this.#decode(this.#encode(source), source, target, { tgtIsCausal: true }));
	}

	/** The mean loss of predicting each token of `target` [B, T] from the previous ones, without padding. */
	loss(source: Tensor, target: Tensor): Tensor {
		const { device } = target;
		const start = full([target.shape[0]!, 1], START, { dtype: 'int32', device });
		const logits = this.forward(source, cat([start, target.narrow(1, 0, target.shape[1]! - 1)], 1));
		return crossEntropy(logits.reshape([-1, logits.shape[2]!]), target.reshape([-1]), { ignoreIndex: PAD });
	}

	/** Greedy decoding: takes the likeliest token at each step. Maps sources [B, T] to [B, T]. */
	translate(source: Tensor): Tensor {
		const [batch, length] = source.shape as [number, number];
		return noGrad(() =>
			tidy(() => {
				const { device } = source;
				const { width, heads, layers } = this.options;
				const memory = this.#encode(source);
				// The caches hold earlier tokens, so each step passes only the newest one to the decoder.
				const cache = { batch, heads, headSize: width / heads, maxLength: length, device };
				const caches = Array.from({ length: layers }, () => new nn.KVCache(cache));
				const written = [full([batch, 1], START, { dtype: 'int32', device })];
				for (let step = 0; step < length; step++) {
					const logits = this.#decode(memory, source, written[step]!, { caches }, step);
					written.push(argmax(logits, -1));
				}
				for (const used of caches) used.dispose();
				return cat(written.slice(1), 1);
			}),
		);
	}

	#encode(source: Tensor): Tensor {
		return this.transformer.encoder.forward(this.#embed(source), { srcKeyPaddingMask: source.eq(PAD) });
	}

	/** Returns logits for target tokens from position `offset` on. */
	#decode(memory: Tensor, source: Tensor, target: Tensor, call: nn.DecoderCall & nn.CachedStack, offset = 0): Tensor {
		const embedded = this.#embed(target, offset);
		const masked = { ...call, memoryKeyPaddingMask: source.eq(PAD) };
		return this.output.forward(this.transformer.decoder.forward(embedded, memory, masked));
	}

	#embed(tokens: Tensor, offset = 0): Tensor {
		return this.positions.forward(this.tokens.forward(tokens), { offset });
	}
}
