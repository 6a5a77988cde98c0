/** Layers that store their weights in 8 or 4 bits. `quantize` makes them. */
import { requireCounts, requireOneOf } from '../core/checks';
import { checkOptions, pickOptions } from '../core/options';
import { numel } from '../core/shape';
import { full, zeros } from '../ops/creation';
import { abs, clamp, div } from '../ops/elementwise';
import { fakeQuantize } from '../ops/fakeQuantize';
import { detach, reshape } from '../ops/layout';
import {
	checkedOnce,
	groupsOf,
	type QuantizedWeight,
	type QuantizeWeightOptions,
	quantizedEmbedding,
	quantizedLinear,
	quantizeOptions,
	quantizeWeight,
	wordsOf,
} from '../ops/quantized';
import { amax } from '../ops/reduce';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import type { Embedding } from './embedding';
import { emptyParameter, zeros_ } from './init';
import type { Linear } from './linear';
import { type FactoryOptions, Module } from './module';
import type { Parameter } from './parameter';

/**
 * How a layer rounds its input to 8 bits.
 *
 * - 'dynamic8': symmetric. Each line (all features of one position) has its own scale, from its largest magnitude.
 * - 'static8': one scale and one zero point for all inputs, in the buffers `input_scale` and `input_zero_point`. `calibrate` or a loaded
 *   state sets them; until then results are NaN.
 */
export type QuantizedActivations = 'dynamic8' | 'static8';

export interface QuantizedLinearOptions extends QuantizeWeightOptions, FactoryOptions {
	/** Whether to add a bias, which stays floating. Default true. */
	readonly bias?: boolean;
	/** How to round the input. Default: not at all. */
	readonly activations?: QuantizedActivations | null;
}

export interface QuantizedEmbeddingOptions extends QuantizeWeightOptions, FactoryOptions {}

/** A Linear, or an object with its sizes and parameters. */
export type LinearLike = Pick<Linear, 'inFeatures' | 'outFeatures' | 'bias'> & { readonly weight: Tensor };
/** An Embedding, or an object with its sizes and table. */
export type EmbeddingLike = Pick<Embedding, 'numEmbeddings' | 'embeddingDim'> & { readonly weight: Tensor };

const WEIGHT_OPTIONS = ['bits', 'groupSize', 'symmetric', 'device', 'dtype'] as const;

/**
 * A layer with a quantised weight. Instead of `weight`, its state has:
 *
 * - `weight_packed`, int32 [rows, words]: the codes.
 * - `weight_scale`, floating [rows, groups].
 * - `weight_zero_point`, uint8 [rows, groups], unless the weight is symmetric.
 *
 * `quantizeWeight` describes them. They are buffers: `parameters()` does not list them, and they are not trained.
 */
abstract class QuantizedLayer extends Module {
	readonly bits: 8 | 4;
	readonly groupSize: number;
	readonly symmetric: boolean;
	private readonly columns: number;
	private checkedWeight: QuantizedWeight | null = null;

	constructor(rows: number, columns: number, options: QuantizedEmbeddingOptions) {
		super();
		const { bits, groupSize, symmetric } = quantizeOptions(new.target.name, options);
		const { dtype = 'float32' } = options;
		const layout = { bits, groupSize: Math.max(1, Math.min(groupSize, columns)), columns };
		const at = pickOptions(options, 'device');
		this.bits = bits;
		this.groupSize = layout.groupSize;
		this.symmetric = symmetric;
		this.columns = columns;
		this.registerBuffer('weight_packed', zeros([rows, wordsOf(layout)], { dtype: 'int32', ...at }));
		this.registerBuffer('weight_scale', zeros([rows, groupsOf(layout)], { dtype, ...at }));
		if (!symmetric) this.registerBuffer('weight_zero_point', zeros([rows, groupsOf(layout)], { dtype: 'uint8', ...at }));
	}

	/** The weight, for `quantizedLinear`, `quantizedEmbedding` and `dequantizeWeight`. */
	get quantizedWeight(): QuantizedWeight {
		this.checkedWeight ??= checkedOnce(this.constructor.name, {
			packed: this.buffer('weight_packed'),
			scale: this.buffer('weight_scale'),
			zeroPoint: this.symmetric ? null : this.buffer('weight_zero_point'),
			bits: this.bits,
			groupSize: this.groupSize,
			columns: this.columns,
		});
		return this.checkedWeight;
	}

	override registerBuffer(name: string, tensor: Tensor | null, options?: { persistent?: boolean }): void {
		super.registerBuffer(name, tensor, options);
		this.checkedWeight = null;
	}

	/** Takes over the tensors of `weight`, which has the layout of this layer. @internal */
	setWeight({ packed, scale, zeroPoint }: QuantizedWeight): void {
		for (const [name, tensor] of Object.entries({ weight_packed: packed, weight_scale: scale, weight_zero_point: zeroPoint })) {
			if (tensor === null) continue;
			this.buffer(name).dispose();
			this.registerBuffer(name, tensor);
		}
	}

	protected weightRepr(): string {
		return `bits=${this.bits}, groupSize=${this.groupSize}${this.symmetric ? '' : ', symmetric=false'}`;
	}
}

/**
 * y = x W^T + b with W in 8 or 4 bits. x: [..., inFeatures], y: [..., outFeatures], in the dtype of x. Gradients flow to x and b. A new
 * layer holds zeros; `fromFloat` and `quantize` fill it from a Linear, `loadStateDict` from a state.
 */
export class QuantizedLinear extends QuantizedLayer {
	readonly bias: Parameter | null;
	private activationRounding: QuantizedActivations | null;
	private observer: ((input: Tensor) => void) | null = null;

	constructor(
		readonly inFeatures: number,
		readonly outFeatures: number,
		options: QuantizedLinearOptions = {},
	) {
		requireCounts('QuantizedLinear', { inFeatures, outFeatures });
		checkOptions('QuantizedLinear', options, [...WEIGHT_OPTIONS, 'bias', 'activations']);
		super(outFeatures, inFeatures, options);
		const { activations = null } = options;
		requireOneOf('QuantizedLinear', 'activations', activations, ['dynamic8', 'static8', null]);
		this.bias = options.bias === false ? null : zeros_(emptyParameter([outFeatures], options));
		this.activationRounding = activations;
		if (activations === 'static8') {
			const at = pickOptions(options, 'device');
			this.setInputRange(full([], Number.NaN, at), zeros([], { dtype: 'int32', ...at }));
		}
	}

	/** How the layer rounds its input; null if it does not. */
	get activations(): QuantizedActivations | null {
		return this.activationRounding;
	}

	/** Passes each input, unrounded, to `observer`. Null stops it. @internal */
	observe(observer: ((input: Tensor) => void) | null): void {
		this.observer = observer;
	}

	/** Makes the layer round its input with this scale and zero point. @internal */
	setInputRange(scale: Tensor, zeroPoint: Tensor): void {
		this.activationRounding = 'static8';
		this.registerBuffer('input_scale', scale);
		this.registerBuffer('input_zero_point', zeroPoint);
	}

	/** The layer with the weight of `linear`, rounded. Shares its bias. */
	static fromFloat(linear: LinearLike, options: Omit<QuantizedLinearOptions, 'bias' | 'device' | 'dtype'> = {}): QuantizedLinear {
		return quantizedOf(linear, options);
	}

	override forward(input: Tensor): Tensor {
		this.observer?.(input);
		const activations = this.observer === null ? this.activationRounding : null;
		if (activations === null) return quantizedLinear(input, this.quantizedWeight, this.bias);
		requireTensor('QuantizedLinear', input);
		return tidy(() => {
			const rounded =
				activations === 'dynamic8'
					? roundedByLine(input)
					: fakeQuantize(input, this.buffer('input_scale'), this.buffer('input_zero_point'));
			return quantizedLinear(rounded, this.quantizedWeight, this.bias);
		});
	}

	override extraRepr(): string {
		const { inFeatures, outFeatures, bias } = this;
		const activations = this.activationRounding;
		const rounding = activations === null ? '' : `, activations=${activations}`;
		return `inFeatures=${inFeatures}, outFeatures=${outFeatures}, bias=${bias !== null}, ${this.weightRepr()}${rounding}`;
	}
}

/** Looks up rows of a table in 8 or 4 bits: int32 [...] to [..., embeddingDim]. Otherwise like QuantizedLinear. */
export class QuantizedEmbedding extends QuantizedLayer {
	constructor(
		readonly numEmbeddings: number,
		readonly embeddingDim: number,
		options: QuantizedEmbeddingOptions = {},
	) {
		requireCounts('QuantizedEmbedding', { numEmbeddings, embeddingDim });
		checkOptions('QuantizedEmbedding', options, WEIGHT_OPTIONS);
		super(numEmbeddings, embeddingDim, options);
	}

	/** The layer with the table of `embedding`, rounded. */
	static fromFloat(embedding: EmbeddingLike, options: QuantizeWeightOptions = {}): QuantizedEmbedding {
		return quantizedTableOf(embedding, options);
	}

	override forward(indices: Tensor): Tensor {
		return quantizedEmbedding(indices, this.quantizedWeight);
	}

	override extraRepr(): string {
		return `${this.numEmbeddings}, ${this.embeddingDim}, ${this.weightRepr()}`;
	}
}

/** Rounds each line of x to whole multiples of a 127th of its largest magnitude. */
function roundedByLine(x: Tensor): Tensor {
	if (x.size === 0) return x;
	const lines = reshape(x, [numel(x.shape.slice(0, -1)), x.shape.at(-1)!]);
	const scale = div(clamp(amax(abs(detach(lines)), 1), { min: 1e-30 }), 127);
	return reshape(fakeQuantize(lines, scale, 0, { quantMin: -127, quantMax: 127, axis: 0 }), x.shape);
}

// Not inside the classes: bundlers rename a class that refers to itself in a static method, and messages and summaries show the name.

/** `shared` is the rounded weight, where another layer has it already. */
export function quantizedOf(
	linear: LinearLike,
	options: Omit<QuantizedLinearOptions, 'bias' | 'device' | 'dtype'>,
	shared?: QuantizedWeight,
): QuantizedLinear {
	const { inFeatures, outFeatures, weight, bias } = linear;
	const layer = new QuantizedLinear(inFeatures, outFeatures, { ...options, bias: false, device: weight.device });
	layer.setWeight(shared ?? quantizeWeight(weight, pickOptions(options, 'bits', 'groupSize', 'symmetric')));
	layer.registerParameter('bias', bias);
	return layer;
}

/** `shared` is the rounded table, where another layer has it already. */
export function quantizedTableOf(
	{ numEmbeddings, embeddingDim, weight }: EmbeddingLike,
	options: QuantizeWeightOptions,
	shared?: QuantizedWeight,
): QuantizedEmbedding {
	const layer = new QuantizedEmbedding(numEmbeddings, embeddingDim, { ...options, device: weight.device });
	layer.setWeight(shared ?? quantizeWeight(weight, options));
	return layer;
}
