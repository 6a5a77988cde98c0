/** The CPU reference as a backend: host memory, plain loops, no asynchronous work. */
import type { DType, TypedArray } from '../../core/dtype';
import { isYieldDue, yieldToEventLoop } from '../../core/eventLoop';
import { isHalf, numbersOf } from '../../core/halves';
import type { Backend, Kernels, Storage } from '../contract';
import { kernelsOfFamilies, onFamily } from '../contract/families';
import { CpuStorage, roundingHalves } from './storage';

export const cpuBackend: Backend = {
	device: 'cpu',
	loss: undefined,
	hasFloat16: true,
	kernels: growingKernels(),
	allocate(length: number, dtype: DType): CpuStorage {
		return new CpuStorage(cpuBackend, dtype, length);
	},
	upload(data: TypedArray, dtype: DType): CpuStorage {
		return new CpuStorage(cpuBackend, dtype, data.length, data.slice());
	},
	allocateForHost: (length, dtype) => cpuBackend.allocate(length, dtype),
	write(storage: Storage, data: TypedArray, at: number): undefined {
		(storage as CpuStorage).data.set(numbersOf(storage.dtype, data), at);
	},
	release(): void {},
	async read(storage: Storage): Promise<TypedArray> {
		const { dtype, data } = storage as CpuStorage;
		const values = isHalf(dtype) ? storage.hostData!() : data.slice();
		if (isYieldDue()) await yieldToEventLoop();
		return values;
	},
	pace: () => (isYieldDue() ? yieldToEventLoop() : undefined),
	throwReported(): void {},
};

/** The kernels of all families: a module that is loaded later adds its own. */
function growingKernels(): Kernels {
	const kernels = kernelsOfFamilies(({ cpu }) => roundingHalves(cpu));
	onFamily(({ cpu }) => Object.assign(kernels, roundingHalves(cpu)));
	return kernels;
}
