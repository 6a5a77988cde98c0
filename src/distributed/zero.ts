/**
 * Sharded optimizer state: each rank keeps and updates its part of the parameters, and the others get them from it. Rajbhandari et al. 2020,
 * "ZeRO", stages 1 and 2.
 */
import { noGrad } from '../autograd/modes';
import { requireFunction, requireInstance, requireNonNegative } from '../core/checks';
import { hostBytes } from '../core/dtype';
import { ArgumentError } from '../core/errors';
import { mul_ } from '../ops/inplace';
import { type CommonOptions, getTotalNorm, Optimizer, type OptimizerState, type ParamState } from '../optim';
import { Tensor } from '../tensor';
import { requireParameters } from '../tensorChecks';
import { tidy } from '../tidy';
import { decodeCheckpoint, encodeCheckpoint } from '../train/checkpoint';
import { type CheckpointTree, releaseTree } from '../train/checkpointTree';
import { type Bucket, bucketsOf, readFlat, writeFlat } from './buckets';
import type { Communicator } from './communicator';
import { communicatorOf, exchange } from './group';
import { alone, inOrder } from './order';

const BUCKET_BYTES = 25 * 2 ** 20;

/**
 * An optimizer of which each rank holds a part. As `torch.distributed.optim.ZeroRedundancyOptimizer`; `step` is asynchronous.
 *
 *     const optimizer = new ZeroRedundancyOptimizer(model.parameters(), (params) => new optim.AdamW(params, { lr: 1e-3 }));
 *     const parallel = await DistributedDataParallel.wrap(model, { shard: optimizer }); // without shard: stage 1
 *
 * Stage 1 shards the optimizer's state. With `shard`, stage 2, a gradient is kept by its owner only, too. Every parameter has its owner: large ones
 * first, each to the rank that has least.
 */
export class ZeroRedundancyOptimizer<O extends CommonOptions = CommonOptions> {
	/** The optimizer of this rank's parameters, for schedules; null if there are fewer parameters than ranks and this one has none. */
	readonly local: Optimizer<O> | null;
	readonly #parameters: readonly Tensor[];
	readonly #owners: ReadonlyMap<Tensor, number>;
	readonly #communicator: Communicator;
	readonly #buckets: readonly { readonly owner: number; readonly bucket: Bucket }[];

	/** `make` makes the optimizer of a part of the parameters, on each rank with the same options. */
	constructor(params: Iterable<Tensor>, make: (params: readonly Tensor[]) => Optimizer<O>) {
		this.#parameters = requireParameters('ZeroRedundancyOptimizer', params);
		requireFunction('ZeroRedundancyOptimizer', 'make', make, 'a function such as (params) => new optim.AdamW(params)');
		this.#communicator = communicatorOf('ZeroRedundancyOptimizer');
		const { rank, size } = this.#communicator;
		this.#owners = divide(this.#parameters, size);
		const own = this.#ownedBy(rank);
		this.local = own.length === 0 ? null : make(own);
		if (this.local !== null) {
			const made: unknown = this.local;
			requireInstance('ZeroRedundancyOptimizer', 'what make returns', made, Optimizer, 'an optimizer');
			if (this.local.paramGroups.length !== 1 || this.local.paramGroups[0]!.params.length !== own.length)
				throw new ArgumentError('ZeroRedundancyOptimizer: make must put all its parameters into one group');
		}
		this.#buckets = Array.from({ length: size }, (_, owner) =>
			bucketsOf(this.#ownedBy(owner), BUCKET_BYTES).map((bucket) => ({ owner, bucket })),
		).flat();
	}

	#ownedBy(rank: number): Tensor[] {
		return this.#parameters.filter((parameter) => this.#owners.get(parameter) === rank);
	}

	/** The rank that updates a parameter. */
	ownerOf(parameter: Tensor): number {
		const owner = this.#owners.get(parameter);
		if (owner === undefined) throw new ArgumentError('ZeroRedundancyOptimizer: the optimizer does not have this parameter');
		return owner;
	}

	/** Updates this rank's parameters, and gets the others from their owners. Collective. */
	async step(): Promise<void> {
		this.local?.step();
		if (this.#communicator.size === 1) return;
		const { rank } = this.#communicator;
		const arriving = this.#buckets.map(({ owner, bucket }) => {
			const what = `the parameters of rank ${owner} (${bucket.size} elements)`;
			return inOrder(readFlat(bucket), async (values) => {
				await this.#communicator.broadcast(values, owner, what);
				return values;
			});
		});
		for (const [i, { owner, bucket }] of this.#buckets.entries()) {
			const values = await arriving[i]!;
			if (owner !== rank) writeFlat(bucket, values);
		}
	}

	/**
	 * As `clipGradNorm`, for the gradients of all ranks as one vector, where each rank has those of its own parameters (stage 2). Resolves to the
	 * norm. Collective.
	 */
	async clipGradNorm(maxNorm: number): Promise<number> {
		requireNonNegative('ZeroRedundancyOptimizer.clipGradNorm', 'maxNorm', maxNorm);
		const { rank, size } = this.#communicator;
		const gradients = this.#ownedBy(rank).flatMap(({ grad }) => (grad === null ? [] : [grad]));
		const norm = noGrad(() => getTotalNorm(gradients));
		const own = Float64Array.of((await norm.item()) ** 2);
		norm.dispose();
		const all = new Float64Array(size);
		await inOrder(Promise.resolve(), () => this.#communicator.allGather(own, all, 'the norms of the gradients'));
		const total = Math.sqrt(all.reduce((sum, square) => sum + square, 0));
		const factor = Math.min(1, maxNorm / (total + 1e-6));
		noGrad(() =>
			tidy(() => {
				for (const gradient of gradients) mul_(gradient, factor);
			}),
		);
		return total;
	}

	/** Frees the gradients of all parameters. */
	zeroGrad(): void {
		for (const parameter of this.#parameters) parameter.clearGrad();
	}

	/** The bytes of the state that this rank keeps. */
	stateBytes(): number {
		let bytes = 0;
		const state = this.local?.stateDict().state ?? {};
		for (const own of Object.values(state)) {
			for (const value of Object.values(own)) {
				if (!(value instanceof Tensor)) continue;
				bytes += value.size * hostBytes(value.dtype);
				value.dispose();
			}
		}
		return bytes;
	}

	/** The state of all ranks, as one optimizer of all parameters would give it, on every rank: for a checkpoint. Collective. */
	async stateDict(): Promise<OptimizerState<O>> {
		const { size, rank } = this.#communicator;
		const own = this.local === null ? null : this.local.stateDict();
		const bytes = own === null ? new Uint8Array(0) : await encodeCheckpoint(own as unknown as CheckpointTree);
		if (own !== null) releaseTree(own as unknown as CheckpointTree);
		const parts = await alone(async () => {
			const lengths = await exchange(this.#communicator, bytes.length, 'the state of the optimizer');
			const parts: Uint8Array[] = [];
			for (let owner = 0; owner < size; owner++) {
				const part = owner === rank ? bytes : new Uint8Array(lengths[owner]!);
				if (part.length > 0) await this.#communicator.broadcast(part, owner, 'the state of the optimizer');
				parts.push(part);
			}
			return parts;
		});
		const state: Record<string, ParamState> = {};
		let group: object = {};
		for (const [owner, part] of parts.entries()) {
			if (part.length === 0) continue;
			const saved = (await decodeCheckpoint(part, 'the state of the optimizer')) as unknown as OptimizerState<O>;
			group = saved.paramGroups[0]!;
			for (const [i, parameter] of this.#ownedBy(owner).entries()) {
				const one = saved.state[String(i)];
				if (one !== undefined) state[String(this.#parameters.indexOf(parameter))] = one;
			}
		}
		const params = this.#parameters.map((_, i) => i);
		return { state, paramGroups: [{ ...group, params } as unknown as OptimizerState<O>['paramGroups'][number]] };
	}

	/** Restores this rank's part from the state of all, whatever the number of ranks that wrote it. */
	loadStateDict(saved: OptimizerState<O>): void {
		if (this.local === null) return;
		const own = this.#ownedBy(this.#communicator.rank);
		const state: Record<string, ParamState> = {};
		for (const [i, parameter] of own.entries()) {
			const one = saved.state[String(this.#parameters.indexOf(parameter))];
			if (one !== undefined) state[String(i)] = one;
		}
		const [group] = saved.paramGroups;
		this.local.loadStateDict({ state, paramGroups: [{ ...group!, params: own.map((_, i) => i) }] });
	}
}

/** Gives each tensor an owner: large ones first, each to the rank with the fewest elements. */
function divide(tensors: readonly Tensor[], size: number): Map<Tensor, number> {
	const loads = new Array<number>(size).fill(0);
	const owners = new Map<Tensor, number>();
	const bySize = [...tensors].sort((a, b) => b.size - a.size);
	for (const tensor of bySize) {
		const owner = loads.indexOf(Math.min(...loads));
		loads[owner] = loads[owner]! + tensor.size;
		owners.set(tensor, owner);
	}
	return owners;
}
