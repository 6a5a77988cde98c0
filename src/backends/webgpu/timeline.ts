/**
 * The timeline of a profile as a trace: what the host did, what it waited for, and each kernel on the GPU. `profile` makes one; a program that
 * never profiles does not contain it.
 *
 * The GPU has a clock of its own, with an unknown zero. No kernel can run before the submit that holds it, so the GPU's times are moved to
 * the earliest place where this holds. A driver may reset its clock between passes: each stretch between resets is moved by itself.
 *
 * The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format), which Perfetto and Chrome read.
 */
import { watchOperations } from '../../core/scope';
import type { Trace, TraceEvent } from './statistics';

/** A launch as the trace shows it. Times of the host are milliseconds of `performance.now()`. */
export interface TracedLaunch {
	readonly kernel: string;
	readonly operation: string;
	readonly flops: number;
	readonly bytes: number;
	/** When the host encoded it. */
	readonly encoded: number;
	/** When the host submitted its batch. */
	readonly submitted: number;
	/** The GPU's nanoseconds at begin and end; null without timestamps. */
	readonly stamps: readonly [begin: bigint, end: bigint] | null;
}

/** A stretch of the host's time. */
interface Span {
	readonly name: string;
	readonly start: number;
	readonly end: number;
	readonly args?: TraceEvent['args'];
}

const HOST = 1;
const GPU = 2;
/** The rows of the host. Waits have no row, because they overlap. */
const OPERATIONS = 1;
const UPLOADS = 2;
const SUBMITS = 3;
const LAUNCHES = 4;

/** Notes what the host does from `begin` to `end`. */
export class Timeline {
	#began = 0;
	readonly #open: { readonly name: string; readonly start: number }[] = [];
	readonly #operations: Span[] = [];
	readonly #uploads: Span[] = [];
	readonly #waits: Span[] = [];

	begin(): void {
		this.#began = performance.now();
		watchOperations({
			began: (name) => this.#open.push({ name, start: performance.now() }),
			ended: () => {
				const open = this.#open.pop();
				// An operation may have been under way when the profile began.
				if (open !== undefined) this.#operations.push({ ...open, end: performance.now() });
			},
		});
	}

	end(): void {
		watchOperations(null);
	}

	/** Notes an upload that began at `start` and has just returned. */
	uploaded(bytes: number, start: number): void {
		this.#uploads.push({ name: 'upload', start, end: performance.now(), args: { bytes } });
	}

	/** Notes a wait that began at `start` and has just ended. */
	waited(name: string, start: number, args?: TraceEvent['args']): void {
		this.#waits.push({ name, start, end: performance.now(), ...(args && { args }) });
	}

	/** The trace, in microseconds since `begin`. */
	trace(launches: readonly TracedLaunch[]): Trace {
		const at = (time: number) => 1000 * (time - this.#began);
		const spans = (list: readonly Span[], tid: number, cat: string) =>
			list.map(
				({ name, start, end, args = {} }): TraceEvent => ({
					...{ name, cat, ph: 'X', pid: HOST, tid },
					...{ ts: at(start), dur: at(end) - at(start), args },
				}),
			);
		const moments = [...countBy(launches.map(({ submitted }) => submitted))];
		const submits = moments.map(([time, count]) => instant('submit', 'submit', SUBMITS, at(time), { launches: count }));
		const waits = this.#waits.flatMap(({ name, start, end, args = {} }, id): TraceEvent[] => {
			const shared = { name, cat: 'wait', pid: HOST, tid: 0, id, args };
			return [
				{ ...shared, ph: 'b', ts: at(start) },
				{ ...shared, ph: 'e', ts: at(end) },
			];
		});
		const starts = gpuStarts(launches);
		const kernels = launches.map(({ kernel, operation, flops, bytes, encoded, stamps }, i): TraceEvent => {
			const args = { operation, flops, bytes };
			if (stamps === null) return instant(kernel, 'launch', LAUNCHES, at(encoded), args);
			const dur = Math.max(0, Number(stamps[1] - stamps[0])) / 1000;
			return { name: kernel, cat: 'kernel', ph: 'X', pid: GPU, tid: 1, ts: at(starts[i]!), dur, args };
		});
		const events = [
			...spans(this.#operations, OPERATIONS, 'operation'),
			...spans(this.#uploads, UPLOADS, 'upload'),
			...submits,
			...waits,
			...kernels,
		].sort((a, b) => a.ts - b.ts);
		return { traceEvents: [...names(launches.some(({ stamps }) => stamps !== null)), ...events], displayTimeUnit: 'ms' };
	}
}

function instant(name: string, cat: string, tid: number, ts: number, args: TraceEvent['args']): TraceEvent {
	return { name, cat, ph: 'i', s: 't', pid: HOST, tid, ts, args };
}

/** The names of the rows. */
function names(hasKernels: boolean): TraceEvent[] {
	const named = (name: string, pid: number, tid: number, text: string): TraceEvent => ({
		...{ name, cat: '__metadata', ph: 'M', pid, tid, ts: 0 },
		args: { name: text },
	});
	const rows = ['operations', 'uploads', 'submits', ...(hasKernels ? [] : ['launches'])];
	return [
		named('process_name', HOST, 0, 'host'),
		...rows.map((row, i) => named('thread_name', HOST, i + 1, row)),
		...(hasKernels ? [named('process_name', GPU, 0, 'GPU'), named('thread_name', GPU, 1, 'kernels')] : []),
	];
}

/** How often each value occurs, in the order of their first occurrences. */
function countBy(values: readonly number[]): Map<number, number> {
	const counts = new Map<number, number>();
	for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
	return counts;
}

/** When each launch began on the GPU, in the host's milliseconds; NaN without timestamps. */
function gpuStarts(launches: readonly TracedLaunch[]): number[] {
	const starts = launches.map(() => Number.NaN);
	for (let first = 0; first < launches.length; ) {
		const zero = launches[first]!.stamps?.[0];
		if (zero === undefined) {
			first++;
			continue;
		}
		// A stretch ends before a launch that the clock puts before the one before it.
		let end = first;
		for (let before = zero; end < launches.length; end++) {
			const begin = launches[end]!.stamps?.[0];
			if (begin === undefined || begin < before) break;
			before = begin;
		}
		let shift = Number.NEGATIVE_INFINITY;
		for (let i = first; i < end; i++) {
			const { stamps, submitted } = launches[i]!;
			starts[i] = Number(stamps![0] - zero) / 1e6;
			shift = Math.max(shift, submitted - starts[i]!);
		}
		for (let i = first; i < end; i++) starts[i]! += shift;
		first = end;
	}
	return starts;
}
