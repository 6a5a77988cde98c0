/** Range checks of options, for the optimizers' `validate`. */
import { ArgumentError } from '../core/errors';

/** Throws an ArgumentError that names the optimizer unless every option is at least 0. */
export function requireAtLeastZero(optimizer: object, options: Readonly<Record<string, number>>): void {
	for (const [key, value] of Object.entries(options)) {
		if (!(value >= 0)) throw new ArgumentError(`${optimizer.constructor.name}: ${key} must be at least 0, not ${value}`);
	}
}

/** Throws an ArgumentError that names the optimizer unless every beta lies in [0, 1). */
export function requireBetas(optimizer: object, betas: readonly number[]): void {
	if (!Array.isArray(betas) || betas.length !== 2)
		throw new ArgumentError(`${optimizer.constructor.name}: betas must be two numbers, not ${String(betas)}`);
	for (const beta of betas) {
		if (!(beta >= 0 && beta < 1)) throw new ArgumentError(`${optimizer.constructor.name}: betas must lie in [0, 1), not ${beta}`);
	}
}
