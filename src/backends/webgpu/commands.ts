/**
 * The launch path: the one place where work reaches the GPU.
 *
 * Launches are encoded into one compute pass of one command encoder, a *batch*. A batch is submitted when it is long or has much work,
 * when the host reads, and when the program is idle. The parameters of a batch collect in a host array, at dynamic offsets, and are
 * written to the GPU once, right before the submit; the queue's order makes one arena enough. Each launch has a slot of the full size:
 * words that it does not give are 0, never those of another launch.
 *
 * A launch waits in a queue while its pipeline is being compiled, or behind a buffer that the device has not granted yet. Everything
 * after it waits behind it, so that the order stays (see waiting.ts). None of this shows outside, because the host sees results only
 * through promises.
 */
import { DeviceError, type DeviceLostError } from '../../core/errors';
import { isTurnDue, nextRound, turn } from '../../core/eventloop';
import { currentOperation } from '../../core/operation';
import { BindGroups } from './bindgroups';
import { BufferUsage, MAP_MODE_READ } from './device';
import { type Failures, lossNotice } from './failures';
import { type IndexReports, RECORD_ROOM } from './indexReports';
import type { Launch } from './launch';
import { type Allocation, type Block, type Memory, voidError } from './memory';
import { checkParameters, ParameterSlots, SLOT_WORDS } from './parameters';
import type { Patience } from './patience';
import type { Pipeline, Pipelines } from './pipelines';
import type { LaunchLog } from './profiler';
import { type Readback, WaitingQueue } from './waiting';

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

/** A launch as the hook sees it: with the operation that asked for it. */
export interface LaunchRecord extends Launch {
	readonly operation: string;
	readonly pipeline: string;
}

/**
 * Windows resets a GPU on which one dispatch takes two seconds. This takes a fifth of a second on an integrated GPU that does 250 GFLOP/s,
 * and keeps a large one busy for milliseconds.
 */
const DISPATCH_WORK = 5e10;

/** Launches that may wait where a loop asks what to wait for: so many that all pipelines of a step are asked for at once. */
const PACED_LAUNCHES = 1024;

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
	/** Set while a buffer has been refused and nobody has been told: nothing is launched or read until then. */
	private refusal: Error | undefined;
	/** Fulfilled when the GPU has done what was submitted at the last pace. */
	private paced: Promise<void> = Promise.resolve();
	/** Called when the device is gone. */
	private readonly onStopped = new Set<() => void>();

	readonly waiting: WaitingQueue;
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
		this.waiting = new WaitingQueue(pipelines, options.waitingLaunches ?? 16384, {
			launch: ({ record, pipeline, group, x, y, z, operation }, gpu) =>
				this.encode(record, pipeline, gpu, group, x, y, z, operation),
			copy: (readback) => this.encodeCopy(readback),
			flush: () => this.flush(),
		});
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
			failures,
		);
		failures.onTold = () => {
			this.refusal = undefined;
		};
	}

	/** Encodes a launch, in several parts if it is long; it runs after all earlier ones. A grid with a zero is nothing to do. */
	launch(record: Launch): void {
		if (record.kernel.divisible && record.flops > this.dispatchWork) this.launchInParts(record);
		else this.launchWhole(record);
	}

	/** Each part is a record of its own. Workgroups do not depend on each other, so the results have the same bits. */
	private launchInParts(record: Launch): void {
		const { grid, flops, bytes } = record;
		const groups = grid[0];
		const each = Math.max(1, Math.floor((groups * this.dispatchWork) / flops));
		for (let first = 0; first < groups; first += each) {
			const count = Math.min(each, groups - first);
			const share = count / groups;
			this.launchWhole({ ...record, firstGroup: first, grid: [count], flops: flops * share, bytes: bytes * share });
		}
	}

	private launchWhole(record: Launch): void {
		let x = record.grid[0];
		let y = record.grid[1] ?? 1;
		const z = record.grid[2] ?? 1;
		if (x === 0 || y === 0 || z === 0) return;
		this.requireRunning();
		this.requireMemory();
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
		const group = this.bindGroups.get(pipeline, record.buffers, this.batch);
		this.account(pipeline, record);
		if (pipeline.gpu !== undefined && this.waiting.length === 0) {
			this.encode(record, pipeline, pipeline.gpu, group, x, y, z, currentOperation());
		} else {
			checkParameters(record.kernel, record.params);
			const work = { record, pipeline, group, x, y, z, operation: currentOperation() };
			this.waiting.add(this.batch, work);
		}
	}

	/** A buffer was asked for: what comes from now on waits until the device has granted it. */
	hold(): Allocation {
		const allocation = { isAsked: true, isMoot: false };
		this.waiting.add(this.batch, allocation);
		return allocation;
	}

	/** There is no memory for `allocation`: what follows it never runs. Launches and reads throw until somebody has been told of `error`. */
	refuse(allocation: Allocation, error: Error): void {
		this.refusal = error;
		this.waiting.drop(allocation, error);
		this.flush();
		// Blocks of what was dropped are marked with this batch, and nothing of it will run.
		this.batch++;
	}

	/** A copy of the first `bytes` of a block, as it is after all launches so far, handed to `decode` while it is mapped. */
	read<T>(block: Block, bytes: number, memory: Memory, decode: (mapped: ArrayBuffer) => T): Promise<T> {
		if (this.loss !== undefined) return Promise.reject(this.loss);
		if (this.refusal !== undefined) return Promise.reject(this.refusal);
		if (block.isVoid) return Promise.reject(voidError());
		const staging = memory.takeStaging(bytes + RECORD_ROOM);
		const copy = new Promise<T>((resolve, fail) => {
			const collect = () => {
				resolve(decode(staging.getMappedRange(0, bytes)));
				staging.unmap();
				memory.giveStaging(staging);
			};
			const reject = (error: Error) => {
				if (this.loss === undefined) memory.destroyStaging(staging);
				this.reads.delete(readback);
				fail(error);
			};
			const readback: Readback = { block, staging, bytes, span: null, collect, reject };
			this.reads.add(readback);
			block.batch = this.batch;
			if (this.waiting.length === 0) this.encodeCopy(readback);
			else this.waiting.add(this.batch, readback);
		});
		return this.patience.during(copy);
	}

	/** The first batch that is not submitted as a whole: the host must not touch blocks that it or a later one uses. */
	get unsubmitted(): number {
		return this.waiting.firstBatch ?? this.batch;
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
		this.failures.popScope(this.device, (error) => error && new DeviceError(`${describeBatch(operations)}: ${error.message}`));
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
		return this.waiting.drained();
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
		// Nothing that was encoded will be submitted.
		this.batch++;
		this.waiting.clear();
		for (const end of this.onStopped) end();
		for (const readback of this.reads) readback.reject(loss);
		this.reads.clear();
		this.parameters.destroy();
		this.reports.destroy();
	}

	/** Throws the refusal of a buffer that nobody has been told of yet: what would be computed depends on it. */
	requireMemory(): void {
		if (this.refusal !== undefined) this.failures.raise();
	}

	/** Throws the reason why nothing works any more, if there is one. */
	requireRunning(): void {
		if (this.loss !== undefined) throw this.loss.at(currentOperation());
	}

	private account(pipeline: Pipeline, record: Launch): void {
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
		record: Launch,
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
	private writeParameters(record: Launch, report: number): number {
		const { kernel, params, firstGroup = 0 } = record;
		return this.slots.write(this.operations.length, kernel, params, firstGroup, report);
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

/** Where the records of indices stand behind so many bytes: a mapped range begins at a multiple of 8. */
function recordsAt(bytes: number): number {
	return Math.ceil(bytes / 8) * 8;
}

/** Which operations a batch was made for, each once, in order. */
function describeBatch(operations: readonly string[]): string {
	const names = [...new Set(operations)].filter((name) => name !== '');
	return `the GPU refused a batch of ${operations.length} launches${names.length > 0 ? ` for ${names.join(', ')}` : ''}`;
}
