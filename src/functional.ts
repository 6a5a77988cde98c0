/** Derivatives of functions of tensors, as matrices and products. The functions follow `torch.autograd.functional`. */
import { grad } from './autograd/backward';
import { enableGrad } from './autograd/modes';
import { setRequiresGrad } from './autograd/tape';
import { requireFunction } from './core/checks';
import { ArgumentError, formatShape, ShapeError } from './core/errors';
import { checkOptions } from './core/options';
import { zeros } from './ops/creation';
import { fill_ } from './ops/inplace';
import { detach, reshape, select, stack } from './ops/layout';
import { type Tensor, viewOf } from './tensor';
import { requireShape, requireTensor, requireTensors } from './tensorChecks';
import { tidy } from './tidy';

export interface DerivativeOptions {
	/** Makes the result differentiable again. Default false. */
	readonly createGraph?: boolean;
}

/** A function of one tensor, or of several given as an array. */
export type TensorFunction = (...inputs: Tensor[]) => Tensor;

type OneOrMany = Tensor | readonly Tensor[];

function listOf(operation: string, inputs: OneOrMany): Tensor[] {
	const list = Array.isArray(inputs) ? [...inputs] : [inputs as Tensor];
	requireTensors(operation, 'inputs and vectors', list);
	return list;
}

/** Fresh inputs for the function: leaves, or with `createGraph` views of the recorded tensors. */
function ownInputs(operation: string, inputs: OneOrMany, createGraph: boolean): Tensor[] {
	const list = listOf(operation, inputs);
	if (list.length === 0) throw new ArgumentError(`${operation}: there must be at least one input`);
	return list.map((input) => {
		if (createGraph && input.requiresGrad) return enableGrad(() => reshape(input, input.shape));
		const own = viewOf(input, input.shape, input.strides, input.offset);
		setRequiresGrad(own, true);
		return own;
	});
}

function like(inputs: OneOrMany, results: Tensor[]): Tensor | Tensor[] {
	return Array.isArray(inputs) ? results : results[0]!;
}

function evaluate(operation: string, fn: TensorFunction, inputs: readonly Tensor[]): Tensor {
	requireFunction(operation, 'fn', fn, 'a function of tensors');
	const output = enableGrad(() => fn(...inputs));
	requireTensors(operation, 'what fn returns', [output]);
	return output;
}

function gradients(output: Tensor, inputs: readonly Tensor[], gradOutput: Tensor, createGraph: boolean): Tensor[] {
	if (!output.requiresGrad) return inputs.map((input) => zeros(input.shape, { dtype: input.dtype, device: input.device }));
	const found = grad(output, inputs, { gradOutputs: gradOutput, createGraph, retainGraph: true, allowUnused: true });
	return found.map((gradient, i) => gradient ?? zeros(inputs[i]!.shape, { dtype: inputs[i]!.dtype, device: inputs[i]!.device }));
}

function requireLike(operation: string, what: string, v: Tensor, of: Tensor): void {
	requireTensor(operation, v, 'v');
	requireShape(operation, 'v', v, of.shape, of, what);
}

/** [fn(inputs), v^T J]: the product of a vector shaped like the output with the Jacobian, shaped like the inputs. */
export function vjp<I extends OneOrMany>(
	fn: TensorFunction,
	inputs: I,
	v: Tensor,
	options: DerivativeOptions = {},
): [Tensor, I extends Tensor ? Tensor : Tensor[]] {
	const { createGraph = false } = checkOptions('vjp', options, ['createGraph']);
	return tidy(() => {
		const own = ownInputs('vjp', inputs, createGraph);
		const output = evaluate('vjp', fn, own);
		requireLike('vjp', 'the output', v, output);
		const products = gradients(output, own, v, createGraph);
		return [createGraph ? output : detach(output), like(inputs, products)] as never;
	});
}

/**
 * [fn(inputs), J v]: the product of the Jacobian with a vector shaped like the inputs; the product is shaped like the output.
 * This is the double backward trick: v^T J is linear in its vector, and the gradient of that map is J v.
 */
export function jvp<I extends OneOrMany>(
	fn: TensorFunction,
	inputs: I,
	v: OneOrMany,
	options: DerivativeOptions = {},
): [Tensor, Tensor] {
	const { createGraph = false } = checkOptions('jvp', options, ['createGraph']);
	return tidy(() => {
		const own = ownInputs('jvp', inputs, createGraph);
		const vectors = listOf('jvp', v);
		if (vectors.length !== own.length)
			throw new ArgumentError(`jvp: ${own.length} inputs but ${vectors.length} vectors; give one for each`);
		for (const [i, vector] of vectors.entries()) requireLike('jvp', `input ${i}`, vector, own[i]!);
		const output = evaluate('jvp', fn, own);
		const dummy = zeros(output.shape, { dtype: output.dtype, device: output.device, requiresGrad: true });
		const value = createGraph ? output : detach(output);
		if (!output.requiresGrad) return [value, detach(dummy)];
		const pulled = gradients(output, own, dummy, true);
		const dependent = pulled.flatMap((product, i) => (product.requiresGrad ? [i] : []));
		if (dependent.length === 0) return [value, detach(dummy)];
		const [product] = grad(
			dependent.map((i) => pulled[i]!),
			[dummy],
			{ gradOutputs: dependent.map((i) => vectors[i]!), createGraph, allowUnused: true },
		);
		return [value, product ?? detach(dummy)];
	});
}

/** All partial derivatives: for each input a tensor with the output's shape followed by the input's shape. */
export function jacobian<I extends OneOrMany>(
	fn: TensorFunction,
	inputs: I,
	options: DerivativeOptions = {},
): I extends Tensor ? Tensor : Tensor[] {
	const { createGraph = false } = checkOptions('jacobian', options, ['createGraph']);
	return tidy(() => {
		const own = ownInputs('jacobian', inputs, createGraph);
		const output = evaluate('jacobian', fn, own);
		return like(inputs, rowsOf(output, own, createGraph)) as never;
	});
}

function rowsOf(output: Tensor, own: readonly Tensor[], createGraph: boolean): Tensor[] {
	const rows: Tensor[][] = own.map(() => []);
	for (let i = 0; i < output.size; i++) {
		const unit = zeros([output.size], { dtype: output.dtype, device: output.device });
		fill_(select(unit, 0, i), 1);
		for (const [k, row] of gradients(output, own, reshape(unit, output.shape), createGraph).entries()) rows[k]!.push(row);
	}
	return rows.map((list, k) => {
		const shape = [...output.shape, ...own[k]!.shape];
		return list.length === 0 ? zeros(shape, { dtype: own[k]!.dtype, device: own[k]!.device }) : reshape(stack(list), shape);
	});
}

/**
 * Second derivatives of a scalar function. For one input: a tensor with the input's shape twice. For several: a square array,
 * where [i][j] has the shape of input i followed by that of input j.
 */
export function hessian<I extends OneOrMany>(
	fn: TensorFunction,
	inputs: I,
	options: DerivativeOptions = {},
): I extends Tensor ? Tensor : Tensor[][] {
	const { createGraph = false } = checkOptions('hessian', options, ['createGraph']);
	return tidy(() => {
		const own = ownInputs('hessian', inputs, createGraph);
		const output = evaluate('hessian', fn, own);
		if (output.size !== 1)
			throw new ShapeError(`hessian: the function must give a scalar, not shape ${formatShape(output.shape)}`);
		const unit = fill_(zeros(output.shape, { dtype: output.dtype, device: output.device }), 1);
		const first = gradients(output, own, unit, true);
		const blocks = first.map((row) => rowsOf(row, own, createGraph));
		return (Array.isArray(inputs) ? blocks : blocks[0]![0]) as never;
	});
}
