/** Checks for float16, which some adapters lack. */
import { tensor, WgradError } from 'wgrad';

/** Whether the adapter has float16. Call it after `init`. */
export function hasFloat16(): boolean {
	try {
		tensor([1], { dtype: 'float16', device: 'webgpu' }).dispose();
		return true;
	} catch (error) {
		if (error instanceof WgradError) return false;
		throw error;
	}
}

/** As hasFloat16, and prints a line if float16 tests are skipped. */
export function float16Present(): boolean {
	const present = hasFloat16();
	if (!present) console.log('The adapter has no shader-f16: float16 is not tested on it.');
	return present;
}
