/**
 * Softmax and log-softmax over one dim, forward and backward.
 *
 * Line k holds `length` elements. The start of the strided operand (x, or the gradient) is decoded from the kept dims, which
 * the host has merged. The contiguous operands (y, dx) start at (k / inner) * length * inner + k % inner, with stride `inner`.
 *
 *   lanes = 1         one invocation walks a line alone: lines across columns (adjacent invocations read adjacent elements),
 *                     short lines, and software adapters, where barriers cost more than they gain.
 *   lanes = 64, 256   a workgroup walks a line together, and between the two passes each invocation goes through the results of
 *                     all (workgroupReduction.ts): GPUs.
 *   wide = 'along'    reads and writes are vec4 along the line: inner = 1, the strided operand has stride 1 along the line, and
 *                     offset, length and its other strides are multiples of 4.
 *   wide = 'across'   an invocation walks four adjacent lines at once, lanes = 1: the innermost kept dim has stride 1, and its
 *                     size, offset and all other strides are multiples of 4.
 *
 * The first pass finds the largest element m and the sum of exp(x - m) at once: it rescales the sum whenever m grows, with one
 * exponential for each element. The second pass writes. A line is read twice and written once. Bit patterns identify special
 * lines: the result is NaN for a line that holds NaN or +inf, and for a line that holds only -inf.
 */
import { wgsl } from 'wgsl-preprocessor';
import { mathFunctions } from './math.wgsl';
import { offsetFunction } from './parameters';
import { defineKernel, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';
import { workgroupSum } from './workgroupReduction';

export type SoftmaxVariant = {
	kind: 'forward' | 'backward';
	log: boolean;
	storage: StorageType;
	wide: 'no' | 'along' | 'across';
	lanes: 1 | 64 | 256;
};

export const softmaxKernel = defineKernel({
	name: 'softmax.softmax',
	params: {
		/** The strided operand without the dim of the lines. */
		strided: 'view',
		offsetY: 'u32?',
		lines: 'u32',
		length: 'u32',
		stride: 'u32',
		inner: 'u32',
		nan: 'bits',
	},
	define({ kind, log, storage, wide, lanes }: SoftmaxVariant) {
		const along = wide === 'along' ? 4 : 1;
		const across = wide === 'across' ? 4 : 1;
		const width = along * across;
		const vector = (type: string) => (width === 4 ? `vec4<${type}>` : type);
		const backward = kind === 'backward';
		const functions = wgsl`
alias V = ${vector(storage)};
alias F = ${vector('f32')};
alias U = ${vector('u32')};
// One number for each line.
alias L = ${across === 4 ? 'vec4<f32>' : 'f32'};
alias B = ${across === 4 ? 'vec4<u32>' : 'u32'};

/** A sum of exponentials: the largest x, the sum of exp(x - largest), and the largest bit pattern of |x|, which shows a NaN. */
struct Sum {
	largest: L,
	total: L,
	bits: B,
}

#if ${lanes > 1 && !backward}
var<workgroup> found: array<vec2<u32>, ${lanes}>;
#endif

/** The start of line k of the strided operand. */
${offsetFunction('start', 'strided')}

/** The start of line k in a contiguous tensor. */
fn packedStart(k: u32) -> u32 {
	return (k / p.inner) * p.length * p.inner + k % p.inner;
}

#if ${log && !backward}
${mathFunctions('logarithm(x)')}
#endif
/** exp of a number that is never positive and may be -inf. */
fn decay(difference: F) -> F {
	return exp(max(difference, F(-200.0)));
}

#if ${!backward}
fn decayed(difference: L) -> L {
	return exp(max(difference, L(-200.0)));
}

fn joined(a: Sum, b: Sum) -> Sum {
	let largest = max(a.largest, b.largest);
	return Sum(largest, a.total * decayed(a.largest - largest) + b.total * decayed(b.largest - largest), max(a.bits, b.bits));
}

fn firstPass(source: u32, lane: u32) -> Sum {
	var largest = F(-3.4028234e38);
	var total = F();
	var bits = U();
	for (var j = lane * ${along}u; j < p.length; j += ${lanes * along}u) {
		let value = F(x[(source + j * p.stride) / ${width}u]);
		let difference = value - largest;
		let factor = decay(-abs(difference));
		total = select(total + factor, total * factor + 1.0, difference > F());
		largest = max(largest, value);
		bits = max(bits, bitcast<U>(value) & U(0x7fffffffu));
	}
#if ${along === 4}
	let ab = joined(Sum(largest.x, total.x, bits.x), Sum(largest.y, total.y, bits.y));
	let cd = joined(Sum(largest.z, total.z, bits.z), Sum(largest.w, total.w, bits.w));
	return joined(ab, cd);
#else
	return Sum(largest, total, bits);
#endif
}

fn secondPass(source: u32, packed: u32, lane: u32, sum: Sum) {
	let isNan = (sum.bits > B(0x7f800000u)) | (sum.total == L()) | (bitcast<B>(sum.largest) == B(0x7f800000u));
	let nan = bitcast<f32>(p.nan);
#if ${log}
	let shift = ${across === 4 ? 'logarithm(sum.total)' : 'logarithm(vec4(sum.total)).x'};
#else
	let shift = 1.0 / sum.total;
#endif
	for (var j = lane * ${along}u; j < p.length; j += ${lanes * along}u) {
		let difference = F(x[(source + j * p.stride) / ${width}u]) - sum.largest;
#if ${log}
		let value = difference - shift;
#else
		let value = decay(difference) * shift;
#endif
		y[(packed + j * p.inner) / ${width}u] = V(select(value, F(nan), isNan));
	}
}
#else

fn firstPass(source: u32, packed: u32, lane: u32) -> L {
	var total = F();
	for (var j = lane * ${along}u; j < p.length; j += ${lanes * along}u) {
		let incoming = F(gradient[(source + j * p.stride) / ${width}u]);
#if ${log}
		total += incoming;
#else
		total += incoming * F(y[(p.offsetY + packed + j * p.inner) / ${width}u]);
#endif
	}
#if ${along === 4}
	return (total.x + total.y) + (total.z + total.w);
#else
	return total;
#endif
}

fn secondPass(source: u32, packed: u32, lane: u32, total: L) {
	for (var j = lane * ${along}u; j < p.length; j += ${lanes * along}u) {
		let incoming = F(gradient[(source + j * p.stride) / ${width}u]);
		let output = F(y[(p.offsetY + packed + j * p.inner) / ${width}u]);
#if ${log}
		// exp may return anything for NaN.
		let isNan = (bitcast<U>(output) & U(0x7fffffffu)) > U(0x7f800000u);
		let value = select(incoming - exp(output) * total, output, isNan);
#else
		let value = output * (incoming - total);
#endif
		dx[(packed + j * p.inner) / ${width}u] = V(value);
	}
}
#endif

#if ${lanes > 1}
${workgroupSum('f32', lanes)}
#if ${backward}
fn ofAll(mine: f32, lid: u32) -> f32 {
	return workgroupSum(mine, lid);
}
#else
fn ofAll(mine: Sum, lid: u32) -> Sum {
	found[lid] = vec2(bitcast<u32>(mine.largest), mine.bits);
	workgroupBarrier();
	var largest = mine.largest;
	var bits = 0u;
	for (var lane = 0u; lane < ${lanes}u; lane++) {
		largest = max(largest, bitcast<f32>(found[lane].x));
		bits = max(bits, found[lane].y);
	}
	return Sum(largest, workgroupSum(mine.total * decayed(mine.largest - largest), lid), bits);
}
#endif
#endif
`;
		return {
			bindings: {
				x: !backward && read('V'),
				gradient: backward && read('V'),
				y: backward ? read('V') : readWrite('V'),
				dx: backward && readWrite('V'),
			},
			workgroupSize: Math.max(WORKGROUP_SIZE, lanes),
			invocations: lanes === 1 ? `p.lines / ${across}u` : undefined,
			functions,
			main: wgsl`
#if ${lanes === 1}
	let k = i * ${across}u;
	let source = start(k);
	let packed = packedStart(k);
	secondPass(source, packed, 0u, firstPass(source, ${backward ? 'packed, ' : ''}0u));
#else
	// A folded grid may be larger than the work; its last groups have nothing to walk.
	if (groupIndex >= p.lines) {
		return;
	}
	let source = start(groupIndex);
	let packed = packedStart(groupIndex);
	let mine = firstPass(source, ${backward ? 'packed, ' : ''}lid);
	secondPass(source, packed, lid, ofAll(mine, lid));
#endif
`,
		};
	},
});
