/**
 * Counts optimizer steps that a GradScaler may skip. Only the device knows whether a step was skipped, so the counts are tensors there, and
 * kernels read the values that depend on them.
 */

import type { CountAttributes } from '../backends/contract/gradScaler';
import { CONTROL } from '../backends/contract/gradScaler';
import { gradScalerKernels } from '../backends/kernels';
import { full } from '../ops/creation';
import { emptyOn, type Tensor } from '../tensor';
import { keep } from '../tidy';

/** The values that an optimizer derives from the step count. */
export type Counting = Pick<CountAttributes, 'kind'> & Partial<CountAttributes>;

/** A count before a step: a number, or an element on the device. */
type Count = number | Tensor;

interface Counted {
	readonly next: Tensor;
	readonly nextProduct: Tensor | null;
	/** For the kernels of this step. */
	readonly control: Tensor;
}

/** Counts of one optimizer. Parameters with equal counts share them, so that a step counts once. */
export class StepCounter {
	readonly #counted = new Map<Count, Map<string, Counted>>();
	#owned = new Set<Tensor>();

	/** Counts one step, unless `found` is 1. `product` is the one of NAdam. */
	count(step: Count, product: Count | null, found: Tensor | null, param: Tensor, counting: Counting): Counted {
		const { kind, beta1 = 0.9, beta2 = 0.999, momentumDecay = 0 } = counting;
		const dtype = param.dtype === 'float64' ? 'float64' : 'float32';
		const { device } = param;
		const key = [kind, beta1, beta2, momentumDecay, dtype, device, typeof product === 'number' ? product : ''].join(' ');
		const known = this.#counted.get(step) ?? new Map<string, Counted>();
		this.#counted.set(step, known);
		const before = known.get(key);
		if (before !== undefined) return before;
		const scalar = (value: Count) => (typeof value === 'number' ? full([], value, { dtype, device }) : value);
		const made = (shape: readonly number[]) => keep(emptyOn(param, shape, dtype));
		const inputs = [scalar(step), product === null ? null : scalar(product)] as const;
		const counted = {
			next: made([]),
			nextProduct: product === null ? null : made([]),
			control: made([Object.keys(CONTROL).length]),
		};
		gradScalerKernels(param.backend).countStep(
			{ step: inputs[0], ...(inputs[1] && { product: inputs[1] }), ...(found && { found }) },
			{ next: counted.next, control: counted.control, ...(counted.nextProduct && { nextProduct: counted.nextProduct }) },
			{ kind, beta1, beta2, momentumDecay },
		);
		for (const input of inputs) if (input !== null && input !== step && input !== product) input.dispose();
		known.set(key, counted);
		return counted;
	}

	/** Ends a step: frees its controls, and the counts that `states` no longer hold. */
	finish(states: Iterable<Readonly<Record<string, unknown>>>): void {
		if (this.#counted.size === 0) return;
		for (const byKind of this.#counted.values()) {
			for (const { next, nextProduct, control } of byKind.values()) {
				control.dispose();
				for (const tensor of [next, nextProduct]) if (tensor !== null) this.#owned.add(tensor);
			}
		}
		this.#counted.clear();
		const held = new Set<unknown>();
		for (const { step, muProduct } of states) held.add(step).add(muProduct);
		for (const tensor of this.#owned) if (!held.has(tensor)) tensor.dispose();
		this.#owned = new Set([...this.#owned].filter((tensor) => held.has(tensor)));
	}
}

/** A count from a saved state: a number if the host can read it, else a copy. */
export function loadedCount(value: Tensor, copy: (value: Tensor) => Tensor): Count {
	const elements = value.storage.hostData?.();
	return elements === undefined ? copy(value) : elements[value.offset]!;
}
