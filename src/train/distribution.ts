/** The seam to `wgrad/distributed`, which this entry does not import: `initProcessGroup` sets what `fit({ distributed: true })` uses. */
import { ArgumentError } from '../core/errors';
import type { Generator } from '../core/generator';
import type { Sampler } from '../data/samplers';
import type { Module } from '../nn';
import type { CheckpointStore } from './store';

/** What a run on several ranks needs. All but `sampler` and `turn` are collective. */
export interface Distribution {
	readonly rank: number;
	readonly worldSize: number;
	/** Gives all ranks the model of rank 0. */
	begin(model: Module): Promise<void>;
	/** Averages the gradients, and gives all ranks the running statistics of rank 0. */
	synchronize(model: Module): Promise<void>;
	/** This rank's samples of each epoch. */
	sampler(length: number, shuffle: boolean): Sampler;
	/** Changes a generator of rank 0 into that of this rank. */
	turn(generator: Generator): void;
	/** The means over the ranks. */
	average(values: Readonly<Record<string, number>>): Promise<Record<string, number>>;
	/** The store with which rank 0 reads and writes for all. */
	shared(store: CheckpointStore): CheckpointStore;
}

let current: Distribution | null = null;

export function setDistribution(distribution: Distribution | null): void {
	current = distribution;
}

/** Throws an ArgumentError if no job has begun. */
export function requireDistribution(caller: string): Distribution {
	if (current === null)
		throw new ArgumentError(`${caller}: distributed needs a job. Call await initProcessGroup() of wgrad/distributed first`);
	return current;
}
