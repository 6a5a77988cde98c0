/**
 * Recording the launches of a call and replaying them: the part of a backend that `compile` uses (src/compile). A device without launches,
 * such as the CPU, has none of it.
 *
 * A *slot* is a storage that a recorded launch binds. A replay gets a storage for each slot from its caller. For the slots of temporaries it takes
 * memory from the pool.
 */

import type { DType, TypedArray } from '../../core/dtype';
import type { RandomKey } from '../../core/philox';
import type { Storage } from './storage';

export interface RecordedSlot {
	readonly storage: Storage;
	/** Whether it is older than the recording, or was allocated or uploaded within. */
	readonly origin: 'outer' | 'made' | 'uploaded';
	readonly dtype: DType;
	readonly length: number;
	/** What the host uploaded. */
	readonly data: TypedArray | null;
	readonly isWritten: boolean;
	readonly isReleased: boolean;
	/** The first and the last launch that binds it; -1 if none does. */
	readonly first: number;
	readonly last: number;
}

export interface LaunchRecording {
	/** The number of launches so far. */
	readonly position: number;
	readonly slots: readonly RecordedSlot[];
	/** Launches and storages are not recorded while this is true. */
	isPaused: boolean;
	/** The slot of a storage. */
	slotOf(storage: Storage): number;
	/** Ends the recording. */
	stop(): void;
	/** Describes the first difference from another recording; null if there is none. It compares the keys of random operations relative to `from`. */
	difference(other: LaunchRecording): string | null;
	/** Whether all random keys are among the `count` keys from `from` on. */
	drawsFrom(from: RandomKey, count: number): boolean;
	/**
	 * Makes a plan. `temporaries` are the slots that hold memory only during a replay. If `barriers` are given, launches may be fused, but none
	 * with another one on the other side of a barrier: a barrier is the number of launches before it.
	 */
	plan(temporaries: ReadonlySet<number>, barriers: readonly number[] | null): LaunchPlan;
}

/** Makes a recording of parts that only the device knows; `stop` ends it. See src/backends/replay.ts. */
export type LaunchRecorder = (parts: never, stop: () => void) => LaunchRecording;

/** Recorded launches, ready to run again. A replay is `start`, then `bind` and `run` in any order that binds before it runs, then `end`. */
export interface LaunchPlan {
	/** The launches of a replay, and those of the recording. */
	readonly launches: number;
	readonly recorded: number;
	/** Whether fused launches still compile. */
	readonly isCompiling: boolean;
	/** The bytes that a replay takes for temporaries, and the bytes that they took at once when the call ran eagerly. */
	readonly temporaryBytes: number;
	readonly eagerBytes: number;
	/** Takes the memory of the temporaries, and sets the keys of random operations to those from `from` on. */
	start(from: RandomKey): void;
	bind(slot: number, storage: Storage): void;
	/** Switches to fused launches as soon as these are compiled, and returns whether they are in use. Not during a replay. */
	fuse(): boolean;
	/** Encodes the launches from `first` up to `end`, as they were recorded. With fused launches both must be barriers. */
	run(first: number, end: number): void;
	end(): void;
}
