/** Elements by position: gather, scatter, one-hot, and what depends on the elements themselves. */
import { isFloating } from '../../../core/dtype';
import { ShapeError } from '../../../core/errors';
import { contiguousStrides, numel } from '../../../core/shape';
import { arange, tensor } from '../../../ops/creation';
import * as ops from '../../../ops/elementwise';
import { embedding } from '../../../ops/embedding';
import * as indexing from '../../../ops/indexing';
import { expand, flatten, reshape, select } from '../../../ops/layout';
import { sum } from '../../../ops/reduce';
import type { Tensor } from '../../../tensor';
import { axisOf, type Call, Host, hostInts, input, number, numbers, type Result, requireModest, type Table } from '../operator';

/** Indices of an input, of which negative ones count from the end, as indices from 0 on. */
function indicesAt(call: Call, index: number, size: number): Tensor {
	const value = call.inputs[index];
	const given = input(call, index);
	if (value instanceof Host && value.numbers.every((at) => at >= 0)) return ops.to(given, 'int32');
	const wide = ops.to(given, 'int32');
	return ops.where(ops.lt(wide, 0), ops.add(wide, size), wide);
}

/** Runs `compute` on a dtype that indexing kernels hold. */
function viaWords(x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
	return isFloating(x.dtype) || x.dtype === 'int32' ? compute(x) : ops.to(compute(ops.to(x, 'int32')), x.dtype);
}

function gather(call: Call): Tensor {
	const x = input(call, 0);
	const dim = axisOf(call, call.attributes.int('axis', 0), x.ndim);
	const size = x.shape[dim]!;
	const value = call.inputs[1];
	if (value instanceof Host && value.tensor.ndim === 0) return select(x, dim, value.numbers[0]!);
	const indices = indicesAt(call, 1, size);
	if (dim === 0 && x.ndim === 2 && isFloating(x.dtype)) return embedding(indices, x);
	const picked = viaWords(x, (y) => indexing.indexSelect(y, dim, reshape(indices, [-1])));
	return reshape(picked, [...x.shape.slice(0, dim), ...indices.shape, ...x.shape.slice(dim + 1)]);
}

function gatherElements(call: Call): Tensor {
	const x = input(call, 0);
	const dim = axisOf(call, call.attributes.int('axis', 0), x.ndim);
	return viaWords(x, (y) => indexing.gather(y, dim, indicesAt(call, 1, x.shape[dim]!)));
}

/** Rows of indices into the first dims of a shape, as positions in them flattened. */
function flatPositions(rows: Tensor, shape: readonly number[]): Tensor {
	const wide = ops.to(rows, 'int32');
	const sizes = tensor(Int32Array.from(shape), { device: wide.device });
	const steps = tensor(Int32Array.from(contiguousStrides(shape)), { device: wide.device });
	const positive = ops.where(ops.lt(wide, 0), ops.add(wide, sizes), wide);
	return ops.to(sum(ops.mul(positive, steps), -1), 'int32');
}

function gatherNd(call: Call): Tensor {
	const [x, indices] = [input(call, 0), input(call, 1)];
	const batch = call.attributes.int('batch_dims', 0);
	const depth = indices.shape.at(-1)!;
	if (batch + depth > x.ndim) throw new ShapeError(`GatherND: ${depth} indices do not fit ${x.ndim - batch} dims`);
	const lead = numel(x.shape.slice(0, batch));
	const places = x.shape.slice(batch, batch + depth);
	const rest = x.shape.slice(batch + depth);
	const counted = numel(indices.shape.slice(batch, -1));
	let at = reshape(flatPositions(indices, places), [lead, counted]);
	if (batch > 0) at = ops.add(at, reshape(ops.mul(arange(lead, { dtype: 'int32', device: x.device }), numel(places)), [lead, 1]));
	const rows = reshape(x, [lead * numel(places), numel(rest)]);
	const picked = viaWords(rows, (y) => indexing.indexSelect(y, 0, reshape(at, [-1])));
	return reshape(picked, [...indices.shape.slice(0, -1), ...rest]);
}

const REDUCTIONS = { none: null, add: 'sum', mul: 'prod', max: 'amax', min: 'amin' } as const;

function combined(call: Call, x: Tensor, dim: number, index: Tensor, updates: Tensor): Tensor {
	const reduce = REDUCTIONS[call.attributes.choice('reduction', ['none', 'add', 'mul', 'max', 'min'])];
	return viaWords(x, (y) => {
		const source = ops.to(updates, y.dtype);
		return reduce === null ? indexing.scatter(y, dim, index, source) : indexing.scatterReduce(y, dim, index, source, reduce);
	});
}

function scatterElements(call: Call): Tensor {
	const x = input(call, 0);
	const dim = axisOf(call, call.attributes.int('axis', 0), x.ndim);
	return combined(call, x, dim, indicesAt(call, 1, x.shape[dim]!), input(call, 2));
}

function scatterNd(call: Call): Tensor {
	const [x, indices, updates] = [input(call, 0), input(call, 1), input(call, 2)];
	const depth = indices.shape.at(-1)!;
	const rest = numel(x.shape.slice(depth));
	const at = reshape(flatPositions(indices, x.shape.slice(0, depth)), [-1, 1]);
	const rows = reshape(x, [numel(x.shape.slice(0, depth)), rest]);
	const count = at.shape[0]!;
	return reshape(combined(call, rows, 0, expand(at, [count, rest]), reshape(updates, [count, rest])), x.shape);
}

function oneHot(call: Call): Tensor {
	const given = input(call, 0);
	const depth = number(call, 1);
	const rank = given.ndim + 1;
	requireModest(call, [given.size, depth]);
	const dim = axisOf(call, call.attributes.int('axis', -1), rank);
	const classes = arange(depth, { dtype: 'int32', device: given.device });
	// Indices outside of -depth to depth - 1 match no class.
	const wide = ops.to(given, 'int32');
	const indices = ops.where(ops.lt(wide, 0), ops.add(wide, depth), wide);
	const isHot = ops.eq(
		reshape(indices, [...given.shape.slice(0, dim), 1, ...given.shape.slice(dim)]),
		reshape(classes, [depth, ...new Array<number>(rank - 1 - dim).fill(1)]),
	);
	const values = input(call, 2);
	return ops.where(isHot, select(values, 0, 1), select(values, 0, 0));
}

/** Positions of elements other than 0, [rank, count]. */
function nonZero(call: Call): Host {
	const values = numbers(call, 0);
	const { shape } = input(call, 0);
	const strides = contiguousStrides(shape);
	const found = values.flatMap((value, at) => (value === 0 ? [] : [at]));
	const places = strides.flatMap((stride, d) => found.map((at) => Math.floor(at / stride) % shape[d]!));
	return hostInts(places, [shape.length, found.length]);
}

function compress(call: Call): Tensor {
	const x = input(call, 0);
	const keep = Int32Array.from(numbers(call, 1).flatMap((value, at) => (value === 0 ? [] : [at])));
	const indices = tensor(keep, { device: x.device });
	const pick = (y: Tensor, dim: number) => viaWords(y, (z) => indexing.indexSelect(z, dim, indices));
	const { attributes } = call;
	return attributes.has('axis') ? pick(x, axisOf(call, attributes.int('axis'), x.ndim)) : pick(flatten(x), 0);
}

/** Finds equal slices on the host, and picks the first of each on the device. */
function unique(call: Call): Result {
	const { attributes } = call;
	const given = input(call, 0);
	const values = numbers(call, 0);
	const hasAxis = attributes.has('axis');
	const dim = hasAxis ? axisOf(call, attributes.int('axis'), given.ndim) : 0;
	const shape = hasAxis ? given.shape : [given.size];
	const count = shape[dim]!;
	const inner = numel(shape.slice(dim + 1));
	const outer = numel(shape.slice(0, dim));
	const slices = Array.from({ length: count }, (_, i) =>
		Array.from({ length: outer * inner }, (_, k) => values[(Math.floor(k / inner) * count + i) * inner + (k % inner)]!),
	);
	const groups = new Map<string, number[]>();
	slices.forEach((slice, i) => {
		const key = slice.join();
		const group = groups.get(key);
		if (group === undefined) groups.set(key, [i]);
		else group.push(i);
	});
	const ordered = [...groups.values()];
	if (attributes.flag('sorted', true)) ordered.sort(([a], [b]) => compared(slices[a!]!, slices[b!]!));
	const inverse = new Array<number>(count);
	ordered.forEach((group, place) => {
		for (const i of group) inverse[i] = place;
	});
	const first = ordered.map(([i]) => i!);
	const x = hasAxis ? given : reshape(given, [-1]);
	const picked = viaWords(x, (y) => indexing.indexSelect(y, dim, tensor(Int32Array.from(first), { device: y.device })));
	return [picked, hostInts(first), hostInts(inverse), hostInts(ordered.map(({ length }) => length))];
}

function compared(a: readonly number[], b: readonly number[]): number {
	const at = a.findIndex((value, i) => value !== b[i]);
	return at < 0 ? 0 : a[at]! - b[at]!;
}

export const INDEXING: Table = {
	Gather: { weights: [0], run: gather },
	GatherElements: { weights: [0], run: gatherElements },
	GatherND: { weights: [0], run: gatherNd },
	Scatter: { run: scatterElements },
	ScatterElements: { run: scatterElements },
	ScatterND: { run: scatterNd },
	OneHot: { run: oneHot },
	NonZero: { run: nonZero },
	Compress: { run: compress },
	Unique: { run: unique },
};
