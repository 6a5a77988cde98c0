/** Runs the references of users' kernels. */

import type { TypedArray } from '../../core/dtype';
import { numel } from '../../core/shape';
import type { CustomKernels, KernelArray } from '../contract/custom';
import type { View } from '../contract/storage';
import { cpuData } from './storage';

export const custom: CustomKernels = {
	custom(inputs, outputs, { kernel, params }) {
		kernel.cpu(arrays(inputs), arrays(outputs), params);
	},
};

function arrays(views: Readonly<Record<string, View>>): Record<string, KernelArray> {
	return Object.fromEntries(Object.entries(views).map(([name, view]) => [name, { data: elements(view), shape: view.shape }]));
}

/** The elements of a contiguous view from offset 0: those of a larger storage may follow. */
function elements(view: View): TypedArray {
	return cpuData(view).subarray(0, numel(view.shape));
}
