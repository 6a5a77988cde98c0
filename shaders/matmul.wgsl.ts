/**
 * Matrix products out = a b + bias: [rows, depth] x [depth, columns], for a batch of any strides, in float32 arithmetic.
 *
 * Operands are read in place, by strides. `vectors` variants read vec4: each operand is then dense along one of its two dims. A
 * parameter tells which one, because transposing four vec4 in registers costs almost nothing and one pipeline serves all of a b,
 * aT b, a bT and aT bT. For these variants the host guarantees that depth, columns, the size of every dense dim, the other
 * strides and all offsets are multiples of 4. Other variants read scalars of any strides.
 *
 * Rows and columns beyond the edge read the last ones again and are not stored. Depths beyond the end become 0 in both operands,
 * so that no infinity or NaN enters. No loop branches on a bound. Sums run over depth in order. With `splits` > 1, each split of
 * the depth writes its own partial [batch, rows, columns], and matmul.sum adds them in order: no result depends on timing.
 *
 * The ladder:
 *   registers  An invocation holds 4 or 8 rows of 4 columns and shares nothing. For small products on GPUs, and for software
 *              adapters without subgroups, where loads cost most: about 30 instructions a lane for a vec4.
 *   subgroup   Like registers, but rows are shared. Each invocation of a subgroup (of 4 or 8; the host knows which) loads its own
 *              rows, and a broadcast of an instruction or two gives them to the others: 32 rows of 4 columns for 8 vec4 loads.
 *              Four times as fast as registers on lavapipe, twice as fast on SwiftShader.
 *   workgroup  64 x 64 in workgroup memory, 16 deep, 8 x 4 in the registers of each of 128 invocations. For GPUs, where reading a
 *              matrix once per tile matters most. Software adapters run barriers as coroutines: it is five times slower there and
 *              takes seconds to compile.
 *   integer    int32 matrices of any strides, exact modulo 2^32. An invocation computes one element and reads its row and column in
 *              place. There is one variant: integer products are counts and masks, never the bulk of a network's work.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, lines, type NoVariant, range, read, readWrite } from './shader';

export type Float = 'f32' | 'f16';

/** The tile that one workgroup computes; the host rounds the grid up to it. */
export const WORKGROUP_TILE = { rows: 64, columns: 64, depth: 16 };

/** The parameters of all products. */
export const MATMUL_PARAMS = {
	/** Batch dims, innermost first: size, stride in a, stride in b. */
	batch: 'array<vec4<u32>, 6>',
	batchRank: 'u32',
	batches: 'u32',
	rows: 'u32',
	columns: 'u32',
	depth: 'u32',
	splits: 'u32',
	splitDepth: 'u32',
	rowTiles: 'u32',
	columnTiles: 'u32',
	aOffset: 'u32',
	aRow: 'u32',
	aDepth: 'u32',
	bOffset: 'u32',
	bColumn: 'u32',
	bDepth: 'u32',
	biasOffset: 'u32?',
	biasStride: 'u32',
	hasBias: 'bool',
	/** For vec4 reads: whether a is dense along its rows' dim (else along depth), and b along depth (else along columns). */
	aAlongRows: 'bool?',
	bAlongDepth: 'bool?',
	/** For products with vectors: the strides of out by row and by column, and of the bias by column. */
	outRow: 'u32?',
	outColumn: 'u32?',
	biasColumn: 'u32?',
} as const;

/** The offsets of a batch entry's matrices in a and in b. */
export const MATRICES = `
fn matrices(batch: u32) -> vec2<u32> {
	var at = vec2<u32>(p.aOffset, p.bOffset);
	var left = batch;
	for (var d = 0u; d < p.batchRank; d++) {
		let dim = p.batch[d];
		let next = left / dim.x;
		at += (left - next * dim.x) * dim.yz;
		left = next;
	}
	return at;
}
`;

/** Column t of the 4 x 4 matrix with rows `name`0 ... `name`3. */
const columnOf = (name: string, t: number): string =>
	`vec4<f32>(${range(4)
		.map((q) => `${name}${q}[${t}]`)
		.join(', ')})`;

/** Four vec4 from `start(t) + step`, as `name`0 ... `name`3, transposed as a 4 x 4 matrix if `turned` is true. */
const loadQuads = (name: string, from: string, start: (t: number) => string, step: string, turned: string): string => `
	${lines(4, (t) => `let ${name}l${t} = vec4<f32>(${from}[${start(t)} + ${step}]);`)}
	${lines(4, (t) => `let ${name}${t} = select(${name}l${t}, ${columnOf(`${name}l`, t)}, ${turned});`)}`;

/**
 * Four rows of a by four depths, as `name`0 ... `name`3, a vec4 of depths for each row. Row t starts at `start(t)`, and `step`
 * leads from depth 0 to the first of the four. Scalars outside `inside` are 0. With vectors, positions count vec4 and all are
 * inside.
 */
const loadA = (name: string, start: (t: number) => string, step: string, vectors: boolean): string =>
	vectors
		? loadQuads(name, 'a', start, step, 'aTurned')
		: lines(4, (t) => {
				const elements = range(4).map((q) => `f32(a[${start(t)} + ${step} + ${q}u * p.aDepth])`);
				return `let ${name}${t} = select(vec4<f32>(), vec4<f32>(${elements.join(', ')}), inside);`;
			});

/** Four depths of b by four columns, as `name`0 ... `name`3, a vec4 of columns for each depth; otherwise like `loadA`. */
const loadB = (name: string, start: (t: number) => string, step: string, vectors: boolean): string =>
	vectors
		? loadQuads(name, 'b', start, step, 'bTurned')
		: lines(4, (q) => {
				const elements = range(4).map((t) => `f32(b[${start(t)} + ${step} + ${q}u * p.bDepth])`);
				return `let ${name}${q} = select(vec4<f32>(), vec4<f32>(${elements.join(', ')}), inside[${q}]);`;
			});

/** Tells which of the four depths from `k` on are before `end`. */
export const inside = (k: string): string => `let inside = vec4<u32>(${k}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end);`;

/** The starts of rows and columns: `first` is the first of four adjacent ones, and `t` counts them. Both clamp at the edge. */
const startA = (base: string, row: string, t: number, vectors: boolean): string =>
	vectors
		? `(${base} + min(${row}, p.rows - select(1u, 4u, aTurned)) * p.aRow + select(0u, ${t}u * p.aDepth, aTurned)) >> 2u`
		: `${base} + min(${row}, p.rows - 1u) * p.aRow`;
const startB = (base: string, first: string, t: number, vectors: boolean): string =>
	vectors
		? `(${base} + select(min(${first}, p.columns - 4u) + ${t}u * p.bDepth, min(${first} + ${t}u, p.columns - 1u) * p.bColumn, bTurned)) >> 2u`
		: `${base} + min(${first} + ${t}u, p.columns - 1u) * p.bColumn`;

/**
 * Functions for four columns, the last of which may be beyond the edge: the bias, and a store to a row of out. A loop reads the
 * bias, because it is read only once and four loads take four times as long to compile.
 */
const store = (vectors: boolean, output: Float): string => `
alias Out = ${output};

fn biasAt(column: u32) -> vec4<f32> {
	var sum = vec4<f32>();
	for (var c = 0u; c < 4u * p.hasBias; c++) {
		sum[c] = f32(bias[p.biasOffset + min(column + c, p.columns - 1u) * p.biasStride]);
	}
	return sum;
}
${
	vectors
		? `
fn store(start: u32, column: u32, value: vec4<f32>) {
	if (column < p.columns) {
		out[(start + column) >> 2u] = vec4<Out>(value);
	}
}
`
		: `
fn store(start: u32, column: u32, value: vec4<f32>) {
	var left = value;
	for (var c = column; c < min(column + 4u, p.columns); c++) {
		out[start + c] = Out(left.x);
		left = left.yzww;
	}
}
`
}`;

/** The bindings of the tiled kernels. Without a bias, the host binds b again as `bias`, and the kernel does not read it. */
const tileBindings = (storage: Float, output: Float, vectors: boolean) => {
	const element = (type: Float) => (vectors ? `vec4<${type}>` : type);
	return { a: read(element(storage)), b: read(element(storage)), bias: read(storage), out: readWrite(element(output)) };
};

export type MatmulTileVariant = {
	/** The invocations that share their rows: 4 needs subgroups of 4 or more, 8 needs subgroups of exactly 8, 1 shares nothing. */
	share: 1 | 4 | 8;
	/** The groups of four rows that an invocation loads, and the groups of four columns that it computes. */
	rowQuads: number;
	columnQuads: number;
	vectors: boolean;
	storage: Float;
	output: Float;
};

/** A workgroup has this many invocations along columns, and as many along rows unless they share rows. */
const LANES = 8;
const rowLanes = (share: number): number => (share === 1 ? LANES : 1);

/** The rows and columns of one workgroup's tile. */
export const tileSize = (variant: Pick<MatmulTileVariant, 'share' | 'rowQuads' | 'columnQuads'>) => ({
	rows: 4 * variant.rowQuads * variant.share * rowLanes(variant.share),
	columns: 4 * variant.columnQuads * LANES,
});

/** registers and subgroup: see the ladder. Grid: columnTiles * rowTiles * splits * batches. */
export const matmulTile = defineKernel({
	name: 'matmul.tile',
	params: MATMUL_PARAMS,
	divisible: true,
	define({ share, rowQuads, columnQuads, vectors, storage, output }: MatmulTileVariant) {
		const tile = tileSize({ share, rowQuads, columnQuads });
		const rows = 4 * rowQuads * share;
		const shared = share > 1;
		// Row number r is row t of the four of group g of invocation s, in the order g, t, s.
		const rowOf = (r: number) => ({ g: Math.floor(r / (4 * share)), t: Math.floor(r / share) % 4, s: r % share });
		/** Row r's element of a at depth q of four. Without vectors there is one depth at a time. */
		const factor = (r: number, q: number | null): string => {
			const { g, t, s } = rowOf(r);
			const name = `${s < 4 ? 'x' : 'z'}${g}_${t}`;
			const own = q === null ? name : `${name}[${q}]`;
			return shared ? `quadBroadcast(${own}, ${s % 4}u)` : own;
		};
		/** The rows of the other quad of a subgroup of 8: broadcasts within a quad need no check of the lane. */
		const others =
			share === 8
				? lines(4 * rowQuads, (r) => ((x) => `let z${x} = subgroupShuffleXor(x${x}, 4u);`)(`${Math.floor(r / 4)}_${r % 4}`))
				: '';
		const eachQuad = (line: (v: number) => string): string => range(columnQuads).map(line).join(' ');
		const multiply = (r: number, q: number | null): string =>
			`{ let x = ${factor(r, q)}; ${eachQuad((v) => `c${r}_${v} += x * ${q === null ? `y${v}` : `y${v}_${q}`};`)} }`;
		return {
			bindings: tileBindings(storage, output, vectors),
			workgroupSize: LANES * rowLanes(share),
			enable: shared ? ['subgroups'] : [],
			functions: MATRICES + store(vectors, output),
			main: wgsl`
	let tileRow = groupIndex / p.columnTiles;
	let matrix = tileRow / p.rowTiles;
	let split = matrix / p.batches;
	let batch = matrix - split * p.batches;
	if (split >= p.splits) {
		return;
	}
#if ${shared}
	let own = subgroupLane % ${share}u;
#else
	let own = 0u;
#endif
	let firstRow = (tileRow - matrix * p.rowTiles) * ${tile.rows}u + lid / ${LANES}u * ${rows}u;
	let column = (groupIndex - tileRow * p.columnTiles) * ${tile.columns}u + lid % ${LANES}u * 4u;
	let base = matrices(batch);
	let aTurned = p.aAlongRows != 0u;
	let bTurned = p.bAlongDepth != 0u;
	// Vectors along depth: an invocation's rows are ${share} apart. Vectors along rows: they are adjacent.
	let rowStep = select(${share}u, 1u, aTurned);
	let ownStep = select(1u, 4u, aTurned);
	let ownRow = firstRow + own * ownStep;
	${lines(4 * rowQuads, (r) => {
		const [g, t] = [Math.floor(r / 4), r % 4];
		const row = `ownRow + ${g * 4 * share}u + select(${t}u * rowStep, 0u, aTurned)`;
		return `let a${g}_${t} = ${startA('base.x', row, t, vectors)};`;
	})}
	${lines(4 * columnQuads, (c) => {
		const [v, t] = [Math.floor(c / 4), c % 4];
		return `let b${v}_${t} = ${startB('base.y', `column + ${v * 4 * LANES}u`, t, vectors)};`;
	})}
	// Read before the sums are declared, because reads take longer to compile while the registers are full.
	${lines(columnQuads, (v) => `let bias${v} = biasAt(column + ${v * 4 * LANES}u);`)}
	${lines(rows, (r) => eachQuad((v) => `var c${r}_${v} = vec4<f32>();`))}

	let end = min(p.depth, (split + 1u) * p.splitDepth);
	let first = split * p.splitDepth;
#if ${vectors}
	// Both count vec4, and the loop takes four depths at once.
	var ka = (first >> 2u) * p.aDepth;
	var kb = (first >> 2u) * p.bDepth;
	for (var k = first; k < end; k += 4u) {
		${lines(rowQuads, (g) => loadA(`x${g}_`, (t) => `a${g}_${t}`, 'ka', true))}
		${lines(columnQuads, (v) => loadB(`y${v}_`, (t) => `b${v}_${t}`, 'kb', true))}
		${others}
		${lines(4, (q) => lines(rows, (r) => multiply(r, q)))}
		ka += p.aDepth;
		kb += p.bDepth;
	}
#else
	// One depth at a time: four would need as many loads and take four times as long to compile.
	var ka = first * p.aDepth;
	var kb = first * p.bDepth;
	for (var k = first; k < end; k++) {
		${lines(4 * rowQuads, (r) => `let x${Math.floor(r / 4)}_${r % 4} = f32(a[a${Math.floor(r / 4)}_${r % 4} + ka]);`)}
		${lines(
			columnQuads,
			(v) =>
				`let y${v} = vec4<f32>(${range(4)
					.map((t) => `f32(b[b${v}_${t} + kb])`)
					.join(', ')});`,
		)}
		${others}
		${lines(rows, (r) => multiply(r, null))}
		ka += p.aDepth;
		kb += p.bDepth;
	}
#endif

	let start = (split * p.batches + batch) * p.rows;
	// A loop, because a store takes as long to compile as a load.
	for (var r = 0u; r < ${rows}u; r++) {
		let row = firstRow + r / ${4 * share}u * ${4 * share}u + r / ${share}u % 4u * rowStep + ((r % ${share}u)${share === 8 ? ' ^ (own & 4u)' : ''}) * ownStep;
		${lines(columnQuads, (v) => `var value${v} = c0_${v};`)}
		${lines(rows - 1, (r) => eachQuad((v) => `value${v} = select(value${v}, c${r + 1}_${v}, r == ${r + 1}u);`))}
		if (row < p.rows) {
			${lines(columnQuads, (v) => `store((start + row) * p.columns, column + ${v * 4 * LANES}u, value${v} + bias${v});`)}
		}
	}
`,
		};
	},
});

type MatmulWorkgroupVariant = { vectors: boolean; storage: Float; output: Float };

/** workgroup: see the ladder. Grid: columnTiles * rowTiles * splits * batches. */
export const matmulWorkgroup = defineKernel({
	name: 'matmul.workgroup',
	params: MATMUL_PARAMS,
	divisible: true,
	define({ vectors, storage, output }: MatmulWorkgroupVariant) {
		const { rows, columns, depth } = WORKGROUP_TILE;
		return {
			bindings: tileBindings(storage, output, vectors),
			workgroupSize: 128,
			functions: wgsl`
${MATRICES}
${store(vectors, output)}

// Four rows, or columns, of one depth in a vec4.
var<workgroup> tileA: array<vec4<f32>, ${(depth * rows) / 4}>;
var<workgroup> tileB: array<vec4<f32>, ${(depth * columns) / 4}>;
`,
			main: wgsl`
	let matrix = groupIndex / (p.columnTiles * p.rowTiles);
	let batch = matrix % p.batches;
	let split = matrix / p.batches;
	if (split >= p.splits) {
		return;
	}
	let firstRow = (groupIndex / p.columnTiles) % p.rowTiles * ${rows}u;
	let firstColumn = groupIndex % p.columnTiles * ${columns}u;
	let base = matrices(batch);
	let aTurned = p.aAlongRows != 0u;
	let bTurned = p.bAlongDepth != 0u;

	// The first half of the workgroup loads a, the other b, each invocation a block of 4 x 4. Adjacent invocations follow the dense
	// dim.
	let block = lid % 64u;
	let loadsA = lid < 64u;
	let alongDepth = select(p.bDepth <= p.bColumn, p.aDepth <= p.aRow, loadsA);
	let blockDepth = select(block / 16u, block % 4u, alongDepth) * 4u;
	let blockLine = select(block % 16u, block / 4u, alongDepth);
	let line = blockLine * 4u;
	${lines(4, (t) => `let a${t} = ${startA('base.x', `firstRow + line + select(${t}u, 0u, aTurned)`, t, vectors)};`)}
	${lines(4, (t) => `let b${t} = ${startB('base.y', 'firstColumn + line', t, vectors)};`)}

	let ownRow = lid / 16u * 8u;
	let ownColumn = lid % 16u * 4u;
	${lines(8, (r) => `var c${r} = vec4<f32>();`)}
	let end = min(p.depth, (split + 1u) * p.splitDepth);
	for (var k = split * p.splitDepth; k < end; k += ${depth}u) {
		let at = k + blockDepth;
		${inside('at')}
		let to = blockDepth * 16u + blockLine;
		if (loadsA) {
			let ka = at${vectors ? ' / 4u' : ''} * p.aDepth;
			${loadA('x', (t) => `a${t}`, 'ka', vectors)}
			${lines(4, (q) => `tileA[to + ${q * 16}u] = select(vec4<f32>(), ${columnOf('x', q)}, inside[${q}]);`)}
		} else {
			let kb = at${vectors ? ' / 4u' : ''} * p.bDepth;
			${loadB('y', (t) => `b${t}`, 'kb', vectors)}
			${lines(4, (q) => `tileB[to + ${q * 16}u] = select(vec4<f32>(), y${q}, inside[${q}]);`)}
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
`,
		};
	},
});

export const matmulInteger = defineKernel({
	name: 'matmul.integer',
	params: MATMUL_PARAMS,
	divisible: true,
	define: (_: NoVariant) => ({
		bindings: { a: read('i32'), b: read('i32'), bias: read('i32'), out: readWrite('i32') },
		invocations: 'p.batches * p.rows * p.columns',
		functions: MATRICES,
		main: wgsl`
	let column = i % p.columns;
	let row = i / p.columns % p.rows;
	let base = matrices(i / (p.columns * p.rows)) + vec2<u32>(row * p.aRow, column * p.bColumn);
	var sum = 0;
	if (p.hasBias != 0u) {
		sum = bias[p.biasOffset + column * p.biasStride];
	}
	for (var k = 0u; k < p.depth; k++) {
		sum += a[base.x + k * p.aDepth] * b[base.y + k * p.bDepth];
	}
	out[i] = sum;
`,
	}),
});
