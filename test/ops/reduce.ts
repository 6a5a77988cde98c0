/** Reductions. */
import {
	all,
	amax,
	amin,
	any,
	argmax,
	argmin,
	cumprod,
	cumsum,
	logsumexp,
	max,
	mean,
	median,
	min,
	norm,
	prod,
	std,
	sum,
	type Tensor,
	tensor,
	var as variance,
	zeros,
} from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample } from './database';
import { py } from './python';

type Dim = number | readonly number[] | undefined;

interface Arguments {
	readonly dim?: Dim;
	readonly keepdim?: boolean;
}

/** Splits `options` into `dim` and the operation's own options. */
function split(options: Options): { dim: never; rest: never } {
	const { dim, ...rest } = options as Arguments;
	return { dim: dim as never, rest: rest as never };
}

function sample(label: string, spec: InputSpec | readonly number[], options: Options = {}, more: Partial<Sample> = {}): Sample {
	return { label, inputs: [Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)], options, ...more };
}

const INF = Number.POSITIVE_INFINITY;
const SPECIAL = [1, -INF, 2, Number.NaN, 3, INF, -1, 0, -2, INF, -INF, 5];

/** Every way to walk the dims of a float tensor; `more` is part of each sample. */
function walks(more: Partial<InputSpec> = {}): Sample[] {
	const spec = (shape: readonly number[], layout?: InputSpec['layout']): InputSpec => ({
		shape,
		...(layout && { layout }),
		...more,
	});
	return [
		sample('all', spec([3, 5])),
		sample('last dim', spec([3, 5]), { dim: 1 }),
		sample('first dim, kept', spec([3, 5]), { dim: 0, keepdim: true }),
		sample('negative dim', spec([2, 3, 4]), { dim: -2 }),
		sample('wide rows', spec([3, 8]), { dim: -1 }),
		sample('wide columns', spec([3, 8]), { dim: 0 }),
		sample('one element', spec([1])),
		sample('scalar', spec([])),
		sample('scalar, dim', spec([]), { dim: -1 }),
		sample('33', spec([33]), { dim: 0 }),
		sample('transposed', spec([4, 6], 'transposed'), { dim: 1 }),
		sample('strided', spec([3, 5], 'strided'), { dim: 1 }),
		sample('strided, first dim', spec([3, 5], 'strided'), { dim: 0 }),
	];
}

function severalDims(more: Partial<InputSpec> = {}): Sample[] {
	return [
		sample('outer and inner dims', { shape: [2, 3, 4], ...more }, { dim: [0, 2] }),
		sample('three of five', { shape: [2, 2, 3, 2, 2], ...more }, { dim: [0, 2, -1], keepdim: true }),
		sample('no dims is all', { shape: [2, 3], ...more }, { dim: [] }),
	];
}

/** Sizes at which the GPU splits, shares and vectorises its work. */
function large(more: Partial<InputSpec> = {}): Sample[] {
	return [
		sample('large, all', { shape: [301, 333], ...more }, {}, { gradient: false }),
		sample('large rows', { shape: [65, 1028], ...more }, { dim: 1 }, { gradient: false }),
		sample('large columns', { shape: [1028, 65], ...more }, { dim: 0 }, { gradient: false }),
		sample('large wide columns', { shape: [1025, 64], ...more }, { dim: 0 }, { gradient: false }),
		sample('large, transposed', { shape: [257, 300], layout: 'transposed', ...more }, { dim: 1 }, { gradient: false }),
		sample('large, strided', { shape: [4, 20001], layout: 'strided', ...more }, { dim: 1 }, { gradient: false }),
		sample('large, expanded', { shape: [100, 1001], layout: 'expanded', ...more }, {}, { gradient: false }),
	];
}

/**
 * One of these columns sums to 0.2 although its 1,028 magnitudes sum to 1,031, for which float32's unit of rounding is 6e-5.
 * PyTorch's own float32 sums are up to 1.01e-5 off here, and so are those of GPUs. Those of software adapters are 2.2e-5 off, but
 * not in that column.
 */
function cancelling(each: Sample): Sample {
	const tolerance = { absolute: 6e-5, relative: 2e-5, reason: 'one unit of rounding of the magnitudes' };
	return each.label === 'large columns' ? { ...each, tolerance } : each;
}

function empty(): Sample[] {
	return [
		sample('of nothing', [0], {}),
		sample('of no rows', [0, 3], { dim: 0 }),
		sample('of empty rows', [3, 0], { dim: 1, keepdim: true }),
		sample('no lines', [0, 3], { dim: 1 }),
	];
}

const integers = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: -9, high: 9 });
const bools = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });

function whole(): Sample[] {
	return [
		sample('int32', integers(5, 7), { dim: 1 }, { gradient: false }),
		sample('int32, all', integers(33, 65), {}, { gradient: false }),
		sample('bool', bools(5, 7), { dim: 0 }, { gradient: false }),
		sample('bool, all', bools(65), {}, { gradient: false }),
	];
}

/** A Python call with `dim` and `keepdim` as keywords. */
function torchCall(name: string, extra: (options: Options) => string = () => '', x = 'x[0]') {
	return (options: Options) => {
		const { dim, keepdim } = options as Arguments;
		const dims = dim === undefined ? '' : `, dim=${py(dim)}`;
		return `torch.${name}(${x}${dims}${dim !== undefined && keepdim ? ', keepdim=True' : ''}${extra(options)})`;
	};
}

/** For functions that take one dim at a time: the last dim goes first, so that the others keep their numbers. */
function torchChain(name: string) {
	return (options: Options) => {
		const { dim, keepdim = false } = options as Arguments;
		if (dim === undefined || (Array.isArray(dim) && dim.length === 0)) return `torch.${name}(x[0])`;
		const list = typeof dim === 'number' ? [dim] : dim;
		return `__import__('functools').reduce(lambda y, d: torch.${name}(y, d, keepdim=${py(keepdim)}), sorted([d % max(x[0].dim(), 1) for d in ${py(list)}], reverse=True), x[0])`;
	};
}

/** For functions that need an explicit list of all dims. */
function torchAllDims(call: (dims: string, options: Options) => string) {
	return (options: Options) => {
		const { dim } = options as Arguments;
		const everything = dim === undefined || (Array.isArray(dim) && dim.length === 0);
		return call(everything ? '(tuple(range(x[0].dim())) or 0)' : py(dim), options);
	};
}

function refuse(label: string, call: (x: Tensor) => unknown, message: RegExp, dtype: 'float32' | 'int32' = 'float32'): Refusal {
	return { label, call: (device) => call(zeros([2, 3], { device, dtype })), message };
}

/** Running results: every memory layout of the lines, and lengths at which the kernels cut them into chunks. */
function scans(more: Partial<InputSpec> = {}): Sample[] {
	return [
		...walks(more)
			.filter(({ options }) => options?.dim !== undefined)
			.map(({ inputs, label, options }) => ({ inputs, label, options: { dim: options!.dim } })),
		sample('no elements', [3, 0], { dim: 1 }),
		sample('no lines', [0, 3], { dim: 1 }),
		sample('long line', { shape: [20011], ...more }, { dim: 0 }, { gradient: false }),
		sample('long rows', { shape: [3, 5000], ...more }, { dim: 1 }, { gradient: false }),
		sample('long columns', { shape: [4500, 7], ...more }, { dim: 0 }, { gradient: false }),
		sample('long, strided', { shape: [2, 4100], layout: 'strided', ...more }, { dim: 1 }, { gradient: false }),
		sample('int32', integers(5, 7), { dim: 1 }, { gradient: false }),
		sample('bool', bools(5, 7), { dim: 0 }, { gradient: false }),
	];
}

/**
 * PyTorch does not define which of several equal elements it returns, so positions are not compared if the median occurs several
 * times.
 */
const TIED = ['int32', 'zeros of both signs', 'all -inf', 'many equal'];

function tied(each: Sample): Sample {
	return TIED.includes(each.label) ? { ...each, options: { ...each.options, tied: true } } : each;
}

function medianOf(
	x: Tensor,
	dim: number,
	{ tied, ...options }: { readonly keepdim?: boolean; readonly tied?: boolean } = {},
): Tensor | readonly Tensor[] {
	const result = dim === undefined ? median(x) : median(x, dim, options);
	return tied ? (result as { readonly values: Tensor }).values : result;
}

type Reduce = (x: Tensor, dim: never, options: never) => Tensor;

function entry(name: string, operation: Reduce, rest: Pick<OpEntry, 'samples' | 'torch'> & Partial<OpEntry>): OpEntry {
	return {
		name,
		family: 'reduce',
		call: ([x], options) => {
			const { dim, rest: more } = split(options);
			return operation(x!, dim, more);
		},
		gradient: 'yes',
		...rest,
		refusals: [
			refuse(
				'dim out of range',
				(x) => operation(x, 2 as never, {} as never),
				new RegExp(`${name}: dim 2 is out of range for 2 dimensions`),
			),
			{
				label: 'no tensor',
				call: () => operation([1, 2] as unknown as Tensor, undefined as never, {} as never),
				message: new RegExp(`${name}: input must be a tensor, not \\[1, 2\\]`),
			},
			...(rest.refusals ?? []),
		],
	};
}

const none = (what: string) => ({ none: what });

/** Equal elements could swap as the extreme, so elements are distinct where gradients are compared. */
const apart: Partial<InputSpec> = { distinct: true };

function extremes(): Sample[] {
	return [
		...walks(apart),
		...large(),
		...whole(),
		sample('NaN and infinities', { shape: [3, 4], values: SPECIAL }, { dim: 1 }, { gradient: false }),
		sample('NaN wins', { shape: [12], values: SPECIAL }, {}, { gradient: false }),
		sample('zeros of both signs', { shape: [4], values: [0, -0, 0, -0] }, { dim: 0 }, { gradient: false }),
		sample('all -inf', { shape: [2, 3], values: Array(6).fill(-INF) }, { dim: 1 }, { gradient: false }),
		sample('no lines', [0, 3], { dim: 1 }),
	];
}

/** A kink: the gradient there is PyTorch's convention, not a limit of differences. Golden files test it. */
const TIES = sample('ties', { shape: [2, 4], values: [1, 3, 3, 0, 2, 2, 2, 2] }, { dim: 1 }, { gradient: false });

const nothing = (name: string) => [
	{
		label: 'of nothing',
		call: (device) => ({ amax, amin, argmax, argmin, max, median, min })[name as 'amax'](zeros([3, 0], { device }), 1),
		message: new RegExp(`${name}: shape \\[3, 0\\] has no elements over dims \\[1\\]`),
	} satisfies Refusal,
];

const twice = (name: string, operation: Reduce) =>
	refuse(
		'a dim twice',
		(x) => operation(x, [0, -2] as never, {} as never),
		new RegExp(`${name}: dims \\[0, -2\\] name a dimension twice`),
	);

/** Smooth except at 0, where a norm of order 1 or below has a kink. */
const nonzero: Partial<InputSpec> = { avoid: [0] };
const orders = [0, 1, 1.5, 3, -1, 0.5];

export const reduce: OpEntry[] = [
	entry('sum', sum, {
		torch: torchCall('sum'),
		samples: [
			...walks(),
			...severalDims(),
			...empty(),
			...large().map(cancelling),
			...whole(),
			sample('int32 wraps around', { shape: [3], dtype: 'int32', values: [2147483647, 1, 5] }, {}, { gradient: false }),
			sample('expanded', { shape: [3, 4], layout: 'expanded' }, { dim: 0 }),
			sample('eight dims', [2, 1, 2, 1, 2, 1, 2, 2], { dim: [1, 2, 4, 7] }),
			sample('infinities', { shape: [4], values: [1, INF, 2, INF] }, {}, { gradient: false }),
			sample('NaN', { shape: [2, 3], values: [1, Number.NaN, 2, 3, 4, INF] }, { dim: 1 }, { gradient: false }),
		],
		refusals: [
			twice('sum', sum),
			refuse('dim null', (x) => sum(x, null as unknown as number), /sum: dims must be a number or an array of numbers, not null/),
		],
	}),
	entry('mean', mean, {
		torch: torchCall('mean', ({ dtype }) => (dtype === undefined ? '' : ', dtype=torch.float64')),
		samples: [
			...walks(),
			...severalDims(),
			...empty(),
			...large(),
			sample('of int32 as float32', integers(3, 4), { dtype: 'float32' }, { gradient: false }),
		],
		refusals: [refuse('integers', (x) => mean(x), /mean: input must be floating, not int32/, 'int32')],
	}),
	entry('prod', prod, {
		torch: torchChain('prod'),
		samples: [
			...walks(),
			...severalDims(),
			...empty(),
			sample('a zero', { shape: [2, 4], values: [1, 0, 2, 3, 1, 2, 3, 4] }, { dim: 1 }),
			sample('two zeros', { shape: [5], values: [0, 2, 0, 3, 0.5] }),
			sample('seven', { shape: [7, 2], low: 0.5, high: 1.5 }, { dim: 0 }),
			sample('large rows', { shape: [65, 130], low: 0.9, high: 1.1 }, { dim: 1 }, { gradient: false }),
			sample('int32', integers(5, 4), { dim: 1 }, { gradient: false }),
			sample('int32 wraps around', { shape: [3], dtype: 'int32', values: [65537, 65537, 3] }, {}, { gradient: false }),
			sample('bool', bools(5, 3), { dim: 1 }, { gradient: false }),
		],
	}),
	entry('amax', amax, {
		torch: torchAllDims((dims, { keepdim = false }) => `torch.amax(x[0], ${dims}, keepdim=${py(keepdim)})`),
		samples: [...extremes(), ...severalDims(apart), TIES],
		refusals: nothing('amax'),
	}),
	entry('amin', amin, {
		torch: torchAllDims((dims, { keepdim = false }) => `torch.amin(x[0], ${dims}, keepdim=${py(keepdim)})`),
		samples: [...extremes(), ...severalDims(apart), TIES],
		refusals: nothing('amin'),
	}),
	entry('max', max as unknown as Reduce, {
		torch: torchCall('max'),
		samples: [...extremes()],
		refusals: nothing('max'),
	}),
	entry('min', min as unknown as Reduce, {
		torch: torchCall('min'),
		samples: [...extremes()],
		refusals: nothing('min'),
	}),
	entry('argmax', argmax, {
		// PyTorch has no argmax of bool.
		torch: torchCall('argmax', undefined, '(x[0] * 1)'),
		samples: [...extremes(), sample('ties', { shape: [2, 4], values: [1, 3, 3, 0, 2, 2, 2, 2] }, { dim: 1 })],
		gradient: none('a position is not differentiable'),
		refusals: nothing('argmax'),
	}),
	entry('argmin', argmin, {
		torch: torchCall('argmin', undefined, '(x[0] * 1)'),
		samples: [...extremes(), sample('ties', { shape: [2, 4], values: [1, 0, 3, 0, 2, 2, 2, 2] }, { dim: 1 })],
		gradient: none('a position is not differentiable'),
		refusals: nothing('argmin'),
	}),
	entry('any', any, {
		torch: torchChain('any'),
		samples: [
			...walks(),
			...severalDims(),
			...empty(),
			...whole(),
			sample('zeros and NaN', { shape: [3, 3], values: [0, -0, 0, 0, Number.NaN, 0, 0, 0, 1e-30] }, { dim: 1 }),
			sample('large', { shape: [3, 30001], dtype: 'int32', low: 0, high: 1 }, { dim: 1 }),
		],
		gradient: none('a bool is not differentiable'),
	}),
	entry('all', all, {
		torch: torchChain('all'),
		samples: [
			...walks(),
			...severalDims(),
			...empty(),
			...whole(),
			sample('zeros and NaN', { shape: [3, 3], values: [1, -0, 2, 1, Number.NaN, 3, 0, 0, 1e-30] }, { dim: 1 }),
			sample('large', { shape: [3, 30001], dtype: 'int32', low: 1, high: 3 }, { dim: 1 }),
		],
		gradient: none('a bool is not differentiable'),
	}),
	entry('var', variance, {
		torch: torchAllDims(
			(dims, { correction = 1, keepdim = false }) =>
				`torch.var(x[0], ${dims}, correction=${py(correction)}, keepdim=${py(keepdim)})`,
		),
		samples: [
			...walks().filter(hasTwo),
			...severalDims(),
			...large(),
			sample('of the population', [3, 5], { dim: 1, correction: 0 }),
			sample('correction 2', [3, 5], { correction: 2 }),
			sample('of one element', [3, 1], { dim: 1 }, { gradient: false }),
			sample('of one, population', [3, 1], { dim: 1, correction: 0 }),
			sample('far from 0', { shape: [5, 33], low: 999, high: 1001 }, { dim: 1 }, { gradient: false }),
			sample('of empty rows', [3, 0], { dim: 1 }, { gradient: false }),
		],
		refusals: [
			refuse('integers', (x) => variance(x), /var: input must be floating, not int32/, 'int32'),
			refuse('correction', (x) => variance(x, 0, { correction: Number.NaN }), /var: correction must be a finite number, not NaN/),
		],
	}),
	entry('std', std, {
		torch: torchAllDims(
			(dims, { correction = 1, keepdim = false }) =>
				`torch.std(x[0], ${dims}, correction=${py(correction)}, keepdim=${py(keepdim)})`,
		),
		samples: [
			...walks().filter(hasTwo),
			...severalDims(),
			...large(),
			sample('of the population', [3, 5], { dim: 1, correction: 0 }),
			sample('of one element', [3, 1], { dim: 1 }, { gradient: false }),
			sample('of equal elements', { shape: [2, 3], values: Array(6).fill(0.5) }, { dim: 1 }, { gradient: false }),
		],
		refusals: [refuse('integers', (x) => std(x), /std: input must be floating, not int32/, 'int32')],
	}),
	entry('norm', norm, {
		torch: torchAllDims(
			(dims, { p = 2, keepdim = false }) =>
				`torch.linalg.vector_norm(x[0], ${order(p as number)}, ${dims}, keepdim=${py(keepdim)})`,
		),
		samples: [
			...walks(nonzero),
			...severalDims(nonzero),
			...large(),
			...orders.map((p) => sample(`p = ${p}`, { shape: [3, 5], avoid: [0] }, { p, dim: 1 })),
			...[INF, -INF].map((p) => sample(`p = ${p}`, { shape: [3, 5], distinct: true, low: 0.5, high: 3 }, { p, dim: 1 })),
			...[0, 1, 3, INF].map((p) => sample(`large, p = ${p}`, [2, 4100], { p, dim: 1 }, { gradient: false })),
			sample('p = inf, ties', { shape: [4], values: [2, -2, 1, 0.5] }, { p: INF }, { gradient: false }),
			sample('p = inf, NaN', { shape: [3], values: [1, Number.NaN, 2] }, { p: INF }, { gradient: false }),
			sample('of zeros', { shape: [2, 3], values: Array(6).fill(0) }, { dim: 1 }, { gradient: false }),
			sample('of empty rows', [3, 0], { dim: 1 }, { gradient: false }),
		],
		refusals: [
			refuse('integers', (x) => norm(x), /norm: input must be floating, not int32/, 'int32'),
			refuse('p', (x) => norm(x, 0, { p: 'fro' as unknown as number }), /norm: p must be a number, not 'fro'/),
		],
	}),
	entry('logsumexp', logsumexp, {
		torch: torchAllDims((dims, { keepdim = false }) => `torch.logsumexp(x[0], ${dims}, keepdim=${py(keepdim)})`),
		samples: [
			...walks(),
			...severalDims(),
			...large(),
			sample('large numbers', { shape: [2, 3], values: [1000, 1001, 999, -1000, -1001, -999] }, { dim: 1 }),
			sample('all -inf', { shape: [2, 3], values: [-INF, -INF, -INF, -INF, 1, 2] }, { dim: 1 }, { gradient: false }),
			sample('inf and NaN', { shape: [3, 2], values: [INF, 1, Number.NaN, 1, INF, -INF] }, { dim: 1 }, { gradient: false }),
			sample('of empty rows', [3, 0], { dim: 1 }, { gradient: false }),
		],
		refusals: [
			{
				label: 'a dim of a vector',
				call: (device) => logsumexp(tensor([1, 2], { device }), 1),
				message: /logsumexp: dim 1 is out of range for 1 dimensions/,
			},
		],
	}),
	entry('median', medianOf as unknown as Reduce, {
		torch: (options) => `${torchCall('median')(options)}${options.tied ? '.values' : ''}`,
		samples: [
			...extremes().filter(({ inputs }) => inputs[0]!.dtype !== 'bool' && inputs[0]!.layout !== 'expanded'),
			sample('even', { shape: [2, 6], distinct: true }, { dim: 1, keepdim: true }),
			sample('many equal', { shape: [3, 257], dtype: 'int32', low: 0, high: 3 }, { dim: 1 }, { gradient: false }),
			sample('one value', { shape: [9], values: Array(9).fill(-2.5) }, {}, { gradient: false }),
			sample(
				'close values',
				{ shape: [5], values: [1, 1.0000001192092896, 0.9999999403953552, 1.000000238418579, 1] },
				{},
				{ gradient: false },
			),
		].map(tied),
		refusals: [
			...nothing('median'),
			{
				label: 'bools',
				call: (device) => median(zeros([2], { device, dtype: 'bool' })),
				message: /median: input has dtype bool/,
			},
		],
	}),
	entry('cumsum', cumsum as Reduce, {
		torch: torchCall('cumsum'),
		// Values of one sign: a sum that crosses 0 would be compared with the rounding of its hundreds of terms.
		samples: scans({ low: 0.1, high: 2 }),
		refusals: [
			refuse('no dim', (x) => cumsum(x, undefined as unknown as number), /cumsum: dim must be a number from .*, not undefined/),
		],
	}),
	entry('cumprod', cumprod as Reduce, {
		torch: torchCall('cumprod'),
		samples: [
			...scans({ low: 0.9, high: 1.1 }),
			sample('a zero', { shape: [2, 4], values: [1, 0, 2, 3, 1, 2, 3, 4] }, { dim: 1 }),
			sample('two zeros', { shape: [5], values: [0.5, 0, 2, 0, 3] }, { dim: 0 }),
			sample('of both signs', [3, 5], { dim: 0 }),
			sample('int32 wraps around', { shape: [3], dtype: 'int32', values: [65537, 65537, 3] }, { dim: 0 }, { gradient: false }),
		],
		tolerance: {
			relative: 1e-4,
			absolute: 2e-6,
			reason: 'a product of n factors near 1 gathers n roundings of 6e-8: 20,000 factors, 2e-5 at random and 1e-3 at worst',
		},
		refusals: [
			refuse('no dim', (x) => cumprod(x, undefined as unknown as number), /cumprod: dim must be a number from .*, not undefined/),
		],
	}),
];

function order(p: number): string {
	return Math.abs(p) === INF ? `${p < 0 ? '-' : ''}math.inf` : String(p);
}

/** An unbiased variance needs two elements. */
function hasTwo({ inputs, options = {} }: Sample): boolean {
	const { shape } = inputs[0]!;
	return shape.length > 0 && (options.dim === undefined ? shape : [shape.at(options.dim as number)!]).some((size) => size! > 1);
}
