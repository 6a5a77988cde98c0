/**
 * Proof 4: wrong calls throw one of the library's errors with the message of the entry, at once or, for wrong values on the GPU,
 * at the next read.
 */
import { test } from 'uvu';
import { type Device, WgradError, zeros } from 'wgrad';
import type { OpEntry } from '../ops/database';

export function proveRefusals(entries: readonly OpEntry[], device: Device): void {
	for (const entry of entries) {
		for (const refusal of entry.refusals) {
			test(`refusal on ${device}: ${entry.name} (${refusal.label})`, async () => {
				let thrown: unknown;
				try {
					await refusal.call(device);
					await zeros([1], { device }).data();
				} catch (error) {
					thrown = error;
				}
				if (thrown === undefined) throw new Error(`${entry.name} (${refusal.label}) was not refused`);
				if (!(thrown instanceof WgradError))
					throw new Error(`${entry.name} (${refusal.label}) threw ${String(thrown)}, which is none of the library's errors`);
				if (!refusal.message.test(thrown.message))
					throw new Error(`${entry.name} (${refusal.label}) said '${thrown.message}', not ${refusal.message}`);
			});
		}
	}
}
