/** Names and forms that users of PyTorch type out of habit, and operations that are composed of few others. */
import * as w from 'wgrad';
import { type InputSpec, type OpEntry, type Options, outOfRange, type Refusal, type Sample } from './database';
import { py } from './python';

const INF = Number.POSITIVE_INFINITY;

const floats = (...shape: number[]): InputSpec => ({ shape });
const distinct = (...shape: number[]): InputSpec => ({ shape, distinct: true });
const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });
const whole = (low: number, high: number, ...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low, high });
const bools = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });
const listed = (values: readonly number[], dtype: 'float32' | 'int32' = 'float32'): InputSpec => ({
	shape: [values.length],
	values,
	dtype,
});

const refuse = (label: string, shape: readonly number[], call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label,
	call: (device) => call(w.zeros(shape, { device })),
	message,
});

type Entry = Pick<OpEntry, 'call' | 'samples' | 'torch'> & Partial<OpEntry>;

const entry = (name: string, family: OpEntry['family'], rest: Entry): OpEntry => ({
	name,
	family,
	gradient: 'yes',
	refusals: [],
	...rest,
});

const logSum = (name: 'logaddexp' | 'logaddexp2'): OpEntry =>
	entry(name, 'elementwise', {
		call: ([a, b], { right }) => w[name](a!, (right as number | undefined) ?? b!),
		samples: [
			{ label: 'broadcast', inputs: [floats(3, 5), strided(5)] },
			{ label: 'a number', inputs: [floats(7)], options: { right: 0.5 } },
			{
				label: 'extremes',
				inputs: [
					listed([100, -100, 3, INF, INF, -INF, -INF, Number.NaN, 1e30]),
					listed([100, -99, 90, INF, -INF, -INF, 2, 1, -1e30]),
				],
				gradient: false,
			},
		],
		torch: ({ right }) => `torch.${name}(x[0], ${right === undefined ? 'x[1]' : `torch.tensor(${right})`})`,
		refusals: [{ label: 'two numbers', call: () => w[name](1, 2), message: new RegExp(`${name}: at least one operand`) }],
	});

const BITS = [0, 1, -1, 7, -7, 255, 2147483647, -2147483648];
const NO_BITS = { none: 'the result is an integer or bool' };

const bitwise = (name: 'bitwiseAnd' | 'bitwiseOr' | 'bitwiseXor'): OpEntry =>
	entry(name, 'elementwise', {
		call: ([a, b], { right }) => w[name](a!, (right as number | undefined) ?? b!),
		gradient: NO_BITS,
		samples: [
			{ label: 'int32', inputs: [listed(BITS, 'int32'), listed(BITS.toReversed(), 'int32')] },
			{ label: 'a number', inputs: [listed(BITS, 'int32')], options: { right: 6 } },
			{ label: 'bool', inputs: [bools(3, 5), bools(5)] },
			{
				label: 'uint8',
				inputs: [
					{ shape: [9], dtype: 'uint8', low: 0, high: 256 },
					{ shape: [9], dtype: 'uint8', low: 0, high: 256 },
				],
			},
		],
		torch: ({ right }) => `torch.bitwise_${name.slice(7).toLowerCase()}(x[0], ${right ?? 'x[1]'})`,
		refusals: [
			refuse(
				'floats',
				[2],
				(x) => w[name](x, 1),
				new RegExp(`${name}: input has dtype float32; it takes int32, int8, uint8, bool`),
			),
		],
	});

const shift = (name: 'bitwiseLeftShift' | 'bitwiseRightShift'): OpEntry => {
	const isLeft = name === 'bitwiseLeftShift';
	return entry(name, 'elementwise', {
		call: ([a, b]) => w[name](a!, b!),
		gradient: NO_BITS,
		samples: [
			{ label: 'int32', inputs: [listed(BITS, 'int32'), listed([0, 31, 1, 3, 2, 8, 1, 31], 'int32')] },
			{ label: 'far', inputs: [listed([5, -5, 5, -5], 'int32'), listed([32, 40, -1, -1], 'int32')] },
		],
		// PyTorch's integers are wider: it loses no bits on the left.
		torch: () =>
			isLeft
				? '(lambda y: torch.where((x[1] < 0) | (x[1] > 31), 0, ((y + 2**31) % 2**32) - 2**31))(x[0] * 2 ** x[1].clamp(0, 31))'
				: 'torch.bitwise_right_shift(x[0], torch.where((x[1] < 0) | (x[1] > 31), 31, x[1]))',
		refusals: [
			refuse(
				'floats',
				[2],
				(x) => w[name](x, 1),
				new RegExp(`${name}: input has dtype float32; it takes int32, int8, uint8, bool`),
			),
			refuse('bool', [2], (x) => w[name](x.eq(0), x.eq(0)), new RegExp(`${name}: is not defined on bool`)),
		],
	});
};

const infinity = (name: 'isposinf' | 'isneginf'): OpEntry =>
	entry(name, 'elementwise', {
		call: ([x]) => w[name](x!),
		gradient: { none: 'the result is bool' },
		samples: [
			{ label: 'extremes', inputs: [listed([0, 1, INF, -INF, Number.NaN, -3e38])] },
			{ label: 'int32', inputs: [listed(BITS, 'int32')] },
		],
		torch: () => `torch.${name}(x[0])`,
	});

const elementwise: OpEntry[] = [
	logSum('logaddexp'),
	logSum('logaddexp2'),
	bitwise('bitwiseAnd'),
	bitwise('bitwiseOr'),
	bitwise('bitwiseXor'),
	shift('bitwiseLeftShift'),
	shift('bitwiseRightShift'),
	entry('bitwiseNot', 'elementwise', {
		call: ([x]) => w.bitwiseNot(x!),
		gradient: NO_BITS,
		samples: [
			{ label: 'int32', inputs: [listed(BITS, 'int32')] },
			{ label: 'uint8', inputs: [{ shape: [3, 3], dtype: 'uint8', low: 0, high: 256 }] },
			{ label: 'bool', inputs: [bools(7)] },
		],
		torch: () => 'torch.bitwise_not(x[0])',
		refusals: [refuse('floats', [2], w.bitwiseNot, /bitwiseNot: input has dtype float32; it takes int32, int8, uint8, bool/)],
	}),
	infinity('isposinf'),
	infinity('isneginf'),
	entry('isclose', 'elementwise', {
		call: ([a, b], options) => w.isclose(a!, b!, options),
		gradient: { none: 'the result is bool' },
		samples: [
			{
				label: 'extremes',
				inputs: [
					listed([1, 1, 0, 0, INF, INF, Number.NaN, 1e10, -INF]),
					listed([1.000001, 1.1, 1e-9, 1e-6, INF, 1, Number.NaN, 1.001e10, INF]),
				],
			},
			{ label: 'wide', inputs: [floats(3, 5), floats(5)], options: { rtol: 0.1, atol: 1 } },
			{ label: 'NaN', inputs: [listed([Number.NaN, 1]), listed([Number.NaN, Number.NaN])], options: { equalNan: true } },
			{ label: 'bool', inputs: [bools(5), bools(5)] },
		],
		torch: ({ rtol = 1e-5, atol = 1e-8, equalNan = false }) =>
			`torch.isclose(x[0], x[1], rtol=${rtol}, atol=${atol}, equal_nan=${py(equalNan)})`,
		refusals: [
			refuse('a negative tolerance', [2], (x) => w.isclose(x, x, { rtol: -1 }), /isclose: rtol must be at least 0, not -1/),
		],
	}),
	entry('clip', 'elementwise', {
		call: ([x], { limits }) => w.clip(x!, ...(limits as [number, number])),
		samples: [
			{ label: 'two', inputs: [{ shape: [3, 5], avoid: [-1, 0.5] }], options: { limits: [-1, 0.5] } },
			{ label: 'no minimum', inputs: [{ shape: [7], avoid: [0.5] }], options: { limits: [null, 0.5] } },
		],
		torch: ({ limits }) => `torch.clip(x[0], ${(limits as unknown[]).map(py).join(', ')})`,
		refusals: [
			refuse('no limit', [2], (x) => w.clip(x), /clip: give min, max or both/),
			refuse('three limits', [2], (x) => w.clip(x, ...([0, 1, 2] as never)), /clip: only min, max come by position, so 2 must/),
			refuse('twice', [2], (x) => w.clip(x, 0, { min: 1 }), /clip: min is given by position and in the options/),
		],
	}),
];

const layout: OpEntry[] = [
	entry('swapaxes', 'layout', {
		call: ([x]) => w.swapaxes(x!, 0, -1),
		samples: [{ label: 'three dims', inputs: [floats(2, 3, 4)] }],
		torch: () => 'torch.swapaxes(x[0], 0, -1)',
		refusals: [refuse('dim', [2], (x) => w.swapaxes(x, 0, 1), /swapaxes: dim 1 is out of range for 1 dimensions/)],
	}),
	entry('t', 'layout', {
		call: ([x]) => w.t(x!),
		samples: [
			{ label: 'matrix', inputs: [floats(2, 3)] },
			{ label: 'vector', inputs: [floats(3)] },
		],
		torch: () => 'torch.t(x[0])',
		refusals: [refuse('three dims', [1, 2, 3], w.t, /t: takes at most 2 dims, not \[1, 2, 3\]/)],
	}),
	...(['concat', 'hstack', 'vstack'] as const).map((name) =>
		entry(name, 'layout', {
			call: (x) => w[name](x),
			samples: [
				{ label: 'matrices', inputs: [floats(2, 3), transposed(2, 3)] },
				{ label: 'vectors', inputs: [floats(3), strided(3)] },
			],
			torch: () => `torch.${name}(x)`,
			refusals: [
				{ label: 'nothing', call: () => w[name]([]), message: new RegExp(`${name}: tensors must be an array of at least one`) },
				refuse('ranks', [2, 3], (x) => w[name]([x, x.reshape([1, 2, 3])]), new RegExp(`${name}: .* must be equal except in dim`)),
			],
		}),
	),
	entry('unbind', 'layout', {
		call: ([x], { dim }) => w.unbind(x!, dim as number | undefined),
		samples: [
			{ label: 'rows', inputs: [floats(3, 4)] },
			{ label: 'columns', inputs: [transposed(3, 4)], options: { dim: -1 } },
		],
		torch: ({ dim = 0 }) => `torch.unbind(x[0], ${dim})`,
		refusals: [refuse('scalar', [], w.unbind, /unbind: a scalar has no dim/)],
	}),
];

const matmul: OpEntry[] = [
	entry('addmm', 'matmul', {
		call: ([input, a, b], options) => w.addmm(input!, a!, b!, options),
		samples: [
			{ label: 'matrices', inputs: [floats(3, 5), floats(3, 4), transposed(4, 5)] },
			{ label: 'broadcast', inputs: [floats(5), floats(3, 4), floats(4, 5)], options: { beta: 0.5, alpha: -2 } },
		],
		torch: ({ beta = 1, alpha = 1 }) => `torch.addmm(x[0], x[1], x[2], beta=${beta}, alpha=${alpha})`,
		refusals: [
			refuse('vectors', [2], (x) => w.addmm(x, x, x), /addmm: needs two matrices, not \[2\] x \[2\]/),
			refuse('inner', [2, 3], (x) => w.addmm(x, x, x), /addmm: inner dimensions differ: \[2, 3\] x \[2, 3\]/),
		],
	}),
	entry('tensordot', 'matmul', {
		call: ([a, b], { dims }) => w.tensordot(a!, b!, dims as number | undefined),
		samples: [
			{ label: 'two dims', inputs: [floats(2, 3, 4), floats(3, 4, 5)] },
			{ label: 'none', inputs: [floats(2), floats(3)], options: { dims: 0 } },
			{
				label: 'listed',
				inputs: [floats(3, 4, 2), transposed(4, 5, 3)],
				options: {
					dims: [
						[1, 0],
						[0, -1],
					],
				},
			},
		],
		torch: ({ dims = 2 }) => `torch.tensordot(x[0], x[1], ${py(dims)})`,
		refusals: [
			refuse(
				'sizes',
				[2, 3],
				(x) => w.tensordot(x, x, 1),
				/tensordot: dim 1 of \[2, 3\] and dim 0 of \[2, 3\] must have one size/,
			),
			refuse('many', [2], (x) => w.tensordot(x, x, 2), /tensordot: dims must be .* below 2, not 2/),
			refuse('lists', [2], (x) => w.tensordot(x, x, [[0], []]), /tensordot: dims must be a number, or \[dims of a, dims of b\]/),
		],
	}),
];

const reduce: OpEntry[] = [
	entry('trace', 'reduce', {
		call: ([x]) => w.trace(x!),
		samples: [
			{ label: 'wide', inputs: [floats(3, 5)] },
			{ label: 'transposed', inputs: [transposed(3, 3)] },
		],
		torch: () => 'torch.trace(x[0])',
		refusals: [refuse('vector', [3], w.trace, /trace: input must be a matrix, not \[3\]/)],
	}),
];

const norm: OpEntry[] = [
	entry('cdist', 'norm', {
		call: ([a, b], options) => w.cdist(a!, b!, options),
		samples: [
			{ label: 'rows', inputs: [floats(3, 4), transposed(5, 4)] },
			{ label: 'batch', inputs: [floats(2, 3, 2), floats(1, 4, 2)] },
			{ label: 'p 1', inputs: [distinct(3, 2), { ...distinct(2, 2), low: 3, high: 5 }], options: { p: 1 } },
			{ label: 'p 3', inputs: [distinct(3, 2), { ...distinct(2, 2), low: 3, high: 5 }], options: { p: 3 } },
		],
		torch: ({ p = 2 }) => `torch.cdist(x[0], x[1], p=${p}.0)`,
		refusals: [refuse('sizes', [2, 3], (x) => w.cdist(x, x.reshape([3, 2])), /cdist: needs .* not \[2, 3\] and \[3, 2\]/)],
	}),
];

const named = ({ dim, keepdim, interpolation }: Options) =>
	`${dim === undefined ? '' : `, dim=${dim}`}${keepdim ? ', keepdim=True' : ''}${interpolation ? `, interpolation='${interpolation}'` : ''}`;

const quantiles = (name: 'quantile' | 'nanquantile'): OpEntry => {
	const holes = listed([3, Number.NaN, 1, 2, Number.NaN, 0.5]);
	return entry(name, 'indexing', {
		call: ([x], { q, dim, ...options }) => w[name](x!, q as number, dim as number | undefined, options),
		samples: [
			{ label: 'all', inputs: [distinct(3, 5)], options: { q: 0.3 } },
			{
				label: 'columns',
				inputs: [{ ...distinct(5, 3), layout: 'transposed' }],
				options: { q: [0, 0.6, 1], dim: 0, keepdim: true },
			},
			...(['lower', 'higher', 'midpoint', 'nearest'] as const).map(
				(interpolation): Sample => ({
					label: interpolation,
					inputs: [distinct(2, 6)],
					options: { q: 0.45, dim: 1, interpolation },
				}),
			),
			{ label: 'NaN', inputs: [holes], options: { q: 0.5 }, gradient: false },
		],
		torch: ({ q, ...options }) =>
			`torch.${name}(x[0], ${Array.isArray(q) ? `torch.tensor(${py(q.map(Number))}, dtype=torch.float64)` : q}${named(options)})`,
		refusals: [
			refuse('fraction', [3], (x) => w[name](x, 1.5), new RegExp(`${name}: q must lie in \\[0, 1\\], not 1.5`)),
			refuse('nothing', [0], (x) => w[name](x, 0.5), new RegExp(`${name}: shape \\[0\\] has no elements`)),
			refuse('a tensor', [3], (x) => w[name](x, x as never), new RegExp(`${name}: q must be .* Read it first`)),
		],
	});
};

const EXTREME_SOURCES: readonly Sample[] = [
	{
		label: 'extremes',
		inputs: [listed([0, 0, -INF, INF]), listed([0, 0, 1, 2, 2, 3], 'int32'), listed([Number.NaN, 1, Number.NaN, -INF, -1, INF])],
		options: { dim: 0 },
		gradient: false,
	},
	{ label: 'int32', inputs: [whole(-9, 9, 4), whole(0, 4, 7), whole(-9, 9, 7)], options: { dim: 0 }, gradient: false },
];

/** In `at`, $1 stands for the second input, and so on. */
const itemsOf = (inputs: readonly w.Tensor[], at: readonly unknown[]) =>
	at.map((item) => (typeof item === 'string' && item.startsWith('$') ? inputs[Number(item.slice(1))]! : item)) as w.IndexItem[];
const inPython = (at: readonly unknown[]) =>
	at
		.map((item) => {
			if (typeof item !== 'string' || item === '...') return item === '...' ? item : py(item);
			if (item.startsWith('$')) return `x[${item.slice(1)}]`;
			return `slice(${item
				.split(':')
				.map((part) => part || 'None')
				.join(', ')})`;
		})
		.join(', ');
const indexed = (label: string, at: readonly unknown[], ...inputs: InputSpec[]): Sample => ({ label, inputs, options: { at } });
const put = (label: string, at: readonly unknown[], ...inputs: InputSpec[]): Sample => ({ label, inputs, options: { at } });
const putAdded = (label: string, torch: string, at: readonly unknown[], ...inputs: InputSpec[]): Sample => ({
	label,
	inputs,
	options: { at, accumulate: true, added: torch },
});

/** The dims of x first, then those of the tensors. */
const INDEXED: readonly Sample[] = [
	indexed('rows', ['$1'], floats(4, 3), whole(-4, 4, 6)),
	indexed('pairs', ['$1', '$2'], floats(4, 3), whole(0, 4, 5), whole(-3, 3, 5)),
	indexed('together, broadcast', [':', '$1', '$2'], transposed(2, 4, 3), whole(0, 4, 2, 1), whole(0, 3, 3)),
	indexed('apart', ['$1', ':', '$2'], floats(3, 2, 4), whole(0, 3, 2), whole(-4, 4, 2)),
	indexed('last of three', ['...', '$1'], strided(2, 2, 4), whole(0, 4, 3)),
	indexed('with a number and slices', [1, '1::2', '$1', ':-1'], floats(2, 4, 3, 3), whole(-3, 3, 2, 2)),
	indexed('with a new dim', [null, '$1', ':', null], floats(3, 2), whole(0, 3, 4)),
	indexed('arrays', [[[0, -1]], [2, 1]], floats(3, 3)),
	indexed('booleans', [[true, false, true], ':'], floats(3, 2)),
	indexed('views', [-1, null, '1:', '...', '::2'], floats(2, 3, 2, 5)),
	indexed('no index', ['$1'], floats(4, 3), { shape: [0], dtype: 'int32' }),
];

const REDUCES = ['sum', 'prod', 'mean', 'amax', 'amin'] as const;

const indexing: OpEntry[] = [
	quantiles('quantile'),
	quantiles('nanquantile'),
	entry('index', 'indexing', {
		call: (inputs, { at }) => w.index(inputs[0]!, itemsOf(inputs, at as unknown[])),
		samples: INDEXED,
		torch: ({ at }) => `x[0][${inPython(at as unknown[])}]`,
		refusals: [
			refuse('no array', [2], (x) => w.index(x, 0 as never), /index: indices come as one array, such as .*, not 0/),
			refuse('too many', [2], (x) => w.index(x, [0, 0]), /index: 2 indices for the 1 dims of \[2\]/),
			refuse('a number', [2], (x) => w.index(x, [2]), /index: index 2 is out of range for dim 0 of \[2\] of size 2/),
			refuse('a step', [2], (x) => w.index(x, ['::-1']), /index: the step of '::-1' must be at least 1. To reverse, use flip/),
			refuse('a word', [2], (x) => w.index(x, ['all' as never]), /index: the slice 'all' must be 'start:end'/),
			refuse('floats', [2], (x) => w.index(x, [x]), /index: indices are int32 or bool, not float32/),
			refuse('a mask', [2], (x) => w.index(x, [x.eq(0)]), /index: only the device knows .*await nonzero\(mask, \{ asTuple: true/),
			refuse('a short mask', [2], (x) => w.index(x, [[true]]), /index: mask \[1\] must have the shape \[2\]/),
			outOfRange(
				[0, 3],
				(i) => w.zeros([3], { device: i.device }).index([i]),
				/^index: index 3 is out of range for dim 0 of \[3\]/,
			),
			outOfRange(
				[0, -4],
				(i) => w.zeros([9, 3], { device: i.device }).index([[1, 2], i]),
				/^index: index -4 is out of range for dim 1 of \[9, 3\] of size 3/,
			),
		],
	}),
	entry('indexPut', 'indexing', {
		call: (inputs, { at, accumulate }) =>
			w.indexPut(inputs[0]!, itemsOf(inputs, at as unknown[]), inputs.at(-1)!, { accumulate: accumulate as boolean }),
		samples: [
			put('rows', ['$1'], floats(4, 3), listed([2, -4], 'int32'), floats(2, 3)),
			putAdded(
				'added rows',
				'x[0].index_put((x[1],), x[2], accumulate=True)',
				['$1'],
				floats(4, 3),
				listed([2, -1, 2, 3], 'int32'),
				floats(4, 3),
			),
			putAdded(
				'added pairs',
				'x[0].index_put((x[1], x[2]), x[3], accumulate=True)',
				['$1', '$2'],
				transposed(4, 3),
				whole(0, 4, 7),
				whole(-3, 3, 7),
				floats(7),
			),
			put('apart', [[0, 2], ':', [1, 0]], floats(3, 2, 4), floats(2)),
			putAdded(
				'in a view',
				'torch.stack([x[0][0], torch.cat([x[0][1, :1], x[0][1, 1:].index_add(1, x[1], x[2])])])',
				[1, '1:', '$1'],
				floats(2, 3, 4),
				whole(0, 4, 5),
				floats(2, 5),
			),
			put('a view', [':', -1], floats(3, 4), floats(3)),
			put('a mask', ['$1'], floats(3, 4), bools(3, 4), floats()),
			putAdded(
				'a mask of rows',
				'x[0].index_put((x[1],), x[2], accumulate=True)',
				['$1'],
				floats(4, 3),
				{ ...bools(4), values: [1, 0, 0, 1] },
				floats(2, 3),
			),
			put('a mask of columns', [':', '$1'], floats(2, 3), { ...bools(3), values: [0, 1, 1] }, floats(2)),
		],
		torch: ({ at, added }) =>
			added ? `${added}` : `(lambda y: (y.__setitem__((${inPython(at as unknown[])},), x[-1]), y)[1])(x[0].clone())`,
		refusals: [
			refuse('shapes', [3], (x) => w.indexPut(x, [[0, 1]], x), /indexPut: .* do not broadcast|indexPut: shapes/),
			refuse(
				'a mask and indices',
				[3, 3],
				(x) => w.indexPut(x, [x.select(0, 0).eq(0), [0]], 1),
				/indexPut: a mask cannot stand beside/,
			),
			refuse(
				'too few for a mask',
				[3],
				(x) => w.indexPut(x, [x.eq(0)], x.narrow(0, 0, 2)),
				/indexPut: the mask has 3 true elements, but there are 2 values/,
			),
			outOfRange(
				[0, 3],
				(i) => w.indexPut(w.zeros([3], { device: i.device }), [i], 1),
				/^indexPut: index 3 is out of range for dim 0/,
			),
		],
	}),
	entry('repeatInterleave', 'indexing', {
		call: ([x], { repeats, dim }) => w.repeatInterleave(x!, repeats as number, dim as number | undefined),
		samples: [
			{ label: 'flat', inputs: [transposed(2, 3)], options: { repeats: 2 } },
			{ label: 'rows', inputs: [floats(3, 2)], options: { repeats: 3, dim: 0 } },
			{ label: 'listed', inputs: [floats(2, 4)], options: { repeats: [2, 0, 1, 3], dim: -1 } },
		],
		torch: ({ repeats, dim }) =>
			`torch.repeat_interleave(x[0], ${Array.isArray(repeats) ? `torch.tensor(${py(repeats)})` : repeats}${dim === undefined ? '' : `, dim=${dim}`})`,
		refusals: [
			refuse(
				'too few',
				[3],
				(x) => w.repeatInterleave(x, [1, 2]),
				/repeatInterleave: 2 repeats for dim 0 of \[3\]; give one for each/,
			),
			refuse('negative', [3], (x) => w.repeatInterleave(x, -1), /repeatInterleave: repeats must be a whole number of at least 0/),
			refuse('a tensor', [3], (x) => w.repeatInterleave(x, x as never), /repeatInterleave: repeats must be .* Read it first/),
		],
	}),
	...REDUCES.map((reduce) =>
		entry('scatterReduce', 'indexing', {
			call: ([x, index, source], { dim, ...options }) => w.scatterReduce(x!, dim as number, index!, source!, reduce, options),
			samples: [
				{
					label: reduce,
					inputs: [distinct(4, 3), whole(0, 4, 5, 3), { ...distinct(5, 3), low: 0.5, high: 3 }],
					options: { dim: 0 },
				},
				{
					label: `${reduce} without self`,
					inputs: [distinct(3, 4), whole(0, 4, 3, 6), { ...distinct(3, 6), low: 0.5, high: 3 }],
					options: { dim: -1, includeSelf: false },
				},
				...(reduce === 'amax' || reduce === 'amin'
					? EXTREME_SOURCES.map((sample) => ({ ...sample, label: `${reduce}, ${sample.label}` }))
					: []),
				{
					label: `${reduce}, many to few`,
					inputs: [distinct(3), whole(0, 3, 70), { ...distinct(70), low: 0.95, high: 1.05 }],
					options: { dim: 0 },
					gradient: false,
				},
			],
			torch: ({ dim, includeSelf = true }) =>
				`torch.scatter_reduce(x[0], ${dim}, x[1], x[2], '${reduce}', include_self=${py(includeSelf)})`,
			refusals:
				reduce === 'amax'
					? [
							outOfRange(
								[0, 2],
								(i) => {
									const x = w.zeros([2], { device: i.device });
									return w.scatterReduce(x, 0, i, x, 'amax');
								},
								/^scatterReduce: index 2 is out of range for dim 0 of \[2\] of size 2/,
							),
						]
					: [],
		}),
	),
];

/** Rows of weights of which only one is positive, so that the draw is certain. */
const CERTAIN: InputSpec = { shape: [2, 3], values: [0, 2, 0, 0, 0, 1] };

const random: OpEntry[] = [
	entry('multinomial', 'random', {
		call: ([weights], { count, ...options }) => w.multinomial(weights!, count as number, options),
		gradient: { none: 'positions are integers' },
		samples: [
			{ label: 'certain', inputs: [CERTAIN], options: { count: 1 } },
			{ label: 'certain, with replacement', inputs: [CERTAIN], options: { count: 5, replacement: true } },
		],
		torch: null,
		refusals: [
			refuse('too many', [3], (x) => w.multinomial(x, 4), /multinomial: 4 samples of 3 without replacement/),
			refuse('nothing', [3, 0], (x) => w.multinomial(x, 1), /multinomial: weights \[3, 0\] leave nothing to choose/),
			refuse('three dims', [1, 1, 1], (x) => w.multinomial(x, 1), /multinomial: weights must be \[C\] or \[N, C\]/),
			refuse('all 0', [3], (x) => w.multinomial(x, 1), /multinomial: number of positive weights 0 is below 1/),
			refuse('negative', [3], (x) => w.multinomial(x.sub(1), 1), /multinomial: number of positive weights -1 is below 1/),
		],
	}),
	entry('gumbelSoftmax', 'random', {
		call: ([logits], options) => w.gumbelSoftmax(logits!, options),
		samples: [
			{ label: 'rows', inputs: [floats(3, 5)] },
			{ label: 'cold', inputs: [floats(5, 2)], options: { tau: 0.5, dim: 0 } },
		],
		torch: null,
		refusals: [refuse('tau of 0', [2], (x) => w.gumbelSoftmax(x, { tau: 0 }), /gumbelSoftmax: tau must be above 0, not 0/)],
	}),
];

/** The entries by family, for each family's own list to append. */
export const everyday = { elementwise, layout, matmul, reduce, norm, indexing, random };
