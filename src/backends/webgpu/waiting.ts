/**
 * What waits on the host for its turn, in order: launches whose pipelines are being compiled, allocations that the device has neither granted
 * nor refused yet, and everything that came after one of these.
 *
 * WebGPU tells of a refused buffer long after its creation, and only rejects the command buffers that bind it: those that follow would compute
 * with memory that nothing has written. So a new buffer holds back its operation and what follows until it is granted: an operation, such as the step
 * of an optimizer, runs as a whole or not at all. One that finds its buffers in the pool makes none, and waits for nothing.
 */
import { nextRound } from '../../core/eventloop';
import { operationNumber } from '../../core/operation';
import type { ReportSpan } from './indexReports';
import type { Launch } from './launch';
import type { Allocation, Block } from './memory';
import type { Pipeline, Pipelines } from './pipelines';

export interface Readback {
	/** What is read; null for the records of indices alone. */
	readonly block: Block | null;
	readonly staging: GPUBuffer;
	readonly bytes: number;
	/** What the records behind the bytes are of, if there are some. */
	span: ReportSpan | null;
	/** Takes the mapped bytes, once they are there. */
	collect(): void;
	reject(error: Error): void;
}

/** A launch that waits, with what the fast path has in local variables. */
export interface WaitingLaunch {
	readonly record: Launch;
	readonly pipeline: Pipeline;
	readonly group: GPUBindGroup;
	readonly x: number;
	readonly y: number;
	readonly z: number;
	readonly operation: string;
}

type Work = WaitingLaunch | Readback | Allocation;

interface Entry {
	/** The batch that was open when it came. */
	readonly batch: number;
	/** The number of its operation. */
	readonly operation: number;
	readonly work: Work;
}

/** Where what need not wait any more goes. */
interface Target {
	launch(work: WaitingLaunch, gpu: GPUComputePipeline): void;
	copy(readback: Readback): void;
	flush(): void;
}

/** Bytes that the host may upload while launches wait: their blocks cannot be reused before. */
const WAITING_UPLOADS = 256 * 2 ** 20;

export class WaitingQueue {
	private entries: Entry[] = [];
	/** How many entries there are up to the last launch or copy. */
	private lastWork = 0;
	private uploads = 0;
	private drainIsDue = false;
	/** Called when nothing waits any more. */
	private onDrained: (() => void)[] = [];

	constructor(
		private readonly pipelines: Pipelines,
		/** Entries beyond which a launch does not wait. */
		private readonly limit: number,
		private readonly target: Target,
	) {}

	get length(): number {
		return this.entries.length;
	}

	/** The batch that was open when the first entry came. */
	get firstBatch(): number | undefined {
		return this.entries[0]?.batch;
	}

	add(batch: number, work: Work): void {
		this.entries.push({ batch, operation: operationNumber(), work });
		if ('isAsked' in work) return;
		this.lastWork = this.entries.length;
		if (this.lastWork >= this.limit) this.drainNow();
	}

	/** The host has written into a block. */
	noteUpload(bytes: number): void {
		if (this.lastWork === 0) return;
		this.uploads += bytes;
		if (this.uploads > WAITING_UPLOADS) this.drainNow();
	}

	/** What follows `allocation` need not wait for it any more. */
	grant(allocation: Allocation): void {
		allocation.isAsked = false;
		if (this.drainIsDue || this.entries.length === 0) return;
		// Several are granted in a round, and what they held back shares a submit.
		this.drainIsDue = true;
		nextRound(() => {
			this.drainIsDue = false;
			this.drain();
		});
	}

	/**
	 * Hands on what waits, by compiling at once what it waits for, and before allocations are granted: a program that never awaits would have
	 * it wait for ever.
	 */
	private drainNow(): void {
		for (const { work } of this.entries) if ('pipeline' in work) this.pipelines.compileNow(work.pipeline);
		// An allocation that nothing follows yet can go on waiting.
		this.drain(this.lastWork);
	}

	/** Hands on what need not wait any more, and of the first `hurried` entries also what follows allocations that are not granted. */
	drain(hurried = 0): void {
		const { entries } = this;
		const asked = entries.findIndex(({ work }, i) => i >= hurried && 'isAsked' in work && work.isAsked);
		const end = asked < 0 ? entries.length : Math.max(hurried, this.startOfOperation(asked));
		let done = 0;
		for (; done < end; done++) {
			const { work } = entries[done]!;
			if ('isAsked' in work) continue;
			if ('staging' in work) this.target.copy(work);
			else if (work.pipeline.gpu !== undefined) this.target.launch(work, work.pipeline.gpu);
			else if (work.pipeline.failure === undefined) break;
		}
		if (done === 0) return;
		this.entries = entries.slice(done);
		this.lastWork = Math.max(0, this.lastWork - done);
		this.uploads = 0;
		// Submitted at once, because the blocks of these launches are marked with the batch that was open when they came.
		this.target.flush();
		this.announce();
	}

	/** Drops what waits from the operation of `refused` on: it must not run. */
	drop(refused: Allocation, error: Error): void {
		refused.isAsked = false;
		const place = this.entries.findIndex(({ work }) => work === refused);
		// One that was not waited for has nothing before it.
		for (const { work } of this.entries.splice(place < 0 ? 0 : this.startOfOperation(place))) {
			if ('isAsked' in work) work.isMoot = true;
			else if ('staging' in work) work.reject(error);
		}
		this.lastWork = Math.min(this.lastWork, this.entries.length);
		this.drain();
		this.announce();
	}

	/** Resolves when nothing waits any more. */
	drained(): Promise<void> {
		return new Promise((resolve) => this.onDrained.push(resolve));
	}

	clear(): void {
		this.entries = [];
		this.lastWork = 0;
		this.announce();
	}

	private startOfOperation(place: number): number {
		const { operation } = this.entries[place]!;
		let start = place;
		while (start > 0 && this.entries[start - 1]!.operation === operation) start--;
		return start;
	}

	private announce(): void {
		if (this.entries.length > 0) return;
		for (const resolve of this.onDrained) resolve();
		this.onDrained = [];
	}
}
