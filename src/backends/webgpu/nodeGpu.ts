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
	const threads = 'node:worker_threads';
	const { isMainThread } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ threads)) as { isMainThread: boolean };
	// Another call may have come first.
	if (slots[SLOT] !== undefined) return slots[SLOT];
	if (!isMainThread) recordTasks(dawn.globals as Classes);
	slots[SLOT] = dawn.create([]);
	return slots[SLOT];
}

/** Dawn's methods that return promises, by class. */
const ASYNCHRONOUS = {
	GPU: ['requestAdapter'],
	GPUAdapter: ['requestDevice'],
	GPUDevice: ['createComputePipelineAsync', 'popErrorScope'],
	GPUQueue: ['onSubmittedWorkDone'],
	GPUBuffer: ['mapAsync'],
	GPUShaderModule: ['getCompilationInfo'],
};

type Classes = Readonly<Record<string, { readonly prototype: Record<string, (...args: unknown[]) => unknown> }>>;
type Task = () => void;

const globals = globalThis as unknown as { setImmediate(task: Task): unknown };
/** The tasks that Dawn has given to `setImmediate` and that have not run. They settle Dawn's promises. */
const tasks = new Set<Task>();

/**
 * Records Dawn's tasks, so that `settleAll` can run them. In a worker thread Dawn aborts the process if one of its promises is pending when
 * the thread exits, and after `process.exit()` or an uncaught error Node runs no more tasks.
 */
function recordTasks(classes: Classes): void {
	for (const [name, methods] of Object.entries(ASYNCHRONOUS)) {
		const { prototype } = classes[name]!;
		for (const method of methods) {
			const call = prototype[method]!;
			prototype[method] = function (this: unknown, ...args: unknown[]) {
				return recording(() => call.apply(this, args));
			};
		}
	}
}

/** Calls `fn`, in which Dawn may give tasks to `setImmediate`. */
function recording<T>(fn: () => T): T {
	const { setImmediate } = globals;
	globals.setImmediate = (task) => {
		tasks.add(task);
		return setImmediate(() => {
			if (tasks.delete(task)) recording(task);
		});
	};
	try {
		return fn();
	} finally {
		globals.setImmediate = setImmediate;
	}
}

/** Settles Dawn's promises: a task gives the next one to `setImmediate` until none is pending. */
function settleAll(): void {
	for (const task of tasks) {
		tasks.delete(task);
		recording(task);
	}
}

interface Process {
	readonly versions?: { readonly node?: string };
	once?(event: 'exit', listener: () => void): void;
}

const alive = new Set<GPUDevice>();
let isWatching = false;

/**
 * Destroys the device when Node, or this worker thread of Node, exits. Destroying waits for kernels that Dawn's threads are still compiling.
 * Without it those threads crash, which replaces the exit code and the message of an uncaught error.
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
	settleAll();
}
