/** A module's forward with other parameters, as data: for meta-learning, ensembles and derivatives by parameters. */
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import { requireState } from '../tensorChecks';
import { Module } from './module';

/**
 * Calls `module.forward(...inputs)` with the tensors of `state`, by the keys of `stateDict`, in the place of its parameters and buffers. The
 * module itself does not change, and gradients flow to the tensors. Keys that are left out keep the module's own; tied parameters are
 * replaced together. As `torch.func.functional_call`.
 */
export function functionalCall<M extends Module & { forward(...inputs: never[]): unknown }>(
	module: M,
	state: Readonly<Record<string, Tensor>>,
	...inputs: Parameters<M['forward']>
): ReturnType<M['forward']> {
	if (!(module instanceof Module)) throw new ArgumentError('functionalCall: the first argument must be a module');
	requireState('functionalCall', state);
	const restores: (() => void)[] = [];
	const restore = () => {
		for (const back of restores.toReversed()) back();
	};
	try {
		for (const [path, tensor] of Object.entries(state)) restores.push(replaced(module, path, tensor));
		const result = module.forward(...inputs);
		if (result instanceof Promise) return result.finally(restore) as ReturnType<M['forward']>;
		restore();
		return result as ReturnType<M['forward']>;
	} catch (error) {
		restore();
		throw error;
	}
}

/** Puts a tensor in the place of a parameter, wherever the module holds it, or of a buffer. Returns the way back. */
function replaced(module: Module, path: string, tensor: Tensor): () => void {
	const end = path.lastIndexOf('.');
	const owner = module.getSubmodule(path.slice(0, Math.max(0, end)));
	const name = path.slice(end + 1);
	const parameter = owner.ownParameters().find(([key]) => key === name)?.[1];
	if (parameter === undefined) {
		const before = owner.buffer(name);
		owner.exchangeBuffer(name, tensor);
		return () => owner.exchangeBuffer(name, before);
	}
	const holders = module
		.modules()
		.flatMap((holder) =>
			Object.entries(holder).flatMap(([property, value]) => (value === parameter ? [{ holder, property }] : [])),
		);
	const set = (value: Tensor) => {
		for (const { holder, property } of holders) (holder as unknown as Record<string, Tensor>)[property] = value;
	};
	set(tensor);
	return () => set(parameter);
}
