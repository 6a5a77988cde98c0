/**
 * Proof 2: outputs and gradients on WebGPU, in float32, against the CPU path in float64, from the same float32 values. Gradients
 * are tested with the fused backward kernels and with the composed forms.
 */
import { test } from 'uvu';
import type { OpEntry } from '../ops/database';
import { concurrently } from './concurrently';
import { requireSameOutcome, runSample } from './outcomes';

export function proveParity(entries: readonly OpEntry[]): void {
	for (const entry of entries) {
		const runOnDevice = concurrently(entry.samples, (sample) => runSample(entry, sample, 'webgpu', 'float32'));
		for (const sample of entry.samples) {
			test(`parity: ${entry.name} (${sample.label})`, async () => {
				const expected = await runSample(entry, sample, 'cpu', 'float64');
				requireSameOutcome(entry, sample, await runOnDevice(sample), expected);
			});
		}
	}
}
