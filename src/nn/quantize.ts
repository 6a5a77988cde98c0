/** Quantises the layers of a model, after or during training. */
import { noteModelChange } from '../core/capture';
import { describe, requireArray } from '../core/checks';
import { hostBytes } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { embedding } from '../ops/embedding';
import { fakeQuantize } from '../ops/fakeQuantize';
import { detach, narrow, reshape } from '../ops/layout';
import { linear } from '../ops/matmul';
import {
	inGroups,
	type QuantizedWeight,
	type QuantizeWeightOptions,
	quantizeOptions,
	quantizeWeight,
	rangesOf,
} from '../ops/quantized';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { Embedding } from './embedding';
import { Linear } from './linear';
import { Module, requireModule } from './module';
import { Parameter } from './parameter';
import { type EmbeddingLike, type LinearLike, type QuantizedActivations, quantizedOf, quantizedTableOf } from './quantized';

export interface QuantizeOptions extends QuantizeWeightOptions {
	/**
	 * The layers to quantise: paths such as 'encoder.0.linear1', or leading or trailing parts of paths at dots, such as 'encoder' or
	 * 'linear1'; regular expressions for whole paths; or classes. Default: every Linear and Embedding.
	 */
	readonly modules?: readonly ModuleChoice[];
	/** Layers to leave as they are, chosen in the same way. */
	readonly exclude?: readonly ModuleChoice[];
	/** How to round the inputs of Linear layers. Default: not at all. */
	readonly activations?: QuantizedActivations | null;
	/**
	 * Lets your own layers be quantised. Called with every module and its path. Returns the sizes and parameters of an equivalent Linear or
	 * Embedding, or null for all other modules.
	 */
	readonly convert?: (module: Module, path: string) => LinearLike | EmbeddingLike | null;
}

/** A path or part of a path, a regular expression, or a class. */
export type ModuleChoice = string | RegExp | (abstract new (...args: never[]) => Module);

export interface QuantizedLayerReport {
	readonly path: string;
	/** Bytes of the weight in floating point. */
	readonly bytesBefore: number;
	/** Bytes of codes, scales and zero points. */
	readonly bytesAfter: number;
}

export interface QuantizeReport {
	readonly layers: readonly QuantizedLayerReport[];
	/** Parameters with two or more dims that stay unchanged: excluded ones, and those that modules use directly. */
	readonly left: readonly string[];
	/** Bytes of all parameters and buffers, as files hold them. */
	readonly bytesBefore: number;
	readonly bytesAfter: number;
}

const LAYER_OPTIONS = ['bits', 'groupSize', 'symmetric', 'modules', 'exclude'] as const;

/**
 * Replaces Linear and Embedding layers by QuantizedLinear and QuantizedEmbedding, in every module that holds them as children. Changes
 * `model` and returns it with a report. If `model` itself is such a layer, returns the new layer. Layers that share a parameter share its
 * codes. Layers of `prepareQat` become quantised layers too. Subclasses of Linear and Embedding stay, and so do parameters that a module
 * uses directly, such as `in_proj_weight`. The report lists them as `left`.
 */
export function quantize<M extends Module>(
	model: M,
	options: QuantizeOptions = {},
): { readonly model: M; readonly report: QuantizeReport } {
	checkOptions('quantize', options, [...LAYER_OPTIONS, 'activations', 'convert']);
	requireModule('quantize', 'model', model);
	const weightOptions = quantizeOptions('quantize', options);
	const { activations = null } = options;
	const targets = targetsOf('quantize', model, options);
	requireUntied('quantize', model, targets);
	const bytesBefore = bytesOf(model);
	const codes = new Map<Tensor, QuantizedWeight>();
	const layers: QuantizedLayerReport[] = [];
	const replaced = replaceAll('quantize', model, targets, ({ path, source }) => {
		const { weight } = source;
		const shared = codes.get(weight) ?? quantizeWeight(weight, weightOptions);
		codes.set(weight, shared);
		const parts = [shared.packed, shared.scale, ...(shared.zeroPoint === null ? [] : [shared.zeroPoint])];
		layers.push({ path, bytesBefore: sizeOf([weight]), bytesAfter: sizeOf(parts) });
		return 'inFeatures' in source
			? quantizedOf(source, { ...weightOptions, activations }, shared)
			: quantizedTableOf(source, weightOptions, shared);
	});
	const left = replaced.namedParameters().flatMap(([path, { ndim }]) => (ndim > 1 ? [path] : []));
	return { model: replaced, report: { layers, left, bytesBefore, bytesAfter: bytesOf(replaced) } };
}

/**
 * Prepares `model` for quantisation-aware training: its Linear and Embedding layers round their weights in each forward as `quantize` will,
 * and gradients pass straight through the rounding. The parameters stay the same tensors, with the same keys. Changes `model` and returns
 * it. Call `quantize` with the same options after training.
 */
export function prepareQat<M extends Module>(model: M, options: Omit<QuantizeOptions, 'activations' | 'convert'> = {}): M {
	checkOptions('prepareQat', options, LAYER_OPTIONS);
	requireModule('prepareQat', 'model', model);
	const weightOptions = quantizeOptions('prepareQat', options);
	return replaceAll('prepareQat', model, targetsOf('prepareQat', model, options), ({ source }) =>
		'inFeatures' in source
			? new FakeQuantizedLinear(source as Linear, weightOptions)
			: new FakeQuantizedEmbedding(source as Embedding, weightOptions),
	);
}

/** Rounds the weight as quantisation will. The gradient passes straight through. */
function roundedWeight(weight: Tensor, { bits, groupSize, symmetric }: Required<QuantizeWeightOptions>): Tensor {
	const [rows, columns] = weight.shape as [number, number];
	const grouped = inGroups(weight, groupSize);
	const [, groups, size] = grouped.shape as [number, number, number];
	const { scale, zeroPoint } = rangesOf(detach(grouped), bits, symmetric);
	const half = 2 ** (bits - 1);
	const [quantMin, quantMax] = symmetric ? [1 - half, half - 1] : [0, 2 * half - 1];
	const codes = { quantMin, quantMax, axis: 0 };
	const lines = reshape(grouped, [rows * groups, size]);
	const zero = zeroPoint === null ? 0 : reshape(zeroPoint, [rows * groups]);
	const rounded = fakeQuantize(lines, reshape(scale, [rows * groups]), zero, codes);
	return narrow(reshape(rounded, [rows, groups * size]), 1, 0, columns);
}

function requireLayer(operation: string, kind: string, layer: { readonly weight: Parameter }): void {
	if (layer?.weight instanceof Parameter) return;
	throw new ArgumentError(`${operation}: it takes a layer such as nn.${kind}, not ${describe(layer)}`);
}

/** A Linear that rounds its weight as `quantize` will. `prepareQat` makes it. */
export class FakeQuantizedLinear extends Module {
	readonly inFeatures: number;
	readonly outFeatures: number;
	readonly weight: Parameter;
	readonly bias: Parameter | null;
	readonly #options: Required<QuantizeWeightOptions>;

	/** Shares the parameters of `layer`. */
	constructor(layer: Pick<Linear, 'inFeatures' | 'outFeatures' | 'weight' | 'bias'>, options: QuantizeWeightOptions = {}) {
		super();
		requireLayer('FakeQuantizedLinear', 'Linear', layer);
		checkOptions('FakeQuantizedLinear', options, ['bits', 'groupSize', 'symmetric']);
		this.#options = quantizeOptions('FakeQuantizedLinear', options);
		({ inFeatures: this.inFeatures, outFeatures: this.outFeatures, weight: this.weight, bias: this.bias } = layer);
	}

	override forward(input: Tensor): Tensor {
		return tidy(() => linear(input, roundedWeight(this.weight, this.#options), this.bias));
	}

	override extraRepr(): string {
		const { bits, groupSize } = this.#options;
		return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}, bits=${bits}, groupSize=${groupSize}`;
	}
}

/** An Embedding that rounds its table as `quantize` will. `prepareQat` makes it. */
export class FakeQuantizedEmbedding extends Module {
	readonly numEmbeddings: number;
	readonly embeddingDim: number;
	readonly paddingIdx: number | undefined;
	readonly weight: Parameter;
	readonly #options: Required<QuantizeWeightOptions>;

	/** Shares the parameters of `layer`. */
	constructor(
		layer: Pick<Embedding, 'numEmbeddings' | 'embeddingDim' | 'weight' | 'paddingIdx'>,
		options: QuantizeWeightOptions = {},
	) {
		super();
		requireLayer('FakeQuantizedEmbedding', 'Embedding', layer);
		checkOptions('FakeQuantizedEmbedding', options, ['bits', 'groupSize', 'symmetric']);
		this.#options = quantizeOptions('FakeQuantizedEmbedding', options);
		({ numEmbeddings: this.numEmbeddings, embeddingDim: this.embeddingDim, weight: this.weight } = layer);
		this.paddingIdx = layer.paddingIdx;
	}

	override forward(indices: Tensor): Tensor {
		const { paddingIdx } = this;
		return tidy(() =>
			embedding(indices, roundedWeight(this.weight, this.#options), paddingIdx === undefined ? {} : { paddingIdx }),
		);
	}

	override extraRepr(): string {
		const { bits, groupSize } = this.#options;
		return `${this.numEmbeddings}, ${this.embeddingDim}, bits=${bits}, groupSize=${groupSize}`;
	}
}

/** A layer to replace, and the source of its parameters: the layer itself, or the result of `convert`. */
interface Target {
	readonly path: string;
	readonly layer: Module;
	readonly source: LinearLike | EmbeddingLike;
}

const REPLACEABLE: readonly unknown[] = [Linear, Embedding, FakeQuantizedLinear, FakeQuantizedEmbedding];

/** Returns the layer if it can be replaced. Subclasses may compute something else. */
function sourceOf(module: Module): LinearLike | EmbeddingLike | null {
	const isKnown = REPLACEABLE.includes(module.constructor);
	// Weight normalization and pruning compute the weight at every use.
	return isKnown && (module as Linear).weight instanceof Parameter ? (module as Linear | Embedding) : null;
}

function targetsOf(operation: string, model: Module, options: QuantizeOptions): Target[] {
	const { modules, exclude = [], convert } = options;
	const all = model.namedModules();
	const choose = (name: string, choices: readonly ModuleChoice[]) => {
		requireArray(operation, name, choices, 'an array');
		return new Set(choices.flatMap((choice) => chosen(operation, name, choice, all)));
	};
	const [included, excluded] = [modules && choose('modules', modules), choose('exclude', exclude)];
	const targets: Target[] = [];
	for (const [path, layer] of all) {
		if (excluded.has(layer) || included?.has(layer) === false) continue;
		const source = convert?.(layer, path) ?? sourceOf(layer);
		if (source === null) continue;
		if (Object.hasOwn(layer, 'forward'))
			throw new ArgumentError(
				`${operation}: '${path}' has hooks or a forward of its own, which a new layer would lose. Set them after ${operation}, or exclude the layer`,
			);
		targets.push({ path, layer, source });
	}
	return targets;
}

/** The modules that `choice` selects. */
function chosen(operation: string, name: string, choice: ModuleChoice, all: readonly [string, Module][]): Module[] {
	let matches: (path: string, module: Module) => boolean;
	if (typeof choice === 'string') matches = (path) => `.${path}.`.includes(`.${choice}.`);
	else if (choice instanceof RegExp) matches = (path) => path.search(choice) >= 0;
	else if (typeof choice === 'function') matches = (_, module) => module instanceof choice;
	else throw new ArgumentError(`${operation}: ${name} holds paths, regular expressions and classes, not ${describe(choice)}`);
	const found = all.flatMap(([path, module]) => (matches(path, module) ? [module] : []));
	if (found.length === 0)
		throw new ArgumentError(
			`${operation}: ${name} names ${typeof choice === 'string' ? `'${choice}'` : String(choice instanceof RegExp ? choice : choice.name)}, but no module matches`,
		);
	return found;
}

/**
 * Throws if a layer shares its weight with a module that keeps it in floating point: quantising would save nothing, and the two would
 * differ.
 */
function requireUntied(operation: string, model: Module, targets: readonly Target[]): void {
	const replaced = new Map(targets.map(({ layer, path }) => [layer, path]));
	const weights = new Map(
		targets.flatMap(({ layer, path, source }) => ((layer as unknown) === source ? [[source.weight as Tensor, path]] : [])) as [
			Tensor,
			string,
		][],
	);
	for (const [path, module] of model.namedModules()) {
		if (replaced.has(module)) continue;
		for (const [name, parameter] of module.ownParameters()) {
			const tied = weights.get(parameter);
			if (tied !== undefined)
				throw new ArgumentError(
					`${operation}: '${path === '' ? name : `${path}.${name}`}' is the weight of '${tied}', too, and would stay as it is. Quantise both layers, or exclude '${tied}'`,
				);
		}
	}
}

/** Replaces each target by the result of `make`, in every module that holds it. */
function replaceAll<M extends Module>(
	operation: string,
	model: M,
	targets: readonly Target[],
	make: (target: Target) => Module,
): M {
	const replacements = new Map<Module, Module>();
	for (const target of targets) replacements.set(target.layer, make(target).train(target.layer.training));
	for (const module of model.modules()) {
		for (const [name, child] of module.namedChildren()) {
			const replacement = replacements.get(child);
			if (replacement !== undefined) replaceChild(operation, module, name, child, replacement);
		}
	}
	return (replacements.get(model) ?? model) as M;
}

/**
 * Replaces the child `name` of `parent`: sets the property that holds it, or calls `addModule` if the class overrides it, as containers do.
 * Throws an ArgumentError that names `operation` if the parent holds the child elsewhere, such as in a private field.
 */
function replaceChild(operation: string, parent: Module, name: string, child: Module, replacement: Module): void {
	noteModelChange();
	const own = parent as unknown as Record<string, unknown>;
	const property = Object.keys(own).find((key) => own[key] === child);
	if (property !== undefined) own[property] = replacement;
	else if (parent.addModule !== Module.prototype.addModule) parent.addModule(name, replacement);
	if (!parent.namedChildren().some(([key, module]) => key === name && module === replacement))
		throw new ArgumentError(
			`${operation}: ${parent.constructor.name} does not let '${name}' be replaced. Hold it in a property that is not private, or override addModule`,
		);
}

function sizeOf(tensors: readonly Tensor[]): number {
	return tensors.reduce((sum, { size, dtype }) => sum + size * hostBytes(dtype), 0);
}

function bytesOf(model: Module): number {
	return sizeOf([...model.parameters(), ...model.buffers()]);
}
