/** Which samples of the database have golden values. */
import type { OpEntry, Sample } from '../ops/database';

/** Larger samples would only enlarge the files. */
const MAX_ELEMENTS = 2000;

export interface GoldenSample {
	readonly entry: OpEntry;
	readonly sample: Sample;
	/** The prefix of its tensor names in the golden file. */
	readonly key: string;
}

export function goldenSamples(entries: readonly OpEntry[]): GoldenSample[] {
	return entries
		.filter((entry) => entry.torch !== null)
		.flatMap((entry) =>
			entry.samples
				.filter((sample) => sample.inputs.every(({ shape }) => shape.reduce((a, b) => a * b, 1) <= MAX_ELEMENTS))
				.map((sample) => ({ entry, sample, key: `${entry.name}/${sample.label}` })),
		);
}
