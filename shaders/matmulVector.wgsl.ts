/**
 * Multiplies a matrix by up to three vectors, and adds up the splits of any product. A product with vectors costs one read of the
 * matrix. matmul.wgsl.ts states what the host guarantees about vec4 reads, depth and splits.
 *
 * The ladder, by the dense dim of the matrix:
 *   depth   The lanes of a workgroup walk along depth, through one row (long dot products) or four rows that share the vector's
 *           reads.
 *   rows    Each lane has four adjacent rows and walks down depth in steps of four. Slices of the workgroup share the depth if
 *           there are too few rows to keep a GPU busy.
 *   scalar  Like depth, with scalar reads of any strides.
 * All end with a tree sum in workgroup memory, always in the same order.
 */
import { wgsl } from 'wgsl-preprocessor';
import { type Float, inside, MATMUL_PARAMS, MATRICES } from './matmul.wgsl';
import { defineKernel, lines, range, read, readWrite } from './shader';

export type MatmulVectorVariant = {
	/** The dim that a vec4 read of the matrix runs along; 'scalar' for matrices and vectors of any strides. */
	along: 'depth' | 'rows' | 'scalar';
	/** The rows that a workgroup computes with 'depth' and 'scalar'. With 'rows', an invocation computes 4. */
	rows: 1 | 4;
	/** The invocations of a workgroup along the dense dim, and with 'rows' the number of slices that share the depth. */
	lanes: number;
	slices: number;
	storage: Float;
	output: Float;
};

/**
 * vector: see the ladder. `a` is the matrix and `b` holds the vectors, on either side of the product; `columns` counts the
 * vectors. Vec4 variants need vectors that are dense along depth, with strides and offsets that are multiples of 4.
 * The result of row r and vector v is at r * outRow + v * outColumn. Grid: rowTiles * columns * splits * batches.
 */
export const matmulVector = defineKernel({
	name: 'matmul.vector',
	params: MATMUL_PARAMS,
	divisible: true,
	define({ along, rows, lanes, slices, storage, output }: MatmulVectorVariant) {
		const vectors = along !== 'scalar';
		const element = vectors ? `vec4<${storage}>` : storage;
		const width = vectors ? 4 : 1;
		const total = lanes * slices;
		return {
			bindings: { a: read(element), b: read(element), bias: read(storage), out: readWrite(output) },
			workgroupSize: total,
			functions: wgsl`
${MATRICES}

// Sums of four rows, for each invocation.
var<workgroup> sums: array<vec4<f32>, ${total}>;
`,
			main: wgsl`
	let column = groupIndex / p.rowTiles % p.columns;
	let matrix = groupIndex / (p.rowTiles * p.columns);
	let batch = matrix % p.batches;
	let split = matrix / p.batches;
	if (split >= p.splits) {
		return;
	}
	let base = matrices(batch) + vec2<u32>(0u, column * p.bColumn);
	let end = min(p.depth, (split + 1u) * p.splitDepth);
	let first = split * p.splitDepth;
#if ${along === 'rows'}
	let own = lid % ${lanes}u;
	let slice = lid / ${lanes}u;
	let row = (groupIndex % p.rowTiles * ${lanes}u + own) * 4u;
	let start = (base.x + min(row, p.rows - 4u)) >> 2u;
	let step = p.aDepth >> 2u;
	var sum = vec4<f32>();
	for (var k = first + slice * 4u; k < end; k += ${4 * slices}u) {
		${inside('k')}
		let y = select(vec4<f32>(), vec4<f32>(b[(base.y + k) >> 2u]), inside);
		let at = start + k * step;
		${lines(4, (q) => `sum += y[${q}] * select(vec4<f32>(), vec4<f32>(a[at + ${q}u * step]), inside[${q}]);`)}
	}
#else
	let row = groupIndex % p.rowTiles * ${rows}u;
	${lines(rows, (r) => `let a${r} = base.x + min(row + ${r}u, p.rows - 1u) * p.aRow;`)}
	${lines(rows, (r) => `var sum${r} = ${vectors ? 'vec4<f32>()' : '0.0'};`)}
	for (var k = first + lid * ${width}u; k < end; k += ${width * lanes}u) {
#if ${vectors}
		let y = vec4<f32>(b[(base.y + k) >> 2u]);
		${lines(rows, (r) => `sum${r} += vec4<f32>(a[(a${r} + k) >> 2u]) * y;`)}
#else
		let y = f32(b[base.y + k * p.bDepth]);
		${lines(rows, (r) => `sum${r} += f32(a[a${r} + k * p.aDepth]) * y;`)}
#endif
	}
	let sum = vec4<f32>(${range(4)
		.map((r) => (r >= rows ? '0.0' : vectors ? `dot(sum${r}, vec4<f32>(1.0))` : `sum${r}`))
		.join(', ')});
#endif

	// Adds halves to halves, in a fixed order. With 'rows', only slices are added.
	sums[lid] = sum;
	workgroupBarrier();
	for (var n = ${total / 2}u; n >= ${along === 'rows' ? lanes : 1}u; n >>= 1u) {
		if (lid < n) {
			sums[lid] += sums[lid + n];
		}
		workgroupBarrier();
	}
#if ${along === 'rows'}
	if (lid >= ${lanes}u) {
		return;
	}
	let result = sums[lid];
	let count = 4u;
#else
	let result = sums[0];
	let count = select(0u, ${rows}u, lid == 0u);
#endif
	let start0 = (split * p.batches + batch) * p.rows * p.columns + column * p.outColumn;
	for (var r = row; r < min(row + count, p.rows); r++) {
		var value = result[r - row];
		if (p.hasBias != 0u) {
			value += f32(bias[p.biasOffset + r * p.biasStride + column * p.biasColumn]);
		}
		out[start0 + r * p.outRow] = ${output}(value);
	}
`,
		};
	},
});

type MatmulSumVariant = { storage: Float; output: Float };

/** Adds the partial results of the splits, in order, and the bias. Each invocation computes one element of out. */
export const matmulSum = defineKernel({
	name: 'matmul.sum',
	params: { count: 'u32', columns: 'u32', splits: 'u32', biasOffset: 'u32?', biasStride: 'u32', hasBias: 'bool' },
	define: ({ storage, output }: MatmulSumVariant) => ({
		bindings: { partial: read('f32'), bias: read(storage), out: readWrite(output) },
		invocations: 'p.count',
		main: wgsl`
	var sum = 0.0;
	for (var s = 0u; s < p.splits; s++) {
		sum += partial[s * p.count + i];
	}
	if (p.hasBias != 0u) {
		sum += f32(bias[p.biasOffset + i % p.columns * p.biasStride]);
	}
	out[i] = ${output}(sum);
`,
	}),
});
