/**
 * Determinants, inverses, systems of equations and Cholesky factors of batches of square matrices, [..., n, n]. The namespace `linalg`, as
 * `torch.linalg`.
 *
 * A matrix that is singular, or not positive definite, throws: on WebGPU at the next read, `sync()` or step of an optimizer.
 */

import { defineOperation } from '../autograd/operation';
import { layoutKernels, linalgKernels } from '../backends/kernels';
import { formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { currentOperation } from '../core/scope';
import { broadcastShapes, numel, type Shape, sameShape } from '../core/shape';
import { copyOf, emptyOn, packed, type Tensor, viewOf } from '../tensor';
import { requireFloatingTensor, requireSameDevice, requireSameDType } from '../tensorChecks';
import { inFloat32 } from './composed';
import { eye } from './creation';
import { abs, add, eq, isnan, log, mul, neg, sign as signOf, to } from './elementwise';
import { checkBounds, gathered } from './indexing/gather';
import { broadcastTo, diagonal, reshape, squeeze, transpose, tril, triu, unsqueeze } from './layout';
import { matmul } from './matmul';
import { prod, sum } from './reduce';

function requireSquare(name: string, a: Tensor): void {
	requireFloatingTensor(name, a);
	if (a.ndim < 2 || a.shape.at(-1) !== a.shape.at(-2))
		throw new ShapeError(`${name}: needs square matrices [..., n, n], not ${formatShape(a.shape)}`);
}

/** The determinant of each matrix, [...]. Its gradient needs matrices that have an inverse. As `torch.linalg.det`. */
export function det(a: Tensor): Tensor {
	requireSquare('linalg.det', a);
	return inFloat32('linalg.det', [a], (wide) => determinant({ a: wide }, {}));
}

const determinant = defineOperation({
	name: 'linalg.det',
	inputs: ['a'],
	forward: ({ a }) => {
		const { lu, sign } = factored(a);
		return reshape(mul(sign, prod(diagonal(lu, 0, 1, 2), -1)), a.shape.slice(0, -2));
	},
	saves: ['a', 'output'],
	vjp: (gradient, { a, output }) => ({ a: mul(onMatrices(mul(gradient, output)), transpose(inv(a), -2, -1)) }),
});

/**
 * The sign and the logarithm of the magnitude of each determinant, which may be too large or small for a number: `{ sign, logabsdet }`. A
 * singular matrix gives 0 and -Infinity; the gradient needs matrices that have an inverse. As `torch.linalg.slogdet`.
 */
export function slogdet(a: Tensor): { readonly sign: Tensor; readonly logabsdet: Tensor } {
	requireSquare('linalg.slogdet', a);
	const [sign, logabsdet] = inFloat32('linalg.slogdet', [a], (wide) => {
		const { sign, logabsdet } = logDeterminant({ a: wide }, {});
		return [sign, logabsdet] as const;
	}) as readonly [Tensor, Tensor];
	return { sign, logabsdet };
}

const logDeterminant = defineOperation({
	name: 'linalg.slogdet',
	inputs: ['a'],
	outputs: ['sign', 'logabsdet'],
	forward: ({ a }) => {
		const { lu, sign } = factored(a);
		const entries = diagonal(lu, 0, 1, 2);
		const lead = a.shape.slice(0, -2);
		return {
			sign: reshape(mul(sign, prod(signOf(entries), -1)), lead),
			logabsdet: reshape(sum(log(abs(entries)), -1), lead),
		};
	},
	saves: ['a'],
	// The sign is constant.
	vjp: ({ logabsdet: gradient }, { a }) => ({ a: gradient && mul(onMatrices(gradient), transpose(inv(a), -2, -1)) }),
});

function onMatrices(x: Tensor): Tensor {
	return unsqueeze(unsqueeze(x, -1), -1);
}

/** The inverse of each matrix. As `torch.linalg.inv`. */
export function inv(a: Tensor): Tensor {
	requireSquare('linalg.inv', a);
	return inFloat32('linalg.inv', [a], (wide) => {
		const identity = eye(a.shape.at(-1)!, { dtype: wide.dtype, device: a.device });
		return solved('linalg.inv', wide, broadcastTo(identity, a.shape));
	});
}

/**
 * The solution X of A X = B, for a [..., n, n] and b [..., n, m], or b [n] or [..., n] for one right side each. Leading dims broadcast. As
 * `torch.linalg.solve`.
 */
export function solve(a: Tensor, b: Tensor): Tensor {
	requireSystem('linalg.solve', a, b);
	return inFloat32('linalg.solve', [a, b], (left, right) => onColumns('linalg.solve', left, right, solved));
}

export interface TriangularOptions {
	/** Whether a is an upper triangle, or a lower one. What the other triangle holds does not matter. */
	readonly upper: boolean;
	/** Whether the diagonal counts as 1. Default false. */
	readonly unitriangular?: boolean;
}

/** `solve` for triangular matrices. As `torch.linalg.solve_triangular`, which takes no vectors. */
export function solveTriangular(a: Tensor, b: Tensor, options: TriangularOptions): Tensor {
	const { upper, unitriangular: unit = false } = checkOptions('linalg.solveTriangular', options, ['upper', 'unitriangular']);
	requireSystem('linalg.solveTriangular', a, b);
	return inFloat32('linalg.solveTriangular', [a, b], (left, right) =>
		onColumns('linalg.solveTriangular', left, right, (_name, t, columns) => triangular({ t, b: columns }, { upper, unit })),
	);
}

function requireSystem(name: string, a: Tensor, b: Tensor): void {
	requireSquare(name, a);
	requireFloatingTensor(name, b, 'b');
	requireSameDevice(name, a, b);
	requireSameDType(name, a, b);
	const rows = isVector(a, b) ? b.shape.at(-1) : b.shape.at(-2);
	if (b.ndim === 0 || rows !== a.shape.at(-1))
		throw new ShapeError(`${name}: a ${formatShape(a.shape)} and b ${formatShape(b.shape)} must have equally many rows`);
}

function isVector(a: Tensor, b: Tensor): boolean {
	return b.ndim === 1 || (b.ndim === a.ndim - 1 && sameShape(b.shape, a.shape.slice(0, -1)));
}

/** Runs `run` on matrices of one batch. */
function onColumns(name: string, a: Tensor, b: Tensor, run: (name: string, a: Tensor, b: Tensor) => Tensor): Tensor {
	const alone = isVector(a, b);
	const columns = alone ? unsqueeze(b, -1) : b;
	const batch = broadcastShapes(name, a.shape.slice(0, -2), columns.shape.slice(0, -2));
	const onBatch = (x: Tensor) => broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
	const x = run(name, onBatch(a), onBatch(columns));
	return alone ? squeeze(x, -1) : x;
}

function solved(name: string, a: Tensor, b: Tensor): Tensor {
	return solveOperation({ a, b }, {}, { name });
}

const solveOperation = defineOperation({
	name: 'linalg.solve',
	inputs: ['a', 'b'],
	forward: ({ a, b }) => {
		const { lu, permutation } = factored(a);
		requireNone(eq(diagonal(lu, 0, 1, 2), 0), 'pivots that are 0: the matrix is singular and has no inverse');
		const [batch, n] = lu.shape as [number, number, number];
		const columns = b.shape.at(-1)!;
		const index = viewOf(permutation, [batch, n, columns], [n, 1, 0], 0);
		const x = gathered('linalg.solve', reshape(b, [batch, n, columns]), 1, index);
		const { backend } = a;
		linalgKernels(backend).triangularSolve({ t: lu }, { x }, { upper: false, unit: true });
		linalgKernels(backend).triangularSolve({ t: lu }, { x }, { upper: true, unit: false });
		return reshape(x, b.shape);
	},
	saves: ['a', 'output'],
	vjp: (gradient, { a, output }, _, needs, name) => {
		const b = solved(name, transpose(a, -2, -1), gradient);
		return { a: needs.a && neg(matmul(b, transpose(output, -2, -1))), b };
	},
});

interface TriangularAttributes {
	readonly upper: boolean;
	readonly unit: boolean;
}

const triangular = defineOperation({
	name: 'linalg.solveTriangular',
	inputs: ['t', 'b'],
	forward: ({ t, b }, attributes: TriangularAttributes) => {
		const x = asMatrices(copyOf(b));
		linalgKernels(t.backend).triangularSolve({ t: asMatrices(packed(t)) }, { x }, attributes);
		return reshape(x, b.shape);
	},
	saves: ['t', 'output'],
	vjp: (gradient, { t, output }, { upper, unit }, needs): { t: Tensor | null; b: Tensor } => {
		const b = triangular({ t: transpose(t, -2, -1), b: gradient }, { upper: !upper, unit });
		if (needs.t === null) return { t: null, b };
		const whole = neg(matmul(b, transpose(output, -2, -1)));
		return { t: upper ? triu(whole, unit ? 1 : 0) : tril(whole, unit ? -1 : 0), b };
	},
});

/**
 * The lower triangular factor L of symmetric positive definite matrices, A = L L^T. Reads only the lower triangles. The gradient is symmetric.
 * As `torch.linalg.cholesky`.
 */
export function cholesky(a: Tensor): Tensor {
	requireSquare('linalg.cholesky', a);
	return inFloat32('linalg.cholesky', [a], (wide) => choleskyOperation({ a: wide }, {}));
}

const choleskyOperation = defineOperation({
	name: 'linalg.cholesky',
	inputs: ['a'],
	forward: ({ a }) => {
		const l = asMatrices(copyOf(a));
		linalgKernels(a.backend).choleskyFactor({}, { l }, {});
		requireNone(isnan(diagonal(l, 0, 1, 2)), 'diagonal entries that are no numbers: the matrix is not positive definite');
		return reshape(l, a.shape);
	},
	saves: ['output'],
	vjp: (gradient, { output: l }) => {
		const product = matmul(transpose(l, -2, -1), gradient);
		// The lower triangle with half of the diagonal.
		const half = mul(add(tril(product), tril(product, -1)), 0.5);
		const upper = transpose(l, -2, -1);
		const left = triangular({ t: upper, b: half }, { upper: true, unit: false });
		const both = triangular({ t: upper, b: transpose(left, -2, -1) }, { upper: true, unit: false });
		return { a: mul(add(both, transpose(both, -2, -1)), 0.5) };
	},
});

/** The factors of a copy of each matrix, in the form of the kernel. Off the tape. */
function factored(a: Tensor): { lu: Tensor; permutation: Tensor; sign: Tensor } {
	const lu = asMatrices(copyOf(a));
	const [batch, n] = lu.shape as [number, number, number];
	const { backend } = a;
	const line = emptyOn(a, [n], 'int32');
	const permutation = emptyOn(a, [batch, n], 'int32');
	const sign = emptyOn(a, [batch]);
	layoutKernels(backend).arange({}, { y: line }, { start: 0, step: 1 });
	layoutKernels(backend).copy({ x: viewOf(line, [batch, n], [0, 1], 0) }, { y: permutation }, {});
	layoutKernels(backend).fill({}, { y: sign }, { value: 1 });
	linalgKernels(backend).luFactor({}, { lu, permutation, sign }, {});
	return { lu, permutation, sign };
}

/** A view of contiguous matrices with one leading dim. */
function asMatrices(x: Tensor): Tensor {
	const shape: Shape = [numel(x.shape.slice(0, -2)), ...x.shape.slice(-2)];
	return viewOf(x, shape, [shape[1]! * shape[2]!, shape[2]!, 1], x.offset);
}

/** Throws unless every element of `bad` is false. */
function requireNone(bad: Tensor, what: string): void {
	if (bad.size === 0) return;
	checkBounds(reshape(sum(to(bad, 'int32')), [1]), {
		operation: currentOperation(),
		least: 0,
		count: 1,
		noun: 'there are',
		rule: what,
	});
}
