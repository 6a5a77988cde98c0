/** Activation functions by their names in configs. */
import { gelu, hardswish, relu, silu, tanh } from '../ops/elementwise';
import type { Tensor } from '../tensor';

export type ActivationName = keyof typeof ACTIVATIONS;

export const ACTIVATIONS = {
	relu,
	silu,
	swish: silu,
	tanh,
	hardswish,
	gelu: (x: Tensor) => gelu(x),
	gelu_new: (x: Tensor) => gelu(x, { approximate: 'tanh' }),
	gelu_pytorch_tanh: (x: Tensor) => gelu(x, { approximate: 'tanh' }),
} as const;

export const ACTIVATION_NAMES = Object.keys(ACTIVATIONS) as ActivationName[];
