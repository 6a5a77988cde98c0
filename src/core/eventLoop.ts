/**
 * Yields to the event loop. If every await of a program resolves at once, it runs on microtasks alone and starves timers, rendering,
 * pipeline compilation and the finalizers of tensors. So the library's own awaits yield from time to time.
 */

/** Milliseconds between two yields: short enough for a smooth page, long enough to cost nothing. */
const MILLISECONDS_BETWEEN_TURNS = 16;

const tasks: (() => void)[] = [];
let channel: MessageChannel | undefined;
let turned = performance.now();

/** Runs `task` after the current task and its microtasks, without the delay of `setTimeout`. */
export function scheduleTask(task: () => void): void {
	const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => void };
	if (setImmediate !== undefined) {
		setImmediate(task);
		return;
	}
	// Browsers: one message per task; messages arrive in order.
	if (channel === undefined) {
		channel = new MessageChannel();
		channel.port1.onmessage = () => tasks.shift()?.();
	}
	tasks.push(task);
	channel.port2.postMessage(0);
}

/** Whether it is time to yield. A caller that gets true must yield. */
export function isYieldDue(): boolean {
	const now = performance.now();
	if (now - turned < MILLISECONDS_BETWEEN_TURNS) return false;
	turned = now;
	return true;
}

/** Resolves in the next turn of the event loop. */
export function yieldToEventLoop(): Promise<void> {
	return new Promise(scheduleTask);
}
