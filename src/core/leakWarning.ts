/**
 * Warns once if a program leaks: names the operation and the line that made most of what it holds.
 *
 * The program holds what remains after a collection. If that reaches a new maximum several times, new storages start to record their call
 * site, which costs too much to do always. Even then, most of the small ones record none. If the growth continues, the warning names the
 * call site with the most memory.
 */
import { formatBytes } from './format';
import { callerFrame, callSite } from './indexCheck';
import { currentOperation } from './scope';

/** `compile` watches `Math.random` while it records a call. */
const { random } = Math;

/** Of smaller storages, one in SHARE records its call site and counts for SHARE, because recording takes longer than computing them. */
const LARGE_BYTES = 64 * 1024;
const SHARE = 64;

/** The memory that one call site allocated and the program still holds. The share of small storages is estimated. */
export class AllocationSite {
	storages = 0;
	bytes = 0;

	constructor(readonly name: string) {}

	/** Adds a recorded storage of this size. */
	add(bytes: number): void {
		this.#count(1, bytes);
	}

	remove(bytes: number): void {
		this.#count(-1, bytes);
	}

	#count(storages: number, bytes: number): void {
		const all = bytes < LARGE_BYTES ? SHARE * storages : storages;
		this.storages += all;
		this.bytes += all * bytes;
	}
}

interface Stock {
	readonly storages: number;
	readonly bytes: number;
}

/**
 * The least number of steps before a warning. A step is a backward pass or, in a program without any, a read. Building and loading a model
 * takes memory but no steps.
 */
const ALARMING_STEPS = 20;
/** The number of new maxima before call sites are recorded, and before the warning. */
const SUSPICIOUS_RISES = 3;
const ALARMING_RISES = 6;
/** The number of collections without a new maximum that end the suspicion. */
const STALLS = 3;
/** The smallest growth that warns, in bytes or storages. The program's memory must also have doubled. */
const ALARMING_BYTES = 256 * 2 ** 20;
const ALARMING_STORAGES = 4096;
/** The weight that warns if no collection can free it because the program never yields to the event loop. */
const ALARMING_BACKLOG = 2 ** 30;

/** Whether new storages record their call site. */
let isTracing = false;
let hasWarned = false;
let sites = new Map<string, AllocationSite>();
let start: Stock = { storages: 0, bytes: 0 };
let highest: Stock = start;
let rises = 0;
let walks = 0;
let reads = 0;
let stalls = 0;

/** The call that allocates a storage of this size now, or null if it is not recorded. */
export function allocationSite(bytes: number): AllocationSite | null {
	if (!isTracing || (bytes < LARGE_BYTES && random() * SHARE >= 1)) return null;
	const frame = callerFrame(callSite().stack ?? '');
	const name = `'${currentOperation() || 'tensor'}' ${frame}`;
	let site = sites.get(name);
	if (site === undefined) {
		site = new AllocationSite(name);
		sites.set(name, site);
	}
	return site;
}

/** Counts a backward pass. */
export function noteBackward(): void {
	walks++;
}

/** Counts a read of a tensor. */
export function noteRead(): void {
	reads++;
}

/** Takes note of what remains after a collection. */
export function noteHeld(stock: Stock): void {
	if (hasWarned) return;
	if (stock.storages > highest.storages || stock.bytes > highest.bytes) {
		highest = { storages: Math.max(stock.storages, highest.storages), bytes: Math.max(stock.bytes, highest.bytes) };
		stalls = 0;
		rises++;
	} else if (++stalls >= STALLS) {
		start = stock;
		highest = stock;
		rises = 0;
		walks = 0;
		reads = 0;
		stopTracing();
	}
	const steps = walks > 0 ? walks : reads;
	if (steps < ALARMING_STEPS) return;
	if (rises >= SUSPICIOUS_RISES && isAlarming(stock, 0.5)) isTracing = true;
	if (rises < ALARMING_RISES || sites.size === 0 || !isAlarming(stock, 1)) return;
	const more = `${stock.storages - start.storages} more tensors (${formatBytes(stock.bytes - start.bytes)})`;
	warn(`the program holds ${more} than ${steps} steps ago`, 'Keep numbers (await loss.item()) instead of tensors');
}

function isAlarming({ storages, bytes }: Stock, share: number): boolean {
	return (
		bytes - start.bytes > share * Math.max(ALARMING_BYTES, start.bytes) ||
		storages - start.storages > share * Math.max(ALARMING_STORAGES, start.storages)
	);
}

/**
 * Takes note of what the program made without yielding to the event loop. Some may be garbage, but engines report collections only after a
 * yield.
 */
export function noteBacklog(weight: number, { storages, bytes }: Stock): void {
	if (hasWarned) return;
	if (weight > ALARMING_BACKLOG / 2) isTracing = true;
	if (weight > ALARMING_BACKLOG && sites.size > 0)
		warn(
			`${storages} tensors (${formatBytes(bytes)}) were made without yielding to the event loop, and the garbage collector frees none before that`,
			'Await a result now and then',
		);
}

function warn(what: string, cure: string): void {
	hasWarned = true;
	const most = [...sites.values()].reduce((a, b) => (weight(b) > weight(a) ? b : a));
	console.warn(
		`wgrad: ${what}. Most of the new ones, about ${most.storages} tensors (${formatBytes(most.bytes)}), come from ${most.name}. ${cure}, or put the body of the loop into tidy(() => ...). memory() shows what is held`,
	);
	stopTracing();
}

/** Counts small storages too: each takes a few KiB besides its bytes. */
function weight({ storages, bytes }: AllocationSite): number {
	return bytes + storages * 4096;
}

function stopTracing(): void {
	isTracing = false;
	sites = new Map();
}
