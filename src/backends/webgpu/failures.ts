/**
 * Errors that the GPU reports long after the call that caused them. The first one is kept and thrown at the next point
 * where the host looks at results (a read, a sync): to every such call that was under way when it was reported.
 */
import { DeviceError } from '../../core/errors';

/** How long what failed waits to hear that the device was lost. */
const LOSS_NOTICE_MS = 50;

/** Waits a little for the loss of the device: browsers fail what is under way before they announce it, and it is the better reason. */
export async function lossNotice(device: GPUDevice): Promise<void> {
	await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS))]);
}

export class Failures {
	private first: Error | undefined;
	private count = 0;
	private thrown = 0;
	/** Reports that are still on their way: results count as checked only after these. */
	private readonly pending = new Set<Promise<void>>();

	/** Keeps `error` unless an earlier one still waits to be thrown. */
	note(error: Error): void {
		if (this.count === this.thrown) this.first = error;
		this.count++;
	}

	/** Closes the error scope that the caller opened; an error in it is kept as what `explain` makes of it. */
	popScope(device: GPUDevice, explain: (error: GPUError) => Error | Promise<Error>): void {
		const report: Promise<void> = device
			.popErrorScope()
			.then(async (error) => {
				if (error !== null) this.note(await explain(error));
			})
			// A scope of a lost device rejects; the loss itself is reported by other means.
			.catch(() => {})
			.finally(() => this.pending.delete(report));
		this.pending.add(report);
	}

	/** What a call that is about to wait must hand to `check`. */
	mark(): number {
		return this.thrown;
	}

	/** Throws the first error that nobody had been told of at `mark`. */
	async check(mark: number): Promise<void> {
		await Promise.all(this.pending);
		this.raise(mark);
	}

	/** The same without waiting for reports that are on their way; by default for errors that nobody has been told of yet. */
	raise(mark = this.thrown): void {
		if (this.count > mark) {
			this.thrown = this.count;
			throw this.first ?? new DeviceError('the GPU reported an error');
		}
	}
}
