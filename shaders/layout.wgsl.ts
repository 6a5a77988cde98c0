/**
 * Kernels that move elements: copies between views of any strides, fill, arange and constant padding. Only the width of an element
 * matters to a copy, so float32, int32 and bool share the u32 variants and keep their bits.
 *
 * copy, fill : the frame of elementwise.wgsl.ts, whose accesses flat, rows and strided serve inputs and outputs alike.
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
