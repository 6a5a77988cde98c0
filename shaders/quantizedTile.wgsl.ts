/**
 * Products with a quantised matrix in tiles of 64 x 64 in workgroup memory, for GPUs and many lines. quantized.wgsl.ts describes the
 * matrix and the other variants.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { Float } from './matmul.wgsl';
import { type Matrix, matrixBindings, matrixFunctions, PRODUCT_PARAMS, perWord, quadFunction } from './quantized.wgsl';
import { defineKernel, lines, range, read, readWrite } from './shader';

type QuantizedTileVariant = Matrix & {
	/** Whether the product is with the transpose, for the gradient of x. */
	turned: boolean;
	/** Whether x is read as vec4. */
	vectors: boolean;
	storage: Float;
};

/** The lines, and the rows or code positions, of one workgroup of `tile`. */
export const TILE = 64;
const TILE_DEPTH = 16;

/** tile: see the ladder in quantized.wgsl.ts. Grid: tiles of rows (if turned: of code positions) * tiles of lines. */
export const quantizedTile = defineKernel({
	name: 'quantized.tile',
	params: PRODUCT_PARAMS,
	divisible: true,
	define({ turned, vectors, storage, ...matrix }: QuantizedTileVariant) {
		const per = perWord(matrix);
		const transposed = (name: string, q: number) =>
			`vec4<f32>(${range(4)
				.map((t) => `${name}${t}[${q}]`)
				.join(', ')})`;
		return {
			bindings: {
				...matrixBindings(matrix),
				x: read(vectors ? `vec4<${storage}>` : storage),
				bias: !turned && read(storage),
				out: readWrite(storage),
			},
			workgroupSize: 128,
			functions: wgsl`
${matrixFunctions(matrix)}
${quadFunction(vectors)}

// Four lines, and four rows or positions, of one depth in a vec4.
var<workgroup> tileX: array<vec4<f32>, ${(TILE_DEPTH * TILE) / 4}>;
var<workgroup> tileW: array<vec4<f32>, ${(TILE_DEPTH * TILE) / 4}>;

/** The elements of a row at four adjacent code positions; 0 beyond the matrix. */
fn weightsOf(row: u32, position: u32) -> vec4<f32> {
	let word = position / ${per}u;
	if (row >= p.rows || word >= p.words) {
		return vec4<f32>();
	}
	let group = row * p.groups + word / p.groupWords;
	let codes = codesOf(packed[p.packedOffset + row * p.words + word], position % ${per}u / 4u);
	return (codes - zeroOf(group)) * scaleOf(group);
}
`,
			main: wgsl`
	let firstLine = groupIndex / p.tiles * ${TILE}u;
	if (firstLine >= p.lines) {
		return;
	}
	let firstOut = groupIndex % p.tiles * ${TILE}u;

	// The first half of the workgroup loads x, the other the matrix, each invocation a block of 4 x 4.
	let block = lid % 64u;
	let depthOfX = block % 4u * 4u;
	let lineOfX = block / 4u;
#if ${turned}
	let depthOfW = block / 16u * 4u;
	let outOfW = block % 16u;
#else
	let depthOfW = block % 4u * 4u;
	let outOfW = block / 4u;
#endif
	${lines(4, (t) => `let x${t} = p.xOffset + min(firstLine + lineOfX * 4u + ${t}u, p.lines - 1u) * p.xLine;`)}

	let ownLine = lid / 16u * 8u;
	let ownOut = lid % 16u * 4u;
	${lines(8, (r) => `var c${r} = vec4<f32>();`)}
	let depth = ${turned ? 'p.rows' : `p.words * ${per}u`};
	for (var k = 0u; k < depth; k += ${TILE_DEPTH}u) {
		if (lid < 64u) {
			let at = k + depthOfX;
#if ${turned}
			let column = at;
			let end = p.rows;
#else
			let span = spanOf(at / ${per}u);
			let column = span.column + at % ${per}u;
			let end = span.end;
#endif
			// Beyond the depth every column is at or after its end, so these are zeros.
			${lines(4, (t) => `let v${t} = quadOf(x${t}, column, end);`)}
			${lines(4, (q) => `tileX[(depthOfX + ${q}u) * 16u + lineOfX] = ${transposed('v', q)};`)}
		} else {
#if ${turned}
			${lines(4, (q) => `tileW[(depthOfW + ${q}u) * 16u + outOfW] = weightsOf(k + depthOfW + ${q}u, firstOut + outOfW * 4u);`)}
#else
			${lines(4, (t) => `let v${t} = weightsOf(firstOut + outOfW * 4u + ${t}u, k + depthOfW);`)}
			${lines(4, (q) => `tileW[(depthOfW + ${q}u) * 16u + outOfW] = ${transposed('v', q)};`)}
#endif
		}
		workgroupBarrier();
		for (var q = 0u; q < ${TILE_DEPTH}u; q++) {
			let w = tileW[q * 16u + ownOut / 4u];
			let upper = tileX[q * 16u + ownLine / 4u];
			let lower = tileX[q * 16u + ownLine / 4u + 1u];
			${lines(8, (r) => `c${r} += ${r < 4 ? 'upper' : 'lower'}[${r % 4}] * w;`)}
		}
		workgroupBarrier();
	}

#if ${turned}
	let word = (firstOut + ownOut) / ${per}u;
	let span = spanOf(word);
	let to = span.column + (firstOut + ownOut) % ${per}u;
	let count = select(0u, min(4u, max(span.end, to) - to), word < p.words);
	let width = p.columns;
#else
	let to = firstOut + ownOut;
	let count = min(4u, max(p.rows, to) - to);
	let width = p.rows;
#endif
	var extra = vec4<f32>();
#if ${!turned}
	for (var c = 0u; c < count * p.hasBias; c++) {
		extra[c] = f32(bias[p.biasOffset + (to + c) * p.biasStride]);
	}
#endif
	var sums = array<vec4<f32>, 8>(c0, c1, c2, c3, c4, c5, c6, c7);
	for (var n = 0u; n < 8u; n++) {
		let line = firstLine + ownLine + n;
		for (var c = 0u; c < count && line < p.lines; c++) {
			out[line * width + to + c] = ${storage}(sums[n][c] + extra[c]);
		}
	}
`,
		};
	},
});
