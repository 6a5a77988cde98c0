/** Launches of users' kernels. */
import { defineKernel, type Kernel, read, readWrite } from '../../../shaders/shader';
import { DeviceError } from '../../core/errors';
import { numel } from '../../core/shape';
import type { CustomKernel, CustomKernels } from '../contract/custom';
import type { Gpu } from './launch';

/** The parameter that holds the number of invocations, if the kernel has no workgroups of its own. */
const INVOCATIONS = 'invocations';

type Work = 'invocations' | 'workgroups';

type Defined = Partial<Record<Work, Kernel<KernelVariant>>>;

/** The number of the definition, because several may have one name; and what its grid counts. */
type KernelVariant = { readonly definition: number; readonly work: Work };

const numbers = new WeakMap<CustomKernel, number>();
let definitions = 0;

function numberOf(kernel: CustomKernel): number {
	const known = numbers.get(kernel);
	if (known !== undefined) return known;
	numbers.set(kernel, definitions);
	return definitions++;
}

export function customKernels(gpu: Gpu): CustomKernels {
	const defined = new WeakMap<CustomKernel, Defined>();
	return {
		custom(inputs, outputs, { kernel: own, params, work }) {
			const counts = 'invocations' in work ? 'invocations' : 'workgroups';
			const known = defined.get(own) ?? {};
			const kernel = known[counts] ?? kernelOf(own, counts, gpu);
			known[counts] = kernel;
			defined.set(own, known);
			const views = Object.entries({ ...inputs, ...outputs });
			gpu.launch({
				kernel,
				variant: { definition: numberOf(own), work: counts },
				buffers: Object.fromEntries(views.map(([name, view]) => [name, view.storage])),
				params: 'invocations' in work ? { ...params, [INVOCATIONS]: work.invocations } : params,
				grid: ['invocations' in work ? Math.ceil(work.invocations / own.workgroupSize) : work.workgroups],
				flops: 0,
				bytes: 4 * views.reduce((sum, [, { shape }]) => sum + numel(shape), 0),
			});
		},
	};
}

function kernelOf(own: CustomKernel, counts: Work, gpu: Gpu): Kernel<KernelVariant> {
	const { name, inputs, outputs, params, workgroupSize, functions, main } = own;
	const most = gpu.limits.maxComputeInvocationsPerWorkgroup;
	if (workgroupSize > most)
		throw new DeviceError(`${name}: workgroupSize ${workgroupSize} exceeds this adapter's limit of ${most} invocations`);
	return defineKernel({
		name: `custom.${name}`,
		params: { ...params, ...(counts === 'invocations' && { [INVOCATIONS]: 'u32' as const }) },
		define: (_: KernelVariant) => ({
			bindings: {
				...Object.fromEntries(Object.entries(inputs).map(([input, type]) => [input, read(type)])),
				...Object.fromEntries(Object.entries(outputs).map(([output, type]) => [output, readWrite(type)])),
			},
			workgroupSize,
			invocations: counts === 'invocations' ? `p.${INVOCATIONS}` : undefined,
			functions,
			main,
			written: { functions, main },
		}),
	}) as unknown as Kernel<KernelVariant>;
}
