/** Convolutions. */
import { ArgumentError, ShapeError } from '../../../core/errors';
import * as conv from '../../../ops/conv';
import * as ops from '../../../ops/elementwise';
import { pad, reshape } from '../../../ops/layout';
import type { Tensor } from '../../../tensor';
import { type Call, input, optional, type Table, unsupported } from '../operator';

/** The windows of a convolution or a pooling, for each spatial dim. */
export interface Windows {
	readonly kernel: readonly number[];
	readonly stride: readonly number[];
	readonly dilation: readonly number[];
	/** Padding before and after. */
	readonly before: readonly number[];
	readonly after: readonly number[];
}

export const AUTO_PADS = ['NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'] as const;

/** The windows that a node's attributes describe over the spatial dims `size`. */
export function windowsOf(call: Call, size: readonly number[], kernel: readonly number[]): Windows {
	const { attributes } = call;
	const list = (name: string) => {
		const given = attributes.ints(name) ?? size.map(() => 1);
		if (given.length !== size.length || given.some((value) => value < 1))
			throw new ArgumentError(`${attributes.node}: ${name} must hold ${size.length} positive numbers`);
		return given;
	};
	if (kernel.length !== size.length || kernel.some((taps) => taps < 1))
		throw new ShapeError(`${attributes.node}: a window of ${kernel.length} dims does not fit ${size.length} spatial dims`);
	const [stride, dilation] = [list('strides'), list('dilations')];
	const auto = attributes.choice('auto_pad', AUTO_PADS);
	const total = size.map((s, d) => {
		const span = dilation[d]! * (kernel[d]! - 1) + 1;
		return Math.max(0, (Math.ceil(s / stride[d]!) - 1) * stride[d]! + span - s);
	});
	if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
		const smaller = total.map((t) => Math.floor(t / 2));
		const larger = total.map((t, d) => t - smaller[d]!);
		const [before, after] = auto === 'SAME_UPPER' ? [smaller, larger] : [larger, smaller];
		return { kernel, stride, dilation, before, after };
	}
	const pads = (auto === 'VALID' ? null : attributes.ints('pads')) ?? new Array<number>(2 * size.length).fill(0);
	if (pads.length !== 2 * size.length) throw new ArgumentError(`${attributes.node}: pads must hold ${2 * size.length} numbers`);
	return { kernel, stride, dilation, before: pads.slice(0, size.length), after: pads.slice(size.length) };
}

/** Pads the spatial dims of x. Negative padding crops. */
export function padded(x: Tensor, before: readonly number[], after: readonly number[], value = 0): Tensor {
	const pads = before.flatMap((_, i) => [before[before.length - 1 - i]!, after[before.length - 1 - i]!]);
	return pads.every((p) => p === 0) ? x : pad(x, pads, { value });
}

const CONVOLUTIONS = [conv.conv1d, conv.conv2d, conv.conv3d] as const;
const TRANSPOSED = [conv.convTranspose1d, conv.convTranspose2d, conv.convTranspose3d] as const;

export function convolved(call: Call, x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
	const windows = windowsOf(call, x.shape.slice(2), call.attributes.ints('kernel_shape') ?? weight.shape.slice(2));
	const convolve = CONVOLUTIONS[x.ndim - 3];
	if (convolve === undefined) unsupported(call, `an input of ${x.ndim} dims`);
	const { before, after, stride, dilation } = windows;
	// What both ends share needs no copy.
	const shared = before.map((b, d) => Math.max(0, Math.min(b, after[d]!)));
	const rest = (side: readonly number[]) => side.map((p, d) => p - shared[d]!);
	return convolve(padded(x, rest(before), rest(after)), weight, bias, {
		stride: stride as never,
		dilation: dilation as never,
		padding: shared as never,
		groups: call.attributes.int('group', 1),
	});
}

function transposedConvolution(call: Call): Tensor {
	const { attributes } = call;
	const [x, weight, bias] = [input(call, 0), input(call, 1), optional(call, 2)];
	const convolve = TRANSPOSED[x.ndim - 3];
	if (convolve === undefined) unsupported(call, `an input of ${x.ndim} dims`);
	const size = x.shape.slice(2);
	const windows = windowsOf(call, size, attributes.ints('kernel_shape') ?? weight.shape.slice(2));
	const { stride, dilation, kernel } = windows;
	const extra = attributes.ints('output_padding') ?? size.map(() => 0);
	const whole = size.map((s, d) => stride[d]! * (s - 1) + extra[d]! + dilation[d]! * (kernel[d]! - 1) + 1);
	const auto = attributes.choice('auto_pad', AUTO_PADS);
	const isSame = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
	const wanted = attributes.ints('output_shape')?.slice(-size.length) ?? (isSame ? size.map((s, d) => s * stride[d]!) : null);
	let { before, after } = windows;
	if (wanted !== null) {
		const total = whole.map((w, d) => w - wanted[d]!);
		// What lacks is added at the end.
		const half = total.map((t) => Math.max(0, Math.floor(t / 2)));
		const other = total.map((t, d) => t - half[d]!);
		const isUpper = (d: number) => auto === 'SAME_UPPER' || total[d]! < 0;
		before = half.map((h, d) => (isUpper(d) ? h : other[d]!));
		after = half.map((h, d) => (isUpper(d) ? other[d]! : h));
	}
	const options = { stride: stride as never, dilation: dilation as never, groups: attributes.int('group', 1) };
	const isEven = before.every((b, d) => b === after[d] && b >= 0);
	const fits = extra.every((e, d) => e < stride[d]! || e < dilation[d]!);
	if (isEven && fits) return convolve(x, weight, bias, { ...options, padding: before as never, outputPadding: extra as never });
	// Without bias, so that what is added behind the result gets it, too.
	const y = convolve(x, weight, null, options);
	const cropped = padded(
		y,
		before.map((b) => 0 - b),
		after.map((a, d) => extra[d]! - a),
	);
	return bias === null ? cropped : ops.add(cropped, reshapeChannels(bias, size.length));
}

/** [C] as [C, 1, ...]. */
export function reshapeChannels(x: Tensor, spatial: number): Tensor {
	return reshape(x, [x.shape[0]!, ...new Array<number>(spatial).fill(1)]);
}

export const CONVOLUTION: Table = {
	Conv: { weights: [1, 2], run: (call) => convolved(call, input(call, 0), input(call, 1), optional(call, 2)) },
	ConvTranspose: { weights: [1, 2], run: transposedConvolution },
};
