/**
 * Checks gradients against central differences, in float64 on the CPU.
 *
 * Compares the difference quotient of a random linear functional of the outputs with the analytical gradient, element by element.
 * (f(x + h) - f(x - h)) / 2h has an error of about h^2 |f'''| / 6 + 1e-16 |f| / h, which is about 1e-10 for h = 1e-6 and values near 1. So a
 * tolerance of 1e-6 catches a wrong formula.
 */

import { cpuBackend } from '../backends/cpu/backend';
import { layoutKernels } from '../backends/kernels';
import { requireFunction, wrongArgument } from '../core/checks';
import { ArgumentError, AutogradError, formatShape } from '../core/errors';
import { checkOptions } from '../core/options';
import { runOperation } from '../core/scope';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { grad } from './backward';
import { enableGrad } from './modes';
import { setRequiresGrad } from './tape';

export interface GradcheckOptions {
	/** Half the distance of the two points of a difference. Default 1e-6. */
	eps?: number;
	/** Absolute tolerance. Default 1e-6. */
	atol?: number;
	/** Relative tolerance. Default 1e-5. */
	rtol?: number;
	/** Whether to throw an AutogradError that names the worst element, instead of returning false. Default true. */
	raise?: boolean;
	/** The name in messages. Default the function's name. */
	name?: string;
}

const GRADCHECK_OPTIONS = ['eps', 'atol', 'rtol', 'raise', 'name'] as const;

/** A function of tensors, to check its gradients. */
export type Differentiable = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/**
 * Checks the gradients of `fn` against central differences at those `inputs` that require a gradient, float64 tensors on the CPU. Resolves to
 * true. Throws an AutogradError with the worst element, both values and the tolerance, or resolves to false without `raise`. Calls `fn` twice
 * for each element, in a `tidy`. As `torch.autograd.gradcheck`.
 */
export async function gradcheck(fn: Differentiable, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<boolean> {
	checkOptions('gradcheck', options, GRADCHECK_OPTIONS);
	requireFunction('gradcheck', 'fn', fn, 'a function of tensors');
	const name = options.name ?? (fn.name || 'fn');
	const checked = requireInputs('gradcheck', name, inputs);
	const worst = compare(fn, fn, inputs, checked, options);
	if (worst === null) return true;
	if (options.raise === false) return false;
	throw new AutogradError(describe('gradcheck', name, worst));
}

/**
 * Checks the second derivatives of `fn`: gradcheck of its vector-Jacobian product, by the inputs and by the incoming gradient. As
 * `torch.autograd.gradgradcheck`.
 */
export async function gradgradcheck(
	fn: Differentiable,
	inputs: readonly Tensor[],
	options: GradcheckOptions = {},
): Promise<boolean> {
	checkOptions('gradgradcheck', options, GRADCHECK_OPTIONS);
	requireFunction('gradgradcheck', 'fn', fn, 'a function of tensors');
	const name = options.name ?? (fn.name || 'fn');
	const checked = requireInputs('gradgradcheck', name, inputs);
	const outputs = outputsOf(fn, inputs).filter((output) => output.edge !== null);
	if (outputs.length === 0) return true;
	const cotangents = outputs.map((output, i) => {
		const cotangent = fromValues(weights(output.size, 77 + i), output.shape);
		setRequiresGrad(cotangent, true);
		return cotangent;
	});
	const product = (all: readonly Tensor[], createGraph: boolean): Tensor[] => {
		const given = all.slice(0, inputs.length);
		const results = outputsOf(fn, given).filter((output) => output.edge !== null);
		const targets = checked.map((i) => given[i]!);
		const gradients = grad(results, targets, { gradOutputs: all.slice(inputs.length), createGraph, allowUnused: true });
		return gradients.filter((gradient): gradient is Tensor => gradient !== null);
	};
	const all = [...inputs, ...cotangents];
	const indices = [...checked, ...cotangents.map((_, i) => inputs.length + i)];
	// The differences use the gradient of an unrecorded walk, as `backward()` computes it. The recorded walk must have its derivative.
	const worst = compare(
		(...given) => product(given, true),
		(...given) => product(given, false),
		all,
		indices,
		options,
	);
	if (worst === null) return true;
	if (options.raise === false) return false;
	throw new AutogradError(describe('gradgradcheck', name, worst));
}

interface Mismatch {
	readonly input: number;
	readonly shape: readonly number[];
	readonly element: number;
	readonly numerical: number;
	readonly analytical: number;
	readonly allowed: number;
	readonly count: number;
}

function requireInputs(operation: string, name: string, inputs: readonly Tensor[]): number[] {
	if (!Array.isArray(inputs))
		throw new ArgumentError(`${operation}(${name}): the inputs come as a list of tensors: ${operation}(fn, [x, y])`);
	const checked: number[] = [];
	inputs.forEach((input, i) => {
		if (!(input instanceof Tensor)) throw wrongArgument(`${operation}(${name})`, `input ${i}`, 'a tensor', input);
		if (!input.requiresGrad) return;
		if (input.dtype !== 'float64' || input.device !== 'cpu') {
			throw new ArgumentError(
				`${operation}(${name}): input ${i} is ${input.dtype} on ${input.device}; differences need float64 on the CPU`,
			);
		}
		checked.push(i);
	});
	if (checked.length === 0)
		throw new ArgumentError(`${operation}(${name}): no input requires a gradient, so there is nothing to check`);
	return checked;
}

function outputsOf(fn: Differentiable, inputs: readonly Tensor[]): Tensor[] {
	const outputs = enableGrad(() => fn(...inputs));
	return outputs instanceof Tensor ? [outputs] : [...outputs];
}

/** Fixed weights of both signs in [0.5, 1.5), so that no output cancels another by symmetry. */
function weights(size: number, seed: number): Float64Array {
	const result = new Float64Array(size);
	let state = seed >>> 0;
	for (let i = 0; i < size; i++) {
		state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
		result[i] = (state & 1 ? 1 : -1) * (0.5 + (state >>> 1) / 2 ** 31);
	}
	return result;
}

function fromValues(values: Float64Array, shape: readonly number[]): Tensor {
	return runOperation('gradcheck', () => new Tensor(cpuBackend.upload(values, 'float64'), shape));
}

function hostValues(tensor: Tensor): Float64Array {
	return tensor.storage.hostData!() as Float64Array;
}

/** sum over outputs and elements of weight * output. */
function functional(fn: Differentiable, inputs: readonly Tensor[], factors: readonly Float64Array[]): number {
	return tidy(() => {
		let total = 0;
		let k = 0;
		for (const output of outputsOf(fn, inputs)) {
			if (output.dtype !== 'float64') continue;
			const w = factors[k++];
			if (w?.length !== output.size)
				throw new AutogradError('gradcheck: the outputs of the function change their number or shapes from call to call');
			const packed = output.isContiguous && output.offset === 0 ? hostValues(output) : pack(output);
			for (let i = 0; i < w.length; i++) total += w[i]! * packed[i]!;
		}
		return total;
	});
}

function pack(tensor: Tensor): Float64Array {
	const target = fromValues(new Float64Array(tensor.size), tensor.shape);
	runOperation('gradcheck', () => layoutKernels(cpuBackend).copy({ x: tensor }, { y: target }, {}));
	return hostValues(target);
}

/** The storage positions of a view's elements, in row-major order. */
function positionsOf(tensor: Tensor): number[] {
	const result: number[] = [];
	const descend = (dim: number, position: number): void => {
		if (dim === tensor.ndim) result.push(position);
		else for (let i = 0; i < tensor.shape[dim]!; i++) descend(dim + 1, position + i * tensor.strides[dim]!);
	};
	descend(0, tensor.offset);
	return result;
}

/** Compares the gradients of `fn` with differences of `evaluated`, a function with the same values. */
function compare(
	fn: Differentiable,
	evaluated: Differentiable,
	inputs: readonly Tensor[],
	checked: readonly number[],
	options: GradcheckOptions,
): Mismatch | null {
	const { eps = 1e-6, atol = 1e-6, rtol = 1e-5 } = options;
	// Detached copies with the same strides, so that each element changes alone, even in a view that repeats elements.
	const points = inputs.map((input, i) => (checked.includes(i) ? separate(input) : input));
	const targets = checked.map((i) => points[i]!);
	const outputs = outputsOf(fn, points);
	const differentiable = outputs.filter((output) => output.edge !== null);
	const weighed = outputs.filter((output) => output.dtype === 'float64');
	const factors = weighed.map((output, k) => weights(output.size, 11 + k));
	const seeds = weighed.flatMap((output, k) => (output.edge === null ? [] : [fromValues(factors[k]!, output.shape)]));
	const gradients =
		differentiable.length === 0
			? targets.map(() => null)
			: grad(differentiable, targets, { gradOutputs: seeds, allowUnused: true });
	let worst: Mismatch | null = null;
	let count = 0;
	targets.forEach((target, t) => {
		const analytical = gradients[t] == null ? new Float64Array(target.size) : pack(gradients[t]!);
		const data = hostValues(target);
		positionsOf(target).forEach((position, element) => {
			const before = data[position]!;
			data[position] = before + eps;
			const above = functional(evaluated, points, factors);
			data[position] = before - eps;
			const below = functional(evaluated, points, factors);
			data[position] = before;
			const numerical = (above - below) / (2 * eps);
			const allowed = atol + rtol * Math.abs(numerical);
			const error = Math.abs(numerical - analytical[element]!);
			if (error <= allowed) return;
			count++;
			if (worst === null || !(error / allowed <= Math.abs(worst.numerical - worst.analytical) / worst.allowed)) {
				worst = { input: checked[t]!, shape: target.shape, element, numerical, analytical: analytical[element]!, allowed, count };
			}
		});
	});
	return worst === null ? null : { ...(worst as Mismatch), count };
}

/** A leaf with the values of `input` in its own memory. It has the layout of `input`, but does not repeat elements. */
function separate(input: Tensor): Tensor {
	const order = input.shape.map((_, d) => d).sort((a, b) => Math.abs(input.strides[b]!) - Math.abs(input.strides[a]!));
	const strides = new Array<number>(input.ndim);
	let step = 1;
	for (let i = order.length - 1; i >= 0; i--) {
		strides[order[i]!] = step;
		step *= Math.max(input.shape[order[i]!]!, 1);
	}
	const offset = input.offset > 0 ? 1 : 0;
	const leaf = runOperation('gradcheck', () => {
		const memory = cpuBackend.upload(new Float64Array(step + offset), 'float64');
		const leaf = new Tensor(memory, input.shape, strides, offset);
		layoutKernels(cpuBackend).copyInto({ x: input }, { y: leaf }, {});
		return leaf;
	});
	setRequiresGrad(leaf, true);
	return leaf;
}

function describe(operation: string, name: string, worst: Mismatch): string {
	const index: number[] = [];
	let rest = worst.element;
	for (let d = worst.shape.length - 1; d >= 0; d--) {
		index.unshift(rest % worst.shape[d]!);
		rest = Math.floor(rest / worst.shape[d]!);
	}
	return (
		`${operation}(${name}): ${worst.count} elements differ; worst in input ${worst.input} of shape ${formatShape(worst.shape)} at ${formatShape(index)}: ` +
		`numerical ${worst.numerical}, analytical ${worst.analytical}, allowed difference ${worst.allowed.toExponential(2)}`
	);
}
