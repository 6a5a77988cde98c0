/** Lookup tables of vectors. */
import { noGrad } from '../autograd/modes';
import { requireCounts } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { embedding } from '../ops/embedding';
import { embeddingBag } from '../ops/embeddingBag';
import { copy_, fill_ } from '../ops/inplace';
import { narrow } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { emptyParameter, normal_ } from './init';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';
import { areValuesSkipped } from './skipInit';

export interface EmbeddingOptions extends FactoryOptions {
	/** A row that starts as zeros and gets no gradient; negative ones count from the back. Default none. */
	readonly paddingIdx?: number;
}

export interface PretrainedOptions extends Pick<EmbeddingOptions, 'paddingIdx'> {
	/** Do not train the rows. Default true. */
	readonly freeze?: boolean;
}

/** Looks up rows of a table: int32 [...] to [..., embeddingDim]. Rows start standard normal. As `torch.nn.Embedding`. */
export class Embedding extends Module {
	readonly weight: Parameter;
	readonly paddingIdx: number | undefined;

	constructor(
		readonly numEmbeddings: number,
		readonly embeddingDim: number,
		options: EmbeddingOptions = {},
	) {
		super();
		requireCounts(new.target.name, { numEmbeddings, embeddingDim });
		checkOptions('Embedding', options, ['paddingIdx', 'device', 'dtype']);
		const { paddingIdx } = options;
		if (paddingIdx !== undefined && (paddingIdx < -numEmbeddings || paddingIdx >= numEmbeddings)) {
			throw new ArgumentError(`Embedding: paddingIdx ${paddingIdx} is out of range for ${numEmbeddings} rows`);
		}
		this.paddingIdx = paddingIdx === undefined || paddingIdx >= 0 ? paddingIdx : paddingIdx + numEmbeddings;
		this.weight = emptyParameter([numEmbeddings, embeddingDim], options);
		this.resetParameters();
	}

	/**
	 * Makes a layer from a copy of `weight` [rows, columns]. The copy is trained only if `freeze` is false. As
	 * `torch.nn.Embedding.from_pretrained`.
	 */
	static fromPretrained(weight: Tensor, options: PretrainedOptions = {}): Embedding {
		return pretrained(weight, options);
	}

	/** Draws new initial values. */
	resetParameters(): void {
		normal_(this.weight);
		const { paddingIdx } = this;
		if (paddingIdx !== undefined && !areValuesSkipped())
			noGrad(() => tidy(() => void fill_(narrow(this.weight, 0, paddingIdx, 1), 0)));
	}

	override forward(indices: Tensor): Tensor {
		return embedding(indices, this.weight, this.paddingIdx === undefined ? {} : { paddingIdx: this.paddingIdx });
	}

	override extraRepr(): string {
		return `${this.numEmbeddings}, ${this.embeddingDim}`;
	}
}

/** Not inside the class: bundlers rename a class that refers to itself in a static method, and messages and summaries show the name. */
function pretrained(weight: Tensor, options: PretrainedOptions): Embedding {
	const { freeze = true, ...rest } = checkOptions('Embedding.fromPretrained', options, ['freeze', 'paddingIdx']);
	requireTensor('Embedding.fromPretrained', weight, 'weight');
	requireRank('Embedding.fromPretrained', 'weight', weight, '[rows, columns]', 2);
	const [rows, columns] = weight.shape as [number, number];
	const layer = new Embedding(rows, columns, { ...rest, dtype: weight.dtype, device: weight.device });
	noGrad(() => copy_(layer.weight, weight));
	layer.weight.requiresGrad_(!freeze);
	return layer;
}

export interface EmbeddingBagOptions extends EmbeddingOptions {
	/** How to combine the rows of a bag. Default 'mean'. */
	readonly mode?: 'sum' | 'mean' | 'max';
}

/**
 * The sum, mean or maximum of the rows in each bag of indices. Takes int32 [bags, length], or a vector and the offsets of its bags. Returns
 * [bags, embeddingDim]. As `torch.nn.EmbeddingBag`.
 */
export class EmbeddingBag extends Embedding {
	readonly mode: 'sum' | 'mean' | 'max';

	constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingBagOptions = {}) {
		const { mode = 'mean', ...rest } = checkOptions('EmbeddingBag', options, ['mode', 'paddingIdx', 'device', 'dtype']);
		super(numEmbeddings, embeddingDim, rest);
		this.mode = mode;
	}

	override forward(indices: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
		const { mode, paddingIdx, weight } = this;
		return embeddingBag(indices, weight, { offsets, mode, perSampleWeights, ...(paddingIdx !== undefined && { paddingIdx }) });
	}

	override extraRepr(): string {
		return `${super.extraRepr()}, mode=${this.mode}`;
	}
}
