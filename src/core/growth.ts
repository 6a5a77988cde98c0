/**
 * A program that holds ever more is told so once, with the operation and the line that most of it is from.
 *
 * What is left after a collection is held by the program. Where that reaches a new height again and again, new storages note where they are
 * asked for, which costs too much to do always; if it goes on, the warning names the place that holds most of them.
 */
import { formatBytes } from './format';
import { callerFrame, callSite } from './indexCheck';
import { currentOperation } from './operation';

/** What the program holds of the memory that a place asked for. */
export class Site {
	storages = 0;
	bytes = 0;

	constructor(readonly name: string) {}

	add(storages: number, bytes: number): void {
		this.storages += storages;
		this.bytes += bytes;
	}
}

interface Stock {
	readonly storages: number;
	readonly bytes: number;
}

/** A step is a backward walk or, in a program without any, a read. Building and loading a model takes memory, too, but no steps. */
const ALARMING_STEPS = 20;
/** New heights before places are noted, and before the warning. */
const SUSPICIOUS_RISES = 3;
const ALARMING_RISES = 6;
/** Collections without a new height that end the suspicion. */
const STALLS = 3;
/** A warning needs a growth of so much, and that what is held has doubled. */
const ALARMING_BYTES = 256 * 2 ** 20;
const ALARMING_STORAGES = 4096;
/** The weight of what no collection can reach, because the event loop does not turn. */
const ALARMING_BACKLOG = 2 ** 30;

/** Whether new storages note their places. */
export let isTracing = false;
let hasWarned = false;
let sites = new Map<string, Site>();
let start: Stock = { storages: 0, bytes: 0 };
let highest: Stock = start;
let rises = 0;
let walks = 0;
let reads = 0;
let stalls = 0;

/** The place of the call under way. */
export function currentSite(): Site {
	const frame = callerFrame(callSite().stack ?? '');
	const name = `'${currentOperation() || 'tensor'}' ${frame}`;
	let site = sites.get(name);
	if (site === undefined) {
		site = new Site(name);
		sites.set(name, site);
	}
	return site;
}

/** The program has walked a graph backward. */
export function noteWalk(): void {
	walks++;
}

/** The program has read a tensor. */
export function noteRead(): void {
	reads++;
}

/** What is held after a collection. */
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
	warn(`the program holds ${more} than ${steps} steps ago`, 'Keep numbers, await loss.item(), in the place of tensors');
}

function isAlarming({ storages, bytes }: Stock, share: number): boolean {
	return (
		bytes - start.bytes > share * Math.max(ALARMING_BYTES, start.bytes) ||
		storages - start.storages > share * Math.max(ALARMING_STORAGES, start.storages)
	);
}

/** What was made without a turn of the event loop; some may be garbage, but no engine tells of it before the loop turns. */
export function noteBacklog(weight: number, { storages, bytes }: Stock): void {
	if (hasWarned) return;
	if (weight > ALARMING_BACKLOG / 2) isTracing = true;
	if (weight > ALARMING_BACKLOG && sites.size > 0)
		warn(
			`${storages} tensors (${formatBytes(bytes)}) were made without an await that waits, and the garbage collector gives none back before`,
			'Await a result now and then',
		);
}

function warn(what: string, cure: string): void {
	hasWarned = true;
	const most = [...sites.values()].reduce((a, b) => (weight(b) > weight(a) ? b : a));
	console.warn(
		`wgrad: ${what}. Most of what is new, ${most.storages} tensors (${formatBytes(most.bytes)}), is from ${most.name}. ${cure}, or put the body of the loop into tidy(() => ...). memory() shows what is held`,
	);
	stopTracing();
}

/** Small storages count, too: each takes a few KiB beside its bytes. */
function weight({ storages, bytes }: Site): number {
	return bytes + storages * 4096;
}

function stopTracing(): void {
	isTracing = false;
	sites = new Map();
}
