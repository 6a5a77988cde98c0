/**
 * Running sums and products, and linear recurrences h[j] = a[j] * h[j - 1] + x[j], along one dim, from either end.
 *
 * A line is cut into chunks. One chunk: one launch. More: a launch for the `totals` of the chunks, [lines, chunks]; the same kernel on
 * those (`source` and `target` 'partials'), as often as needed; and a launch that scans each chunk `after` what came before it. Chunks,
 * and blocks of 32 within them, start from nothing and meet what came before only when an element is stored, so an error grows
 * with the number of chunks and blocks and not with the length of the line. The order is fixed by the shape.
 *
 *   lanes = 1    one invocation walks a chunk: software adapters, and lines across columns, where neighbours read neighbours.
 *   lanes = 64   a workgroup walks a chunk in tiles of 256, four elements to each invocation, whose totals are scanned in workgroup
 *                memory (Hillis and Steele 1986): GPUs.
 *
 * A recurrence is a scan of affine maps: (a, b) stands for h -> a h + b, and two in a row for the map (a1 a2, a2 b1 + b2).
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate, StorageType } from './shader';
import { placeByFields } from './strides';

export type ScanVariant = {
	op: 'sum' | 'prod' | 'linear';
	input: StorageType;
	output: StorageType;
	source: 'elements' | 'partials';
	target: 'result' | 'partials' | 'totals';
	/** Whether chunks continue after the scanned totals in another buffer. */
	after: boolean;
	lanes: 1 | 64;
};

export const SCAN_WORKGROUP = 64;

/**
 * Params: shape and strides of the dims of x that stay, innermost last; offsets of x and a; rank; length of a line; stride of x along
 * it; inner, the distance of its elements in the contiguous a and y; whether it is walked from its end; length and number of chunks;
 * items (lines * chunks).
 */
export const scanShader: ShaderTemplate<ScanVariant> = {
	name: 'reduce.scan',
	source({ op, input, output, source, target, after, lanes }) {
		const linear = op === 'linear';
		const float = input === 'f32' || input === 'f16';
		const scalar = linear ? 'vec2<f32>' : float ? 'f32' : 'i32';
		const identity = { sum: 'S()', prod: 'S(1)', linear: 'S(1.0, 0.0)' }[op];
		const combine = { sum: 'a + b', prod: 'a * b', linear: 'S(a.x * b.x, fma(b.x, a.y, b.y))' }[op];
		const elements = source === 'elements';
		const coefficients = linear && elements;
		const code = wgsl`
#if ${input === 'f16' || output === 'f16'}
enable f16;
#endif
alias S = ${scalar};

struct Params {
	shape: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 2>,
	offset: u32,
	offsetA: u32,
	rank: u32,
	length: u32,
	stride: u32,
	inner: u32,
	reverse: u32,
	segment: u32,
	chunks: u32,
	items: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${elements ? input : scalar}>;
@group(0) @binding(2) var<storage, read_write> y: array<${target === 'result' ? output : scalar}>;
#if ${coefficients}
@group(0) @binding(3) var<storage, read> coefficients: array<${input}>;
#endif
#if ${after}
@group(0) @binding(${coefficients ? 4 : 3}) var<storage, read> totals: array<S>;
#endif
#if ${lanes > 1}
var<workgroup> lanesum: array<S, ${lanes}>;
#endif

/** Where line k of x begins. */
${placeByFields('start')}

/** \`a\` comes before \`b\`. */
fn combined(a: S, b: S) -> S {
	return ${combine};
}

/** Where lines begin: in x, and in contiguous tensors. */
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

@compute @workgroup_size(${SCAN_WORKGROUP})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let group = wid.x + wid.y * nwg.x;
#if ${lanes === 1}
	let item = group * ${SCAN_WORKGROUP}u + lid;
#else
	let item = group;
#endif
	if (item >= p.items) {
		return;
	}
#if ${lanes === 1}
	// Neighbours take neighbouring lines.
	let lines = p.items / p.chunks;
	let k = item % lines;
	let chunk = item / lines;
#else
	let k = item / p.chunks;
	let chunk = item % p.chunks;
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
}
`;
		return {
			code,
			bindings: ['read', 'read_write', ...(coefficients ? ['read' as const] : []), ...(after ? ['read' as const] : [])],
		};
	},
};
