/** Windows and pixels of images: unfold, fold, pixelShuffle and pixelUnshuffle. */

import { defineOperation } from '../../autograd/operation';
import { elementwiseKernels, layoutKernels } from '../../backends/kernels';
import { requireInteger } from '../../core/checks';
import { formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { contiguousStrides, MAX_RANK, numel } from '../../core/shape';
import { emptyOn, type Tensor, viewOf } from '../../tensor';
import { requireRank, requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { BATCHED_FORMS, type PerDim, perDim, type Windows, windowCounts } from '../windows';
import { permute, reshape } from './views';

export interface UnfoldOptions {
	/** Distance between the elements of a window. Default 1. */
	dilation?: PerDim;
	/** Zeros to add at both ends. Default 0. */
	padding?: PerDim;
	/** Distance between windows. Default 1. */
	stride?: PerDim;
}

const UNFOLD_OPTIONS = ['dilation', 'padding', 'stride'] as const;

function windowsOf(operation: string, kernelSize: PerDim, options: UnfoldOptions): Windows {
	return {
		kernel: perDim(operation, 'kernelSize', kernelSize, 2, 1),
		dilation: perDim(operation, 'dilation', options.dilation ?? 1, 2, 1),
		padding: perDim(operation, 'padding', options.padding ?? 0, 2, 0),
		stride: perDim(operation, 'stride', options.stride ?? 1, 2, 1),
	};
}

/**
 * The windows of images as columns: [N, C, H, W] to [N, C * kernel height * kernel width, number of windows], or both without N. As
 * `torch.nn.functional.unfold`.
 */
export function unfold(x: Tensor, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
	checkOptions('unfold', options, UNFOLD_OPTIONS);
	requireTensor('unfold', x);
	requireRank('unfold', 'input', x, BATCHED_FORMS[2], 3, 4);
	const windows = windowsOf('unfold', kernelSize, options);
	windowCounts('unfold', x.shape, windows);
	if (x.ndim === 4) return unfolded(x, windows);
	return composed('unfold', () => {
		const y = unfolded(reshape(x, [1, ...x.shape]), windows);
		return reshape(y, y.shape.slice(1));
	});
}

/**
 * The adjoint of `unfold`. Adds columns [N, C * kernel height * kernel width, number of windows] into images [N, C, ...outputSize], or both
 * without N. As `torch.nn.functional.fold`.
 */
export function fold(x: Tensor, outputSize: PerDim, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
	checkOptions('fold', options, UNFOLD_OPTIONS);
	requireTensor('fold', x);
	const windows = windowsOf('fold', kernelSize, options);
	const size = perDim('fold', 'outputSize', outputSize, 2, 1);
	const counts = windowCounts('fold', size, windows);
	const [columns, count] = x.shape.slice(-2) as [number, number];
	if ((x.ndim !== 2 && x.ndim !== 3) || columns % numel(windows.kernel) !== 0 || count !== numel(counts)) {
		throw new ShapeError(
			`fold: needs [N, C * ${numel(windows.kernel)}, ${numel(counts)}] for kernel ${formatShape(windows.kernel)} on ${formatShape(size)}, not ${formatShape(x.shape)}`,
		);
	}
	if (x.ndim === 3) return folded(x, size, windows);
	return composed('fold', () => {
		const y = folded(reshape(x, [1, ...x.shape]), size, windows);
		return reshape(y, y.shape.slice(1));
	});
}

function unfolded(x: Tensor, windows: Windows): Tensor {
	return unfoldOperation({ x }, windows);
}

const unfoldOperation = defineOperation({
	name: 'unfold',
	inputs: ['x'],
	forward: ({ x }, windows: Windows) => {
		const { kernel, dilation, padding, stride } = windows;
		const [batch, channels, height, width] = x.shape as [number, number, number, number];
		const counts = windowCounts('unfold', [height, width], windows);
		let from = x;
		if (padding.some((p) => p > 0)) {
			from = emptyOn(x, [batch, channels, height + 2 * padding[0]!, width + 2 * padding[1]!]);
			layoutKernels(x.backend).pad({ x }, { y: from }, { before: [0, 0, ...padding], value: 0 });
		}
		const [byImage, byChannel, down, across] = from.strides as [number, number, number, number];
		const shape = [batch, channels, ...kernel, ...counts];
		const strides = [byImage, byChannel, dilation[0]! * down, dilation[1]! * across, stride[0]! * down, stride[1]! * across];
		const y = emptyOn(x, [batch, channels * numel(kernel), numel(counts)]);
		layoutKernels(x.backend).copy(
			{ x: viewOf(from, shape, strides, from.offset) },
			{ y: viewOf(y, shape, contiguousStrides(shape), 0) },
			{},
		);
		return y;
	},
	vjp: (gradient, _saved, windows, needs) => ({ x: folded(gradient, needs.x.shape.slice(2), windows) }),
});

function folded(x: Tensor, size: readonly number[], windows: Windows): Tensor {
	return foldOperation({ x }, { size, windows });
}

const foldOperation = defineOperation({
	name: 'fold',
	inputs: ['x'],
	forward: ({ x }, { size, windows }: { readonly size: readonly number[]; readonly windows: Windows }) => {
		const { kernel, dilation, padding, stride } = windows;
		const batch = x.shape[0]!;
		const channels = x.shape[1]! / numel(kernel);
		const counts = windowCounts('fold', size, windows);
		const { backend } = x;
		const whole = emptyOn(x, [batch, channels, size[0]! + 2 * padding[0]!, size[1]! + 2 * padding[1]!]);
		layoutKernels(backend).fill({}, { y: whole }, { value: 0 });
		const [byImage, byChannel, down] = whole.strides as [number, number, number];
		const [fromImage, fromColumn, fromWindow] = x.strides as [number, number, number];
		const shape = [batch, channels, ...counts];
		// One element of the kernel at a time, because then no two windows write one element.
		for (let element = 0; element < numel(kernel); element++) {
			const i = Math.floor(element / kernel[1]!) * dilation[0]!;
			const j = (element % kernel[1]!) * dilation[1]!;
			const b = viewOf(
				x,
				shape,
				[fromImage, numel(kernel) * fromColumn, counts[1]! * fromWindow, fromWindow],
				x.offset + element * fromColumn,
			);
			const a = viewOf(whole, shape, [byImage, byChannel, stride[0]! * down, stride[1]!], i * down + j);
			elementwiseKernels(backend).binaryInPlace({ b }, { a }, { op: 'add' });
		}
		if (padding.every((p) => p === 0)) return whole;
		const y = emptyOn(x, [batch, channels, ...size]);
		layoutKernels(backend).pad({ x: whole }, { y }, { before: [0, 0, ...padding.map((p) => -p)], value: 0 });
		return y;
	},
	vjp: (gradient, _saved, { windows }) => ({ x: unfolded(gradient, windows) }),
});

/**
 * Rearranges channels into pixels, [..., C r^2, H, W] to [..., C, H r, W r], for the factor r. Shi et al. 2016. As
 * `torch.nn.functional.pixel_shuffle`.
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
	const { rest, channels, height, width } = imageParts('pixelShuffle', x, upscaleFactor, 'upscaleFactor');
	const r = upscaleFactor;
	if (channels % (r * r) !== 0)
		throw new ShapeError(
			`pixelShuffle: ${channels} channels of ${formatShape(x.shape)} are no multiple of upscaleFactor^2, ${r * r}`,
		);
	const c = channels / (r * r);
	const at = rest.length;
	return composed('pixelShuffle', () => {
		const split = reshape(x, [...rest, c, r, r, height, width]);
		const moved = permute(split, [...rest.keys(), at, at + 3, at + 1, at + 4, at + 2]);
		return reshape(moved, [...rest, c, height * r, width * r]);
	});
}

/** The inverse of `pixelShuffle`: [..., C, H r, W r] to [..., C r^2, H, W]. As `torch.nn.functional.pixel_unshuffle`. */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
	const { rest, channels, height, width } = imageParts('pixelUnshuffle', x, downscaleFactor, 'downscaleFactor');
	const r = downscaleFactor;
	if (height % r !== 0 || width % r !== 0)
		throw new ShapeError(`pixelUnshuffle: height and width of ${formatShape(x.shape)} are no multiples of downscaleFactor ${r}`);
	const at = rest.length;
	return composed('pixelUnshuffle', () => {
		const split = reshape(x, [...rest, channels, height / r, r, width / r, r]);
		const moved = permute(split, [...rest.keys(), at, at + 2, at + 4, at + 1, at + 3]);
		return reshape(moved, [...rest, channels * r * r, height / r, width / r]);
	});
}

function imageParts(operation: string, x: Tensor, factor: number, argument: string) {
	requireTensor(operation, x);
	requireInteger(operation, argument, factor, 1);
	requireRank(operation, 'input', x, '[..., C, H, W]', 3, MAX_RANK);
	const [channels, height, width] = x.shape.slice(-3) as [number, number, number];
	return { rest: x.shape.slice(0, -3), channels, height, width };
}
