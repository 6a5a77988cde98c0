/** Classifies layers for `slim`: those that make channels, mix them, or keep them separate. */
import * as activations from '../../activation';
import { Conv1d, Conv2d, Conv3d, type ConvOptions } from '../../convolution';
import * as dropout from '../../dropout';
import { Linear } from '../../linear';
import type { Module } from '../../module';
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from '../../normalization';
import * as pooling from '../../pooling';
import { Identity } from '../../reshape';

export type Conv = Conv1d | Conv2d | Conv3d;
export type Norm = BatchNorm1d | BatchNorm2d | BatchNorm3d;

/** Layers in which each output element depends only on the input element at the same position. */
const ELEMENTWISE: readonly unknown[] = [
	activations.ReLU,
	activations.ReLU6,
	activations.Sigmoid,
	activations.LogSigmoid,
	activations.Tanh,
	activations.SiLU,
	activations.Mish,
	activations.Softsign,
	activations.SELU,
	activations.Hardsigmoid,
	activations.Hardswish,
	activations.GELU,
	activations.LeakyReLU,
	activations.ELU,
	activations.CELU,
	activations.Softplus,
	activations.Hardtanh,
	activations.RReLU,
	activations.Tanhshrink,
	activations.Softshrink,
	activations.Hardshrink,
	activations.Threshold,
	dropout.AlphaDropout,
	dropout.Dropout,
	Identity,
];

const MAX_POOLS: readonly unknown[] = [pooling.MaxPool1d, pooling.MaxPool2d, pooling.MaxPool3d];
const AVERAGE_POOLS: readonly unknown[] = [pooling.AvgPool1d, pooling.AvgPool2d, pooling.AvgPool3d];
const ADAPTIVE_POOLS: readonly unknown[] = [
	pooling.AdaptiveAvgPool1d,
	pooling.AdaptiveAvgPool2d,
	pooling.AdaptiveAvgPool3d,
	pooling.AdaptiveMaxPool1d,
	pooling.AdaptiveMaxPool2d,
	pooling.AdaptiveMaxPool3d,
];

export function isElementwise(module: Module): module is Module & { forward(input: unknown): never } {
	return ELEMENTWISE.includes(module.constructor);
}

export function isPool(module: Module): boolean {
	return [...MAX_POOLS, ...AVERAGE_POOLS, ...ADAPTIVE_POOLS].includes(module.constructor);
}

/** Whether a pooling layer maps a constant to itself. Zero padding and other divisors change it. */
export function poolKeepsConstants(module: Module): boolean {
	if (!AVERAGE_POOLS.includes(module.constructor)) return true;
	const { padding = 0, countIncludePad = true, divisorOverride } = (module as pooling.AvgPool2d).options;
	return divisorOverride === undefined && (!countIncludePad || [padding].flat().every((size) => size === 0));
}

export function isConv(module: Module): module is Conv {
	return [Conv1d, Conv2d, Conv3d].includes(module.constructor as never);
}

export function isNorm(module: Module): module is Norm {
	return [BatchNorm1d, BatchNorm2d, BatchNorm3d].includes(module.constructor as never);
}

export function isLinear(module: Module): module is Linear {
	return module.constructor === Linear;
}

export function groupsOf(conv: Conv): number {
	return (conv.options as ConvOptions).groups ?? 1;
}

/** Whether each output channel depends on only one input channel. */
export function isDepthwise(conv: Conv): boolean {
	return groupsOf(conv) > 1 && groupsOf(conv) === conv.inChannels;
}

/** Whether a convolution maps a constant input to a constant, at the edges too. */
export function convKeepsConstants(conv: Conv): boolean {
	const { padding = 0, paddingMode = 'zeros' } = conv.options as ConvOptions;
	return paddingMode !== 'zeros' || padding === 'valid' || [padding].flat().every((size) => size === 0);
}

/** A layer that mixes all its inputs to make output channels. */
interface Producer {
	readonly module: Linear | Conv;
	readonly channels: number;
}

export function producerOf(module: Module): Producer | null {
	if (isLinear(module)) return { module, channels: module.outFeatures };
	return isConv(module) && !isDepthwise(module) ? { module, channels: module.outChannels } : null;
}
