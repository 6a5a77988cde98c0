/**
 * Waits for a software adapter without slowing it down.
 *
 * Dawn in Node polls: while one of its promises is pending it spins through the event loop. With a real GPU that costs
 * a core without other work. With a software adapter it takes a core from the computation (measured on
 * two cores: a third of the speed). So while the program waits for such an adapter, each round sleeps: an eighth
 * of the time waited so far, to delay short waits little, and at most a millisecond, to keep timers and sockets going.
 */
import { scheduleTask } from '../../core/eventLoop';

const LONGEST_MS = 1;
const SHARE = 1 / 8;

export class PollBackoff {
	private waits = 0;
	private since = 0;
	private isScheduled = false;
	private readonly cell: Int32Array | undefined;

	constructor(isSoftware: boolean) {
		const { process } = globalThis as { process?: { versions?: { node?: string; deno?: string } } };
		const { node, deno } = process?.versions ?? {};
		// Deno also claims to be Node, but its WebGPU polls by timers, every ten milliseconds: sleeping would only delay those.
		if (isSoftware && node !== undefined && deno === undefined) this.cell = new Int32Array(new SharedArrayBuffer(4));
	}

	/** Settles as `promise` does, and sleeps now and then until it settles. */
	async during<T>(promise: Promise<T>): Promise<T> {
		if (this.cell === undefined) return promise;
		if (this.waits++ === 0) this.since = performance.now();
		this.schedule();
		try {
			return await promise;
		} finally {
			this.waits--;
		}
	}

	private schedule(): void {
		if (this.isScheduled) return;
		this.isScheduled = true;
		scheduleTask(() => {
			this.isScheduled = false;
			if (this.waits === 0) return;
			Atomics.wait(this.cell!, 0, 0, Math.min(LONGEST_MS, (performance.now() - this.since) * SHARE));
			this.schedule();
		});
	}
}
