/** A runtime that claims to be of another kind. */
import type { Form } from '../../src/backends/webgpu/forms';
import type { Gpu } from '../../src/backends/webgpu/launch';

/** `onChoice` is called whenever a launcher asks for the kind: an operation that never asks has the same kernels in all forms. */
export function runtimeOf(gpu: Gpu, { claims }: Form, onChoice: () => void): Gpu {
	const told = { isSoftware: gpu.isSoftware, subgroupSize: gpu.subgroupSize, ...claims };
	return Object.defineProperties(
		{ ...gpu },
		Object.fromEntries(
			Object.entries(told).map(([name, value]) => [
				name,
				{
					get() {
						onChoice();
						return value;
					},
				},
			]),
		),
	);
}
