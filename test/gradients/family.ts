/**
 * Gradients and refusals of one family on the CPU path. The runner makes gradients/<family>.test.ts from it: see
 * runner/bundle.mjs.
 */
import { test } from 'uvu';
import type { OpEntry } from '../ops/database';
import { proveGradients } from '../proofs/gradients';
import { proveRefusals } from '../proofs/refusals';

export function prove(entries: readonly OpEntry[]): void {
	proveGradients(entries);
	proveRefusals(entries, 'cpu');
	test.run();
}
