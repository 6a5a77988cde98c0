/** Counts tensors exactly, despite the garbage collector. */
import { memory } from 'wgrad';

/**
 * The number of live tensors after a garbage collection. Without the collection, tensors of earlier tests could vanish while this
 * test counts. Needs Node's --expose-gc, which the runner passes to every test.
 */
export async function heldTensors(): Promise<number> {
	for (let round = 0; round < 3; round++) {
		globalThis.gc?.();
		await new Promise((resolve) => setTimeout(resolve));
	}
	return memory().tensors;
}
