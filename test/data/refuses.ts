/** Asserts that a call throws one of the library's errors. */
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors';

export async function refuses(
	fn: () => unknown,
	message: RegExp,
	type: new (...args: never[]) => Error = ArgumentError,
): Promise<void> {
	try {
		await fn();
	} catch (error) {
		assert.instance(error, type);
		assert.match((error as Error).message, message);
		return;
	}
	assert.unreachable(`no error of ${message}`);
}
