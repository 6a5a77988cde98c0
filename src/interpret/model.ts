/** How attributions run a model: the target of each example, repeated batches, gradients by inputs, and modes that come back. */
import { grad } from '../autograd/backward';
import { enableGrad, noGrad } from '../autograd/modes';
import { describe, requireArray, requireFunction, requireInteger, wrongArgument } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, AutogradError, formatShape, ShapeError } from '../core/errors';
import { broadcastShapes, sameShape } from '../core/shape';
import { Module } from '../nn/module';
import { tensor } from '../ops/creation';
import { to } from '../ops/elementwise';
import { gather } from '../ops/indexing';
import { detach, expand, reshape, select, unsqueeze } from '../ops/layout';
import { sum } from '../ops/reduce';
import { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';

/** A module, or a function of tensors. The mode of what a function calls is the caller's business. */
export type Interpretable = Module | ((...inputs: Tensor[]) => Tensor);

/** One input, or all inputs of a model that takes several. Dim 0 is the batch. */
export type Inputs = Tensor | readonly Tensor[];

/** Attributions come as the inputs do. */
export type Like<I extends Inputs> = I extends Tensor ? Tensor : Tensor[];

/**
 * Which output is explained. A number: that class of outputs [N, C]. A list of N numbers or an integer tensor [N]: a class for each
 * example. A function: from the model's output to a value for each example, [N]; it may see the batch several times over, in order.
 * null, the default: the output itself, which must have one value for each example.
 */
export type Target = number | readonly number[] | Tensor | ((output: Tensor) => Tensor) | null;

export interface AttributionOptions {
	/** Which output is explained. Default null: the output has one value for each example. */
	readonly target?: Target;
	/** Further arguments of the model after the inputs. Tensors of N rows are repeated when the batch is. Default none. */
	readonly additionalForwardArgs?: readonly unknown[];
}

/** What stands for the absence of an input: a number, or a tensor that broadcasts to the input. For several inputs, one for each. */
export type Baseline = number | Tensor;

/** A model with its inputs and target, all checked. */
export class Subject {
	readonly rows: number;
	readonly #target: Target;
	readonly #more: readonly unknown[];

	constructor(
		readonly name: string,
		readonly model: Interpretable,
		readonly inputs: readonly Tensor[],
		{ target = null, additionalForwardArgs = [] }: AttributionOptions,
	) {
		requireModel(name, model);
		requireArray(name, 'additionalForwardArgs', additionalForwardArgs, 'a list of further arguments');
		const [first] = inputs;
		for (const [i, input] of inputs.entries()) {
			requireTensor(name, input, inputs.length === 1 ? 'input' : `input ${i}`);
			if (input.ndim === 0 || input.shape[0] !== first!.shape[0])
				throw new ShapeError(
					`${name}: all inputs must have one batch size as dim 0, not ${inputs.map(({ shape }) => formatShape(shape)).join(', ')}. Add a batch of 1 with unsqueeze(0)`,
				);
		}
		this.rows = first!.shape[0]!;
		requireTarget(name, target, this.rows);
		this.#target = target;
		this.#more = additionalForwardArgs;
	}

	/** The value that is explained, [times * rows], for inputs that repeat the batch `times` times. */
	values(inputs: readonly Tensor[], times = 1): Tensor {
		const more = this.#more.map((value) =>
			value instanceof Tensor && value.shape[0] === this.rows ? repeated(value, times) : value,
		);
		const output = call(this.model, [...inputs, ...more]);
		return selected(this.name, output, this.#target, this.rows, times);
	}

	/** The gradients of the sum of all values by the inputs. */
	gradients(inputs: readonly Tensor[], times = 1): Tensor[] {
		return gradientsOf(this.name, inputs, (own) => this.values(own, times));
	}
}

/** Runs `fn` with the model in inference mode, without recording, and restores every module's mode. */
export function inInference<T>(model: Interpretable, fn: () => T): T {
	if (!(model instanceof Module)) return noGrad(fn);
	const modes = model.modules().map((module) => [module, module.training] as const);
	try {
		model.eval();
		return noGrad(fn);
	} finally {
		for (const [module, training] of modes) module.training = training;
	}
}

/** The gradients by `points` of the sum of what `evaluate` makes of them. */
export function gradientsOf(name: string, points: readonly Tensor[], evaluate: (own: Tensor[]) => Tensor): Tensor[] {
	return enableGrad(() => {
		const own = points.map((point) => detach(point).requiresGrad_());
		const values = evaluate(own);
		const found = values.requiresGrad ? grad(sum(values), own, { allowUnused: true }) : own.map(() => null);
		return found.map((gradient, i) => {
			if (gradient !== null) return gradient;
			const which = points.length === 1 ? 'the input' : `input ${i}`;
			throw new AutogradError(
				`${name}: the output does not depend on ${which} through differentiable operations. Check the target, and that the model does not run under noGrad or detach`,
			);
		});
	});
}

export function requireModel(name: string, model: unknown): asserts model is Interpretable {
	if (model instanceof Module) return;
	requireFunction(name, 'model', model, 'a module or a function of tensors');
}

/** Inputs as a list. */
export function listOf(name: string, inputs: unknown): readonly Tensor[] {
	if (inputs instanceof Tensor) return [inputs];
	if (Array.isArray(inputs) && inputs.length > 0) return inputs;
	throw wrongArgument(name, 'input', 'a tensor or a list of tensors', inputs);
}

/** Throws for inputs that have no gradient. */
export function requireContinuous(name: string, inputs: readonly Tensor[]): void {
	for (const { dtype } of inputs) {
		if (!isFloating(dtype))
			throw new ArgumentError(
				`${name}: inputs of ${dtype} have no gradient. Convert pixels with .to('float32'); for token ids explain the embedding: layerIntegratedGradients(model, embedding, ids)`,
			);
	}
}

/** Attributions in the form of the inputs. */
export function like<I extends Inputs>(inputs: I, results: Tensor[]): Like<I> {
	return (inputs instanceof Tensor ? results[0]! : results) as Like<I>;
}

/** Calls the model. Its output must be a tensor. */
export function call(model: Interpretable, inputs: readonly unknown[]): unknown {
	const forward = (model instanceof Module ? model.forward.bind(model) : model) as (...inputs: readonly unknown[]) => unknown;
	return forward(...inputs);
}

/** The batch `times` times over, [times * N, ...]. */
export function repeated(x: Tensor, times: number): Tensor {
	if (times === 1) return x;
	return reshape(expand(unsqueeze(x, 0), [times, ...x.shape]), [times * x.shape[0]!, ...x.shape.slice(1)]);
}

/** Each input's baseline: a tensor that broadcasts to it, of its dtype. Default zeros. */
export function baselinesOf(
	name: string,
	inputs: readonly Tensor[],
	given: Baseline | readonly Baseline[] | undefined,
): Tensor[] {
	const list: readonly unknown[] = Array.isArray(given) ? given : inputs.map(() => given ?? 0);
	if (list.length !== inputs.length || (inputs.length > 1 && given instanceof Tensor))
		throw new ArgumentError(`${name}: ${inputs.length} inputs need a list of ${inputs.length} baselines, or one number for all`);
	return inputs.map((input, i) => {
		const baseline = list[i];
		if (typeof baseline === 'number') return tensor(baseline, { dtype: input.dtype, device: input.device });
		if (!(baseline instanceof Tensor)) throw wrongArgument(name, 'baselines', 'a number or a tensor', baseline);
		if (baseline.device !== input.device || !broadcasts(baseline, input))
			throw new ShapeError(
				`${name}: a baseline of shape ${formatShape(baseline.shape)} on ${baseline.device} does not broadcast to the input ${formatShape(input.shape)} on ${input.device}`,
			);
		return to(baseline, input.dtype);
	});
}

function broadcasts(a: Tensor, b: Tensor): boolean {
	if (a.ndim > b.ndim) return false;
	try {
		return sameShape(broadcastShapes('baselines', a.shape, b.shape), b.shape);
	} catch {
		return false;
	}
}

function requireTarget(name: string, target: unknown, rows: number): void {
	if (target === null || typeof target === 'function') return;
	if (target instanceof Tensor) {
		if (isFloating(target.dtype) || (target.size !== rows && target.size !== 1))
			throw new ArgumentError(
				`${name}: a target tensor must hold ${rows} classes as int32, not ${target.dtype} ${formatShape(target.shape)}`,
			);
		return;
	}
	if (Array.isArray(target)) {
		for (const index of target) requireInteger(name, 'each target', index);
		if (target.length !== rows)
			throw new ArgumentError(`${name}: ${rows} examples but ${target.length} targets; give one for each, or a single number`);
		return;
	}
	if (typeof target !== 'number') throw wrongArgument(name, 'target', 'a class, classes [N], a function or null', target);
	requireInteger(name, 'target', target);
}

function selected(name: string, output: unknown, target: Target, rows: number, times: number): Tensor {
	const all = rows * times;
	if (!(output instanceof Tensor))
		throw new ArgumentError(
			`${name}: the model must return a tensor, not ${describe(output)}. Wrap it: (x) => model.forward(x).logits`,
		);
	if (typeof target === 'function') return requireValues(name, target(output), all, 'what the target function returns');
	if (target === null) return requireValues(name, output, all, 'without a target the output');
	if (output.ndim !== 2 || output.shape[0] !== all)
		throw new ShapeError(
			`${name}: a target class needs outputs [${all}, classes], not ${formatShape(output.shape)}. For other outputs give a function from the output to a value for each example`,
		);
	const classes = output.shape[1]!;
	const inRange = (index: number) => {
		if (index >= -classes && index < classes) return index < 0 ? index + classes : index;
		throw new ArgumentError(`${name}: target ${index} is out of range for ${classes} classes`);
	};
	if (typeof target === 'number') return select(output, 1, inRange(target));
	const indices =
		target instanceof Tensor
			? expand(reshape(to(target, 'int32'), [-1]), [rows])
			: tensor(Int32Array.from(target as readonly number[], inRange), { device: output.device });
	return reshape(gather(output, 1, reshape(repeated(indices, times), [all, 1])), [all]);
}

function requireValues(name: string, values: unknown, all: number, what: string): Tensor {
	if (values instanceof Tensor && values.size === all && isFloating(values.dtype)) return reshape(values, [all]);
	throw new ShapeError(
		`${name}: ${what} must be one floating value for each example, [${all}], not ${describe(values)}. Give a class as target, or a function`,
	);
}
