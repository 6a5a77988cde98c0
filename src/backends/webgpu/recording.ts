/** Records the launches of a call for a replay: see contract/replay.ts. */
import type { Kernel } from '../../../shaders/shader';
import { INDEX_RECORDS } from '../../../shaders/shader';
import type { DType, TypedArray } from '../../core/dtype';
import { keyWords, type RandomKey } from '../../core/philox';
import type { Storage } from '../contract';
import type { LaunchPlan, LaunchRecording, RecordedSlot } from '../contract/replay';
import type { Launch } from './launch';
import type { GpuStorage } from './memory';
import { packParameters } from './parameters';
import type { Pipeline } from './pipelines';

export interface Slot extends RecordedSlot {
	readonly storage: GpuStorage;
	isWritten: boolean;
	isReleased: boolean;
	first: number;
	last: number;
	/** The bytes of its block. */
	readonly bytes: number;
	/** The launches encoded when it was allocated and released. */
	readonly madeAt: number;
	releasedAt: number;
}

export interface RecordedLaunch {
	readonly record: Launch;
	readonly pipeline: Pipeline;
	/** The packed parameters. */
	readonly words: Uint32Array;
	/** The word at which the key of a random operation begins, or -1. */
	readonly keyAt: number;
	/** A slot for each binding of the pipeline; -1 for the index records. */
	readonly slots: readonly number[];
	readonly x: number;
	readonly y: number;
	readonly z: number;
	readonly operation: string;
}

/** A launch of a plan: see plan.ts. */
export interface PlannedLaunch {
	readonly record: Launch;
	readonly pipeline: Pipeline;
	/** Undefined if the buffers have changed. */
	group: GPUBindGroup | undefined;
	readonly x: number;
	readonly y: number;
	readonly z: number;
	readonly operation: string;
}

/** The name of the parameter that holds the key of a random operation, in every kernel. */
const KEY = 'key';

export class Recording implements LaunchRecording {
	readonly slots: Slot[] = [];
	readonly launches: RecordedLaunch[] = [];
	isPaused = false;
	/** The draws of the random launches. Replays overwrite the keys in the words. */
	readonly #draws = new Map<RecordedLaunch, number>();
	readonly #slotOf = new Map<Storage, number>();

	constructor(
		private readonly onStop: () => void,
		private readonly planner: (recording: Recording, ...options: Parameters<LaunchRecording['plan']>) => LaunchPlan,
	) {}

	get position(): number {
		return this.launches.length;
	}

	stop(): void {
		this.onStop();
	}

	slotOf(storage: Storage): number {
		return this.#slotOf.get(storage) ?? this.#add(storage as GpuStorage, 'outer', null);
	}

	allocated(storage: GpuStorage): void {
		if (!this.isPaused) this.#add(storage, 'made', null);
	}

	uploaded(storage: GpuStorage, data: TypedArray): void {
		if (!this.isPaused) this.#add(storage, 'uploaded', data.slice());
	}

	released(storage: Storage): void {
		const slot = this.slots[this.#slotOf.get(storage) ?? -1];
		if (slot === undefined) return;
		slot.isReleased = true;
		slot.releasedAt = this.position;
	}

	launched(record: Launch, pipeline: Pipeline, x: number, y: number, z: number, operation: string): void {
		if (this.isPaused) return;
		const { kernel, params, firstGroup = 0 } = record;
		const at = this.position;
		const slots = pipeline.names.map((name, i) => {
			if (name === INDEX_RECORDS) return -1;
			const number = this.slotOf(record.buffers[name] as Storage);
			const slot = this.slots[number]!;
			if (slot.first < 0) slot.first = at;
			slot.last = at;
			if (pipeline.layout.bindings[i] !== 'read') slot.isWritten = true;
			return number;
		});
		const words = packParameters(kernel, params, firstGroup);
		this.launches.push({ record, pipeline, words, keyAt: keyWordOf(kernel, params), slots, x, y, z, operation });
	}

	difference(other: LaunchRecording): string | null {
		const { launches, slots } = other as Recording;
		const length = Math.min(launches.length, this.launches.length);
		for (let i = 0; i < length; i++) {
			const found = this.#launchDifference(this.launches[i]!, launches[i]!, other as Recording);
			if (found !== null) return `launch ${i + 1}, of '${this.launches[i]!.operation}', ${found}`;
		}
		if (launches.length !== this.launches.length)
			return `it launches ${this.launches.length} kernels, and before ${launches.length}`;
		const isSame = slots.every(({ origin, dtype, length: size, data }, i) => {
			const own = this.slots[i];
			return own?.origin === origin && own.dtype === dtype && own.length === size && sameData(own.data, data);
		});
		if (slots.length !== this.slots.length || !isSame) return 'it makes other tensors, or uploads other numbers from the host';
		return null;
	}

	drawsFrom(from: RandomKey, count: number): boolean {
		return this.launches.every((launch) => {
			if (launch.keyAt < 0) return true;
			const { words, keyAt } = launch;
			const drawn = words[keyAt]! + words[keyAt + 1]! * 2 ** 32 - from.counter;
			this.#draws.set(launch, drawn);
			return words[keyAt + 2] === from.seed[0] && words[keyAt + 3] === from.seed[1] && drawn >= 0 && drawn < count;
		});
	}

	/** How many keys of this recording came before that of the launch. Call it after `drawsFrom`. */
	drawOf(launch: RecordedLaunch): number {
		return this.#draws.get(launch)!;
	}

	plan(...options: Parameters<LaunchRecording['plan']>): LaunchPlan {
		return this.planner(this, ...options);
	}

	#add(storage: GpuStorage, origin: Slot['origin'], data: TypedArray | null): number {
		const { dtype, length, bytes } = storage as { dtype: DType; length: number; bytes: number };
		const state = { isWritten: false, isReleased: false, first: -1, last: -1, madeAt: this.position, releasedAt: -1 };
		const number = this.slots.push({ storage, origin, dtype, length, data, bytes, ...state }) - 1;
		this.#slotOf.set(storage, number);
		return number;
	}

	#launchDifference(own: RecordedLaunch, other: RecordedLaunch, recording: Recording): string | null {
		if (own.pipeline.key !== other.pipeline.key) return `runs ${own.pipeline.key}, and before ${other.pipeline.key}`;
		const { words, keyAt } = own;
		if (keyAt !== other.keyAt) return 'is random only sometimes';
		const at = words.findIndex((word, i) => word !== other.words[i] && (keyAt < 0 || i < keyAt || i >= keyAt + 4));
		if (at >= 0) return `has another value of its parameter '${fieldAt(own.record.kernel, at)}'`;
		if (keyAt >= 0 && this.drawOf(own) !== recording.drawOf(other)) return 'draws other random numbers';
		if (own.x !== other.x || own.y !== other.y || own.z !== other.z) return 'has another size';
		return own.slots.every((slot, i) => slot === other.slots[i]) ? null : 'reads or writes other tensors';
	}
}

function keyWordOf({ layout }: Kernel, params: Launch['params']): number {
	const key = (params as Readonly<Record<string, unknown>>)[KEY];
	return key === undefined ? -1 : (layout.fields.find(({ name }) => name === KEY)?.at ?? -1);
}

function fieldAt({ layout }: Kernel, word: number): string {
	return layout.fields.findLast(({ at }) => at <= word)?.name ?? '';
}

function sameData(a: TypedArray | null, b: TypedArray | null): boolean {
	if (a === null || b === null) return a === b;
	return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

/** A key among the words of a launch: that which is `draw` keys after the first one of the call. */
export interface Draw {
	readonly words: Uint32Array;
	readonly at: number;
	readonly draw: number;
}

export function writeKey({ words, at, draw }: Draw, from: RandomKey): void {
	words.set(keyWords({ seed: from.seed, counter: from.counter + draw }), at);
}
