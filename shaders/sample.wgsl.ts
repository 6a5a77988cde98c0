/**
 * Images sampled at given positions: y [N, C, H', W'] from x [N, C, H, W].
 *
 * An invocation samples four adjacent points in up to four channels, so that an RGB image needs points and weights only once.
 * A workgroup stays in one plane. x has any strides, y is contiguous. A point is a position (column, row) in pixels, from an
 * affine map of each image or from a grid:
 *
 *   affine: (m0 j + m1 i + m2, m3 j + m4 i + m5) with m = matrices[n], [N, 6] contiguous
 *   grid  : (grid[n, i, j] + 1) * scale + shift, any strides
 *
 * store: vec4 if W' is a multiple of 4, else scalar with a guard at the end of each row.
 *
 * Points that are whole numbers are exact, with fused multiply-adds or without, so flips, crops and shifts by whole pixels only
 * copy. `fold` moves a point outside the image back into it, except with 'constant' padding, which reads `fill` there. The host
 * guarantees that H and W are at least 1. 'bicubic' folds the 16 pixels of a point instead of the point. Points that are NaN or huge read some pixel or `fill`, never memory outside.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, LANES, read, readWrite, WORKGROUP_SIZE } from './shader';

export const SAMPLE_CHANNELS = 4;

export type SampleVariant = {
	type: 'f32' | 'f16';
	points: 'affine' | 'grid';
	mode: 'bilinear' | 'nearest' | 'bicubic';
	padding: 'constant' | 'edge' | 'reflect' | 'symmetric';
	store: 'vec4' | 'scalar';
};

const FOLD: Record<SampleVariant['padding'], string> = {
	// So far outside that no pixel has weight, and near enough for an integer.
	constant: 'return clamp(point, vec4(-2.0), vec4(size + 1.0));',
	edge: 'return clamp(point, vec4(0.0), vec4(size - 1.0));',
	reflect: 'return clamp(mirrored(point, size - 1.0), vec4(0.0), vec4(size - 1.0));',
	symmetric: 'return clamp(mirrored(point + 0.5, size) - 0.5, vec4(0.0), vec4(size - 1.0));',
};

/** Four pixels of x, each at its own row and column; `fill` outside the image. */
const gather = (rows: string, columns: string, inside: string): string =>
	`select(vec4(p.fill), vec4(${LANES.map((lane) => `f32(x[source + ${rows}.${lane} + ${columns}.${lane}])`).join(', ')}), ${inside})`;

export const sample = defineKernel({
	name: 'sample.image',
	params: {
		steps: 'vec4<u32>',
		gridSteps: 'vec4<u32>?',
		/** The width and height of x. The next three have a component for each of the two. */
		size: 'vec4<f32>',
		scale: 'vec4<f32>?',
		shift: 'vec4<f32>?',
		outSize: 'vec4<u32>',
		rowQuads: 'u32',
		channels: 'u32',
		groups: 'u32',
		images: 'u32',
		/** Workgroups for each plane. */
		blocks: 'u32',
		offset: 'u32',
		pointOffset: 'u32',
		fill: 'f32',
		/** 16 for bicubic, otherwise 4. A constant would make the compiler unroll the loop and take four times as long. */
		taps: 'u32',
	},
	define({ type, points, mode, padding, store }: SampleVariant) {
		return {
			bindings: {
				x: read(type),
				points: read(points === 'affine' ? 'f32' : type),
				y: readWrite(store === 'vec4' ? `vec4<${type}>` : type),
			},
			functions: wgsl`
#if ${padding === 'reflect' || padding === 'symmetric'}
/** Reflects \`point\` between 0 and span. */
fn mirrored(point: vec4<f32>, span: f32) -> vec4<f32> {
	let far = abs(point);
	let times = floor(far / max(span, 1.0));
	let rest = far - times * span;
	return select(rest, span - rest, times - 2.0 * floor(times * 0.5) == vec4(1.0));
}
#endif

fn fold(point: vec4<f32>, size: f32) -> vec4<f32> {
	${FOLD[padding]}
}

#if ${mode === 'bicubic'}
/** Keys' cubic kernel with A = -0.75. */
fn cubic(distance: vec4<f32>) -> vec4<f32> {
	let d = min(abs(distance), vec4(2.0));
	return select(((-0.75 * d + 3.75) * d - 6.0) * d + 3.0, (1.25 * d - 2.25) * d * d + 1.0, d <= vec4(1.0));
}
#endif
`,
			main: wgsl`
	let image = groupIndex / p.blocks;
	let quad = (groupIndex - image * p.blocks) * ${WORKGROUP_SIZE}u + lid;
	let row = quad / p.rowQuads;
	if (row >= p.outSize.y || image >= p.images) {
		return;
	}
	let quadColumn = quad - row * p.rowQuads;
	let n = image / p.groups;
	let first = (image - n * p.groups) * ${SAMPLE_CHANNELS}u;
#if ${points === 'affine'}
	let m = p.pointOffset + n * 6u;
	let j = vec4(f32(quadColumn * 4u)) + vec4(0.0, 1.0, 2.0, 3.0);
	let i = f32(row);
	let atX = points[m] * j + (points[m + 1u] * i + points[m + 2u]);
	let atY = points[m + 3u] * j + (points[m + 4u] * i + points[m + 5u]);
#else
	let j = min(vec4(quadColumn * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4(p.outSize.x - 1u));
	let g = vec4(p.pointOffset + n * p.gridSteps.x + row * p.gridSteps.y) + j * p.gridSteps.z;
	let h = g + p.gridSteps.w;
	let gridColumn = vec4(f32(points[g.x]), f32(points[g.y]), f32(points[g.z]), f32(points[g.w]));
	let gridLine = vec4(f32(points[h.x]), f32(points[h.y]), f32(points[h.z]), f32(points[h.w]));
	let atX = (gridColumn + 1.0) * p.scale.x + p.shift.x;
	let atY = (gridLine + 1.0) * p.scale.y + p.shift.y;
#endif
	let last = vec2<i32>(p.size.xy) - 1;
#if ${mode === 'bicubic'}
	let left = floor(atX);
	let top = floor(atY);
#else
	let column = fold(atX, p.size.x);
	let line = fold(atY, p.size.y);
#if ${mode === 'nearest'}
	let left = vec4<i32>(round(column));
	let top = vec4<i32>(round(line));
#else
	let left = vec4<i32>(floor(column));
	let top = vec4<i32>(floor(line));
	let rightPart = column - floor(column);
	let bottomPart = line - floor(line);
	let nextX = clamp(left + 1, vec4(0), vec4(last.x));
	let nextY = clamp(top + 1, vec4(0), vec4(last.y));
	let rightInside = ${padding === 'constant' ? 'left + 1 == nextX' : 'vec4(true)'};
	let bottomInside = ${padding === 'constant' ? 'top + 1 == nextY' : 'vec4(true)'};
	let rights = vec4<u32>(nextX) * p.steps.w;
	let bottoms = vec4<u32>(nextY) * p.steps.z;
#endif
	let nearX = clamp(left, vec4(0), vec4(last.x));
	let nearY = clamp(top, vec4(0), vec4(last.y));
	let leftInside = left == nearX;
	let topInside = top == nearY;
	let lefts = vec4<u32>(nearX) * p.steps.w;
	let tops = vec4<u32>(nearY) * p.steps.z;
#endif
	var source = p.offset + n * p.steps.x + first * p.steps.y;
	var plane = n * p.channels + first;
	let count = min(${SAMPLE_CHANNELS}u, p.channels - first);
	for (var c = 0u; c < count; c++) {
#if ${mode === 'nearest'}
		let value = ${gather('tops', 'lefts', 'leftInside & topInside')};
#elif ${mode === 'bicubic'}
		var value = vec4(0.0);
		for (var tap = 0u; tap < p.taps; tap++) {
			let x0 = left + (f32(tap & 3u) - 1.0);
			let y0 = top + (f32(tap >> 2u) - 1.0);
			let weight = cubic(atX - x0) * cubic(atY - y0);
			let pixelX = vec4<i32>(fold(x0, p.size.x));
			let pixelY = vec4<i32>(fold(y0, p.size.y));
			let nearX = clamp(pixelX, vec4(0), vec4(last.x));
			let nearY = clamp(pixelY, vec4(0), vec4(last.y));
			let columns = vec4<u32>(nearX) * p.steps.w;
			let rows = vec4<u32>(nearY) * p.steps.z;
			let share = ${gather('rows', 'columns', '(pixelX == nearX) & (pixelY == nearY)')} * weight;
			value += select(share, vec4(0.0), weight == vec4(0.0));
		}
#else
		var value = vec4(0.0);
		for (var tap = 0u; tap < p.taps; tap++) {
			let isRight = (tap & 1u) == 1u;
			let isBelow = tap >= 2u;
			let columns = select(lefts, rights, isRight);
			let rows = select(tops, bottoms, isBelow);
			let inside = select(leftInside, rightInside, isRight) & select(topInside, bottomInside, isBelow);
			let weight = select(1.0 - rightPart, rightPart, isRight) * select(1.0 - bottomPart, bottomPart, isBelow);
			let share = ${gather('rows', 'columns', 'inside')} * weight;
			// The first share keeps its sign of zero. A pixel without weight may be NaN and is left out.
			value = select(value, select(value + share, share, tap == 0u), weight != vec4(0.0));
		}
#endif
#if ${store === 'vec4'}
		y[(plane * p.outSize.y + row) * p.rowQuads + quadColumn] = vec4<${type}>(value);
#else
		let begin = (plane * p.outSize.y + row) * p.outSize.x + quadColumn * 4u;
		for (var k = 0u; k < min(4u, p.outSize.x - quadColumn * 4u); k++) {
			y[begin + k] = ${type}(value[k]);
		}
#endif
		source += p.steps.y;
		plane++;
	}
`,
		};
	},
});
