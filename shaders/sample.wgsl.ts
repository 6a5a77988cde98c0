/**
 * Images sampled at places of one's own: y [N, C, H', W'] from x [N, C, H, W].
 *
 * A thread makes one place of up to four channels, so that the place and its weights are computed once for an RGB image; workgroups of 64.
 * x has any strides, y is contiguous. A place is (column, row) in pixels, from an affine map of each image or from a grid:
 *
 *   affine: (m0 j + m1 i + m2, m3 j + m4 i + m5) with m = matrices[n], [N, 6] contiguous
 *   grid  : grid[n, i, j] * scale + shift, any strides
 *
 * Whole numbers come out exactly, fused multiply-adds or not, so flips, crops and shifts by whole pixels move bits and nothing else.
 * `fold` brings a place outside of the image back into it, for all kinds of padding but 'constant', which has `fill` there. Host: H and W
 * are at least 1. Places that are NaN or immense read some pixel or `fill`, never memory outside.
 */
import { wgsl } from 'wgsl-preprocessor';
import type { ShaderTemplate } from './shader';

export const SAMPLE_WORKGROUP = 64;
export const SAMPLE_CHANNELS = 4;

export type SampleVariant = {
	type: 'f32' | 'f16';
	places: 'affine' | 'grid';
	mode: 'bilinear' | 'nearest';
	padding: 'constant' | 'edge' | 'reflect' | 'symmetric';
};

const FOLD: Record<SampleVariant['padding'], string> = {
	// Far enough outside that no pixel is touched, near enough to be a whole number.
	constant: 'return clamp(place, vec2(-2.0), p.size + 1.0);',
	edge: 'return clamp(place, vec2(0.0), p.size - 1.0);',
	reflect: 'return clamp(mirrored(place, p.size - 1.0), vec2(0.0), p.size - 1.0);',
	symmetric: 'return clamp(mirrored(place + 0.5, p.size) - 0.5, vec2(0.0), p.size - 1.0);',
};

export const sample: ShaderTemplate<SampleVariant> = {
	name: 'sample.image',
	source({ type, places, mode, padding }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	steps: vec4<u32>,
	gridSteps: vec4<u32>,
	/** Width and height of x. */
	size: vec2<f32>,
	scale: vec2<f32>,
	shift: vec2<f32>,
	outSize: vec2<u32>,
	channels: u32,
	groups: u32,
	total: u32,
	offset: u32,
	placeOffset: u32,
	fill: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read> places: array<${places === 'affine' ? 'f32' : type}>;
@group(0) @binding(3) var<storage, read_write> y: array<${type}>;

#if ${padding === 'reflect' || padding === 'symmetric'}
/** Mirrored back and forth between 0 and span. */
fn mirrored(place: vec2<f32>, span: vec2<f32>) -> vec2<f32> {
	let far = abs(place);
	let times = floor(far / max(span, vec2(1.0)));
	let rest = far - times * span;
	return select(rest, span - rest, times - 2.0 * floor(times * 0.5) == vec2(1.0));
}
#endif

fn fold(place: vec2<f32>) -> vec2<f32> {
	${FOLD[padding]}
}

@compute @workgroup_size(${SAMPLE_WORKGROUP})
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let i = (wid.x + wid.y * nwg.x) * ${SAMPLE_WORKGROUP}u + lid;
	if (i >= p.total) {
		return;
	}
	let column = i % p.outSize.x;
	let row = i / p.outSize.x % p.outSize.y;
	let rest = i / (p.outSize.x * p.outSize.y);
	let first = rest % p.groups * ${SAMPLE_CHANNELS}u;
	let n = rest / p.groups;
#if ${places === 'affine'}
	let m = p.placeOffset + n * 6u;
	let pixel = vec2(f32(column), f32(row));
	let place = fold(vec2(
		places[m] * pixel.x + places[m + 1u] * pixel.y + places[m + 2u],
		places[m + 3u] * pixel.x + places[m + 4u] * pixel.y + places[m + 5u],
	));
#else
	let g = p.placeOffset + n * p.gridSteps.x + row * p.gridSteps.y + column * p.gridSteps.z;
	let place = fold(vec2(f32(places[g]), f32(places[g + p.gridSteps.w])) * p.scale + p.shift);
#endif
	let last = vec2<i32>(p.size) - 1;
#if ${mode === 'nearest'}
	let corner = vec2<i32>(round(place));
#else
	let corner = vec2<i32>(floor(place));
	let part = place - floor(place);
	let isPixel = part.x == 0.0 && part.y == 0.0;
	let next = clamp(corner + 1, vec2(0), last);
	let nextInside = ${padding === 'constant' ? 'corner + 1 == next' : 'vec2(true)'};
#endif
	let near = clamp(corner, vec2(0), last);
	let nearInside = corner == near;
	let columns = ${mode === 'nearest' ? 'vec2(u32(near.x))' : 'vec2(u32(near.x), u32(next.x))'} * p.steps.w;
	let rows = ${mode === 'nearest' ? 'vec2(u32(near.y))' : 'vec2(u32(near.y), u32(next.y))'} * p.steps.z;
	let plane = p.outSize.x * p.outSize.y;
	var source = p.offset + n * p.steps.x + first * p.steps.y;
	var to = (n * p.channels + first) * plane + row * p.outSize.x + column;
	let count = min(${SAMPLE_CHANNELS}u, p.channels - first);
	for (var c = 0u; c < count; c++) {
		let a = select(p.fill, f32(x[source + rows.x + columns.x]), nearInside.x && nearInside.y);
#if ${mode === 'nearest'}
		y[to] = ${type}(a);
#else
		let b = select(p.fill, f32(x[source + rows.x + columns.y]), nextInside.x && nearInside.y);
		let d = select(p.fill, f32(x[source + rows.y + columns.x]), nearInside.x && nextInside.y);
		let e = select(p.fill, f32(x[source + rows.y + columns.y]), nextInside.x && nextInside.y);
		let above = a * (1.0 - part.x) + b * part.x;
		let below = d * (1.0 - part.x) + e * part.x;
		y[to] = ${type}(select(above * (1.0 - part.y) + below * part.y, a, isPixel));
#endif
		source += p.steps.y;
		to += plane;
	}
}
`;
		return { code, bindings: ['read', 'read', 'read_write'] };
	},
};
