/** All kernels of this backend, family by family. */
import type { Kernels } from '../contract';
import type { Gpu } from './launch';

export function webgpuKernels(gpu: Gpu): Kernels {
	void gpu;
	return {} as Kernels;
}
