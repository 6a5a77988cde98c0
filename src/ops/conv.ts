/**
 * Convolutions and transposed convolutions of one to three spatial dims, channels first.
 *
 * One bilinear map has three directions: `convolution`, `inputGradient` and `weightGradient`. The gradient of each by each of its inputs is
 * another of the three, so gradients of every order exist, and each is one kernel.
 */

import { currentAutocast } from '../autograd/modes';
import { defineOperation } from '../autograd/operation';
import type { ConvAttributes } from '../backends/contract/conv';
import { convKernels } from '../backends/kernels';
import { requireInteger, wrongArgument } from '../core/checks';
import { requireFloating } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions, type Leading, leadingOptions } from '../core/options';
import type { Shape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireSameDevice, requireSameDType, requireShape, requireTensor } from '../tensorChecks';
import { composed } from './composed';
import { contiguous, squeeze, unsqueeze } from './layout';
import { sum } from './reduce';
import {
	CONV_NAMES,
	CONV_TRANSPOSE_NAMES,
	type ConvPositions,
	type ConvTransposePositions,
	type PerDim,
	perDim,
	windowCounts,
} from './windows';

export interface ConvOptions {
	/** Distance between the windows. Default 1. */
	stride?: PerDim;
	/** Zeros at both ends of each dim. 'valid' is 0. 'same' keeps the size, for stride 1; an odd zero goes to the far end. Default 0. */
	padding?: PerDim | 'same' | 'valid';
	/** Distance between the elements of a window. Default 1. */
	dilation?: PerDim;
	/** The number of groups of channels. Each group of the result reads one group of the input. Default 1. */
	groups?: number;
}

export interface ConvTransposeOptions {
	/** Distance in the result between neighbours of the input. Default 1. */
	stride?: PerDim;
	/** Elements to cut off both ends of the result. Default 0. */
	padding?: PerDim;
	/** Elements to add at the far end of the result, fewer than stride or dilation. Default 0. */
	outputPadding?: PerDim;
	/** Distance between the elements of a window. Default 1. */
	dilation?: PerDim;
	/** The number of groups of channels. Each group of the result reads one group of the input. Default 1. */
	groups?: number;
}

const CONV_TRANSPOSE_OPTIONS = [...CONV_TRANSPOSE_NAMES, 'dilation'] as const;

/** x [N, C, L] or [C, L], weight [O, C / groups, k], bias [O], to [N, O, L']. As `torch.nn.functional.conv1d`. */
export function conv1d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvPositions, ConvOptions>
): Tensor {
	return convolve('conv1d', 1, x, weight, bias, leadingOptions('conv1d', rest, CONV_NAMES));
}

/** x [N, C, H, W] or [C, H, W], weight [O, C / groups, kH, kW], bias [O], to [N, O, H', W']. As `torch.nn.functional.conv2d`. */
export function conv2d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvPositions, ConvOptions>
): Tensor {
	return convolve('conv2d', 2, x, weight, bias, leadingOptions('conv2d', rest, CONV_NAMES));
}

/** x [N, C, D, H, W] or [C, D, H, W], weight [O, C / groups, kD, kH, kW], bias [O], to [N, O, D', H', W']. As `torch.nn.functional.conv3d`. */
export function conv3d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvPositions, ConvOptions>
): Tensor {
	return convolve('conv3d', 3, x, weight, bias, leadingOptions('conv3d', rest, CONV_NAMES));
}

/** x [N, C, L] or [C, L], weight [C, O / groups, k], bias [O], to [N, O, L']. As `torch.nn.functional.conv_transpose1d`. */
export function convTranspose1d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
): Tensor {
	const options = leadingOptions<ConvTransposeOptions>('convTranspose1d', rest, CONV_TRANSPOSE_NAMES);
	return transposedConvolution('convTranspose1d', 1, x, weight, bias, options);
}

/** x [N, C, H, W] or [C, H, W], weight [C, O / groups, kH, kW], bias [O], to [N, O, H', W']. As `torch.nn.functional.conv_transpose2d`. */
export function convTranspose2d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
): Tensor {
	const options = leadingOptions<ConvTransposeOptions>('convTranspose2d', rest, CONV_TRANSPOSE_NAMES);
	return transposedConvolution('convTranspose2d', 2, x, weight, bias, options);
}

/**
 * x [N, C, D, H, W] or [C, D, H, W], weight [C, O / groups, kD, kH, kW], bias [O], to [N, O, D', H', W']. As
 * `torch.nn.functional.conv_transpose3d`.
 */
export function convTranspose3d(
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null = null,
	...rest: Leading<ConvTransposePositions, ConvTransposeOptions>
): Tensor {
	const options = leadingOptions<ConvTransposeOptions>('convTranspose3d', rest, CONV_TRANSPOSE_NAMES);
	return transposedConvolution('convTranspose3d', 3, x, weight, bias, options);
}

/** Checks ranks, dtypes, devices, groups and the bias. */
function checkOperands(
	operation: string,
	rank: number,
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null,
	groups: number,
	transposed: boolean,
): number {
	const operands = bias === null ? [x, weight] : [x, weight, bias];
	for (const operand of operands) requireTensor(operation, operand);
	requireSameDevice(operation, ...operands);
	for (const operand of operands) requireFloating(operation, operand.dtype);
	requireSameDType(operation, ...operands);
	const shapes = `input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}`;
	if (weight.ndim !== rank + 2 || (x.ndim !== rank + 2 && x.ndim !== rank + 1)) {
		throw new ShapeError(
			`${operation}: needs an input of ${rank + 2} dims (or ${rank + 1} without a batch) and a weight of ${rank + 2}, not ${shapes}`,
		);
	}
	requireInteger(operation, 'groups', groups, 1);
	const channels = x.shape[x.ndim - rank - 1]!;
	const [first, second] = weight.shape as [number, number];
	const wanted = transposed ? first : second * groups;
	if (channels !== wanted || first % groups !== 0) {
		throw new ShapeError(
			`${operation}: ${shapes} and groups ${groups} do not fit: the input has ${channels} channels, the weight takes ${wanted}, and ${first} must be a multiple of groups`,
		);
	}
	const out = transposed ? second * groups : first;
	if (bias !== null) requireShape(operation, 'bias', bias, [out], weight, 'weight');
	return out;
}

function convolve(operation: string, rank: number, x: Tensor, weight: Tensor, bias: Tensor | null, options: ConvOptions): Tensor {
	checkOptions(operation, options, CONV_NAMES);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call(operation, [x, weight, bias], (inputs) => convolve(operation, rank, ...inputs, options));
	}
	const { groups = 1, padding = 0 } = options;
	checkOperands(operation, rank, x, weight, bias, groups, false);
	const kernel = weight.shape.slice(2);
	const size = x.shape.slice(-rank);
	const stride = perDim(operation, 'stride', options.stride ?? 1, rank, 1);
	const dilation = perDim(operation, 'dilation', options.dilation ?? 1, rank, 1);
	if (kernel.some((k) => k < 1)) throw new ShapeError(`${operation}: weight ${formatShape(weight.shape)} has an empty window`);
	let before: number[];
	let outSize: number[];
	if (padding === 'same') {
		if (stride.some((s) => s !== 1))
			throw new ArgumentError(`${operation}: padding 'same' keeps the size, so stride must be 1, not ${formatShape(stride)}`);
		before = kernel.map((k, d) => Math.floor((dilation[d]! * (k - 1)) / 2));
		outSize = [...size];
	} else {
		if (typeof padding === 'string' && padding !== 'valid')
			throw wrongArgument(operation, 'padding', "a number, a list, 'same' or 'valid'", padding);
		before = perDim(operation, 'padding', padding === 'valid' ? 0 : padding, rank, 0);
		outSize = windowCounts(operation, x.shape, { kernel, stride, padding: before, dilation });
	}
	const attributes = { size: outSize, windows: { stride, padding: before, dilation, groups } };
	if (x.ndim === rank + 2) return convolution({ x, weight, bias }, attributes, { name: operation });
	return composed(operation, () =>
		squeeze(convolution({ x: unsqueeze(x, 0), weight, bias }, attributes, { name: operation }), 0),
	);
}

function transposedConvolution(
	operation: string,
	rank: number,
	x: Tensor,
	weight: Tensor,
	bias: Tensor | null,
	options: ConvTransposeOptions,
): Tensor {
	checkOptions(operation, options, CONV_TRANSPOSE_OPTIONS);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call(operation, [x, weight, bias], (inputs) => transposedConvolution(operation, rank, ...inputs, options));
	}
	const { groups = 1 } = options;
	checkOperands(operation, rank, x, weight, bias, groups, true);
	const kernel = weight.shape.slice(2);
	const stride = perDim(operation, 'stride', options.stride ?? 1, rank, 1);
	const padding = perDim(operation, 'padding', options.padding ?? 0, rank, 0);
	const dilation = perDim(operation, 'dilation', options.dilation ?? 1, rank, 1);
	const extra = perDim(operation, 'outputPadding', options.outputPadding ?? 0, rank, 0);
	if (extra.some((e, d) => e >= stride[d]! && e >= dilation[d]!)) {
		throw new ArgumentError(
			`${operation}: outputPadding ${formatShape(extra)} must be smaller than stride ${formatShape(stride)} or dilation ${formatShape(dilation)}`,
		);
	}
	const size = x.shape
		.slice(-rank)
		.map((s, d) => (s - 1) * stride[d]! - 2 * padding[d]! + dilation[d]! * (kernel[d]! - 1) + extra[d]! + 1);
	if (size.some((s) => s < 1)) {
		throw new ShapeError(
			`${operation}: input ${formatShape(x.shape)} and padding ${formatShape(padding)} leave nothing: the result would be ${formatShape(size)}`,
		);
	}
	const attributes = { size, windows: { stride, padding, dilation, groups } };
	if (x.ndim === rank + 2) return inputGradient({ y: x, weight, bias }, attributes, { name: operation });
	return composed(operation, () =>
		squeeze(inputGradient({ y: unsqueeze(x, 0), weight, bias }, attributes, { name: operation }), 0),
	);
}

/** The sum over all dims except the channels. */
function biasGradient(gradient: Tensor): Tensor {
	return sum(
		gradient,
		gradient.shape.map((_, d) => d).filter((d) => d !== 1),
	);
}

function spatial({ shape }: { readonly shape: Shape }): Shape {
	return shape.slice(2);
}

interface SizedConv {
	/** The spatial dims of the result. */
	readonly size: Shape;
	readonly windows: ConvAttributes;
}

type Gradients<K extends string> = Readonly<Record<K, Tensor | null>>;

const convolution = defineOperation({
	name: 'conv',
	inputs: ['x', 'weight', 'bias?'],
	forward: ({ x, weight, bias }, { size, windows }: SizedConv) => {
		const y = emptyOn(x, [x.shape[0]!, weight.shape[0]!, ...size]);
		const inputs = { x: contiguous(x), weight: contiguous(weight), bias: bias ? contiguous(bias) : undefined };
		convKernels(x.backend).conv(inputs, { y }, windows);
		return y;
	},
	saves: ['x', 'weight'],
	vjp: (gradient, { x, weight }, { windows }, needs, name): Gradients<'x' | 'weight' | 'bias'> => ({
		x: needs.x && inputGradient({ y: gradient, weight }, { size: spatial(x), windows }, { name }),
		weight: needs.weight && weightGradient({ x, y: gradient }, { size: spatial(weight), windows }, { name }),
		bias: needs.bias && biasGradient(gradient),
	}),
});

/** The adjoint of `convolution` by x, the transposed convolution: y [N, O, ...] to [N, C, ...size]. */
const inputGradient = defineOperation({
	name: 'convTranspose',
	inputs: ['y', 'weight', 'bias?'],
	forward: ({ y, weight, bias }, { size, windows }: SizedConv) => {
		const gradX = emptyOn(y, [y.shape[0]!, weight.shape[1]! * windows.groups, ...size]);
		const inputs = { gradY: contiguous(y), weight: contiguous(weight), bias: bias ? contiguous(bias) : undefined };
		convKernels(y.backend).convInputGrad(inputs, { gradX }, windows);
		return gradX;
	},
	saves: ['y', 'weight'],
	vjp: (gradient, { y, weight }, { windows }, needs, name): Gradients<'y' | 'weight' | 'bias'> => ({
		y: needs.y && convolution({ x: gradient, weight }, { size: spatial(y), windows }, { name }),
		weight: needs.weight && weightGradient({ x: gradient, y }, { size: spatial(weight), windows }, { name }),
		bias: needs.bias && biasGradient(gradient),
	}),
});

/** The adjoint of `convolution` by the weight. `size` is the shape of a window. */
const weightGradient = defineOperation({
	name: 'conv backward',
	inputs: ['x', 'y'],
	forward: ({ x, y }, { size, windows }: SizedConv) => {
		const gradWeight = emptyOn(x, [y.shape[1]!, x.shape[1]! / windows.groups, ...size]);
		convKernels(x.backend).convWeightGrad({ x: contiguous(x), gradY: contiguous(y) }, { gradWeight }, windows);
		return gradWeight;
	},
	saves: ['x', 'y'],
	vjp: (gradient, { x, y }, { windows }, needs, name): Gradients<'x' | 'y'> => ({
		x: needs.x && inputGradient({ y, weight: gradient }, { size: spatial(x), windows }, { name }),
		y: needs.y && convolution({ x, weight: gradient }, { size: spatial(y), windows }, { name }),
	}),
});
