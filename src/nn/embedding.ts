/** Lookup tables of vectors. */

import { noGrad } from '../autograd/modes';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { embedding } from '../ops/embedding';
import { fill_ } from '../ops/inplace';
import { narrow } from '../ops/layout';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { emptyParameter, normal_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

export interface EmbeddingOptions extends FactoryOptions {
	/** The row that starts as zeros and gets no gradient; negative ones count from the back. */
	readonly paddingIdx?: number;
}

/** Rows of a table by index: [...] int32 gives [..., embeddingDim]. Rows start standard normal. As `torch.nn.Embedding`. */
export class Embedding extends Module {
	readonly weight: Parameter;
	readonly paddingIdx: number | undefined;

	constructor(
		readonly numEmbeddings: number,
		readonly embeddingDim: number,
		options: EmbeddingOptions = {},
	) {
		super();
		checkOptions('Embedding', options, ['paddingIdx', 'device', 'dtype']);
		const { paddingIdx } = options;
		if (paddingIdx !== undefined && (paddingIdx < -numEmbeddings || paddingIdx >= numEmbeddings)) {
			throw new ArgumentError(`Embedding: paddingIdx ${paddingIdx} is out of range for ${numEmbeddings} rows`);
		}
		this.paddingIdx = paddingIdx === undefined || paddingIdx >= 0 ? paddingIdx : paddingIdx + numEmbeddings;
		this.weight = emptyParameter([numEmbeddings, embeddingDim], options);
		this.resetParameters();
	}

	/** Draws the initial values again. */
	resetParameters(): void {
		normal_(this.weight);
		const { paddingIdx } = this;
		if (paddingIdx !== undefined) noGrad(() => tidy(() => void fill_(narrow(this.weight, 0, paddingIdx, 1), 0)));
	}

	override forward(indices: Tensor): Tensor {
		return embedding(indices, this.weight, this.paddingIdx === undefined ? {} : { paddingIdx: this.paddingIdx });
	}

	override extraRepr(): string {
		return `${this.numEmbeddings}, ${this.embeddingDim}`;
	}
}
