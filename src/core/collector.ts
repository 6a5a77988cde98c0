/**
 * What only the garbage collector can give back: memory behind tensors that no scope holds, and what the tape saved of them.
 *
 * JavaScript engines collect when the memory that they see has grown, and they do not see a GPU's: a program could fill it with garbage that
 * nobody collects. So memory that waits for the collector is counted here, and each time that it has grown by a step, an empty `ArrayBuffer`
 * is held until the next collection: engines count its bytes, of which nothing is touched. V8 collects after five to eight of them.
 *
 * A collection is noticed by an object that nobody holds. What is left after it is held by the program: see growth.ts.
 */
import { nextRound } from './eventloop';
import { noteBacklog, noteHeld, type Site } from './growth';

export type { Site };

/** The references to a storage. Apart from the storage where the engine collects its memory: what counts references then does not hold it. */
export interface Claims {
	references: number;
	/** Bytes on the device. */
	readonly bytes: number;
	/** Whether the engine sees these bytes, as those of a typed array. */
	readonly isSeen: boolean;
	/** Whether it is counted here. */
	isEntrusted: boolean;
	/** Where the memory was asked for, once the program is suspected of holding ever more. */
	site: Site | null;
	/** The last reference is gone. */
	release(): void;
}

const MIB = 2 ** 20;
/** The bytes of one ArrayBuffer, and the least growth that asks for one. */
const STEP = 16 * MIB;
/** Where the device holds more, the growth that asks for one is this part of it: large programs are not collected more often than small ones. */
const STEPS_IN_ALL = 8;
const MOST_BALLAST = 64;
/** What the least storage weighs, with its handle, its place on the tape, and what a driver keeps for it. */
const LEAST_BYTES = 16 * 1024;

/** What waits and is not seen, by weight, and its bytes. */
let unseen = 0;
let deviceBytes = 0;
let nextStep = STEP;
let ballast: ArrayBuffer[] = [];
let isWatching = false;
/** Storages that are counted, and their bytes. */
let storages = 0;
let bytes = 0;
/** What there was at the first step of this round of the event loop; null before it. */
let began: { readonly unseen: number; readonly storages: number; readonly bytes: number } | null = null;

/** From now on the collector alone may give the memory back. */
export function entrust(claims: Claims): void {
	if (claims.isEntrusted) return;
	claims.isEntrusted = true;
	storages++;
	bytes += claims.bytes;
	if (claims.site !== null) claims.site.add(1, claims.bytes);
	if (!isWatching) watch();
	if (claims.isSeen) return;
	deviceBytes += claims.bytes;
	burden(Math.max(claims.bytes, LEAST_BYTES));
}

/** Drops one reference; the last one gives the memory back. */
export function dropClaim(claims: Claims): void {
	if (--claims.references > 0) return;
	if (claims.isEntrusted) {
		claims.isEntrusted = false;
		storages--;
		bytes -= claims.bytes;
		if (claims.site !== null) claims.site.add(-1, -claims.bytes);
		if (!claims.isSeen) {
			deviceBytes -= claims.bytes;
			relieve(Math.max(claims.bytes, LEAST_BYTES));
		}
	}
	claims.release();
}

/** Bytes that the engine does not see wait for the collector. */
export function burden(more: number): void {
	unseen += more;
	if (unseen >= nextStep) press();
}

/** They wait no longer. */
export function relieve(less: number): void {
	unseen -= less;
}

function press(): void {
	if (!isWatching) watch();
	nextStep = unseen + Math.max(STEP, deviceBytes / STEPS_IN_ALL);
	if (ballast.length < MOST_BALLAST) {
		try {
			ballast.push(new ArrayBuffer(STEP));
		} catch {
			// So little is left that the engine feels it without our help.
		}
	}
	if (began !== null) {
		noteBacklog(unseen - began.unseen, { storages: storages - began.storages, bytes: bytes - began.bytes });
		return;
	}
	began = { unseen, storages, bytes };
	nextRound(() => {
		began = null;
	});
}

const collected = new FinalizationRegistry<null>(() => {
	// After what the same collection has freed.
	nextRound(() => nextRound(takeStock));
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
