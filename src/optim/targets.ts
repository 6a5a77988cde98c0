/** What an optimizer step updates: lists of parameters, as the kernels take them. */
import type { OptimizerKernels } from '../backends/contract/optimizer';
import { optimizerKernels } from '../backends/kernels';
import type { Tensor } from '../tensor';
import type { ParamState } from './state';

/** A parameter to update. Parameter and gradient are contiguous and have their own storages; a strided parameter is a copy here. */
export interface Target {
	readonly param: Tensor;
	readonly gradient: Tensor;
	readonly state: ParamState;
}

/** The number of the step of a parameter, or, where it may be skipped, the control (contract/gradScaler.ts). */
export interface Counts {
	readonly t: number;
	readonly control: Tensor | undefined;
}

/** Parameters that are at the same step, for one call of a kernel. */
export interface Run extends Counts {
	readonly targets: readonly Target[];
	readonly kernels: OptimizerKernels;
	readonly params: readonly Tensor[];
	readonly inputs: { readonly gradients: readonly Tensor[]; readonly control?: Tensor };
}

export function runOf(targets: readonly Target[], counts: Counts): Run {
	const { t, control } = counts;
	const gradients = targets.map(({ gradient }) => gradient);
	return {
		t,
		control,
		targets,
		kernels: optimizerKernels(targets[0]!.param.backend),
		params: targets.map(({ param }) => param),
		inputs: control === undefined ? { gradients } : { gradients, control },
	};
}

/** The targets in lists with equal values of `of`. */
export function partsBy(targets: readonly Target[], of: (target: Target) => unknown): readonly (readonly Target[])[] {
	const parts = new Map<unknown, Target[]>();
	for (const target of targets) {
		const value = of(target);
		const known = parts.get(value);
		if (known === undefined) parts.set(value, [target]);
		else known.push(target);
	}
	return [...parts.values()];
}
