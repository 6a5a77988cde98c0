/**
 * Running sums and products, and linear recurrences h[j] = a[j] * h[j - 1] + x[j], along one dim, from either end.
 *
 * A line is cut into chunks. One chunk takes one launch. More take a launch for the `totals` of the chunks, [lines, chunks]; the
 * same kernel on those (`source` and `target` 'partials'), as often as needed; and a launch that scans each chunk `after` the
 * earlier chunks. Chunks, and blocks of 32 within them, start from the identity and are combined with the earlier results only
 * when an element is stored. So an error grows with the number of chunks and blocks, not with the length of the line. The shape
 * fixes the order.
 *
 *   lanes = 1    one invocation walks a chunk: software adapters, and lines across columns, where adjacent invocations read
 *                adjacent elements.
 *   lanes = 64   a workgroup walks a chunk in tiles of 256, four elements to each invocation. It scans their totals in workgroup
 *                memory (Hillis and Steele 1986): GPUs.
 *
 * A recurrence is a scan of affine maps: (a, b) means h -> a h + b, and two in a row give the map (a1 a2, a2 b1 + b2).
 */
import { wgsl } from 'wgsl-preprocessor';
import { offsetFunction } from './parameters';
import { defineKernel, read, readWrite, type StorageType } from './shader';

export type ScanVariant = {
	op: 'sum' | 'prod' | 'linear';
	input: StorageType;
	output: StorageType;
	source: 'elements' | 'partials';
	target: 'result' | 'partials' | 'totals';
	/** Whether each chunk continues after the scanned total of the earlier chunks, which is in another buffer. */
	after: boolean;
	lanes: 1 | 64;
};

export const scanKernel = defineKernel({
	name: 'line.scan',
	params: {
		/** The kept dims of x. */
		keptDims: 'view',
		offsetA: 'u32?',
		/** The length of a line. */
		length: 'u32',
		/** The stride of x along a line. */
		stride: 'u32',
		/** The stride of a line's elements in the contiguous a and y. */
		inner: 'u32',
		reverse: 'bool',
		/** The length of a chunk. */
		segment: 'u32',
		chunks: 'u32',
		/** lines * chunks */
		items: 'u32',
	},
	define({ op, input, output, source, target, after, lanes }: ScanVariant) {
		const linear = op === 'linear';
		const float = input === 'f32' || input === 'f16';
		const scalar = linear ? 'vec2<f32>' : float ? 'f32' : 'i32';
		const identity = { sum: 'S()', prod: 'S(1)', linear: 'S(1.0, 0.0)' }[op];
		const combine = { sum: 'a + b', prod: 'a * b', linear: 'S(a.x * b.x, fma(b.x, a.y, b.y))' }[op];
		const elements = source === 'elements';
		const coefficients = linear && elements;
		const functions = wgsl`
alias S = ${scalar};

#if ${lanes > 1}
var<workgroup> lanesum: array<S, ${lanes}>;
#endif

/** The start of line k of x. */
${offsetFunction('start', 'keptDims')}

/** \`a\` comes before \`b\`. */
fn combined(a: S, b: S) -> S {
	return ${combine};
}

/** The start of a line: in x, and in contiguous tensors. */
struct Line {
	x: u32,
	packed: u32,
}

/** Element j in the order of the walk. */
fn load(line: Line, j: u32) -> S {
	let at = select(j, p.length - 1u - j, p.reverse == 1u);
#if ${coefficients}
	return S(f32(coefficients[p.offsetA + line.packed + at * p.inner]), f32(x[line.x + at * p.stride]));
#else
	return S(x[line.x + at * p.stride]);
#endif
}

#if ${target !== 'totals'}
fn store(line: Line, j: u32, value: S) {
	let at = select(j, p.length - 1u - j, p.reverse == 1u);
#if ${target === 'result'}
	y[line.packed + at * p.inner] = ${output}(${linear ? 'value.y' : 'value'});
#else
	y[line.packed + at * p.inner] = value;
#endif
}
#endif
`;
		return {
			bindings: {
				x: read(elements ? input : scalar),
				y: readWrite(target === 'result' ? output : scalar),
				coefficients: coefficients && read(input),
				totals: after && read('S'),
			},
			invocations: lanes === 1 ? 'p.items' : undefined,
			functions,
			main: wgsl`
#if ${lanes === 1}
	// Adjacent invocations take adjacent lines.
	let lines = p.items / p.chunks;
	let k = i % lines;
	let chunk = i / lines;
#else
	if (groupIndex >= p.items) {
		return;
	}
	let k = groupIndex / p.chunks;
	let chunk = groupIndex % p.chunks;
#endif
	let line = Line(start(k), (k / p.inner) * p.length * p.inner + k % p.inner);
	let first = chunk * p.segment;
	let end = min(first + p.segment, p.length);
	var before = ${identity};
#if ${after}
	if (chunk > 0u) {
		before = totals[k * p.chunks + chunk - 1u];
	}
#endif
	var running = ${identity};
#if ${lanes === 1}
	for (var block = first; block < end; block += 32u) {
		var local = ${identity};
		for (var j = block; j < min(end, block + 32u); j++) {
			local = combined(local, load(line, j));
#if ${target !== 'totals'}
			store(line, j, combined(before, combined(running, local)));
#endif
		}
		running = combined(running, local);
	}
#else
	for (var tile = first; tile < end; tile += ${4 * lanes}u) {
		var prefix: array<S, 4>;
		var mine = ${identity};
		for (var e = 0u; e < 4u; e++) {
			let j = tile + lid * 4u + e;
			if (j < end) {
				mine = combined(mine, load(line, j));
			}
			prefix[e] = mine;
		}
		lanesum[lid] = mine;
		workgroupBarrier();
		for (var distance = 1u; distance < ${lanes}u; distance *= 2u) {
			var sum = lanesum[lid];
			if (lid >= distance) {
				sum = combined(lanesum[lid - distance], sum);
			}
			workgroupBarrier();
			lanesum[lid] = sum;
			workgroupBarrier();
		}
#if ${target !== 'totals'}
		var left = running;
		if (lid > 0u) {
			left = combined(running, lanesum[lid - 1u]);
		}
		for (var e = 0u; e < 4u; e++) {
			let j = tile + lid * 4u + e;
			if (j < end) {
				store(line, j, combined(before, combined(left, prefix[e])));
			}
		}
#endif
		running = combined(running, lanesum[${lanes - 1}]);
		workgroupBarrier();
	}
#endif
#if ${target === 'totals'}
#if ${lanes > 1}
	if (lid == 0u) {
		y[k * p.chunks + chunk] = running;
	}
#else
	y[k * p.chunks + chunk] = running;
#endif
#endif
`,
		};
	},
});
