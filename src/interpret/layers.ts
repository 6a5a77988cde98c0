/** What happens at layers, by forward hooks: activations, Grad-CAM, gradient times activation. */
import { noGrad } from '../autograd/modes';
import { requireBoolean, requireOneOf, wrongArgument } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { Module } from '../nn/module';
import { mul, relu } from '../ops/elementwise';
import { interpolate } from '../ops/interpolate';
import { detach } from '../ops/layout';
import { mean, sum } from '../ops/reduce';
import { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { keep, tidy } from '../tidy';
import { guidedBackprop } from './gradients';
import {
	type AttributionOptions,
	call,
	gradientsOf,
	type Inputs,
	type Interpretable,
	inInference,
	listOf,
	requireModel,
	Subject,
} from './model';

/** A layer: its path, such as 'features.3', or the module itself. */
export type LayerName = string | Module;

/** Reads and replaces the output of one layer. A list of outputs, such as an LSTM's, counts as its first tensor. */
export class Probe {
	readonly #layer: Module;
	readonly #label: string;

	constructor(
		readonly name: string,
		model: Interpretable,
		layer: LayerName,
	) {
		requireModel(name, model);
		this.#layer = layerOf(name, model, layer);
		this.#label = typeof layer === 'string' ? `'${layer}'` : layer.constructor.name;
	}

	/** The layer's output while `run` runs, detached. */
	output(run: () => unknown): Tensor {
		const found: Tensor[] = [];
		this.#hooked((output) => {
			// Sequential frees what its layers return, so this handle is kept for a while.
			found.push(keep(detach(output)));
			return undefined;
		}, run);
		try {
			this.#requireOnce(found.length);
			return detach(found[0]!);
		} finally {
			for (const each of found) each.dispose();
		}
	}

	/** Runs `run` with another output of the layer. */
	replaced<T>(replacement: Tensor, run: () => T): T {
		let calls = 0;
		const result = this.#hooked(() => {
			calls++;
			return replacement;
		}, run);
		this.#requireOnce(calls);
		return result;
	}

	#requireOnce(calls: number): void {
		if (calls === 1) return;
		throw new ArgumentError(
			`${this.name}: layer ${this.#label} runs ${calls} times in one forward pass; choose a layer that runs once, or give each use a layer of its own`,
		);
	}

	#hooked<T>(change: (output: Tensor) => Tensor | undefined, run: () => T): T {
		const hook = this.#layer.registerForwardHook((_, __, output) => {
			const first = firstTensor(output);
			if (first === null)
				throw wrongArgument(this.name, `the output of layer ${this.#label}`, 'a tensor or a list that begins with one', output);
			const changed = change(first);
			return changed === undefined || !Array.isArray(output) ? changed : [changed, ...output.slice(1)];
		});
		try {
			return run();
		} finally {
			hook.remove();
		}
	}
}

function firstTensor(output: unknown): Tensor | null {
	const first = Array.isArray(output) ? output[0] : output;
	return first instanceof Tensor ? first : null;
}

function layerOf(name: string, model: Interpretable, layer: unknown): Module {
	if (layer instanceof Module) return layer;
	if (typeof layer !== 'string') throw wrongArgument(name, 'layer', 'a path or a module', layer);
	if (model instanceof Module) return model.getSubmodule(layer);
	throw new ArgumentError(`${name}: the model is a function, which has no path '${layer}'; give the layer itself, a module`);
}

/**
 * The outputs of some layers for one forward pass, by path, detached. `layers` are paths or modules; null stands for all modules that have
 * no children. Modules that are not part of the model are named by their place in the list. As `captum.attr.LayerActivation`.
 */
export function activations(model: Interpretable, layers: readonly LayerName[] | null, input: Inputs): Record<string, Tensor> {
	requireModel('activations', model);
	const inputs = listOf('activations', input);
	for (const each of inputs) requireTensor('activations', each);
	const all = model instanceof Module ? model.namedModules() : [];
	const chosen = layers ?? all.filter(([, module]) => module.children().length === 0).map(([path]) => path);
	if (!Array.isArray(chosen)) throw wrongArgument('activations', 'layers', 'a list of paths or modules, or null for all', layers);
	if (chosen.length === 0) throw new ArgumentError('activations: a function has no layers to list; give the modules');
	const paths = new Map(all.map(([path, module]) => [module, path]));
	return tidy(() =>
		inInference(model, () => {
			const found = new Map<string, Tensor>();
			const hooks = chosen.map((layer, i) => {
				const module = layerOf('activations', model, layer);
				const path = typeof layer === 'string' ? layer : (paths.get(module) ?? String(i));
				return module.registerForwardHook((_, __, output) => {
					const first = firstTensor(output);
					if (first === null) return undefined;
					if (found.has(path) && layers === null) return undefined;
					if (found.has(path))
						throw new ArgumentError(
							`activations: layer '${path}' runs several times in one forward pass; give each use a layer of its own`,
						);
					found.set(path, keep(detach(first)));
					return undefined;
				});
			});
			try {
				tidy(() => void call(model, inputs));
				return Object.fromEntries([...found].map(([path, each]) => [path, detach(each)]));
			} finally {
				for (const hook of hooks) hook.remove();
				for (const each of found.values()) each.dispose();
			}
		}),
	);
}

export interface GradCamOptions extends AttributionOptions {
	/** Set what speaks against the target to 0, as the paper does. Default false, as in captum. */
	readonly reluAttributions?: boolean;
}

/**
 * Where in a convolutional layer's output [N, C, ...] the evidence for the target lies, [N, 1, ...]: the sum over the channels of the
 * activation times the channel's mean gradient. Enlarge it to the input with `interpolate(map, { size, mode: 'bilinear' })`. Selvaraju et
 * al. 2016. As `captum.attr.LayerGradCam`.
 */
export function gradCam(model: Interpretable, layer: LayerName, input: Inputs, options: GradCamOptions = {}): Tensor {
	const { reluAttributions = false, ...rest } = checkOptions('gradCam', options, [
		'target',
		'additionalForwardArgs',
		'reluAttributions',
	]);
	requireBoolean('gradCam', 'reluAttributions', reluAttributions);
	return atLayer('gradCam', model, layer, input, rest, (activation, gradient) => {
		if (activation.ndim < 3)
			throw new ShapeError(
				`gradCam: the layer's output must be [N, channels, ...places], not ${formatShape(activation.shape)}. Choose a convolutional layer, or use layerGradientXActivation`,
			);
		const places = Array.from({ length: activation.ndim - 2 }, (_, i) => i + 2);
		const map = sum(mul(mean(gradient, places, { keepdim: true }), activation), 1, { keepdim: true });
		return reluAttributions ? relu(map) : map;
	});
}

/** A layer's output times the gradient of the target by it, in the output's shape. As `captum.attr.LayerGradientXActivation`. */
export function layerGradientXActivation(
	model: Interpretable,
	layer: LayerName,
	input: Inputs,
	options: AttributionOptions = {},
): Tensor {
	checkOptions('layerGradientXActivation', options, ['target', 'additionalForwardArgs']);
	return atLayer('layerGradientXActivation', model, layer, input, options, mul);
}

function atLayer(
	name: string,
	model: Interpretable,
	layer: LayerName,
	input: Inputs,
	options: AttributionOptions,
	of: (activation: Tensor, gradient: Tensor) => Tensor,
): Tensor {
	const inputs = listOf(name, input);
	const subject = new Subject(name, model, inputs, options);
	const probe = new Probe(name, model, layer);
	return tidy(() =>
		inInference(model, () => {
			const activation = probe.output(() => subject.values(inputs));
			const [gradient] = gradientsOf(name, [activation], ([own]) => probe.replaced(own!, () => subject.values(inputs)));
			return of(activation, gradient!);
		}),
	);
}

/**
 * Guided backpropagation times Grad-CAM, in the input's shape [N, C, H, W]: the map of the layer, with negative values set to 0, enlarged to
 * the input by `mode`. As `captum.attr.GuidedGradCam`.
 */
export function guidedGradCam(
	model: Interpretable,
	layer: LayerName,
	input: Tensor,
	options: AttributionOptions & {
		/** How the map is enlarged: 'nearest', the default, or 'bilinear'. */
		readonly mode?: 'nearest' | 'bilinear';
	} = {},
): Tensor {
	const { mode = 'nearest', ...rest } = checkOptions('guidedGradCam', options, ['target', 'additionalForwardArgs', 'mode']);
	requireOneOf('guidedGradCam', 'mode', mode, ['nearest', 'bilinear']);
	requireTensor('guidedGradCam', input);
	if (input.ndim !== 4) throw new ShapeError(`guidedGradCam: the input must be [N, C, H, W], not ${formatShape(input.shape)}`);
	return tidy(() =>
		noGrad(() => {
			const map = gradCam(model, layer, input, { ...rest, reluAttributions: true });
			const large = interpolate(map, { size: [input.shape[2]!, input.shape[3]!], mode });
			return mul(guidedBackprop(model, input, rest), large);
		}),
	);
}
