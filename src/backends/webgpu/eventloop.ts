/** The next round of the event loop: after the current task and its microtasks, and without the delay of `setTimeout`. */

const tasks: (() => void)[] = [];
let channel: MessageChannel | undefined;

/** Runs `task` in the next round of the event loop. */
export function nextRound(task: () => void): void {
	const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => void };
	if (setImmediate !== undefined) {
		setImmediate(task);
		return;
	}
	// Browsers: one message for each task, and messages arrive in order.
	if (channel === undefined) {
		channel = new MessageChannel();
		channel.port1.onmessage = () => tasks.shift()?.();
	}
	tasks.push(task);
	channel.port2.postMessage(0);
}
