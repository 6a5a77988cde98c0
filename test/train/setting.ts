/** Small data and models for the tests of training. */

import * as assert from 'uvu/assert';
import { type Device, manualSeed, nn, randn, type Tensor, tidy } from 'wgrad';

/** Points [N, 4], and int32 [N], the side of a plane that each is on. */
export function points(count: number, device: Device = 'cpu', seed = 1): [x: Tensor, y: Tensor] {
	manualSeed(seed);
	const x = randn([count, 4], { device });
	return [x, tidy(() => x.select(1, 0).add(x.select(1, 1)).gt(0.3).to('int32'))];
}

/** A linear model [N, 4] to [N, 2]; the same weights for the same seed. */
export function linear(seed = 2, device: Device = 'cpu'): nn.Linear {
	manualSeed(seed);
	return new nn.Linear(4, 2, { device });
}

export async function weightsOf(model: nn.Module): Promise<number[]> {
	const all = await Promise.all(Object.values(model.stateDict()).map((tensor) => tensor.data()));
	return all.flatMap((values) => Array.from(values));
}

export function assertClose(found: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
	assert.is(found.length, expected.length, what);
	found.forEach((value, i) => {
		assert.ok(Math.abs(value - expected[i]!) <= tolerance, `${what}: element ${i} is ${value}, expected ${expected[i]}`);
	});
}

/** Throws unless `fn` rejects with a message that matches. */
export async function assertRejects(fn: () => Promise<unknown>, message: RegExp): Promise<void> {
	let error: unknown;
	try {
		await fn();
	} catch (caught) {
		error = caught;
	}
	assert.ok(error instanceof Error, `nothing was thrown where ${message} was expected`);
	assert.match((error as Error).message, message);
}
