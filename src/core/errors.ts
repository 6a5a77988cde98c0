/**
 * The errors that wgrad throws. Every message names the operation, the shapes or values, and the cure, so that you can act on the text
 * alone. The classes let code tell the kinds apart.
 */

/** The base class of every error that wgrad throws. */
export class WgradError extends Error {
	override name = 'WgradError';
}

/** The shapes do not fit the operation or each other. */
export class ShapeError extends WgradError {
	override name = 'ShapeError';
}

/** The operation, device or file does not support the dtype. */
export class DTypeError extends WgradError {
	override name = 'DTypeError';
}

/** The tensors are on different devices, the device is missing or lost, or the adapter's limits are too small. */
export class DeviceError extends WgradError {
	override name = 'DeviceError';
}

/** The device is lost, and with it the memory of its tensors. */
export class DeviceLostError extends DeviceError {
	override name = 'DeviceLostError';

	constructor(
		message: string,
		/** 'destroyed' after `shutdown()`; 'unknown' if the driver crashed, was reset or ran out of memory. */
		readonly reason: 'destroyed' | 'unknown',
		options?: ErrorOptions,
	) {
		super(message, options);
	}

	/** The same loss as an error of the current call, with its stack and with the operation's name unless that is ''. */
	at(operation: string, what = ''): DeviceLostError {
		const place = operation === '' ? what : `${operation}: ${what}`;
		// By `constructor`, because esbuild renames a class that refers to itself.
		const Loss = this.constructor as typeof DeviceLostError;
		return new Loss(`${place}${this.message}`, this.reason, { cause: this });
	}
}

/** An argument is out of range or of the wrong kind. */
export class ArgumentError extends WgradError {
	override name = 'ArgumentError';
}

/** The program misused autograd: it walked a graph twice, overwrote a saved tensor, or asked for the gradient of a constant. */
export class AutogradError extends WgradError {
	override name = 'AutogradError';
}

/** The program used a tensor after disposing of it. */
export class DisposedError extends WgradError {
	override name = 'DisposedError';
}

/** A file violates its format. */
export class FormatError extends WgradError {
	override name = 'FormatError';
}

/** Formats a shape for messages: `[32, 784]`. */
export function formatShape(shape: readonly number[]): string {
	return `[${shape.join(', ')}]`;
}
