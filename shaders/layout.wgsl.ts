/**
 * Kernels that move elements: copies between views of any strides, fill, arange and constant padding. Only the width of an element
 * matters to a copy, so float32, int32 and bool share the u32 variants and keep their bits.
 *
 * copy, fill : the frame of elementwise.wgsl.ts, whose accesses serve inputs and outputs alike.
 * transpose  : a copy where x is consecutive along another dimension than y. A thread moves a tile of 4 x 4 through registers, so that
 *              loads and stores are both vec4 (three times as fast as the strided copy on software adapters); a workgroup of 64 takes 32 x 32.
 * arange, pad: a thread makes four consecutive elements of a contiguous output; workgroups of 64.
 */
import { wgsl } from 'wgsl-preprocessor';
import { elementwiseSource, type MoveVariant } from './elementwise.wgsl';
import type { ShaderTemplate, StorageType } from './shader';

export const copy: ShaderTemplate<MoveVariant> = {
	name: 'layout.copy',
	source: ({ type, access }) =>
		elementwiseSource({ access, operands: [{ name: 'x', stored: type, computed: type }], output: type, value: 'x' }),
};

export type TransposeVariant = { type: 'u32' | 'f16' };

/**
 * Columns are the dimension along which x is consecutive, rows that along which y is; both have a multiple of 4 elements. Offsets and
 * steps count quads: `xStep` from row to row in x, `yStep` from column to column in y. The other dimensions are `sizes`, with
 * steps in x and y in the first and second component of `steps`.
 */
export const transpose: ShaderTemplate<TransposeVariant> = {
	name: 'layout.transpose',
	source({ type }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	sizes: array<vec4<u32>, 2>,
	steps: array<vec4<u32>, 8>,
	rank: u32,
	count: u32,
	rowQuads: u32,
	columnQuads: u32,
	xOffset: u32,
	yOffset: u32,
	xStep: u32,
	yStep: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<${type}>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<${type}>>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let rowTiles = (p.rowQuads + 7u) / 8u;
	let columnTiles = (p.columnQuads + 7u) / 8u;
	let tile = wid.x + wid.y * nwg.x;
	let column = tile % columnTiles * 8u + lid % 8u;
	let row = tile / columnTiles % rowTiles * 8u + lid / 8u;
	var rest = tile / columnTiles / rowTiles;
	if (rest >= p.count || row >= p.rowQuads || column >= p.columnQuads) {
		return;
	}
	var at = vec2(p.xOffset, p.yOffset);
	for (var d = p.rank; d > 0u; d--) {
		let size = p.sizes[(d - 1u) / 4u][(d - 1u) % 4u];
		at += rest % size * p.steps[d - 1u].xy;
		rest /= size;
	}
	let source = at.x + row * 4u * p.xStep + column;
	let place = at.y + column * 4u * p.yStep + row;
	let a = x[source];
	let b = x[source + p.xStep];
	let c = x[source + 2u * p.xStep];
	let d = x[source + 3u * p.xStep];
	y[place] = vec4(a.x, b.x, c.x, d.x);
	y[place + p.yStep] = vec4(a.y, b.y, c.y, d.y);
	y[place + 2u * p.yStep] = vec4(a.z, b.z, c.z, d.z);
	y[place + 3u * p.yStep] = vec4(a.w, b.w, c.w, d.w);
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};

/** p0 has the bits of the value: of the element itself, or for f16 of a float32. */
export const fill: ShaderTemplate<MoveVariant> = {
	name: 'layout.fill',
	source: ({ type, access }) =>
		elementwiseSource({ access, operands: [], output: type, value: type === 'f16' ? 'vec4(bitcast<f32>(p.p0))' : 'vec4(p.p0)' }),
};

export type ArangeVariant = { type: StorageType };

/** Params: size, and the bits of start and step, as i32 or f32. */
export const arange: ShaderTemplate<ArangeVariant> = {
	name: 'layout.arange',
	source({ type }) {
		const computed = type === 'i32' ? 'i32' : 'f32';
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	size: u32,
	start: u32,
	step: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<${type}>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let first = ((wid.x + wid.y * nwg.x) * 64u + lid) * 4u;
	for (var i = first; i < min(first + 4u, p.size); i++) {
		out[i] = ${type}(bitcast<${computed}>(p.start) + ${computed}(i) * bitcast<${computed}>(p.step));
	}
}
`;
		return { code, bindings: ['read_write'] };
	},
};

export type PadVariant = { type: 'u32' | 'f16' };

/**
 * Dimension d of the output has outSizes, of the input inSizes elements, of which the first stands at `before`, which may be
 * negative. `value` has the bits of the padding, of a float32 for f16.
 */
export const pad: ShaderTemplate<PadVariant> = {
	name: 'layout.pad',
	source({ type }) {
		const code = wgsl`
#if ${type === 'f16'}
enable f16;
#endif
struct Params {
	outSizes: array<vec4<u32>, 2>,
	inSizes: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 2>,
	before: array<vec4<i32>, 2>,
	size: u32,
	rank: u32,
	offset: u32,
	value: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read_write> out: array<${type}>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let first = ((wid.x + wid.y * nwg.x) * 64u + lid) * 4u;
	if (first >= p.size) {
		return;
	}
#if ${type === 'f16'}
	let value = f16(bitcast<f32>(p.value));
#else
	let value = p.value;
#endif
	var rest = vec4(first) + vec4(0u, 1u, 2u, 3u);
	var at = vec4(p.offset);
	var inside = vec4(true);
	for (var d = p.rank; d > 0u; d--) {
		let word = (d - 1u) / 4u;
		let lane = (d - 1u) % 4u;
		let next = rest / vec4(p.outSizes[word][lane]);
		let coordinate = vec4<i32>(rest - next * p.outSizes[word][lane]) - vec4(p.before[word][lane]);
		// A negative coordinate is a large unsigned one.
		inside &= vec4<u32>(coordinate) < vec4(p.inSizes[word][lane]);
		at += vec4<u32>(coordinate) * p.strides[word][lane];
		rest = next;
	}
	for (var k = 0u; k < min(4u, p.size - first); k++) {
		var element = value;
		if (inside[k]) {
			element = x[at[k]];
		}
		out[first + k] = element;
	}
}
`;
		return { code, bindings: ['read', 'read_write'] };
	},
};
