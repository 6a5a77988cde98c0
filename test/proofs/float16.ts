/** The samples of the operation database in float16: see halfOutcomes.ts. */
import { test } from 'uvu';
import type { OpEntry } from '../ops/database';
import { concurrently } from './concurrently';
import { float16Present } from './half';
import { hasHalfSample, referenceOfHalf, requireSameHalf, runHalf } from './halfOutcomes';

export function proveFloat16(entries: readonly OpEntry[]): void {
	let present = false;
	let samples = 0;
	let worst = { ratio: 0, name: '' };
	test('float16: is it available?', () => {
		present = float16Present();
	});
	for (const entry of entries) {
		const chosen = entry.samples.filter((sample) => hasHalfSample(entry, sample));
		const runOnDevice = concurrently(chosen, (sample) => runHalf(entry, sample));
		for (const sample of chosen) {
			test(`float16: ${entry.name} (${sample.label})`, async () => {
				if (!present) return;
				samples++;
				const found = requireSameHalf(entry, sample, await runOnDevice(sample), await referenceOfHalf(entry, sample));
				if (found.ratio > worst.ratio) worst = found;
			});
		}
	}
	test.after(() => {
		console.log(`float16: ${samples} samples, at most ${worst.ratio.toFixed(2)} of the bound (${worst.name})`);
	});
}
