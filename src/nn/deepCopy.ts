/** Deep copies of what modules hold. */
import { ArgumentError } from '../core/errors';
import { clone, detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { keep } from '../tidy';
import { Parameter } from './parameter';

/** Copies by original, so that what is shared stays shared. */
export type Copies = Map<object, unknown>;

/** Why a module cannot be copied. */
const obstacles = new WeakMap<object, string>();

/** Makes `clone` of a module throw an ArgumentError with this reason; null allows it again. */
export function forbidClone(module: object, reason: string | null): void {
	if (reason === null) obstacles.delete(module);
	else obstacles.set(module, reason);
}

export function requireClonable(module: object): void {
	const reason = obstacles.get(module);
	if (reason !== undefined) throw new ArgumentError(`clone: ${reason}`);
}

/**
 * Copies tensors, arrays, plain objects, maps, sets and typed arrays, and modules by `copyModule`, which returns null for other objects.
 * Functions and instances of other classes stay shared.
 */
export function deepCopy(value: unknown, copies: Copies, copyModule: (value: object) => object | null): unknown {
	if (typeof value !== 'object' || value === null) return value;
	const known = copies.get(value);
	if (known !== undefined) return known;
	const inner = (item: unknown) => deepCopy(item, copies, copyModule);
	// A copy is known before its parts, because they may refer to it.
	const begun = <T>(copy: T): T => {
		copies.set(value, copy);
		return copy;
	};
	if (value instanceof Tensor) return begun(copyOfTensor(value));
	if (Array.isArray(value)) {
		const copy: unknown[] = begun([]);
		for (const item of value) copy.push(inner(item));
		return copy;
	}
	if (value instanceof Map) {
		const copy = begun(new Map<unknown, unknown>());
		for (const [key, item] of value) copy.set(inner(key), inner(item));
		return copy;
	}
	if (value instanceof Set) {
		const copy = begun(new Set<unknown>());
		for (const item of value) copy.add(inner(item));
		return copy;
	}
	if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return begun((value as Float64Array).slice());
	if (Object.getPrototypeOf(value) === Object.prototype) {
		const copy: Record<string, unknown> = begun({});
		for (const [key, item] of Object.entries(value)) copy[key] = inner(item);
		return copy;
	}
	return copyModule(value) ?? value;
}

/** A leaf with the same values, without the gradient. */
function copyOfTensor(tensor: Tensor): Tensor {
	const values = clone(detach(tensor));
	if (tensor instanceof Parameter) return new Parameter(values, tensor.requiresGrad);
	return keep(tensor.isLeaf && tensor.requiresGrad ? values.requiresGrad_() : values);
}
