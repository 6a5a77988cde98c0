/**
 * Reductions over any dims of a view of any strides, in an order that is fixed by shape and variant.
 *
 * The host splits the dims into kept and reduced ones, merges adjacent dims that form one run in memory, and cuts the reduced
 * elements into segments. An *item* is one kept element and one segment, number segment * kept + k. `lanes` invocations work on
 * it:
 *
 *   lanes = 1    one invocation walks the segment alone. For columns, where adjacent invocations read adjacent
 *                addresses; for very short lines; and for software adapters, where workgroup memory and barriers cost more than
 *                they gain.
 *   lanes = 64   the workgroup walks the segment together, and its first invocation combines the results of all, pairs first
 *                (workgroupReduction.ts). For rows on GPUs, and for the few long lines at the end of a full reduction.
 *
 * Reads are scalar, or vec4 `along` the reduced dim (rows) or the kept one (columns, four results for each item); the host
 * guarantees stride 1 in that dim and that offset, sizes and other strides are multiples of 4.
 *
 * With one segment the kernel writes the `result`. With more it writes `partials`, raw accumulators [segments, kept], and a
 * second launch reads `from` them. If these are numbers that add up or multiply like elements, the host treats them as elements
 * of a sum or product, so that both launches share variants. An invocation adds up blocks of 32 before it adds them to its total,
 * so an error grows with the number of blocks, not of elements. Combined in pairs, a sum of 4 M float32 is as exact as a pairwise
 * sum.
 *
 * Extremes are integers: a float becomes a u32 key that sorts as the float does, with NaN on top, because WGSL compilers may
 * assume that NaN does not occur and comparing floats would not be safe. Minima are maxima of flipped keys.
 */
import { wgsl } from 'wgsl-preprocessor';
import { mathFunctions } from './math.wgsl';
import { offsetFunction } from './parameters';
import { defineKernel, read, readWrite, type StorageType } from './shader';
import { pairwise, pairwiseLength } from './workgroupReduction';

export type ReduceShaderOp =
	/**
	 * sum x / divisor, and with `root` its root. 'spread', 'count', 'sumAbs' and 'sumSquares' end the same way. 'spread' divides by
	 * the variance's divisor.
	 */
	| 'sum'
	| 'prod'
	/** sum (x - centre)^2, corrected by the sum of x - centre. With `recentre` the mean, in two parts, replaces the centre. */
	| 'spread'
	/** the largest key of x, or of |x|; of flipped keys with `flip` */
	| 'extreme'
	| 'extremeAbs'
	/** the largest key and its first position */
	| 'position'
	/** whether some x is nonzero; with `flip`, whether all are nonzero */
	| 'truth'
	/** norms of order 0, 1, 2 (with `root`) and p */
	| 'count'
	| 'sumAbs'
	| 'sumSquares'
	| 'sumPowers'
	| 'logSumExp';

export type ReduceVariant = {
	op: ReduceShaderOp;
	input: StorageType;
	/** The storage type of the results. 'position' does not use it: its outputs have the types `input` and i32. */
	output: StorageType;
	from: 'elements' | 'partials';
	to: 'result' | 'partials';
	along: 'scalar' | 'reduced' | 'kept';
	lanes: 1 | 64;
	/** 'position': the outputs of the variant. */
	outputs: 'values' | 'indices' | 'both';
	/** 'spread': whether the means in two parts, [2, kept], replace the centres, [kept]. */
	recentre: boolean;
};

/** The WGSL type of a scalar element's accumulator. */
export function accumulatorType(op: ReduceShaderOp, input: StorageType): 'f32' | 'i32' | 'u32' | 'vec2<u32>' | 'vec2<f32>' {
	switch (op) {
		case 'position':
			return 'vec2<u32>';
		case 'logSumExp':
		case 'spread':
			return 'vec2<f32>';
		case 'extreme':
		case 'extremeAbs':
		case 'truth':
			return 'u32';
		case 'sum':
		case 'prod':
			return input === 'f32' || input === 'f16' ? 'f32' : 'i32';
		default:
			return 'f32';
	}
}

/**
 * The identity, the map from an element to an accumulator, and the combination of two. A is the accumulator, four wide in vec4
 * variants.
 */
function algebra(op: ReduceShaderOp, input: StorageType): { identity: string; lift: string; combine: string } {
	const float = input === 'f32' || input === 'f16';
	const plus = 'a + b';
	switch (op) {
		case 'sum':
			return { identity: 'A()', lift: 'return A(v);', combine: plus };
		case 'prod':
			return { identity: 'A(1)', lift: 'return A(v);', combine: 'a * b' };
		case 'spread':
			return { identity: 'A()', lift: 'let d = F(v) - centre; return A(d * d, d);', combine: plus };
		case 'count':
			return { identity: 'A()', lift: 'return select(A(1), A(), (bitcast<U>(A(v)) << U(1u)) == U());', combine: plus };
		case 'sumAbs':
			return { identity: 'A()', lift: 'return abs(A(v));', combine: plus };
		case 'sumSquares':
			return { identity: 'A()', lift: 'return A(v) * A(v);', combine: plus };
		case 'sumPowers':
			return { identity: 'A()', lift: 'return powers(abs(A(v)), p.power);', combine: plus };
		case 'truth':
			return {
				identity: 'A()',
				lift: `return select(A(1u - p.flip), A(p.flip), ${float ? '(bitcast<U>(F(v)) << U(1u))' : 'U(v)'} == U());`,
				combine: 'a | b',
			};
		case 'extreme':
			return { identity: 'A()', lift: 'return keyOf(v);', combine: 'max(a, b)' };
		case 'extremeAbs':
			return { identity: 'A()', lift: 'return keyOf(abs(v));', combine: 'max(a, b)' };
		case 'position':
			return {
				identity: 'A(0u, 0xffffffffu)',
				lift: 'return A(keyOf(v), j);',
				combine: 'select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y))',
			};
		case 'logSumExp':
			return {
				identity: 'A(-3.4028234e38, 0.0)',
				lift: 'return A(f32(v), select(1.0, bitcast<f32>(p.nan), (bitcast<u32>(f32(v)) & 0x7fffffffu) > 0x7f800000u));',
				combine: 'joined(a, b)',
			};
	}
}

/** Statements that turn a scalar accumulator into the result and store it at y[k]. */
function finish(op: ReduceShaderOp, input: StorageType): string {
	switch (op) {
		case 'sum':
			return input === 'f32' || input === 'f16' ? 'y[k] = Out(quotient(a));' : 'y[k] = Out(a);';
		case 'spread':
			return 'y[k] = Out(quotient(squaresAround(a, k)));';
		case 'count':
		case 'sumAbs':
		case 'sumSquares':
			return 'y[k] = Out(quotient(a));';
		case 'sumPowers':
			return 'y[k] = Out(power(a, 1.0 / p.power));';
		case 'truth':
			return 'y[k] = Out(a ^ p.flip);';
		case 'extreme':
		case 'extremeAbs':
			return 'y[k] = Out(valueOf(a));';
		case 'logSumExp':
			return 'y[k] = Out(logOfSum(a));';
		default:
			return 'y[k] = Out(a);';
	}
}

export const reduceKernel = defineKernel({
	name: 'reduce.reduce',
	params: {
		/** The kept and the reduced dims, in elements. */
		keptDims: 'view',
		reducedDims: 'view',
		/** The number of items of a segment. */
		kept: 'u32',
		/** The number of reduced elements. */
		count: 'u32',
		/** The length of a segment, a multiple of what the lanes read in a step. */
		segment: 'u32',
		items: 'u32',
		/** The scalars of the operation: see ReduceShaderOp. */
		flip: 'u32',
		root: 'bool',
		divisor: 'f32',
		power: 'f32',
		share: 'f32',
		nan: 'bits',
		infinity: 'bits',
	},
	define({ op, input, output, from, to, along, lanes, outputs, recentre }: ReduceVariant) {
		const scalar = accumulatorType(op, input);
		const wide = along === 'scalar' ? 1 : 4;
		const pair = op === 'position' || op === 'logSumExp';
		const keyed = op === 'extreme' || op === 'extremeAbs' || op === 'position';
		const float = input === 'f32' || input === 'f16';
		const moments = op === 'spread';
		const centred = moments && (from === 'elements' || recentre);
		const writesCentres = recentre && to === 'result';
		// Pairs are combined one element at a time even if four are read at once.
		const vector = (type: string) => (wide === 4 && !pair ? `vec4<${type}>` : type);
		const { identity, lift, combine } = algebra(op, input);
		const step = wide * lanes;
		/** Scalar accumulator `e` of the four in \`total\`. */
		const part = (e: string) => (moments ? `S(total[0][${e}], total[1][${e}])` : `total[${e}]`);
		const functions = wgsl`
alias T = ${input};
alias Out = ${output};
alias S = ${scalar};
// For moments a matrix: sums of squares in its first column, of deviations in its second.
alias A = ${moments && wide === 4 ? 'mat2x4<f32>' : vector(scalar)};
alias V = ${vector(input)};
alias U = ${vector('u32')};
alias F = ${vector('f32')};

#if ${lanes > 1}
var<workgroup> shares: array<S, ${pairwiseLength(lanes)}>;
#endif

${offsetFunction('keptAt', 'keptDims')}

/** The start of the innermost reduced dim in round number \`round\` through it. */
fn reducedAt(round: u32) -> u32 {
	var rest = round;
	var at = 0u;
	for (var d = p.reducedDims.rank - 1u; d > 0u; d--) {
		let size = p.reducedDims.shape[(d - 1u) / 4u][(d - 1u) % 4u];
		at += (rest % size) * p.reducedDims.strides[(d - 1u) / 4u][(d - 1u) % 4u];
		rest /= size;
	}
	return at;
}

#if ${keyed}
#if ${float}
fn keyOf(v: V) -> U {
	let raw = bitcast<U>(F(v));
	let magnitude = raw & U(0x7fffffffu);
	// -0 becomes 0; negative numbers sort in reverse.
	let bits = select(raw, U(), magnitude == U());
	let sorted = select(bits | U(0x80000000u), ~bits, bits >= U(0x80000000u)) ^ U(p.flip);
	return select(sorted, U(0xffffffffu), magnitude > U(0x7f800000u));
}

fn valueOf(key: u32) -> f32 {
	let sorted = key ^ p.flip;
	let bits = select(~sorted, sorted & 0x7fffffffu, sorted >= 0x80000000u);
	return bitcast<f32>(select(bits, p.nan, key == 0xffffffffu));
}
#elif ${input === 'i32'}
fn keyOf(v: V) -> U {
	return bitcast<U>(v) ^ U(0x80000000u ^ p.flip);
}

fn valueOf(key: u32) -> i32 {
	return bitcast<i32>(key ^ 0x80000000u ^ p.flip);
}
#else
fn keyOf(v: V) -> U {
	return v ^ U(p.flip);
}

fn valueOf(key: u32) -> u32 {
	return key ^ p.flip;
}
#endif
#endif

#if ${op === 'sumPowers'}
/** magnitude^exponent, also for 0 and infinity, where WGSL's pow may return anything. */
fn power(magnitude: f32, exponent: f32) -> f32 {
	let bits = bitcast<u32>(magnitude);
	let grows = exponent > 0.0;
	let ofZero = select(bitcast<f32>(p.infinity), 0.0, grows);
	let ofInfinity = select(0.0, bitcast<f32>(p.infinity), grows);
	let finite = select(pow(magnitude, exponent), ofZero, bits == 0u);
	return select(select(finite, ofInfinity, bits == 0x7f800000u), magnitude, bits > 0x7f800000u);
}

fn powers(magnitude: A, exponent: f32) -> A {
#if ${wide === 4}
	return A(
		power(magnitude.x, exponent),
		power(magnitude.y, exponent),
		power(magnitude.z, exponent),
		power(magnitude.w, exponent),
	);
#else
	return power(magnitude, exponent);
#endif
}
#endif

#if ${op === 'logSumExp'}
${mathFunctions('logarithm(x)')}
/** Sums of exponentials are (largest, sum of exp(x - largest)). The difference of equal infinities is 0 here. */
fn joined(a: A, b: A) -> A {
	let larger = select(a, b, b.x > a.x);
	let smaller = select(b, a, b.x > a.x);
	let difference = select(smaller.x - larger.x, 0.0, smaller.x == larger.x);
	return A(larger.x, larger.y + smaller.y * exp(max(difference, -200.0)));
}

fn logOfSum(a: A) -> f32 {
	let infinite = (bitcast<u32>(a.x) & 0x7fffffffu) == 0x7f800000u && a.x > 0.0;
	let nan = (bitcast<u32>(a.y) & 0x7fffffffu) > 0x7f800000u;
	let value = select(a.x + logarithm(vec4(a.y)).x, bitcast<f32>(p.infinity ^ 0x80000000u), a.y == 0.0);
	return select(select(value, bitcast<f32>(p.infinity), infinite), bitcast<f32>(p.nan), nan);
}
#endif

fn combined(a: A, b: A) -> A {
	return ${combine};
}

#if ${wide === 4 && !pair}
fn combinedScalars(a: S, b: S) -> S {
	return ${combine};
}
#endif

#if ${from === 'elements'}
fn lifted(v: V, j: u32, centre: F) -> A {
	${lift}
}
#endif

#if ${moments}
/** The sum of squares around the mean, from the sum around another centre: the mean deviation is the distance between the two. */
fn squaresAround(a: S, k: u32) -> f32 {
	let drift = a.y * p.share;
#if ${writesCentres}
	let centre = centres[k];
	// Adds to the bits a 0 that compilers do not know to be 0, so that they round here.
	let mean = bitcast<f32>(bitcast<u32>(centre + drift) + (p.items >> 31u));
	let rest = drift - (mean - centre);
	centres[k] = mean;
	// A remainder as small as the rounding error of the sum of deviations becomes 0: equal elements have none.
	centres[p.kept * ${along === 'kept' ? 4 : 1}u + k] = select(0.0, rest, abs(rest) > abs(drift) * 9.5367431640625e-7);
#endif
	let squares = a.x - a.y * drift;
	return select(max(squares, 0.0), squares, (bitcast<u32>(squares) & 0x7fffffffu) > 0x7f800000u);
}
#endif

#if ${moments && from === 'elements' && !recentre}
/** The first element if it is near the mean: then equal elements deviate by exactly 0, and others lose nothing. */
fn centreFrom(mean: F, first: F) -> F {
	return select(mean, first, abs(first - mean) <= abs(mean) * 1.52587890625e-5);
}
#endif

/** The sum divided by the divisor, or the root of that. */
fn quotient(a: f32) -> f32 {
	let indefinite = a == 0.0 || (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u;
	let special = select(bitcast<f32>(p.infinity), bitcast<f32>(p.nan), indefinite);
	let ratio = select(a / max(p.divisor, 1e-30), special, p.divisor == 0.0);
	return select(ratio, sqrt(ratio), p.root == 1u);
}

fn store(k: u32, a: S) {
#if ${to === 'partials'}
	y[k] = a;
#elif ${op === 'position'}
#if ${outputs !== 'indices'}
	values[k] = T(valueOf(a.x));
#endif
#if ${outputs !== 'values'}
	indices[k] = bitcast<i32>(a.y);
#endif
#else
	${finish(op, input)}
#endif
}

/** The lane's share of a segment: of each round through the innermost reduced dim the part inside the segment. */
fn walk(k: u32, segment: u32, lane: u32) -> A {
	let base = keptAt(k${along === 'kept' ? ' * 4u' : ''});
#if ${centred && along === 'kept'}
	let mean = vec4(centres[k * 4u], centres[k * 4u + 1u], centres[k * 4u + 2u], centres[k * 4u + 3u]);
#elif ${centred}
	let mean = F(centres[k]);
#endif
#if ${moments && from === 'elements' && !recentre}
	let centre = centreFrom(mean, F(${wide === 1 ? 'x[base]' : along === 'kept' ? 'x[base / 4u]' : 'f32(x[base / 4u].x)'}));
#elif ${centred}
	let centre = mean;
#else
	let centre = F();
#endif
	let inner = p.reducedDims.shape[(p.reducedDims.rank - 1u) / 4u][(p.reducedDims.rank - 1u) % 4u];
	let stride = p.reducedDims.strides[(p.reducedDims.rank - 1u) / 4u][(p.reducedDims.rank - 1u) % 4u];
	var total = ${identity};
	var j = segment * p.segment;
	let end = min(j + p.segment, p.count);
	while (j < end) {
		let round = j / inner;
		let first = j - round * inner;
		let stop = min(inner, first + (end - j));
		let at = base + reducedAt(round);
		var i = first + lane * ${along === 'reduced' ? 4 : 1}u;
		while (i < stop) {
			let until = min(stop, i + ${32 * (along === 'reduced' ? step : lanes)}u);
			var block = ${identity};
			for (; i < until; i += ${along === 'reduced' ? step : lanes}u) {
#if ${from === 'partials'}
				block = combined(block, x[(at + i * stride) / ${vector(scalar) === scalar ? 1 : 4}u]);
#elif ${wide === 1}
				block = combined(block, lifted(x[at + i * stride], round * inner + i, centre));
#elif ${!pair}
				block = combined(block, lifted(x[(at + i * stride) / 4u], 0u, centre));
#else
				let four = x[(at + i * stride) / 4u];
				for (var e = 0u; e < 4u; e++) {
					block = combined(block, lifted(four[e], round * inner + i + e, centre));
				}
#endif
			}
			total = combined(total, block);
		}
		j += stop - first;
	}
	return total;
}
`;
		const isResult = to === 'result';
		const positions = isResult && op === 'position';
		return {
			bindings: {
				x: read(from === 'partials' ? vector(scalar) : wide === 4 ? 'vec4<T>' : 'T'),
				y: !positions && readWrite(isResult ? 'Out' : 'S'),
				values: positions && outputs !== 'indices' && readWrite('T'),
				indices: positions && outputs !== 'values' && readWrite('i32'),
				centres: centred && (writesCentres ? readWrite('f32') : read('f32')),
			},
			invocations: lanes === 1 ? 'p.items' : undefined,
			functions,
			main: wgsl`
#if ${lanes === 1}
	let total = walk(i % p.kept, i / p.kept, 0u);
#if ${along === 'kept'}
	for (var e = 0u; e < 4u; e++) {
		store(i * 4u + e, ${part('e')});
	}
#elif ${wide === 4 && !pair}
	store(i, combinedScalars(combinedScalars(${part('0')}, ${part('1')}), combinedScalars(${part('2')}, ${part('3')})));
#else
	store(i, total);
#endif
#else
	// A folded grid may be larger than the work; its last groups repeat an item and do not store it.
	let item = min(groupIndex, p.items - 1u);
	let total = walk(item % p.kept, item / p.kept, lid);
#if ${wide === 4 && !pair}
	shares[lid] = combinedScalars(combinedScalars(${part('0')}, ${part('1')}), combinedScalars(${part('2')}, ${part('3')}));
#else
	shares[lid] = total;
#endif
	workgroupBarrier();
	if (lid == 0u && groupIndex < p.items) {
		${pairwise('shares', lanes, (a, b) => `${wide === 4 && !pair ? 'combinedScalars' : 'combined'}(${a}, ${b})`)}
		store(item, shares[${pairwiseLength(lanes) - 1}]);
	}
#endif
`,
		};
	},
});
