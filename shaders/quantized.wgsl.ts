/**
 * Products with a quantised matrix, and lookups in it. src/backends/contract/quantized.ts defines the layout of the matrix. The kernels
 * decode the matrix as they read it. Only software adapters decode it into memory first, for products of several lines (see the launcher).
 *
 * Kernels read a row word by word. A word belongs to one group, so all its codes have the same scale. For columns beyond the end of a
 * group, the other operand reads as 0. Sums are float32, in a fixed order. Vec4 variants need x dense along its columns, and need columns,
 * the group size, strides and offsets that are multiples of 4.
 *
 * The ladder, for products with the matrix (x W^T):
 *   lanes   An invocation has one row of the matrix and up to 8 lines of x, and walks down the words. The whole workgroup has the
 *           same lines: software adapters read them once for all lanes, without a barrier. Reads of the matrix are scattered.
 *   vector  A workgroup has four rows and one line. Its lanes walk along the words together, so that a GPU reads the matrix once,
 *           in whole cache lines. For generating text, which mostly reads the matrix.
 *   tile    64 x 64 in workgroup memory, as matmul.workgroup: for GPUs, with many lines. See quantizedTile.wgsl.ts.
 * And for products with its transpose (gradient W), the gradient of x:
 *   columns An invocation has one word, which is 4 or 8 columns, and up to 4 lines, and walks down the rows. Adjacent invocations
 *           read adjacent words.
 *   tile    The tile above, with the matrix transposed.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { Float } from './matmul.wgsl';
import { defineKernel, lines, range, read, readWrite } from './shader';

/** The variant of the matrix. */
export type Matrix = {
	bits: 4 | 8;
	/** Whether the matrix has zero points. */
	asymmetric: boolean;
	/** The type of the scales. */
	scale: Float;
};

const MATRIX_PARAMS = {
	rows: 'u32',
	columns: 'u32',
	/** The number of words and of groups of a row. */
	words: 'u32',
	groups: 'u32',
	groupSize: 'u32',
	groupWords: 'u32',
	packedOffset: 'u32',
	scaleOffset: 'u32',
	zeroOffset: 'u32?',
} as const;

/** `x` is the other operand, [lines, depth]; `tiles` is the number of tiles along out's second dim. */
export const PRODUCT_PARAMS = {
	...MATRIX_PARAMS,
	lines: 'u32',
	tiles: 'u32',
	xOffset: 'u32',
	xLine: 'u32',
	xStep: 'u32',
	biasOffset: 'u32?',
	biasStride: 'u32?',
	hasBias: 'bool?',
} as const;

export const matrixBindings = ({ asymmetric, scale }: Matrix) => ({
	packed: read('u32'),
	scale: read(scale),
	zeroPoint: asymmetric && read('u32'),
});

/** The bindings of a product. With `vectors`, x is read as vec4. */
const productBindings = (matrix: Matrix, vectors: boolean, storage: Float) => ({
	...matrixBindings(matrix),
	x: read(vectors ? `vec4<${storage}>` : storage),
	bias: read(storage),
	out: readWrite(storage),
});

/** The number of codes in a word, and of quads of codes. */
export const perWord = ({ bits }: Matrix): number => 32 / bits;
const quadsOf = (matrix: Matrix): number => perWord(matrix) / 4;

/**
 * The mapping between words, groups and columns. `zeroOf` and `scaleOf` take the number of a group among the groups of all rows.
 */
export const matrixFunctions = (matrix: Matrix): string => {
	const { bits, asymmetric } = matrix;
	const shifts = range(4)
		.map((q) => `${q * bits}u`)
		.join(', ');
	return wgsl`
struct Span {
	group: u32,
	column: u32,
	/** The end of the group's columns. */
	end: u32,
}

fn spanOf(word: u32) -> Span {
	let group = word / p.groupWords;
	let start = group * p.groupSize;
	return Span(group, start + (word - group * p.groupWords) * ${perWord(matrix)}u, min(start + p.groupSize, p.columns));
}

fn codesOf(word: u32, quad: u32) -> vec4<f32> {
	return vec4<f32>((vec4<u32>(word >> (quad * 16u)) >> vec4<u32>(${shifts})) & vec4<u32>(${2 ** bits - 1}u));
}

fn scaleOf(group: u32) -> f32 {
	return f32(scale[p.scaleOffset + group]);
}

fn zeroOf(group: u32) -> f32 {
	return ${asymmetric ? 'f32(zeroPoint[p.zeroOffset + group])' : `${2 ** (bits - 1)}.0`};
}
`;
};

/** Four adjacent columns of the line of x that begins at `line`; 0 from `end` on. */
export const quadFunction = (vectors: boolean): string =>
	vectors
		? wgsl`
fn quadOf(line: u32, column: u32, end: u32) -> vec4<f32> {
	return select(vec4<f32>(), vec4<f32>(x[(line + column) >> 2u]), column < end);
}
`
		: wgsl`
fn quadOf(line: u32, column: u32, end: u32) -> vec4<f32> {
	var quad = vec4<f32>();
	for (var q = 0u; q < 4u; q++) {
		quad[q] = select(0.0, f32(x[line + min(column + q, max(end, 1u) - 1u) * p.xStep]), column + q < end);
	}
	return quad;
}
`;

type QuantizedLanesVariant = Matrix & { vectors: boolean; lines: 1 | 8; storage: Float };

/** The rows of a workgroup of `lanes`. */
export const LANE_ROWS = 16;

/** lanes: see the ladder. Grid: tiles of rows * tiles of lines. */
export const quantizedLanes = defineKernel({
	name: 'quantized.lanes',
	params: PRODUCT_PARAMS,
	divisible: true,
	define({ vectors, lines: count, storage, ...matrix }: QuantizedLanesVariant) {
		const each = (line: (n: number) => string) => lines(count, line);
		return {
			bindings: productBindings(matrix, vectors, storage),
			workgroupSize: LANE_ROWS,
			functions: matrixFunctions(matrix) + quadFunction(vectors),
			main: wgsl`
	let first = groupIndex / p.tiles * ${count}u;
	if (first >= p.lines) {
		return;
	}
	let row = groupIndex % p.tiles * ${LANE_ROWS}u + lid;
	let own = min(row, p.rows - 1u);
	${each((n) => `let x${n} = p.xOffset + min(first + ${n}u, p.lines - 1u) * p.xLine;`)}
	${each((n) => `var sum${n} = 0.0;`)}
	var at = p.packedOffset + own * p.words;
	for (var g = 0u; g < p.groups; g++) {
		let start = g * p.groupSize;
		let end = min(start + p.groupSize, p.columns);
		let zero = zeroOf(own * p.groups + g);
		${each((n) => `var part${n} = 0.0;`)}
		for (var column = start; column < end; column += ${perWord(matrix)}u) {
			let word = packed[at];
			at++;
			${lines(
				quadsOf(matrix),
				(q) => `let y${q} = codesOf(word, ${q}u) - zero;
			${each((n) => `part${n} += dot(quadOf(x${n}, column + ${4 * q}u, end), y${q});`)}`,
			)}
		}
		let factor = scaleOf(own * p.groups + g);
		${each((n) => `sum${n} += part${n} * factor;`)}
	}
	if (row >= p.rows) {
		return;
	}
	var extra = 0.0;
	if (p.hasBias != 0u) {
		extra = f32(bias[p.biasOffset + row * p.biasStride]);
	}
	// A loop, because every store takes long to compile.
	var sums = array<f32, ${count}>(${range(count)
		.map((n) => `sum${n}`)
		.join(', ')});
	for (var n = 0u; n < min(${count}u, p.lines - first); n++) {
		out[(first + n) * p.rows + row] = ${storage}(sums[n] + extra);
	}
`,
		};
	},
});

type QuantizedVectorVariant = Matrix & { vectors: boolean; storage: Float };

/** The rows of a workgroup of `vector`. */
export const VECTOR_ROWS = 4;
const VECTOR_LANES = 64;

/** vector: see the ladder. Grid: tiles of rows * lines. */
export const quantizedVector = defineKernel({
	name: 'quantized.vector',
	params: PRODUCT_PARAMS,
	divisible: true,
	define({ vectors, storage, ...matrix }: QuantizedVectorVariant) {
		return {
			bindings: productBindings(matrix, vectors, storage),
			workgroupSize: VECTOR_LANES,
			functions: wgsl`
${matrixFunctions(matrix)}
${quadFunction(vectors)}

var<workgroup> sums: array<vec4<f32>, ${VECTOR_LANES}>;
`,
			main: wgsl`
	let line = groupIndex / p.tiles;
	if (line >= p.lines) {
		return;
	}
	let row = groupIndex % p.tiles * ${VECTOR_ROWS}u;
	let start = p.xOffset + line * p.xLine;
	var sum = vec4<f32>();
	for (var word = lid; word < p.words; word += ${VECTOR_LANES}u) {
		let span = spanOf(word);
		${lines(quadsOf(matrix), (q) => `let x${q} = quadOf(start, span.column + ${4 * q}u, span.end);`)}
		for (var r = 0u; r < ${VECTOR_ROWS}u; r++) {
			let own = min(row + r, p.rows - 1u);
			let codes = packed[p.packedOffset + own * p.words + word];
			let group = own * p.groups + span.group;
			let zero = zeroOf(group);
			sum[r] += scaleOf(group) * (${range(quadsOf(matrix))
				.map((q) => `dot(x${q}, codesOf(codes, ${q}u) - zero)`)
				.join(' + ')});
		}
	}
	sums[lid] = sum;
	workgroupBarrier();
	for (var n = ${VECTOR_LANES / 2}u; n >= 1u; n >>= 1u) {
		if (lid < n) {
			sums[lid] += sums[lid + n];
		}
		workgroupBarrier();
	}
	if (lid < ${VECTOR_ROWS}u && row + lid < p.rows) {
		var value = sums[0][lid];
		if (p.hasBias != 0u) {
			value += f32(bias[p.biasOffset + (row + lid) * p.biasStride]);
		}
		out[line * p.rows + row + lid] = ${storage}(value);
	}
`,
		};
	},
});

type QuantizedColumnsVariant = Matrix & { lines: 1 | 4; storage: Float };

/** The words of a workgroup of `columns`. */
export const COLUMN_WORDS = 16;

/** columns: see the ladder. x is the gradient, [lines, rows]. Grid: tiles of words * tiles of lines. */
export const quantizedColumns = defineKernel({
	name: 'quantized.columns',
	params: PRODUCT_PARAMS,
	divisible: true,
	define({ lines: count, storage, ...matrix }: QuantizedColumnsVariant) {
		const quads = quadsOf(matrix);
		const each = (line: (n: number) => string) => lines(count, line);
		const eachQuad = (line: (q: number) => string) => lines(quads, line);
		return {
			bindings: { ...matrixBindings(matrix), x: read(storage), out: readWrite(storage) },
			workgroupSize: COLUMN_WORDS,
			functions: matrixFunctions(matrix),
			main: wgsl`
	let first = groupIndex / p.tiles * ${count}u;
	if (first >= p.lines) {
		return;
	}
	let word = groupIndex % p.tiles * ${COLUMN_WORDS}u + lid;
	let own = min(word, p.words - 1u);
	let span = spanOf(own);
	${each((n) => `let x${n} = p.xOffset + min(first + ${n}u, p.lines - 1u) * p.xLine;`)}
	${each((n) => eachQuad((q) => `var sum${n}_${q} = vec4<f32>();`))}
	for (var r = 0u; r < p.rows; r++) {
		let codes = packed[p.packedOffset + r * p.words + own];
		let group = r * p.groups + span.group;
		let zero = zeroOf(group);
		let factor = scaleOf(group);
		${eachQuad((q) => `let y${q} = (codesOf(codes, ${q}u) - zero) * factor;`)}
		${each(
			(n) =>
				`{ let g = f32(x[x${n} + r * p.xStep]); ${range(quads)
					.map((q) => `sum${n}_${q} += g * y${q};`)
					.join(' ')} }`,
		)}
	}
	if (word >= p.words) {
		return;
	}
	var sums = array<vec4<f32>, ${count * quads}>(${range(count * quads)
		.map((k) => `sum${Math.floor(k / quads)}_${k % quads}`)
		.join(', ')});
	for (var n = 0u; n < min(${count}u, p.lines - first); n++) {
		for (var c = 0u; c < min(${perWord(matrix)}u, span.end - span.column); c++) {
			out[(first + n) * p.columns + span.column + c] = ${storage}(sums[n * ${quads}u + c / 4u][c % 4u]);
		}
	}
`,
		};
	},
});

/** An invocation writes the columns of one word of a line. `lines` is the number of lines. */
const LOOKUP_PARAMS = { ...MATRIX_PARAMS, lines: 'u32' } as const;

/** Writes the columns of `word` in row `row` of the matrix to line `line` of y. */
const writeFunction = (matrix: Matrix): string => wgsl`
${matrixFunctions(matrix)}

fn write(row: u32, word: u32, line: u32) {
	let span = spanOf(word);
	let codes = packed[p.packedOffset + row * p.words + word];
	let group = row * p.groups + span.group;
	let zero = zeroOf(group);
	let factor = scaleOf(group);
	for (var c = 0u; c < min(${perWord(matrix)}u, span.end - span.column); c++) {
		let code = (codes >> (c * ${matrix.bits}u)) & ${2 ** matrix.bits - 1}u;
		y[line * p.columns + span.column + c] = ${matrix.scale}((f32(code) - zero) * factor);
	}
}
`;

type QuantizedLookupVariant = Matrix;

export const quantizedRows = defineKernel({
	name: 'quantized.rows',
	params: { ...LOOKUP_PARAMS, indexOffset: 'u32', indexStride: 'u32' },
	reportsIndices: true,
	define: (matrix: QuantizedLookupVariant) => ({
		bindings: { ...matrixBindings(matrix), index: read('i32'), y: readWrite(matrix.scale) },
		invocations: 'p.lines * p.words',
		functions: writeFunction(matrix),
		main: wgsl`
	let line = i / p.words;
	let row = index[p.indexOffset + line * p.indexStride];
	if (u32(row) >= p.rows) {
		reportIndex(row);
	}
	write(u32(clamp(row, 0, i32(p.rows) - 1)), i % p.words, line);
`,
	}),
});

export const quantizedWeight = defineKernel({
	name: 'quantized.weight',
	params: LOOKUP_PARAMS,
	define: (matrix: QuantizedLookupVariant) => ({
		bindings: { ...matrixBindings(matrix), y: readWrite(matrix.scale) },
		invocations: 'p.lines * p.words',
		functions: writeFunction(matrix),
		main: wgsl`
	write(i / p.words, i % p.words, i / p.words);
`,
	}),
});
