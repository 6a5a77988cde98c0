/**
 * Products of matrices and vectors. All use one operation, `multiply`, which reads transposed and broadcast operands in place: neither the
 * forward pass nor a gradient copies a transpose or a broadcast. int32 products are exact modulo 2^32, as PyTorch's on the CPU. As in
 * PyTorch, bool has no products.
 */

import { currentAutocast } from '../autograd/modes';
import { defineOperation } from '../autograd/operation';
import { matmulKernels } from '../backends/kernels';
import { hostBytes } from '../core/dtype';
import { DTypeError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { broadcastShapes, broadcastStrides, numel, type Shape, sameShape } from '../core/shape';
import { emptyOn, type Tensor, viewOf } from '../tensor';
import { requireRank, requireSameDevice, requireSameDType, requireShape, requireTensor } from '../tensorChecks';
import { composed, inFloat32, widened } from './composed';
import { add, mul } from './elementwise';
import { reshape, squeeze, transpose, unsqueeze } from './layout';
import { sumTo } from './operands';

function requireFactors(operation: string, ...factors: readonly Tensor[]): void {
	for (const factor of factors) requireTensor(operation, factor);
	requireSameDevice(operation, ...factors);
	for (const factor of factors) {
		if (hostBytes(factor.dtype) === 1)
			throw new DTypeError(`${operation}: dtype ${factor.dtype} has no product. Convert with .to('int32') or .to('float32')`);
	}
	requireSameDType(operation, ...factors);
}

function innerError(operation: string, a: Tensor, b: Tensor): ShapeError {
	return new ShapeError(`${operation}: inner dimensions differ: ${formatShape(a.shape)} x ${formatShape(b.shape)}`);
}

/** [...batch, M, K] x [...batch, K, N] to [...batch, M, N], for operands of equal rank. Batch dims broadcast. */
export function multiply(name: string, a: Tensor, b: Tensor): Tensor {
	return product({ a, b }, {}, { name });
}

const product = defineOperation({
	name: 'matmul',
	inputs: ['a', 'b'],
	forward: ({ a, b }) => {
		const batch = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
		const out = emptyOn(a, [...batch, a.shape.at(-2)!, b.shape.at(-1)!]);
		matmulKernels(a.backend).matmul({ a: onBatch(a, batch), b: onBatch(b, batch) }, { out }, {});
		return out;
	},
	saves: ['a', 'b'],
	vjp: (gradient, saved, _, needs, name) => {
		const isSummed = [saved.a, saved.b].some(({ shape }) => !sameShape(shape.slice(0, -2), gradient.shape.slice(0, -2)));
		const [g, a, b] = isSummed ? widened(gradient, saved.a, saved.b) : [gradient, saved.a, saved.b];
		return {
			a: needs.a && sumTo(multiply(name, g, transpose(b, -2, -1)), a.shape),
			b: needs.b && sumTo(multiply(name, transpose(a, -2, -1), g), b.shape),
		};
	},
});

function onBatch(x: Tensor, batch: Shape): Tensor {
	const shape = [...batch, ...x.shape.slice(-2)];
	return sameShape(shape, x.shape) ? x : viewOf(x, shape, broadcastStrides(x.shape, x.strides, shape), x.offset);
}

/**
 * The matrix product, [..., M, K] x [..., K, N] to [..., M, N]. Leading dims are a batch and broadcast. Two vectors give their dot product,
 * a matrix and a vector give a vector. Throws a ShapeError if the inner dims differ. As `torch.matmul`.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('matmul', [a, b], (inputs) => matmul(...inputs));
	requireFactors('matmul', a, b);
	if (a.ndim === 0 || b.ndim === 0) {
		throw new ShapeError(
			`matmul: needs at least 1 dim each, not ${formatShape(a.shape)} x ${formatShape(b.shape)}; multiply by a scalar with mul()`,
		);
	}
	if (a.shape.at(-1) !== b.shape.at(Math.max(-2, -b.ndim))) throw innerError('matmul', a, b);
	// If b is one matrix, all rows of the batch are one matrix too, and the gradient of b is one product.
	const single = b.ndim < 3 || (b.ndim <= a.ndim && numel(b.shape.slice(0, -2)) === 1);
	if (a.ndim === b.ndim && a.ndim >= 2 && (a.ndim === 2 || !single)) {
		broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
		return multiply('matmul', a, b);
	}
	return composed('matmul', () => matmulOfRanks(a, b, single));
}

function matmulOfRanks(a: Tensor, b: Tensor, single: boolean): Tensor {
	const [inner, columns] = b.ndim === 1 ? [b.shape[0]!, 1] : (b.shape.slice(-2) as [number, number]);
	const tail = b.ndim === 1 ? [] : [columns];
	if (single) {
		const rows = reshape(a, [numel(a.shape.slice(0, -1)), inner]);
		return reshape(multiply('matmul', rows, reshape(b, [inner, columns])), [...a.shape.slice(0, -1), ...tail]);
	}
	const matrix = a.ndim === 1 ? reshape(a, [1, inner]) : a;
	const rank = Math.max(matrix.ndim, b.ndim);
	const batch = broadcastShapes('matmul', matrix.shape.slice(0, -2), b.shape.slice(0, -2));
	const product = multiply('matmul', withRank(matrix, rank), withRank(b, rank));
	return a.ndim === 1 ? reshape(product, [...batch, columns]) : product;
}

function withRank(x: Tensor, rank: number): Tensor {
	return x.ndim === rank ? x : reshape(x, [...new Array<number>(rank - x.ndim).fill(1), ...x.shape]);
}

/** The products of B pairs of matrices, [B, M, K] x [B, K, N] to [B, M, N], without broadcasting. As `torch.bmm`. */
export function bmm(a: Tensor, b: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('bmm', [a, b], (inputs) => bmm(...inputs));
	requireFactors('bmm', a, b);
	requireBatches('bmm', a, b);
	return multiply('bmm', a, b);
}

function requireBatches(name: string, a: Tensor, b: Tensor): void {
	if (a.ndim !== 3 || b.ndim !== 3 || a.shape[0] !== b.shape[0]) {
		throw new ShapeError(
			`${name}: needs [B, M, K] x [B, K, N] with one B, not ${formatShape(a.shape)} x ${formatShape(b.shape)}`,
		);
	}
	if (a.shape[2] !== b.shape[1]) throw innerError(name, a, b);
}

/** beta * input + alpha * bmm(batch1, batch2). `input` broadcasts; with beta 0 it is ignored, NaN included. Both default to 1. As `torch.baddbmm`. */
export function baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, options: { beta?: number; alpha?: number } = {}): Tensor {
	checkOptions('baddbmm', options, ['beta', 'alpha']);
	const casting = currentAutocast();
	if (casting !== null) {
		return casting.call('baddbmm', [input, batch1, batch2], (inputs) => baddbmm(...inputs, options));
	}
	return addedProduct('baddbmm', input, batch1, batch2, options, () => requireBatches('baddbmm', batch1, batch2));
}

function addedProduct(
	name: string,
	input: Tensor,
	first: Tensor,
	second: Tensor,
	{ beta = 1, alpha = 1 }: { readonly beta?: number; readonly alpha?: number },
	requireShapes: () => void,
): Tensor {
	requireFactors(name, input, first, second);
	requireShapes();
	return inFloat32(name, [input, first, second], (base, a, b) => {
		const product = multiply(name, a, b);
		if (!sameShape(broadcastShapes(name, base.shape, product.shape), product.shape)) {
			throw new ShapeError(`${name}: input ${formatShape(base.shape)} does not broadcast to ${formatShape(product.shape)}`);
		}
		const scaled = alpha === 1 ? product : mul(product, alpha);
		if (beta === 0) return scaled;
		return add(beta === 1 ? base : mul(base, beta), scaled);
	});
}

/** beta * input + alpha * (mat1 mat2), for [M, K] x [K, N]. `input` broadcasts; with beta 0 it is ignored, NaN included. Both default to 1. As `torch.addmm`. */
export function addmm(input: Tensor, mat1: Tensor, mat2: Tensor, options: { beta?: number; alpha?: number } = {}): Tensor {
	checkOptions('addmm', options, ['beta', 'alpha']);
	const casting = currentAutocast();
	if (casting !== null) return casting.call('addmm', [input, mat1, mat2], (inputs) => addmm(...inputs, options));
	return addedProduct('addmm', input, mat1, mat2, options, () => {
		if (mat1.ndim !== 2 || mat2.ndim !== 2)
			throw new ShapeError(`addmm: needs two matrices, not ${formatShape(mat1.shape)} x ${formatShape(mat2.shape)}`);
		if (mat1.shape[1] !== mat2.shape[0]) throw innerError('addmm', mat1, mat2);
	});
}

/** The product of a matrix and a vector, [M, K] x [K] to [M]. As `torch.mv`. */
export function mv(matrix: Tensor, vector: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('mv', [matrix, vector], (inputs) => mv(...inputs));
	requireFactors('mv', matrix, vector);
	if (matrix.ndim !== 2 || vector.ndim !== 1) {
		throw new ShapeError(`mv: needs a matrix and a vector, not ${formatShape(matrix.shape)} x ${formatShape(vector.shape)}`);
	}
	if (matrix.shape[1] !== vector.size) throw innerError('mv', matrix, vector);
	return composed('mv', () => reshape(multiply('mv', matrix, reshape(vector, [vector.size, 1])), [matrix.shape[0]!]));
}

/** The dot product of two vectors, [K] x [K] to []. As `torch.dot`. */
export function dot(a: Tensor, b: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('dot', [a, b], (inputs) => dot(...inputs));
	requireFactors('dot', a, b);
	if (a.ndim !== 1 || b.ndim !== 1)
		throw new ShapeError(`dot: needs two vectors, not ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
	if (a.size !== b.size) throw innerError('dot', a, b);
	return composed('dot', () => reshape(multiply('dot', reshape(a, [1, a.size]), reshape(b, [b.size, 1])), []));
}

/** The outer product of two vectors, [M] x [N] to [M, N]. As `torch.outer`. */
export function outer(a: Tensor, b: Tensor): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('outer', [a, b], (inputs) => outer(...inputs));
	requireFactors('outer', a, b);
	if (a.ndim !== 1 || b.ndim !== 1)
		throw new ShapeError(`outer: needs two vectors, not ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
	return composed('outer', () => multiply('outer', reshape(a, [a.size, 1]), reshape(b, [1, b.size])));
}

/**
 * x weight^T + bias in one launch, for x [..., inFeatures], weight [outFeatures, inFeatures] and bias [outFeatures]. Returns
 * [..., outFeatures]. A weight [inFeatures] with a scalar bias gives [...]. As `torch.nn.functional.linear`.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
	const casting = currentAutocast();
	if (casting !== null) return casting.call('linear', [x, weight, bias], (inputs) => linear(...inputs));
	const factors = bias === null ? [x, weight] : [x, weight, bias];
	requireFactors('linear', ...factors);
	if (weight.ndim === 1) {
		if (bias !== null && bias.ndim > 0)
			throw new ShapeError(`linear: bias ${formatShape(bias.shape)} must be a scalar for weight ${formatShape(weight.shape)}`);
		return composed('linear', () => squeeze(linear(x, unsqueeze(weight, 0), bias && unsqueeze(bias, 0)), -1));
	}
	requireRank('linear', 'weight', weight, '[outFeatures, inFeatures]', 2);
	const [features, inner] = weight.shape as [number, number];
	if (x.ndim === 0 || x.shape.at(-1) !== inner) {
		throw new ShapeError(
			`linear: input ${formatShape(x.shape)} must end in the ${inner} features that weight ${formatShape(weight.shape)} takes`,
		);
	}
	if (bias !== null) requireShape('linear', 'bias', bias, [features], weight, 'weight');
	return linearOperation({ x, weight, bias }, {});
}

const linearOperation = defineOperation({
	name: 'linear',
	inputs: ['x', 'weight', 'bias?'],
	forward: ({ x, weight, bias }) => {
		const [features, inner] = weight.shape as [number, number];
		const lead = x.shape.slice(0, -1);
		const a = reshape(x, [numel(lead), inner]);
		const b = viewOf(weight, [inner, features], [weight.strides[1]!, weight.strides[0]!], weight.offset);
		const out = emptyOn(x, [...lead, features]);
		matmulKernels(x.backend).matmul(
			{ a, b, bias: bias ?? undefined },
			{ out: viewOf(out, [numel(lead), features], [features, 1], 0) },
			{},
		);
		return out;
	},
	saves: ['x', 'weight'],
	vjp: (gradient, { x, weight }, _, needs) => {
		const [features, inner] = weight.shape as [number, number];
		const rows = numel(x.shape.slice(0, -1));
		const g = reshape(gradient, [rows, features]);
		return {
			x: needs.x && reshape(multiply('linear', g, weight), x.shape),
			weight: needs.weight && weightGradient(g, reshape(x, [rows, inner]), weight),
			bias: needs.bias && sumTo(g, [features]),
		};
	},
});

/** gT x in the layout of the weight, so that the gradient of a transposed weight is not copied. */
function weightGradient(g: Tensor, x: Tensor, weight: Tensor): Tensor {
	const isTransposed = weight.strides[0]! < weight.strides[1]!;
	if (isTransposed) return transpose(multiply('linear', transpose(x, 0, 1), g), 0, 1);
	return multiply('linear', transpose(g, 0, 1), x);
}
