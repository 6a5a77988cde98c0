/** Reductions, running sums and sorting as ONNX nodes. */
import type { Call, Row, Rows } from '../call';
import type { Name } from '../graph';
import { type Size, sum } from '../symbols';
import { Formula, working } from './elementwise';
import { reshaped } from './layout';

interface Reduction {
	readonly dims: readonly number[];
	readonly count: Size;
}

/** Reduces over dims and keeps them. */
function kept(c: Call, opType: string, x: Name, dims: readonly number[]): Name {
	return dims.length === 0 ? x : c.add(opType, [x, c.graph.integers(dims)], { keepdims: 1 });
}

/** Reduces over the dims of the call, to the shape of its output. */
function over(c: Call, opType: string, x: Name, dims = c.attributes<Reduction>().dims): Name {
	if (dims.length === 0) return reshaped(c, x, c.shape('x'), c.output().shape);
	const keepdims = c.output().shape.length === c.shape('x').length ? 1 : 0;
	return c.add(opType, [x, c.graph.integers(dims)], { keepdims });
}

const total: Row = (c) => {
	const { dims } = c.attributes<Partial<Reduction>>();
	if (dims !== undefined) return over(c, 'ReduceSum', c.as('x', c.output().dtype));
	// The sum over what broadcasting repeated.
	const [from, to] = [c.shape('x'), c.output().shape];
	const added = from.length - to.length;
	const repeated = from.map((_, dim) => dim).filter((dim) => dim < added || (to[dim - added] === 1 && from[dim] !== 1));
	const ones = from.map((size, dim) => (repeated.includes(dim) ? 1 : size));
	return reshaped(c, kept(c, 'ReduceSum', c.in('x'), repeated), ones, to);
};

const truth: Row = (c) => {
	const { op } = c.attributes<{ readonly op: 'any' | 'all' }>();
	const ones = c.graph.cast(c.as('x', 'bool'), 'bool', 'int32');
	return c.graph.cast(over(c, op === 'any' ? 'ReduceMax' : 'ReduceMin', ones), 'int32', 'bool');
};

const extreme: Row = (c) => {
	const { op } = c.attributes<{ readonly op: 'amax' | 'amin' }>();
	const dtype = working(c.dtype('x'));
	return c.graph.cast(over(c, op === 'amax' ? 'ReduceMax' : 'ReduceMin', c.as('x', dtype)), dtype, c.output().dtype);
};

function positions(c: Call): Name {
	const { op, dims } = c.attributes<Reduction & { readonly op: 'max' | 'min' }>();
	const opType = op === 'max' ? 'ArgMax' : 'ArgMin';
	const x = c.as('x', working(c.dtype('x')));
	const shape = c.step.outputs.at(-1)!.shape;
	if (c.shape('x').length === 0) return c.scalar(0, 'int32');
	const single = dims.length === 1;
	const keepdims = single && shape.length === c.shape('x').length ? 1 : 0;
	const y = single
		? c.add(opType, [x], { axis: dims[0]!, keepdims })
		: reshaped(c, c.add(opType, [c.add('Reshape', [x, c.graph.integers([-1])])], { axis: 0, keepdims: 0 }), [], shape);
	return c.graph.cast(y, 'int64', 'int32');
}

const extremum: Row = (c) => {
	const { op } = c.attributes<{ readonly op: 'max' | 'min' }>();
	const dtype = working(c.dtype('x'));
	const values = c.graph.cast(over(c, op === 'max' ? 'ReduceMax' : 'ReduceMin', c.as('x', dtype)), dtype, c.output().dtype);
	return [values, c.isUsed(1) ? positions(c) : null];
};

const moment: Row = (c) => {
	const { dims, count, correction, root } = c.attributes<Reduction & { readonly correction: number; readonly root: boolean }>();
	return c.inFloat32('x', (x, dtype) => {
		const f = new Formula(c, dtype);
		const deviation = f.sub(x, kept(c, 'ReduceMean', x, dims));
		const squares = over(c, 'ReduceSum', f.mul(deviation, deviation), dims);
		const divisor = sum(count, -correction);
		const variance = f.div(squares, c.scalar(typeof divisor === 'number' ? Math.max(0, divisor) : divisor, dtype));
		return root ? f.op('Sqrt', variance) : variance;
	});
};

const norm: Row = (c) => {
	const { p } = c.attributes<{ readonly p: number }>();
	return c.inFloat32('x', (x, dtype) => {
		const f = new Formula(c, dtype);
		const size = f.op('Abs', x);
		if (p === 1) return over(c, 'ReduceSum', size);
		if (p === 2) return over(c, 'ReduceL2', size);
		if (p === Number.POSITIVE_INFINITY) return over(c, 'ReduceMax', size);
		if (p === Number.NEGATIVE_INFINITY) return over(c, 'ReduceMin', size);
		if (p === 0) return over(c, 'ReduceSum', c.graph.cast(f.op('Greater', size, 0), 'bool', dtype));
		return f.op('Pow', over(c, 'ReduceSum', f.op('Pow', size, p)), 1 / p);
	});
};

function topK(c: Call, x: Name, dim: number, count: Size, descending: boolean): [values: Name, indices: Name] {
	return c.graph.addMany('TopK', [x, c.graph.integers([count])], { axis: dim, largest: descending ? 1 : 0, sorted: 1 }, 2) as [
		Name,
		Name,
	];
}

interface SortAttributes {
	readonly dim: number;
	readonly descending: boolean;
	readonly count?: Size;
}

/** The sorted values, and their indices. */
const sort: Row = (c) => {
	const { dim, descending, count } = c.attributes<SortAttributes>();
	const dtype = working(c.dtype('x'));
	if (c.shape('x').length === 0) return [c.in('x'), c.scalar(0, 'int32')];
	const [values, indices] = topK(c, c.as('x', dtype), dim, count ?? c.shape('x')[dim]!, descending);
	return [c.graph.cast(values, dtype, c.dtype('x')), c.graph.cast(indices, 'int64', 'int32')];
};

/** The lower median, from the sorted elements. */
const median: Row = (c) => {
	const { dims } = c.attributes<Reduction>();
	const shape = c.shape('x');
	const dtype = working(c.dtype('x'));
	const single = c.step.outputs.length > 1;
	if (shape.length === 0) return single ? [c.in('x'), c.scalar(0, 'int32')] : c.in('x');
	const dim = single ? dims[0]! : 0;
	const sizes = c.numbers(single ? [shape[dim]!] : shape, 'the number of elements');
	const size = sizes.reduce((all, one) => all * one, 1);
	const x = single ? c.as('x', dtype) : c.add('Reshape', [c.as('x', dtype), c.graph.integers([-1])]);
	const sorted = topK(c, x, dim, size, false);
	const output = c.output().shape;
	const [values, indices] = sorted.map((part) => {
		const middle = c.add('Gather', [part, c.graph.integers([Math.floor((size - 1) / 2)])], { axis: dim });
		return reshaped(c, middle, single ? shape.with(dim, 1) : [1], output);
	}) as [Name, Name];
	const value = c.graph.cast(values, dtype, c.output().dtype);
	return single ? [value, c.isUsed(1) ? c.graph.cast(indices, 'int64', 'int32') : null] : value;
};

/** The number of elements of the sequence below each value, or at most equal to it. */
const searchsorted: Row = (c) => {
	const { right } = c.attributes<{ readonly right: boolean }>();
	const [sequence, values] = [c.shape('sequence'), c.shape('values')];
	const row = (x: Name, dim: number) => c.add('Unsqueeze', [x, c.graph.integers([dim])]);
	const dtype = working(c.dtype('values'));
	const rows = sequence.length === 1 ? c.as('sequence', dtype) : row(c.as('sequence', dtype), sequence.length - 1);
	const below = c.add(right ? 'LessOrEqual' : 'Less', [rows, row(c.as('values', dtype), values.length)]);
	const count = c.graph.cast(below, 'bool', 'int32');
	return c.add('ReduceSum', [count, c.graph.integers([values.length])], { keepdims: 0 });
};

export const REDUCE: Rows = {
	sum: total,
	mean: (c) => over(c, 'ReduceMean', c.in('x')),
	prod: (c) => over(c, 'ReduceProd', c.as('x', c.output().dtype)),
	logsumexp: (c) => c.inFloat32('x', (x) => over(c, 'ReduceLogSumExp', x)),
	all: truth,
	amax: extreme,
	max: extremum,
	argmax: positions,
	var: moment,
	norm,
	median,
	sort,
	argsort: (c) => (sort(c) as readonly Name[])[1]!,
	searchsorted,
	cumsum: (c) => {
		const { dim, reverse } = c.attributes<{ readonly dim: number; readonly reverse: boolean }>();
		const x = c.as('x', c.output().dtype);
		if (c.shape('x').length === 0) return x;
		return c.add('CumSum', [x, c.graph.scalar('int64', dim)], { reverse: reverse ? 1 : 0 });
	},
	cumprod: (c) => c.refuse('ONNX has no running product'),
};
