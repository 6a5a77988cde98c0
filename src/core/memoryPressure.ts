/**
 * Tracks memory that only the garbage collector can free: tensors outside every scope, and what the tape saved of them.
 *
 * JavaScript engines collect when their own heap grows. They do not see GPU memory, so a program could fill the GPU with garbage that
 * nobody collects. This file counts the memory that waits for the collector. Each time the count grows by a step, it allocates an empty
 * `ArrayBuffer` and holds it until the next collection. Engines count its bytes although nobody touches them. V8 collects after five to
 * eight such buffers.
 *
 * An unreachable object with a finalizer signals each collection. The program holds whatever remains afterwards: see leakWarning.ts.
 */
import { scheduleTask } from './eventLoop';
import { type AllocationSite, noteBacklog, noteHeld } from './leakWarning';

export type { AllocationSite };

/**
 * Counts the references to a storage. It is a separate object where the engine frees the storage, so that counting does not keep it alive.
 */
export interface StorageClaims {
	references: number;
	/** Bytes on the device. */
	readonly bytes: number;
	/** Whether the engine sees these bytes, as it does for a typed array. */
	readonly isSeen: boolean;
	/** Whether this file counts the storage. */
	isEntrusted: boolean;
	/** The call that allocated the memory, if it is recorded: see leakWarning.ts. */
	site: AllocationSite | null;
	/** Frees the memory. Called when the last reference goes. */
	release(): void;
}

/** Sees the memory of tensors when it gets its first reference, and when it loses its last one. */
export interface MemoryWatcher {
	taken(claims: StorageClaims): void;
	released(claims: StorageClaims): void;
}

/** What watches now, or null. */
export let memoryWatcher: MemoryWatcher | null = null;

/** Shows memory to `next` from now on, and returns the watcher before it. */
export function watchMemory(next: MemoryWatcher | null): MemoryWatcher | null {
	const before = memoryWatcher;
	memoryWatcher = next;
	return before;
}

const MIB = 2 ** 20;
/** The size of one ArrayBuffer in bytes, and the smallest growth that allocates one. */
const STEP = 16 * MIB;
/**
 * The step is at least this fraction (1 / 8) of the device's memory in use, so that large programs do not collect more often than small
 * ones.
 */
const STEPS_IN_ALL = 8;
const MOST_BALLAST = 64;
/** The least weight of a storage: its handle, its place on the tape and the driver's own data. */
const LEAST_BYTES = 16 * 1024;

/** Memory that waits and that the engine does not see: its weight, and its bytes. */
let unseen = 0;
let deviceBytes = 0;
let nextStep = STEP;
let ballast: ArrayBuffer[] = [];
let isWatching = false;
/** The number of counted storages, and their bytes. */
let storages = 0;
let bytes = 0;
/** The counts at the first step of this turn of the event loop; null before that. */
let began: { readonly unseen: number; readonly storages: number; readonly bytes: number } | null = null;

let onHost = 0;

/** Counts bytes that `saveOnCpu` moves to the host, or, if negative, that leave it. */
export function addHostBytes(more: number): void {
	onHost += more;
}

/** Bytes of saved tensors that are on the host, or on their way there. */
export function savedOnHost(): number {
	return onHost;
}

/** Hands the memory to the garbage collector, which alone may free it from now on. */
export function leaveToCollector(claims: StorageClaims): void {
	if (claims.isEntrusted) return;
	claims.isEntrusted = true;
	storages++;
	bytes += claims.bytes;
	if (claims.site !== null) claims.site.add(claims.bytes);
	if (!isWatching) watch();
	if (claims.isSeen) return;
	deviceBytes += claims.bytes;
	addMemoryPressure(Math.max(claims.bytes, LEAST_BYTES));
}

/** Drops one reference. Dropping the last one frees the memory. */
export function releaseReference(claims: StorageClaims): void {
	if (--claims.references > 0) return;
	if (memoryWatcher !== null) memoryWatcher.released(claims);
	if (claims.isEntrusted) {
		claims.isEntrusted = false;
		storages--;
		bytes -= claims.bytes;
		if (claims.site !== null) claims.site.remove(claims.bytes);
		if (!claims.isSeen) {
			deviceBytes -= claims.bytes;
			removeMemoryPressure(Math.max(claims.bytes, LEAST_BYTES));
		}
	}
	claims.release();
}

/** Adds bytes that wait for the collector and that the engine does not see. */
export function addMemoryPressure(more: number): void {
	unseen += more;
	if (unseen >= nextStep) press();
}

/** Subtracts bytes that no longer wait. */
export function removeMemoryPressure(less: number): void {
	unseen -= less;
}

function press(): void {
	if (!isWatching) watch();
	nextStep = unseen + Math.max(STEP, deviceBytes / STEPS_IN_ALL);
	if (ballast.length < MOST_BALLAST) {
		try {
			ballast.push(new ArrayBuffer(STEP));
		} catch {
			// Memory is so short that the engine collects without our help.
		}
	}
	if (began !== null) {
		noteBacklog(unseen - began.unseen, { storages: storages - began.storages, bytes: bytes - began.bytes });
		return;
	}
	began = { unseen, storages, bytes };
	scheduleTask(() => {
		began = null;
	});
}

const collected = new FinalizationRegistry<null>(() => {
	// Runs after the finalizers of the same collection.
	scheduleTask(() => scheduleTask(takeStock));
});

function watch(): void {
	isWatching = true;
	collected.register({}, null);
}

function takeStock(): void {
	ballast = [];
	nextStep = unseen + Math.max(STEP, deviceBytes / STEPS_IN_ALL);
	noteHeld({ storages, bytes });
	watch();
}
