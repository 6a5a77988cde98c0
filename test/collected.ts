/** Counts tensors in spite of the garbage collector. */
import { memory } from 'wgrad';

/**
 * How many tensors there are once those that nobody holds are collected: else some of earlier tests go away just while this one counts.
 * Needs Node's --expose-gc, with which the runner starts every test.
 */
export async function heldTensors(): Promise<number> {
	for (let round = 0; round < 3; round++) {
		globalThis.gc?.();
		await new Promise((resolve) => setTimeout(resolve));
	}
	return memory().tensors;
}
