/**
 * The launch path: the one place where work reaches the GPU.
 *
 * Launches are encoded into one compute pass of one command encoder, a *batch*. A batch is submitted when it is long or
 * its work is large, when the host reads, and when the program is idle. Parameters of a batch collect in a host array,
 * 256-byte slots at dynamic offsets, and are written to the GPU once, right before the submit; the queue's order makes
 * one arena enough.
 */
import type { Variant } from '../../../shaders/shader';
import { ArgumentError, DeviceError } from '../../core/errors';
import { BindGroups } from './bindgroups';
import { BufferUsage, MAP_MODE_READ } from './device';
import type { Failures } from './failures';
import type { Launch } from './launch';
import type { Block, Memory } from './memory';
import { MAX_PARAM_BYTES, type Pipeline, type Pipelines } from './pipelines';
import type { LaunchLog } from './profiler';

export interface CommandOptions {
	/** Launches in a batch before it is submitted. */
	batchLaunches?: number | undefined;
	/** Floating-point operations plus bytes moved in a batch before it is submitted. */
	batchWork?: number | undefined;
	/** Bind groups to keep. */
	bindGroupCap?: number | undefined;
}

/** A launch as the hook sees it: with the operation that asked for it. */
export interface LaunchRecord extends Launch {
	readonly operation: string;
	readonly pipeline: string;
}

interface Readback {
	readonly staging: GPUBuffer;
	readonly bytes: number;
	/** Takes the mapped bytes, once they are there. */
	collect(): void;
	reject(error: Error): void;
}

const SLOT_BYTES = 256;
const SLOT_WORDS = SLOT_BYTES / 4;

/** A place for tasks that run after the current task and its microtasks, without the delay of `setTimeout` in browsers. */
let idleChannel: MessageChannel | undefined;

function whenIdle(task: () => void): void {
	const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => void };
	if (setImmediate !== undefined) {
		setImmediate(task);
		return;
	}
	idleChannel ??= new MessageChannel();
	idleChannel.port1.addEventListener('message', task, { once: true });
	idleChannel.port1.start();
	idleChannel.port2.postMessage(0);
}

export class Commands {
	/** The number of the batch that is being encoded; all before it are submitted. */
	batch = 1;
	/** The operation on whose behalf launches come. */
	operation = '';
	/** Sees every launch: a capture for replay. */
	onLaunch: ((record: LaunchRecord) => void) | undefined;
	/** Set while profiling: every launch has a pass of its own then. */
	log: LaunchLog | undefined;
	launches = 0;
	submits = 0;
	/** Why nothing can be launched or read any more. */
	private stopped: Error | undefined;

	private readonly batchLaunches: number;
	private readonly batchWork: number;
	private readonly maxGrid: number;
	private readonly parameters: GPUBuffer;
	private readonly parameterWords: Uint32Array<ArrayBuffer>;
	/** The offset of the current launch, in the form that `setBindGroup` takes without allocating. */
	private readonly offset = new Uint32Array(1);

	private encoder: GPUCommandEncoder | undefined;
	private pass: GPUComputePassEncoder | undefined;
	private bound: Pipeline | undefined;
	private slots = 0;
	private work = 0;
	/** The operations of the batch's launches, for messages. */
	private operations: string[] = [];
	private readbacks: Readback[] = [];
	private readonly mapping = new Set<Readback>();
	private idleFlushIsDue = false;

	readonly bindGroups: BindGroups;

	constructor(
		private readonly device: GPUDevice,
		private readonly pipelines: Pipelines,
		private readonly failures: Failures,
		options: CommandOptions,
	) {
		this.batchLaunches = options.batchLaunches ?? 64;
		this.batchWork = options.batchWork ?? 2e9;
		this.maxGrid = device.limits.maxComputeWorkgroupsPerDimension;
		// The last slot needs room for a binding of the full size.
		const slots = this.batchLaunches * (MAX_PARAM_BYTES / SLOT_BYTES) + 1;
		this.parameterWords = new Uint32Array(slots * SLOT_WORDS);
		this.parameters = device.createBuffer({
			label: 'parameters',
			size: slots * SLOT_BYTES,
			usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
		});
		this.bindGroups = new BindGroups(device, this.parameters, options.bindGroupCap ?? 8192);
	}

	/** Encodes a launch; it runs after all earlier ones. A grid with a zero is nothing to do. */
	launch<V extends Variant>(record: Launch<V>): void {
		let x = record.grid[0];
		let y = record.grid[1] ?? 1;
		const z = record.grid[2] ?? 1;
		if (x === 0 || y === 0 || z === 0) return;
		if (this.stopped !== undefined) throw this.stopped;
		const pipeline = this.pipelines.get(record.kernel, record.variant);
		if (x > this.maxGrid && y === 1) {
			y = Math.ceil(x / this.maxGrid);
			x = Math.ceil(x / y);
		}
		if (x > this.maxGrid || y > this.maxGrid || z > this.maxGrid) {
			throw new DeviceError(`${pipeline.key}: a grid of ${record.grid.join(' x ')} workgroups exceeds ${this.maxGrid} in a dimension`);
		}
		const group = this.bindGroups.get(pipeline.layout, record.buffers, pipeline.key, this.batch);
		this.offset[0] = this.writeParameters(record.params, pipeline.key);
		const pass = this.log === undefined ? (this.pass ?? this.openPass()) : this.openLoggedPass(pipeline, record, this.log);
		if (pipeline !== this.bound) {
			pass.setPipeline(pipeline.gpu);
			this.bound = pipeline;
		}
		pass.setBindGroup(0, group, this.offset, 0, 1);
		pass.dispatchWorkgroups(x, y, z);
		this.account(pipeline, record);
	}

	/** A copy of the first `bytes` of a block, as it is after all launches so far, handed to `decode` while it is mapped. */
	read<T>(block: Block, bytes: number, memory: Memory, decode: (mapped: ArrayBuffer) => T): Promise<T> {
		if (this.stopped !== undefined) return Promise.reject(this.stopped);
		const encoder = this.encoder ?? this.openEncoder();
		this.closePass();
		const staging = memory.takeStaging(bytes);
		// Copied in its place among the launches, since later ones may overwrite the block. Reads of one task share a submit.
		encoder.copyBufferToBuffer(block.buffer, 0, staging, 0, bytes);
		block.batch = this.batch;
		if (this.readbacks.length === 0) queueMicrotask(() => this.flush());
		return new Promise<T>((resolve, reject) => {
			const collect = () => {
				resolve(decode(staging.getMappedRange(0, bytes)));
				staging.unmap();
				memory.giveStaging(staging);
			};
			this.readbacks.push({ staging, bytes, collect, reject });
		});
	}

	/** Submits what is encoded. */
	flush(): void {
		const { encoder, readbacks, operations } = this;
		if (encoder === undefined) return;
		this.closePass();
		this.log?.resolve(encoder);
		this.device.pushErrorScope('validation');
		if (this.slots > 0) this.device.queue.writeBuffer(this.parameters, 0, this.parameterWords, 0, this.slots * SLOT_WORDS);
		this.device.queue.submit([encoder.finish()]);
		this.failures.popScope(this.device, (error) => new DeviceError(`${describeBatch(operations)}: ${error.message}`));
		this.log?.submitted();
		this.parameterWords.fill(0, 0, this.slots * SLOT_WORDS);
		this.encoder = undefined;
		this.slots = 0;
		this.work = 0;
		this.operations = [];
		this.readbacks = [];
		this.batch++;
		this.submits++;
		for (const readback of readbacks) void this.map(readback);
	}

	/** Submits everything and waits until the GPU has done it. */
	async finish(): Promise<void> {
		this.flush();
		if (this.stopped === undefined) await this.device.queue.onSubmittedWorkDone();
		if (this.stopped !== undefined) throw this.stopped;
	}

	/** The device is gone: rejects every read that waits, and every launch and read from now on, with `reason`. */
	stop(reason: Error): void {
		if (this.stopped !== undefined) return;
		this.stopped = reason;
		this.encoder = undefined;
		this.pass = undefined;
		for (const readback of [...this.readbacks, ...this.mapping]) readback.reject(reason);
		this.readbacks = [];
		this.mapping.clear();
	}

	/** Throws the reason why nothing works any more, if there is one. */
	requireRunning(): void {
		if (this.stopped !== undefined) throw this.stopped;
	}

	private writeParameters(params: readonly number[], kernel: string): number {
		const slots = params.length <= SLOT_WORDS ? 1 : 2;
		if (params.length * 4 > MAX_PARAM_BYTES) {
			throw new ArgumentError(`${kernel}: ${params.length * 4} bytes of parameters; a launch carries at most ${MAX_PARAM_BYTES}`);
		}
		const start = this.slots * SLOT_WORDS;
		const words = this.parameterWords;
		for (let i = 0; i < params.length; i++) words[start + i] = params[i]!;
		this.slots += slots;
		return start * 4;
	}

	private account<V extends Variant>(pipeline: Pipeline, record: Launch<V>): void {
		pipeline.batch = this.batch;
		const { counters } = pipeline;
		counters.launches++;
		counters.flops += record.flops;
		counters.bytes += record.bytes;
		this.launches++;
		this.work += record.flops + record.bytes;
		this.operations.push(this.operation);
		if (this.onLaunch !== undefined) {
			this.onLaunch({ ...(record as unknown as Launch), operation: this.operation, pipeline: pipeline.key });
		}
		if (this.operations.length >= this.batchLaunches || this.work >= this.batchWork) this.flush();
	}

	private openEncoder(): GPUCommandEncoder {
		this.encoder = this.device.createCommandEncoder();
		if (!this.idleFlushIsDue) {
			this.idleFlushIsDue = true;
			whenIdle(() => {
				this.idleFlushIsDue = false;
				this.flush();
			});
		}
		return this.encoder;
	}

	private openPass(): GPUComputePassEncoder {
		this.pass = (this.encoder ?? this.openEncoder()).beginComputePass();
		return this.pass;
	}

	private openLoggedPass<V extends Variant>(pipeline: Pipeline, record: Launch<V>, log: LaunchLog): GPUComputePassEncoder {
		const encoder = this.encoder ?? this.openEncoder();
		this.closePass();
		const { flops, bytes } = record;
		this.pass = encoder.beginComputePass(log.add({ kernel: pipeline.key, operation: this.operation, flops, bytes }));
		return this.pass;
	}

	private closePass(): void {
		this.pass?.end();
		this.pass = undefined;
		this.bound = undefined;
	}

	private async map(readback: Readback): Promise<void> {
		this.mapping.add(readback);
		try {
			await readback.staging.mapAsync(MAP_MODE_READ, 0, readback.bytes);
			readback.collect();
		} catch (error) {
			readback.reject(this.stopped ?? new DeviceError(`reading a tensor back failed: ${String(error)}`, { cause: error }));
		}
		this.mapping.delete(readback);
	}
}

/** Which operations a batch was made for, each once, in order. */
function describeBatch(operations: readonly string[]): string {
	const names = [...new Set(operations)].filter((name) => name !== '');
	return `the GPU refused a batch of ${operations.length} launches${names.length > 0 ? ` for ${names.join(', ')}` : ''}`;
}
