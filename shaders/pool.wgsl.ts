/**
 * Pooling of x [planes, D, H, W] into y [planes, D', H', W'], all contiguous; fewer dimensions have leading sizes of 1.
 *
 * max         Value and position (i32, within the plane) of each window's maximum. Floats are compared through integers that sort
 *             in the same order, with -0 equal to 0 and NaN above all, because WGSL may assume that NaN does not occur.
 * maxGrad     For each position, the sum over the windows around it that chose it. It gathers, so it needs no atomics.
 * maxGather   y[i] = x[indices[i]]. The second derivative needs it.
 * average     Mean of each window, with PyTorch's divisors.
 * averageGrad For each position, the sum over the windows around it.
 *
 * `windows` of a variant:
 *   strided  : window i covers i stride - padding + k dilation, and may exceed the input at either end.
 *   adaptive : window i runs from floor(i S / S') to ceil((i + 1) S / S'). S S' must stay below 2^32 in each dimension.
 *   pairs    : adjacent 2x2 windows, all inside the input (the host checks). An invocation computes four windows without a
 *              loop and stores one vec4. Backward, it writes the positions of four 2x2 tiles instead of gathering, so nothing
 *              is read twice. Takes a third to a tenth of the time of `strided`.
 *
 * An invocation computes one element of the result, or four windows in `pairs`. Sums are f32.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, LANES, read, readWrite, type StorageType } from './shader';

export type PoolWindows = 'strided' | 'adaptive' | 'pairs';
export type PoolVariant = Readonly<{
	type: StorageType;
	windows: PoolWindows;
	/**
	 * Whether there is a depth dimension. Without it, the kernel saves a third of the divisions and a loop. Always false for
	 * `pairs`.
	 */
	volumetric: boolean;
}>;

/** Vectors are (depth, height, width); w of size and out is their product. */
export const POOL_PARAMS = {
	size: 'vec4<u32>',
	out: 'vec4<u32>',
	kernel: 'vec4<u32>',
	stride: 'vec4<u32>',
	padding: 'vec4<u32>',
	dilation: 'vec4<u32>',
	/** The number of invocations. */
	total: 'u32',
	/** The offset of the input. */
	offset: 'u32',
	indexOffset: 'u32?',
	countIncludePad: 'bool?',
	/** 0 means the size of the window. */
	divisor: 'f32?',
	/** The number of 2x2 tiles, in `pairs` backward. */
	tiles: 'u32?',
	/** -Infinity. */
	lowest: 'bits',
} as const;

/** (depth, height, width, plane) of element i of [planes, ...size]. */
function coordinates(volumetric: boolean): string {
	return wgsl`
fn coordinates(i: u32, size: vec4<u32>) -> vec4<u32> {
	let row = i / size.z;
	let slice = row / size.y;
#if ${volumetric}
	let plane = slice / size.x;
#else
	let plane = slice;
#endif
	return vec4<u32>(slice - plane * size.x, row - slice * size.y, i - row * size.z, plane);
}
`;
}

/** Opens the loop over depth, or a block instead. */
function depthLoop(volumetric: boolean, loop: string, only: string): string {
	return volumetric ? loop : `{ ${only}`;
}

/**
 * Runs `body` for four adjacent 2x2 tiles from tile 4 i on; a plane has `rows` x `columns` tiles. `fourTiles` gives the body the
 * tile's h, w and plane, its first position within the plane as `corner`, and the same position within all planes as `at`.
 */
function fourTiles(rows: string, columns: string, body: (lane: (typeof LANES)[number], j: number) => string): string {
	return `
	let columns = ${columns};
	let rows = ${rows};
	let row = i * 4u / columns;
	var w = i * 4u - row * columns;
	var plane = row / rows;
	var h = row - plane * rows;
	${LANES.map(
		(lane, j) => `{
		let corner = (h * p.size.z + w) * 2u;
		let at = plane * p.size.w + corner;
		${body(lane, j)}
		w += 1u;
		h += u32(w == columns);
		w = select(w, 0u, w == columns);
		plane += u32(h == rows);
		h = select(h, 0u, h == rows);
	}`,
	).join('\n')}`;
}

/**
 * Writes four tiles of the input. A tile at the end may have no window or exceed the input. `gradients` declares g, the gradients
 * of the tile's four positions.
 */
function writeTiles(type: StorageType, gradients: string): string {
	return fourTiles(
		'((p.size.y + 1u) / 2u)',
		'((p.size.z + 1u) / 2u)',
		(_, j) => `if (i * 4u + ${j}u < p.tiles) {
			let window = plane * p.out.w + h * p.out.z + w;
			let isWindow = h < p.out.y && w < p.out.z;
			${gradients}
			let isWide = w * 2u + 1u < p.size.z;
			gradX[at] = ${type}(g.x);
			if (isWide) { gradX[at + 1u] = ${type}(g.y); }
			if (h * 2u + 1u < p.size.y) {
				gradX[at + p.size.z] = ${type}(g.z);
				if (isWide) { gradX[at + p.size.z + 1u] = ${type}(g.w); }
			}
		}`,
	);
}

/** The begin and end of a window, ignoring the input's bounds, and the windows that may contain a position. */
function windowFunctions(windows: PoolWindows): string {
	if (windows === 'pairs') return '';
	return windows === 'strided'
		? wgsl`
fn windowBegin(o: vec3<u32>) -> vec3<i32> {
	return vec3<i32>(o * p.stride.xyz) - vec3<i32>(p.padding.xyz);
}
fn windowEnd(o: vec3<u32>) -> vec3<i32> {
	return windowBegin(o) + vec3<i32>(p.kernel.xyz * p.dilation.xyz);
}
fn firstWindow(position: vec3<u32>) -> vec3<u32> {
	let reach = (p.kernel.xyz - 1u) * p.dilation.xyz;
	let last = position + p.padding.xyz;
	return select(vec3<u32>(), (last - reach + p.stride.xyz - 1u) / p.stride.xyz, last > reach);
}
fn endWindow(position: vec3<u32>) -> vec3<u32> {
	return min((position + p.padding.xyz) / p.stride.xyz + 1u, p.out.xyz);
}`
		: wgsl`
fn windowBegin(o: vec3<u32>) -> vec3<i32> {
	return vec3<i32>(o * p.size.xyz / p.out.xyz);
}
fn windowEnd(o: vec3<u32>) -> vec3<i32> {
	return vec3<i32>(((o + 1u) * p.size.xyz + p.out.xyz - 1u) / p.out.xyz);
}
fn firstWindow(position: vec3<u32>) -> vec3<u32> {
	return position * p.out.xyz / p.size.xyz;
}
fn endWindow(position: vec3<u32>) -> vec3<u32> {
	return min(((position + 1u) * p.out.xyz + p.size.xyz - 1u) / p.size.xyz, p.out.xyz);
}`;
}

/** Integers that sort like the floats. */
const KEY = wgsl`
const NAN_KEY = 0x7fffffff;
fn key(value: f32) -> i32 {
	let bits = bitcast<i32>(value);
	let magnitude = bits & 0x7fffffff;
	let ordered = select(bits, -magnitude, bits < 0);
	return select(ordered, NAN_KEY, magnitude > 0x7f800000);
}
`;

export const maxPool = defineKernel({
	name: 'pool.max',
	params: POOL_PARAMS,
	define({ type, windows, volumetric }: PoolVariant) {
		return {
			bindings: {
				x: read(type),
				y: readWrite(windows === 'pairs' ? `vec4<${type}>` : type),
				indices: readWrite(windows === 'pairs' ? 'vec4<i32>' : 'i32'),
			},
			invocations: 'p.total',
			functions: wgsl`
${KEY}
${coordinates(volumetric)}
${windowFunctions(windows)}
`,
			main: wgsl`
#if ${windows === 'pairs'}
	var best: vec4<f32>;
	var index: vec4<i32>;
	${fourTiles(
		'p.out.y',
		'p.out.z',
		(lane) => `
		let first = p.offset + at;
		let v = vec4<f32>(f32(x[first]), f32(x[first + 1u]), f32(x[first + p.size.z]), f32(x[first + p.size.z + 1u]));
		let upper = max(key(v.x), key(v.y));
		let lower = max(key(v.z), key(v.w));
		let isUpper = upper >= lower && lower != NAN_KEY;
		let left = select(v.z, v.x, isUpper);
		let right = select(v.w, v.y, isUpper);
		let isLeft = key(left) >= key(right) && key(right) != NAN_KEY;
		best.${lane} = select(right, left, isLeft);
		index.${lane} = i32(corner + select(p.size.z, 0u, isUpper) + select(1u, 0u, isLeft));`,
	)}
	y[i] = vec4<${type}>(best);
	indices[i] = index;
#else
	let o = coordinates(i, p.out);
	let begin = windowBegin(o.xyz);
	let end = min(windowEnd(o.xyz), vec3<i32>(p.size.xyz));
	let step = vec3<i32>(p.dilation.xyz);
	// The first step inside the input.
	let start = begin + (max(-begin, vec3<i32>()) + step - 1) / step * step;
	let plane = p.offset + o.w * p.size.w;
	var value = bitcast<f32>(p.lowest);
	var bestKey = bitcast<i32>(0x80000000u);
	var index = -1;
	${depthLoop(volumetric, 'for (var z = start.x; z < end.x; z += step.x) {', 'let z = 0;')}
		for (var h = start.y; h < end.y; h += step.y) {
			let row = (u32(z) * p.size.y + u32(h)) * p.size.z;
			for (var w = start.z; w < end.z; w += step.z) {
				let candidate = f32(x[plane + row + u32(w)]);
				let candidateKey = key(candidate);
				let wins = candidateKey > bestKey || candidateKey == NAN_KEY;
				bestKey = select(bestKey, candidateKey, wins);
				value = select(value, candidate, wins);
				index = select(index, i32(row + u32(w)), wins);
			}
		}
	}
	y[i] = ${type}(value);
	indices[i] = index;
#endif
`,
		};
	},
});

export const maxPoolGrad = defineKernel({
	name: 'pool.maxGrad',
	params: POOL_PARAMS,
	define({ type, windows, volumetric }: PoolVariant) {
		return {
			bindings: {
				gradY: read(type),
				indices: read('i32'),
				gradX: readWrite(type),
			},
			invocations: 'p.total',
			functions: wgsl`
${coordinates(volumetric)}
${windowFunctions(windows)}
`,
			main: wgsl`
#if ${windows === 'pairs'}
	${writeTiles(
		type,
		`let chosen = vec4(u32(indices[p.indexOffset + window]) - corner);
			let g = select(vec4<f32>(), vec4(f32(gradY[p.offset + window])), vec4(isWindow) & (chosen == vec4<u32>(0u, 1u, p.size.z, p.size.z + 1u)));`,
	)}
#else
	let position = coordinates(i, p.size);
	let first = firstWindow(position.xyz);
	let end = endWindow(position.xyz);
	let index = i32(i - position.w * p.size.w);
	var sum = 0.0;
	${depthLoop(volumetric, 'for (var d = first.x; d < end.x; d++) {', 'let d = 0u;')}
		for (var h = first.y; h < end.y; h++) {
			let row = position.w * p.out.w + (d * p.out.y + h) * p.out.z;
			for (var w = first.z; w < end.z; w++) {
				let isChosen = indices[p.indexOffset + row + w] == index;
				sum += select(0.0, f32(gradY[p.offset + row + w]), isChosen);
			}
		}
	}
	gradX[i] = ${type}(sum);
#endif
`,
		};
	},
});

export const maxPoolGather = defineKernel({
	name: 'pool.maxGather',
	params: POOL_PARAMS,
	define({ type }: Readonly<{ type: StorageType }>) {
		return {
			bindings: {
				x: read(type),
				indices: read('i32'),
				y: readWrite(type),
			},
			invocations: 'p.total',
			main: wgsl`
	let index = indices[p.indexOffset + i];
	let value = x[p.offset + i / p.out.w * p.size.w + u32(max(index, 0))];
	y[i] = select(${type}(0), value, index >= 0);
`,
		};
	},
});

/** The divisor of a window: its size with or without padding, or the same number for all. */
const divisor = (volumetric: boolean): string => wgsl`
fn divisor(o: vec3<u32>) -> f32 {
	let around = select(vec3<i32>(), vec3<i32>(p.padding.xyz), p.countIncludePad != 0u);
	let covered = max(min(windowEnd(o), vec3<i32>(p.size.xyz) + around) - max(windowBegin(o), -around), vec3<i32>());
	let counted = vec3<f32>(covered);
	return select(max(${volumetric ? 'counted.x * ' : ''}counted.y * counted.z, 1.0), p.divisor, p.divisor != 0.0);
}
`;

export const averagePool = defineKernel({
	name: 'pool.average',
	params: POOL_PARAMS,
	define({ type, windows, volumetric }: PoolVariant) {
		return {
			bindings: {
				x: read(type),
				y: readWrite(windows === 'pairs' ? `vec4<${type}>` : type),
			},
			invocations: 'p.total',
			functions: wgsl`
${coordinates(volumetric)}
${windowFunctions(windows)}
${windows === 'pairs' ? '' : divisor(volumetric)}
`,
			main: wgsl`
#if ${windows === 'pairs'}
	var sums: vec4<f32>;
	${fourTiles(
		'p.out.y',
		'p.out.z',
		(lane) => `
		let first = p.offset + at;
		sums.${lane} = f32(x[first]) + f32(x[first + 1u]) + f32(x[first + p.size.z]) + f32(x[first + p.size.z + 1u]);`,
	)}
	y[i] = vec4<${type}>(sums / p.divisor);
#else
	let o = coordinates(i, p.out);
	let begin = vec3<u32>(max(windowBegin(o.xyz), vec3<i32>()));
	let end = vec3<u32>(clamp(windowEnd(o.xyz), vec3<i32>(), vec3<i32>(p.size.xyz)));
	let plane = p.offset + o.w * p.size.w;
	var sum = 0.0;
	${depthLoop(volumetric, 'for (var d = begin.x; d < end.x; d++) {', 'let d = 0u;')}
		for (var h = begin.y; h < end.y; h++) {
			let row = plane + (d * p.size.y + h) * p.size.z;
			for (var w = begin.z; w < end.z; w++) {
				sum += f32(x[row + w]);
			}
		}
	}
	y[i] = ${type}(sum / divisor(o.xyz));
#endif
`,
		};
	},
});

export const averagePoolGrad = defineKernel({
	name: 'pool.averageGrad',
	params: POOL_PARAMS,
	define({ type, windows, volumetric }: PoolVariant) {
		return {
			bindings: {
				gradY: read(type),
				gradX: readWrite(type),
			},
			invocations: 'p.total',
			functions: wgsl`
${coordinates(volumetric)}
${windowFunctions(windows)}
${windows === 'pairs' ? '' : divisor(volumetric)}
`,
			main: wgsl`
#if ${windows === 'pairs'}
	${writeTiles(type, 'let g = vec4(select(0.0, f32(gradY[p.offset + window]) / p.divisor, isWindow));')}
#else
	let position = coordinates(i, p.size);
	let first = firstWindow(position.xyz);
	let end = endWindow(position.xyz);
	var sum = 0.0;
	${depthLoop(volumetric, 'for (var d = first.x; d < end.x; d++) {', 'let d = 0u;')}
		for (var h = first.y; h < end.y; h++) {
			let row = p.offset + position.w * p.out.w + (d * p.out.y + h) * p.out.z;
			for (var w = first.z; w < end.z; w++) {
				sum += f32(gradY[row + w]) / divisor(vec3<u32>(d, h, w));
			}
		}
	}
	gradX[i] = ${type}(sum);
#endif
`,
		};
	},
});
