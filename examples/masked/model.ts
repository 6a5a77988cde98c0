/** A masked language model: a Transformer that predicts hidden tokens from both sides. */
import { crossEntropy, full, nn, rand, randint, type Tensor, tidy, where } from 'wgrad';

/** The token in place of a hidden one. */
export const MASK = 0;
/** The label of a token that is not to be predicted. */
const IGNORED = -100;

/** The fraction of tokens to predict; and of these, the fractions to hide and to replace. The others stay unchanged. */
const ASKED = 0.15;
const HIDDEN = 0.8;
const EXCHANGED = 0.1;

export interface Masked {
	/** The model's input, int32 [B, T]. */
	readonly tokens: Tensor;
	/** The target, int32 [B, T]: the token, or -100. */
	readonly labels: Tensor;
}

/**
 * Chooses 15 % of the tokens to predict. Replaces 80 % of these by MASK and 10 % by a random token, so that a visible token may be wrong
 * too. Devlin et al. 2018 (BERT).
 */
export function maskTokens(tokens: Tensor, vocabulary: number): Masked {
	return tidy(() => {
		const { shape, device } = tokens;
		const asked = rand(shape, { device }).lt(ASKED);
		const fate = rand(shape, { device });
		const hidden = asked.logicalAnd(fate.lt(HIDDEN));
		const exchanged = asked.logicalAnd(fate.ge(HIDDEN)).logicalAnd(fate.lt(HIDDEN + EXCHANGED));
		const others = randint(MASK + 1, vocabulary, shape, { device });
		const mask = full(shape, MASK, { dtype: 'int32', device });
		return {
			tokens: where(hidden, mask, where(exchanged, others, tokens)),
			labels: where(asked, tokens, full(shape, IGNORED, { dtype: 'int32', device })),
		};
	});
}

interface MaskedModelOptions {
	/** Number of tokens, including MASK. */
	readonly vocabulary: number;
	readonly maxLength: number;
	readonly width: number;
	readonly heads: number;
	readonly layers: number;
	readonly dropout?: number;
}

export class MaskedLanguageModel extends nn.Module {
	readonly tokens: nn.Embedding;
	readonly positions: nn.LearnedPositions;
	readonly encoder: nn.TransformerEncoder;
	readonly output: nn.Linear;

	constructor({ vocabulary, maxLength, width, heads, layers, dropout = 0 }: MaskedModelOptions) {
		super();
		const layer = new nn.TransformerEncoderLayer(width, heads, {
			dimFeedforward: 4 * width,
			activation: 'gelu',
			dropout,
			batchFirst: true,
			normFirst: true,
		});
		this.tokens = new nn.Embedding(vocabulary, width);
		this.positions = new nn.LearnedPositions(maxLength, width, { batchFirst: true });
		this.encoder = new nn.TransformerEncoder(layer, layers, { norm: new nn.LayerNorm(width) });
		this.output = new nn.Linear(width, vocabulary);
		nn.init.normal_(this.tokens.weight, 0, 0.02);
	}

	/** Returns logits [B, T, vocabulary] for tokens int32 [B, T]. */
	override forward(tokens: Tensor): Tensor {
		return tidy(() => this.output.forward(this.encoder.forward(this.positions.forward(this.tokens.forward(tokens)))));
	}

	/** The mean loss over the tokens to predict, and the accuracy on them. */
	judge({ tokens, labels }: Masked): { loss: Tensor; accuracy: Tensor } {
		return tidy(() => {
			const logits = this.forward(tokens);
			const asked = labels.ne(IGNORED);
			const right = logits.detach().argmax(-1).eq(labels).logicalAnd(asked);
			return {
				loss: crossEntropy(logits.reshape([-1, logits.shape[2]!]), labels.reshape([-1])),
				accuracy: right.to('float32').sum().div(asked.to('float32').sum()),
			};
		});
	}
}
