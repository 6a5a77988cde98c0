/**
 * The adapters of one layer: one class for each kind of layer. Adapters are children of the layer, `lora_A.<name>` and `lora_B.<name>`, so
 * that they move with it and follow its training mode. The names of the properties are PEFT's.
 */
import { noGrad } from '../../autograd/modes';
import { repeats } from '../../core/capture';
import { isFloating } from '../../core/dtype';
import { ArgumentError, formatShape } from '../../core/errors';
import { add, mul, to } from '../../ops/elementwise';
import { embedding } from '../../ops/embedding';
import { copy_ } from '../../ops/inplace';
import { clone, detach, flatten, reshape, transpose } from '../../ops/layout';
import { linear, matmul } from '../../ops/matmul';
import type { Tensor } from '../../tensor';
import { keep, tidy } from '../../tidy';
import { MultiheadAttention } from '../attention';
import { ModuleDict, ParameterDict } from '../containers';
import { Conv1d, Conv2d, Conv3d, type ConvOptions } from '../convolution';
import { forbidClone } from '../deepCopy';
import { Dropout } from '../dropout';
import { Embedding } from '../embedding';
import { emptyParameter, normal_, zeros_ } from '../init';
import { Linear } from '../linear';
import type { FactoryOptions, ForwardHook, Module } from '../module';
import type { Parameter } from '../parameter';
import { computeProperty, restoreProperty } from '../parametrize';

/** The settings of an adapter that its layers need. */
export interface AdapterSettings {
	readonly rank: number;
	/** The factor of the matrices' product. */
	readonly scaling: number;
	readonly dropout: number;
	/** Whether the layer's weight is [in, out]. */
	readonly fanInFanOut: boolean;
}

type Layer = Module & { forward(input: Tensor): Tensor };

/** The device and dtype of new parameters: those of the layer's weight, or float32 if that is quantised. */
function factoryOptionsOf(module: Module): FactoryOptions {
	const [first] = [...module.parameters(), ...module.buffers()];
	const weight = module.parameters().find(({ dtype }) => isFloating(dtype));
	return { ...(first && { device: first.device }), dtype: weight?.dtype ?? 'float32' };
}

/** The adapters of one layer: the base of the classes below. */
export abstract class AdaptedLayer {
	/** The adapters that take part in the forward pass. */
	active: readonly string[] = [];
	readonly settings = new Map<string, AdapterSettings>();
	/** A copy of the weight before a merge: in floating point, (w + d) - d is not w. */
	#unmerged: Tensor | null = null;
	readonly #detach: () => void;

	constructor(
		readonly path: string,
		readonly module: Module,
	) {
		this.#detach = this.attach();
		forbidClone(
			module,
			`'${path}' has adapters, which a copy would share. Clone the model before lora.apply, or remove them first`,
		);
	}

	/** Adds the adapters to the layer's forward pass. Returns a function that undoes it. */
	protected abstract attach(): () => void;

	/** Creates the matrices of an adapter. */
	protected abstract create(name: string, settings: AdapterSettings, factory: FactoryOptions): void;

	/** The term that an adapter adds to the weight, in the weight's shape. */
	protected abstract delta(name: string): Tensor;

	/** The property names of the dictionaries that hold the adapters' parts. */
	protected abstract get parts(): readonly string[];

	/** The weight that merging changes; null if the layer has no floating weight. */
	protected get weight(): Parameter | null {
		const found = this.module.ownParameters().find(([name]) => name === 'weight')?.[1];
		return found !== undefined && isFloating(found.dtype) ? found : null;
	}

	add(name: string, settings: AdapterSettings): void {
		this.create(name, settings, factoryOptionsOf(this.module));
		this.settings.set(name, settings);
	}

	/** The parameters of an adapter, by their keys within the layer, such as `lora_A.weight`. */
	parameters(name: string): [string, Parameter][] {
		return this.parts.flatMap((part) => {
			const dictionary = this.dictionary(part);
			if (dictionary instanceof ParameterDict)
				return dictionary.has(name) ? [[part, dictionary.get(name)] as [string, Parameter]] : [];
			if (!dictionary.has(name)) return [];
			return dictionary
				.get(name)
				.namedParameters()
				.map(([key, parameter]): [string, Parameter] => [`${part}.${key}`, parameter]);
		});
	}

	/** The adapters that the forward pass adds: none while they are merged into the weight. */
	protected get added(): readonly string[] {
		return this.#unmerged === null ? this.active.filter((name) => this.settings.has(name)) : [];
	}

	/** The modules that the adapters added. */
	get children(): Module[] {
		return this.parts.flatMap((part) => this.dictionary(part).modules());
	}

	/** The reason why merging is impossible, or null. `shared` holds the parameters that several modules of the model use. */
	mergeProblem(shared: ReadonlySet<Parameter>): string | null {
		if (this.weight === null) return `${this.module.constructor.name} has no weight in floating point`;
		return shared.has(this.weight) ? 'another layer shares its weight' : null;
	}

	merge(): void {
		const weight = this.weight!;
		const names = this.added;
		noGrad(() => {
			this.#unmerged = keep(clone(detach(weight)));
			tidy(() => {
				for (const name of names) copy_(weight, add(weight, to(this.delta(name), weight.dtype)));
			});
		});
	}

	unmerge(): void {
		const before = this.#unmerged;
		if (before === null) return;
		noGrad(() => void copy_(this.weight!, before));
		before.dispose();
		this.#unmerged = null;
	}

	/** Removes all adapters. The weight stays as it is, merged or not. */
	remove(): void {
		this.#detach();
		forbidClone(this.module, null);
		this.#unmerged?.dispose();
		for (const part of this.parts) delete (this.module as unknown as Record<string, unknown>)[part];
	}

	delete(name: string): void {
		this.settings.delete(name);
		for (const part of this.parts) this.dictionary(part).items.delete(name);
	}

	/** Returns a dictionary of the layer. The first call adds it as a child. */
	protected dictionary(part: string): ModuleDict<Layer> | ParameterDict {
		const own = this.module as unknown as Record<string, ModuleDict<Layer> | ParameterDict | undefined>;
		own[part] ??= part.startsWith('lora_embedding') ? new ParameterDict() : new ModuleDict<Layer>();
		const dictionary = own[part];
		if (!this.module.namedChildren().some(([name]) => name === part))
			throw new ArgumentError(
				`lora: ${this.module.constructor.name} ('${this.path}') hides '${part}': its namedChildren must include ...super.namedChildren()`,
			);
		return dictionary;
	}

	protected child(part: string, name: string): Layer {
		return (this.dictionary(part) as ModuleDict<Layer>).get(name);
	}

	protected setChild(part: string, name: string, child: Layer): void {
		(this.dictionary(part) as ModuleDict<Layer>).set(name, child);
	}
}

/** Adapters that add a term to the layer's output. */
abstract class AddedToOutput extends AdaptedLayer {
	/** The term that an adapter adds to the output. */
	protected abstract contribution(name: string, input: Tensor): Tensor;

	protected override attach(): () => void {
		const added: ForwardHook = (_, [input], output) => {
			const names = this.added;
			if (names.length === 0) return undefined;
			return tidy(() => {
				const base = output as Tensor;
				return names.reduce((sum, name) => add(sum, to(this.contribution(name, input as Tensor), base.dtype)), base);
			});
		};
		return this.module.registerForwardHook(repeats(added)).remove;
	}
}

/** y = W x + scaling B A dropout(x), with A [rank, in] and B [out, rank]. */
class AdaptedLinear extends AddedToOutput {
	protected get parts(): readonly string[] {
		return ['lora_A', 'lora_B', 'lora_dropout'];
	}

	protected features({ fanInFanOut }: AdapterSettings): readonly [inputs: number, outputs: number] {
		const { inFeatures, outFeatures } = this.module as unknown as Partial<Linear>;
		if (inFeatures !== undefined && outFeatures !== undefined) return [inFeatures, outFeatures];
		const [rows, columns] = this.weight!.shape as [number, number];
		return fanInFanOut ? [rows, columns] : [columns, rows];
	}

	protected override create(name: string, settings: AdapterSettings, factory: FactoryOptions): void {
		const [inputs, outputs] = this.features(settings);
		// Linear initializes its weight as Kaiming uniform with a = sqrt(5) already.
		this.setChild('lora_A', name, new Linear(inputs, settings.rank, { ...factory, bias: false }));
		const b = new Linear(settings.rank, outputs, { ...factory, bias: false });
		zeros_(b.weight);
		this.setChild('lora_B', name, b);
		if (settings.dropout > 0) this.setChild('lora_dropout', name, new Dropout(settings.dropout));
	}

	protected override contribution(name: string, input: Tensor): Tensor {
		const { scaling, dropout } = this.settings.get(name)!;
		const [a, b] = [this.child('lora_A', name), this.child('lora_B', name)];
		const x = to(input, (a.parameters()[0] as Parameter).dtype);
		return b.forward(mul(a.forward(dropout > 0 ? this.child('lora_dropout', name).forward(x) : x), scaling));
	}

	protected override delta(name: string): Tensor {
		const { scaling, fanInFanOut } = this.settings.get(name)!;
		const [a, b] = ['lora_A', 'lora_B'].map((part) => (this.child(part, name) as Linear).weight) as [Tensor, Tensor];
		const product = mul(matmul(b, a), scaling);
		return fanInFanOut ? transpose(product, 0, 1) : product;
	}
}

/** y = W * x + scaling B * A * dropout(x), with A a convolution to `rank` channels and B one of kernel size 1. */
class AdaptedConv extends AdaptedLinear {
	get #conv(): Conv2d {
		return this.module as Conv2d;
	}

	get #groups(): number {
		return this.#conv.options.groups ?? 1;
	}

	protected override create(name: string, { rank, dropout }: AdapterSettings, factory: FactoryOptions): void {
		const { inChannels, outChannels, kernelSize, options } = this.#conv;
		const groups = this.#groups;
		if (rank % groups !== 0)
			throw new ArgumentError(`lora: the rank ${rank} must be a multiple of the ${groups} groups of '${this.path}'`);
		const Convolution = this.module.constructor as typeof Conv2d;
		const { bias: _bias, groups: _groups, ...rest } = options as ConvOptions;
		this.setChild('lora_A', name, new Convolution(inChannels, rank, kernelSize, { ...rest, ...factory, bias: false }));
		const b = new Convolution(rank, outChannels, 1, { ...factory, groups, bias: false });
		zeros_(b.weight);
		this.setChild('lora_B', name, b);
		if (dropout > 0) this.setChild('lora_dropout', name, new Dropout(dropout));
	}

	override mergeProblem(shared: ReadonlySet<Parameter>): string | null {
		return this.#groups > 1 ? 'adapters of grouped convolutions do not merge' : super.mergeProblem(shared);
	}

	protected override delta(name: string): Tensor {
		const [a, b] = ['lora_A', 'lora_B'].map((part) => (this.child(part, name) as Conv2d).weight) as [Tensor, Tensor];
		const product = matmul(flatten(b, 1), flatten(a, 1));
		return mul(reshape(product, this.#conv.weight.shape), this.settings.get(name)!.scaling);
	}
}

/** Rows of W + scaling (B A)^T, with A [rank, rows] and B [columns, rank]. A starts as zeros and B as standard normal. No dropout. */
class AdaptedEmbedding extends AddedToOutput {
	protected get parts(): readonly string[] {
		return ['lora_embedding_A', 'lora_embedding_B'];
	}

	get #matrices(): { a: ParameterDict; b: ParameterDict } {
		const [a, b] = this.parts.map((part) => this.dictionary(part)) as [ParameterDict, ParameterDict];
		return { a, b };
	}

	protected override create(name: string, { rank }: AdapterSettings, factory: FactoryOptions): void {
		const { numEmbeddings, embeddingDim } = this.module as Embedding;
		const { a, b } = this.#matrices;
		a.set(name, zeros_(emptyParameter([rank, numEmbeddings], factory)));
		b.set(name, normal_(emptyParameter([embeddingDim, rank], factory)));
	}

	protected override contribution(name: string, input: Tensor): Tensor {
		const { paddingIdx } = this.module as Embedding;
		const { a, b } = this.#matrices;
		const rows = embedding(input, transpose(a.get(name), 0, 1), paddingIdx === undefined ? {} : { paddingIdx });
		return linear(mul(rows, this.settings.get(name)!.scaling), b.get(name));
	}

	protected override delta(name: string): Tensor {
		const { a, b } = this.#matrices;
		return mul(transpose(matmul(b.get(name), a.get(name)), 0, 1), this.settings.get(name)!.scaling);
	}
}

/**
 * The in-projection of attention. No layer of its own holds this weight, so each use computes W + scaling B A. As in PEFT, dropout does not
 * apply.
 */
class AdaptedInProjection extends AdaptedLinear {
	protected override get weight(): Parameter {
		return (this.module as unknown as { in_proj_weight: Parameter }).in_proj_weight;
	}

	protected override features(): readonly [number, number] {
		const { embedDim } = this.module as MultiheadAttention;
		return [embedDim, 3 * embedDim];
	}

	protected override attach(): () => void {
		const { module } = this;
		const weight = (module as MultiheadAttention).inProjWeight!;
		computeProperty(module, 'inProjWeight', () =>
			tidy(() => this.added.reduce<Tensor>((sum, name) => add(sum, to(this.delta(name), weight.dtype)), weight)),
		);
		module.registerParameter('in_proj_weight', weight);
		return () => {
			delete (module as unknown as Record<string, unknown>).in_proj_weight;
			restoreProperty(module, 'inProjWeight', weight);
		};
	}
}

/** The adapted layers of a target; attention has two. Throws an ArgumentError for a layer that cannot have adapters. */
export function adaptedLayers(path: string, module: Module): AdaptedLayer[] {
	if (module instanceof Conv1d || module instanceof Conv2d || module instanceof Conv3d) return [new AdaptedConv(path, module)];
	if (module instanceof MultiheadAttention) {
		if (module.inProjWeight === null)
			throw new ArgumentError(`lora: '${path}' has keys or values of another size than its queries; target its other layers`);
		return [new AdaptedInProjection(path, module), ...adaptedLayers(`${path}.base_layer.out_proj`, module.outProj)];
	}
	const { inFeatures, outFeatures, numEmbeddings, embeddingDim } = module as unknown as Partial<Linear & Embedding>;
	if (isCount(inFeatures) && isCount(outFeatures)) return [new AdaptedLinear(path, module)];
	if (isCount(numEmbeddings) && isCount(embeddingDim) && !('mode' in module)) return [new AdaptedEmbedding(path, module)];
	const weight = module.ownParameters().find(([name]) => name === 'weight')?.[1];
	if (weight?.ndim === 2 && !(module instanceof Embedding)) return [new AdaptedLinear(path, module)];
	const shape = weight === undefined ? '' : ` with a weight of shape ${formatShape(weight.shape)}`;
	throw new ArgumentError(
		`lora: '${path}', a ${module.constructor.name}${shape}, takes no adapter; Linear, Conv1d to Conv3d, Embedding, MultiheadAttention and layers with a 2-D weight do`,
	);
}

function isCount(value: unknown): value is number {
	return typeof value === 'number';
}
