/** Views, parts and what moves elements. */
import {
	broadcastTo,
	cat,
	chunk,
	clone,
	contiguous,
	detach,
	diag,
	diagonal,
	expand,
	flatten,
	flip,
	fold,
	meshgrid,
	movedim,
	narrow,
	pad,
	permute,
	repeat,
	reshape,
	roll,
	select,
	slice,
	split,
	squeeze,
	stack,
	type Tensor,
	tile,
	transpose,
	tril,
	triu,
	unflatten,
	unfold,
	unsqueeze,
	view,
	zeros,
} from 'wgrad';
import type { InputSpec, OpEntry, Refusal, Sample } from './database';
import { pixels } from './pixels';
import { py } from './python';

type Arguments = readonly never[];

/** An entry whose samples' `options.args` follow the tensor (or the tensors, as `list`) in the call. */
function entry<F extends (...args: never[]) => Tensor | readonly Tensor[]>(
	name: string,
	operation: F,
	torch: ((...args: never[]) => string) | null,
	samples: readonly Sample[],
	refusals: readonly Refusal[],
	{ list = false }: { list?: boolean } = {},
): OpEntry {
	const run = operation as unknown as (x: Tensor | readonly Tensor[], ...args: Arguments) => Tensor | readonly Tensor[];
	return {
		name,
		family: 'layout',
		call: (x, options) => run(list ? x : x[0]!, ...((options.args ?? []) as Arguments)),
		gradient: 'yes',
		samples: samples.map((sample) =>
			sample.inputs.every(({ dtype }) => dtype !== undefined) ? { ...sample, gradient: false } : sample,
		),
		refusals,
		torch: torch === null ? null : (options) => torch(...((options.args ?? []) as Arguments)),
	};
}

/** One tensor, and what follows it. */
function of(label: string, spec: InputSpec | readonly number[], ...args: unknown[]): Sample {
	return { label, inputs: [Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)], options: { args } };
}

/** Several tensors, and what follows them. */
function ofAll(label: string, specs: readonly (InputSpec | readonly number[])[], ...args: unknown[]): Sample {
	const inputs = specs.map((spec) => (Array.isArray(spec) ? { shape: spec } : (spec as InputSpec)));
	return { label, inputs, options: { args } };
}

const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });
const expanded = (...shape: number[]): InputSpec => ({ shape, layout: 'expanded' });
const integers = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: -9, high: 9 });
const bools = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });

function refuse(label: string, shape: readonly number[], run: (x: Tensor) => unknown, message: RegExp): Refusal {
	return { label, call: (device) => run(zeros(shape, { device })), message };
}

export const layout: OpEntry[] = [
	entry(
		'reshape',
		reshape,
		(shape) => `x[0].reshape(${py(shape)})`,
		[
			of('odd sizes', [3, 5], [5, 3]),
			of('inferred', [3, 4, 2], [6, -1]),
			of('to scalar', [1, 1], []),
			of('from scalar', [], [1, 1, 1]),
			of('copy of transposed', transposed(3, 4), [2, 6]),
			of('split of transposed', transposed(6, 4), [2, 3, 4]),
			of('strided', strided(3, 5), [15]),
			of('expanded', expanded(3, 4), [12]),
			of('empty', [0, 3], [0, 2]),
			of('integers', integers(2, 3), [3, 2]),
		],
		[
			refuse('other size', [2, 3], (x) => reshape(x, [4, 2]), /reshape: \[2, 3\] has 6 elements, \[4, 2\] has 8/),
			refuse('two open', [2, 3], (x) => reshape(x, [-1, -1]), /reshape: only one size of \[-1, -1\] can be -1/),
			refuse('indivisible', [2, 3], (x) => reshape(x, [4, -1]), /reshape: the 6 elements of \[2, 3\] do not determine the -1/),
			refuse('nine dims', [1], (x) => reshape(x, [1, 1, 1, 1, 1, 1, 1, 1, 1]), /reshape: .* at most 8/),
		],
	),
	entry(
		'view',
		view,
		(shape) => `x[0].view(${py(shape)})`,
		[of('odd sizes', [3, 5], [5, 3]), of('merge of strided', strided(3, 5), [3, 5, 1]), of('empty', [0, 3], [0, 7])],
		[
			refuse(
				'needs a copy',
				[3, 4],
				(x) => view(transpose(x, 0, 1), [12]),
				/view: \[4, 3\] with strides \[1, 4\] cannot be seen as \[12\]/,
			),
		],
	),
	entry(
		'permute',
		permute,
		(dims) => `x[0].permute(${py(dims)})`,
		[
			of('cycle', [2, 3, 5], [2, 0, 1]),
			of('negative', [2, 3, 5], [-1, 0, -2]),
			of('scalar', [], []),
			of('strided', strided(2, 3, 3), [1, 2, 0]),
			of('empty', [0, 3], [1, 0]),
		],
		[
			refuse('twice', [2, 3], (x) => permute(x, [0, 0]), /permute: dims \[0, 0\] name a dimension twice/),
			refuse('too few', [2, 3], (x) => permute(x, [0]), /permute: \[0\] must list each of the 2 dims/),
			refuse('out of range', [2, 3], (x) => permute(x, [0, 2]), /permute: dim 2 is out of range/),
		],
	),
	entry(
		'transpose',
		transpose,
		(a, b) => `x[0].transpose(${a}, ${b})`,
		[of('matrix', [3, 5], 0, 1), of('negative', [2, 3, 5], -1, 0), of('same', [2, 3], 1, 1), of('strided', strided(3, 5), 0, 1)],
		[refuse('out of range', [2, 3], (x) => transpose(x, 0, 2), /transpose: dim 2 is out of range for 2 dimensions/)],
	),
	entry(
		'movedim',
		movedim,
		(from, to) => `x[0].movedim(${py(from)}, ${py(to)})`,
		[of('one', [2, 3, 5], 0, -1), of('two', [2, 3, 4, 2], [0, 1], [2, 0]), of('strided', strided(2, 3, 3), 2, 0)],
		[refuse('uneven', [2, 3], (x) => movedim(x, [0, 1], [0]), /movedim: 2 source dims but 1 destinations/)],
	),
	entry(
		'squeeze',
		squeeze,
		(dim) => `x[0].squeeze(${dim === undefined ? '' : dim})`,
		[
			of('all', [1, 3, 1, 5]),
			of('one', [1, 3, 1], -1),
			of('not 1', [2, 3], 0),
			of('scalar', []),
			of('transposed', transposed(3, 1, 5), 1),
		],
		[refuse('out of range', [2, 3], (x) => squeeze(x, 4), /squeeze: dim 4 is out of range/)],
	),
	entry(
		'unsqueeze',
		unsqueeze,
		(dim) => `x[0].unsqueeze(${dim})`,
		[of('front', [3, 5], 0), of('end', [3, 5], -1), of('scalar', [], 0), of('transposed', transposed(3, 5), 1)],
		[refuse('out of range', [2, 3], (x) => unsqueeze(x, 4), /unsqueeze: dim 4 is out of range for 3 dimensions/)],
	),
	entry(
		'expand',
		expand,
		(shape) => `x[0].expand(${py(shape)})`,
		[
			of('rows', [1, 5], [3, 5]),
			of('columns', [3, 1], [-1, 4]),
			of('in front', [3], [2, 4, 3]),
			of('scalar', [], [3, 2]),
			of('to none', [1, 3], [0, 3]),
			of('strided', strided(3, 1), [3, 5]),
		],
		[
			refuse('not 1', [2, 3], (x) => expand(x, [4, 3]), /expand: \[2, 3\] does not expand to \[4, 3\]/),
			refuse('too few', [2, 3], (x) => expand(x, [3]), /expand: \[3\] has fewer sizes than \[2, 3\]/),
			refuse('new dim kept', [3], (x) => expand(x, [-1, 3]), /expand: shape \[-1, 3\] holds -1/),
		],
	),
	entry(
		'broadcastTo',
		broadcastTo,
		(shape) => `torch.broadcast_to(x[0], ${py(shape)})`,
		[of('both', [3, 1], [2, 3, 5]), of('same', [3], [3])],
		[refuse('not 1', [2], (x) => broadcastTo(x, [3]), /broadcastTo: \[2\] does not expand to \[3\]/)],
	),
	entry(
		'flatten',
		flatten,
		(start = 0, end = -1) => `x[0].flatten(${start}, ${end})`,
		[
			of('all', [2, 3, 5]),
			of('from 1', [2, 3, 5], 1),
			of('to 1', [2, 3, 5], 0, 1),
			of('scalar', []),
			of('transposed', transposed(2, 3, 5), 1),
			of('empty', [2, 0, 3], 1),
		],
		[refuse('order', [2, 3], (x) => flatten(x, 1, 0), /flatten: startDim 1 comes after endDim 0/)],
	),
	entry(
		'unflatten',
		unflatten,
		(dim, sizes) => `x[0].unflatten(${dim}, ${py(sizes)})`,
		[of('last', [3, 10], -1, [2, 5]), of('inferred', [12, 2], 0, [3, -1]), of('transposed', transposed(6, 4), 0, [2, 3])],
		[refuse('other size', [10], (x) => unflatten(x, 0, [3, 3]), /unflatten: sizes \[3, 3\] do not make up dim 0 of \[10\]/)],
	),
	entry(
		'narrow',
		narrow,
		(dim, start, length) => `x[0].narrow(${dim}, ${start}, ${length})`,
		[
			of('rows', [5, 3], 0, 1, 3),
			of('columns', [3, 5], -1, 2, 3),
			of('none', [3, 5], 1, 5, 0),
			of('from the end', [7], 0, -3, 2),
			of('transposed', transposed(5, 4), 0, 1, 3),
		],
		[
			refuse('beyond', [5], (x) => narrow(x, 0, 3, 3), /narrow: 3 elements from 3 on do not lie within dim 0 of \[5\]/),
			refuse('scalar', [], (x) => narrow(x, 0, 0, 1), /narrow: a scalar/),
		],
	),
	entry(
		'select',
		select,
		(dim, index) => `x[0].select(${dim}, ${index})`,
		[
			of('row', [5, 3], 0, 2),
			of('last column', [3, 5], -1, -1),
			of('of a vector', [7], 0, 3),
			of('transposed', transposed(2, 3, 4), 1, 2),
		],
		[refuse('out of range', [5], (x) => select(x, 0, 5), /select: index 5 is out of range for dim 0 of \[5\]/)],
	),
	entry(
		'slice',
		slice,
		(dim, start = 0, end = Number.POSITIVE_INFINITY, step = 1) =>
			`torch.movedim(torch.movedim(x[0], ${dim}, 0)[${start}:${end === Number.POSITIVE_INFINITY ? '' : end}:${step}], 0, ${dim})`,
		[
			of('steps', [9, 2], 0, 1, 8, 3),
			of('negative', [3, 7], 1, -4, -1),
			of('beyond', [5], 0, 2, 99),
			of('nothing', [5], 0, 4, 2),
			of('rest', [5, 3], 1, 1),
			of('transposed', transposed(6, 3), 0, 1, 6, 2),
		],
		[refuse('backwards', [5], (x) => slice(x, 0, 4, 0, -1), /slice: step -1 must be a whole number of at least 1; use flip/)],
	),
	entry(
		'diagonal',
		diagonal,
		(offset = 0, a = 0, b = 1) => `torch.diagonal(x[0], ${offset}, ${a}, ${b})`,
		[
			of('square', [4, 4]),
			of('above', [3, 5], 2),
			of('below', [5, 3], -1),
			of('of a batch', [2, 3, 3], 0, -2, -1),
			of('outside', [2, 2], 5),
			of('transposed', transposed(3, 5), 1),
		],
		[
			refuse('vector', [3], (x) => diagonal(x), /diagonal: needs at least 2 dims/),
			refuse('same dim', [3, 3], (x) => diagonal(x, 0, 1, -1), /diagonal: dim1 and dim2 are both dim 1/),
		],
	),
	entry(
		'diag',
		diag,
		(offset = 0) => `torch.diag(x[0], ${offset})`,
		[of('to matrix', [5]), of('above', [3], 2), of('below', [3], -1), of('of matrix', [3, 5], 1), of('strided', strided(4))],
		[refuse('batch', [2, 3, 3], (x) => diag(x), /diag: needs a vector or a matrix/)],
	),
	entry(
		'split',
		split,
		(size, dim = 0) => `torch.split(x[0], ${py(size)}, ${dim})`,
		[of('uneven', [7, 2], 3), of('sizes', [3, 6], [1, 3, 2], -1), of('one', [3], 5), of('transposed', transposed(3, 6), 2, 1)],
		[
			refuse('sizes', [5], (x) => split(x, [2, 2]), /split: sizes \[2, 2\] do not add up to dim 0 of \[5\]/),
			refuse('zero', [5], (x) => split(x, 0), /split: size 0 must be a whole number of at least 1/),
		],
	),
	entry(
		'chunk',
		chunk,
		(chunks, dim = 0) => `torch.chunk(x[0], ${chunks}, ${dim})`,
		[of('uneven', [7, 2], 3), of('fewer than asked', [5], 4), of('columns', [2, 6], 3, 1)],
		[refuse('none', [5], (x) => chunk(x, 0), /chunk: the number of chunks is 0/)],
	),
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
	...pixels,
];
