/** Counts the operations and samples of the database, and those that each proof runs. */
import { goldenSamples } from '../golden/samples';
import type { OpEntry } from '../ops/database';

export interface Counts {
	readonly operations: number;
	readonly samples: number;
	readonly gradients: number;
	readonly secondGradients: number;
	readonly parity: number;
	readonly golden: number;
	readonly refusals: number;
}

export function count(entries: readonly OpEntry[]): Counts {
	const differentiable = entries.filter((entry) => entry.gradient === 'yes');
	const checked = (some: readonly OpEntry[]) =>
		some.flatMap(({ samples }) => samples.filter(({ gradient }) => gradient !== false)).length;
	const samples = entries.flatMap((entry) => entry.samples).length;
	return {
		operations: new Set(entries.map(({ name }) => name)).size,
		samples,
		gradients: checked(differentiable),
		secondGradients: checked(differentiable.filter(({ secondGradient }) => secondGradient === undefined)),
		parity: samples,
		golden: goldenSamples(entries).length,
		refusals: entries.flatMap((entry) => entry.refusals).length,
	};
}
