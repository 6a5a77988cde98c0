/** What moves elements: joining, reversing, repeating, padding, windows, copies. */
import {
	cat,
	clone,
	contiguous,
	detach,
	flip,
	fold,
	meshgrid,
	pad,
	repeat,
	roll,
	stack,
	type Tensor,
	tile,
	transpose,
	tril,
	triu,
	unfold,
} from 'wgrad';
import type { OpEntry } from '../database';
import { py } from '../python';
import { bools, entry, expanded, integers, of, ofAll, refuse, strided, transposed } from './entry';

export const moves: OpEntry[] = [
	entry(
		'cat',
		cat,
		(dim = 0) => `torch.cat(x, ${dim})`,
		[
			ofAll('rows', [
				[3, 2],
				[1, 2],
				[5, 2],
			]),
			ofAll('columns', [[3, 2], transposed(3, 4), strided(3, 1)], -1),
			ofAll('one', [[3, 2]]),
			ofAll('with nothing', [[0], [3], [2]]),
			ofAll(
				'empty part',
				[
					[2, 0],
					[2, 3],
				],
				1,
			),
			ofAll('promoted', [[3], integers(2)]),
			ofAll('bools', [bools(3), bools(4)]),
		],
		[
			refuse(
				'other sizes',
				[2, 3],
				(x) => cat([x, transpose(x, 0, 1)]),
				/cat: \[2, 3\] and \[3, 2\] must be equal except in dim 0/,
			),
			{ label: 'nothing', call: () => cat([]), message: /cat: needs an array of at least one tensor/ },
			refuse('scalar', [], (x) => cat([x, x]), /cat: a scalar has no dim/),
		],
		{ list: true },
	),
	entry(
		'stack',
		stack,
		(dim = 0) => `torch.stack(x, ${dim})`,
		[
			ofAll('front', [
				[3, 2],
				[3, 2],
			]),
			ofAll('end', [[3, 2], transposed(3, 2), strided(3, 2)], -1),
			ofAll('scalars', [[], [], []]),
			ofAll(
				'middle',
				[
					[2, 3],
					[2, 3],
				],
				1,
			),
		],
		[
			refuse(
				'other shapes',
				[2, 3],
				(x) => stack([x, transpose(x, 0, 1)]),
				/stack: all tensors must have one shape, not \[2, 3\] and \[3, 2\]/,
			),
		],
		{ list: true },
	),
	entry(
		'flip',
		flip,
		(dims) => `x[0].flip(${py(dims)})`,
		[
			of('rows', [3, 5], [0]),
			of('all', [3, 5], [0, -1]),
			of('none', [3], []),
			of('transposed', transposed(3, 5), [1]),
			of('strided', strided(2, 33), [1]),
			of('empty', [0, 3], [0]),
		],
		[refuse('twice', [3], (x) => flip(x, [0, 0]), /flip: dims \[0, 0\] name a dimension twice/)],
	),
	entry(
		'roll',
		roll,
		(shifts, dims) => `x[0].roll(${py(shifts)}${dims === undefined ? '' : `, ${py(dims)}`})`,
		[
			of('flat', [3, 5], 2),
			of('rows', [5, 2], 2, 0),
			of('both', [3, 5], [1, -2], [0, 1]),
			of('far', [5], 13, 0),
			of('twice one dim', [5], [1, 2], [0, 0]),
			of('transposed', transposed(3, 5), [-1, 3], [0, 1]),
			of('empty', [0], 1, 0),
		],
		[
			refuse(
				'uneven',
				[3, 3],
				(x) => roll(x, [1, 2], [0]),
				/roll: shifts \[1, 2\] must hold a whole number for each of dims \[0\]/,
			),
		],
	),
	entry(
		'repeat',
		repeat,
		(repeats) => `x[0].repeat(${py(repeats)})`,
		[
			of('both', [3, 2], [2, 3]),
			of('in front', [3], [2, 1, 2]),
			of('once', [3], [1]),
			of('none', [3, 2], [0, 1]),
			of('transposed', transposed(3, 2), [2, 2]),
		],
		[refuse('too few', [2, 3], (x) => repeat(x, [2]), /repeat: \[2\] must hold a number for each dim of \[2, 3\]/)],
	),
	entry(
		'tile',
		tile,
		(repeats) => `torch.tile(x[0], ${py(repeats)})`,
		[of('last', [3, 2], [3]), of('more', [3], [2, 2]), of('scalar', [], [3])],
		[refuse('negative', [3], (x) => tile(x, [-1]), /tile: shape \[-1\] holds -1/)],
	),
	entry(
		'pad',
		pad,
		(sizes, { mode = 'constant', value = 0 }: { mode?: string; value?: number } = {}) =>
			mode === 'constant' ? `F.pad(x[0], ${py(sizes)}, value=${value})` : `F.pad(x[0], ${py(sizes)}, mode='${mode}')`,
		[
			of('last dim', [2, 3], [1, 2]),
			of('two dims', [2, 3], [1, 0, 2, 1]),
			of('value', [3], [2, 2], { value: -1.5 }),
			of('crop', [3, 5], [-1, 2, 1, -2]),
			of('nothing', [3], []),
			of('transposed', transposed(3, 4), [1, 1, 1, 1]),
			of('of nothing', [0, 3], [1, 1, 2, 0]),
			of('reflect', [1, 2, 3, 4], [2, 3, 2, 1], { mode: 'reflect' }),
			of('replicate', [1, 2, 3, 4], [2, 5, 0, 1], { mode: 'replicate' }),
			of('circular', [1, 2, 3, 4], [4, 1, 2, 3], { mode: 'circular' }),
			of('reflect of strided', strided(2, 2, 5), [2, 4], { mode: 'reflect' }),
		],
		[
			refuse('odd list', [3], (x) => pad(x, [1]), /pad: \[1\] must hold two whole numbers for each padded dim/),
			refuse('too many dims', [3], (x) => pad(x, [1, 1, 1, 1]), /pad: .* of at most 1 dims/),
			refuse(
				'reflect too far',
				[1, 3],
				(x) => pad(x, [3, 0], { mode: 'reflect' }),
				/pad: 3 and 0 do not fit dim 1 of \[1, 3\]: mode 'reflect' takes 0 to 2/,
			),
			refuse('unknown mode', [3], (x) => pad(x, [1, 1], { mode: 'mirror' as 'reflect' }), /pad: mode 'mirror' is not one of/),
			refuse('crops all', [3], (x) => pad(x, [-2, -2]), /pad: \[-2, -2\] crops more than there is/),
		],
	),
	entry(
		'tril',
		tril,
		(diagonal = 0) => `torch.tril(x[0], ${diagonal})`,
		[
			of('square', [4, 4]),
			of('above', [3, 5], 1),
			of('below', [5, 3], -2),
			of('batch', [2, 3, 3]),
			of('transposed', transposed(3, 4)),
			of('integers', integers(3, 3)),
			of('bools', bools(3, 3)),
			{ ...of('infinite', { shape: [2, 2], values: [1, Number.POSITIVE_INFINITY, Number.NaN, 2] }), gradient: false },
		],
		[refuse('vector', [3], (x) => tril(x), /tril: needs at least 2 dims/)],
	),
	entry(
		'triu',
		triu,
		(diagonal = 0) => `torch.triu(x[0], ${diagonal})`,
		[of('square', [4, 4]), of('above', [3, 5], 1), of('below', [5, 3], -2), of('batch', [2, 3, 3])],
		[refuse('vector', [3], (x) => triu(x), /triu: needs at least 2 dims/)],
	),
	entry(
		'unfold',
		unfold,
		(kernel, { dilation = 1, padding = 0, stride = 1 }: Record<string, unknown> = {}) =>
			`F.unfold(x[0], ${py(kernel)}, ${py(dilation)}, ${py(padding)}, ${py(stride)})`,
		[
			of('plain', [1, 2, 4, 5], 2),
			of('all options', [1, 1, 6, 7], [2, 3], { dilation: [2, 1], padding: [1, 2], stride: [2, 3] }),
			of('transposed', transposed(1, 2, 3, 4), 2),
		],
		[
			refuse('too large', [1, 1, 2, 2], (x) => unfold(x, 3), /unfold: a window of \[3, 3\] does not fit \[2, 2\]/),
			refuse('vector', [3], (x) => unfold(x, 1), /unfold: needs \[N, C, H, W\]/),
		],
	),
	entry(
		'fold',
		fold,
		(size, kernel, { dilation = 1, padding = 0, stride = 1 }: Record<string, unknown> = {}) =>
			`F.fold(x[0], ${py(size)}, ${py(kernel)}, ${py(dilation)}, ${py(padding)}, ${py(stride)})`,
		[
			of('plain', [1, 4, 6], [3, 4], 2),
			of('all options', [2, 6, 9], [6, 7], [2, 3], { dilation: [2, 1], padding: [1, 2], stride: [2, 3] }),
			of('transposed', transposed(1, 8, 4), [3, 3], 2),
		],
		[refuse('columns', [1, 5, 4], (x) => fold(x, 3, 2), /fold: needs \[N, C \* 4, 4\]/)],
	),
	entry(
		'meshgrid',
		meshgrid as (tensors: readonly Tensor[], options?: { indexing?: 'ij' | 'xy' }) => Tensor[],
		({ indexing = 'ij' }: { indexing?: string } = {}) => `torch.meshgrid(*x, indexing='${indexing}')`,
		[
			ofAll('ij', [[3], [2], [5]]),
			ofAll('xy', [[3], [2], [4]], { indexing: 'xy' }),
			ofAll('one', [[3]], { indexing: 'xy' }),
			ofAll('strided', [strided(3), [2]]),
		],
		[refuse('matrix', [2, 2], (x) => meshgrid([x]), /meshgrid: needs tensors of at most 1 dim/)],
		{ list: true },
	),
	entry(
		'clone',
		clone,
		() => 'x[0].clone()',
		[
			of('odd sizes', [3, 5]),
			of('transposed', transposed(3, 5)),
			of('expanded', expanded(3, 5)),
			of('bools', bools(33)),
			of('empty', [0]),
		],
		[],
	),
	entry(
		'contiguous',
		contiguous,
		() => 'x[0].contiguous()',
		[of('already', [3, 5]), of('transposed', transposed(3, 5)), of('strided', strided(3, 33))],
		[],
	),
	{
		...entry('detach', detach, () => 'x[0].detach()', [of('odd sizes', [3, 5])], []),
		gradient: { none: 'it is there to stop gradients' },
	},
];
