/**
 * Errors that the GPU reports long after the call that caused them. They are kept and thrown, the first with a line of each other one, at the
 * next point where the host looks at results (a read, a sync): to every such call that was under way when they were reported.
 */
import { DeviceError } from '../../core/errors';

/** How long what failed waits to hear that the device was lost. */
const LOSS_NOTICE_MS = 50;

/** Waits a little for the loss of the device: browsers fail what is under way before they announce it, and it is the better reason. */
export async function lossNotice(device: GPUDevice): Promise<void> {
	await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, LOSS_NOTICE_MS))]);
}

/** Errors that are told of together. Where something is wrong with a device, every batch may report one. */
const TOLD_TOGETHER = 4;

export class Failures {
	/** The first errors of those that nobody has been told of, or, once thrown, of those that were. */
	private readonly errors: Error[] = [];
	/** How many of them, the first, cause others. */
	private causes = 0;
	private count = 0;
	private thrown = 0;
	/** Reports that are still on their way: results count as checked only after these. */
	private readonly pending = new Set<Promise<void>>();
	/** Called when somebody is told of all that was kept. */
	onTold: (() => void) | undefined;

	/** Keeps `error` until it has been thrown; one that `causes` others comes before them. */
	note(error: Error, causes = false): void {
		if (this.count === this.thrown) this.errors.length = this.causes = 0;
		if (causes) this.errors.splice(this.causes++, 0, error);
		else if (this.errors.length < TOLD_TOGETHER) this.errors.push(error);
		this.count++;
	}

	/** Closes the error scope that the caller opened. What `explain` makes of its outcome is kept, see `note`. */
	popScope(device: GPUDevice, explain: (error: GPUError | null) => Error | null, causes = false): void {
		const report: Promise<void> = device
			.popErrorScope()
			.then((error) => {
				const explained = explain(error);
				if (explained !== null) this.note(explained, causes);
			})
			// A scope of a lost device rejects; the loss itself is reported by other means.
			.catch(() => {})
			.finally(() => this.pending.delete(report));
		this.pending.add(report);
	}

	/** Resolves when no report is on its way any more. */
	async quiet(): Promise<void> {
		await Promise.all(this.pending);
	}

	/** What a call that is about to wait must hand to `check`. */
	mark(): number {
		return this.thrown;
	}

	/** Throws the errors that nobody had been told of at `mark`. */
	async check(mark: number): Promise<void> {
		await Promise.all(this.pending);
		this.raise(mark);
	}

	/** The same without waiting for reports that are on their way; by default for errors that nobody has been told of yet. */
	raise(mark = this.thrown): void {
		if (this.count > mark) {
			this.thrown = this.count;
			this.onTold?.();
			throw together(this.errors);
		}
	}
}

/** The first of `errors`, which also names the others. */
function together(errors: readonly Error[]): Error {
	const [first = new DeviceError('the GPU reported an error'), ...others] = errors;
	if (others.length === 0) return first;
	const Class = first.constructor as new (message: string, options: ErrorOptions) => Error;
	const lines = others.map(({ message }) => `\n    ${message.split('\n')[0]}`);
	return new Class(`${first.message}\nReported after it:${lines.join('')}`, { cause: first });
}
