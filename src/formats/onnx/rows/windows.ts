/** Convolutions and pooling as ONNX nodes. */
import type { Call, Row, Rows } from '../call';
import { float, type Name } from '../graph';
import { Dim, difference, product, type Size } from '../symbols';
import { reshaped } from './layout';

interface Window {
	readonly kernel: readonly number[];
	readonly stride: readonly number[];
	readonly padding: readonly number[];
	readonly dilation: readonly number[];
}

/** The zeros at the far ends: as many as the size of the result implies. Where sizes follow an axis, as many as at the near ends. */
function farPadding(spatial: readonly Size[], result: readonly Size[], { kernel, stride, padding, dilation }: Window): number[] {
	return spatial.map((size, d) => {
		const end = result[d]!;
		if (size instanceof Dim || end instanceof Dim) return padding[d]!;
		return Math.max(0, (end - 1) * stride[d]! + dilation[d]! * (kernel[d]! - 1) + 1 - size - padding[d]!);
	});
}

interface Conv {
	readonly size: readonly Size[];
	readonly windows: Omit<Window, 'kernel'> & { readonly groups: number };
}

const conv: Row = (c) => {
	const { size, windows } = c.attributes<Conv>();
	const kernel = c.numbers(c.shape('weight').slice(2), 'the kernel');
	const after = farPadding(c.shape('x').slice(2), size, { ...windows, kernel });
	return c.add('Conv', [c.in('x'), c.in('weight'), c.optional('bias')], {
		kernel_shape: kernel,
		strides: windows.stride,
		dilations: windows.dilation,
		pads: [...windows.padding, ...after],
		group: windows.groups,
	});
};

const convTranspose: Row = (c) => {
	const { size, windows } = c.attributes<Conv>();
	const { stride, padding, dilation, groups } = windows;
	const kernel = c.numbers(c.shape('weight').slice(2), 'the kernel');
	const extra = c
		.shape('y')
		.slice(2)
		.map((from, d) => {
			const full = difference(size[d]!, product(from, stride[d]!));
			return c.number(full, 'the padding') + stride[d]! + 2 * padding[d]! - dilation[d]! * (kernel[d]! - 1) - 1;
		});
	return c.add('ConvTranspose', [c.in('y'), c.in('weight'), c.optional('bias')], {
		kernel_shape: kernel,
		strides: stride,
		dilations: dilation,
		pads: [...padding, ...padding],
		output_padding: extra,
		group: groups,
	});
};

interface MaxPool {
	readonly size: readonly Size[];
	/** null: adaptive. */
	readonly windows: Window | null;
}

/** The windows of adaptive pooling, if all are alike. */
function evenWindows(c: Call, size: readonly Size[]): Window {
	const spatial = c.shape('x').slice(2);
	const step = spatial.map((from, d) => {
		const [all, parts] = [c.number(from, 'the size of the image'), c.number(size[d]!, 'the size of the result')];
		if (all % parts !== 0) c.refuse(`adaptive windows of ${all} in ${parts} parts overlap`);
		return all / parts;
	});
	const none = step.map(() => 0);
	return { kernel: step, stride: step, padding: none, dilation: none.map(() => 1) };
}

const maxPool: Row = (c) => {
	if (c.has('indices')) return c.refuse('it reads at the positions of maxima');
	const { size, windows } = c.attributes<MaxPool>();
	const window = windows ?? evenWindows(c, size);
	const spatial = c.shape('x').slice(2);
	const attributes = {
		kernel_shape: window.kernel,
		strides: window.stride,
		dilations: window.dilation,
		pads: [...window.padding, ...farPadding(spatial, size, window)],
	};
	if (!c.isUsed(1)) return [c.add('MaxPool', [c.in('x')], attributes), null];
	const [y, indices] = c.graph.addMany('MaxPool', [c.in('x')], attributes, 2) as [Name, Name];
	// ONNX counts positions in the whole tensor, wgrad within one channel.
	const plane = c.scalar(spatial.reduce<Size>(product, 1), 'int32');
	return [y, c.add('Mod', [c.graph.cast(indices, 'int64', 'int32'), plane])];
};

/** Adds values to zeros at the positions of maxima: the transpose of max pooling. */
const scatterMaxima: Row = (c) => {
	const { size } = c.attributes<MaxPool>();
	const [batch, channels, ...spatial] = c.shape('y') as [Size, Size, ...Size[]];
	const lead = [batch, channels];
	const flat = (sizes: readonly Size[]) => [...lead, sizes.reduce<Size>(product, 1)];
	const zeros = c.add('Expand', [c.scalar(0, c.dtype('y')), c.graph.integers(flat(size))]);
	const [indices, values] = ['indices', 'y'].map((key) => reshaped(c, c.in(key), c.shape(key), flat(spatial))) as [Name, Name];
	const y = c.add('ScatterElements', [zeros, indices, values], { axis: 2, reduction: 'add' });
	return reshaped(c, y, flat(size), [...lead, ...size]);
};

interface AvgPool {
	readonly size: readonly Size[];
	readonly windows: Omit<Window, 'dilation'> & { readonly countIncludePad: boolean; readonly divisorOverride?: number };
}

const avgPool: Row = (c) => {
	const { size, windows } = c.attributes<AvgPool>();
	const { kernel, stride, padding, countIncludePad, divisorOverride } = windows;
	const spatial = c.shape('x').slice(2);
	const after = farPadding(spatial, size, { ...windows, dilation: kernel.map(() => 1) });
	const exceeds = after.some((zeros, d) => zeros > padding[d]!);
	const attributes = { kernel_shape: kernel, strides: stride, pads: [...padding, ...after] };
	if (divisorOverride === undefined && !(countIncludePad && exceeds))
		return c.add('AveragePool', [c.in('x')], { ...attributes, count_include_pad: countIncludePad ? 1 : 0 });
	// The sums of the windows, with the divisors of their positions.
	const cells = kernel.reduce((all, one) => all * one, 1);
	const means = c.add('AveragePool', [c.in('x')], { ...attributes, count_include_pad: 1 });
	const sizes = c.numbers(size, 'the size of the result');
	const divisors = sizes.map((positions, d) => {
		const end = c.number(spatial[d]!, 'the size of the image') + padding[d]!;
		return Array.from({ length: positions }, (_, i) => {
			const start = i * stride[d]! - padding[d]!;
			return Math.min(start + kernel[d]!, end) - start;
		});
	});
	let factors = [1];
	for (const line of divisors) factors = factors.flatMap((factor) => line.map((divisor) => factor * divisor));
	const { dtype } = c.output();
	const shares = factors.map((divisor) => cells / (divisorOverride ?? divisor));
	return c.add('Mul', [means, c.graph.constant(dtype, sizes, shares)]);
};

/** Adaptive windows as products with matrices of their weights, one for each dim. */
const adaptiveAvgPool: Row = (c) => {
	const { size } = c.attributes<{ readonly size: readonly Size[] }>();
	const spatial = c.shape('x').slice(2);
	const dims = spatial.map((_, d) => d + 2);
	if (size.every((one) => one === 1)) return c.add('ReduceMean', [c.in('x'), c.graph.integers(dims)], { keepdims: 1 });
	const [from, to] = [c.numbers(spatial, 'the size of the image'), c.numbers(size, 'the size of the result')];
	if (from.every((all, d) => all % to[d]! === 0)) {
		const kernel = from.map((all, d) => all / to[d]!);
		return c.add('AveragePool', [c.in('x')], { kernel_shape: kernel, strides: kernel });
	}
	const { dtype } = c.output();
	const last = spatial.length + 1;
	return from.reduce((x, all, d) => {
		const parts = to[d]!;
		const weights = Array.from({ length: all * parts }, (_, i) => {
			const [position, part] = [Math.floor(i / parts), i % parts];
			const [start, end] = [Math.floor((part * all) / parts), Math.ceil(((part + 1) * all) / parts)];
			return position >= start && position < end ? 1 / (end - start) : 0;
		});
		const order = Array.from({ length: last + 1 }, (_, dim) => (dim === d + 2 ? last : dim === last ? d + 2 : dim));
		const turn = (y: Name) => (d + 2 === last ? y : c.add('Transpose', [y], { perm: order }));
		return turn(c.add('MatMul', [turn(x), c.graph.constant(dtype, [all, parts], weights)]));
	}, c.in('x'));
};

const gridSample: Row = (c) => {
	const { mode, padding, fill, shift } = c.attributes<{
		readonly mode: 'bilinear' | 'nearest' | 'bicubic';
		readonly padding: 'constant' | 'edge' | 'reflect' | 'symmetric';
		readonly fill: number;
		readonly shift: readonly number[];
	}>();
	if (fill !== 0) c.refuse('ONNX fills with zeros only');
	return c.add('GridSample', [c.in('x'), c.in('grid')], {
		mode: mode !== 'nearest' && c.graph.opset >= 20 ? mode.slice(2) : mode,
		padding_mode: padding === 'constant' ? 'zeros' : padding === 'edge' ? 'border' : 'reflection',
		align_corners: shift.every((s) => s === 0) ? 1 : 0,
	});
};

/** Writes values into zeros. Both are [rows, columns]; of equal positions the last one wins. */
const place: Row = (c) => {
	const { plane } = c.attributes<{ readonly plane: Size }>();
	const zeros = c.add('Expand', [c.scalar(0, c.dtype('x')), c.graph.integers([c.shape('x')[0]!, plane])]);
	return c.add('ScatterElements', [zeros, c.in('indices'), c.in('x')], { axis: 1 });
};

const batchNorm: Row = (c) => {
	const { eps, training } = c.attributes<{ readonly eps: number; readonly training: boolean }>();
	const channels = c.number(c.shape('x')[1]!, 'the number of channels');
	const { dtype } = c.output();
	const filled = (value: number) => c.graph.constant(dtype, [channels], new Array<number>(channels).fill(value));
	const weight = c.has('weight') ? c.as('weight', dtype) : filled(1);
	const bias = c.has('bias') ? c.as('bias', dtype) : filled(0);
	if (!training) {
		const statistics = [c.as('runningMean', dtype), c.as('runningVar', dtype)];
		return c.add('BatchNormalization', [c.in('x'), weight, bias, ...statistics], { epsilon: float(eps) });
	}
	const others = c
		.shape('x')
		.map((_, dim) => dim)
		.filter((dim) => dim !== 1);
	const mean = (x: Name) => c.add('ReduceMean', [x, c.graph.integers(others)], { keepdims: 1 });
	const deviation = c.add('Sub', [c.in('x'), mean(c.in('x'))]);
	const variance = mean(c.add('Mul', [deviation, deviation]));
	const normal = c.add('Div', [deviation, c.add('Sqrt', [c.add('Add', [variance, c.scalar(eps, dtype)])])]);
	const column = (x: Name) =>
		c.graph.reshape(
			x,
			[channels],
			[
				channels,
				...c
					.shape('x')
					.slice(2)
					.map(() => 1),
			],
		);
	return c.add('Add', [c.add('Mul', [normal, column(weight)]), column(bias)]);
};

export const WINDOWS: Rows = {
	conv,
	convTranspose,
	maxPool,
	'maxPool backward': scatterMaxima,
	maxUnpool: place,
	avgPool,
	adaptiveAvgPool,
	gridSample,
	batchNorm,
};
