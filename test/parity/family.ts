/** Tests the samples of one family on WebGPU. The runner makes parity/<family>.gpu.test.ts from it: see runner/bundle.mjs. */
import { test } from 'uvu';
import type { OpEntry } from '../ops/database';
import { startDevice } from '../proofs/device';
import { proveParity } from '../proofs/parity';
import { proveRefusals } from '../proofs/refusals';

export function prove(entries: readonly OpEntry[]): void {
	test.before(startDevice);
	proveParity(entries);
	proveRefusals(entries, 'webgpu');
	test.run();
}
