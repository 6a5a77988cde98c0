/**
 * Factorisations of small and middling matrices, and solutions with triangular ones, in float32. Matrices are contiguous [batch, n, n].
 *
 * luFactor         A workgroup of 64 works on one matrix and takes one column after the other: it searches the pivot, exchanges rows,
 *                  divides the column and updates the rest of the matrix. A launch does columns `first` to `last` only, so that the host
 *                  can bound its time.
 * choleskyFactor   The same without pivots, on the lower triangle.
 * triangularSolve  An invocation solves for one column of x, row by row; a launch does steps `first` to `last` only.
 *
 * A NaN in the matrix may hide the largest entry of a column; the factors then hold NaN, whichever row is the pivot.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite } from './shader';

const LANES = 64;

const COLUMN_PARAMS = { n: 'u32', first: 'u32', last: 'u32' } as const;

export const luFactor = defineKernel({
	name: 'linalg.luFactor',
	params: COLUMN_PARAMS,
	define: (_: NoVariant) => ({
		bindings: { lu: readWrite('f32'), permutation: readWrite('i32'), signs: readWrite('f32') },
		workgroupSize: LANES,
		functions: wgsl`
var<workgroup> largest: array<f32, ${LANES}>;
var<workgroup> rows: array<u32, ${LANES}>;
var<workgroup> found: u32;
`,
		main: wgsl`
	let base = groupIndex * p.n * p.n;
	for (var k = p.first; k < p.last; k++) {
		var most = -1.0;
		var row = k;
		for (var i = k + lid; i < p.n; i += ${LANES}u) {
			let size = abs(lu[base + i * p.n + k]);
			if (size > most) {
				most = size;
				row = i;
			}
		}
		largest[lid] = most;
		rows[lid] = row;
		workgroupBarrier();
		if (lid == 0u) {
			for (var lane = 1u; lane < ${LANES}u; lane++) {
				if (largest[lane] > largest[0] || (largest[lane] == largest[0] && rows[lane] < rows[0])) {
					largest[0] = largest[lane];
					rows[0] = rows[lane];
				}
			}
			found = rows[0];
		}
		let pivot = workgroupUniformLoad(&found);
		if (pivot != k) {
			for (var j = lid; j < p.n; j += ${LANES}u) {
				let above = lu[base + k * p.n + j];
				lu[base + k * p.n + j] = lu[base + pivot * p.n + j];
				lu[base + pivot * p.n + j] = above;
			}
			if (lid == 0u) {
				let above = permutation[groupIndex * p.n + k];
				permutation[groupIndex * p.n + k] = permutation[groupIndex * p.n + pivot];
				permutation[groupIndex * p.n + pivot] = above;
				signs[groupIndex] = -signs[groupIndex];
			}
		}
		storageBarrier();
		let diagonal = lu[base + k * p.n + k];
		if (diagonal != 0.0) {
			for (var i = k + 1u + lid; i < p.n; i += ${LANES}u) {
				lu[base + i * p.n + k] = lu[base + i * p.n + k] / diagonal;
			}
		}
		storageBarrier();
		let rest = p.n - k - 1u;
		if (diagonal != 0.0) {
			for (var e = lid; e < rest * rest; e += ${LANES}u) {
				let i = k + 1u + e / rest;
				let j = k + 1u + e % rest;
				lu[base + i * p.n + j] -= lu[base + i * p.n + k] * lu[base + k * p.n + j];
			}
		}
		storageBarrier();
	}
`,
	}),
});

export const choleskyFactor = defineKernel({
	name: 'linalg.choleskyFactor',
	params: { ...COLUMN_PARAMS, nan: 'bits' },
	define: (_: NoVariant) => ({
		bindings: { l: readWrite('f32') },
		workgroupSize: LANES,
		main: wgsl`
	let base = groupIndex * p.n * p.n;
	for (var k = p.first; k < p.last; k++) {
		let below = l[base + k * p.n + k];
		storageBarrier();
		let pivot = select(bitcast<f32>(p.nan), sqrt(below), below > 0.0);
		if (lid == 0u) {
			l[base + k * p.n + k] = pivot;
		}
		for (var i = k + 1u + lid; i < p.n; i += ${LANES}u) {
			l[base + i * p.n + k] = l[base + i * p.n + k] / pivot;
			l[base + k * p.n + i] = 0.0;
		}
		storageBarrier();
		let rest = p.n - k - 1u;
		for (var e = lid; e < rest * rest; e += ${LANES}u) {
			let i = k + 1u + e / rest;
			let j = k + 1u + e % rest;
			if (j <= i) {
				l[base + i * p.n + j] -= l[base + i * p.n + k] * l[base + j * p.n + k];
			}
		}
		storageBarrier();
	}
`,
	}),
});

type TriangularVariant = { upper: boolean; unit: boolean };

export const triangularSolve = defineKernel({
	name: 'linalg.triangularSolve',
	params: { ...COLUMN_PARAMS, columns: 'u32', total: 'u32', offset: 'u32' },
	define: ({ upper, unit }: TriangularVariant) => ({
		bindings: { t: read('f32'), x: readWrite('f32') },
		invocations: 'p.total',
		main: wgsl`
	let batch = i / p.columns;
	let column = i % p.columns;
	let base = p.offset + batch * p.n * p.n;
	let place = batch * p.n * p.columns + column;
	for (var k = p.first; k < p.last; k++) {
#if ${upper}
		let row = p.n - 1u - k;
		let begin = row + 1u;
		let end = p.n;
#else
		let row = k;
		let begin = 0u;
		let end = row;
#endif
		var sum = x[place + row * p.columns];
		for (var j = begin; j < end; j++) {
			sum -= t[base + row * p.n + j] * x[place + j * p.columns];
		}
#if ${unit}
		x[place + row * p.columns] = sum;
#else
		x[place + row * p.columns] = sum / t[base + row * p.n + row];
#endif
	}
`,
	}),
});
