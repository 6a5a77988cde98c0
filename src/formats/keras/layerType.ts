/** What a class of layers of Keras is in wgrad. */
import type { DeviceName } from '../../backends/contract';
import type { Shape } from '../../core/shape';
import type { Module } from '../../nn/module';
import type { Config, Settings } from './settings';
import type { Slot, WeightSpec } from './slots';
import type { Value } from './values';

export interface CallArguments {
	/** Tensors that are passed by name. */
	readonly named: Readonly<Record<string, readonly Value[]>>;
	readonly options: Config;
	readonly training: boolean;
}

export type Run = (inputs: readonly Value[], call: CallArguments) => Value | readonly Value[];

export interface LayerType {
	/** The weights in the order of Keras: first those that it trains. Default none. */
	weights?(settings: Settings): readonly WeightSpec[];
	/** Makes the module, with sizes from the shapes of the weights. Default: the layer needs none. */
	create?(settings: Settings, shapes: readonly Shape[], device: DeviceName): Module;
	/** Where the weights stand in the module, in the order of `weights`. */
	slots?(module: Module, settings: Settings): readonly Slot[];
	/** Throws for settings without a counterpart, and returns what the layer computes. */
	run(settings: Settings, module: Module | null): Run;
}

/** A layer that maps one tensor to one. */
export function unary(
	make: (settings: Settings, module: Module | null) => (value: Value, training: boolean) => Value,
): LayerType {
	return {
		run(settings, module) {
			const compute = make(settings, module);
			return ([value], { training }) => compute(value ?? settings.refuse('takes one tensor, and gets none'), training);
		},
	};
}

/** The size of a dim of a weight's shape. */
export function sizeOf(settings: Settings, shape: Shape | undefined, dim: number): number {
	const size = shape?.at(dim);
	return size !== undefined && size > 0 ? size : settings.fail(`has a weight of shape [${shape?.join(', ') ?? ''}]`);
}
