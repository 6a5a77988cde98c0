/** Activations: the setting `activation` of many layers, and the layers that are activations. */
import {
	add,
	celu,
	clamp,
	elu,
	exp,
	ge,
	gelu,
	gt,
	hardsigmoid,
	hardswish,
	leakyRelu,
	logSigmoid,
	mish,
	mul,
	relu,
	relu6,
	selu,
	sigmoid,
	silu,
	softplus,
	softsign,
	sub,
	tanh,
	where,
} from '../../ops/elementwise';
import { logSoftmax, softmax } from '../../ops/softmax';
import type { Tensor } from '../../tensor';
import { type LayerType, unary } from './layerType';
import { objectOf, type Settings } from './settings';
import { dimOf, mapped, type Value } from './values';

type Activation = (value: Value) => Value;

const ELEMENTWISE: Readonly<Record<string, (x: Tensor) => Tensor>> = {
	linear: (x) => x,
	relu: (x) => relu(x),
	relu6: (x) => relu6(x),
	sigmoid: (x) => sigmoid(x),
	tanh: (x) => tanh(x),
	softplus: (x) => softplus(x),
	softsign: (x) => softsign(x),
	elu: (x) => elu(x),
	celu: (x) => celu(x),
	selu: (x) => selu(x),
	gelu: (x) => gelu(x),
	silu: (x) => silu(x),
	swish: (x) => silu(x),
	mish: (x) => mish(x),
	exponential: (x) => exp(x),
	log_sigmoid: (x) => logSigmoid(x),
	leaky_relu: (x) => leakyRelu(x, { negativeSlope: 0.2 }),
	hard_silu: (x) => hardswish(x),
	hard_swish: (x) => hardswish(x),
};

/** What the setting `name` of a layer computes. */
export function activationOf(settings: Settings, name = 'activation'): Activation {
	const value = settings.get(name) ?? 'linear';
	const object = objectOf(value);
	const known = object === null ? value : object.className === 'function' ? object.config : object.className;
	if (typeof known !== 'string') return settings.fail(`has an activation that is ${JSON.stringify(known)}`);
	if (object !== null && Object.hasOwn(activationLayers, known)) {
		const inner = activationLayers[known]!.run(settings.inner(known, object.config), null);
		return (value) => inner([value], { named: {}, options: {}, training: false }) as Value;
	}
	if (known === 'softmax') return (value) => mapped(value, (x) => softmax(x, dimOf(value, -1)));
	if (known === 'log_softmax') return (value) => mapped(value, (x) => logSoftmax(x, dimOf(value, -1)));
	// Keras 3 has another slope than Keras 2.
	if (known === 'hard_sigmoid') return (value) => mapped(value, settings.isKeras3 ? (x) => hardsigmoid(x) : hardSigmoid2);
	const fn = Object.hasOwn(ELEMENTWISE, known) ? ELEMENTWISE[known]! : null;
	if (fn === null) return settings.fail(`has the activation "${known}", which has no counterpart`);
	return (value) => mapped(value, fn);
}

function hardSigmoid2(x: Tensor): Tensor {
	return clamp(add(mul(x, 0.2), 0.5), 0, 1);
}

/** max(x, threshold) up to `most`, and a slope below the threshold. */
function reluOf(settings: Settings) {
	const most = settings.get('max_value') === undefined ? null : settings.number('max_value');
	const slope = settings.number(settings.get('alpha') === undefined ? 'negative_slope' : 'alpha', 0);
	const threshold = settings.number('threshold', 0);
	return (x: Tensor) => {
		const above = most === null ? x : clamp(x, { max: most });
		if (threshold === 0 && slope === 0) return relu(above);
		const below = slope === 0 ? 0 : mul(sub(x, threshold), slope);
		return where(ge(x, threshold), above, below);
	};
}

export const activationLayers: Readonly<Record<string, LayerType>> = {
	Activation: unary((settings) => activationOf(settings)),
	ReLU: unary((settings) => {
		const fn = reluOf(settings);
		return (value) => mapped(value, fn);
	}),
	ThresholdedReLU: unary((settings) => {
		const theta = settings.number('theta', 1);
		return (value) => mapped(value, (x) => where(gt(x, theta), x, 0));
	}),
	LeakyReLU: unary((settings) => {
		const negativeSlope = settings.number(settings.get('alpha') === undefined ? 'negative_slope' : 'alpha', 0.3);
		return (value) => mapped(value, (x) => leakyRelu(x, { negativeSlope }));
	}),
	ELU: unary((settings) => {
		const alpha = settings.number('alpha', 1);
		return (value) => mapped(value, (x) => elu(x, { alpha }));
	}),
	Softmax: unary((settings) => {
		const axis = settings.integer('axis', -1);
		return (value) => mapped(value, (x) => softmax(x, dimOf(value, axis)));
	}),
};
