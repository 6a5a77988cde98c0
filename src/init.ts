/** Starting and stopping: which device there is, what it holds, waiting for it. */
import type { DeviceName } from './backends/contract';
import { lossOf, registerBackend, setDefaultDevice, unregisterBackend } from './backends/registry';
import { createWebGPUBackend, type WebGPUBackend } from './backends/webgpu/backend';
import type { AdapterInfo, Counters, MemoryStatistics, Profile } from './backends/webgpu/statistics';
import { ArgumentError, DeviceError, type DeviceLostError } from './core/errors';
import { checkOptions } from './core/options';
import type { Global } from './core/platform';
import { liveTensors } from './scope';

export interface InitOptions {
	/** 'webgpu' fails where there is no adapter; without a device the CPU takes over with a warning. */
	readonly device?: DeviceName;
	/** An adapter that the page already has. */
	readonly adapter?: Global<'GPUAdapter', object>;
	/** Which GPU of several. Default: the browser's choice. */
	readonly powerPreference?: 'low-power' | 'high-performance';
}

export interface DeviceInfo {
	/** The default device from now on. */
	readonly device: DeviceName;
	/** The adapter behind 'webgpu'; null on the CPU. */
	readonly adapter: AdapterInfo | null;
}

let webgpu: WebGPUBackend | null = null;
/** How the latest device was asked for, and what it is. */
let latest: { readonly options: InitOptions; readonly description: string } | null = null;
/** Settles when the calls of `init` and `shutdown` so far are done: they take effect one after another, in their order. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(fn: () => Promise<T>): Promise<T> {
	const result = turn.then(fn);
	turn = result.catch(() => {});
	return result;
}

/**
 * Finds a WebGPU adapter and makes it the default device. Call it once, before the first tensor; calling it again does nothing,
 * and after `shutdown()` or a lost device it starts anew. Without `device`, falls back to the CPU when there is no adapter.
 */
export async function init(options: InitOptions = {}): Promise<DeviceInfo> {
	checkOptions('init', options, ['device', 'adapter', 'powerPreference']);
	const { device } = options;
	if (device !== undefined && device !== 'cpu' && device !== 'webgpu') {
		throw new ArgumentError(`init: device must be 'webgpu' or 'cpu', not '${String(device)}'`);
	}
	if (device === 'cpu') {
		setDefaultDevice('cpu');
		return { device: 'cpu', adapter: null };
	}
	try {
		const { info } = await inTurn(() => start(options));
		return { device: 'webgpu', adapter: info };
	} catch (error) {
		if (device === 'webgpu' || !(error instanceof DeviceError)) throw error;
		console.warn(
			`wgrad: this computes on the CPU, which is slow, because there is no WebGPU here.\nFor developers: ${error.message}.`,
		);
		setDefaultDevice('cpu');
		return { device: 'cpu', adapter: null };
	}
}

/** Makes the running backend, or a new one, that of the default device. */
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

function forget(backend: WebGPUBackend, loss: DeviceLostError): void {
	if (webgpu !== backend) return;
	webgpu = null;
	unregisterBackend('webgpu', loss);
}

const MILLISECONDS_TO_FIND_A_DEVICE = 10_000;

/**
 * A new device in the place of one that was lost, asked for in the same way; nothing where one runs. A driver that was reset needs some time:
 * it is asked again for ten seconds.
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
		// An adapter may give one device only: the next tries find one.
		const { adapter: _, ...others } = options;
		options = others;
		await new Promise((resolve) => setTimeout(resolve, pause));
	}
	if (before !== null && latest!.description !== before.description) {
		console.warn(
			`wgrad: ${caller} goes on on another adapter, ${latest!.description} in the place of ${before.description}; last digits may differ`,
		);
	}
}

/**
 * Gives the device and all of its memory back, once an `init()` under way is done. Tensors on it are gone; `init()` starts anew. In a worker
 * thread of Node await it before the worker is terminated: Dawn ends the whole process where a worker ends while it works.
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

/** Resolves when everything that was launched so far has run. Rejects with the first error of the device, if there was one, or its loss. */
export async function sync(): Promise<void> {
	if (webgpu !== null) return webgpu.sync();
	const loss = lossOf('webgpu');
	if (loss?.reason === 'unknown') throw loss.at('sync');
}

export interface MemoryReport {
	/** Tensor handles that were neither disposed of nor collected, on all devices. */
	readonly tensors: number;
	/** GPU memory; null before `init()`. */
	readonly gpu: MemoryStatistics | null;
}

/** What is held now. */
export function memory(): MemoryReport {
	return { tensors: liveTensors(), gpu: webgpu?.memory() ?? null };
}

function running(caller: string): WebGPUBackend {
	if (webgpu === null)
		throw (
			lossOf('webgpu')?.at(caller) ??
			new DeviceError(`${caller}: there is no WebGPU device; call await init({ device: 'webgpu' }) first`)
		);
	return webgpu;
}

/** What the GPU has done since `init()`: launches, submits, pipelines compiled, bytes, and per kernel counts, flops and bytes. */
export function counters(): Counters {
	return running('counters').counters();
}

/** Runs `fn` and returns what it launched, by kernel: counts, flops, bytes, and GPU times where the adapter has timestamps. */
export async function profile<T>(fn: () => T | Promise<T>): Promise<Profile<T>> {
	return running('profile').profile(fn);
}

/**
 * The backend that runs: its launch path, counters and limits. For benchmarks, and for kernels that users write.
 *
 * @internal
 */
export function webgpuBackend(): WebGPUBackend {
	return running('webgpuBackend');
}
