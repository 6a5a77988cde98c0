/** Attributions by one gradient: saliency, input times gradient, guided backpropagation. */
import { customOp } from '../autograd/custom';
import { requireBoolean } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkOptions } from '../core/options';
import { ReLU } from '../nn/activation';
import { Module } from '../nn/module';
import { abs, gt, mul, relu, where } from '../ops/elementwise';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';
import {
	type AttributionOptions,
	type Inputs,
	type Interpretable,
	inInference,
	type Like,
	like,
	listOf,
	requireContinuous,
	Subject,
} from './model';

export interface SaliencyOptions extends AttributionOptions {
	/** Return absolute values. Default true. */
	readonly abs?: boolean;
}

/**
 * The gradient of the target by the input, [N, ...], as absolute values unless `abs` is false: which inputs change the prediction most when
 * they change a little. Simonyan et al. 2013. As `captum.attr.Saliency`.
 */
export function saliency<I extends Inputs>(model: Interpretable, input: I, options: SaliencyOptions = {}): Like<I> {
	const { abs: absolute = true, ...rest } = checkOptions('saliency', options, ['target', 'additionalForwardArgs', 'abs']);
	requireBoolean('saliency', 'abs', absolute);
	return byGradient('saliency', model, input, rest, (gradient) => (absolute ? abs(gradient) : gradient));
}

/**
 * The input times the gradient of the target by it, [N, ...]. For a linear model without bias the attributions sum to the prediction.
 * Shrikumar et al. 2016. As `captum.attr.InputXGradient`.
 */
export function inputXGradient<I extends Inputs>(model: Interpretable, input: I, options: AttributionOptions = {}): Like<I> {
	checkOptions('inputXGradient', options, ['target', 'additionalForwardArgs']);
	return byGradient('inputXGradient', model, input, options, mul);
}

/**
 * The gradient of the target by the input, [N, ...], where each `nn.ReLU` of the model lets only positive gradients pass. It shows edges
 * and shapes, more than what the class depends on. Springenberg et al. 2014. As `captum.attr.GuidedBackprop`. Throws an ArgumentError if
 * the model has no `nn.ReLU`.
 */
export function guidedBackprop<I extends Inputs>(model: Interpretable, input: I, options: AttributionOptions = {}): Like<I> {
	checkOptions('guidedBackprop', options, ['target', 'additionalForwardArgs']);
	return guided('guidedBackprop', model, () => byGradient('guidedBackprop', model, input, options, (gradient) => gradient));
}

function byGradient<I extends Inputs>(
	name: string,
	model: Interpretable,
	input: I,
	options: AttributionOptions,
	of: (gradient: Tensor, input: Tensor) => Tensor,
): Like<I> {
	const inputs = listOf(name, input);
	const subject = new Subject(name, model, inputs, options);
	requireContinuous(name, inputs);
	return tidy(() =>
		inInference(model, () =>
			like(
				input,
				subject.gradients(inputs).map((gradient, i) => of(gradient, inputs[i]!)),
			),
		),
	);
}

/** relu whose gradient is relu(gradient) where the input is above 0. */
const guidedRelu = customOp({
	name: 'guidedBackprop',
	forward: (context, x: Tensor) => {
		context.saveForBackward(x);
		return relu(x);
	},
	backward: (context, gradient) => where(gt(context.saved[0]!, 0), relu(gradient), 0),
});

/** Runs `fn` while every nn.ReLU of the model has the guided gradient. */
function guided<T>(name: string, model: Interpretable, fn: () => T): T {
	const layers = model instanceof Module ? model.modules().filter((module) => module instanceof ReLU) : [];
	if (layers.length === 0)
		throw new ArgumentError(`${name}: the model has no nn.ReLU whose gradient could be guided. Use nn.ReLU layers, or saliency`);
	const hooks = layers.map((layer) => layer.registerForwardHook((_, [x]) => guidedRelu(x as Tensor)));
	try {
		return fn();
	} finally {
		for (const hook of hooks) hook.remove();
	}
}
