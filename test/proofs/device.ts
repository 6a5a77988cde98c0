/** The WebGPU device of the proofs by samples. */
import { init } from 'wgrad';
import { registerBackend, setDefaultDevice } from '../../src/backends/registry';
import { createWebGPUBackend } from '../../src/backends/webgpu/backend';
import { setting } from '../random/setting';

/**
 * Starts WebGPU. Where the runner has adapters hide that they are software, small launches also go the way of large ones: grids are folded
 * into two dimensions, so that most have workgroups without work, and long launches are divided.
 */
export async function startDevice(): Promise<void> {
	if (setting('WGRAD_DISGUISE') === undefined) {
		await init({ device: 'webgpu' });
		return;
	}
	registerBackend(await createWebGPUBackend({ foldGrid: 3, dispatchWork: 1e5 }));
	setDefaultDevice('webgpu');
}
