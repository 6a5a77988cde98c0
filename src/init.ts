/** Starts and stops devices, reports what they hold, and waits for them. */

import type { DeviceName } from './backends/contract';
import { deviceLossOf, registerBackend, setDefaultDevice, unregisterBackend } from './backends/registry';
import { createWebGPUBackend, type WebGPUBackend } from './backends/webgpu/backend';
import type { AdapterInfo, Counters, MemoryStatistics, Profile } from './backends/webgpu/statistics';
import { Timeline } from './backends/webgpu/timeline';
import { requireBoolean, requireOneOf } from './core/checks';
import { DeviceError, type DeviceLostError } from './core/errors';
import type { Global } from './core/globals';
import { savedOnHost } from './core/memoryPressure';
import { checkOptions } from './core/options';
import { liveTensors } from './core/scope';

export interface InitOptions {
	/** 'webgpu' throws if there is no adapter. Without `device`, wgrad falls back to the CPU with a warning. */
	readonly device?: DeviceName;
	/** An adapter that the page has already requested. */
	readonly adapter?: Global<'GPUAdapter', object>;
	/** Which of several GPUs to use. Default: high-performance. */
	readonly powerPreference?: 'low-power' | 'high-performance';
	/** Uses the choices of kernel variants that `tune` has kept for this adapter, if there are any. Default false. */
	readonly tune?: boolean;
}

export interface DeviceInfo {
	/** The default device from now on. */
	readonly device: DeviceName;
	/** The adapter behind 'webgpu'; null on the CPU. */
	readonly adapter: AdapterInfo | null;
}

let webgpu: WebGPUBackend | null = null;
/** The options and the description of the latest device. */
let latest: { readonly options: InitOptions; readonly description: string } | null = null;
/** Settles when all calls of `init` and `shutdown` so far are done. They take effect one after another, in order. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(fn: () => Promise<T>): Promise<T> {
	const result = turn.then(fn);
	turn = result.catch(() => {});
	return result;
}

/**
 * Finds a WebGPU adapter and makes it the default device. Call it once, before the first tensor. Another call does nothing,
 * except after `shutdown()` or a lost device, where it opens a new one. Without `device` it falls back to the CPU if there is no
 * adapter.
 */
export async function init(options: InitOptions = {}): Promise<DeviceInfo> {
	checkOptions('init', options, ['device', 'adapter', 'powerPreference', 'tune']);
	const { device, tune = false } = options;
	requireBoolean('init', 'tune', tune);
	if (device !== undefined) requireOneOf('init', 'device', device, ['webgpu', 'cpu']);
	if (device === 'cpu') {
		setDefaultDevice('cpu');
		return { device: 'cpu', adapter: null };
	}
	try {
		const { info } = await inTurn(() => start(options));
		if (tune) await useKeptTuning();
		return { device: 'webgpu', adapter: info };
	} catch (error) {
		if (device === 'webgpu' || !(error instanceof DeviceError)) throw error;
		console.warn(
			`wgrad: computing on the CPU, which is slow, because WebGPU is not available.\nFor developers: ${error.message}.`,
		);
		setDefaultDevice('cpu');
		return { device: 'cpu', adapter: null };
	}
}

/** Makes the running backend, or a new one, the default device. */
async function start(options: InitOptions): Promise<WebGPUBackend> {
	const { adapter, powerPreference } = options;
	if (webgpu !== null && webgpu.loss === undefined) {
		setDefaultDevice('webgpu');
		return webgpu;
	}
	const backend = await createWebGPUBackend({ adapter, powerPreference });
	webgpu = backend;
	latest = { options, description: backend.info.description };
	registerBackend(backend);
	void backend.lost.then((loss) => forget(backend, loss));
	return backend;
}

/** Uses the choices that `tune` has kept: src/tune.ts, which needs this file, sets it. */
let useKeptTuning: () => Promise<void> = async () => {};

export function setKeptTuning(use: () => Promise<void>): void {
	useKeptTuning = use;
}

function forget(backend: WebGPUBackend, loss: DeviceLostError): void {
	if (webgpu !== backend) return;
	webgpu = null;
	unregisterBackend('webgpu', loss);
}

const MILLISECONDS_TO_FIND_A_DEVICE = 10_000;

/**
 * Replaces a lost device by a new one with the same options. Does nothing if a device runs. A reset driver needs some time, so
 * this function tries for ten seconds.
 */
export async function renewDevice(caller: string): Promise<void> {
	const before = latest;
	let options = before?.options ?? {};
	const deadline = performance.now() + MILLISECONDS_TO_FIND_A_DEVICE;
	for (let pause = 50; ; pause *= 2) {
		try {
			await init({ ...options, device: 'webgpu' });
			break;
		} catch (error) {
			if (!(error instanceof DeviceError)) throw error;
			if (performance.now() > deadline)
				throw new DeviceError(`${caller}: the device was lost, and there is no new one. ${error.message}`, { cause: error });
		}
		// An adapter may give one device only, so the next tries find their own adapter.
		const { adapter: _, ...others } = options;
		options = others;
		await new Promise((resolve) => setTimeout(resolve, pause));
	}
	if (before !== null && latest!.description !== before.description) {
		console.warn(
			`wgrad: ${caller} continues on another adapter, ${latest!.description} instead of ${before.description}; last digits may differ`,
		);
	}
}

/**
 * Frees the device and all of its memory, after a pending `init()`. Its tensors become invalid; `init()` opens a new device. In Node,
 * await it in a worker thread before the main thread calls `worker.terminate()`, or let the worker call `process.exit()` instead: Dawn
 * aborts the whole process if a worker is terminated while its device works.
 */
export function shutdown(): Promise<void> {
	return inTurn(stop);
}

async function stop(): Promise<void> {
	const backend = webgpu;
	if (backend === null) return;
	const done = backend.destroy();
	forget(backend, backend.loss!);
	await Promise.all([done, backend.lost]);
}

/** Resolves when all launches so far have run. Rejects with the loss of the device, or with the first error that it reported. */
export async function sync(): Promise<void> {
	if (webgpu !== null) return webgpu.sync();
	const loss = deviceLossOf('webgpu');
	if (loss?.reason === 'unknown') throw loss.at('sync');
}

export interface MemoryReport {
	/** Tensor handles on all devices that were neither disposed of nor collected. */
	readonly tensors: number;
	/** GPU memory; null before `init()`. */
	readonly gpu: MemoryStatistics | null;
	/** Bytes of saved tensors that `saveOnCpu` or `fit` have moved to the host. */
	readonly savedOnCpu: number;
}

/** Reports the tensors and the memory in use. */
export function memory(): MemoryReport {
	return { tensors: liveTensors(), gpu: webgpu?.memory() ?? null, savedOnCpu: savedOnHost() };
}

function running(caller: string): WebGPUBackend {
	if (webgpu === null)
		throw (
			deviceLossOf('webgpu')?.at(caller) ??
			new DeviceError(`${caller}: there is no WebGPU device; call await init({ device: 'webgpu' }) first`)
		);
	return webgpu;
}

/**
 * The work of the GPU since `init()`: launches, submits, compiled pipelines, bytes, and for each kernel counts, flops and
 * bytes.
 */
export function counters(): Counters {
	return running('counters').counters();
}

/**
 * Runs `fn` and returns its launches by kernel: counts, flops, bytes, and GPU times if the adapter has timestamps. `toTrace()` of the result is
 * the timeline.
 */
export async function profile<T>(fn: () => T | Promise<T>): Promise<Profile<T>> {
	const timeline = new Timeline();
	const { launches, ...measured } = await running('profile').profile(fn, timeline);
	return { ...measured, toTrace: () => timeline.trace(launches) };
}

/**
 * The running backend: its launch path, counters and limits. For benchmarks, and for kernels that users write.
 *
 * @internal
 */
export function webgpuBackend(): WebGPUBackend {
	return running('webgpuBackend');
}
