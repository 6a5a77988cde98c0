/**
 * Elements by index, sorting and searching. For operations that wait for the device (nonzero, maskedSelect, bincount), see
 * test/indexing.
 */
import {
	argsort,
	gather,
	indexAdd,
	indexSelect,
	maskedFill,
	oneHot,
	scatter,
	scatterAdd,
	searchsorted,
	sort,
	type Tensor,
	take,
	takeAlongDim,
	topk,
	zeros,
} from 'wgrad';
import { type InputSpec, type OpEntry, outOfRange, type Refusal, type Sample } from './database';
import { py } from './python';

const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const distinct = (...shape: number[]): InputSpec => ({ shape, distinct: true });
const floats = (...shape: number[]): InputSpec => ({ shape });

/** Indices below `size`. */
function indices(size: number, ...shape: number[]): InputSpec {
	return { shape, dtype: 'int32', low: 0, high: size };
}

const int = (values: readonly number[]): InputSpec => ({ shape: [values.length], dtype: 'int32', values });

/** A wrong call with tensors of zeros and zero indices. */
function refuse(
	label: string,
	shape: readonly number[],
	index: readonly number[],
	run: (x: Tensor, index: Tensor) => unknown,
	message: RegExp,
): Refusal {
	return { label, call: (device) => run(zeros(shape, { device }), zeros(index, { dtype: 'int32', device })), message };
}

const at = (index: Tensor, ...shape: number[]) => zeros(shape, { device: index.device });

const gathers: Sample[] = [
	{ label: 'rows', inputs: [floats(5, 3), indices(5, 4, 3)], options: { dim: 0 } },
	{ label: 'columns', inputs: [floats(3, 7), indices(7, 3, 9)], options: { dim: -1 } },
	{ label: 'smaller index', inputs: [floats(4, 3, 5), indices(3, 2, 6, 3)], options: { dim: 1 } },
	{ label: 'repeated', inputs: [floats(3), int([1, 1, 1, 0])], options: { dim: 0 } },
	{ label: 'transposed', inputs: [transposed(4, 3), { ...indices(4, 5, 3), layout: 'transposed' }], options: { dim: 0 } },
	{ label: 'no index', inputs: [floats(4, 3), indices(4, 0, 3)], options: { dim: 0 } },
	{ label: 'one', inputs: [floats(1, 1), indices(1, 1, 1)], options: { dim: 1 } },
	{ label: 'large', inputs: [floats(65, 33), indices(65, 1200, 33)], options: { dim: 0 } },
];

export const indexing: OpEntry[] = [
	{
		name: 'gather',
		family: 'indexing',
		call: ([x, index], { dim }) => gather(x!, dim as number, index!),
		gradient: 'yes',
		samples: gathers.map((sample) => (sample.label === 'large' ? { ...sample, gradient: false } : sample)),
		refusals: [
			refuse('rank', [2, 3], [3], (x, index) => gather(x, 0, index), /gather: index \[3\] must have the rank of \[2, 3\]/),
			refuse('larger', [2, 3], [2, 4], (x, index) => gather(x, 0, index), /gather: index \[2, 4\] .* no larger except in dim 0/),
			refuse('floating index', [2], [2], (x) => gather(x, 0, x), /gather: index has dtype float32; it takes int32/),
			refuse('nothing to index', [0], [2], (x, index) => gather(x, 0, index), /gather: dim 0 of \[0\] has size 0/),
			outOfRange([0, 5], (i) => gather(at(i, 5), 0, i), /^gather: index 5 is out of range for dim 0 of \[5\] of size 5/),
			outOfRange([-1], (i) => gather(at(i, 5), 0, i), /^gather: index -1 is out of range for dim 0 of \[5\]/),
			outOfRange(
				[1, 3],
				(i) => gather(at(i, 2, 3), -1, i.unsqueeze(1)),
				/^gather: index 3 is out of range for dim 1 of \[2, 3\]/,
			),
			outOfRange(
				[2, 0],
				(i) => gather(at(i, 2, 3, 4), 0, i.reshape([2, 1, 1]).expand([2, 3, 4])),
				/^gather: index 2 is out of range/,
			),
		],
		torch: ({ dim }) => `torch.gather(x[0], ${dim}, x[1])`,
	},
	{
		name: 'scatterAdd',
		family: 'indexing',
		call: ([x, index, source], { dim }) => scatterAdd(x!, dim as number, index!, source!),
		gradient: 'yes',
		samples: [
			{ label: 'rows', inputs: [floats(5, 3), indices(5, 4, 3), floats(4, 3)], options: { dim: 0 } },
			{ label: 'columns', inputs: [floats(3, 4), indices(4, 3, 9), floats(3, 9)], options: { dim: 1 } },
			{ label: 'one place', inputs: [floats(2), { ...indices(1, 33), low: 1, high: 2 }, floats(33)], options: { dim: 0 } },
			{
				label: 'transposed',
				inputs: [transposed(4, 3), { ...indices(4, 5, 3), layout: 'transposed' }, transposed(5, 3)],
				options: { dim: 0 },
			},
			{ label: 'nothing', inputs: [floats(3), indices(3, 0), floats(0)], options: { dim: 0 } },
			{
				label: 'integers',
				inputs: [{ shape: [5], dtype: 'int32' }, indices(5, 65), { shape: [65], dtype: 'int32' }],
				options: { dim: 0 },
				gradient: false,
			},
			{ label: 'many', inputs: [floats(33, 7), indices(33, 1500, 7), floats(1500, 7)], options: { dim: 0 }, gradient: false },
		],
		refusals: [
			refuse(
				'small source',
				[3],
				[3],
				(x, index) => scatterAdd(x, 0, index, x.narrow(0, 0, 2)),
				/scatterAdd: source \[2\] must be at least as large as index \[3\]/,
			),
			refuse('other dtype', [3], [3], (x, index) => scatterAdd(x, 0, index, index), /scatterAdd: source has dtype int32/),
			outOfRange(
				[0, 2],
				(i) => scatterAdd(at(i, 2), 0, i, at(i, 2)),
				/^scatterAdd: index 2 is out of range for dim 0 of \[2\] of size 2/,
			),
			outOfRange(
				[0, 1, 2, -7],
				(i) => scatterAdd(at(i, 3, 2), 1, i.reshape([2, 2]), at(i, 2, 2)),
				/^scatterAdd: index 2 is out of range for dim 1 of \[3, 2\]/,
			),
		],
		tolerance: { relative: 2e-5, absolute: 2e-5, reason: 'sums of some hundred numbers of both signs, in float32' },
		torch: ({ dim }) => `x[0].scatter_add(${dim}, x[1], x[2])`,
	},
	{
		name: 'scatter',
		family: 'indexing',
		call: ([x, index, source], { dim, value }) => scatter(x!, dim as number, index!, (value as number | undefined) ?? source!),
		gradient: 'yes',
		samples: [
			{ label: 'permutation', inputs: [floats(5), int([3, 0, 4, 1, 2]), floats(5)], options: { dim: 0 } },
			{ label: 'some', inputs: [floats(6), int([5, 2]), floats(2)], options: { dim: 0 } },
			{
				label: 'rows',
				inputs: [floats(4, 2), { shape: [2, 2], dtype: 'int32', values: [3, 0, 1, 2] }, floats(2, 2)],
				options: { dim: 0 },
			},
			{
				label: 'transposed',
				inputs: [
					transposed(2, 4),
					{ shape: [2, 2], dtype: 'int32', values: [3, 0, 1, 2], layout: 'transposed' },
					transposed(2, 2),
				],
				options: { dim: 1 },
			},
			{ label: 'value', inputs: [floats(3, 4), indices(4, 3, 2)], options: { dim: 1, value: 0.5 } },
			{ label: 'nothing', inputs: [floats(3), indices(3, 0), floats(0)], options: { dim: 0 } },
		],
		refusals: [
			refuse('rank', [2, 3], [3], (x, index) => scatter(x, 0, index, x), /scatter: index \[3\] must have the rank/),
			outOfRange(
				[0, 2],
				(i) => scatter(at(i, 2), 0, i, at(i, 2)),
				/^scatter: index 2 is out of range for dim 0 of \[2\] of size 2/,
			),
			outOfRange([-1, 1], (i) => scatter(at(i, 2), 0, i, 3), /^scatter: index -1 is out of range/),
			...(['add', 'multiply'] as const).map((reduce) =>
				outOfRange(
					[1, 4],
					(i) => scatter(at(i, 3), 0, i, at(i, 2), { reduce }),
					/^scatter: index 4 is out of range for dim 0 of \[3\]/,
				),
			),
		],
		torch: ({ dim, value }) => `x[0].scatter(${dim}, x[1], ${value === undefined ? 'x[2]' : value})`,
	},
	{
		name: 'scatter',
		family: 'indexing',
		call: ([x, index, source], { dim }) => scatter(x!, dim as number, index!, source!),
		gradient: 'yes',
		samples: [
			{ label: 'larger source', inputs: [floats(6), int([5, 2]), floats(3)], options: { dim: 0 } },
			{ label: 'few places', inputs: [floats(3), indices(3, 17), floats(17)], options: { dim: 0 } },
			{ label: 'columns', inputs: [floats(2, 3), indices(3, 2, 8), floats(2, 8)], options: { dim: 1 } },
			{ label: 'many', inputs: [floats(65), indices(65, 1500), floats(1500)], options: { dim: 0 }, gradient: false },
		],
		refusals: [],
		// PyTorch does not define which write wins, and gives every one of them the gradient.
		torch: null,
	},
	{
		name: 'scatterAdd',
		family: 'indexing',
		call: ([x, index, source], { dim }) => scatterAdd(x!, dim as number, index!, source!),
		gradient: 'yes',
		samples: [{ label: 'larger source', inputs: [floats(3, 4), indices(3, 2, 3), floats(4, 5)], options: { dim: 0 } }],
		refusals: [],
		// PyTorch 1.13 computes it, but its backward fails.
		torch: null,
	},
	{
		name: 'indexSelect',
		family: 'indexing',
		call: ([x, index], { dim }) => indexSelect(x!, dim as number, index!),
		gradient: 'yes',
		samples: [
			{ label: 'rows', inputs: [floats(5, 3), indices(5, 7)], options: { dim: 0 } },
			{ label: 'columns', inputs: [floats(2, 5, 3), indices(3, 4)], options: { dim: -1 } },
			{ label: 'middle', inputs: [floats(2, 5, 4), indices(5, 3)], options: { dim: 1 } },
			{ label: 'transposed', inputs: [transposed(4, 5), indices(4, 6)], options: { dim: 0 } },
			{ label: 'strided index', inputs: [floats(9), { ...indices(9, 5), layout: 'strided' }], options: { dim: 0 } },
			{ label: 'none', inputs: [floats(5, 3), indices(5, 0)], options: { dim: 0 } },
		],
		refusals: [
			refuse('matrix', [3], [2, 2], (x, index) => indexSelect(x, 0, index), /indexSelect: index must be a vector, not \[2, 2\]/),
			outOfRange(
				[0, 9],
				(i) => indexSelect(at(i, 5), 0, i),
				/^indexSelect: index 9 is out of range for dim 0 of \[5\] of size 5/,
			),
			outOfRange([-2], (i) => indexSelect(at(i, 3, 5), 1, i), /^indexSelect: index -2 is out of range for dim 1 of \[3, 5\]/),
		],
		torch: ({ dim }) => `torch.index_select(x[0], ${dim}, x[1])`,
	},
	{
		name: 'indexAdd',
		family: 'indexing',
		call: ([x, index, source], { dim, alpha = 1 }) => indexAdd(x!, dim as number, index!, source!, { alpha: alpha as number }),
		gradient: 'yes',
		samples: [
			{ label: 'rows', inputs: [floats(4, 3), indices(4, 7), floats(7, 3)], options: { dim: 0 } },
			{ label: 'columns', inputs: [floats(2, 3, 4), indices(4, 5), floats(2, 3, 5)], options: { dim: -1 } },
			{ label: 'middle', inputs: [floats(2, 3, 4), indices(3, 3), floats(2, 3, 4)], options: { dim: 1, alpha: -0.5 } },
			{ label: 'transposed', inputs: [transposed(3, 4), indices(3, 3), transposed(3, 4)], options: { dim: 0 } },
		],
		refusals: [
			refuse('source', [4, 3], [2], (x, index) => indexAdd(x, 0, index, x), /indexAdd: source \[4, 3\] must be \[2, 3\]/),
			outOfRange(
				[3],
				(i) => indexAdd(at(i, 3, 2), 0, i, at(i, 1, 2)),
				/^indexAdd: index 3 is out of range for dim 0 of \[3, 2\] of size 3/,
			),
			outOfRange(
				[-1],
				(i) => indexAdd(at(i, 3, 2), 1, i, at(i, 3, 1)),
				/^indexAdd: index -1 is out of range for dim 1 of \[3, 2\]/,
			),
		],
		torch: ({ dim, alpha = 1 }) => `torch.index_add(x[0], ${dim}, x[1], x[2], alpha=${alpha})`,
	},
	{
		name: 'take',
		family: 'indexing',
		call: ([x, index]) => take(x!, index!),
		gradient: 'yes',
		samples: [
			{ label: 'matrix', inputs: [floats(3, 5), indices(15, 2, 4)] },
			{ label: 'transposed', inputs: [transposed(3, 5), indices(15, 7)] },
			{ label: 'scalar index', inputs: [floats(3), indices(3)] },
			{ label: 'from the back', inputs: [floats(3, 5), { shape: [2, 4], dtype: 'int32', low: -15, high: 15 }] },
		],
		refusals: [
			refuse('floating index', [2], [2], (x) => take(x, x), /take: index has dtype float32/),
			outOfRange([-6, 6], (i) => take(at(i, 2, 3), i), /^take: index 6 is out of range for the elements of \[2, 3\] of size 6/),
			outOfRange([-6, -7], (i) => take(at(i, 2, 3), i), /^take: index -7 is out of range/),
		],
		torch: () => 'torch.take(x[0], x[1])',
	},
	{
		name: 'takeAlongDim',
		family: 'indexing',
		call: ([x, index], { dim }) => takeAlongDim(x!, index!, dim as number | undefined),
		gradient: 'yes',
		samples: [
			{ label: 'columns', inputs: [floats(3, 5), indices(5, 3, 2)], options: { dim: 1 } },
			{ label: 'broadcast index', inputs: [floats(3, 5), indices(5, 1, 2)], options: { dim: -1 } },
			{ label: 'broadcast x', inputs: [floats(1, 5), indices(5, 3, 2)], options: { dim: 1 } },
			{ label: 'flat', inputs: [floats(3, 5), indices(15, 2, 2)] },
		],
		refusals: [
			refuse(
				'rank',
				[2, 3],
				[3],
				(x, index) => takeAlongDim(x, index, 0),
				/takeAlongDim: index \[3\] must have the rank of \[2, 3\]/,
			),
			outOfRange(
				[0, 6],
				(i) => takeAlongDim(at(i, 2, 3), i),
				/^takeAlongDim: index 6 is out of range for the elements of \[2, 3\]/,
			),
			outOfRange([-1], (i) => takeAlongDim(at(i, 2, 3), i.unsqueeze(0), 1), /^takeAlongDim: index -1 is out of range for dim 1/),
		],
		torch: ({ dim }) => `torch.take_along_dim(x[0], x[1]${dim === undefined ? '' : `, ${dim}`})`,
	},
	{
		name: 'maskedFill',
		family: 'indexing',
		call: ([x, mask], { value }) => maskedFill(x!, mask!, value as number),
		gradient: 'yes',
		samples: [
			{ label: 'same shape', inputs: [floats(3, 5), { shape: [3, 5], dtype: 'bool' }], options: { value: -2 } },
			{ label: 'broadcast mask', inputs: [floats(3, 5), { shape: [5], dtype: 'bool' }], options: { value: 0.5 } },
			{ label: 'broadcast x', inputs: [floats(3, 1), { shape: [2, 3, 5], dtype: 'bool' }], options: { value: 0 } },
			{
				label: 'transposed',
				inputs: [transposed(3, 5), { shape: [3, 5], dtype: 'bool', layout: 'transposed' }],
				options: { value: 1 },
			},
			{
				label: 'infinite',
				inputs: [floats(3, 5), { shape: [3, 5], dtype: 'bool' }],
				options: { value: Number.POSITIVE_INFINITY },
				gradient: false,
			},
			{ label: 'empty', inputs: [floats(0, 3), { shape: [3], dtype: 'bool' }], options: { value: 1 } },
		],
		refusals: [
			refuse('mask dtype', [3], [3], (x, mask) => maskedFill(x, mask, 0), /maskedFill: mask has dtype int32; it takes bool/),
		],
		torch: ({ value }) => `torch.masked_fill(x[0], x[1], ${py(value)})`,
	},
	{
		name: 'oneHot',
		family: 'indexing',
		call: ([index], { classes }) => oneHot(index!, classes as number),
		gradient: { none: 'both sides are integers' },
		samples: [
			{ label: 'vector', inputs: [indices(5, 7)], options: { classes: 5 } },
			{ label: 'matrix', inputs: [indices(3, 2, 4)], options: { classes: 65 } },
			{ label: 'scalar', inputs: [indices(3)], options: { classes: 3 } },
			{ label: 'transposed', inputs: [{ ...indices(4, 3, 2), layout: 'transposed' }], options: { classes: 4 } },
			{ label: 'empty', inputs: [indices(3, 0)], options: { classes: 3 } },
		],
		refusals: [
			refuse(
				'no classes',
				[1],
				[3],
				(_, index) => oneHot(index, 0),
				/oneHot: numClasses must be a whole number of at least 1, not 0/,
			),
			refuse('floating', [3], [1], (x) => oneHot(x, 3), /oneHot: index has dtype float32/),
			outOfRange([0, 3], (i) => oneHot(i, 3), /^oneHot: index 3 is out of range for the classes of size 3/),
			outOfRange([-1], (i) => oneHot(i.reshape([]), 3), /^oneHot: index -1 is out of range/),
		],
		torch: ({ classes }) => `F.one_hot(x[0], ${classes})`,
	},
	{
		name: 'sort',
		family: 'indexing',
		call: ([x], { dim, ...options }) => sort(x!, dim as number | undefined, options),
		gradient: 'yes',
		samples: [
			{ label: 'vector', inputs: [distinct(33)] },
			{ label: 'rows', inputs: [distinct(3, 7)], options: { descending: true } },
			{ label: 'columns', inputs: [distinct(5, 3)], options: { dim: 0 } },
			{ label: 'middle', inputs: [distinct(2, 5, 3)], options: { dim: 1, descending: true } },
			{ label: 'transposed', inputs: [{ ...distinct(4, 5), layout: 'transposed' }] },
			{ label: 'scalar', inputs: [floats()] },
			{ label: 'empty', inputs: [floats(3, 0)] },
			{ label: 'equal numbers keep their order', inputs: [{ shape: [65], dtype: 'int32', low: -3, high: 3 }], gradient: false },
			{
				label: 'descending too',
				inputs: [{ shape: [65], dtype: 'int32', low: -3, high: 3 }],
				options: { descending: true },
				gradient: false,
			},
			{ label: 'bools', inputs: [{ shape: [33], dtype: 'bool' }], options: { descending: true }, gradient: false },
			{
				label: 'extremes',
				inputs: [
					{ shape: [8], values: [Number.NaN, 3e38, Number.NEGATIVE_INFINITY, 0, 1e-30, Number.POSITIVE_INFINITY, -1e-30, -3e38] },
				],
				gradient: false,
			},
			{ label: 'long rows', inputs: [distinct(2, 1500)], options: { descending: true }, gradient: false },
		],
		refusals: [refuse('dim', [2], [1], (x) => sort(x, 1), /sort: dim 1 is out of range/)],
		torch: ({ dim = -1, descending }) => `torch.sort(x[0], dim=${dim}, descending=${py(descending ?? false)}, stable=True)`,
	},
	{
		name: 'argsort',
		family: 'indexing',
		call: ([x], { dim, ...options }) => argsort(x!, dim as number | undefined, options),
		gradient: { none: 'indices are integers' },
		samples: [
			{ label: 'vector', inputs: [distinct(33)] },
			{ label: 'columns', inputs: [distinct(5, 3)], options: { dim: 0, descending: true } },
			{ label: 'strided', inputs: [{ ...distinct(3, 5), layout: 'strided' }] },
		],
		refusals: [refuse('dim', [2], [1], (x) => argsort(x, -2), /argsort: dim -2 is out of range/)],
		torch: ({ dim = -1, descending }) => `torch.argsort(x[0], dim=${dim}, descending=${py(descending ?? false)})`,
	},
	{
		name: 'topk',
		family: 'indexing',
		call: ([x], { k, dim, ...options }) => topk(x!, k as number, dim as number | undefined, options),
		gradient: 'yes',
		samples: [
			{ label: 'vector', inputs: [distinct(33)], options: { k: 5 } },
			{ label: 'smallest', inputs: [distinct(3, 7)], options: { k: 2, largest: false } },
			{ label: 'in any order', inputs: [distinct(3, 7)], options: { k: 3, sorted: false } },
			{ label: 'columns', inputs: [distinct(5, 3)], options: { k: 3, dim: 0 } },
			{ label: 'all', inputs: [distinct(5)], options: { k: 5 } },
			{ label: 'none', inputs: [distinct(2, 5)], options: { k: 0 } },
			{ label: 'transposed', inputs: [{ ...distinct(4, 5), layout: 'transposed' }], options: { k: 2 } },
		],
		refusals: [refuse('too many', [3], [1], (x) => topk(x, 4), /topk: k = 4 is out of range for dim -1 of \[3\]/)],
		torch: ({ k, dim = -1, largest }) => `torch.topk(x[0], ${k}, dim=${dim}, largest=${py(largest ?? true)})`,
	},
	{
		name: 'searchsorted',
		family: 'indexing',
		call: ([sequence, values], options) => searchsorted(sequence!, values!, options),
		gradient: { none: 'positions are integers' },
		samples: [
			{ label: 'vector', inputs: [{ shape: [5], values: [-1, 0, 0, 1, 1.5] }, floats(3, 7)] },
			{
				label: 'right',
				inputs: [
					{ shape: [5], dtype: 'int32', values: [-1, 0, 0, 1, 3] },
					{ shape: [33], dtype: 'int32', low: -2, high: 5 },
				],
				options: { right: true },
			},
			{ label: 'rows', inputs: [{ shape: [2, 3], values: [-1, 0, 1, -1.5, 0.5, 1.5] }, floats(2, 5)] },
			{ label: 'transposed values', inputs: [{ shape: [3], values: [-1, 0, 1] }, transposed(3, 4)] },
			{ label: 'empty', inputs: [floats(0), floats(3)] },
		],
		refusals: [
			refuse(
				'rows',
				[2, 3],
				[1],
				(x) => searchsorted(x, x.narrow(0, 0, 1)),
				/searchsorted: the sequence \[2, 3\] must be a vector or have the leading dims/,
			),
			outOfRange(
				[0, 2],
				(sorter) => searchsorted(at(sorter, 2), 1, { sorter }),
				/^searchsorted: index 2 is out of range for the last dim of \[2\] of size 2/,
			),
		],
		torch: ({ right }) => `torch.searchsorted(x[0], x[1], right=${py(right ?? false)})`,
	},
];
