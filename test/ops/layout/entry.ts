/** Helpers for the entries of this family. */
import { type Tensor, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Refusal, Sample } from '../database';

type Arguments = readonly never[];

/** An entry with samples that pass `options.args` behind the tensor (or the tensors, as `list`). */
export function entry<F extends (...args: never[]) => Tensor | readonly Tensor[]>(
	name: string,
	operation: F,
	torch: ((...args: never[]) => string) | null,
	samples: readonly Sample[],
	refusals: readonly Refusal[],
	{ list = false }: { list?: boolean } = {},
): OpEntry {
	const run = operation as unknown as (x: Tensor | readonly Tensor[], ...args: Arguments) => Tensor | readonly Tensor[];
	return {
		name,
		family: 'layout',
		call: (x, options) => run(list ? x : x[0]!, ...((options.args ?? []) as Arguments)),
		gradient: 'yes',
		samples: samples.map((sample) =>
			sample.inputs.every(({ dtype }) => dtype !== undefined) ? { ...sample, gradient: false } : sample,
		),
		refusals,
		torch: torch === null ? null : (options) => torch(...((options.args ?? []) as Arguments)),
	};
}

/** A sample with one tensor, followed by `args`. */
export function of(label: string, spec: InputSpec | readonly number[], ...args: unknown[]): Sample {
	return { label, inputs: [Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)], options: { args } };
}

/** A sample with several tensors, followed by `args`. */
export function ofAll(label: string, specs: readonly (InputSpec | readonly number[])[], ...args: unknown[]): Sample {
	const inputs = specs.map((spec) => (Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)));
	return { label, inputs, options: { args } };
}

export const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
export const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });
export const expanded = (...shape: number[]): InputSpec => ({ shape, layout: 'expanded' });
export const integers = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: -9, high: 9 });
export const bools = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });

export function refuse(label: string, shape: readonly number[], run: (x: Tensor) => unknown, message: RegExp): Refusal {
	return { label, call: (device) => run(zeros(shape, { device })), message };
}
