/** Pooling. */
import { isFloating } from '../../../core/dtype';
import { ShapeError } from '../../../core/errors';
import { numel } from '../../../core/shape';
import * as conv from '../../../ops/conv';
import { full, tensor } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { scatter } from '../../../ops/indexing';
import { reshape } from '../../../ops/layout';
import * as pools from '../../../ops/pool';
import { amax, mean, sum } from '../../../ops/reduce';
import type { Tensor } from '../../../tensor';
import { type Call, has, input, numbers, type Operator, type Result, type Table, unsupported } from '../operator';
import { padded, type Windows, windowsOf } from './convolution';

const MAX = [pools.maxPool1d, pools.maxPool2d, pools.maxPool3d] as const;
const AVERAGE = [pools.avgPool1d, pools.avgPool2d, pools.avgPool3d] as const;
const CONVOLUTIONS = [conv.conv1d, conv.conv2d, conv.conv3d] as const;

/** Windows over x, and padding behind it such that the last one fits without rounding. */
interface Fitted extends Windows {
	/** The number of windows in each dim. */
	readonly count: readonly number[];
	/** Padding behind x that the windows reach; negative where they leave elements out. */
	readonly reach: readonly number[];
}

function fitted(call: Call, x: Tensor): Fitted {
	const size = x.shape.slice(2);
	if (x.ndim < 3 || x.ndim > 5) unsupported(call, `an input of ${x.ndim} dims`);
	const windows = windowsOf(call, size, call.attributes.ints('kernel_shape') ?? []);
	const ceil = call.attributes.flag('ceil_mode');
	const count = size.map((s, d) => {
		const { before, after, stride } = windows;
		const last = (s + before[d]! + after[d]! - spanOf(windows, d)) / stride[d]!;
		const rounded = ceil ? Math.ceil(last) : Math.floor(last);
		// A window that would begin behind x is left out.
		return ceil && rounded * stride[d]! >= s + before[d]! ? rounded : rounded + 1;
	});
	if (count.some((n) => n < 1))
		throw new ShapeError(`${call.attributes.node}: the windows are larger than the input [${x.shape.join(', ')}]`);
	const reach = size.map((s, d) => (count[d]! - 1) * windows.stride[d]! + spanOf(windows, d) - s - windows.before[d]!);
	return { ...windows, count, reach };
}

function spanOf({ kernel, dilation }: Windows, d: number): number {
	return dilation[d]! * (kernel[d]! - 1) + 1;
}

/** x with its padding, where pooling itself does not pad. */
function withPadding(x: Tensor, windows: Fitted, value: number): { x: Tensor; padding: readonly number[] } {
	const { before, reach, kernel } = windows;
	const simple = before.every((b, d) => b <= kernel[d]! / 2 && reach[d]! <= b && reach[d]! > b - windows.stride[d]!);
	if (simple) return { x, padding: before };
	return { x: padded(x, before, reach, value), padding: before.map(() => 0) };
}

function maxPool(call: Call): Result {
	const given = input(call, 0);
	const wide = isFloating(given.dtype) ? given : ops.to(given, 'float32');
	const windows = fitted(call, wide);
	const { x, padding } = withPadding(wide, windows, Number.NEGATIVE_INFINITY);
	const pool = MAX[x.ndim - 3]!;
	const { kernel, stride, dilation } = windows;
	const options = { stride: stride as never, dilation: dilation as never, padding: padding as never };
	if (call.outputs[1] !== true) return [ops.to(pool(x, kernel as never, options), given.dtype), null];
	const { values, indices } = pool(x, kernel as never, { ...options, returnIndices: true });
	return [ops.to(values, given.dtype), places(call, given, x, windows, indices)];
}

/** Positions in the padded planes as positions in the whole input. */
function places(call: Call, given: Tensor, x: Tensor, windows: Windows, indices: Tensor): Tensor {
	const isPadded = x.shape.some((size, dim) => size !== given.shape[dim]);
	const size = given.shape.slice(2);
	const byColumn = call.attributes.flag('storage_order');
	let at = indices;
	if (isPadded || byColumn) {
		let rest = indices;
		const coordinates = x.shape.slice(2).map((_, d) => {
			const inner = numel(x.shape.slice(3 + d));
			const coordinate = ops.div(rest, inner, { roundingMode: 'floor' });
			rest = ops.sub(rest, ops.mul(coordinate, inner));
			return isPadded ? ops.sub(coordinate, windows.before[d]!) : coordinate;
		});
		const steps = size.map((_, d) => numel(byColumn ? size.slice(0, d) : size.slice(d + 1)));
		at = coordinates.map((c, d) => ops.mul(c, steps[d]!)).reduce((a, b) => ops.add(a, b));
	}
	const planes = given.shape[0]! * given.shape[1]!;
	const start = tensor(
		Int32Array.from({ length: planes }, (_, i) => i * numel(size)),
		{
			shape: [given.shape[0]!, given.shape[1]!, ...size.map(() => 1)],
			device: given.device,
		},
	);
	return ops.add(at, start);
}

/** The sum of each window. */
function windowSums(x: Tensor, windows: Fitted): Tensor {
	const { kernel, stride, dilation, before, reach, count } = windows;
	const whole = padded(x, before, reach);
	if (dilation.every((step) => step === 1)) {
		const options = { stride: stride as never };
		return ops.mul(AVERAGE[x.ndim - 3]!(whole, kernel as never, options), numel(kernel));
	}
	const planes = reshape(whole, [x.shape[0]! * x.shape[1]!, 1, ...whole.shape.slice(2)]);
	const ones = full([1, 1, ...kernel], 1, { dtype: x.dtype, device: x.device });
	const sums = CONVOLUTIONS[x.ndim - 3]!(planes, ones, null, { stride: stride as never, dilation: dilation as never });
	return reshape(sums, [x.shape[0]!, x.shape[1]!, ...count]);
}

function averagePool(call: Call): Tensor {
	const x = input(call, 0);
	const windows = fitted(call, x);
	const countsPads = call.attributes.flag('count_include_pad');
	const { kernel, stride, dilation } = windows;
	const { x: same, padding } = withPadding(x, windows, 0);
	if (same === x && dilation.every((step) => step === 1)) {
		const options = { stride: stride as never, padding: padding as never, countIncludePad: countsPads };
		return AVERAGE[x.ndim - 3]!(x, kernel as never, options as never);
	}
	// How many elements of each window count, along each dim.
	const counts = windows.count.map((count, d) => {
		const first = countsPads ? -windows.before[d]! : 0;
		const end = x.shape[d + 2]! + (countsPads ? windows.after[d]! : 0);
		return Array.from({ length: count }, (_, i) => {
			const start = i * stride[d]! - windows.before[d]!;
			return Array.from({ length: kernel[d]! }, (_, k) => start + k * dilation[d]!).filter((at) => at >= first && at < end)
				.length;
		});
	});
	const divisors = counts.reduce<number[]>((all, along) => all.flatMap((a) => along.map((b) => a * b)), [1]);
	const divisor = tensor(Float32Array.from(divisors), { shape: [...windows.count], device: x.device });
	return ops.div(windowSums(x, windows), ops.to(divisor, x.dtype));
}

function power(x: Tensor, p: number): Tensor {
	if (p === 1) return ops.abs(x);
	return p === 2 ? ops.square(x) : ops.pow(ops.abs(x), p);
}

function root(x: Tensor, p: number): Tensor {
	if (p === 1) return x;
	return p === 2 ? ops.sqrt(x) : ops.pow(x, 1 / p);
}

function lpPool(call: Call): Tensor {
	const x = input(call, 0);
	const p = call.attributes.int('p', 2);
	return root(windowSums(power(x, p), fitted(call, x)), p);
}

/** Reduces all spatial dims. */
function overall(compute: (x: Tensor, dims: readonly number[], call: Call) => Tensor): Operator {
	return {
		run: (call) => {
			const x = input(call, 0);
			return compute(x, x.shape.map((_, dim) => dim).slice(2), call);
		},
	};
}

function unpool(call: Call): Tensor {
	const [x, indices] = [input(call, 0), input(call, 1)];
	const size = x.shape.slice(2);
	const windows = windowsOf(call, size, call.attributes.ints('kernel_shape') ?? []);
	const { kernel, stride, before, after } = windows;
	const inferred = size.map((s, d) => (s - 1) * stride[d]! + kernel[d]! - before[d]! - after[d]!);
	const shape = has(call, 2) ? [...numbers(call, 2)] : [x.shape[0]!, x.shape[1]!, ...inferred];
	const zeros = full([numel(shape)], 0, { dtype: x.dtype, device: x.device });
	return reshape(scatter(zeros, 0, reshape(indices, [-1]), reshape(x, [-1])), shape);
}

export const POOLS: Table = {
	MaxPool: { run: maxPool },
	AveragePool: { run: averagePool },
	LpPool: { run: lpPool },
	MaxUnpool: { run: unpool },
	GlobalAveragePool: overall((x, dims) => mean(x, dims, { keepdim: true })),
	GlobalMaxPool: overall((x, dims) => amax(x, dims, { keepdim: true })),
	GlobalLpPool: overall((x, dims, { attributes }) => {
		const p = attributes.int('p', 2);
		return root(sum(power(x, p), dims, { keepdim: true }), p);
	}),
};
