/**
 * Turns of the event loop. A loop whose awaits are all fulfilled at once runs on microtasks alone: then no timer, no page, no pipeline and no
 * garbage-collected tensor ever gets its turn. So the awaits that the library owns turn the loop now and then, by time.
 */

/** Milliseconds between two turns: often enough for a page to feel smooth, and too rarely to be felt by the loop. */
const MILLISECONDS_BETWEEN_TURNS = 16;

const tasks: (() => void)[] = [];
let channel: MessageChannel | undefined;
let turned = performance.now();

/** Runs `task` in the next round: after the current task and its microtasks, and without the delay of `setTimeout`. */
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

/** Whether it is time to turn the event loop; whoever is told so must do it. */
export function isTurnDue(): boolean {
	const now = performance.now();
	if (now - turned < MILLISECONDS_BETWEEN_TURNS) return false;
	turned = now;
	return true;
}

/** Fulfilled in the next round of the event loop. */
export function turn(): Promise<void> {
	return new Promise(nextRound);
}
