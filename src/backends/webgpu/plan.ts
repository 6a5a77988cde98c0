/**
 * Replays recorded launches. Their temporaries take blocks from the pool at the start of a replay and return them at its end, so a plan at
 * rest holds no memory, and plans share it with each other and with all other work. The lifetimes of temporaries are known, so those that
 * are not needed at once share a block.
 */
import type { RandomKey } from '../../core/philox';
import type { Storage } from '../contract';
import type { LaunchPlan } from '../contract/replay';
import type { Commands } from './commands';
import type { Block, GpuStorage, Memory } from './memory';
import { type PlannedLaunch, type RecordedLaunch, type Recording, type Slot, writeKey } from './recording';

/** What bind groups read of a storage. */
interface Place {
	block: Block | undefined;
	/** The launches that bind it. */
	readonly launches: PlannedLaunch[];
}

/** A block of temporaries. */
interface Room {
	bytes: number;
	readonly slots: Slot[];
	readonly places: Place[];
}

export class Plan implements LaunchPlan {
	readonly launches: number;
	readonly temporaryBytes: number;
	readonly eagerBytes: number;
	readonly #launches: readonly PlannedLaunch[];
	readonly #places: readonly Place[];
	readonly #rooms: readonly Room[];
	#taken: Block[] = [];
	readonly #draws: readonly { readonly launch: RecordedLaunch; readonly draw: number }[];

	constructor(
		private readonly commands: Commands,
		private readonly memory: Memory,
		recording: Recording,
		temporaries: ReadonlySet<number>,
	) {
		this.#places = recording.slots.map(() => ({ block: undefined, launches: [] }));
		this.#launches = recording.launches.map((launch) => this.#planned(launch));
		this.launches = this.#launches.length;
		this.#rooms = rooms(recording.slots, this.#places, temporaries);
		this.temporaryBytes = sumOf(this.#rooms);
		this.eagerBytes = pooledBytes(recording.slots, temporaries);
		const random = recording.launches.filter(({ keyAt }) => keyAt >= 0);
		this.#draws = random.map((launch) => ({ launch, draw: recording.drawOf(launch) }));
	}

	#planned({ record, pipeline, words, slots, x, y, z, operation }: RecordedLaunch): PlannedLaunch {
		const buffers: Record<string, Storage> = {};
		const launch = { record: { ...record, words, buffers }, pipeline, group: undefined, x, y, z, operation };
		for (const [i, slot] of slots.entries()) {
			if (slot < 0) continue;
			const place = this.#places[slot]!;
			buffers[pipeline.names[i]!] = place as unknown as Storage;
			place.launches.push(launch);
		}
		return launch;
	}

	start(from: RandomKey): void {
		this.commands.requireRunning();
		this.commands.requireMemory();
		for (const { launch, draw } of this.#draws) writeKey(launch, from, draw);
		for (const { slots, bytes, places } of this.#rooms) {
			const { dtype, length } = slots[0]!;
			const block = this.memory.take(bytes, false, { operation: 'compile', dtype, length, shape: undefined });
			this.#taken.push(block);
			for (const place of places) put(place, block);
		}
	}

	bind(slot: number, storage: Storage): void {
		put(this.#places[slot]!, (storage as GpuStorage).block!);
	}

	run(first: number, end: number): void {
		this.commands.replay(this.#launches, first, end);
	}

	end(): void {
		const { batch } = this.commands;
		for (const { block } of this.#places) if (block !== undefined) block.batch = batch;
		for (const block of this.#taken) this.memory.give(block);
		this.#taken = [];
	}
}

/** Launches need another bind group if the block has changed. */
function put(place: Place, block: Block): void {
	if (place.block === block) return;
	place.block = block;
	for (const launch of place.launches) launch.group = undefined;
}

/** Distributes temporaries over rooms, in the one of two ways that takes less memory. */
function rooms(slots: readonly Slot[], places: readonly Place[], temporaries: ReadonlySet<number>): Room[] {
	const numbers = [...temporaries].filter((number) => slots[number]!.first >= 0);
	const bytes = (number: number) => slots[number]!.bytes;
	const first = (number: number) => slots[number]!.first;
	const largestFirst = [...numbers].sort((a, b) => bytes(b) - bytes(a) || first(a) - first(b));
	const earliestFirst = [...numbers].sort((a, b) => first(a) - first(b) || bytes(b) - bytes(a));
	const [one, other] = [largestFirst, earliestFirst].map((order) => distributed(order, slots, places)) as [Room[], Room[]];
	return sumOf(one) <= sumOf(other) ? one : other;
}

function sumOf(list: readonly Room[]): number {
	return list.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Gives each slot the room that has the least bytes too many, or else misses the least, among those that are free while launches need it. */
function distributed(order: readonly number[], slots: readonly Slot[], places: readonly Place[]): Room[] {
	const made: Room[] = [];
	for (const number of order) {
		const slot = slots[number]!;
		let best: Room | undefined;
		for (const room of made) {
			if (room.slots.some((other) => other.last >= slot.first && slot.last >= other.first)) continue;
			if (
				best === undefined ||
				(best.bytes < slot.bytes ? room.bytes > best.bytes : room.bytes >= slot.bytes && room.bytes < best.bytes)
			)
				best = room;
		}
		if (best === undefined) {
			best = { bytes: 0, slots: [], places: [] };
			made.push(best);
		}
		best.bytes = Math.max(best.bytes, slot.bytes);
		best.slots.push(slot);
		best.places.push(places[number]!);
	}
	return made;
}

/** The bytes of the blocks that these slots took from the pool when they were recorded: of each size, the most that were in use at once. */
function pooledBytes(slots: readonly Slot[], numbers: ReadonlySet<number>): number {
	const sizes = new Map<number, Slot[]>();
	for (const number of numbers) sizes.set(slots[number]!.bytes, [...(sizes.get(slots[number]!.bytes) ?? []), slots[number]!]);
	let sum = 0;
	for (const [bytes, list] of sizes) {
		const most = list.map(({ madeAt }) =>
			list.filter((slot) => slot.madeAt <= madeAt && !(slot.releasedAt >= 0 && slot.releasedAt <= madeAt)),
		);
		sum += bytes * Math.max(...most.map(({ length }) => length));
	}
	return sum;
}
