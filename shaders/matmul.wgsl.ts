/**
 * Matrix products out = a b + bias: [rows, depth] x [depth, columns], for a batch of any strides, in float32 arithmetic.
 *
 * Operands are read where they lie, by strides. `vectors` variants read vec4: an operand is then dense along one of its two dims,
 * which is a flag in the parameters, because transposing four vec4 in registers costs next to nothing and one pipeline serves
 * all of a b, aT b, a bT and aT bT. The host guarantees for them that the dense dim's size, the other strides and all offsets
 * are multiples of 4, also those of out and bias. Other variants read scalars of any strides.
 *
 * Rows and columns beyond the edge read the last ones again and are not stored. Depths beyond the end become 0 in both operands,
 * so that no infinity or NaN of theirs gets in. No loop branches on a bound. Sums run over depth in order; with `splits` > 1, each
 * split of the depth leaves its own partial [batch, rows, columns], added up in order by matmul.sum: no result depends on timing.
 *
 * The ladder, with what each step is for:
 *   registers  a thread holds `4 * groups` rows of 4 columns; nothing is shared. The way for small products on GPUs and for software
 *              adapters without subgroups: what bounds these is the cost of a load, some 30 instructions a lane for a vec4.
 *   subgroup   the same with rows shared: each invocation of a subgroup (of 4 or 8, known to the host) loads rows of its own,
 *              and subgroupBroadcast hands them around, which costs one instruction. 32 rows of 4 columns for 8 vec4 loads. Twice
 *              to three times as fast on lavapipe and SwiftShader.
 *   workgroup  64 x 64 in workgroup memory, 16 deep, 8 x 4 in the registers of each of 128 threads: the way for GPUs, where
 *              reading a matrix once per tile matters most. It is five times slower on software adapters, which run barriers as
 *              coroutines, and takes them seconds to compile.
 *   vector     matrix times vector (or three): bound by reading the matrix once, so lanes follow whichever dim is dense.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate } from './shader';

type Float = 'f32' | 'f16';

/** Sizes of the tile that one workgroup makes, and for what the host must round up. */
export const WORKGROUP_TILE = { rows: 64, columns: 64, depth: 16 };

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const lines = (count: number, line: (i: number) => string): string => range(count).map(line).join('\n');

const halves = (...types: Float[]): string => (types.includes('f16') ? 'enable f16;' : '');

/** The parameters of all kernels here, in the order in which the host fills them. */
const PARAMS = `
struct Params {
	// Batch dims, innermost first: size, stride in a, stride in b.
	batch: array<vec4<u32>, 6>,
	batchRank: u32,
	batches: u32,
	rows: u32,
	columns: u32,
	depth: u32,
	splits: u32,
	splitDepth: u32,
	rowTiles: u32,
	columnTiles: u32,
	aOffset: u32,
	aRow: u32,
	aDepth: u32,
	bOffset: u32,
	bColumn: u32,
	bDepth: u32,
	biasOffset: u32,
	biasStride: u32,
	hasBias: u32,
	// vec4 reads: whether a is dense along its rows' dim (else depth), and b along depth (else columns).
	aAlongRows: u32,
	bAlongDepth: u32,
}
@group(0) @binding(0) var<uniform> p: Params;

// Offsets of a matrix of the batch in a and in b.
fn matrices(batch: u32) -> vec2<u32> {
	var at = vec2<u32>(p.aOffset, p.bOffset);
	var left = batch;
	for (var d = 0u; d < p.batchRank; d++) {
		let dim = p.batch[d];
		at += (left % dim.x) * dim.yz;
		left /= dim.x;
	}
	return at;
}
`;

/**
 * Declares `x0` ... `x3`: four rows of a by four depths from `depth` on, where row t starts at `at[t]`. Vectors along rows are
 * loaded one a depth, then turned. With `vectors`, positions count vec4. Names are prefixed, so blocks may hold several.
 */
function loadA(name: string, at: (t: number) => string, step: string, vectors: boolean): string {
	if (!vectors) {
		return lines(4, (t) => {
			const elements = range(4).map((q) => `f32(a[${at(t)} + ${step} + ${q}u * p.aDepth])`);
			return `let ${name}${t} = select(vec4<f32>(), vec4<f32>(${elements.join(', ')}), inside);`;
		});
	}
	return `
	${lines(4, (t) => `let ${name}l${t} = vec4<f32>(a[${at(t)} + ${step}]);`)}
	${lines(
		4,
		(t) =>
			`let ${name}t${t} = vec4<f32>(${range(4)
				.map((q) => `${name}l${q}[${t}]`)
				.join(', ')});`,
	)}
	${lines(4, (t) => `let ${name}${t} = select(vec4<f32>(), select(${name}l${t}, ${name}t${t}, aTurned), inside);`)}`;
}

/** Declares `y0` ... `y3`: four depths of b by four columns. Vectors along depth are loaded one a column, then turned. */
function loadB(name: string, at: (t: number) => string, step: string, vectors: boolean): string {
	if (!vectors) {
		return lines(4, (q) => {
			const elements = range(4).map((t) => `f32(b[${at(t)} + ${step} + ${q}u * p.bDepth])`);
			return `let ${name}${q} = select(vec4<f32>(), vec4<f32>(${elements.join(', ')}), inside[${q}]);`;
		});
	}
	return `
	${lines(4, (t) => `let ${name}l${t} = vec4<f32>(b[${at(t)} + ${step}]);`)}
	${lines(
		4,
		(t) =>
			`let ${name}t${t} = vec4<f32>(${range(4)
				.map((q) => `${name}l${q}[${t}]`)
				.join(', ')});`,
	)}
	${lines(4, (t) => `let ${name}${t} = select(vec4<f32>(), select(${name}l${t}, ${name}t${t}, bTurned), inside[${t}]);`)}`;
}

/** Where row or column quads start: `first` is the first of four neighbours, of which `t` is one. Both clamp at the edge. */
const startA = (base: string, row: string, t: number, vectors: boolean): string =>
	vectors
		? `(${base} + min(${row}, p.rows - select(1u, 4u, aTurned)) * p.aRow + select(0u, ${t}u * p.aDepth, aTurned)) >> 2u`
		: `${base} + min(${row}, p.rows - 1u) * p.aRow`;
const startB = (base: string, first: string, t: number, vectors: boolean): string =>
	vectors
		? `(${base} + select(min(${first}, p.columns - 4u) + ${t}u * p.bDepth, min(${first} + ${t}u, p.columns - 1u) * p.bColumn, bTurned)) >> 2u`
		: `${base} + min(${first} + ${t}u, p.columns - 1u) * p.bColumn`;

/** Stores `value` (vec4) at columns `column` ... of the row that starts at `start`, with the bias in `extra`. */
const store = (vectors: boolean): string =>
	vectors
		? `
fn biasAt(column: u32) -> vec4<f32> {
	if (p.hasBias == 0u) {
		return vec4<f32>();
	}
	return vec4<f32>(bias[(p.biasOffset + min(column, p.columns - 4u)) >> 2u]);
}
fn store(start: u32, column: u32, value: vec4<f32>) {
	if (column < p.columns) {
		out[(start + column) >> 2u] = vec4<Out>(value);
	}
}
`
		: `
fn biasAt(column: u32) -> vec4<f32> {
	var sum = vec4<f32>();
	for (var c = 0u; c < 4u * p.hasBias; c++) {
		sum[c] = f32(bias[p.biasOffset + min(column + c, p.columns - 1u) * p.biasStride]);
	}
	return sum;
}
fn store(start: u32, column: u32, value: vec4<f32>) {
	var left = value;
	for (var c = column; c < min(column + 4u, p.columns); c++) {
		out[start + c] = Out(left.x);
		left = left.yzww;
	}
}
`;

/** Bindings of the tiled kernels. Without a bias its slot holds b again, unread. */
const tileBindings = (storage: Float, output: Float, vectors: boolean): string => {
	const element = vectors ? `vec4<${storage}>` : storage;
	return `
@group(0) @binding(1) var<storage, read> a: array<${element}>;
@group(0) @binding(2) var<storage, read> b: array<${element}>;
@group(0) @binding(3) var<storage, read> bias: array<${element}>;
@group(0) @binding(4) var<storage, read_write> out: array<${vectors ? `vec4<${output}>` : output}>;
alias Out = ${output};
`;
};

export type MatmulTileVariant = {
	/** Invocations that share their rows: the adapter's subgroup size, or 1 for none. */
	subgroup: 1 | 4 | 8;
	/** Times four rows that an invocation loads. */
	groups: number;
	vectors: boolean;
	storage: Float;
	output: Float;
};

/** Invocations of a workgroup side by side along columns; without subgroups there are as many along rows. */
const LANES = 8;
const rowLanes = (subgroup: number): number => (subgroup === 1 ? LANES : 1);

/** Rows and columns of one workgroup's tile. */
export const tileSize = ({
	subgroup,
	groups,
}: Pick<MatmulTileVariant, 'subgroup' | 'groups'>): { rows: number; columns: number } => ({
	rows: 4 * groups * subgroup * rowLanes(subgroup),
	columns: 4 * LANES,
});

/** registers and subgroup: see the ladder. Grid: columnTiles * rowTiles * splits * batches. */
export const matmulTile: ShaderTemplate<MatmulTileVariant> = {
	name: 'matmul.tile',
	source({ subgroup, groups, vectors, storage, output }) {
		const tile = tileSize({ subgroup, groups });
		const rows = 4 * groups * subgroup;
		const shared = subgroup > 1;
		// Accumulator number (g, t, s) is row t of group g of invocation s of the subgroup.
		const name = (g: number, t: number, s: number) => `c${(g * 4 + t) * subgroup + s}`;
		const factor = (g: number, t: number, s: number, q: number) =>
			shared ? `subgroupBroadcast(x${g}_${t}[${q}], ${s}u)` : `x${g}_${t}[${q}]`;
		const each = (visit: (g: number, t: number, s: number) => string): string =>
			range(groups)
				.flatMap((g) => range(4).flatMap((t) => range(subgroup).map((s) => visit(g, t, s))))
				.join('\n');
		return {
			bindings: ['read', 'read', 'read', 'read_write'],
			code: wgsl`
${halves(storage, output)}
#if ${shared}
enable subgroups;
#endif
${PARAMS}
${tileBindings(storage, output, vectors)}
${store(vectors)}

@compute @workgroup_size(${LANES * rowLanes(subgroup)})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
#if ${shared}
	@builtin(subgroup_invocation_id) own: u32,
#endif
) {
	let tile = wid.x + wid.y * grid.x;
	let matrix = tile / (p.columnTiles * p.rowTiles);
	let batch = matrix % p.batches;
	let split = matrix / p.batches;
	if (split >= p.splits) {
		return;
	}
#if ${!shared}
	const own = 0u;
#endif
	let firstRow = (tile / p.columnTiles) % p.rowTiles * ${tile.rows}u + lane / ${LANES}u * ${rows}u;
	let column = tile % p.columnTiles * ${tile.columns}u + lane % ${LANES}u * 4u;
	let base = matrices(batch);
	let aTurned = p.aAlongRows != 0u;
	let bTurned = p.bAlongDepth != 0u;
	// Vectors along depth: row t of an invocation is subgroup-size rows after row t - 1. Along rows: they are neighbours.
	let rowStep = select(${subgroup}u, 1u, aTurned);
	let ownStep = select(1u, 4u, aTurned);
	let ownRow = firstRow + own * ownStep;
	${range(groups)
		.map((g) =>
			lines(
				4,
				(t) =>
					`let a${g}_${t} = ${startA('base.x', `ownRow + ${g * 4 * subgroup}u + select(${t}u * rowStep, 0u, aTurned)`, t, vectors)};`,
			),
		)
		.join('\n')}
	${lines(4, (t) => `let b${t} = ${startB('base.y', 'column', t, vectors)};`)}
	${each((g, t, s) => `var ${name(g, t, s)} = vec4<f32>();`)}

	let end = min(p.depth, (split + 1u) * p.splitDepth);
	let first = split * p.splitDepth;
#if ${vectors}
	// A vec4 counts as one, and so do four depths.
	var ka = (first >> 2u) * p.aDepth;
	var kb = (first >> 2u) * p.bDepth;
	let stepA = p.aDepth;
	let stepB = p.bDepth;
#else
	var ka = first * p.aDepth;
	var kb = first * p.bDepth;
	let stepA = 4u * p.aDepth;
	let stepB = 4u * p.bDepth;
#endif
	for (var k = first; k < end; k += 4u) {
		let inside = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
		${lines(groups, (g) => loadA(`x${g}_`, (t) => `a${g}_${t}`, 'ka', vectors))}
		${loadB('y', (t) => `b${t}`, 'kb', vectors)}
		${lines(4, (q) => each((g, t, s) => `${name(g, t, s)} += ${factor(g, t, s, q)} * y${q};`))}
		ka += stepA;
		kb += stepB;
	}

	let extra = biasAt(column);
	let start = (split * p.batches + batch) * p.rows;
	// One place that stores: a store costs as much to compile as a load.
	for (var r = 0u; r < ${rows}u; r++) {
		var value = c0;
		${lines(rows - 1, (r) => `value = select(value, c${r + 1}, r == ${r + 1}u);`)}
		let row = firstRow + r / ${4 * subgroup}u * ${4 * subgroup}u + r / ${subgroup}u % 4u * rowStep + r % ${subgroup}u * ownStep;
		if (row < p.rows) {
			store((start + row) * p.columns, column, value + extra);
		}
	}
}
`,
		};
	},
};

export type MatmulWorkgroupVariant = { vectors: boolean; storage: Float; output: Float };

/** workgroup: see the ladder. Grid: columnTiles * rowTiles * splits * batches. */
export const matmulWorkgroup: ShaderTemplate<MatmulWorkgroupVariant> = {
	name: 'matmul.workgroup',
	source({ vectors, storage, output }) {
		const { rows, columns, depth } = WORKGROUP_TILE;
		return {
			bindings: ['read', 'read', 'read', 'read_write'],
			code: wgsl`
${halves(storage, output)}
${PARAMS}
${tileBindings(storage, output, vectors)}
${store(vectors)}

// Four rows, or columns, of one depth in a vec4.
var<workgroup> tileA: array<vec4<f32>, ${(depth * rows) / 4}>;
var<workgroup> tileB: array<vec4<f32>, ${(depth * columns) / 4}>;

@compute @workgroup_size(128)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
) {
	let tile = wid.x + wid.y * grid.x;
	let matrix = tile / (p.columnTiles * p.rowTiles);
	let batch = matrix % p.batches;
	let split = matrix / p.batches;
	if (split >= p.splits) {
		return;
	}
	let firstRow = (tile / p.columnTiles) % p.rowTiles * ${rows}u;
	let firstColumn = tile % p.columnTiles * ${columns}u;
	let base = matrices(batch);
	let aTurned = p.aAlongRows != 0u;
	let bTurned = p.bAlongDepth != 0u;

	// The first half of the workgroup loads a, the other b, each invocation a block of 4 x 4. Neighbours follow the dense dim.
	let block = lane % 64u;
	let loadsA = lane < 64u;
	let alongDepth = select(p.bDepth <= p.bColumn, p.aDepth <= p.aRow, loadsA);
	let blockDepth = select(block / 16u, block % 4u, alongDepth) * 4u;
	let blockLine = select(block % 16u, block / 4u, alongDepth);
	let line = blockLine * 4u;
	${lines(4, (t) => `let a${t} = ${startA('base.x', `firstRow + line + select(${t}u, 0u, aTurned)`, t, vectors)};`)}
	${lines(4, (t) => `let b${t} = ${startB('base.y', 'firstColumn + line', t, vectors)};`)}

	let ownRow = lane / 16u * 8u;
	let ownColumn = lane % 16u * 4u;
	${lines(8, (r) => `var c${r} = vec4<f32>();`)}
	let end = min(p.depth, (split + 1u) * p.splitDepth);
	for (var k = split * p.splitDepth; k < end; k += ${depth}u) {
		let at = k + blockDepth;
		let inside = vec4<u32>(at) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
		let to = blockDepth * 16u + blockLine;
		if (loadsA) {
			let ka = at${vectors ? ' / 4u' : ''} * p.aDepth;
			${loadA('x', (t) => `a${t}`, 'ka', vectors)}
			${lines(
				4,
				(q) =>
					`tileA[to + ${q * 16}u] = vec4<f32>(${range(4)
						.map((t) => `x${t}[${q}]`)
						.join(', ')});`,
			)}
		} else {
			let kb = at${vectors ? ' / 4u' : ''} * p.bDepth;
			${loadB('y', (t) => `b${t}`, 'kb', vectors)}
			${lines(4, (q) => `tileB[to + ${q * 16}u] = y${q};`)}
		}
		workgroupBarrier();
		for (var q = 0u; q < ${depth}u; q++) {
			let y = tileB[q * 16u + ownColumn / 4u];
			let upper = tileA[q * 16u + ownRow / 4u];
			let lower = tileA[q * 16u + ownRow / 4u + 1u];
			${lines(8, (r) => `c${r} += ${r < 4 ? 'upper' : 'lower'}[${r % 4}] * y;`)}
		}
		workgroupBarrier();
	}

	let column = firstColumn + ownColumn;
	let extra = biasAt(column);
	let row = firstRow + ownRow;
	let start = ((split * p.batches + batch) * p.rows + row) * p.columns;
	${lines(8, (r) => `if (row + ${r}u < p.rows) { store(start + ${r}u * p.columns, column, c${r} + extra); }`)}
}
`,
		};
	},
};

export type MatmulVectorVariant = {
	/** What a vec4 read of the matrix runs along; 'scalar' for matrices and vectors of any strides. */
	along: 'depth' | 'rows' | 'scalar';
	/** Rows that a workgroup computes together, of 'depth' and 'scalar': 1 or 4. 'rows' computes 4 an invocation. */
	rows: 1 | 4;
	/** Invocations of a workgroup side by side along the dense dim, and with 'rows' those that share the depth. */
	lanes: number;
	slices: number;
	storage: Float;
	output: Float;
};

/**
 * vector: see the ladder. The parameters say `a` for the matrix and `b` for the vector, whichever side of the product it came
 * from; `columns` are the vectors. Vec4 variants want the vector dense along depth, and that and all its offsets multiples of 4.
 * The result of row r and vector v is at r * outRow + v * outColumn. Grid: rowTiles * columns * splits * batches.
 */
export const matmulVector: ShaderTemplate<MatmulVectorVariant> = {
	name: 'matmul.vector',
	source({ along, rows, lanes, slices, storage, output }) {
		const vectors = along !== 'scalar';
		const element = vectors ? `vec4<${storage}>` : storage;
		const width = vectors ? 4 : 1;
		const total = lanes * slices;
		return {
			bindings: ['read', 'read', 'read', 'read_write'],
			code: wgsl`
${halves(storage, output)}
${PARAMS.replace('bAlongDepth: u32,', 'bAlongDepth: u32,\n\toutRow: u32,\n\toutColumn: u32,\n\tbiasColumn: u32,')}
@group(0) @binding(1) var<storage, read> a: array<${element}>;
@group(0) @binding(2) var<storage, read> b: array<${element}>;
@group(0) @binding(3) var<storage, read> bias: array<${storage}>;
@group(0) @binding(4) var<storage, read_write> out: array<${output}>;

// Sums of four rows, one an invocation.
var<workgroup> sums: array<vec4<f32>, ${total}>;

@compute @workgroup_size(${total})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
) {
	let tile = wid.x + wid.y * grid.x;
	let column = tile / p.rowTiles % p.columns;
	let matrix = tile / (p.rowTiles * p.columns);
	let batch = matrix % p.batches;
	let split = matrix / p.batches;
	if (split >= p.splits) {
		return;
	}
	let base = matrices(batch) + vec2<u32>(0u, column * p.bColumn);
	let end = min(p.depth, (split + 1u) * p.splitDepth);
	let first = split * p.splitDepth;
#if ${along === 'rows'}
	let own = lane % ${lanes}u;
	let slice = lane / ${lanes}u;
	let row = (tile % p.rowTiles * ${lanes}u + own) * 4u;
	let start = (base.x + min(row, p.rows - 4u)) >> 2u;
	let step = p.aDepth >> 2u;
	var sum = vec4<f32>();
	for (var k = first + slice * 4u; k < end; k += ${4 * slices}u) {
		let inside = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);
		let y = select(vec4<f32>(), vec4<f32>(b[(base.y + k) >> 2u]), inside);
		let at = start + k * step;
		${lines(4, (q) => `sum += y[${q}] * select(vec4<f32>(), vec4<f32>(a[at + ${q}u * step]), inside[${q}]);`)}
	}
#else
	let row = tile % p.rowTiles * ${rows}u;
	${lines(rows, (r) => `let a${r} = base.x + min(row + ${r}u, p.rows - 1u) * p.aRow;`)}
	${lines(rows, (r) => `var sum${r} = ${vectors ? 'vec4<f32>()' : '0.0'};`)}
	for (var k = first + lane * ${width}u; k < end; k += ${width * lanes}u) {
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

	// Halves onto halves, a fixed order. With 'rows', only slices are added up.
	sums[lane] = sum;
	workgroupBarrier();
	for (var n = ${total / 2}u; n >= ${along === 'rows' ? lanes : 1}u; n >>= 1u) {
		if (lane < n) {
			sums[lane] += sums[lane + n];
		}
		workgroupBarrier();
	}
#if ${along === 'rows'}
	if (lane >= ${lanes}u) {
		return;
	}
	let result = sums[lane];
	let count = 4u;
#else
	let result = sums[0];
	let count = select(0u, ${rows}u, lane == 0u);
#endif
	let start0 = (split * p.batches + batch) * p.rows * p.columns + column * p.outColumn;
	for (var r = row; r < min(row + count, p.rows); r++) {
		var value = result[r - row];
		if (p.hasBias != 0u) {
			value += f32(bias[p.biasOffset + r * p.biasStride + column * p.biasColumn]);
		}
		out[start0 + r * p.outRow] = ${output}(value);
	}
}
`,
		};
	},
};

export type MatmulSumVariant = { storage: Float };

/** Adds up the partial results of splits, in their order, and the bias. A thread an element of out. */
export const matmulSum: ShaderTemplate<MatmulSumVariant> = {
	name: 'matmul.sum',
	source: ({ storage }) => ({
		bindings: ['read', 'read', 'read_write'],
		code: wgsl`
${halves(storage)}
struct Params {
	count: u32,
	columns: u32,
	splits: u32,
	biasOffset: u32,
	biasStride: u32,
	hasBias: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<${storage}>;
@group(0) @binding(3) var<storage, read_write> out: array<${storage}>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) grid: vec3<u32>,
	@builtin(local_invocation_index) lane: u32,
) {
	let i = (wid.x + wid.y * grid.x) * 64u + lane;
	if (i >= p.count) {
		return;
	}
	var sum = 0.0;
	for (var s = 0u; s < p.splits; s++) {
		sum += partial[s * p.count + i];
	}
	if (p.hasBias != 0u) {
		sum += f32(bias[p.biasOffset + i % p.columns * p.biasStride]);
	}
	out[i] = ${storage}(sum);
}
`,
	}),
};
