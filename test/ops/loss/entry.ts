/** Helpers for the entries of all losses. */
import * as w from 'wgrad';
import type { InputSpec, Options, Refusal } from '../database';

export const REDUCTIONS = ['mean', 'sum', 'none'] as const;

export const WEIGHT: Partial<InputSpec> = { low: 0.2, high: 2, gradient: false };

export type Loss = (input: w.Tensor, target: w.Tensor, options?: never) => w.Tensor;

/** Wrong calls that every loss with an input and a target rejects. */
export function commonRefusals(name: string, operation: Loss, classes: boolean): Refusal[] {
	const call = operation as (input: w.Tensor, target: w.Tensor, options?: Options) => w.Tensor;
	const target = (device: w.Device) => (classes ? w.tensor([0, 1], { dtype: 'int32', device }) : w.zeros([2, 3], { device }));
	return [
		{
			label: 'reduction',
			call: (device) => call(w.zeros([2, 3], { device }), target(device), { reduction: 'average' }),
			message: new RegExp(`${name}: reduction must be 'none', 'mean' or 'sum', not 'average'`),
		},
		{
			label: 'whole input',
			call: (device) => call(w.zeros([2, 3], { dtype: 'int32', device }), target(device)),
			message: new RegExp(`${name}: input must be floating, not int32`),
		},
		{
			label: 'no target',
			call: (device) => call(w.zeros([2, 3], { device }), undefined as unknown as w.Tensor),
			message: new RegExp(`${name}: target must be a tensor, not undefined`),
		},
	];
}

/** Targets 1 and -1. */
export const signs = (shape: readonly number[]): InputSpec => {
	const size = shape.reduce((a, b) => a * b, 1);
	return { shape, values: Array.from({ length: size }, (_, i) => (i % 3 === 0 ? -1 : 1)), gradient: false };
};
