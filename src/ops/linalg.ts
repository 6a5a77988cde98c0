/**
 * Determinants, inverses, systems of equations and Cholesky factors of batches of square matrices, [..., n, n]. The namespace `linalg`, as
 * `torch.linalg`.
 *
 * A matrix that is singular, or not positive definite, throws: on WebGPU at the next read, `sync()` or step of an optimizer.
 */
import { noGrad } from '../autograd/modes';
import { defineOperation } from '../autograd/operation';
import { layoutKernels, linalgKernels } from '../backends/kernels';
import type { DType } from '../core/dtype';
import { formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { currentOperation } from '../core/scope';
import { broadcastShapes, numel, type Shape, sameShape } from '../core/shape';
import { copyOf, emptyOn, packed, type Tensor, viewOf } from '../tensor';
import { requireFloatingTensor, requireSameDevice, requireSameDType } from '../tensorChecks';
import { inFloat32 } from './composed';
import { eye, tensor, zerosLike } from './creation';
import { abs, add, eq, gt, isnan, log, mul, neg, sign as signOf, sub, to, where } from './elementwise';
import { checkBounds, gathered } from './indexing/gather';
import { broadcastTo, diagonal, reshape, squeeze, transpose, tril, triu, unsqueeze } from './layout';
import { matmul } from './matmul';
import { amax, any, prod, sum } from './reduce';

function requireSquare(name: string, a: Tensor): void {
	requireFloatingTensor(name, a);
	if (a.ndim < 2 || a.shape.at(-1) !== a.shape.at(-2))
		throw new ShapeError(`${name}: needs square matrices [..., n, n], not ${formatShape(a.shape)}`);
}

/** The determinant of each matrix, [...]. Its gradient is the matrix of cofactors, also where a matrix is singular. As `torch.linalg.det`. */
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
	saves: ['a'],
	vjp: (gradient, { a }) => ({ a: mul(onMatrices(gradient), cofactorMatrix({ a }, {})) }),
});

/** The gradient of det. */
const cofactorMatrix = defineOperation({
	name: 'linalg.det',
	inputs: ['a'],
	forward: ({ a }) => cofactors(a),
	saves: ['a'],
	vjp: (gradient, { a }) => {
		// Cofactors are polynomials, so those of a close matrix that has an inverse are close.
		const near = add(
			a,
			noGrad(() => lift(a)),
		);
		const transposed = transpose(inv(near), -2, -1);
		const whole = mul(onMatrices(sum(mul(gradient, transposed), [-2, -1])), transposed);
		const rest = matmul(matmul(transposed, transpose(gradient, -2, -1)), transposed);
		return { a: mul(onMatrices(det(near)), sub(whole, rest)) };
	},
});

/** The spacing of numbers near 1. */
const EPSILON: Partial<Record<DType, number>> = { float32: 2 ** -23, float64: 2 ** -52 };

/** The largest magnitude of each matrix, [batch, 1]; 1 for matrices of zeros. */
function scales(a: Tensor, batch: number): Tensor {
	const largest = amax(abs(reshape(a, [batch, -1])), 1, { keepdim: true });
	return where(eq(largest, 0), 1, largest);
}

/**
 * The cofactors of each matrix, det A A^-T. Tiny pivots stand for those that are 0: what vanishes in det A and what is infinite in A^-1 cancel.
 * The inverse of several tiny pivots may be beyond all numbers, so a matrix with several pivots of 0 is reflected first, cof A = cof Q cof(Q A) with
 * cof Q = -Q: then the pivots are 0 as often as the rank lacks, and a rank below n - 1 has cofactors of 0. Off the tape.
 */
function cofactors(a: Tensor): Tensor {
	if (a.size === 0) return zerosLike(a);
	const { lu: first } = factored(a);
	const [batch, n] = first.shape as [number, number, number];
	const identity = eye(n, { dtype: a.dtype, device: a.device });
	const zeros = (pivots: Tensor) => eq(pivots, 0);
	const hasSeveral = (lu: Tensor) => onMatrices(gt(sum(to(zeros(diagonal(lu, 0, 1, 2)), 'int32'), 1), 1));
	const isReflected = hasSeveral(first);
	const reflection = where(isReflected, reflectionOf(a, n), identity);
	const { lu, permutation, sign } = factored(matmul(reflection, reshape(a, first.shape)));
	const pivots = diagonal(lu, 0, 1, 2);
	const added = where(zeros(pivots), mul(scales(a, batch), EPSILON[a.dtype]!), 0);
	const lifted = add(lu, mul(identity, unsqueeze(added, -1)));
	const inverse = substituted('linalg.det', lifted, permutation, broadcastTo(identity, lu.shape));
	const determinants = mul(sign, prod(add(pivots, added), -1));
	const reflected = mul(onMatrices(determinants), transpose(inverse, -2, -1));
	const back = matmul(where(isReflected, neg(reflection), reflection), where(hasSeveral(lu), 0, reflected));
	return reshape(back, a.shape);
}

/** A reflection without structure, so that no row of a product with it vanishes by accident: I - 2 v v^T / (v^T v). */
function reflectionOf(like: Tensor, n: number): Tensor {
	const v = Array.from({ length: n }, (_, i) => 1 + 0.5 * Math.cos((i + 1) ** 2 * 1.3));
	const length = v.reduce((total, x) => total + x * x, 0);
	const values = Float64Array.from({ length: n * n }, (_, i) => {
		const [row, column] = [Math.floor(i / n), i % n];
		return Number(row === column) - (2 * v[row]! * v[column]!) / length;
	});
	return tensor(values, { shape: [n, n], dtype: like.dtype, device: like.device });
}

/**
 * What makes singular matrices regular when it is added, 0 for others: a matrix without structure, so that it meets no null space by accident. Its
 * size leaves half of the digits to the result. Off the tape.
 */
function lift(a: Tensor): Tensor {
	if (a.size === 0) return zerosLike(a);
	const { lu } = factored(a);
	const [batch, n] = lu.shape as [number, number, number];
	const isSingular = any(eq(diagonal(lu, 0, 1, 2), 0), 1, { keepdim: true });
	const size = where(isSingular, mul(scales(a, batch), Math.sqrt(EPSILON[a.dtype]!)), 0);
	const pattern = tensor(
		Float64Array.from({ length: n * n }, (_, i) => Math.cos((Math.floor(i / n) + 1) ** 2 * ((i % n) + 1.3))),
		{ shape: [n, n], dtype: a.dtype, device: a.device },
	);
	return reshape(mul(pattern, unsqueeze(size, -1)), a.shape);
}

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
		return reshape(substituted('linalg.solve', lu, permutation, reshape(b, [lu.shape[0]!, ...b.shape.slice(-2)])), b.shape);
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

/** The solution X of A X = B for the factors of A, [batch, n, n], and b [batch, n, columns]. Off the tape. */
function substituted(name: string, lu: Tensor, permutation: Tensor, b: Tensor): Tensor {
	const x = gathered(name, b, 1, expandedIndex(permutation, b.shape[2]!));
	linalgKernels(lu.backend).triangularSolve({ t: lu }, { x }, { upper: false, unit: true });
	linalgKernels(lu.backend).triangularSolve({ t: lu }, { x }, { upper: true, unit: false });
	return x;
}

/** Numbers of rows [batch, n] as an index of gather for matrices of `columns` columns. */
function expandedIndex(rows: Tensor, columns: number): Tensor {
	const [batch, n] = rows.shape as [number, number];
	return viewOf(rows, [batch, n, columns], [n, 1, 0], 0);
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
