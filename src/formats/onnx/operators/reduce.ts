/** Reductions, extremes and their places, and running sums. */
import { isFloating } from '../../../core/dtype';
import * as ops from '../../../ops/elementwise';
import { topk } from '../../../ops/indexing';
import { flip, narrow, pad } from '../../../ops/layout';
import { amax, amin, argmax, argmin, cumprod, cumsum, mean, prod, sum } from '../../../ops/reduce';
import { logsumexp } from '../../../ops/softmax';
import type { Tensor } from '../../../tensor';
import { axisOf, type Call, input, intsAt, number, type Operator, type Result, type Table } from '../operator';

type Reduce = (x: Tensor, dims: readonly number[], options: { keepdim: boolean }) => Tensor;

/** The axes are an attribute, and an input from version `since` on. */
function reduction(since: number, compute: Reduce): Operator {
	const run = (call: Call) => {
		const { attributes } = call;
		const x = input(call, 0);
		const axes = intsAt(call, since, 'axes', 1) ?? [];
		if (axes.length === 0 && attributes.flag('noop_with_empty_axes')) return compute(x, [], { keepdim: true });
		const dims = axes.length > 0 ? axes.map((axis) => axisOf(call, axis, x.ndim)) : x.shape.map((_, dim) => dim);
		return compute(x, dims, { keepdim: attributes.flag('keepdims', true) });
	};
	return { run };
}

/** Reduces over no dims, as an empty list of axes may ask: only the function of each element stays. */
function over(compute: Reduce): Reduce {
	return (x, dims, options) => (dims.length === 0 ? x : compute(x, dims, options));
}

/** Sums of integers stay integers of their type. */
const total: Reduce = over((x, dims, options) => ops.to(sum(x, dims, options), x.dtype));

const average: Reduce = over((x, dims, options) => {
	if (isFloating(x.dtype)) return mean(x, dims, options);
	const count = dims.reduce((product, dim) => product * x.shape[dim]!, 1);
	return ops.to(ops.div(sum(x, dims, options), count, { roundingMode: 'trunc' }), x.dtype);
});

const product: Reduce = over((x, dims, options) => {
	const all = [...dims].sort((a, b) => b - a).reduce((y, dim) => prod(y, dim, options), x);
	return ops.to(all, x.dtype);
});

/** Booleans and bytes go through int32. */
function extreme(compute: Reduce): Reduce {
	return over((x, dims, options) =>
		isFloating(x.dtype) ? compute(x, dims, options) : ops.to(compute(ops.to(x, 'int32'), dims, options), x.dtype),
	);
}

function place(compute: (x: Tensor, dim: number, options: { keepdim: boolean }) => Tensor): Operator {
	const run = (call: Call) => {
		const { attributes } = call;
		const x = input(call, 0);
		const dim = axisOf(call, attributes.int('axis', 0), x.ndim);
		const keepdim = attributes.flag('keepdims', true);
		if (!attributes.flag('select_last_index')) return compute(x, dim, { keepdim });
		return ops.sub(x.shape[dim]! - 1, compute(flip(x, [dim]), dim, { keepdim }));
	};
	return { run };
}

function top(call: Call): Result {
	const { attributes, version } = call;
	const x = input(call, 0);
	const k = version < 10 ? attributes.int('k') : number(call, 1);
	const { values, indices } = topk(x, k, axisOf(call, attributes.int('axis', -1), x.ndim), {
		largest: attributes.flag('largest', true),
	});
	return [values, indices];
}

function running(compute: (x: Tensor, dim: number) => Tensor, neutral: number): Operator {
	const run = (call: Call) => {
		const { attributes } = call;
		const given = input(call, 0);
		const dim = axisOf(call, number(call, 1), given.ndim);
		const reverse = attributes.flag('reverse');
		let x = reverse ? flip(given, [dim]) : given;
		const size = x.shape[dim]!;
		if (attributes.flag('exclusive') && size > 0) {
			const before = new Array<number>(2 * (x.ndim - 1 - dim)).fill(0);
			x = pad(narrow(x, dim, 0, size - 1), [...before, 1, 0], { value: neutral });
		}
		const y = ops.to(compute(x, dim), given.dtype);
		return reverse ? flip(y, [dim]) : y;
	};
	return { run };
}

export const REDUCTIONS: Table = {
	ReduceSum: reduction(13, total),
	ReduceMean: reduction(18, average),
	ReduceMax: reduction(18, extreme(amax)),
	ReduceMin: reduction(18, extreme(amin)),
	ReduceProd: reduction(18, product),
	ReduceL1: reduction(18, (x, dims, options) => total(ops.abs(x), dims, options)),
	ReduceL2: reduction(18, (x, dims, options) => ops.to(ops.sqrt(total(ops.square(x), dims, options)), x.dtype)),
	ReduceLogSum: reduction(18, (x, dims, options) => ops.to(ops.log(total(x, dims, options)), x.dtype)),
	ReduceLogSumExp: reduction(
		18,
		over((x, dims, options) => ops.to(logsumexp(ops.to(x, isFloating(x.dtype) ? x.dtype : 'float32'), dims, options), x.dtype)),
	),
	ReduceSumSquare: reduction(18, (x, dims, options) => total(ops.square(x), dims, options)),
	ArgMax: place(argmax),
	ArgMin: place(argmin),
	TopK: { run: top },
	CumSum: running(cumsum, 0),
	CumProd: running(cumprod, 1),
};
