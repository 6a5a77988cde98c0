/** Products of matrices and vectors. */
import { baddbmm, bmm, dot, einsum, linear, matmul as multiply, mv, outer, type Tensor, zeros } from 'wgrad';
import type { InputSpec, OpEntry, Refusal, Sample } from './database';

const of = (...shape: number[]): InputSpec => ({ shape });
const ints = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: -9, high: 10 });
/** Products beyond int32. */
const large = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32', low: -(2 ** 31), high: 2 ** 31 });
const transposed = (...shape: number[]): InputSpec => ({ shape, layout: 'transposed' });
const strided = (...shape: number[]): InputSpec => ({ shape, layout: 'strided' });
const expanded = (...shape: number[]): InputSpec => ({ shape, layout: 'expanded' });

function pair(label: string, a: InputSpec, b: InputSpec, gradient = true): Sample {
	return { label, inputs: [a, b], gradient };
}

/** A wrong call with tensors of zeros. */
function refuse(
	label: string,
	shapes: readonly (readonly number[])[],
	run: (...x: Tensor[]) => unknown,
	message: RegExp,
): Refusal {
	return { label, call: (device) => run(...shapes.map((shape) => zeros(shape, { device }))), message };
}

const tolerance = { relative: 2e-5, absolute: 2e-5, reason: 'sums of up to some hundred products of both signs, in float32' };

function product(
	name: string,
	call: (a: Tensor, b: Tensor) => Tensor,
	torch: string,
	samples: readonly Sample[],
	refusals: readonly Refusal[],
): OpEntry {
	return {
		name,
		family: 'matmul',
		call: ([a, b]) => call(a!, b!),
		gradient: 'yes',
		samples,
		refusals,
		tolerance,
		torch: () => torch,
	};
}

function sums(label: string, equation: string, ...inputs: InputSpec[]): Sample {
	return { label, inputs, options: { equation } };
}

export const matmul: OpEntry[] = [
	product(
		'matmul',
		multiply,
		'torch.matmul(x[0], x[1])',
		[
			pair('odd sizes', of(3, 5), of(5, 7)),
			pair('one', of(1, 1), of(1, 1)),
			pair('row and column', of(1, 33), of(33, 1)),
			pair('column and row', of(9, 1), of(1, 5)),
			pair('transposed a', transposed(3, 5), of(5, 4)),
			pair('transposed b', of(3, 5), transposed(5, 4)),
			pair('both transposed', transposed(3, 5), transposed(5, 4)),
			pair('strided', strided(3, 5), strided(5, 4)),
			pair('expanded', expanded(3, 5), expanded(5, 4)),
			pair('vectors', of(33), of(33)),
			pair('matrix and vector', of(5, 9), of(9)),
			pair('vector and matrix', of(9), of(9, 5)),
			pair('batch', of(2, 3, 4), of(2, 4, 5)),
			pair('batch and one matrix', of(2, 3, 4), of(4, 5)),
			pair('one matrix and batch', of(3, 4), of(2, 4, 5)),
			pair('batch of one matrix', of(2, 3, 4), of(1, 4, 5)),
			pair('batches broadcast', of(2, 1, 3, 2), of(3, 2, 4)),
			pair('batch and vector', of(2, 3, 4), of(4)),
			pair('vector and batch', of(3), of(2, 3, 4)),
			pair('transposed batch', transposed(2, 3, 4), transposed(2, 4, 2)),
			pair('no rows', of(0, 3), of(3, 4)),
			pair('nothing to sum', of(3, 0), of(0, 4)),
			pair('large', of(65, 130), of(130, 67), false),
			pair('int32', ints(3, 5), ints(5, 7), false),
			pair('int32 wraps', large(9, 33), { ...large(33, 17), layout: 'transposed' }, false),
			pair('int32 batches broadcast', ints(2, 1, 3, 2), ints(3, 2, 4), false),
			pair('int32 vector', ints(5, 9), ints(9), false),
			pair('large batch', of(3, 65, 33), of(3, 33, 70), false),
			pair('large transposed', transposed(65, 130), transposed(130, 67), false),
		],
		[
			refuse(
				'inner dims',
				[
					[32, 784],
					[785, 10],
				],
				multiply,
				/^matmul: inner dimensions differ: \[32, 784\] x \[785, 10\]$/,
			),
			refuse(
				'batch dims',
				[
					[2, 3, 4],
					[3, 4, 5],
				],
				multiply,
				/matmul: shapes \[2\] and \[3\] do not broadcast/,
			),
			refuse('scalar', [[], [3]], multiply, /matmul: needs at least 1 dim each/),
			{
				label: 'dtypes',
				call: (device) => multiply(zeros([2, 2], { device }), zeros([2, 2], { device, dtype: 'int32' })),
				message: /matmul: dtypes differ: float32 \[2, 2\] and int32 \[2, 2\]/,
			},
			{
				label: 'bool',
				call: (device) => multiply(zeros([2, 2], { device, dtype: 'bool' }), zeros([2, 2], { device, dtype: 'bool' })),
				message: /matmul: dtype bool has no product/,
			},
		],
	),
	product(
		'bmm',
		bmm,
		'torch.bmm(x[0], x[1])',
		[
			pair('odd sizes', of(3, 2, 5), of(3, 5, 3)),
			pair('transposed', transposed(2, 3, 4), transposed(2, 4, 2)),
			pair('no batch', of(0, 2, 3), of(0, 3, 2)),
		],
		[
			refuse(
				'matrices',
				[
					[2, 3],
					[3, 2],
				],
				bmm,
				/bmm: needs \[B, M, K\] x \[B, K, N\] with one B, not \[2, 3\] x \[3, 2\]/,
			),
			refuse(
				'inner dims',
				[
					[1, 2, 3],
					[1, 4, 2],
				],
				bmm,
				/bmm: inner dimensions differ: \[1, 2, 3\] x \[1, 4, 2\]/,
			),
		],
	),
	product(
		'mv',
		mv,
		'torch.mv(x[0], x[1])',
		[
			pair('odd sizes', of(3, 33), of(33)),
			pair('transposed', transposed(5, 3), strided(3)),
			pair('large', of(65, 257), of(257), false),
		],
		[
			refuse('inner dims', [[2, 3], [4]], mv, /mv: inner dimensions differ: \[2, 3\] x \[4\]/),
			refuse('vectors', [[3], [3]], mv, /mv: needs a matrix and a vector/),
		],
	),
	product(
		'dot',
		dot,
		'torch.dot(x[0], x[1])',
		[pair('odd sizes', of(33), of(33)), pair('strided', strided(7), strided(7)), pair('empty', of(0), of(0))],
		[
			refuse('lengths', [[3], [4]], dot, /dot: inner dimensions differ: \[3\] x \[4\]/),
			refuse('matrix', [[2, 2], [2]], dot, /dot: needs two vectors/),
		],
	),
	product(
		'outer',
		outer,
		'torch.outer(x[0], x[1])',
		[pair('odd sizes', of(5), of(7)), pair('strided', strided(3), strided(5)), pair('empty', of(0), of(3))],
		[refuse('matrix', [[2, 2], [2]], outer, /outer: needs two vectors/)],
	),
	{
		name: 'linear',
		family: 'matmul',
		call: ([x, weight, bias]) => linear(x!, weight!, bias ?? null),
		gradient: 'yes',
		samples: [
			{ label: 'odd sizes', inputs: [of(3, 5), of(7, 5), of(7)] },
			{ label: 'no bias', inputs: [of(3, 5), of(2, 5)] },
			{ label: 'vector', inputs: [of(5), of(3, 5), of(3)] },
			{ label: 'batch', inputs: [of(2, 3, 4), of(5, 4), of(5)] },
			{ label: 'transposed', inputs: [transposed(4, 3), transposed(5, 3), strided(5)] },
			{ label: 'no rows', inputs: [of(0, 3), of(2, 3), of(2)] },
			{ label: 'large', inputs: [of(65, 130), of(67, 130), of(67)], gradient: false },
		],
		refusals: [
			refuse(
				'features',
				[
					[3, 4],
					[2, 5],
				],
				(x, w) => linear(x!, w!),
				/linear: input \[3, 4\] must end in the 5 features that weight \[2, 5\] takes/,
			),
			refuse(
				'bias',
				[[3, 4], [2, 4], [3]],
				(x, w, b) => linear(x!, w!, b),
				/linear: bias \[3\] must have shape \[2\] for weight \[2, 4\]/,
			),
			refuse(
				'weight',
				[
					[3, 4],
					[1, 2, 4],
				],
				(x, w) => linear(x!, w!),
				/linear: weight must be \[outFeatures, inFeatures\], not \[1, 2, 4\]/,
			),
			refuse(
				'bias of a vector',
				[[3, 4], [4], [1]],
				(x, w, b) => linear(x!, w!, b),
				/linear: bias \[1\] must be a scalar for weight \[4\]/,
			),
		],
		tolerance,
		torch: () => 'F.linear(*x)',
	},
	{
		name: 'baddbmm',
		family: 'matmul',
		call: ([input, a, b], options) => baddbmm(input!, a!, b!, options),
		gradient: 'yes',
		samples: [
			{ label: 'odd sizes', inputs: [of(2, 3, 5), of(2, 3, 4), of(2, 4, 5)] },
			{ label: 'broadcast', inputs: [of(5), of(2, 3, 4), of(2, 4, 5)], options: { beta: 0.5, alpha: -2 } },
			{
				label: 'beta 0',
				inputs: [{ shape: [1, 1, 1], values: [Number.NaN], gradient: false }, of(2, 2, 3), of(2, 3, 2)],
				options: { beta: 0 },
			},
		],
		refusals: [
			refuse(
				'input',
				[
					[4, 2, 2],
					[2, 2, 2],
					[2, 2, 2],
				],
				(x, a, b) => baddbmm(x!, a!, b!),
				/baddbmm: shapes \[4, 2, 2\] and \[2, 2, 2\] do not broadcast/,
			),
		],
		tolerance,
		// PyTorch 1.13 sometimes multiplies uninitialised memory by a beta of 0.
		torch: ({ beta = 1, alpha = 1 }) =>
			beta === 0 ? `${alpha} * torch.bmm(x[1], x[2])` : `torch.baddbmm(x[0], x[1], x[2], beta=${beta}, alpha=${alpha})`,
	},
	{
		name: 'einsum',
		family: 'matmul',
		call: (x, { equation }) => einsum(equation as string, ...x),
		gradient: 'yes',
		samples: [
			sums('product', 'ij,jk->ik', of(3, 5), of(5, 4)),
			sums('implicit', 'ij,jk', of(3, 5), of(5, 4)),
			sums('implicit, sorted', 'ba', of(3, 5)),
			sums('batch', 'bij,bjk->bik', of(2, 3, 4), of(2, 4, 3)),
			sums('attention', 'bqhd,bkhd->bhqk', of(2, 3, 2, 3), of(2, 4, 2, 3)),
			sums('two summed', 'abcd,cdbe->eab', of(2, 2, 3, 2), of(3, 2, 2, 3)),
			sums('elementwise', 'ij,ij->ij', of(3, 4), transposed(3, 4)),
			sums('outer', 'i,j->ji', of(3), of(5)),
			sums('inner', 'ij,ij->', of(3, 4), of(3, 4)),
			sums('rows of inner', 'ij,ij->i', of(3, 4), of(3, 4)),
			sums('diagonal', 'ii->i', of(4, 4)),
			sums('trace', 'ii', of(4, 4)),
			sums('diagonal of a batch', 'bii,i->b', of(2, 3, 3), of(3)),
			sums('sum of one', 'ijk->j', of(2, 3, 4)),
			sums('summed in one only', 'ij,kl->k', of(2, 3), of(4, 2)),
			sums('ellipsis', '...ij,...jk->...ik', of(2, 3, 4), of(4, 3)),
			sums('ellipsis broadcast', 'i...,i...->...', of(3, 1, 4), of(3, 2, 1)),
			sums('ellipsis implicit', '...i,i', of(2, 3), of(3)),
			sums('size 1 broadcast', 'ij,ij->ij', of(1, 3), of(2, 3)),
			sums('three', 'ij,jk,kl->il', of(2, 3), of(3, 4), of(4, 2)),
			sums('four', 'i,ij,jk,k->', of(3), of(3, 2), of(2, 4), of(4)),
			sums('bilinear', 'bn,anm,bm->ba', of(2, 3), of(4, 3, 2), of(2, 2)),
			sums('transposed', 'ji,jk->ik', transposed(3, 2), transposed(3, 4)),
			sums('spaces', ' i j , j k -> i k ', of(2, 3), of(3, 2)),
		],
		refusals: [
			refuse(
				'no equation',
				[[2, 2]],
				(x) => einsum(x as unknown as string, x!),
				/einsum: the equation must be a string, not a tensor of shape \[2, 2\]/,
			),
			refuse('terms', [[2, 2]], (x) => einsum('ij,jk->ik', x!), /einsum: 'ij,jk->ik': has 2 terms for 1 tensors/),
			refuse('rank', [[2, 2]], (x) => einsum('ijk->i', x!), /einsum: 'ijk->i': 'ijk' has 3 labels for \[2, 2\]/),
			refuse(
				'sizes',
				[
					[2, 3],
					[4, 2],
				],
				(x, y) => einsum('ij,jk->ik', x!, y!),
				/einsum: 'ij,jk->ik': label 'j' has size 3 and size 4/,
			),
			refuse('unknown output', [[2]], (x) => einsum('i->j', x!), /einsum: 'i->j': the output has 'j', which no term has/),
			refuse('output twice', [[2]], (x) => einsum('i->ii', x!), /einsum: 'i->ii': the output has 'i' twice/),
			refuse('signs', [[2]], (x) => einsum('i+', x!), /einsum: 'i\+': 'i\+' is not made of letters/),
		],
		tolerance,
		torch: ({ equation }) => `torch.einsum('${equation}', *x)`,
	},
];
