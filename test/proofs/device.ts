/** The WebGPU device of the tests that use the database's samples. */
import { init } from 'wgrad';
import { registerBackend, setDefaultDevice } from '../../src/backends/registry';
import { createWebGPUBackend } from '../../src/backends/webgpu/backend';
import { setting } from '../random/setting';

/**
 * Starts WebGPU. If the runner hides that an adapter is software, small launches also take the path of large ones: grids are
 * folded into two dimensions, so that most have workgroups without work, and long launches are divided.
 */
export async function startDevice(): Promise<void> {
	if (setting('WGRAD_DISGUISE') === undefined) {
		await init({ device: 'webgpu' });
		return;
	}
	registerBackend(await createWebGPUBackend({ foldGrid: 3, dispatchWork: 1e5 }));
	setDefaultDevice('webgpu');
}
