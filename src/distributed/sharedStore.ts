/** Checkpoints of a job: rank 0 writes and reads the files, the other ranks get the bytes from it. */

import { defaultGenerator, type Generator, manualSeed } from '../core/generator';
import { defaults } from '../train/defaults';
import {
	type CheckpointOptions,
	type CheckpointParts,
	type CheckpointStore,
	type CheckpointTree,
	loadCheckpoint as load,
	saveCheckpoint as save,
} from '../train/node';
import type { Communicator } from './communicator';
import { communicatorOf, exchange } from './group';
import { alone } from './order';

/** A store whose calls are collective: rank 0 uses `store`, and every rank gets its results and its errors. No file system need be shared. */
export class SharedStore implements CheckpointStore {
	readonly #store: CheckpointStore;

	/** Default: files. */
	constructor(store: CheckpointStore = defaults().checkpoints) {
		this.#store = store;
	}

	async read(name: string): Promise<Uint8Array | null> {
		const communicator = communicatorOf('SharedStore.read');
		return alone(async () => {
			let bytes: Uint8Array | null = null;
			const length = await ofRoot(communicator, async () => {
				bytes = await this.#store.read(name);
				return (bytes as Uint8Array | null)?.length ?? null;
			});
			if (length === null) return null;
			const values = bytes ?? new Uint8Array(length);
			await communicator.broadcast(values, 0, `the checkpoint '${name}'`);
			return values;
		});
	}

	async write(name: string, bytes: Uint8Array): Promise<void> {
		await this.#byRoot('write', () => this.#store.write(name, bytes));
	}

	async remove(name: string): Promise<void> {
		await this.#byRoot('remove', () => this.#store.remove(name));
	}

	async list(prefix: string): Promise<string[]> {
		return this.#byRoot('list', () => this.#store.list(prefix));
	}

	#byRoot<T>(operation: string, fn: () => Promise<T>): Promise<T> {
		const communicator = communicatorOf(`SharedStore.${operation}`);
		return alone(() => ofRoot(communicator, fn));
	}
}

/** The result of `fn` on rank 0, on every rank; or its error. */
export async function ofRoot<T>(communicator: Communicator, fn: () => Promise<T>): Promise<T> {
	let own: { result: T | null; failed: string | null } = { result: null, failed: null };
	let cause: unknown;
	if (communicator.rank === 0) {
		try {
			own = { result: (await fn()) ?? null, failed: null };
		} catch (error) {
			cause = error;
			own = { result: null, failed: error instanceof Error ? error.message : String(error) };
		}
	}
	const [first] = await exchange(communicator, own, 'a checkpoint of rank 0');
	if (first!.failed !== null) throw (cause as Error) ?? new Error(`rank 0: ${first!.failed}`);
	return first!.result as T;
}

/**
 * Seeds the default generator so that each rank draws its own numbers, such as dropout masks: rank 0 as `manualSeed(seed)` alone does, the others
 * from seeds of their own.
 */
export function manualSeedByRank(seed: number | bigint): void {
	manualSeed(seed);
	turnToRank(communicatorOf('manualSeedByRank').rank);
}

/** Changes the generator of rank 0 into that of `rank`, at the same position. */
export function turnToRank(rank: number, generator: Generator = defaultGenerator): void {
	const { seed, counter } = generator.getState();
	generator.setState({ seed: [seed[0], (seed[1] ^ Math.imul(rank, 0x9e3779b1)) >>> 0], counter });
}

/** As `saveCheckpoint` of `wgrad/train`, collective: rank 0 writes, and all ranks wait until the file is whole. */
export async function saveCheckpoint(
	name: string,
	parts: CheckpointParts,
	{ extra = null, store }: CheckpointOptions & { readonly extra?: CheckpointTree } = {},
): Promise<void> {
	await save(name, parts, { extra, store: new SharedStore(store) });
}

/**
 * As `loadCheckpoint` of `wgrad/train`, collective: all ranks get what rank 0 reads. The number of ranks may differ from that of the job that
 * wrote. Each rank draws its own random numbers afterwards, as after `manualSeedByRank`.
 */
export async function loadCheckpoint(
	name: string,
	parts: CheckpointParts,
	{ store }: CheckpointOptions = {},
): Promise<CheckpointTree> {
	const extra = await load(name, parts, { store: new SharedStore(store) });
	turnToRank(communicatorOf('loadCheckpoint').rank);
	return extra;
}
