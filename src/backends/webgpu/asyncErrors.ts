/**
 * Errors that the GPU reports long after the call that caused them. They are kept until the host next looks at results (a read, a
 * sync). That call throws the first error, with a line for each other one. Every call that was pending when an error arrived
 * throws it.
 */
import { DeviceError } from '../../core/errors';

/** How long a failed call waits for the news that the device was lost. */
const LOSS_NOTICE_MS = 50;

/**
 * Waits briefly for the loss of the device. Browsers reject pending work before they announce the loss, which is the better
 * reason.
 */
export async function lossNotice(device: GPUDevice): Promise<void> {
	await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS))]);
}

/** The number of errors in one message. A broken device may report one for every batch. */
const TOLD_TOGETHER = 4;

export class AsyncErrors {
	/** The first errors that have not been thrown yet; after they are thrown, those that were. */
	private readonly errors: Error[] = [];
	/** The number of errors at the front that cause others. */
	private causes = 0;
	private count = 0;
	private thrown = 0;
	/** Reports that have not arrived. Results count as checked only after them. */
	private readonly pending = new Set<Promise<void>>();
	/** Called when the kept errors are thrown. */
	onTold: (() => void) | undefined;

	/** Keeps `error` until it is thrown. An error that `causes` others comes first. */
	note(error: Error, causes = false): void {
		if (this.count === this.thrown) this.errors.length = this.causes = 0;
		if (causes) this.errors.splice(this.causes++, 0, error);
		else if (this.errors.length < TOLD_TOGETHER) this.errors.push(error);
		this.count++;
	}

	/** Closes the caller's error scope and keeps the error that `explain` makes of the outcome, see `note`. */
	popScope(device: GPUDevice, explain: (error: GPUError | null) => Error | null, causes = false): void {
		const report: Promise<void> = device
			.popErrorScope()
			.then((error) => {
				const explained = explain(error);
				if (explained !== null) this.note(explained, causes);
			})
			// The scope of a lost device rejects; the loss itself is reported elsewhere.
			.catch(() => {})
			.finally(() => this.pending.delete(report));
		this.pending.add(report);
	}

	/** Resolves when all pending reports have arrived. */
	async quiet(): Promise<void> {
		await Promise.all(this.pending);
	}

	/** The value that a call passes to `check` after it has waited. */
	mark(): number {
		return this.thrown;
	}

	/** Waits for pending reports, then throws the errors that had not been thrown at `mark`. */
	async check(mark: number): Promise<void> {
		await Promise.all(this.pending);
		this.raise(mark);
	}

	/** As `check`, but does not wait for pending reports. By default it throws errors that have never been thrown. */
	raise(mark = this.thrown): void {
		if (this.count > mark) {
			this.thrown = this.count;
			this.onTold?.();
			throw combined(this.errors);
		}
	}
}

/** The first of `errors`, with the messages of the others appended. */
function combined(errors: readonly Error[]): Error {
	const [first = new DeviceError('the GPU reported an error'), ...others] = errors;
	if (others.length === 0) return first;
	const Class = first.constructor as new (message: string, options: ErrorOptions) => Error;
	const lines = others.map(({ message }) => `\n    ${message.split('\n')[0]}`);
	return new Class(`${first.message}\nReported after it:${lines.join('')}`, { cause: first });
}
