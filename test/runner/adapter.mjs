/**
 * The adapter that a test process finds, by its environment: VK_DRIVER_FILES names the driver, and with WGRAD_DISGUISE the
 * adapter does not say that it is software, so that the library chooses the kernels that GPUs run.
 */
import { chooseDriver, findGpu } from '../../adapters/driver.mjs';

export async function chooseAdapter() {
	const { VK_DRIVER_FILES, WGRAD_DISGUISE } = process.env;
	const inNode = globalThis.navigator?.gpu === undefined;
	if (inNode && VK_DRIVER_FILES !== undefined) await chooseDriver(VK_DRIVER_FILES);
	if (WGRAD_DISGUISE === undefined) return;
	const gpu = await findGpu();
	disguise(gpu);
	// Where the library keeps its instance in Node.
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
