/** Transformer layers and stacks with PyTorch's options and state keys. Vaswani et al. 2017. */
import { requireArray, requireCounts, requireInstance, wrongArgument } from '../core/checks';
import { requireFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, pickOptions } from '../core/options';
import { full } from '../ops/creation';
import { add, gelu, relu } from '../ops/elementwise';
import { triu } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { MultiheadAttention, type MultiheadAttentionCall } from './attention';
import { ModuleList } from './containers';
import { Dropout } from './dropout';
import { xavierUniform_ } from './init';
import type { KVCache } from './kvCache';
import { Linear } from './linear';
import { type FactoryOptions, Module, requireModule } from './module';
import { LayerNorm } from './normalization';

/** The activation between the two linear layers: a name, or any function of one tensor. */
export type TransformerActivation = 'relu' | 'gelu' | ((x: Tensor) => Tensor);

export interface TransformerLayerOptions extends FactoryOptions {
	/** Features between the two linear layers. Default 2048. */
	readonly dimFeedforward?: number;
	/** Default 0.1. */
	readonly dropout?: number;
	/** Default 'relu'. */
	readonly activation?: TransformerActivation;
	/** Default 1e-5. */
	readonly layerNormEps?: number;
	/** Sequences are [N, L, E] instead of [L, N, E]. Default false. */
	readonly batchFirst?: boolean;
	/** Normalise before attention and linear layers instead of after. Default false. */
	readonly normFirst?: boolean;
	/** Learn biases of linear layers and norms. Default true. */
	readonly bias?: boolean;
}

const TRANSFORMER_LAYER_OPTIONS = [
	'dimFeedforward',
	'dropout',
	'activation',
	'layerNormEps',
	'batchFirst',
	'normFirst',
	'bias',
	'device',
	'dtype',
] as const;

function normOf(dModel: number, options: TransformerLayerOptions): LayerNorm {
	return new LayerNorm(dModel, { ...pickOptions(options, 'bias', 'device', 'dtype'), eps: options.layerNormEps ?? 1e-5 });
}

/** The base of encoder and decoder layers: holds the parts after attention. */
abstract class TransformerLayer extends Module {
	readonly dropout: Dropout;
	readonly linear1: Linear;
	readonly linear2: Linear;
	readonly norm1: LayerNorm;
	readonly norm2: LayerNorm;

	constructor(
		readonly dModel: number,
		readonly nhead: number,
		readonly options: TransformerLayerOptions,
	) {
		super();
		requireCounts(new.target.name, { dModel, nhead }, 1);
		const { dimFeedforward = 2048, dropout = 0.1 } = options;
		const { activation = 'relu' } = options;
		if (typeof activation !== 'function' && activation !== 'relu' && activation !== 'gelu') {
			throw wrongArgument(new.target.name, 'activation', "'relu', 'gelu' or a function", activation);
		}
		const factory = pickOptions(options, 'bias', 'device', 'dtype');
		this.linear1 = new Linear(dModel, dimFeedforward, factory);
		this.dropout = new Dropout(dropout);
		this.linear2 = new Linear(dimFeedforward, dModel, factory);
		this.norm1 = this.makeNorm();
		this.norm2 = this.makeNorm();
	}

	protected makeNorm(): LayerNorm {
		return normOf(this.dModel, this.options);
	}

	protected makeAttention(): MultiheadAttention {
		return new MultiheadAttention(this.dModel, this.nhead, {
			...pickOptions(this.options, 'bias', 'batchFirst', 'device', 'dtype'),
			dropout: this.options.dropout ?? 0.1,
		});
	}

	protected attend(attention: MultiheadAttention, query: Tensor, source: Tensor, call: MultiheadAttentionCall): Tensor {
		return this.dropout.forward(attention.forward(query, source, source, { ...call, needWeights: false })[0]);
	}

	protected feedForward(x: Tensor): Tensor {
		const { activation = 'relu' } = this.options;
		const inner = this.linear1.forward(x);
		const activated = activation === 'relu' ? relu(inner) : activation === 'gelu' ? gelu(inner) : activation(inner);
		return this.dropout.forward(this.linear2.forward(this.dropout.forward(activated)));
	}

	/** x + part(norm(x)), or norm(x + part(x)). */
	protected residual(x: Tensor, norm: LayerNorm, part: (x: Tensor) => Tensor): Tensor {
		return this.options.normFirst ? add(x, part(norm.forward(x))) : norm.forward(add(x, part(x)));
	}

	override extraRepr(): string {
		return `${this.dModel}, ${this.nhead}`;
	}
}

export interface EncoderCall {
	/** As `attnMask` of MultiheadAttention: bool true excludes a position. Default none. */
	readonly mask?: Tensor | null;
	/** As `keyPaddingMask` of MultiheadAttention. */
	readonly srcKeyPaddingMask?: Tensor | null;
	/** Position i attends to positions 0 .. i only. Default false. */
	readonly isCausal?: boolean;
}

export interface EncoderLayerCall extends Omit<EncoderCall, 'mask'> {
	readonly srcMask?: Tensor | null;
	/** Earlier keys and values, for generation: see KVCache. Default none. */
	readonly cache?: KVCache | null;
}

/** Self-attention and two linear layers, each with a residual connection and layer normalisation. As `torch.nn.TransformerEncoderLayer`. */
export class TransformerEncoderLayer extends TransformerLayer {
	readonly selfAttn: MultiheadAttention;

	constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
		checkOptions('TransformerEncoderLayer', options, TRANSFORMER_LAYER_OPTIONS);
		super(dModel, nhead, options);
		this.selfAttn = this.makeAttention();
	}

	override namedChildren(): [string, Module][] {
		const { selfAttn, linear1, dropout, linear2, norm1, norm2 } = this;
		return Object.entries({ self_attn: selfAttn, linear1, dropout, linear2, norm1, norm2 });
	}

	override forward(src: Tensor, options: EncoderLayerCall = {}): Tensor {
		const { srcMask, srcKeyPaddingMask, isCausal, cache } = checkOptions('TransformerEncoderLayer.forward', options, [
			'srcMask',
			'cache',
			'srcKeyPaddingMask',
			'isCausal',
		]);
		const call = {
			attnMask: srcMask ?? null,
			keyPaddingMask: srcKeyPaddingMask ?? null,
			isCausal: isCausal ?? false,
			cache: cache ?? null,
		};
		return tidy(() => {
			const attended = this.residual(src, this.norm1, (x) => this.attend(this.selfAttn, x, x, call));
			return this.residual(attended, this.norm2, (x) => this.feedForward(x));
		});
	}
}

export interface DecoderCall {
	/** Masks of the target's self-attention (`tgt`) and of its attention to the memory, as in MultiheadAttention. Default none. */
	readonly tgtMask?: Tensor | null;
	readonly memoryMask?: Tensor | null;
	readonly tgtKeyPaddingMask?: Tensor | null;
	readonly memoryKeyPaddingMask?: Tensor | null;
	/** Default false. */
	readonly tgtIsCausal?: boolean;
	readonly memoryIsCausal?: boolean;
}

const DECODER_CALL = [
	'tgtMask',
	'memoryMask',
	'tgtKeyPaddingMask',
	'memoryKeyPaddingMask',
	'tgtIsCausal',
	'memoryIsCausal',
] as const;

export interface DecoderLayerCall extends DecoderCall {
	/** Earlier keys and values of the target, for generation: see KVCache. */
	readonly cache?: KVCache | null;
}

/** Self-attention, attention to the encoder's memory, and two linear layers. As `torch.nn.TransformerDecoderLayer`. */
export class TransformerDecoderLayer extends TransformerLayer {
	readonly selfAttn: MultiheadAttention;
	readonly multiheadAttn: MultiheadAttention;
	readonly norm3: LayerNorm;

	constructor(dModel: number, nhead: number, options: TransformerLayerOptions = {}) {
		checkOptions('TransformerDecoderLayer', options, TRANSFORMER_LAYER_OPTIONS);
		super(dModel, nhead, options);
		this.selfAttn = this.makeAttention();
		this.multiheadAttn = this.makeAttention();
		this.norm3 = this.makeNorm();
	}

	override namedChildren(): [string, Module][] {
		const { selfAttn, multiheadAttn, linear1, dropout, linear2, norm1, norm2, norm3 } = this;
		return Object.entries({ self_attn: selfAttn, multihead_attn: multiheadAttn, linear1, dropout, linear2, norm1, norm2, norm3 });
	}

	override forward(tgt: Tensor, memory: Tensor, call: DecoderLayerCall = {}): Tensor {
		checkOptions('TransformerDecoderLayer.forward', call, ['cache', ...DECODER_CALL]);
		const { tgtMask = null, tgtKeyPaddingMask = null, tgtIsCausal = false, cache = null } = call;
		const { memoryMask = null, memoryKeyPaddingMask = null, memoryIsCausal = false } = call;
		const own = { attnMask: tgtMask, keyPaddingMask: tgtKeyPaddingMask, isCausal: tgtIsCausal, cache };
		const across = { attnMask: memoryMask, keyPaddingMask: memoryKeyPaddingMask, isCausal: memoryIsCausal };
		return tidy(() => {
			const attended = this.residual(tgt, this.norm1, (x) => this.attend(this.selfAttn, x, x, own));
			const informed = this.residual(attended, this.norm2, (x) => this.attend(this.multiheadAttn, x, memory, across));
			return this.residual(informed, this.norm3, (x) => this.feedForward(x));
		});
	}
}

export interface StackOptions {
	/** Normalises the output of the last layer. Default none. */
	readonly norm?: LayerNorm | null;
}

function copies<L extends TransformerLayer>(
	name: string,
	layer: L,
	kind: abstract new (...args: never[]) => L,
	count: number,
): ModuleList<L> {
	requireInstance(name, 'the layer', layer, kind, `a ${kind.name}`);
	requireCounts(name, { numLayers: count }, 1);
	return new ModuleList(Array.from({ length: count }, (_, i) => (i === 0 ? layer : layer.clone())));
}

export interface CachedStack {
	/** Earlier keys and values of each layer's self-attention, for generation: see KVCache. Default none. */
	readonly caches?: readonly KVCache[] | null;
}

/** One cache per layer, or null for each. */
function cachesOf(name: string, caches: readonly KVCache[] | null | undefined, layers: number): readonly (KVCache | null)[] {
	if (caches == null) return new Array(layers).fill(null);
	requireArray(name, 'caches', caches, 'an array of KVCache');
	if (caches.length !== layers)
		throw new ArgumentError(`${name}: ${caches.length} caches for ${layers} layers; give each layer its own cache`);
	return caches;
}

/** A stack of encoder layers: `layer` itself and copies of it. As `torch.nn.TransformerEncoder`. */
export class TransformerEncoder extends Module {
	readonly layers: ModuleList<TransformerEncoderLayer>;
	readonly norm: LayerNorm | null;

	constructor(layer: TransformerEncoderLayer, numLayers: number, options: StackOptions = {}) {
		const { norm = null } = checkOptions('TransformerEncoder', options, ['norm']);
		super();
		this.layers = copies('TransformerEncoder', layer, TransformerEncoderLayer, numLayers);
		if (norm !== null) requireModule('TransformerEncoder', 'norm', norm);
		this.norm = norm;
	}

	override forward(src: Tensor, options: EncoderCall & CachedStack = {}): Tensor {
		const { mask, srcKeyPaddingMask, isCausal, caches } = checkOptions('TransformerEncoder.forward', options, [
			'mask',
			'srcKeyPaddingMask',
			'isCausal',
			'caches',
		]);
		const call = { srcMask: mask ?? null, srcKeyPaddingMask: srcKeyPaddingMask ?? null, isCausal: isCausal ?? false };
		const cached = cachesOf('TransformerEncoder', caches, this.layers.items.length);
		return tidy(() => {
			const output = this.layers.items.reduce((x, layer, i) => layer.forward(x, { ...call, cache: cached[i]! }), src);
			return this.norm === null ? output : this.norm.forward(output);
		});
	}
}

/** A stack of decoder layers: `layer` itself and copies of it. As `torch.nn.TransformerDecoder`. */
export class TransformerDecoder extends Module {
	readonly layers: ModuleList<TransformerDecoderLayer>;
	readonly norm: LayerNorm | null;

	constructor(layer: TransformerDecoderLayer, numLayers: number, options: StackOptions = {}) {
		const { norm = null } = checkOptions('TransformerDecoder', options, ['norm']);
		super();
		this.layers = copies('TransformerDecoder', layer, TransformerDecoderLayer, numLayers);
		if (norm !== null) requireModule('TransformerDecoder', 'norm', norm);
		this.norm = norm;
	}

	override forward(tgt: Tensor, memory: Tensor, options: DecoderCall & CachedStack = {}): Tensor {
		const { caches, ...call } = checkOptions('TransformerDecoder.forward', options, ['caches', ...DECODER_CALL]);
		const cached = cachesOf('TransformerDecoder', caches, this.layers.items.length);
		return tidy(() => {
			const output = this.layers.items.reduce((x, layer, i) => layer.forward(x, memory, { ...call, cache: cached[i]! }), tgt);
			return this.norm === null ? output : this.norm.forward(output);
		});
	}
}

export interface TransformerOptions extends TransformerLayerOptions {
	/** Features per position. Default 512. */
	readonly dModel?: number;
	/** Default 8. */
	readonly nhead?: number;
	/** Default 6. */
	readonly numEncoderLayers?: number;
	/** Default 6. */
	readonly numDecoderLayers?: number;
}

export interface TransformerCall extends DecoderCall {
	readonly srcMask?: Tensor | null;
	readonly srcKeyPaddingMask?: Tensor | null;
	readonly srcIsCausal?: boolean;
}

/**
 * An encoder and a decoder, each with a final norm. Takes a source [S, N, E] and a target [T, N, E], and returns [T, N, E]; N first with
 * `batchFirst`. Does not include embeddings and the final projection. Matrices start Xavier uniform. As `torch.nn.Transformer`.
 */
export class Transformer extends Module {
	readonly encoder: TransformerEncoder;
	readonly decoder: TransformerDecoder;

	constructor(readonly options: TransformerOptions = {}) {
		super();
		checkOptions('Transformer', options, [
			'dModel',
			'nhead',
			'numEncoderLayers',
			'numDecoderLayers',
			...TRANSFORMER_LAYER_OPTIONS,
		]);
		const { dModel = 512, nhead = 8, numEncoderLayers = 6, numDecoderLayers = 6 } = options;
		const layer = pickOptions(options, ...TRANSFORMER_LAYER_OPTIONS);
		const norm = () => normOf(dModel, options);
		this.encoder = new TransformerEncoder(new TransformerEncoderLayer(dModel, nhead, layer), numEncoderLayers, {
			norm: norm(),
		});
		this.decoder = new TransformerDecoder(new TransformerDecoderLayer(dModel, nhead, layer), numDecoderLayers, {
			norm: norm(),
		});
		for (const parameter of this.parameters()) if (parameter.ndim > 1) xavierUniform_(parameter);
	}

	override forward(src: Tensor, tgt: Tensor, call: TransformerCall = {}): Tensor {
		checkOptions('Transformer.forward', call, ['srcMask', 'srcKeyPaddingMask', 'srcIsCausal', ...DECODER_CALL]);
		requireTensor('Transformer', src, 'src');
		requireTensor('Transformer', tgt, 'tgt');
		const batch = this.options.batchFirst ? 0 : 1;
		if (src.ndim !== tgt.ndim || (src.ndim === 3 && src.shape[batch] !== tgt.shape[batch])) {
			throw new ShapeError(
				`Transformer: source ${formatShape(src.shape)} and target ${formatShape(tgt.shape)} must have the same batch size`,
			);
		}
		const { srcMask = null, srcKeyPaddingMask = null, srcIsCausal = false } = call;
		return tidy(() => {
			const memory = this.encoder.forward(src, { mask: srcMask, srcKeyPaddingMask, isCausal: srcIsCausal });
			return this.decoder.forward(tgt, memory, pickOptions(call, ...DECODER_CALL));
		});
	}

	/**
	 * A mask [size, size]: 0 where position i may attend to j (j <= i), -Infinity elsewhere. `isCausal` has the same effect without the
	 * matrix.
	 */
	static generateSquareSubsequentMask(size: number, options: FactoryOptions = {}): Tensor {
		checkOptions('Transformer.generateSquareSubsequentMask', options, ['device', 'dtype']);
		requireFloating('Transformer.generateSquareSubsequentMask', options.dtype ?? 'float32', 'dtype');
		return tidy(() => triu(full([size, size], Number.NEGATIVE_INFINITY, options), 1));
	}
}
