/** Parameters that a module computes from others at each use, for weight normalization, pruning and adapters. */
import { ArgumentError } from '../core/errors';
import type { Tensor } from '../tensor';
import type { Module } from './module';
import type { Parameter } from './parameter';

/** A module's own parameter, by its name in the state, and the property that holds it. */
export interface OwnParameter {
	readonly name: string;
	readonly property: string;
	readonly parameter: Parameter;
}

/** Finds a parameter by name. Throws an ArgumentError that names `operation` if the module does not hold it in a property of its own. */
export function ownParameter(operation: string, module: Module, name: string): OwnParameter {
	const own = module.ownParameters();
	const parameter = own.find(([key]) => key === name)?.[1];
	const property = Object.entries(module).find(([, value]) => parameter !== undefined && value === parameter)?.[0];
	if (parameter === undefined || property === undefined) {
		const names = own.map(([key]) => key).join(', ') || 'none';
		throw new ArgumentError(`${operation}: ${module.constructor.name} has no parameter '${name}'; it has: ${names}`);
	}
	return { name, property, parameter };
}

/**
 * Makes `property` compute its value at each use, so that the value follows its sources and no stale tensor remains. The tape records the
 * computation. Replaces the property; `restoreProperty` puts a parameter back. `compute` takes the module, because clones share it.
 */
export function computeProperty(module: Module, property: string, compute: (module: Module) => Tensor): void {
	// Not enumerable: ownParameters() and summaries read all enumerable properties.
	Object.defineProperty(module, property, {
		get(this: Module) {
			return compute(this);
		},
		enumerable: false,
		configurable: true,
	});
}

export function restoreProperty(module: Module, property: string, parameter: Parameter): void {
	Object.defineProperty(module, property, { value: parameter, enumerable: true, configurable: true, writable: true });
}
