/**
 * Less common forms of operations that PyTorch users also write: rare options, scalars instead of vectors, numbers instead of
 * tensors, and integers beyond int32.
 */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Sample } from './database';
import { py } from './python';

const INF = Number.POSITIVE_INFINITY;
const BEYOND = 3_000_000_000;

const floats = (...shape: number[]): InputSpec => ({ shape });
const indices = (size: number, ...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: 0, high: size });
const whole = (values: readonly number[]): InputSpec => ({ shape: [values.length], dtype: 'int32', values });
const listed = (values: readonly number[], ...shape: number[]): InputSpec => ({ shape, values });
const EXTREMES = whole([0, 1, -1, 7, -7, 2147483647, -2147483648]);

/** The operations that several entries below share, by name. */
const CALLED = {
	eq: w.eq,
	ne: w.ne,
	lt: w.lt,
	le: w.le,
	gt: w.gt,
	ge: w.ge,
	add: w.add,
	sub: w.sub,
	mul: w.mul,
	var: w.var,
	std: w.std,
	max: w.max,
	min: w.min,
	sum: w.sum,
	prod: w.prod,
	mean: w.mean,
	scatter: w.scatter,
	scatterAdd: w.scatterAdd,
	indexAdd: w.indexAdd,
};

type Entry = Pick<OpEntry, 'call' | 'samples' | 'torch'> & Partial<OpEntry>;

function entry(name: string, family: OpEntry['family'], rest: Entry): OpEntry {
	return { name, family, gradient: 'yes', refusals: [], ...rest };
}

const comparisons: OpEntry[] = (['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([x], { right }) => CALLED[name](x!, right as number),
		gradient: { none: 'the result is bool' },
		samples: [BEYOND, -BEYOND, 2 ** 31, 2 ** 31 - 1].map((right) => ({
			label: `int32 and ${right}`,
			inputs: [EXTREMES],
			options: { right },
		})),
		torch: ({ right }) => `torch.${name}(x[0], ${right})`,
	}),
);

const arithmetic: OpEntry[] = (['add', 'sub', 'mul'] as const).map((name) =>
	entry(name, 'elementwise', {
		call: ([x], { right }) => CALLED[name](x!, right as number),
		samples: [
			{ label: 'float32 and 3', inputs: [floats(7)], options: { right: 3 } },
			...[BEYOND, 1e20].map((right) => ({
				label: `int32 and ${right}`,
				inputs: [EXTREMES],
				options: { right },
				gradient: false,
			})),
		],
		// With int64 the result would be an integer; PyTorch's float of the same value has the dtype of the result here.
		torch: ({ right }) => `torch.${name}(x[0], float(${right}))`,
	}),
);

const elementwise: OpEntry[] = [
	...comparisons,
	...arithmetic,
	entry('round', 'elementwise', {
		call: ([x], { decimals }) => w.round(x!, { decimals: decimals as number }),
		samples: [1, 2, -1].map((decimals) => ({
			label: `${decimals} decimals`,
			// Away from the halves between multiples, where rounding jumps.
			inputs: [listed([0.123, -0.168, 1.234, -14.567, 26.891, 0.001, -73.339], 7)],
			options: { decimals },
		})),
		refusals: [
			{
				label: 'half a decimal',
				call: (device) => w.round(w.zeros([2], { device }), { decimals: 0.5 }),
				message: /round: decimals must be a whole number, not 0\.5/,
			},
			{
				label: 'decimals of whole numbers',
				call: (device) => w.round(w.zeros([2], { device, dtype: 'int32' }), { decimals: 1 }),
				message: /round: input must be floating, not int32/,
			},
		],
		torch: ({ decimals }) => `torch.round(x[0], decimals=${decimals})`,
	}),
	entry('polygamma', 'elementwise', {
		call: ([x], { n }) => w.polygamma(x!, n as number),
		samples: [
			...[0, 1, 2, 5].map((n) => ({
				label: `derivative ${n}`,
				inputs: [{ shape: [3, 5], low: 0.3, high: 9 }],
				options: { n },
			})),
			{ label: 'below 0', inputs: [listed([-0.3, -0.6, -1.7, -7.4, -30.25], 5)], options: { n: 1 } },
			{ label: 'below 0, second', inputs: [listed([-0.3, -0.6, -1.7, -7.4], 4)], options: { n: 2 }, gradient: false },
			{ label: 'extremes', inputs: [listed([0, 1e-7, 1e4, 1e20, INF, Number.NaN], 6)], options: { n: 1 }, gradient: false },
			{ label: 'int32', inputs: [whole([1, 2, 9])], options: { n: 3 }, gradient: false },
		],
		refusals: [
			{
				label: 'half a derivative',
				call: (device) => w.polygamma(w.ones([2], { device }), 0.5),
				message: /polygamma: n must be a whole number of at least 0, not 0\.5/,
			},
		],
		torch: ({ n }) => `torch.polygamma(${n}, x[0])`,
		tolerance: { relative: 2e-5, absolute: 2e-6, reason: 'powers of up to 7 of rounded numbers, with reflections that cancel' },
	}),
	entry('clamp', 'elementwise', {
		call: ([x], { min, max }) => w.clamp(x!, { min: min as number, max: max as number }),
		samples: [
			{ label: 'float32, one limit far off', inputs: [floats(7)], options: { min: -3, max: BEYOND } },
			{ label: 'int32, limits beyond', inputs: [EXTREMES], options: { min: -BEYOND, max: BEYOND }, gradient: false },
			{ label: 'int32, one limit beyond', inputs: [EXTREMES], options: { min: -3, max: BEYOND }, gradient: false },
		],
		torch: ({ min, max }) => `torch.clamp(x[0], ${min}, ${max})`,
	}),
];

const withDim = ({ dim }: Options) => (dim === undefined ? '' : `, dim=${py(dim)}`);
const ONE_NAN = listed([Number.NaN], 1);

const reduce: OpEntry[] = [
	...(['var', 'std'] as const).map((name) =>
		entry(name, 'reduce', {
			call: ([x], { dim }) => CALLED[name](x!, dim as number),
			samples: [
				{ label: 'of columns', inputs: [floats(3, 5)], options: { dim: 0 } },
				{ label: 'of one NaN', inputs: [ONE_NAN], gradient: false },
				{ label: 'of one infinity', inputs: [listed([INF, 1], 2, 1)], options: { dim: 1 }, gradient: false },
			],
			torch: (options) => `torch.${name}(x[0]${withDim(options) || ', dim=0'})`,
		}),
	),
	entry('norm', 'reduce', {
		call: ([x], { dim, ...options }) => w.norm(x!, dim as number | undefined, options),
		samples: [
			{ label: 'zeros, p = -1', inputs: [listed([1, 0, -2, 3, 0.5, -1], 2, 3)], options: { p: -1, dim: 1 }, gradient: false },
			...[-1, -2.5, 2.5].map((p): Sample => {
				const special = [INF, INF, 1, 2, -INF, 0, 0, 0, Number.NaN, 1];
				return { label: `special, p = ${p}`, inputs: [listed(special, 5, 2)], options: { p, dim: 1 }, gradient: false };
			}),
			{ label: 'eight in a row, p = -1', inputs: [listed([1, 2, 0, 4, 5, 6, 7, 8], 8)], options: { p: -1 }, gradient: false },
			{ label: 'rows, p = 2.5', inputs: [{ shape: [2, 3], avoid: [0] }], options: { p: 2.5, dim: 1 } },
			{ label: 'of whole numbers', inputs: [indices(9, 3, 5)], options: { p: 2, dim: 1, dtype: 'float32' }, gradient: false },
			{ label: 'nothing, p = -1', inputs: [floats(0)], options: { p: -1 }, gradient: false },
		],
		torch: ({ p, dtype, ...options }) => `torch.norm(x[0], ${p}${withDim(options)}${dtype ? ', dtype=torch.float64' : ''})`,
	}),
	entry('logsumexp', 'reduce', {
		call: ([x], { dim }) => w.logsumexp(x!, dim as number),
		samples: [
			{ label: 'floats', inputs: [floats(3, 5)], options: { dim: 1 } },
			{ label: 'int32', inputs: [indices(5, 3, 5)], options: { dim: 1 }, gradient: false },
			{ label: 'bool', inputs: [{ shape: [3, 5], dtype: 'bool' }], options: { dim: 0 }, gradient: false },
		],
		torch: ({ dim }) => `torch.logsumexp(x[0], ${dim})`,
	}),
	...(['max', 'min'] as const).map((name) =>
		entry(name, 'reduce', {
			call: ([x, other]) => CALLED[name](x!, other!),
			samples: [{ label: 'of two tensors', inputs: [floats(3, 5), floats(5)] }],
			torch: () => `torch.${name}(x[0], x[1])`,
		}),
	),
	entry('median', 'reduce', {
		call: ([x]) => w.median(x!),
		samples: [{ label: 'of no floats', inputs: [floats(0, 3)] }],
		torch: () => 'torch.median(x[0])',
	}),
	...(['sum', 'prod', 'mean'] as const).map((name) =>
		entry(name, 'reduce', {
			call: ([x], { dtype }) => CALLED[name](x!, 0, { dtype: dtype as w.DType }),
			samples: [
				{ label: 'floats as they are', inputs: [floats(3, 5)] },
				{ label: 'bool as float', inputs: [{ shape: [3, 5], dtype: 'bool' }], options: { dtype: 'float32' }, gradient: false },
			],
			refusals: [
				{
					label: 'in bool',
					call: (device) => CALLED[name](w.zeros([2], { device, dtype: 'bool' }), 0, { dtype: 'bool' }),
					message: new RegExp(`${name}: dtype bool holds no ${name}`),
				},
			],
			torch: () => `torch.${name}(x[0], 0, dtype=torch.float64)`,
		}),
	),
];

const matmul: OpEntry[] = [
	entry('linear', 'matmul', {
		call: ([x, weight, bias]) => w.linear(x!, weight!, bias ?? null),
		samples: [
			{ label: 'weight of one feature', inputs: [floats(2, 3, 5), floats(5)] },
			{ label: 'weight of one feature, bias', inputs: [floats(3, 5), floats(5), floats()] },
		],
		// PyTorch 1.13 accepts such a weight only without a bias.
		torch: () => 'F.linear(x[0], x[1]) + (x[2] if len(x) > 2 else 0)',
	}),
];

const layout: OpEntry[] = [
	entry('pad', 'layout', {
		call: ([x], { value }) => w.pad(x!, [1, 2], { value: value as number }),
		samples: [
			{ label: 'floats, a fraction', inputs: [floats(2, 3)], options: { value: -1.5 } },
			{ label: 'bool', inputs: [{ shape: [2, 3], dtype: 'bool' }], options: { value: 2 }, gradient: false },
			{ label: 'int32, a fraction', inputs: [indices(9, 2, 3)], options: { value: -1.5 }, gradient: false },
		],
		refusals: [
			{
				label: 'beyond int32',
				call: (device) => w.pad(w.zeros([2], { device, dtype: 'int32' }), [1, 1], { value: BEYOND }),
				message: /pad: int32 does not hold the value 3000000000/,
			},
		],
		torch: ({ value }) => `F.pad(x[0], (1, 2), value=${value})`,
	}),
	...(['flip', 'roll'] as const).map((name) =>
		entry(name, 'layout', {
			call: ([x]) => (name === 'flip' ? w.flip(x!, []) : w.roll(x!, 3)),
			samples: [{ label: 'a scalar, no dims', inputs: [floats()] }],
			refusals: [
				{
					label: 'a dim of a scalar',
					call: (device) => (name === 'flip' ? w.flip(w.zeros([], { device }), 1) : w.roll(w.zeros([], { device }), 1, 1)),
					message: new RegExp(`${name}: dim 1 is out of range for 0 dimensions`),
				},
			],
			torch: () => (name === 'flip' ? 'x[0].flip([])' : 'x[0].roll(3)'),
		}),
	),
];

const scatterInto = (label: string, inputs: readonly InputSpec[], options: Options, more: Partial<Sample> = {}): Sample => ({
	label,
	inputs,
	options,
	...more,
});

/** scatter_reduce, since PyTorch 1.13's scatter(reduce=...) has no gradient. */
function scatterReduce({ dim, reduce, value }: Options): string {
	const source = value === undefined ? 'x[2]' : `torch.full_like(x[1], ${value}, dtype=x[0].dtype)`;
	return `torch.scatter_reduce(x[0], ${dim}, x[1], ${source}, reduce='${reduce === 'add' ? 'sum' : 'prod'}')`;
}

const indexing: OpEntry[] = [
	entry('scatter', 'indexing', {
		call: ([x, index, source], { dim, reduce, value }) =>
			w.scatter(x!, dim as number, index!, (value as number | undefined) ?? source!, { reduce: reduce as 'add' }),
		torch: scatterReduce,
		samples: (['add', 'multiply'] as const).flatMap((reduce) => [
			scatterInto(`${reduce}, rows`, [floats(5, 3), indices(5, 4, 3), floats(4, 3)], { dim: 0, reduce }),
			scatterInto(`${reduce}, columns`, [floats(2, 3), indices(3, 2, 8), floats(2, 8)], { dim: -1, reduce }),
			scatterInto(`${reduce}, a number`, [floats(3, 4), indices(4, 3, 5)], { dim: 1, reduce, value: -1.5 }),
			scatterInto(
				`${reduce}, transposed`,
				[
					{ ...floats(4, 3), layout: 'transposed' },
					{ ...indices(4, 5, 3), layout: 'transposed' },
					{ ...floats(5, 3), layout: 'transposed' },
				],
				{ dim: 0, reduce },
			),
			scatterInto(`${reduce}, nothing`, [floats(3), indices(3, 0), floats(0)], { dim: 0, reduce }),
			scatterInto(
				`${reduce}, int32`,
				[{ shape: [5], dtype: 'int32' }, indices(5, 17), { shape: [17], dtype: 'int32', low: 1, high: 4 }],
				{ dim: 0, reduce },
				{ gradient: false },
			),
			// More equal indices than a block of sorted keys holds.
			scatterInto(
				`${reduce}, one place`,
				[floats(2), { shape: [131], dtype: 'int32', low: 1, high: 2 }, { shape: [131], low: 0.9, high: 1.1 }],
				{ dim: 0, reduce },
				{ gradient: false },
			),
		]),
		refusals: [
			{
				label: 'unknown reduction',
				call: (device) =>
					w.scatter(w.zeros([2], { device }), 0, w.zeros([1], { device, dtype: 'int32' }), 1, { reduce: 'mean' as 'add' }),
				message: /scatter: reduce must be 'add', 'multiply' or null, not 'mean'/,
			},
			{
				label: 'sums of bool',
				call: (device) => {
					const bools = w.zeros([2], { device, dtype: 'bool' });
					return w.scatter(bools, 0, w.zeros([2], { device, dtype: 'int32' }), bools, { reduce: 'multiply' });
				},
				message: /scatter: input has dtype bool/,
			},
			{
				label: 'a number beyond int32',
				call: (device) => {
					const zeros = w.zeros([2], { device, dtype: 'int32' });
					return w.scatter(zeros, 0, zeros, BEYOND);
				},
				message: /scatter: int32 does not hold the value 3000000000/,
			},
		],
	}),
	entry('gather', 'indexing', {
		call: ([x, index]) => w.gather(x!, 0, index!),
		samples: [
			{ label: 'a scalar', inputs: [floats(), indices(1)] },
			{ label: 'a scalar by a vector', inputs: [floats(), indices(1, 1)] },
			{ label: 'by a scalar', inputs: [floats(3), indices(3)] },
		],
		torch: () => 'torch.gather(x[0], 0, x[1])',
	}),
	entry('indexSelect', 'indexing', {
		call: ([x, index]) => w.indexSelect(x!, 0, index!),
		samples: [
			{ label: 'a scalar', inputs: [floats(), indices(1)] },
			{ label: 'a scalar by a vector', inputs: [floats(), indices(1, 1)] },
		],
		refusals: [
			{
				label: 'a scalar twice',
				call: (device) => w.indexSelect(w.zeros([], { device }), 0, w.zeros([2], { device, dtype: 'int32' })),
				message: /indexSelect: of a scalar the index must be one element, not \[2\]/,
			},
		],
		torch: () => 'torch.index_select(x[0], 0, x[1])',
	}),
	...(['scatter', 'scatterAdd', 'indexAdd'] as const).map((name) =>
		entry(name, 'indexing', {
			call: ([x, index, source]) => CALLED[name](x!, 0, index!, source!),
			samples: [{ label: 'scalars', inputs: [floats(), indices(1), floats()] }],
			torch: () => `x[0].${{ scatter: 'scatter', scatterAdd: 'scatter_add', indexAdd: 'index_add' }[name]}(0, x[1], x[2])`,
		}),
	),
	entry('indexAdd', 'indexing', {
		call: ([x, index, source], { alpha }) => w.indexAdd(x!, 0, index!, source!, { alpha: alpha as number }),
		samples: [
			{ label: 'a whole factor', inputs: [floats(4), indices(4, 7), floats(7)], options: { alpha: -3 } },
			{
				label: 'int32',
				inputs: [indices(9, 4), indices(4, 7), indices(9, 7)],
				options: { alpha: -3 },
				gradient: false,
			},
		],
		refusals: [
			{
				label: 'a fraction of whole numbers',
				call: (device) => {
					const zeros = w.zeros([2], { device, dtype: 'int32' });
					return w.indexAdd(zeros, 0, zeros, zeros, { alpha: 0.5 });
				},
				message: /indexAdd: alpha must be a whole number for int32, not 0\.5/,
			},
		],
		torch: ({ alpha }) => `x[0].index_add(0, x[1], x[2], alpha=${alpha})`,
	}),
	entry('maskedFill', 'indexing', {
		call: ([x, mask, value]) => w.maskedFill(x!, mask!, value!),
		samples: [
			{ label: 'a scalar tensor', inputs: [floats(3, 5), { shape: [3, 5], dtype: 'bool' }, floats()] },
			{ label: 'a whole scalar tensor', inputs: [floats(3, 5), { shape: [5], dtype: 'bool' }, indices(9)] },
			{
				label: 'a fraction into whole numbers',
				inputs: [indices(9, 5), { shape: [5], dtype: 'bool' }, listed([-2.5])],
				gradient: false,
			},
		],
		refusals: [
			{
				label: 'beyond int32',
				call: (device) => {
					const zeros = w.zeros([2], { device, dtype: 'int32' });
					return w.maskedFill(zeros, zeros.eq(0), Number.NaN);
				},
				message: /maskedFill: int32 does not hold the value NaN/,
			},
		],
		torch: () => 'torch.masked_fill(x[0], x[1], x[2])',
	}),
	entry('searchsorted', 'indexing', {
		call: ([sequence, values, sorter], { value, ...options }) =>
			w.searchsorted(sequence!, (value as number | undefined) ?? values!, { ...options, sorter }),
		gradient: { none: 'positions are integers' },
		samples: [
			{ label: 'a number', inputs: [listed([-1, 0, 0, 1, 1.5], 5)], options: { value: 0 } },
			{ label: 'a fraction among whole numbers', inputs: [whole([-1, 0, 0, 1, 3])], options: { value: 0.5 } },
			{ label: 'side right', inputs: [listed([-1, 0, 0, 1, 1.5], 5), listed([0, 1, 2, -3], 4)], options: { side: 'right' } },
			{ label: 'sorter', inputs: [listed([3, 1, 0, 2], 4), floats(2, 3), whole([2, 1, 3, 0])] },
		],
		refusals: [
			{
				label: 'two sides',
				call: (device) => w.searchsorted(w.zeros([2], { device }), 1, { side: 'left', right: true }),
				message: /searchsorted: side 'left' and right: true exclude each other/,
			},
			{
				label: 'sorter of another shape',
				call: (device) => {
					const sorter = w.zeros([3], { device, dtype: 'int32' });
					return w.searchsorted(w.zeros([2], { device }), 1, { sorter });
				},
				message: /searchsorted: sorter \[3\] must have shape \[2\] for sequence \[2\]/,
			},
		],
		torch: ({ value, side = 'left' }) => {
			if (value !== undefined) return `torch.searchsorted(x[0], ${value})`;
			return `torch.searchsorted(x[0], x[1], side='${side}', sorter=x[2] if len(x) > 2 else None)`;
		},
	}),
];

/** The entries by family, for each family's own list to append. */
export const further = { elementwise, reduce, matmul, layout, indexing };
