/** What `fit({ distributed: true })` does with the ranks. */
import type { Generator } from '../core/generator';
import { randomPermutation } from '../core/philox';
import type { Sampler } from '../data';
import type { Module } from '../nn';
import { type Distribution, setDistribution } from '../train/distribution';
import type { Communicator } from './communicator';
import { DistributedDataParallel } from './dataParallel';
import { exchange } from './group';
import { alone } from './order';
import { SharedStore, turnToRank } from './sharedStore';

/** The ranks' parts of an epoch, in the order that the loader's generator gives. */
class PartSampler implements Sampler {
	readonly length: number;

	constructor(
		private readonly size: number,
		private readonly shuffle: boolean,
		private readonly communicator: Communicator,
	) {
		this.length = Math.ceil(size / communicator.size);
	}

	indices(generator: Generator): Int32Array {
		const { rank, size } = this.communicator;
		const order = this.shuffle
			? randomPermutation(generator.next(), this.size)
			: Int32Array.from({ length: this.size }, (_, i) => i);
		return Int32Array.from({ length: this.length }, (_, i) => order[(i * size + rank) % this.size]!);
	}
}

/** Lets `fit` train on the ranks of a job; null ends that. */
export function offerToFit(communicator: Communicator | null): void {
	setDistribution(communicator === null ? null : distributionOf(communicator));
}

function distributionOf(communicator: Communicator): Distribution {
	const wrapped = new WeakMap<Module, DistributedDataParallel>();
	return {
		rank: communicator.rank,
		worldSize: communicator.size,
		async begin(model) {
			// A group of batches makes several backward passes, so nothing is reduced before the last.
			wrapped.set(model, await DistributedDataParallel.wrap(model, { overlap: false, findUnusedParameters: true }));
		},
		synchronize: (model) => wrapped.get(model)!.synchronize(),
		sampler: (length, shuffle) => new PartSampler(length, shuffle, communicator),
		turn: (generator) => turnToRank(communicator.rank, generator),
		async average(values) {
			const all = await alone(() => exchange(communicator, Object.values(values).map(String), 'the metrics of an epoch'));
			const mean = (i: number) => all.reduce((total, own) => total + Number(own[i]), 0) / all.length;
			return Object.fromEntries(Object.keys(values).map((name, i) => [name, mean(i)]));
		},
		shared: (store) => (store instanceof SharedStore ? store : new SharedStore(store)),
	};
}
