/** Shapes, order and parts of tensors. Their results rearrange elements. */
import { isFloating } from '../../../core/dtype';
import { ArgumentError, FormatError, ShapeError } from '../../../core/errors';
import { numel } from '../../../core/shape';
import * as ops from '../../../ops/elementwise';
import * as layout from '../../../ops/layout';
import type { Tensor } from '../../../tensor';
import {
	axisOf,
	type Call,
	has,
	hostInts,
	input,
	inputs,
	intsAt,
	number,
	numbers,
	type Operator,
	type Result,
	requireModest,
	type Table,
	unsupported,
} from '../operator';

/** Its output rearranges the elements of input 0. */
function rearranging(run: (call: Call) => Result): Operator {
	return { passes: [0], run };
}

function shapeOf(call: Call): Result {
	const { shape } = input(call, 0);
	const { attributes } = call;
	const within = (at: number) => Math.min(Math.max(at < 0 ? at + shape.length : at, 0), shape.length);
	return hostInts(shape.slice(within(attributes.int('start', 0)), within(attributes.int('end', shape.length))));
}

function reshape(call: Call): Tensor {
	const x = input(call, 0);
	const shape = numbers(call, 1);
	const keepsZero = call.attributes.flag('allowzero');
	return layout.reshape(
		x,
		shape.map((size, dim) => (size === 0 && !keepsZero ? (x.shape[dim] ?? 0) : size)),
	);
}

function flatten(call: Call): Tensor {
	const x = input(call, 0);
	const given = call.attributes.int('axis', 1);
	const axis = given === x.ndim ? given : axisOf(call, given, x.ndim);
	return layout.reshape(x, [numel(x.shape.slice(0, axis)), numel(x.shape.slice(axis))]);
}

function squeeze(call: Call): Tensor {
	const x = input(call, 0);
	const axes = intsAt(call, 13, 'axes', 1)?.map((axis) => axisOf(call, axis, x.ndim));
	const wrong = axes?.find((axis) => x.shape[axis] !== 1);
	if (wrong !== undefined) throw new ShapeError(`Squeeze: axis ${wrong} has size ${x.shape[wrong]}, not 1`);
	return layout.reshape(
		x,
		x.shape.filter((size, dim) => (axes === undefined ? size !== 1 : !axes.includes(dim))),
	);
}

function unsqueeze(call: Call): Tensor {
	const x = input(call, 0);
	const given = intsAt(call, 13, 'axes', 1) ?? [];
	const rank = x.ndim + given.length;
	const axes = new Set(given.map((axis) => axisOf(call, axis, rank)));
	if (axes.size < given.length) throw new FormatError(`${call.attributes.node} names an axis twice`);
	const sizes = [...x.shape];
	return layout.reshape(
		x,
		Array.from({ length: rank }, (_, dim) => (axes.has(dim) ? 1 : sizes.shift()!)),
	);
}

function split(call: Call): Result {
	const { attributes, outputs, version } = call;
	const x = input(call, 0);
	const dim = axisOf(call, attributes.int('axis', 0), x.ndim);
	const size = x.shape[dim]!;
	const sizes = intsAt(call, 13, 'split', 1);
	if (sizes !== null) return layout.split(x, sizes, dim);
	const count = version >= 18 ? attributes.int('num_outputs', outputs.length) : outputs.length;
	const part = Math.ceil(size / count);
	if (version < 18 && part * count !== size) throw new ShapeError(`Split: ${size} elements do not make ${count} equal parts`);
	// The last part may be smaller.
	return layout.split(
		x,
		Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, size - i * part))),
		dim,
	);
}

function slice(call: Call): Tensor {
	const x = input(call, 0);
	const { attributes, version } = call;
	const starts = version < 10 ? attributes.ints('starts') : numbers(call, 1);
	const ends = version < 10 ? attributes.ints('ends') : numbers(call, 2);
	const axes = version < 10 ? attributes.ints('axes') : has(call, 3) ? numbers(call, 3) : null;
	const steps = version >= 10 && has(call, 4) ? numbers(call, 4) : null;
	if (starts === null || ends === null || starts.length !== ends.length)
		throw new FormatError(`${attributes.node} needs as many starts as ends`);
	return starts.reduce<Tensor>((y, start, i) => {
		const dim = axisOf(call, axes === null ? i : axes[i]!, x.ndim);
		return sliced(y, dim, start, ends[i]!, steps?.[i] ?? 1);
	}, x);
}

function sliced(x: Tensor, dim: number, start: number, end: number, step: number): Tensor {
	const size = x.shape[dim]!;
	if (step > 0) return layout.slice(x, dim, start, end, step);
	if (step === 0) throw new ArgumentError('Slice: a step is 0');
	// From start down to, but excluding, end.
	const within = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, -1), size - 1);
	const [first, last] = [within(start), within(end)];
	return layout.slice(layout.flip(x, [dim]), dim, size - 1 - first, size - 1 - last, -step);
}

const PAD_MODES = { constant: 'constant', reflect: 'reflect', edge: 'replicate', wrap: 'circular' } as const;

function pad(call: Call): Tensor {
	const x = input(call, 0);
	const { attributes, version } = call;
	const mode = PAD_MODES[attributes.choice('mode', ['constant', 'reflect', 'edge', 'wrap'])];
	const given = version < 11 ? (attributes.ints('pads') ?? []) : numbers(call, 1);
	const axes =
		version >= 18 && has(call, 3) ? numbers(call, 3).map((axis) => axisOf(call, axis, x.ndim)) : x.shape.map((_, dim) => dim);
	if (given.length !== 2 * axes.length) throw new FormatError(`${attributes.node} needs two pads for each axis`);
	const pads = new Array<number>(2 * x.ndim).fill(0);
	axes.forEach((dim, i) => {
		pads[2 * (x.ndim - 1 - dim)] = given[i]!;
		pads[2 * (x.ndim - 1 - dim) + 1] = given[i + axes.length]!;
	});
	requireModest(
		call,
		x.shape.map((size, dim) => size + pads[2 * (x.ndim - 1 - dim)]! + pads[2 * (x.ndim - 1 - dim) + 1]!),
	);
	const value = version < 11 ? attributes.float('value', 0) : number(call, 2, 0);
	if (mode === 'constant') return layout.pad(x, pads, { value });
	const padded = (y: Tensor) => layout.pad(y, pads, { mode });
	return isFloating(x.dtype) ? padded(x) : ops.to(padded(x), x.dtype);
}

function expand(call: Call): Tensor {
	const x = input(call, 0);
	const shape = numbers(call, 1);
	const rank = Math.max(shape.length, x.ndim);
	// Either side may be the one that is repeated.
	const wanted = Array.from({ length: rank }, (_, dim) => {
		const own = x.shape[dim - rank + x.ndim] ?? 1;
		const other = shape[dim - rank + shape.length] ?? 1;
		return other === 1 ? own : other;
	});
	return layout.expand(x, requireModest(call, wanted));
}

function tile(call: Call): Tensor {
	const x = input(call, 0);
	const repeats = numbers(call, 1);
	requireModest(call, [x.size, ...repeats]);
	return layout.repeat(x, repeats);
}

/** Blocks of `size` x `size` become channels, or the reverse. */
function depth(call: Call, toSpace: boolean): Tensor {
	const x = input(call, 0);
	const size = call.attributes.int('blocksize');
	const [batch, channels, height, width] = x.shape as [number, number, number, number];
	if (x.ndim !== 4 || size < 1) throw new ShapeError(`${call.attributes.node} takes [N, C, H, W] and a positive blocksize`);
	if (!toSpace) {
		const blocks = layout.reshape(x, [batch, channels, height / size, size, width / size, size]);
		return layout.reshape(layout.permute(blocks, [0, 3, 5, 1, 2, 4]), [
			batch,
			channels * size * size,
			height / size,
			width / size,
		]);
	}
	const part = channels / (size * size);
	const isCrd = call.attributes.choice('mode', ['DCR', 'CRD']) === 'CRD';
	const blocks = isCrd ? [batch, part, size, size, height, width] : [batch, size, size, part, height, width];
	const order = isCrd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
	return layout.reshape(layout.permute(layout.reshape(x, blocks), order), [batch, part, height * size, width * size]);
}

function trilu(call: Call): Tensor {
	const x = input(call, 0);
	const triangle = call.attributes.flag('upper', true) ? layout.triu : layout.tril;
	return triangle(x, number(call, 1, 0));
}

/** Reverses the first `lengths[i]` elements along the time axis of each batch entry. */
function reverseSequence(call: Call): Tensor {
	const x = input(call, 0);
	const { attributes } = call;
	const [time, batch] = [attributes.int('time_axis', 0), attributes.int('batch_axis', 1)];
	const lengths = numbers(call, 1);
	const parts = lengths.map((length, i) => {
		const one = layout.narrow(x, batch, i, 1);
		const size = one.shape[time]!;
		if (length < 0 || length > size) throw new ArgumentError(`ReverseSequence: length ${length} is not within ${size} steps`);
		return layout.cat(
			[layout.flip(layout.narrow(one, time, 0, length), [time]), layout.narrow(one, time, length, size - length)],
			time,
		);
	});
	return layout.cat(parts, batch);
}

function centerCropPad(call: Call): Tensor {
	const x = input(call, 0);
	const axes = call.attributes.ints('axes')?.map((axis) => axisOf(call, axis, x.ndim)) ?? x.shape.map((_, dim) => dim);
	const wanted = numbers(call, 1);
	const pads = new Array<number>(2 * x.ndim).fill(0);
	axes.forEach((dim, i) => {
		const missing = wanted[i]! - x.shape[dim]!;
		// Of an odd number the larger half is at the end, both of what is added and of what is cut off.
		const before = missing >= 0 ? Math.floor(missing / 2) : -Math.floor(-missing / 2);
		pads[2 * (x.ndim - 1 - dim)] = before;
		pads[2 * (x.ndim - 1 - dim) + 1] = missing - before;
	});
	requireModest(call, wanted);
	return layout.pad(x, pads);
}

/** Adds up blocks at their places in an image. */
function col2Im(call: Call): Tensor {
	const { attributes } = call;
	const [size, block] = [numbers(call, 1), numbers(call, 2)];
	if (size.length !== 2) unsupported(call, `an image of ${size.length} dims`);
	const pads = attributes.ints('pads') ?? [0, 0, 0, 0];
	const padded = size.map((s, d) => s + pads[d]! + pads[d + 2]!);
	const y = layout.fold(input(call, 0), padded as [number, number], block as [number, number], {
		stride: (attributes.ints('strides') ?? [1, 1]) as [number, number],
		dilation: (attributes.ints('dilations') ?? [1, 1]) as [number, number],
	});
	return layout.narrow(layout.narrow(y, 2, pads[0]!, size[0]!), 3, pads[1]!, size[1]!);
}

function cast(call: Call): Tensor {
	return converted(input(call, 0), call.dtypeOf(call.attributes.int('to')));
}

/** Floating numbers become bytes by way of int32, which cuts off the fraction. */
function converted(x: Tensor, dtype: Tensor['dtype']): Tensor {
	return ops.to(x, dtype);
}

export const LAYOUT: Table = {
	Identity: { passes: [0], run: (call) => call.inputs[0] ?? input(call, 0) },
	Shape: { run: shapeOf },
	Size: { run: (call) => hostInts([input(call, 0).size], []) },
	Cast: rearranging(cast),
	CastLike: rearranging((call) => converted(input(call, 0), input(call, 1).dtype)),
	Reshape: rearranging(reshape),
	Flatten: rearranging(flatten),
	Squeeze: rearranging(squeeze),
	Unsqueeze: rearranging(unsqueeze),
	Transpose: rearranging((call) => {
		const x = input(call, 0);
		return layout.permute(x, call.attributes.ints('perm') ?? x.shape.map((_, dim) => x.ndim - 1 - dim));
	}),
	Concat: {
		passes: 'all',
		run: (call) => {
			const list = inputs(call);
			return layout.cat(list, axisOf(call, call.attributes.int('axis', call.version < 4 ? 1 : undefined), list[0]!.ndim));
		},
	},
	Split: rearranging(split),
	Slice: rearranging(slice),
	Pad: rearranging(pad),
	Tile: rearranging((call) => tile(call)),
	Expand: rearranging(expand),
	DepthToSpace: rearranging((call) => depth(call, true)),
	SpaceToDepth: rearranging((call) => depth(call, false)),
	Trilu: rearranging(trilu),
	ReverseSequence: rearranging(reverseSequence),
	CenterCropPad: rearranging(centerCropPad),
	Col2Im: { run: col2Im },
};
