/**
 * The launch path: the one place where work reaches the GPU.
 *
 * Launches are encoded into one compute pass of one command encoder, called a *batch*. A batch is submitted when it is long or
 * has much work, when the host reads, and when the program is idle. The parameters of a batch collect in a host array, at dynamic
 * offsets. They are written to the GPU once, right before the submit; the queue's order makes one arena enough. Each launch has a
 * slot of the full size: words that it does not give are 0, never those of another launch.
 *
 * A launch waits in a queue while its pipeline is being compiled, or while an earlier buffer has not been granted. Everything
 * after it waits too, so that the order stays (see waitingQueue.ts). A program cannot notice this, because it sees results only
 * through promises.
 */
import { DeviceError, type DeviceLostError } from '../../core/errors';
import { isYieldDue, scheduleTask, yieldToEventLoop } from '../../core/eventLoop';
import { currentOperation } from '../../core/scope';
import { type AsyncErrors, lossNotice } from './asyncErrors';
import { BindGroups } from './bindGroups';
import { BufferUsage, MAP_MODE_READ } from './device';
import { type IndexReports, RECORD_ROOM } from './indexReports';
import type { Launch, LaunchRecord, PreparedLaunch } from './launch';
import { type Allocation, type Block, type Memory, voidError } from './memory';
import { checkParameters, ParameterSlots, SLOT_WORDS } from './parameters';
import type { Pipeline, Pipelines } from './pipelines';
import type { PollBackoff } from './pollBackoff';
import type { LaunchLog } from './profiler';
import type { PlannedLaunch, Recording } from './recording';
import { type Readback, WaitingQueue } from './waitingQueue';

export interface CommandOptions {
	/** A batch with this many launches is submitted. */
	batchLaunches?: number | undefined;
	/** A batch with this much work (floating-point operations plus bytes moved) is submitted. */
	batchWork?: number | undefined;
	/** A launch with more floating-point operations is divided if its kernel allows that. */
	dispatchWork?: number | undefined;
	/** A grid with more workgroups in one dimension is folded; the adapter's limit by default. */
	foldGrid?: number | undefined;
	/** If more launches wait for pipelines, the program waits for the pipelines to compile. */
	waitingLaunches?: number | undefined;
	/** The number of bind groups to keep, and the limit that includes those not yet collected. */
	bindGroupCap?: number | undefined;
	bindGroupsAlive?: number | undefined;
}

/**
 * Windows resets a GPU if one dispatch takes two seconds. This limit takes a fifth of a second on an integrated GPU with 250
 * GFLOP/s and keeps a large GPU busy for milliseconds.
 */
const DISPATCH_WORK = 5e10;

/**
 * A paced loop waits if more launches than this wait for pipelines. The limit is high, so that all pipelines of a step compile
 * together.
 */
const PACED_LAUNCHES = 1024;

export class Commands {
	/** The number of the batch that is being encoded. All earlier batches are submitted. */
	batch = 1;
	/** Receives every launch. */
	onLaunch: ((record: LaunchRecord) => void) | undefined;
	/** Records the launches of a captured call. */
	recording: Recording | undefined;
	/** Set while profiling: every launch then has its own pass. */
	log: LaunchLog | undefined;
	launches = 0;
	submits = 0;
	/** Why the device was lost; from then on every launch and read fails. */
	loss: DeviceLostError | undefined;

	private readonly batchLaunches: number;
	private readonly batchWork: number;
	private readonly dispatchWork: number;
	private readonly maxGrid: number;
	private readonly foldGrid: number;
	private readonly parameters: GPUBuffer;
	private readonly slots: ParameterSlots;
	/**
	 * The offset of the current launch. One plain array serves all launches, because `setBindGroup` reads it faster than a typed
	 * array.
	 */
	private readonly offset = [0];

	private encoder: GPUCommandEncoder | undefined;
	private pass: GPUComputePassEncoder | undefined;
	private bound: Pipeline | undefined;
	private work = 0;
	/** The operations of the batch's launches, for messages. Their count is also the slot of the next launch. */
	private operations: string[] = [];
	/** Readbacks with a copy encoded in the batch. */
	private copied: Readback[] = [];
	/** Readbacks that have not settled. */
	private readonly reads = new Set<Readback>();
	/** Fulfilled when all submitted reads have settled. */
	private settled: Promise<void> = Promise.resolve();
	/** Whether an idle program waits for a copy of the index records. */
	private isPolling = false;
	private idleFlushIsDue = false;
	private readFlushIsDue = false;
	/** Set from the refusal of a buffer until its error is thrown; nothing is launched or read meanwhile. */
	private refusal: Error | undefined;
	/** Fulfilled when the GPU has done the work that was submitted at the last pace. */
	private paced: Promise<void> = Promise.resolve();
	/** Called when the device is lost. */
	private readonly onStopped = new Set<() => void>();

	readonly waiting: WaitingQueue;
	readonly bindGroups: BindGroups;

	constructor(
		private readonly device: GPUDevice,
		private readonly pipelines: Pipelines,
		private readonly asyncErrors: AsyncErrors,
		private readonly backoff: PollBackoff,
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
			asyncErrors,
		);
		asyncErrors.onTold = () => {
			this.refusal = undefined;
		};
	}

	/**
	 * Encodes a launch, in several parts if it is long. It runs after all earlier launches. A grid with a zero launches nothing.
	 */
	launch(record: Launch): void {
		if (record.kernel.divisible && record.flops > this.dispatchWork) this.launchInParts(record);
		else this.launchWhole(record);
	}

	/** Each part has its own record. Workgroups do not depend on each other, so the results have the same bits. */
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
		const prepared = this.prepare(record);
		if (prepared !== null) this.start(record, prepared, record.operation ?? currentOperation());
	}

	/** Checks a launch and looks up its pipeline and bind group, so that it can be repeated with `relaunch`; null if its grid has a zero. */
	prepare(record: Launch): PreparedLaunch | null {
		let x = record.grid[0];
		let y = record.grid[1] ?? 1;
		const z = record.grid[2] ?? 1;
		if (x === 0 || y === 0 || z === 0) return null;
		this.requireRunning(record.operation ?? currentOperation());
		this.requireMemory();
		const pipeline = this.pipelines.get(record.kernel, record.variant);
		if (x > this.foldGrid && y === 1) [x, y] = this.folded(x);
		if (x > this.maxGrid || y > this.maxGrid || z > this.maxGrid) {
			throw new DeviceError(
				`${pipeline.key}: a grid of ${record.grid.join(' x ')} workgroups exceeds ${this.maxGrid} in a dimension`,
			);
		}
		return { record, pipeline, group: this.bindGroups.get(pipeline, record.buffers, this.batch), x, y, z };
	}

	/** Launches again with other parameters. `blocks` are those of the buffers, which must be the same. */
	relaunch(prepared: PreparedLaunch, params: Launch['params'], blocks: readonly Block[]): void {
		const operation = currentOperation();
		this.requireRunning(operation);
		this.requireMemory();
		for (const block of blocks) {
			if (block.isVoid) throw voidError();
			block.batch = this.batch;
		}
		this.start({ ...prepared.record, params }, prepared, operation);
	}

	private start(record: Launch, { pipeline, group, x, y, z }: PreparedLaunch, operation: string): void {
		this.recording?.launched(record, pipeline, x, y, z, operation);
		this.account(pipeline, record, operation);
		if (pipeline.gpu !== undefined && this.waiting.length === 0) {
			this.encode(record, pipeline, pipeline.gpu, group, x, y, z, operation);
		} else {
			checkParameters(record.kernel, record.params);
			const work = { record, pipeline, group, x, y, z, operation };
			this.waiting.add(this.batch, work);
		}
	}

	/** A long row of workgroups as a grid. */
	folded(groups: number): [x: number, y: number] {
		if (groups <= this.foldGrid) return [groups, 1];
		const y = Math.ceil(groups / this.foldGrid);
		return [Math.ceil(groups / y), y];
	}

	/** Encodes launches of a plan. Their checks were made when they were recorded. */
	replay(launches: readonly PlannedLaunch[], first: number, end: number): void {
		for (let i = first; i < end; i++) {
			const launch = launches[i]!;
			const { record, pipeline, x, y, z, operation } = launch;
			launch.group ??= this.bindGroups.get(pipeline, record.buffers, this.batch);
			this.account(pipeline, record, operation);
			if (pipeline.gpu !== undefined && this.waiting.length === 0) {
				this.encode(record, pipeline, pipeline.gpu, launch.group, x, y, z, operation);
			} else {
				// The next replay may change the parameters.
				this.waiting.add(this.batch, { ...launch, group: launch.group, record: { ...record, words: record.words!.slice() } });
			}
		}
	}

	/** Call it when a buffer is requested: further work waits until the device has granted the buffer. */
	hold(): Allocation {
		const allocation = { isAsked: true, isMoot: false };
		this.waiting.add(this.batch, allocation);
		return allocation;
	}

	/**
	 * The device has no memory for `allocation`. The work after it never runs. Launches and reads throw until `error` has been
	 * thrown.
	 */
	refuse(allocation: Allocation, error: Error): void {
		this.refusal = error;
		this.waiting.drop(allocation, error);
		this.flush();
		// Blocks of the dropped work are marked with this batch, which never runs.
		this.batch++;
	}

	/** Copies the first `bytes` of a block after all launches so far, and passes the mapped copy to `decode`. */
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
		return this.backoff.during(copy);
	}

	/** The first batch that is not fully submitted. The host must not touch blocks that this batch or a later one uses. */
	get unsubmitted(): number {
		return this.waiting.firstBatch ?? this.batch;
	}

	/** Submits the encoded batch. */
	flush(): void {
		const { encoder, copied, operations } = this;
		if (encoder === undefined) return;
		this.closePass();
		this.log?.resolve(encoder);
		this.device.pushErrorScope('validation');
		const words = operations.length * SLOT_WORDS;
		if (words > 0) this.device.queue.writeBuffer(this.parameters, 0, this.slots.words, 0, words);
		this.device.queue.submit([encoder.finish()]);
		this.asyncErrors.popScope(this.device, (error) => error && new DeviceError(`${describeBatch(operations)}: ${error.message}`));
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
	 * Returns what a loop without reads should await. If many launches wait for pipelines: those pipelines. Now and then: the work
	 * submitted at the previous call, so that the GPU always has some work and never much.
	 */
	pace(): Promise<void> | undefined {
		if (this.loss !== undefined) return undefined;
		if (this.waiting.length > PACED_LAUNCHES) return this.drained();
		if (!isYieldDue()) return undefined;
		const before = this.paced;
		this.flush();
		// A device loss meanwhile is reported elsewhere.
		this.paced = this.untilStopped(this.backoff.during(this.device.queue.onSubmittedWorkDone())).catch(() => {});
		return before.then(yieldToEventLoop);
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
			await this.untilStopped(this.backoff.during(this.device.queue.onSubmittedWorkDone()));
		}
		await this.untilStopped(this.settled);
		// The work of a lost device counts as done, too. The loss is known one turn later at the latest.
		await yieldToEventLoop();
		this.requireRunning();
	}

	/** Resolves when all submitted copies and waits have ended, successfully or not. */
	async quiet(): Promise<void> {
		await Promise.all([this.settled, this.paced]);
	}

	/** Settles as `promise` does, but also resolves when the device is lost. */
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

	/** Call it when the device is lost: rejects every pending read, and every further launch and read, with `loss`. */
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

	/** Throws the refusal of a buffer if it has not been thrown yet, because further results would depend on that buffer. */
	requireMemory(): void {
		if (this.refusal !== undefined) this.asyncErrors.raise();
	}

	/** Throws the loss of the device, if it is lost. */
	requireRunning(operation = currentOperation()): void {
		if (this.loss !== undefined) throw this.loss.at(operation);
	}

	private account(pipeline: Pipeline, record: Launch, operation: string): void {
		pipeline.batch = this.batch;
		const { counters } = pipeline;
		counters.launches++;
		counters.flops += record.flops;
		counters.bytes += record.bytes;
		this.launches++;
		if (this.onLaunch !== undefined) {
			this.onLaunch({ ...record, operation, pipeline: pipeline.key });
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

	/** Encodes the copy in order among the launches, since later ones may overwrite the block. Reads of one task share a submit. */
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

	/** Reads the index records alone, if there were checked launches since the last read. */
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

	/** Fills the next slot with the parameters and the index of the launch's record, and returns the slot's offset in bytes. */
	private writeParameters(record: Launch, report: number): number {
		const { kernel, params, words, firstGroup = 0 } = record;
		if (words !== undefined) return this.slots.writeWords(this.operations.length, kernel, words, report);
		return this.slots.write(this.operations.length, kernel, params, firstGroup, report);
	}

	private openEncoder(): GPUCommandEncoder {
		this.encoder = this.device.createCommandEncoder();
		if (!this.idleFlushIsDue) {
			this.idleFlushIsDue = true;
			scheduleTask(() => {
				this.idleFlushIsDue = false;
				this.flushIdle();
			});
		}
		return this.encoder;
	}

	/** Reads the index records of a program that never reads or waits, so that it gets its errors and their checks can be freed. */
	private flushIdle(): void {
		const polls = this.reports.areDue && !this.isPolling && this.loss === undefined;
		if (polls) this.readReports();
		this.flush();
		if (!polls) return;
		this.isPolling = true;
		void this.backoff.during(this.settled).then(() => {
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

	/** Delivers a copy when it has arrived, after all earlier ones (`before`). */
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

/** The offset of the index records behind `bytes` bytes: a mapped range begins at a multiple of 8. */
function recordsAt(bytes: number): number {
	return Math.ceil(bytes / 8) * 8;
}

/** The operations of a batch, each once, in order. */
function describeBatch(operations: readonly string[]): string {
	const names = [...new Set(operations)].filter((name) => name !== '');
	return `the GPU refused a batch of ${operations.length} launches${names.length > 0 ? ` for ${names.join(', ')}` : ''}`;
}
