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

/** What is held once earlier tests' tensors are gone, some of which go only when the device has answered. */
export async function settled(): Promise<{ tensors: number; live: number }> {
	const read = async () => ({ tensors: await heldTensors(), live: memory().gpu?.live ?? 0 });
	let held = await read();
	for (let equal = 0; equal < 5; ) {
		await new Promise((resolve) => setTimeout(resolve, 10));
		const now = await read();
		equal = now.tensors === held.tensors && now.live === held.live ? equal + 1 : 0;
		held = now;
	}
	return held;
}
