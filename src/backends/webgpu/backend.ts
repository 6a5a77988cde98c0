/** The WebGPU backend: it implements the contract with the device, memory, pipelines and commands. */
import { witness } from '../../core/capture';
import type { DType, TypedArray } from '../../core/dtype';
import { ArgumentError, DeviceError, DeviceLostError, DisposedError, DTypeError } from '../../core/errors';
import { yieldToEventLoop } from '../../core/eventLoop';
import { currentOperation } from '../../core/scope';
import type { Shape } from '../../core/shape';
import type { Backend, Kernels, Storage } from '../contract';
import { kernelsOfFamilies, onFamily } from '../contract/families';
import type { LaunchRecorder, LaunchRecording } from '../contract/replay';
import { AsyncErrors } from './asyncErrors';
import { takingBfloat16 } from './bfloat16';
import { type CommandOptions, Commands } from './commands';
import { debugTopics, LaunchPrinter } from './debug';
import { type DeviceOptions, openDevice } from './device';
import { type Form, formNamed } from './forms';
import { IndexReports } from './indexReports';
import type { Gpu, Launch, LaunchRecord } from './launch';
import {
	type Block,
	decodeFromGpu,
	encodeForGpu,
	GpuStorage,
	gpuBytes,
	guardUnconfirmed,
	Memory,
	type MemoryOptions,
} from './memory';
import { copyPicture, pitchOf } from './pictures';
import { type PipelineRequest, Pipelines } from './pipelines';
import type { launchRecorder } from './plan';
import { PollBackoff } from './pollBackoff';
import { formatProfile, type KernelProfile, LaunchLog } from './profiler';
import type { AdapterInfo, Counters, MemoryStatistics } from './statistics';
import type { Timeline, TracedLaunch } from './timeline';
import { type Choices, choosing, type KernelCall, watching } from './tuning';

interface WebGPUOptions extends DeviceOptions, MemoryOptions, CommandOptions {
	/** The number of pipelines to keep; 1,024 by default. */
	pipelineCap?: number | undefined;
}

export interface WebGPUBackend extends Backend {
	readonly device: 'webgpu';
	readonly info: AdapterInfo;
	readonly features: ReadonlySet<string>;
	readonly limits: GPUSupportedLimits;
	/** The runtime as launchers see it, for kernels outside the contract. */
	readonly gpu: Gpu;
	/** Resolves when the device is lost or destroyed. The backend is useless afterwards. */
	readonly lost: Promise<DeviceLostError>;
	/** Submits all launches now instead of at the next idle moment. */
	flush(): void;
	/** Waits until the GPU has finished all work. Throws the errors of that work. */
	sync(): Promise<void>;
	memory(): MemoryStatistics;
	counters(): Counters;
	/** Runs `fn` and measures the time of each kernel. `timeline` notes what the host does meanwhile. */
	profile<T>(
		fn: () => T | Promise<T>,
		timeline?: Timeline,
	): Promise<KernelProfile<T> & { readonly launches: readonly TracedLaunch[] }>;
	/** Compiles pipelines ahead of their first launch, in parallel. */
	warm(requests: Iterable<PipelineRequest>): Promise<void>;
	/** Calls `hook` for every further launch; undefined removes the hook. */
	onLaunch(hook: ((record: LaunchRecord) => void) | undefined): void;
	/**
	 * From now on kernels are chosen for `gpu`, which may say that it is another kind of adapter. Frees the pooled memory, so that a
	 * kernel that writes nothing cannot find the right result there. For tests of the variants.
	 */
	chooseFor(gpu: Gpu): void;
	/** The kernels for another kind of adapter. */
	kernelsOf(form: Form): Kernels;
	/** From now on the variants of kernels follow `choices`; null: the launchers' own choice. */
	follow(choices: Choices | null): void;
	/** Shows every call of a kernel with several variants to `see`, before it runs; undefined ends it. */
	watch(see: ((call: KernelCall) => void) | undefined): void;
	/**
	 * Frees everything, except the buffers of live storages if the caller made the device. Pending reads reject. Resolves when the
	 * driver has no work left.
	 */
	destroy(): Promise<void>;
}

/**
 * Opens a device and makes a backend of it. Throws a DeviceError that names what is missing if there is no adapter.
 *
 * `adapter` or `device` may be the caller's own; `powerPreference` is 'high-performance' by default.
 */
export async function createWebGPUBackend(options: WebGPUOptions = {}): Promise<WebGPUBackend> {
	const { device, info, owned } = await openDevice(options);
	return new Runtime(device, info, owned, options);
}

/** Bytes of `write` that may wait for the device: the driver holds a copy of them. */
const STAGED_WRITES = 32 * 2 ** 20;

/**
 * lavapipe maps pages for each bind group (6 KB), and Linux allows 65,530 maps per process. A GPU driver needs a few hundred
 * bytes each.
 */
const SOFTWARE_BIND_GROUPS = { bindGroupCap: 4096, bindGroupsAlive: 32768 };

class Runtime implements WebGPUBackend {
	readonly device = 'webgpu';
	kernels: Kernels;
	readonly features: ReadonlySet<string>;
	readonly hasFloat16: boolean;
	readonly limits: GPUSupportedLimits;
	readonly gpu: Gpu;
	readonly lost: Promise<DeviceLostError>;

	private readonly asyncErrors = new AsyncErrors();
	private readonly pipelines: Pipelines;
	private readonly commands: Commands;
	private readonly storages: Memory;
	private chosenFor: Gpu;
	readonly #formKernels = new Map<string, Kernels>();
	#choices: Choices | null = null;
	/** Ends the wait for families of kernels that later modules add. */
	readonly #forgetFamilies: () => void;
	#see: ((call: KernelCall) => void) | undefined;
	/** Set while profiling. */
	#timeline: Timeline | undefined;
	/** Until the first bfloat16, launches need not look for it. */
	private holdsBfloat16 = false;
	private readonly batchLaunches: number;
	/** Only with WGRAD_DEBUG=launches. */
	private readonly printer: LaunchPrinter | undefined;
	private bytesUploaded = 0;
	/** Bytes of `write` since the last wait. */
	#unwaited = 0;
	private bytesRead = 0;

	constructor(
		private readonly gpuDevice: GPUDevice,
		readonly info: AdapterInfo,
		private readonly owned: boolean,
		options: WebGPUOptions,
	) {
		this.features = gpuDevice.features as ReadonlySet<string>;
		this.hasFloat16 = this.features.has('shader-f16');
		this.limits = gpuDevice.limits;
		this.batchLaunches = options.batchLaunches ?? 64;
		const backoff = new PollBackoff(info.isSoftware);
		const debug = debugTopics();
		const shown = new Set<string>();
		const showSource = (key: string, code: string) => {
			if (!shown.has(key)) console.log(`wgrad: ${key}\n${code}`);
			shown.add(key);
		};
		this.pipelines = new Pipelines(
			gpuDevice,
			this.asyncErrors,
			backoff,
			options.pipelineCap ?? 1024,
			() => this.commands.waiting.drain(),
			debug.has('wgsl') ? showSource : undefined,
		);
		const reports = new IndexReports(gpuDevice, this.asyncErrors, this);
		this.commands = new Commands(gpuDevice, this.pipelines, this.asyncErrors, backoff, reports, {
			...(info.isSoftware && SOFTWARE_BIND_GROUPS),
			...options,
			batchLaunches: this.batchLaunches,
		});
		if (debug.has('launches')) {
			const printer = new LaunchPrinter(gpuDevice, this.batchLaunches);
			this.printer = printer;
			this.commands.log = printer.log;
			this.commands.onLaunch = (record) => printer.print(record, this.commands.log === printer.log);
		}
		this.storages = new Memory(gpuDevice, this.asyncErrors, this.commands, options);
		this.gpu = {
			launch: (record) => this.commands.launch(record as unknown as Launch),
			prepare: (record) => this.commands.prepare(record as unknown as Launch),
			relaunch: (prepared, params, blocks) => this.commands.relaunch(prepared, params, blocks),
			scratch: (length, dtype) => this.allocate(length, dtype),
			release: (storage) => this.release(storage),
			limits: this.limits,
			features: this.features,
			isSoftware: info.isSoftware,
			subgroupSize: this.features.has('subgroups') ? info.subgroupSize : 0,
		};
		this.chosenFor = this.gpu;
		this.kernels = this.#build();
		this.#forgetFamilies = onFamily(() => {
			this.#formKernels.clear();
			this.kernels = this.#build();
		});
		gpuDevice.addEventListener('uncapturederror', this.onUncapturedError);
		this.lost = gpuDevice.lost.then(({ reason, message }) => {
			const why = message || (reason === 'destroyed' ? 'it was destroyed' : 'no reason was given');
			this.commands.stop(
				new DeviceLostError(
					`the WebGPU device was lost (${why.trim()}) with all its tensors; call await init() for a new one and make tensors again. A model gets its values back by loadStateDict(), or by restore() of wgrad/train`,
					'unknown',
				),
			);
			return this.commands.loss!;
		});
	}

	get loss(): DeviceLostError | undefined {
		return this.commands.loss;
	}

	allocate(length: number, dtype: DType, shape?: Shape): GpuStorage {
		const storage = this.place(length, dtype, shape, false);
		this.commands.recording?.allocated(storage);
		return storage;
	}

	upload(data: TypedArray, dtype: DType, shape?: Shape): GpuStorage {
		const storage = this.place(data.length, dtype, shape, true);
		this.commands.recording?.uploaded(storage, data);
		if (data.length > 0) this.#writeAt(storage.block!, data, dtype, 0);
		return storage;
	}

	allocateForHost(length: number, dtype: DType, shape?: Shape): GpuStorage {
		return this.place(length, dtype, shape, true);
	}

	write(storage: Storage, data: TypedArray, at: number): Promise<void> | undefined {
		this.commands.requireRunning();
		const { block } = storage as GpuStorage;
		if (block === undefined) throw new DisposedError('write: the storage has been released');
		if (data.length === 0) return undefined;
		this.#unwaited += this.#writeAt(block, data, storage.dtype, at);
		if (this.#unwaited < STAGED_WRITES) return undefined;
		this.#unwaited = 0;
		return this.sync();
	}

	/** Returns the bytes written. */
	#writeAt(block: Block, data: TypedArray, dtype: DType, at: number): number {
		const start = this.#timeline === undefined ? 0 : performance.now();
		const bytes = encodeForGpu(data, dtype);
		const { queue } = this.gpuDevice;
		guardUnconfirmed(this.gpuDevice, this.asyncErrors, [block], () =>
			queue.writeBuffer(block.buffer, at * gpuBytes(dtype), bytes),
		);
		this.bytesUploaded += bytes.byteLength;
		this.commands.waiting.noteUpload(bytes.byteLength);
		this.#timeline?.uploaded(bytes.byteLength, start);
		return bytes.byteLength;
	}

	uploadPicture(picture: object, width: number, height: number): { storage: GpuStorage; pitch: number } {
		witness?.refuse('it takes a picture (fromPixels). Call that outside, and pass the tensor');
		const pitch = pitchOf(width);
		const storage = this.place(height * pitch, 'int32', [height, pitch], true);
		const { buffer } = storage.block!;
		try {
			const copy = () => copyPicture(this.gpuDevice, picture, width, height, buffer);
			guardUnconfirmed(this.gpuDevice, this.asyncErrors, [storage.block!], copy);
		} catch (error) {
			this.release(storage);
			throw error;
		}
		return { storage, pitch };
	}

	release(storage: Storage): void {
		const { block } = storage as GpuStorage;
		if (block === undefined) return;
		this.commands.recording?.released(storage);
		(storage as GpuStorage).block = undefined;
		this.storages.give(block);
	}

	async read(storage: Storage): Promise<TypedArray> {
		witness?.refuse('it reads a tensor back (data(), item() or toArray())');
		const { block, length, dtype } = storage as GpuStorage;
		if (block === undefined) throw new DisposedError('read: the storage has been released');
		if (length === 0) {
			await this.sync();
			return decodeFromGpu(new ArrayBuffer(0), 0, dtype);
		}
		const mark = this.asyncErrors.mark();
		const bytes = Math.ceil((length * gpuBytes(dtype)) / 4) * 4;
		this.bytesRead += bytes;
		const start = performance.now();
		let values: TypedArray;
		try {
			values = await this.commands.read(block, bytes, this.storages, (mapped) => decodeFromGpu(mapped, length, dtype));
		} catch (error) {
			// The error that made the read fail explains more than the failed read.
			await this.check(mark);
			throw error;
		}
		await this.asyncErrors.check(mark);
		this.#timeline?.waited('read', start, { bytes });
		return values;
	}

	/** Throws the loss of the device, or the first error that had not been thrown at `mark`. */
	private async check(mark: number): Promise<void> {
		await this.commands.untilStopped(this.asyncErrors.check(mark));
		this.commands.requireRunning();
	}

	pace(): Promise<void> | undefined {
		return this.commands.pace();
	}

	throwReported(): void {
		this.commands.requireRunning();
		this.asyncErrors.raise();
	}

	record(recorder: LaunchRecorder): LaunchRecording {
		const { commands, storages: memory, pipelines, gpu } = this;
		const stop = () => {
			commands.recording = undefined;
		};
		commands.recording = (recorder as typeof launchRecorder)({ commands, memory, pipelines, gpu }, stop);
		return commands.recording;
	}

	flush(): void {
		this.commands.flush();
	}

	async sync(): Promise<void> {
		const mark = this.asyncErrors.mark();
		const start = performance.now();
		await this.commands.finish();
		await this.check(mark);
		this.#timeline?.waited('sync', start);
	}

	memory(): MemoryStatistics {
		return this.storages.statistics();
	}

	counters(): Counters {
		return {
			launches: this.commands.launches,
			submits: this.commands.submits,
			pipelinesCompiled: this.pipelines.compiled,
			pipelinesCompiling: this.pipelines.compiling,
			compileMs: this.pipelines.compileMs,
			bindGroupsCreated: this.commands.bindGroups.created,
			bytesUploaded: this.bytesUploaded,
			bytesRead: this.bytesRead,
			memory: this.memory(),
			kernels: Array.from(this.pipelines.kernels.values(), (counters) => ({ ...counters })),
		};
	}

	async profile<T>(
		fn: () => T | Promise<T>,
		timeline?: Timeline,
	): Promise<KernelProfile<T> & { readonly launches: readonly TracedLaunch[] }> {
		const usual = this.printer?.log;
		if (this.commands.log !== usual) throw new ArgumentError('profile: another profile is under way');
		await this.sync();
		const before = this.counters();
		const log = new LaunchLog(this.gpuDevice, this.batchLaunches);
		this.commands.log = log;
		this.#timeline = timeline;
		this.pipelines.timeline = timeline;
		timeline?.begin();
		const start = performance.now();
		let result: T;
		try {
			result = await fn();
			await this.sync();
		} finally {
			this.commands.log = usual;
			this.#timeline = undefined;
			this.pipelines.timeline = undefined;
			timeline?.end();
		}
		const wallMs = performance.now() - start;
		await log.finish();
		const after = this.counters();
		const rows = log.rows(wallMs);
		const table = {
			result,
			rows,
			wallMs,
			gpuMs: rows.reduce((sum, row) => sum + row.ms, 0),
			source: log.source,
			stepMs: log.stepMs,
			submits: after.submits - before.submits,
			pipelinesCompiled: after.pipelinesCompiled - before.pipelinesCompiled,
			compileMs: after.compileMs - before.compileMs,
		};
		return { ...table, launches: log.traced(), toString: () => formatProfile(table) };
	}

	async warm(requests: Iterable<PipelineRequest>): Promise<void> {
		this.commands.requireRunning();
		await this.commands.untilStopped(this.pipelines.warm(requests));
		this.commands.requireRunning();
	}

	onLaunch(hook: ((record: LaunchRecord) => void) | undefined): void {
		this.commands.onLaunch = hook;
	}

	chooseFor(gpu: Gpu): void {
		this.flush();
		this.storages.trim(0);
		this.chosenFor = gpu;
		this.kernels = this.#build();
	}

	kernelsOf({ name, claims }: Form): Kernels {
		const kernels = this.#formKernels.get(name) ?? webgpuKernels({ ...this.gpu, ...claims });
		this.#formKernels.set(name, kernels);
		return kernels;
	}

	follow(choices: Choices | null): void {
		this.#choices = choices;
		this.kernels = this.#build();
	}

	watch(see: ((call: KernelCall) => void) | undefined): void {
		this.#see = see;
		this.kernels = this.#build();
	}

	/** Builds the kernels for the chosen kind of adapter. Adds the tuned choices, the watcher and the conversion of bfloat16, as far as they are in use. */
	#build(): Kernels {
		let kernels = webgpuKernels(this.chosenFor);
		if (this.#choices !== null) {
			const chosen = new Map<string, Kernels>();
			for (const name of new Set(this.#choices.values())) {
				const form = formNamed(this.gpu, name);
				if (form !== undefined) chosen.set(name, this.kernelsOf(form));
			}
			kernels = choosing(kernels, this.#choices, (name) => chosen.get(name));
		}
		if (this.#see !== undefined) kernels = watching(kernels, this.#see);
		return this.holdsBfloat16 ? takingBfloat16(this.chosenFor, kernels) : kernels;
	}

	async destroy(): Promise<void> {
		const message = `the WebGPU device was shut down; call await init() for a new one, or await init({ device: 'cpu' }) to go on there`;
		this.commands.stop(new DeviceLostError(message, 'destroyed'));
		this.printer?.finish();
		this.#forgetFamilies();
		this.gpuDevice.removeEventListener('uncapturederror', this.onUncapturedError);
		if (this.owned) this.gpuDevice.destroy();
		else this.storages.trim(0);
		await Promise.all([this.pipelines.quiet(), this.commands.quiet(), this.asyncErrors.quiet()]);
		await yieldToEventLoop();
	}

	private place(length: number, dtype: DType, shape: Shape | undefined, forHost: boolean): GpuStorage {
		this.commands.requireRunning();
		this.commands.requireMemory();
		const operation = currentOperation() || 'tensor';
		if (dtype === 'float64') {
			throw new DTypeError(`${operation}: float64 lives on the CPU only; convert with .to('float32')`);
		}
		if (dtype === 'float16' && !this.hasFloat16) {
			throw new DTypeError(`${operation}: this adapter (${this.info.description}) has no float16; convert with .to('float32')`);
		}
		if (dtype === 'bfloat16' && !this.holdsBfloat16) {
			this.holdsBfloat16 = true;
			this.kernels = this.#build();
		}
		const block = this.storages.take(length * gpuBytes(dtype), forHost, { operation, dtype, length, shape });
		return new GpuStorage(this, dtype, length, block);
	}

	private readonly onUncapturedError = (event: GPUUncapturedErrorEvent): void => {
		event.preventDefault();
		const { error } = event;
		// Compares the name, because Node has no global of this class.
		const isOutOfMemory = error.constructor.name === 'GPUOutOfMemoryError';
		this.asyncErrors.note(new DeviceError(isOutOfMemory ? `${error.message}\n${this.storages}` : error.message));
	};
}

function webgpuKernels(gpu: Gpu): Kernels {
	return kernelsOfFamilies<Gpu>(({ webgpu }) => webgpu(gpu));
}
