/** Which backends there are now. The CPU is always there; WebGPU is between `init()` and `shutdown()` or a device loss. */
import { DeviceError } from '../core/errors';
import type { Backend, DeviceName } from './contract';
import { cpuBackend } from './cpu/backend';

const backends = new Map<DeviceName, Backend>([['cpu', cpuBackend]]);
let chosenDefault: DeviceName | undefined;
let hasWarned = false;
let standIn: ((backend: Backend) => Backend) | null = null;

export function backendOf(device: DeviceName): Backend {
	const backend = backends.get(device);
	if (backend === undefined) {
		if (device === 'webgpu') throw new DeviceError(`device 'webgpu' is not ready: call await init() first, or use device 'cpu'`);
		throw new DeviceError(`unknown device '${String(device)}': it is 'cpu' or 'webgpu'`);
	}
	return acting(backend);
}

/** The backend that does the work of `backend` now: itself, but within `withStandIns`. */
export function acting(backend: Backend): Backend {
	return standIn === null ? backend : standIn(backend);
}

/** Runs `fn`, which must not be async, with other backends in place of the real ones. */
export function withStandIns<T>(replace: (backend: Backend) => Backend, fn: () => T): T {
	const before = standIn;
	standIn = replace;
	try {
		return fn();
	} finally {
		standIn = before;
	}
}

export function hasBackend(device: DeviceName): boolean {
	return backends.has(device);
}

export function registerBackend(backend: Backend): void {
	backends.set(backend.device, backend);
}

/** Forgets a backend; the default device falls back to the CPU if it was that one's. */
export function unregisterBackend(device: DeviceName): void {
	if (device === 'cpu') return;
	backends.delete(device);
	if (chosenDefault === device) chosenDefault = undefined;
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

/** `defaultDevice()` for a tensor that is made now: warns once where nobody has chosen a device yet. */
export function deviceOfNew(): DeviceName {
	if (chosenDefault === undefined && !hasWarned) {
		hasWarned = true;
		console.warn(
			"wgrad: a tensor is made before init() and lives on the CPU, which is slow. Call await init() first; to stay on the CPU, await init({ device: 'cpu' })",
		);
	}
	return defaultDevice();
}
