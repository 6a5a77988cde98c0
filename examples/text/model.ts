/** A recurrent classifier of texts. */
import { nn, type Tensor, tidy } from 'wgrad';

interface TextClassifierOptions {
	/** Number of different tokens. Token 0 is padding. */
	readonly vocabulary: number;
	readonly classes: number;
	readonly cell: 'lstm' | 'gru';
	/** Size of a token's embedding. */
	readonly features: number;
	readonly hidden: number;
	readonly layers?: number;
	/** Dropout probability between layers. Default 0. */
	readonly dropout?: number;
}

/** Embeds tokens, runs an LSTM or GRU over them, and classifies the last layer's last state. */
export class TextClassifier extends nn.Module {
	readonly embedding: nn.Embedding;
	readonly recurrent: nn.LSTM | nn.GRU;
	readonly output: nn.Linear;

	constructor({ vocabulary, classes, cell, features, hidden, layers = 1, dropout = 0 }: TextClassifierOptions) {
		super();
		const options = { numLayers: layers, dropout, batchFirst: true };
		this.embedding = new nn.Embedding(vocabulary, features, { paddingIdx: 0 });
		this.recurrent = cell === 'lstm' ? new nn.LSTM(features, hidden, options) : new nn.GRU(features, hidden, options);
		this.output = new nn.Linear(hidden, classes);
	}

	/** Returns logits [B, classes] for tokens [B, T], of which each row has `lengths` [B] valid ones; both int32. */
	override forward(tokens: Tensor, lengths: Tensor): Tensor {
		return tidy(() => {
			const embedded = this.embedding.forward(tokens);
			const { recurrent } = this;
			const last =
				recurrent instanceof nn.LSTM
					? recurrent.forward(embedded, null, { lengths })[1][0]
					: recurrent.forward(embedded, null, { lengths })[1];
			return this.output.forward(last.select(0, -1));
		});
	}
}
