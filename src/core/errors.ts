/**
 * The errors that wgrad throws. Every message names the operation, the shapes or values that it met and what to do
 * about them, so that a person can act on the text alone; the classes exist for code that must tell them apart.
 */

/** Base class of every error that wgrad throws on purpose. */
export class WgradError extends Error {
	override name = 'WgradError';
}

/** Shapes that do not fit an operation or each other. */
export class ShapeError extends WgradError {
	override name = 'ShapeError';
}

/** A dtype that an operation, a device or a file does not take. */
export class DTypeError extends WgradError {
	override name = 'DTypeError';
}

/** Tensors on different devices, a device that is not there, a limit of the adapter, a lost device. */
export class DeviceError extends WgradError {
	override name = 'DeviceError';
}

/** A device that is gone, and the memory of its tensors with it. */
export class DeviceLostError extends DeviceError {
	override name = 'DeviceLostError';

	constructor(
		message: string,
		/** 'destroyed' after `shutdown()`; 'unknown' where the device was lost: the driver crashed, was reset or ran out of memory. */
		readonly reason: 'destroyed' | 'unknown',
		options?: ErrorOptions,
	) {
		super(message, options);
	}

	/** The same loss as the error of a call: with that call's stack and, if it is not '', its name. */
	at(operation: string, what = ''): DeviceLostError {
		const place = operation === '' ? what : `${operation}: ${what}`;
		return new DeviceLostError(`${place}${this.message}`, this.reason, { cause: this });
	}
}

/** An argument whose value is out of its range. */
export class ArgumentError extends WgradError {
	override name = 'ArgumentError';
}

/** A misuse of the tape: a graph walked twice, a saved tensor overwritten, a gradient asked of a constant. */
export class AutogradError extends WgradError {
	override name = 'AutogradError';
}

/** A tensor that was used after it had been disposed of. */
export class DisposedError extends WgradError {
	override name = 'DisposedError';
}

/** A file that is not what its format says. */
export class FormatError extends WgradError {
	override name = 'FormatError';
}

/** A shape as it stands in messages: `[32, 784]`. */
export function formatShape(shape: readonly number[]): string {
	return `[${shape.join(', ')}]`;
}
