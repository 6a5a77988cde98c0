/** `kernelCheck`: compares a user's kernel on the GPU with its reference on the CPU. */
import { noGrad } from '../autograd/modes';
import type { KernelElement, KernelParameter } from '../backends/contract/custom';
import { layoutKernels } from '../backends/kernels';
import { backendOf } from '../backends/registry';
import { requireBoolean, requireNonNegative } from '../core/checks';
import { ArgumentError, formatShape } from '../core/errors';
import { checkOptions, requireOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { to } from './elementwise';
import { type KernelFunction, type KernelValues, type UserKernel, userKernelOf } from './kernel';

export interface KernelCheckOptions {
	/** Relative tolerance. Default 1e-5. */
	readonly rtol?: number;
	/** Absolute tolerance. Default 1e-6. */
	readonly atol?: number;
	/** Whether to throw an ArgumentError that names the worst element, instead of returning false. Default true. */
	readonly raise?: boolean;
}

/**
 * Checks that a kernel of `defineKernel` computes on the GPU what its reference computes on the CPU in float64, at these inputs (tensors of any device).
 * Resolves to true. Throws an ArgumentError with the worst element, or resolves to false without `raise`. Elements that the kernel does not write differ, too.
 * Throws a DeviceError with the compiler's messages if the WGSL does not compile, and one if there is no WebGPU device. Its gradients are checked
 * by `gradcheck`.
 */
export async function kernelCheck<
	I extends Readonly<Record<string, KernelElement>>,
	O extends Readonly<Record<string, KernelElement>>,
	P extends Readonly<Record<string, KernelParameter>>,
>(
	kernel: KernelFunction<I, O, P>,
	inputs: { readonly [K in keyof I]: Tensor },
	params: KernelValues<P>,
	options: KernelCheckOptions = {},
): Promise<boolean> {
	checkOptions('kernelCheck', options, ['rtol', 'atol', 'raise']);
	const { rtol = 1e-5, atol = 1e-6, raise = true } = options;
	requireNonNegative('kernelCheck', 'rtol', rtol);
	requireNonNegative('kernelCheck', 'atol', atol);
	requireBoolean('kernelCheck', 'raise', raise);
	const rule = userKernelOf(kernel);
	if (rule === undefined) throw new ArgumentError('kernelCheck: takes a function that defineKernel made');
	backendOf('webgpu');
	const given = requireOptions('kernelCheck', inputs) as Readonly<Record<string, Tensor>>;
	const host: Record<string, Tensor> = {};
	for (const [name, x] of Object.entries(given)) {
		requireTensor('kernelCheck', x, name);
		host[name] = await to(x, 'cpu');
	}
	const [actual, expected] = tidy(() =>
		noGrad(() => [
			rule.poisoned(poison, () =>
				rule.call(
					mapped(host, (x) => to(x, 'webgpu')),
					params,
				),
			),
			rule.call(
				mapped(host, (x, name) => (rule.kernel.inputs[name] === 'f32' ? to(x, 'float64') : x)),
				params,
			),
		]),
	) as unknown as [Outputs, Outputs];
	for (const [name, output] of Object.entries(expected)) {
		const difference = worst(await actual[name]!.data(), await output.data(), rtol, atol);
		for (const tensor of [actual[name]!, output]) tensor.dispose();
		if (difference === null) continue;
		if (!raise) return false;
		throw new ArgumentError(describe(rule, name, output.shape, difference));
	}
	return true;
}

type Outputs = Readonly<Record<string, Tensor>>;

function mapped(tensors: Outputs, fn: (x: Tensor, name: string) => Tensor): Outputs {
	return Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, fn(x, name)]));
}

/** Fills an output with what no kernel writes by chance. */
function poison(output: Tensor): void {
	const value = output.dtype === 'float32' ? Number.NaN : output.dtype === 'int32' ? -1234567891 : 1;
	layoutKernels(output.backend).fill({}, { y: output }, { value });
}

interface Difference {
	readonly element: number;
	readonly count: number;
	readonly actual: number;
	readonly expected: number;
	readonly allowed: number;
}

function worst(
	actual: ArrayLike<number | bigint>,
	expected: ArrayLike<number | bigint>,
	rtol: number,
	atol: number,
): Difference | null {
	let found: Difference | null = null;
	let count = 0;
	let most = 0;
	for (let element = 0; element < expected.length; element++) {
		const [got, wanted] = [Number(actual[element]), Number(expected[element])];
		if (Object.is(got, wanted) || got === wanted) continue;
		const allowed = atol + rtol * Math.abs(wanted);
		const excess = Math.abs(got - wanted) / allowed;
		if (excess <= 1) continue;
		count++;
		// Not a number is worse than any.
		if (found !== null && excess <= most) continue;
		most = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
		found = { element, count, actual: got, expected: wanted, allowed };
	}
	return found === null ? null : { ...(found as Difference), count };
}

function describe(
	{ kernel }: UserKernel,
	output: string,
	shape: readonly number[],
	{ element, count, ...values }: Difference,
): string {
	const index: number[] = [];
	let rest = element;
	for (const size of [...shape].reverse()) {
		index.unshift(rest % size);
		rest = Math.floor(rest / size);
	}
	const unwritten = Number.isNaN(values.actual) ? '. The kernel computes NaN there or does not write the element' : '';
	return (
		`kernelCheck(${kernel.name}): ${count} elements of ${output} ${formatShape(shape)} differ; worst at ${formatShape(index)}: ` +
		`GPU ${values.actual}, reference ${values.expected}, allowed difference ${values.allowed.toExponential(2)}${unwritten}`
	);
}
