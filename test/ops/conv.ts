/** Convolutions and transposed convolutions. */
import { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d, type Tensor, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { py } from './python';

type Convolution = (x: Tensor, weight: Tensor, bias: Tensor | null, options: object) => Tensor;

const of = (...shape: number[]): InputSpec => ({ shape });
const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });

function sample(
	label: string,
	x: InputSpec,
	weight: InputSpec,
	bias: InputSpec | null,
	options: Options = {},
	gradient = true,
): Sample {
	return { label, inputs: bias === null ? [x, weight] : [x, weight, bias], options, gradient };
}

function entry(
	name: string,
	operation: Convolution,
	torch: string,
	samples: readonly Sample[],
	refusals: readonly Refusal[],
): OpEntry {
	return {
		name,
		family: 'conv',
		call: ([x, weight, bias], options) => operation(x!, weight!, bias ?? null, options),
		gradient: 'yes',
		samples,
		refusals,
		tolerance: { relative: 2e-5, absolute: 2e-5, reason: 'sums of up to some hundred products of both signs, in float32' },
		torch: (options) => {
			const named = Object.entries(options).map(
				([key, value]) => `${key === 'outputPadding' ? 'output_padding' : key}=${py(value)}`,
			);
			return `${torch}(${['*x', ...named].join(', ')})`;
		},
	};
}

function refuse(
	label: string,
	operation: Convolution,
	x: readonly number[],
	weight: readonly number[],
	options: object,
	message: RegExp,
): Refusal {
	return { label, call: (device) => operation(zeros(x, { device }), zeros(weight, { device }), null, options), message };
}

export const conv: OpEntry[] = [
	entry(
		'conv2d',
		conv2d,
		'F.conv2d',
		[
			sample('odd sizes', of(2, 3, 5, 4), of(2, 3, 3, 3), of(2)),
			sample('padding', of(1, 2, 3, 5), of(3, 2, 3, 3), of(3), { padding: 1 }),
			sample('stride', of(1, 1, 7, 6), of(2, 1, 3, 2), null, { stride: 2 }),
			sample('all options', of(1, 2, 7, 6), of(2, 1, 2, 3), of(2), {
				stride: [2, 1],
				padding: [1, 2],
				dilation: [2, 1],
				groups: 2,
			}),
			sample('rest at the end', of(1, 1, 6, 8), of(1, 1, 3, 3), null, { stride: 3 }),
			sample('depthwise', of(2, 3, 4, 4), of(3, 1, 3, 3), of(3), { groups: 3, padding: 1 }),
			sample('depthwise, two each', of(1, 2, 4, 4), of(4, 1, 2, 2), null, { groups: 2 }),
			sample('1x1', of(2, 3, 3, 3), of(5, 3, 1, 1), of(5)),
			sample('same', of(1, 1, 4, 5), of(2, 1, 2, 4), of(2), { padding: 'same' }),
			sample('same with dilation', of(1, 1, 4, 5), of(1, 1, 3, 2), null, { padding: 'same', dilation: [1, 2] }),
			sample('valid', of(1, 1, 4, 4), of(1, 1, 3, 3), null, { padding: 'valid' }),
			sample('whole image', of(3, 2, 3, 3), of(4, 2, 3, 3), of(4)),
			sample('one image', of(2, 4, 4), of(3, 2, 3, 3), of(3)),
			sample('transposed', transposed(2, 2, 4, 3), transposed(2, 2, 3, 3), null),
			sample('strided', strided(1, 2, 4, 4), strided(2, 2, 3, 3), strided(2)),
			sample('no images', of(0, 2, 4, 4), of(3, 2, 3, 3), of(3)),
			sample('large', of(3, 5, 33, 17), of(9, 5, 3, 3), of(9), { padding: 1 }, false),
		],
		[
			refuse(
				'channels',
				conv2d,
				[1, 3, 5, 5],
				[2, 4, 3, 3],
				{},
				/conv2d: input \[1, 3, 5, 5\], weight \[2, 4, 3, 3\] and groups 1 do not fit: the input has 3 channels, the weight takes 4/,
			),
			refuse('rank', conv2d, [5, 5], [2, 1, 3, 3], {}, /conv2d: needs an input of 4 dims \(or 3 without a batch\)/),
			refuse(
				'window',
				conv2d,
				[1, 1, 2, 2],
				[1, 1, 3, 3],
				{},
				/conv2d: a window of \[3, 3\] does not fit \[1, 1, 2, 2\] with padding \[0, 0\]/,
			),
			refuse(
				'same with stride',
				conv2d,
				[1, 1, 4, 4],
				[1, 1, 3, 3],
				{ padding: 'same', stride: 2 },
				/conv2d: padding 'same' keeps the size, so stride must be 1/,
			),
			refuse(
				'stride 0',
				conv2d,
				[1, 1, 4, 4],
				[1, 1, 3, 3],
				{ stride: 0 },
				/conv2d: stride must be a whole number, or 2 of them, of at least 1 and below 2\^31, not 0/,
			),
			refuse('groups', conv2d, [1, 4, 4, 4], [3, 2, 3, 3], { groups: 2 }, /conv2d: .* 3 must be a multiple of groups/),
			refuse(
				'padding',
				conv2d,
				[1, 1, 4, 4],
				[1, 1, 3, 3],
				{ padding: 'full' },
				/conv2d: padding must be a number, a list, 'same' or 'valid', not 'full'/,
			),
			{
				label: 'bias',
				call: (device) => conv2d(zeros([1, 1, 4, 4], { device }), zeros([2, 1, 3, 3], { device }), zeros([3], { device })),
				message: /conv2d: bias \[3\] must have shape \[2\] for weight \[2, 1, 3, 3\]/,
			},
		],
	),
	entry(
		'conv1d',
		conv1d,
		'F.conv1d',
		[
			sample('odd sizes', of(2, 3, 9), of(2, 3, 4), of(2)),
			sample('all options', of(1, 2, 11), of(4, 1, 3), of(4), { stride: 2, padding: 3, dilation: 2, groups: 2 }),
			sample('same', of(1, 1, 7), of(1, 1, 4), null, { padding: 'same' }),
			sample('one signal', of(2, 7), of(3, 2, 3), of(3)),
		],
		[refuse('rank', conv1d, [1, 2, 3, 4], [1, 2, 3], {}, /conv1d: needs an input of 3 dims/)],
	),
	entry(
		'conv3d',
		conv3d,
		'F.conv3d',
		[
			sample('odd sizes', of(1, 2, 3, 3, 4), of(2, 2, 2, 2, 3), of(2)),
			sample('all options', of(1, 2, 4, 3, 3), of(2, 1, 2, 2, 1), null, {
				stride: [2, 1, 1],
				padding: [1, 0, 1],
				dilation: [1, 2, 1],
				groups: 2,
			}),
		],
		[refuse('rank', conv3d, [1, 2, 3], [1, 2, 3, 3, 3], {}, /conv3d: needs an input of 5 dims/)],
	),
	entry(
		'convTranspose1d',
		convTranspose1d,
		'F.conv_transpose1d',
		[
			sample('odd sizes', of(2, 3, 4), of(3, 2, 3), of(2)),
			sample('all options', of(1, 2, 5), of(2, 2, 3), of(4), { stride: 3, padding: 1, outputPadding: 2, dilation: 2, groups: 2 }),
		],
		[
			refuse(
				'outputPadding',
				convTranspose1d,
				[1, 1, 4],
				[1, 1, 3],
				{ outputPadding: 1 },
				/convTranspose1d: outputPadding \[1\] must be smaller than stride \[1\]/,
			),
		],
	),
	entry(
		'convTranspose2d',
		convTranspose2d,
		'F.conv_transpose2d',
		[
			sample('odd sizes', of(2, 3, 3, 4), of(3, 2, 3, 3), of(2)),
			sample('upsampling', of(1, 2, 3, 3), of(2, 1, 4, 4), of(1), { stride: 2, padding: 1 }),
			sample('all options', of(1, 2, 3, 4), of(2, 2, 2, 3), null, {
				stride: [2, 3],
				padding: [1, 2],
				outputPadding: [1, 2],
				dilation: [2, 1],
				groups: 2,
			}),
			sample('one image', of(2, 3, 3), of(2, 1, 2, 2), of(1)),
			sample('transposed', transposed(1, 2, 3, 3), transposed(2, 2, 2, 2), null),
		],
		[
			refuse(
				'channels',
				convTranspose2d,
				[1, 3, 5, 5],
				[2, 4, 3, 3],
				{},
				/convTranspose2d: .* the input has 3 channels, the weight takes 2/,
			),
			refuse(
				'nothing left',
				convTranspose2d,
				[1, 1, 1, 1],
				[1, 1, 2, 2],
				{ padding: 1 },
				/convTranspose2d: .* leave nothing: the result would be \[0, 0\]/,
			),
		],
	),
	entry(
		'convTranspose3d',
		convTranspose3d,
		'F.conv_transpose3d',
		[
			sample('odd sizes', of(1, 2, 2, 3, 1), of(2, 2, 2, 3, 2), of(2)),
			sample('upsampling', of(1, 1, 2, 2, 2), of(1, 2, 2, 2, 2), of(2), { stride: 2 }),
			sample('all options', of(1, 2, 2, 1, 3), of(2, 1, 2, 2, 3), of(2), {
				stride: [2, 1, 3],
				padding: [1, 0, 1],
				outputPadding: [1, 0, 2],
				dilation: [1, 2, 1],
				groups: 2,
			}),
			sample('one volume', of(2, 2, 2, 1), of(2, 1, 2, 1, 2), null),
		],
		[
			refuse(
				'rank',
				convTranspose3d,
				[1, 1, 5],
				[1, 1, 3, 3, 3],
				{},
				/convTranspose3d: needs an input of 5 dims \(or 4 without a batch\)/,
			),
		],
	),
];
