/**
 * The available backends. The CPU is always available; WebGPU is available between `init()` and `shutdown()` or a device loss.
 */
import { DeviceError, type DeviceLostError } from '../core/errors';
import { currentOperation } from '../core/scope';
import type { Backend, DeviceName } from './contract';
import { cpuBackend } from './cpu/backend';

const backends = new Map<DeviceName, Backend>([['cpu', cpuBackend]]);
/** The errors that explain why devices were lost. */
const losses = new Map<DeviceName, DeviceLostError>();
let chosenDefault: DeviceName | undefined;
let hasWarned = false;
let replacement: ((backend: Backend) => Backend) | null = null;

export function backendOf(device: DeviceName): Backend {
	const backend = backends.get(device);
	if (backend === undefined) {
		const loss = losses.get(device);
		if (loss !== undefined) throw loss.at(currentOperation());
		if (device === 'webgpu') throw new DeviceError(`device 'webgpu' is not ready: call await init() first, or use device 'cpu'`);
		throw new DeviceError(`unknown device '${String(device)}': it is 'cpu' or 'webgpu'`);
	}
	return activeBackend(backend);
}

/** The backend that does the work of `backend` now: itself, except inside `withBackends`. */
export function activeBackend(backend: Backend): Backend {
	return replacement === null ? backend : replacement(backend);
}

/** Runs `fn`, a synchronous function, with other backends in place of the real ones. */
export function withBackends<T>(replace: (backend: Backend) => Backend, fn: () => T): T {
	const before = replacement;
	replacement = replace;
	try {
		return fn();
	} finally {
		replacement = before;
	}
}

export function hasBackend(device: DeviceName): boolean {
	return backends.has(device);
}

/** Registers a backend for its device, and makes that device the default. */
export function registerBackend(backend: Backend): void {
	losses.delete(backend.device);
	backends.set(backend.device, backend);
	chosenDefault = backend.device;
}

/**
 * Removes a backend. Its device stays the default if it was: creating a tensor there then throws `loss` instead of moving to the
 * CPU.
 */
export function unregisterBackend(device: DeviceName, loss: DeviceLostError): void {
	backends.delete(device);
	losses.set(device, loss);
}

/** Why a device was lost. */
export function deviceLossOf(device: DeviceName): DeviceLostError | undefined {
	return losses.get(device);
}

/** Sets the device of tensors that are created without one. */
export function setDefaultDevice(device: DeviceName): void {
	backendOf(device);
	chosenDefault = device;
}

/** The device of tensors that are created without one: 'cpu' until `init()` has found a WebGPU adapter. */
export function defaultDevice(): DeviceName {
	return chosenDefault ?? 'cpu';
}

/** `defaultDevice()` for a new tensor. Warns once if nobody has chosen a device yet. */
export function deviceOfNew(): DeviceName {
	if (chosenDefault === undefined && !hasWarned) {
		hasWarned = true;
		console.warn(
			"wgrad: a tensor was created before init() and is on the CPU, which is slow. Call await init() first; to stay on the CPU, await init({ device: 'cpu' })",
		);
	}
	return defaultDevice();
}
