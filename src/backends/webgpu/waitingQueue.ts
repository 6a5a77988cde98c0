/**
 * The queue of work that waits on the host, in order: launches with a pipeline that is being compiled, buffers that the device
 * has neither granted nor refused yet, and everything after one of these.
 *
 * WebGPU reports a refused buffer long after its creation, and rejects only the command buffers that bind it. Later command
 * buffers would compute with memory that nothing has written. So a new buffer holds back its operation and all later work until
 * it is granted: an operation, such as an optimizer step, runs as a whole or not at all. An operation that finds its buffers in
 * the pool waits for nothing.
 */
import { scheduleTask } from '../../core/eventLoop';
import { currentCall } from '../../core/scope';
import type { ReportSpan } from './indexReports';
import type { Launch } from './launch';
import type { Allocation, Block } from './memory';
import type { Pipeline, Pipelines } from './pipelines';

export interface Readback {
	/** The block to read; null to read the index records alone. */
	readonly block: Block | null;
	readonly staging: GPUBuffer;
	readonly bytes: number;
	/** The checks of the index records behind the bytes, if there are records. */
	span: ReportSpan | null;
	/** Takes the mapped bytes when they have arrived. */
	collect(): void;
	reject(error: Error): void;
}

/** A waiting launch, with the values that the fast path keeps in local variables. */
interface WaitingLaunch {
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
	/** The batch that was open when the entry was added. */
	readonly batch: number;
	/** The number of the operation's call that added the entry; 0 if none did. */
	readonly call: number;
	readonly work: Work;
}

/** Receives the work that need not wait any more. */
interface Target {
	launch(work: WaitingLaunch, gpu: GPUComputePipeline): void;
	copy(readback: Readback): void;
	flush(): void;
}

/** Bytes that the host may upload while launches wait; the blocks of these uploads cannot be reused meanwhile. */
const WAITING_UPLOADS = 256 * 2 ** 20;

export class WaitingQueue {
	private entries: Entry[] = [];
	/** The number of entries up to and including the last launch or copy. */
	private lastWork = 0;
	private uploads = 0;
	private drainIsDue = false;
	/** Called when the queue is empty. */
	private onDrained: (() => void)[] = [];

	constructor(
		private readonly pipelines: Pipelines,
		/** From this many entries on, a launch does not wait. */
		private readonly limit: number,
		private readonly target: Target,
	) {}

	get length(): number {
		return this.entries.length;
	}

	/** The batch that was open when the first entry was added. */
	get firstBatch(): number | undefined {
		return this.entries[0]?.batch;
	}

	add(batch: number, work: Work): void {
		this.entries.push({ batch, call: currentCall(), work });
		if ('isAsked' in work) return;
		this.lastWork = this.entries.length;
		if (this.lastWork >= this.limit) this.drainNow();
	}

	/** Call it when the host has written into a block. */
	noteUpload(bytes: number): void {
		if (this.lastWork === 0) return;
		this.uploads += bytes;
		if (this.uploads > WAITING_UPLOADS) this.drainNow();
	}

	/** Marks `allocation` as granted: the work after it need not wait for it any more. */
	grant(allocation: Allocation): void {
		allocation.isAsked = false;
		if (this.drainIsDue || this.entries.length === 0) return;
		// A round may grant several allocations; the work that they held back then shares a submit.
		this.drainIsDue = true;
		scheduleTask(() => {
			this.drainIsDue = false;
			this.drain();
		});
	}

	/**
	 * Hands on all waiting work: compiles its pipelines synchronously and does not wait for allocations. A program that never
	 * awaits would otherwise wait for ever.
	 */
	private drainNow(): void {
		for (const { work } of this.entries) if ('pipeline' in work) this.pipelines.compileNow(work.pipeline);
		// Allocations behind the last launch or copy may stay in the queue.
		this.drain(this.lastWork);
	}

	/** Hands on the work that need not wait any more. The first `hurried` entries do not wait for allocations. */
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
		// Submits at once, because the blocks of these launches are marked with the batch that was open when they were added.
		this.target.flush();
		this.announce();
	}

	/** Drops all work from the operation of `refused` on, because it must not run. */
	drop(refused: Allocation, error: Error): void {
		refused.isAsked = false;
		const position = this.entries.findIndex(({ work }) => work === refused);
		// If it is not in the queue, no entry comes before it.
		for (const { work } of this.entries.splice(position < 0 ? 0 : this.startOfOperation(position))) {
			if ('isAsked' in work) work.isMoot = true;
			else if ('staging' in work) work.reject(error);
		}
		this.lastWork = Math.min(this.lastWork, this.entries.length);
		this.drain();
		this.announce();
	}

	/** Resolves when the queue is empty. */
	drained(): Promise<void> {
		return new Promise((resolve) => this.onDrained.push(resolve));
	}

	clear(): void {
		this.entries = [];
		this.lastWork = 0;
		this.announce();
	}

	private startOfOperation(position: number): number {
		const { call } = this.entries[position]!;
		let start = position;
		while (call !== 0 && start > 0 && this.entries[start - 1]!.call === call) start--;
		return start;
	}

	private announce(): void {
		if (this.entries.length > 0) return;
		for (const resolve of this.onDrained) resolve();
		this.onDrained = [];
	}
}
