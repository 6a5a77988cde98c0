/**
 * Replays recorded launches. Their temporaries take blocks from the pool at the start of a replay and return them at its end, so a plan at
 * rest holds no memory, and plans share it with each other and with all other work. The lifetimes of temporaries are known, so those that
 * are not needed at once share a block.
 */
import type { RandomKey } from '../../core/philox';
import type { Storage } from '../contract';
import type { LaunchPlan } from '../contract/replay';
import type { Commands } from './commands';
import { type FusedLaunch, type Fusion, fused } from './fusion';
import type { Gpu } from './launch';
import type { Block, GpuStorage, Memory } from './memory';
import type { Pipelines } from './pipelines';
import { type Draw, type PlannedLaunch, Recording, type Slot, writeKey } from './recording';

/** What bind groups read of a storage. */
interface Place {
	block: Block | undefined;
	/** The launches that bind it. */
	launches: PlannedLaunch[];
}

/** The first and the last launch that binds a slot; -1 if none does. */
interface Lifetime {
	first: number;
	last: number;
}

/** A block of temporaries. */
interface Room {
	bytes: number;
	readonly lifetimes: Lifetime[];
	readonly places: Place[];
	/** The first slot, for errors. */
	readonly slot: Slot;
}

/** Launches, and what they need. */
interface Form {
	readonly launches: readonly PlannedLaunch[];
	readonly rooms: readonly Room[];
	readonly draws: readonly Draw[];
	/** The position of each barrier of the recording; null if positions are those of the recording. */
	readonly positions: ReadonlyMap<number, number> | null;
}

interface Devices {
	readonly commands: Commands;
	readonly memory: Memory;
	readonly pipelines: Pipelines;
	readonly gpu: Gpu;
}

/** Records launches on these devices until `stop`. */
export function launchRecorder(devices: Devices, stop: () => void): Recording {
	return new Recording(stop, (...options) => new Plan(devices, ...options));
}

class Plan implements LaunchPlan {
	readonly recorded: number;
	readonly eagerBytes: number;
	readonly #places: readonly Place[];
	#form: Form;
	/** The fused launches, while they compile. */
	#coming: Form | null = null;
	#taken: Block[] = [];

	constructor(
		private readonly devices: Devices,
		recording: Recording,
		temporaries: ReadonlySet<number>,
		barriers: readonly number[] | null,
	) {
		this.recorded = recording.launches.length;
		this.#places = recording.slots.map(() => ({ block: undefined, launches: [] }));
		this.#form = this.#formOf(recording, temporaries, { launches: recording.launches, positions: null });
		this.eagerBytes = pooledBytes(recording.slots, temporaries);
		const fusion = barriers && fused(devices.gpu, recording, temporaries, barriers);
		if (fusion !== null) this.#coming = this.#formOf(recording, temporaries, fusion);
	}

	get launches(): number {
		return this.#form.launches.length;
	}

	get isCompiling(): boolean {
		return this.#coming !== null;
	}

	get temporaryBytes(): number {
		return sumOf(this.#form.rooms);
	}

	#formOf(
		recording: Recording,
		temporaries: ReadonlySet<number>,
		{ launches, positions }: Omit<Fusion, 'positions'> & Pick<Form, 'positions'>,
	): Form {
		const lifetimes = recording.slots.map((): Lifetime => ({ first: -1, last: -1 }));
		launches.forEach(({ slots }, i) => {
			for (const slot of slots) {
				if (slot < 0) continue;
				if (lifetimes[slot]!.first < 0) lifetimes[slot]!.first = i;
				lifetimes[slot]!.last = i;
			}
		});
		const draws = launches.flatMap((launch): Draw[] => {
			if ('draws' in launch) return launch.draws.map((draw) => ({ words: launch.words, ...draw }));
			return launch.keyAt < 0 ? [] : [{ words: launch.words, at: launch.keyAt, draw: recording.drawOf(launch) }];
		});
		return {
			launches: launches.map((launch) => this.#planned(launch)),
			rooms: rooms(recording.slots, lifetimes, this.#places, temporaries),
			draws,
			positions,
		};
	}

	#planned(launch: FusedLaunch): PlannedLaunch {
		const { record, words, slots, operation } = launch;
		const { commands, pipelines } = this.devices;
		const buffers: Record<string, Storage> = {};
		const isWhole = 'pipeline' in launch;
		const pipeline = isWhole ? launch.pipeline : pipelines.get(record.kernel, record.variant);
		const [x, y] = isWhole ? [launch.x, launch.y] : launch.isPlaced ? record.grid : commands.folded(record.grid[0]);
		const z = isWhole ? launch.z : (record.grid[2] ?? 1);
		const planned = { record: { ...record, words, buffers }, pipeline, group: undefined, x, y: y ?? 1, z, operation };
		for (const [i, slot] of slots.entries()) {
			if (slot < 0) continue;
			const place = this.#places[slot]!;
			buffers[pipeline.names[i]!] = place as unknown as Storage;
			place.launches.push(planned);
		}
		return planned;
	}

	fuse(): boolean {
		const coming = this.#coming;
		if (coming?.launches.some(({ pipeline }) => pipeline.failure !== undefined)) this.#coming = null;
		else if (coming?.launches.every(({ pipeline }) => pipeline.gpu !== undefined)) {
			this.#form = coming;
			this.#coming = null;
			const current = new Set(coming.launches);
			for (const place of this.#places) {
				place.launches = place.launches.filter((launch) => current.has(launch));
				if (place.launches.length === 0) place.block = undefined;
			}
		}
		return this.#form.positions !== null;
	}

	start(from: RandomKey): void {
		const { commands, memory } = this.devices;
		commands.requireRunning();
		commands.requireMemory();
		for (const draw of this.#form.draws) writeKey(draw, from);
		for (const { slot, bytes, places } of this.#form.rooms) {
			const { dtype, length } = slot;
			const block = memory.take(bytes, false, { operation: 'compile', dtype, length, shape: undefined });
			this.#taken.push(block);
			for (const place of places) put(place, block);
		}
	}

	bind(slot: number, storage: Storage): void {
		put(this.#places[slot]!, (storage as GpuStorage).block!);
	}

	run(first: number, end: number): void {
		const { launches, positions } = this.#form;
		if (positions === null) this.devices.commands.replay(launches, first, end);
		else this.devices.commands.replay(launches, positions.get(first)!, positions.get(end)!);
	}

	end(): void {
		const { commands, memory } = this.devices;
		for (const { block } of this.#places) if (block !== undefined) block.batch = commands.batch;
		for (const block of this.#taken) memory.give(block);
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
function rooms(
	slots: readonly Slot[],
	lifetimes: readonly Lifetime[],
	places: readonly Place[],
	temporaries: ReadonlySet<number>,
): Room[] {
	const numbers = [...temporaries].filter((number) => lifetimes[number]!.first >= 0);
	const bytes = (number: number) => slots[number]!.bytes;
	const first = (number: number) => lifetimes[number]!.first;
	const largestFirst = [...numbers].sort((a, b) => bytes(b) - bytes(a) || first(a) - first(b));
	const earliestFirst = [...numbers].sort((a, b) => first(a) - first(b) || bytes(b) - bytes(a));
	const [one, other] = [largestFirst, earliestFirst].map((order) => distributed(order, slots, lifetimes, places)) as [
		Room[],
		Room[],
	];
	return sumOf(one) <= sumOf(other) ? one : other;
}

function sumOf(list: readonly Room[]): number {
	return list.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Gives each slot the room that has the least bytes too many, or else misses the least, among those that are free while launches need it. */
function distributed(
	order: readonly number[],
	slots: readonly Slot[],
	lifetimes: readonly Lifetime[],
	places: readonly Place[],
): Room[] {
	const made: Room[] = [];
	for (const number of order) {
		const slot = slots[number]!;
		const { first, last } = lifetimes[number]!;
		let best: Room | undefined;
		for (const room of made) {
			if (room.lifetimes.some((other) => other.last >= first && last >= other.first)) continue;
			if (
				best === undefined ||
				(best.bytes < slot.bytes ? room.bytes > best.bytes : room.bytes >= slot.bytes && room.bytes < best.bytes)
			)
				best = room;
		}
		if (best === undefined) {
			best = { bytes: 0, lifetimes: [], places: [], slot };
			made.push(best);
		}
		best.bytes = Math.max(best.bytes, slot.bytes);
		best.lifetimes.push(lifetimes[number]!);
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
