/**
 * Sets up a test process's adapter from its environment: VK_DRIVER_FILES names the driver, and WGRAD_DISGUISE hides that the
 * adapter is software, so that the library chooses the kernels for GPUs.
 */
import { chooseDriver, findGpu } from '../../adapters/driver.mjs';

export async function chooseAdapter() {
	const { VK_DRIVER_FILES, WGRAD_DISGUISE } = process.env;
	const inNode = globalThis.navigator?.gpu === undefined;
	if (inNode && VK_DRIVER_FILES !== undefined) await chooseDriver(VK_DRIVER_FILES);
	if (WGRAD_DISGUISE === undefined) return;
	const gpu = await findGpu();
	disguise(gpu);
	// The library keeps its instance here in Node.
	if (inNode) Object.assign(globalThis, { [Symbol.for('wgrad.gpu')]: gpu });
}

/** @param {GPU} gpu */
function disguise(gpu) {
	const requestAdapter = gpu.requestAdapter.bind(gpu);
	gpu.requestAdapter = async (options) => {
		const adapter = await requestAdapter(options);
		const info = { vendor: '', architecture: '', device: '', description: 'a GPU in disguise', isFallbackAdapter: false };
		return adapter && Object.defineProperty(adapter, 'info', { value: info });
	};
}
