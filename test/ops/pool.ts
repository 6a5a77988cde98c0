/** Pooling. */
import {
	adaptiveAvgPool1d,
	adaptiveAvgPool2d,
	adaptiveAvgPool3d,
	adaptiveMaxPool1d,
	adaptiveMaxPool2d,
	adaptiveMaxPool3d,
	avgPool1d,
	avgPool2d,
	avgPool3d,
	maxPool1d,
	maxPool2d,
	maxPool3d,
	maxUnpool1d,
	maxUnpool2d,
	maxUnpool3d,
	type Tensor,
	zeros,
} from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { interpolation } from './interpolate';
import { py } from './python';

const of = (...shape: number[]): InputSpec => ({ shape });
const distinct = (...shape: number[]): InputSpec => ({ shape, distinct: true });

function sample(label: string, x: InputSpec, size: unknown, options: Options = {}, gradient = true): Sample {
	return { label, inputs: [x], options: { size, ...options }, gradient };
}

const PYTHON_NAMES: Readonly<Record<string, string>> = {
	ceilMode: 'ceil_mode',
	countIncludePad: 'count_include_pad',
	divisorOverride: 'divisor_override',
	returnIndices: 'return_indices',
};

function entry(
	name: string,
	operation: (x: Tensor, size: never, options: never) => Tensor | readonly Tensor[],
	torch: string,
	samples: readonly Sample[],
	refusals: readonly Refusal[],
): OpEntry {
	return {
		name,
		family: 'pool',
		call: ([x], { size, ...options }) => operation(x!, size as never, options as never),
		gradient: 'yes',
		samples,
		refusals,
		torch: ({ size, ...options }) => {
			const named = Object.entries(options).map(([key, value]) => `${PYTHON_NAMES[key] ?? key}=${py(value)}`);
			return `${torch}(${['x[0]', py(size), ...named].join(', ')})`;
		},
	};
}

function refuse(label: string, shape: readonly number[], run: (x: Tensor) => unknown, message: RegExp): Refusal {
	return { label, call: (device) => run(zeros(shape, { device })), message };
}

/** Values and their positions in the planes before the pooling. */
function unpooling(label: string, x: InputSpec, positions: readonly number[], options: Options): Sample {
	return { label, inputs: [x, { shape: x.shape, dtype: 'int32', values: positions }], options };
}

const OPERATIONS = { maxUnpool1d, maxUnpool2d, maxUnpool3d };

function unpoolEntry(name: keyof typeof OPERATIONS, samples: readonly Sample[], refusals: readonly Refusal[]): OpEntry {
	return {
		name,
		family: 'pool',
		call: ([x, indices], { size, ...options }) => OPERATIONS[name](x!, indices!, size as number, options),
		gradient: 'yes',
		samples,
		refusals,
		torch: ({ size, stride, padding = 0, outputSize }) =>
			`F.max_unpool${name.slice(-2)}(x[0], x[1].long(), ${py(size)}, ${stride === undefined ? 'None' : py(stride)}, ${py(padding)}, ${outputSize === undefined ? 'None' : py(outputSize)})`,
	};
}

const unpool: OpEntry[] = [
	unpoolEntry(
		'maxUnpool2d',
		[
			unpooling('a grid', of(1, 2, 2, 2), [0, 3, 13, 15, 5, 2, 8, 11], { size: 2 }),
			unpooling('one image, larger', { ...of(2, 1, 2), layout: 'transposed' }, [1, 14, 6, 9], {
				size: [2, 2],
				outputSize: [3, 5],
			}),
			unpooling('stride and padding', of(1, 1, 2, 3), [0, 2, 4, 6, 8, 9], { size: 3, stride: 2, padding: 1 }),
			unpooling('no images', of(0, 1, 2, 2), [], { size: 2 }),
		],
		[
			refuse(
				'shapes',
				[1, 1, 2, 2],
				(x) => maxUnpool2d(x, zeros([1, 2, 2], { dtype: 'int32', device: x.device }), 2),
				/maxUnpool2d: takes values and indices of one shape of 4 dims, or 3 without a batch, not \[1, 1, 2, 2\] and \[1, 2, 2\]/,
			),
			refuse(
				'output size',
				[1, 1, 2, 2],
				(x) => maxUnpool2d(x, zeros([1, 1, 2, 2], { dtype: 'int32', device: x.device }), 2, { outputSize: [4, 6] }),
				/maxUnpool2d: outputSize must lie between \[3, 3\] and \[5, 5\] for \[1, 1, 2, 2\], not \[4, 6\]/,
			),
			refuse('indices', [1, 1, 2, 2], (x) => maxUnpool2d(x, x, 2), /maxUnpool2d: indices has dtype float32; it takes int32/),
		],
	),
	unpoolEntry('maxUnpool1d', [unpooling('signals', of(1, 2, 3), [0, 3, 4, 1, 2, 5], { size: 2 })], []),
	unpoolEntry('maxUnpool3d', [unpooling('volumes', of(1, 1, 1, 2, 1), [3, 6], { size: 2 })], []),
];

export const pool: OpEntry[] = [
	...unpool,
	entry(
		'maxPool2d',
		maxPool2d as never,
		'F.max_pool2d',
		[
			sample('odd sizes', distinct(2, 2, 5, 4), 2),
			sample('overlap', distinct(1, 2, 5, 5), 3, { stride: 1 }),
			sample('all options', distinct(1, 1, 7, 8), [3, 2], { stride: [2, 3], padding: 1, dilation: [1, 2] }),
			sample('beyond the end', distinct(1, 1, 5, 6), 2, { stride: 2, ceilMode: true }),
			sample('beyond the end, padded', distinct(1, 1, 5, 6), 3, { stride: 2, padding: 1, ceilMode: true }),
			sample('window far larger than the input', distinct(1, 2, 4, 5), 2 ** 30, { ceilMode: true }, false),
			sample('indices', distinct(1, 2, 4, 5), 2, { returnIndices: true }),
			sample('one image', distinct(2, 4, 4), 2),
			sample('transposed', { ...distinct(1, 2, 4, 5), layout: 'transposed' }, 2),
			sample('no images', of(0, 2, 4, 4), 2),
			sample('ties', { shape: [1, 1, 4, 4], values: new Array(16).fill(1) }, 2, { returnIndices: true }, false),
			sample(
				'extremes',
				{ shape: [1, 1, 2, 4], values: [1, Number.NaN, -3e38, -3e38, 5, 2, -3e38, Number.NEGATIVE_INFINITY] },
				2,
				{},
				false,
			),
			sample('large', distinct(2, 3, 33, 31), 3, { stride: 2, padding: 1 }, false),
		],
		[
			refuse('rank', [4, 4], (x) => maxPool2d(x, 2), /maxPool2d: input must be \[N, C, H, W\] or \[C, H, W\], not \[4, 4\]/),
			refuse(
				'padding',
				[1, 1, 4, 4],
				(x) => maxPool2d(x, 2, { padding: 2 }),
				/maxPool2d: padding \[2, 2\] is more than half the window \[2, 2\]/,
			),
			refuse(
				'window',
				[1, 1, 2, 2],
				(x) => maxPool2d(x, 3),
				/maxPool2d: a window of \[3, 3\] does not fit \[1, 1, 2, 2\] with padding \[0, 0\]/,
			),
			refuse(
				'size',
				[1, 1, 2, 2],
				(x) => maxPool2d(x, 0),
				/maxPool2d: kernelSize must be a whole number, or 2 of them, of at least 1 and below 2\^31, not 0/,
			),
		],
	),
	entry(
		'maxPool1d',
		maxPool1d as never,
		'F.max_pool1d',
		[
			sample('odd sizes', distinct(2, 2, 9), 2),
			sample('all options', distinct(1, 2, 11), 3, { stride: 2, padding: 1, dilation: 2, ceilMode: true }),
			sample('one signal', distinct(2, 7), 3, { stride: 1 }),
		],
		[refuse('rank', [7], (x) => maxPool1d(x, 2), /maxPool1d: input must be \[N, C, L\] or \[C, L\], not \[/)],
	),
	entry(
		'avgPool2d',
		avgPool2d as never,
		'F.avg_pool2d',
		[
			sample('odd sizes', of(2, 2, 5, 4), 2),
			sample('overlap', of(1, 2, 5, 5), 3, { stride: 1 }),
			sample('padding', of(1, 1, 5, 6), 3, { stride: 2, padding: 1 }),
			sample('padding not counted', of(1, 1, 5, 6), 3, { stride: 2, padding: 1, countIncludePad: false }),
			sample('beyond the end', of(1, 1, 5, 6), [2, 3], { stride: [2, 2], padding: [0, 1], ceilMode: true }),
			sample('beyond the end, not counted', of(1, 1, 5, 6), 2, { padding: 1, ceilMode: true, countIncludePad: false }),
			sample('divisor', of(1, 1, 4, 4), 2, { divisorOverride: 3 }),
			sample('one image', of(2, 4, 4), 2),
			sample('transposed', { shape: [1, 2, 4, 5], layout: 'transposed' }, 2),
		],
		[
			refuse(
				'divisor',
				[1, 1, 4, 4],
				(x) => avgPool2d(x, 2, { divisorOverride: 0 }),
				/avgPool2d: divisorOverride must be a whole number other than 0, not 0/,
			),
			refuse('rank', [4, 4], (x) => avgPool2d(x, 2), /avgPool2d: input must be \[N, C, H, W\] or \[C, H, W\], not \[/),
		],
	),
	entry(
		'avgPool1d',
		avgPool1d as never,
		'F.avg_pool1d',
		[
			sample('odd sizes', of(2, 2, 9), 2),
			sample('all options', of(1, 2, 10), 3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false }),
			sample('one signal', of(2, 7), 3),
		],
		[refuse('padding', [1, 1, 4], (x) => avgPool1d(x, 1, { padding: 1 }), /avgPool1d: padding \[1\] is more than half/)],
	),
	entry(
		'adaptiveAvgPool2d',
		adaptiveAvgPool2d,
		'F.adaptive_avg_pool2d',
		[
			sample('one', of(2, 3, 5, 4), 1),
			sample('uneven', of(1, 2, 7, 5), [3, 2]),
			sample('kept', of(1, 2, 5, 4), [null, 3]),
			sample('larger', of(1, 1, 3, 2), [5, 4]),
			sample('one image', of(2, 4, 5), 3),
			sample('transposed', { shape: [1, 2, 5, 4], layout: 'transposed' }, 2),
		],
		[
			refuse(
				'size',
				[1, 1, 4, 4],
				(x) => adaptiveAvgPool2d(x, [1, 2, 3]),
				/adaptiveAvgPool2d: outputSize must be a whole number, or 2 of them \(null keeps a size\), not \[1, 2, 3\]/,
			),
			refuse('empty', [1, 1, 0, 4], (x) => adaptiveAvgPool2d(x, 1), /adaptiveAvgPool2d: input \[1, 1, 0, 4\] has empty planes/),
		],
	),
	entry(
		'adaptiveAvgPool1d',
		adaptiveAvgPool1d,
		'F.adaptive_avg_pool1d',
		[sample('uneven', of(2, 2, 7), 3), sample('one signal', of(2, 7), 2)],
		[refuse('rank', [4], (x) => adaptiveAvgPool1d(x, 1), /adaptiveAvgPool1d: input must be \[N, C, L\] or \[C, L\], not \[/)],
	),
	entry(
		'adaptiveMaxPool2d',
		adaptiveMaxPool2d as never,
		'F.adaptive_max_pool2d',
		[
			sample('uneven', distinct(1, 2, 7, 5), [3, 2]),
			sample('overlap', distinct(1, 1, 3, 4), [2, 3], { returnIndices: true }),
			sample('one image', distinct(2, 4, 5), 1),
		],
		[
			refuse(
				'rank',
				[4],
				(x) => adaptiveMaxPool2d(x, 1),
				/adaptiveMaxPool2d: input must be \[N, C, H, W\] or \[C, H, W\], not \[/,
			),
		],
	),
	entry(
		'maxPool3d',
		maxPool3d as never,
		'F.max_pool3d',
		[
			sample('odd sizes', distinct(2, 2, 3, 5, 4), 2),
			sample('all options', distinct(1, 1, 4, 5, 6), [2, 3, 2], { stride: [1, 2, 3], padding: [1, 1, 0], dilation: [1, 1, 2] }),
			sample('beyond the end', distinct(1, 1, 3, 4, 5), 2, { padding: 1, ceilMode: true, returnIndices: true }),
			sample('one volume', distinct(2, 4, 2, 3), 2),
		],
		[refuse('rank', [2, 4, 4], (x) => maxPool3d(x, 2), /maxPool3d: input must be \[N, C, D, H, W\] or \[C, D, H, W\], not \[/)],
	),
	entry(
		'avgPool3d',
		avgPool3d as never,
		'F.avg_pool3d',
		[
			sample('odd sizes', of(2, 2, 3, 5, 4), 2),
			sample('padding not counted', of(1, 1, 4, 5, 3), [2, 3, 2], { stride: 2, padding: 1, countIncludePad: false }),
			sample('beyond the end', of(1, 1, 3, 4, 5), 2, { padding: 1, ceilMode: true }),
			sample('divisor', of(1, 1, 2, 4, 4), 2, { divisorOverride: 3 }),
			sample('one volume', of(2, 4, 2, 3), 2),
		],
		[refuse('rank', [2, 4, 4], (x) => avgPool3d(x, 2), /avgPool3d: input must be \[N, C, D, H, W\] or \[C, D, H, W\], not \[/)],
	),
	entry(
		'adaptiveAvgPool3d',
		adaptiveAvgPool3d,
		'F.adaptive_avg_pool3d',
		[
			sample('one', of(2, 2, 3, 2, 4), 1),
			sample('uneven', of(1, 2, 5, 4, 3), [2, 3, null]),
			sample('one volume', of(2, 4, 5, 3), 2),
		],
		[
			refuse(
				'size',
				[1, 1, 4, 4, 4],
				(x) => adaptiveAvgPool3d(x, [1, 2]),
				/adaptiveAvgPool3d: outputSize must be a whole number, or 3 of them \(null keeps a size\), not \[1, 2\]/,
			),
		],
	),
	entry(
		'adaptiveMaxPool1d',
		adaptiveMaxPool1d as never,
		'F.adaptive_max_pool1d',
		[sample('uneven', distinct(2, 2, 7), 3, { returnIndices: true }), sample('one signal', distinct(2, 7), 2)],
		[refuse('rank', [4], (x) => adaptiveMaxPool1d(x, 1), /adaptiveMaxPool1d: input must be \[N, C, L\] or \[C, L\], not \[/)],
	),
	entry(
		'adaptiveMaxPool3d',
		adaptiveMaxPool3d as never,
		'F.adaptive_max_pool3d',
		[
			sample('uneven', distinct(1, 2, 5, 4, 3), [2, 3, null]),
			sample('overlap', distinct(1, 1, 3, 4, 2), [2, 3, 2], { returnIndices: true }),
			sample('one volume', distinct(2, 3, 4, 5), 1),
		],
		[
			refuse(
				'rank',
				[4],
				(x) => adaptiveMaxPool3d(x, 1),
				/adaptiveMaxPool3d: input must be \[N, C, D, H, W\] or \[C, D, H, W\], not \[/,
			),
		],
	),
	interpolation,
];
