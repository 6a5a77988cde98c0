/** Finds tensors that a piece of code leaves behind. */
import type { Tensor } from 'wgrad';
import { closeScope, openScope } from '../../src/core/scope';

/** The tensors that `fn` made and did not dispose of. The list holds them, so that the garbage collector frees none. */
export async function leftAlive(fn: () => Promise<unknown>): Promise<Tensor[]> {
	const scope = openScope();
	try {
		await fn();
	} finally {
		closeScope(scope, () => true);
	}
	return (scope.tensors as readonly unknown[] as readonly Tensor[]).filter((tensor) => !tensor.isDisposed);
}

export const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
