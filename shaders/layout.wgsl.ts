/**
 * Kernels that move elements: copies between views of any strides, fill, arange and constant padding. A copy depends only on the
 * width of an element, so float32, int32 and bool share the u32 variants and keep their bits.
 *
 * copy, fill : the frame of elementwise.wgsl.ts; its accesses serve inputs and outputs alike.
 * transpose  : a copy between tensors that are consecutive along different dimensions. A thread moves a tile of 4 x 4 through
 *              registers, so that loads and stores are both vec4 (three times as fast as the strided copy on software adapters).
 *              A workgroup of 64 takes 32 x 32.
 * arange, pad: a thread makes four consecutive elements of a contiguous output; workgroups of 64.
 */
import { wgsl } from 'wgsl-preprocessor';
import { copiedOperand, defineElementwiseKernel, type MoveVariant, scalarBits } from './elementwise.wgsl';
import { defineKernel, read, readWrite, type StorageType } from './shader';

export const copy = defineElementwiseKernel('layout.copy', ({ type, access }: MoveVariant) => ({
	access,
	operands: { x: copiedOperand(type) },
	output: type,
	value: 'x',
}));

type TransposeVariant = { type: 'u32' | 'f16' };

/**
 * x is consecutive along columns and y along rows; both dimensions have a multiple of 4 elements. Offsets and
 * steps count quads: `xStep` from row to row in x, `yStep` from column to column in y. The other dimensions are `sizes`, with
 * steps in x and y in the first and second component of `steps`.
 */
export const transpose = defineKernel({
	name: 'layout.transpose',
	params: {
		sizes: 'array<vec4<u32>, 2>',
		steps: 'array<vec4<u32>, 8>',
		rank: 'u32',
		count: 'u32',
		rowQuads: 'u32',
		columnQuads: 'u32',
		xOffset: 'u32',
		yOffset: 'u32',
		xStep: 'u32',
		yStep: 'u32',
	},
	define: ({ type }: TransposeVariant) => ({
		bindings: { x: read(`vec4<${type}>`), y: readWrite(`vec4<${type}>`) },
		main: wgsl`
	let rowTiles = (p.rowQuads + 7u) / 8u;
	let columnTiles = (p.columnQuads + 7u) / 8u;
	let column = groupIndex % columnTiles * 8u + lid % 8u;
	let row = groupIndex / columnTiles % rowTiles * 8u + lid / 8u;
	var rest = groupIndex / columnTiles / rowTiles;
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
`,
	}),
});

export const fill = defineElementwiseKernel('layout.fill', ({ type, access }: MoveVariant) => ({
	access,
	operands: {},
	output: type,
	value: scalarBits(type, 's'),
}));

type ArangeVariant = { type: StorageType };

export const arange = defineKernel({
	name: 'layout.arange',
	params: { size: 'u32', start: 'f32?', step: 'f32?', integerStart: 'i32?', integerStep: 'i32?' },
	define({ type }: ArangeVariant) {
		const isInteger = type === 'i32';
		const computed = isInteger ? 'i32' : 'f32';
		const [start, step] = isInteger ? ['p.integerStart', 'p.integerStep'] : ['p.start', 'p.step'];
		return {
			bindings: { out: readWrite(type) },
			invocations: '(p.size + 3u) / 4u',
			main: wgsl`
	for (var k = 4u * i; k < min(4u * i + 4u, p.size); k++) {
		out[k] = ${type}(${start} + ${computed}(k) * ${step});
	}
`,
		};
	},
});

type PadVariant = { type: 'u32' | 'f16' };

/** Dimension d of the output has outSizes elements; the input's first element is at position `before`, which may be negative. */
export const pad = defineKernel({
	name: 'layout.pad',
	params: {
		x: 'view',
		outSizes: 'array<vec4<u32>, 2>',
		before: 'array<vec4<i32>, 2>',
		size: 'u32',
		/** The padding, as a float or an integer; the other is 0. */
		s: 'bits?',
		integerS: 'u32?',
	},
	define: ({ type }: PadVariant) => ({
		bindings: { x: read(type), out: readWrite(type) },
		invocations: '(p.size + 3u) / 4u',
		main: wgsl`
	let first = i * 4u;
	let value = ${type === 'f16' ? 'f16(bitcast<f32>(p.s))' : 'p.s | p.integerS'};
	var rest = vec4(first) + vec4(0u, 1u, 2u, 3u);
	var at = vec4(p.x.offset);
	var inside = vec4(true);
	for (var d = p.x.rank; d > 0u; d--) {
		let word = (d - 1u) / 4u;
		let lane = (d - 1u) % 4u;
		let next = rest / vec4(p.outSizes[word][lane]);
		let coordinate = vec4<i32>(rest - next * p.outSizes[word][lane]) - vec4(p.before[word][lane]);
		// A negative coordinate becomes a large unsigned number.
		inside &= vec4<u32>(coordinate) < vec4(p.x.shape[word][lane]);
		at += vec4<u32>(coordinate) * p.x.strides[word][lane];
		rest = next;
	}
	for (var k = 0u; k < min(4u, p.size - first); k++) {
		var element = value;
		if (inside[k]) {
			element = x[at[k]];
		}
		out[first + k] = element;
	}
`,
	}),
});
