/** Removes channels from the layers of a chain. */
import { noGrad } from '../../../autograd/modes';
import { tensor } from '../../../ops/creation';
import { add } from '../../../ops/elementwise';
import { indexSelect } from '../../../ops/indexing';
import type { Tensor } from '../../../tensor';
import { tidy } from '../../../tidy';
import type { Module } from '../../module';
import { Parameter } from '../../parameter';
import type { Branch, Chain } from './chain';
import type { Removal } from './constants';
import { isConv, isDepthwise, isLinear, isNorm } from './layers';

/** Changes the layers in place. Adds functions to `undo` that restore them. */
export function removeChannels({ module, next }: Chain, removal: Removal, undo: (() => void)[]): void {
	const { kept } = removal;
	noGrad(() =>
		tidy(() => {
			const count = isLinear(module) ? { outFeatures: kept.length } : { outChannels: kept.length };
			change(module, { ...selected(module, ['weight', 'bias'], 0, kept), ...count }, undo);
			removeAfter(next, removal, undo);
		}),
	);
}

function removeAfter({ passages, ends }: Branch, removal: Removal, undo: (() => void)[]): void {
	for (const { module, spread, factor, next } of passages) {
		const entries = spreadOut(removal.kept, spread);
		if (isNorm(module)) {
			change(module, { ...selected(module, ['weight', 'bias'], 0, entries), numFeatures: entries.length }, undo);
			if (module.options.trackRunningStats ?? true)
				for (const name of ['running_mean', 'running_var'])
					changeBuffer(module, name, select(module.buffer(name), 0, entries), undo);
		} else if (isConv(module) && isDepthwise(module)) {
			const rows = spreadOut(entries, factor);
			const counts = { inChannels: entries.length, outChannels: rows.length };
			const options = { ...module.options, groups: entries.length };
			change(module, { ...selected(module, ['weight', 'bias'], 0, rows), ...counts, options }, undo);
		}
		removeAfter(next, removal, undo);
	}
	for (const { module, spread } of ends) {
		const entries = spreadOut(removal.kept, spread);
		const count = isLinear(module) ? { inFeatures: entries.length } : { inChannels: entries.length };
		const fold = removal.folds.get(module)!;
		const bias = fold.some((value) => value !== 0) ? { bias: withAdded(module, fold) } : {};
		change(module, { ...selected(module, ['weight'], 1, entries), ...bias, ...count }, undo);
	}
}

/** The entries of these channels along a dim with `spread` consecutive entries for each channel. */
function spreadOut(channels: readonly number[], spread: number): number[] {
	return channels.flatMap((channel) => Array.from({ length: spread }, (_, i) => channel * spread + i));
}

function select(x: Tensor, dim: number, entries: readonly number[]): Tensor {
	return indexSelect(x, dim, tensor([...entries], { dtype: 'int32', device: x.device }));
}

/** Keeps only these entries along a dim, in those of the named parameters that the module has. */
function selected(module: Module, names: readonly string[], dim: number, entries: readonly number[]): Record<string, Parameter> {
	const own = new Map(module.ownParameters());
	return Object.fromEntries(
		names.flatMap((name) => {
			const parameter = own.get(name);
			return parameter === undefined ? [] : [[name, new Parameter(select(parameter, dim, entries), parameter.requiresGrad)]];
		}),
	);
}

function withAdded({ weight, bias }: { weight: Parameter; bias: Parameter | null }, values: Float64Array): Parameter {
	const { device, dtype, requiresGrad } = weight;
	const added = tensor(Float32Array.from(values), { device, dtype });
	return new Parameter(bias === null ? added : add(bias, added), bias?.requiresGrad ?? requiresGrad);
}

function change(module: Module, properties: Readonly<Record<string, unknown>>, undo: (() => void)[]): void {
	const own = module as unknown as Record<string, unknown>;
	for (const [name, value] of Object.entries(properties)) {
		const before = own[name];
		undo.push(() => {
			own[name] = before;
		});
		own[name] = value;
	}
}

function changeBuffer(module: Module, name: string, value: Tensor, undo: (() => void)[]): void {
	const before = module.buffer(name);
	undo.push(() => module.registerBuffer(name, before));
	module.registerBuffer(name, value);
}
