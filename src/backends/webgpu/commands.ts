/**
 * The launch path: the one place where work reaches the GPU.
 *
 * Launches are encoded into one compute pass of one command encoder, a *batch*. A batch is submitted when it is long or
 * its work is large, when the host reads, and when the program is idle. Parameters of a batch collect in a host array, at
 * dynamic offsets, and are written to the GPU once, right before the submit; the queue's order makes one arena enough.
 * Each launch has a slot of the full size: words that it does not give are 0, never those of another launch.
 *
 * A launch whose pipeline is still being compiled waits in a queue, and everything after it behind it, so that the order
 * stays. Nothing of that shows outside, because the host sees results only through promises.
 */
import type { ParameterValue } from '../../../shaders/parameters';
import type { Kernel } from '../../../shaders/shader';
import { ArgumentError, DeviceError, type DeviceLostError } from '../../core/errors';
import { isTurnDue, nextRound, turn } from '../../core/eventloop';
import { currentOperation } from '../../core/operation';
import { BindGroups, type Buffers } from './bindgroups';
import { BufferUsage, MAP_MODE_READ } from './device';
import { type Failures, lossNotice } from './failures';
import { type IndexReports, RECORD_ROOM, type ReportSpan } from './indexReports';
import type { Launch, PositionalLaunch } from './launch';
import type { Block, Memory } from './memory';
import { ParameterSlots, SLOT_WORDS } from './parameters';
import type { Patience } from './patience';
import type { Pipeline, Pipelines } from './pipelines';
import type { LaunchLog } from './profiler';

export interface CommandOptions {
	/** Launches in a batch before it is submitted. */
	batchLaunches?: number | undefined;
	/** Floating-point operations plus bytes moved in a batch before it is submitted. */
	batchWork?: number | undefined;
	/** Floating-point operations, beyond which a launch that can be divided is. */
	dispatchWork?: number | undefined;
	/** Workgroups in one dimension, beyond which a grid is folded; the adapter's limit by default. */
	foldGrid?: number | undefined;
	/** Launches that may wait for pipelines, beyond which these are compiled while the program waits. */
	waitingLaunches?: number | undefined;
	/** Bind groups to keep, and how many there may be with those that wait for the collector. */
	bindGroupCap?: number | undefined;
	bindGroupsAlive?: number | undefined;
}

/** A launch of any kernel. */
export type AnyLaunch = Launch | PositionalLaunch;

/** A launch as the hook sees it: with the operation that asked for it. */
export type LaunchRecord = AnyLaunch & {
	readonly operation: string;
	readonly pipeline: string;
};

/**
 * Windows resets a GPU on which one dispatch takes two seconds. This takes a fifth of a second on an integrated GPU that does 250 GFLOP/s,
 * and keeps a large one busy for milliseconds.
 */
const DISPATCH_WORK = 5e10;

/** Bytes that the host may upload while launches wait: their blocks cannot be reused before. */
const WAITING_UPLOADS = 256 * 2 ** 20;

/** Launches that may wait where a loop asks what to wait for: so many that all pipelines of a step are asked for at once. */
const PACED_LAUNCHES = 1024;

interface Readback {
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

/** A launch that waits for a pipeline, with what the fast path has in local variables. */
interface WaitingLaunch {
	readonly record: AnyLaunch;
	readonly pipeline: Pipeline;
	readonly group: GPUBindGroup;
	readonly x: number;
	readonly y: number;
	readonly z: number;
	readonly operation: string;
}

interface Waiting {
	/** The batch that was open when it came. */
	readonly batch: number;
	readonly work: WaitingLaunch | Readback;
}

export class Commands {
	/** The number of the batch that is being encoded; all before it are submitted. */
	batch = 1;
	/** Sees every launch: a capture for replay. */
	onLaunch: ((record: LaunchRecord) => void) | undefined;
	/** Set while profiling: every launch has a pass of its own then. */
	log: LaunchLog | undefined;
	launches = 0;
	submits = 0;
	/** Why nothing can be launched or read any more. */
	loss: DeviceLostError | undefined;

	private readonly batchLaunches: number;
	private readonly batchWork: number;
	private readonly dispatchWork: number;
	private readonly maxGrid: number;
	private readonly foldGrid: number;
	private readonly waitingLaunches: number;
	private readonly parameters: GPUBuffer;
	private readonly slots: ParameterSlots;
	/** The offset of the current launch: one array for all, which `setBindGroup` reads faster than a typed array. */
	private readonly offset = [0];

	private encoder: GPUCommandEncoder | undefined;
	private pass: GPUComputePassEncoder | undefined;
	private bound: Pipeline | undefined;
	private work = 0;
	/** The operations of the batch's launches: for messages, and the next launch takes the slot of this many. */
	private operations: string[] = [];
	/** Copies that are encoded in the batch. */
	private copied: Readback[] = [];
	/** Every read that has not settled. */
	private readonly reads = new Set<Readback>();
	/** Fulfilled when the reads that are submitted have settled. */
	private settled: Promise<void> = Promise.resolve();
	/** Whether an idle program waits for records of indices. */
	private isPolling = false;
	private idleFlushIsDue = false;
	private readFlushIsDue = false;
	/** What waits for pipelines, in order. */
	private waiting: Waiting[] = [];
	private waitingUploads = 0;
	/** Called when nothing waits any more. */
	private onDrained: (() => void)[] = [];
	/** Fulfilled when the GPU has done what was submitted at the last pace. */
	private paced: Promise<void> = Promise.resolve();
	/** Called when the device is gone. */
	private readonly onStopped = new Set<() => void>();

	readonly bindGroups: BindGroups;

	constructor(
		private readonly device: GPUDevice,
		private readonly pipelines: Pipelines,
		private readonly failures: Failures,
		private readonly patience: Patience,
		private readonly reports: IndexReports,
		options: CommandOptions,
	) {
		this.batchLaunches = options.batchLaunches ?? 64;
		this.batchWork = options.batchWork ?? 2e9;
		this.dispatchWork = options.dispatchWork ?? DISPATCH_WORK;
		this.maxGrid = device.limits.maxComputeWorkgroupsPerDimension;
		this.foldGrid = options.foldGrid ?? this.maxGrid;
		this.waitingLaunches = options.waitingLaunches ?? 16384;
		this.slots = new ParameterSlots(this.batchLaunches);
		this.parameters = device.createBuffer({
			label: 'parameters',
			size: this.slots.words.byteLength,
			usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
		});
		this.bindGroups = new BindGroups(
			device,
			this.parameters,
			reports.storage,
			options.bindGroupCap ?? 8192,
			options.bindGroupsAlive ?? Number.POSITIVE_INFINITY,
		);
	}

	/** Encodes a launch, in several parts if it is long; it runs after all earlier ones. A grid with a zero is nothing to do. */
	launch(record: AnyLaunch): void {
		if (isDivisible(record) && record.flops > this.dispatchWork) this.launchInParts(record);
		else this.launchWhole(record);
	}

	/** Each part is a record of its own. Workgroups do not depend on each other, so the results have the same bits. */
	private launchInParts(record: AnyLaunch): void {
		const { grid, flops, bytes } = record;
		const groups = grid[0];
		const each = Math.max(1, Math.floor((groups * this.dispatchWork) / flops));
		for (let first = 0; first < groups; first += each) {
			const count = Math.min(each, groups - first);
			const share = count / groups;
			const part = { grid: [count], flops: flops * share, bytes: bytes * share } as const;
			if (isDefined(record)) this.launchWhole({ ...record, ...part, firstGroup: first });
			else this.launchWhole({ ...record, ...part, params: [...record.params, first] });
		}
	}

	private launchWhole(record: AnyLaunch): void {
		let x = record.grid[0];
		let y = record.grid[1] ?? 1;
		const z = record.grid[2] ?? 1;
		if (x === 0 || y === 0 || z === 0) return;
		this.requireRunning();
		const pipeline = this.pipelines.get(record.kernel, record.variant);
		if (x > this.foldGrid && y === 1) {
			y = Math.ceil(x / this.foldGrid);
			x = Math.ceil(x / y);
		}
		if (x > this.maxGrid || y > this.maxGrid || z > this.maxGrid) {
			throw new DeviceError(
				`${pipeline.key}: a grid of ${record.grid.join(' x ')} workgroups exceeds ${this.maxGrid} in a dimension`,
			);
		}
		if (!isDefined(record)) {
			const words = record.params.length + Number(record.check !== undefined);
			if (words > SLOT_WORDS)
				throw new ArgumentError(`${pipeline.key}: ${words} parameter words; a launch carries ${SLOT_WORDS}`);
		}
		const group = this.bindGroups.get(pipeline, record.buffers as Buffers, this.batch);
		this.account(pipeline, record);
		if (pipeline.gpu !== undefined && this.waiting.length === 0) {
			this.encode(record, pipeline, pipeline.gpu, group, x, y, z, currentOperation());
		} else {
			const work = { record, pipeline, group, x, y, z, operation: currentOperation() };
			this.waiting.push({ batch: this.batch, work });
			if (this.waiting.length >= this.waitingLaunches) this.compileWaiting();
		}
	}

	/** The host has written into a block. */
	noteUpload(bytes: number): void {
		if (this.waiting.length === 0) return;
		this.waitingUploads += bytes;
		if (this.waitingUploads > WAITING_UPLOADS) this.compileWaiting();
	}

	/** Submits what waits, by compiling at once what it waits for: a program that never awaits would have it wait for ever. */
	private compileWaiting(): void {
		for (const { work } of this.waiting) if ('pipeline' in work) this.pipelines.compileNow(work.pipeline);
		this.drain();
	}

	/** A copy of the first `bytes` of a block, as it is after all launches so far, handed to `decode` while it is mapped. */
	read<T>(block: Block, bytes: number, memory: Memory, decode: (mapped: ArrayBuffer) => T): Promise<T> {
		if (this.loss !== undefined) return Promise.reject(this.loss);
		const staging = memory.takeStaging(bytes + RECORD_ROOM);
		const copy = new Promise<T>((resolve, reject) => {
			const collect = () => {
				resolve(decode(staging.getMappedRange(0, bytes)));
				staging.unmap();
				memory.giveStaging(staging);
			};
			const readback = { block, staging, bytes, span: null, collect, reject };
			this.reads.add(readback);
			block.batch = this.batch;
			if (this.waiting.length === 0) this.encodeCopy(readback);
			else this.waiting.push({ batch: this.batch, work: readback });
		});
		return this.patience.during(copy);
	}

	/** The first batch that is not submitted as a whole: the host must not touch blocks that it or a later one uses. */
	get unsubmitted(): number {
		return this.waiting[0]?.batch ?? this.batch;
	}

	/** Goes on with what waited for pipelines, as far as they are there. */
	drain(): void {
		let done = 0;
		for (; done < this.waiting.length; done++) {
			const { work } = this.waiting[done]!;
			if ('staging' in work) {
				this.encodeCopy(work);
				continue;
			}
			const { record, pipeline, group, x, y, z, operation } = work;
			if (pipeline.gpu !== undefined) this.encode(record, pipeline, pipeline.gpu, group, x, y, z, operation);
			else if (pipeline.failure === undefined) break;
		}
		if (done === 0) return;
		this.waiting = this.waiting.slice(done);
		this.waitingUploads = 0;
		// Submitted at once, because the blocks of these launches are marked with the batch that was open when they came.
		this.flush();
		if (this.waiting.length > 0) return;
		for (const resolve of this.onDrained) resolve();
		this.onDrained = [];
	}

	/** Submits what is encoded. */
	flush(): void {
		const { encoder, copied, operations } = this;
		if (encoder === undefined) return;
		this.closePass();
		this.log?.resolve(encoder);
		this.device.pushErrorScope('validation');
		const words = operations.length * SLOT_WORDS;
		if (words > 0) this.device.queue.writeBuffer(this.parameters, 0, this.slots.words, 0, words);
		this.device.queue.submit([encoder.finish()]);
		this.failures.popScope(this.device, (error) => new DeviceError(`${describeBatch(operations)}: ${error.message}`));
		this.log?.submitted();
		this.slots.words.fill(0, 0, words);
		this.encoder = undefined;
		this.work = 0;
		this.operations = [];
		this.copied = [];
		this.batch++;
		this.submits++;
		for (const readback of copied) this.settled = this.map(readback, this.settled);
	}

	/**
	 * What a loop that never reads should wait for: the pipelines of what has piled up; and now and then the work of the last time, so that
	 * the GPU always has some and never much.
	 */
	pace(): Promise<void> | undefined {
		if (this.loss !== undefined) return undefined;
		if (this.waiting.length > PACED_LAUNCHES) return this.drained();
		if (!isTurnDue()) return undefined;
		const before = this.paced;
		this.flush();
		// A device that is lost meanwhile says so elsewhere.
		this.paced = this.untilStopped(this.patience.during(this.device.queue.onSubmittedWorkDone())).catch(() => {});
		return before.then(turn);
	}

	private drained(): Promise<void> {
		this.flush();
		return new Promise((resolve) => this.onDrained.push(resolve));
	}

	/** Submits everything and waits until the GPU has done it. */
	async finish(): Promise<void> {
		if (this.waiting.length > 0) await this.drained();
		if (this.loss === undefined) {
			this.readReports();
			this.flush();
			await this.untilStopped(this.patience.during(this.device.queue.onSubmittedWorkDone()));
		}
		await this.untilStopped(this.settled);
		// The work of a lost device counts as done, too. Its loss is known one turn later at the latest.
		await turn();
		this.requireRunning();
	}

	/** Resolves when all copies and waits that were submitted have come to an end, also a bad one. */
	async quiet(): Promise<void> {
		await Promise.all([this.settled, this.paced]);
	}

	/** Resolves when `promise` does or the device is gone: nothing waits for a device that is. */
	untilStopped(promise: Promise<unknown>): Promise<void> {
		if (this.loss !== undefined) {
			promise.catch(() => {});
			return Promise.resolve();
		}
		return new Promise((resolve, reject) => {
			const end = () => resolve();
			this.onStopped.add(end);
			promise.then(end, reject).finally(() => this.onStopped.delete(end));
		});
	}

	/** The device is gone: rejects every read that waits, and every launch and read from now on, with `loss`. */
	stop(loss: DeviceLostError): void {
		if (this.loss !== undefined) return;
		this.loss = loss;
		this.encoder = undefined;
		this.pass = undefined;
		this.waiting = [];
		// Nothing that was encoded will be submitted.
		this.batch++;
		for (const resolve of this.onDrained) resolve();
		for (const end of this.onStopped) end();
		for (const readback of this.reads) readback.reject(loss);
		this.reads.clear();
		this.parameters.destroy();
		this.reports.destroy();
	}

	/** Throws the reason why nothing works any more, if there is one. */
	requireRunning(): void {
		if (this.loss !== undefined) throw this.loss.at(currentOperation());
	}

	private account(pipeline: Pipeline, record: AnyLaunch): void {
		pipeline.batch = this.batch;
		const { counters } = pipeline;
		counters.launches++;
		counters.flops += record.flops;
		counters.bytes += record.bytes;
		this.launches++;
		if (this.onLaunch !== undefined) {
			this.onLaunch({ ...record, operation: currentOperation(), pipeline: pipeline.key });
		}
	}

	private encode(
		record: AnyLaunch,
		pipeline: Pipeline,
		gpu: GPUComputePipeline,
		group: GPUBindGroup,
		x: number,
		y: number,
		z: number,
		operation: string,
	): void {
		const { check } = record;
		if (check !== undefined && this.reports.areFull) this.readReports();
		const pass =
			this.log === undefined ? (this.pass ?? this.openPass()) : this.openLoggedPass(pipeline, record, operation, this.log);
		if (pipeline !== this.bound) {
			pass.setPipeline(gpu);
			this.bound = pipeline;
		}
		this.offset[0] = this.writeParameters(record, check === undefined ? 0 : this.reports.add(check));
		pass.setBindGroup(0, group, this.offset);
		pass.dispatchWorkgroups(x, y, z);
		this.operations.push(operation);
		this.work += record.flops + record.bytes;
		if (this.operations.length >= this.batchLaunches || this.work >= this.batchWork) this.flush();
	}

	/** Copies in its place among the launches, since later ones may overwrite the block. Reads of one task share a submit. */
	private encodeCopy(readback: Readback): void {
		const encoder = this.encoder ?? this.openEncoder();
		this.closePass();
		const { block, staging, bytes } = readback;
		if (block !== null) encoder.copyBufferToBuffer(block.buffer, 0, staging, 0, bytes);
		if (this.reports.areDue) readback.span = this.reports.copy(encoder, staging, recordsAt(bytes));
		this.copied.push(readback);
		if (this.readFlushIsDue) return;
		this.readFlushIsDue = true;
		queueMicrotask(() => {
			this.readFlushIsDue = false;
			this.flush();
		});
	}

	/** Reads the records of indices alone, if launches have been made since they were last read. */
	private readReports(): void {
		if (!this.reports.areDue) return;
		const staging = this.reports.takeStaging();
		const collect = () => {
			staging.unmap();
			this.reports.giveStaging(staging);
		};
		const readback = { block: null, staging, bytes: 0, span: null, collect, reject() {} };
		this.reads.add(readback);
		this.encodeCopy(readback);
	}

	/** Fills the next slot with the parameters and the place for reports, and returns its offset in bytes. */
	private writeParameters(record: AnyLaunch, report: number): number {
		const slot = this.operations.length;
		if (isDefined(record)) {
			const { kernel, params, firstGroup = 0 } = record;
			return this.slots.write(slot, kernel, params as Readonly<Record<string, ParameterValue>>, firstGroup, report);
		}
		const { params } = record;
		const start = slot * SLOT_WORDS;
		const { words } = this.slots;
		for (let i = 0; i < params.length; i++) words[start + i] = params[i]!;
		if (report > 0) words[start + params.length] = report;
		return start * 4;
	}

	private openEncoder(): GPUCommandEncoder {
		this.encoder = this.device.createCommandEncoder();
		if (!this.idleFlushIsDue) {
			this.idleFlushIsDue = true;
			nextRound(() => {
				this.idleFlushIsDue = false;
				this.flushIdle();
			});
		}
		return this.encoder;
	}

	/** A program that neither reads nor waits hears of its indices all the same, and lets go of what their checks hold. */
	private flushIdle(): void {
		const polls = this.reports.areDue && !this.isPolling && this.loss === undefined;
		if (polls) this.readReports();
		this.flush();
		if (!polls) return;
		this.isPolling = true;
		void this.patience.during(this.settled).then(() => {
			this.isPolling = false;
		});
	}

	private openPass(): GPUComputePassEncoder {
		this.pass = (this.encoder ?? this.openEncoder()).beginComputePass();
		return this.pass;
	}

	private openLoggedPass(
		pipeline: Pipeline,
		record: { readonly flops: number; readonly bytes: number },
		operation: string,
		log: LaunchLog,
	): GPUComputePassEncoder {
		const encoder = this.encoder ?? this.openEncoder();
		this.closePass();
		const { flops, bytes } = record;
		this.pass = encoder.beginComputePass(log.add({ kernel: pipeline.key, operation, flops, bytes }));
		return this.pass;
	}

	private closePass(): void {
		this.pass?.end();
		this.pass = undefined;
		this.bound = undefined;
	}

	/** Hands a copy over once it has arrived, after all `before` it. */
	private async map(readback: Readback, before: Promise<void>): Promise<void> {
		const { staging, bytes, span } = readback;
		const offset = recordsAt(bytes);
		const recordBytes = 4 * (span?.length ?? 0);
		try {
			await staging.mapAsync(MAP_MODE_READ, 0, span === null ? bytes : offset + recordBytes);
			await before;
			if (span !== null) this.reports.inspect(span, new Uint32Array(staging.getMappedRange(offset, recordBytes)));
			readback.collect();
		} catch (error) {
			await lossNotice(this.device);
			readback.reject(this.loss ?? new DeviceError(`reading a tensor back failed: ${String(error)}`, { cause: error }));
		}
		this.reads.delete(readback);
	}
}

/** Whether the launch is of a kernel that `defineKernel` made. */
function isDefined(record: AnyLaunch): record is Launch {
	return (record.kernel as Partial<Kernel>).layout !== undefined;
}

function isDivisible(record: AnyLaunch): boolean | undefined {
	return isDefined(record) ? record.kernel.divisible : record.divisible;
}

/** Where the records of indices stand behind so many bytes: a mapped range begins at a multiple of 8. */
function recordsAt(bytes: number): number {
	return Math.ceil(bytes / 8) * 8;
}

/** Which operations a batch was made for, each once, in order. */
function describeBatch(operations: readonly string[]): string {
	const names = [...new Set(operations)].filter((name) => name !== '');
	return `the GPU refused a batch of ${operations.length} launches${names.length > 0 ? ` for ${names.join(', ')}` : ''}`;
}
