/**
 * WebGPU in Node: Dawn, from the optional dependency `webgpu`.
 *
 * The package is imported when the first device is requested, under a name in a variable. So no bundler follows it into
 * a browser bundle, and programs that stay on the CPU do not load a graphics driver.
 *
 * Dawn's instance must outlive everything made from it: Node crashes if it is garbage-collected while one of its promises
 * is pending, and a module-level variable that nothing reads again counts as garbage. So `globalThis` holds it, once per
 * process, for good. It does not keep the process alive: only pending promises do, until they settle.
 */
import { DeviceError } from '../../core/errors';

const SLOT = Symbol.for('wgrad.gpu');
const slots = globalThis as { [SLOT]?: GPU };

/** Node's `navigator.gpu`. */
export async function nodeGpu(): Promise<GPU> {
	if (slots[SLOT] !== undefined) return slots[SLOT];
	const name = 'webgpu';
	let dawn: typeof import('webgpu');
	try {
		dawn = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
	} catch (cause) {
		throw new DeviceError(`init: the npm package 'webgpu' did not load; run npm install webgpu, or use device 'cpu'`, { cause });
	}
	slots[SLOT] ??= dawn.create([]);
	return slots[SLOT];
}

interface Process {
	readonly versions?: { readonly node?: string };
	once?(event: 'exit', listener: () => void): void;
}

const alive = new Set<GPUDevice>();
let isWatching = false;

/**
 * Destroys the device when Node exits. Destroying waits for kernels that Dawn's threads are still compiling. Without it those
 * threads crash at the end of the process, which replaces the exit code and the message of an uncaught error.
 */
export function destroyAtExit(device: GPUDevice): void {
	const { process } = globalThis as { process?: Process };
	if (process?.versions?.node === undefined) return;
	if (!isWatching) process.once?.('exit', destroyAll);
	isWatching = true;
	alive.add(device);
	void device.lost.then(() => alive.delete(device));
}

function destroyAll(): void {
	for (const device of alive) device.destroy();
}
