/** The kernels of runtime.gpu.test.ts. */
import { defineKernel, type NoVariant, read, readWrite } from '../shaders/shader';

/** y = x * a + b + the constant that the variant compiles in. */
export const affine = defineKernel({
	name: 'test.affine',
	params: { n: 'u32', a: 'f32', b: 'f32' },
	define: ({ add }: { readonly add: number }) => ({
		bindings: { x: read('f32'), y: readWrite('f32') },
		workgroupSize: 4,
		invocations: 'p.n',
		main: `y[i] = x[i] * p.a + p.b + f32(${add});`,
	}),
});

export const broken = defineKernel({
	name: 'test.broken',
	params: {},
	define: (_: { readonly version: number }) => ({
		bindings: { y: readWrite('f32') },
		main: '	y[0] = nothing + 1.0;',
	}),
});

/** Writes the sum of the first n vectors of parameters. */
export const sumOfWords = defineKernel({
	name: 'test.words',
	params: { words: 'array<vec4<u32>, 31>', n: 'u32' },
	define: (_: NoVariant) => ({
		bindings: { y: readWrite('i32') },
		workgroupSize: 1,
		main: `
	var sum = 0u;
	for (var k = 0u; k < p.n; k++) { sum += dot(p.words[k], vec4u(1u)); }
	y[0] = i32(sum);`,
	}),
});

export const oversized = defineKernel({
	name: 'test.oversized',
	params: { words: 'array<vec4<u32>, 32>', n: 'u32' },
	define: (_: NoVariant) => ({ bindings: { y: readWrite('i32') }, main: 'y[0] = i32(p.n);' }),
});

export const optional = defineKernel({
	name: 'test.optional',
	params: {},
	define: ({ bias }: { readonly bias: boolean }) => ({
		bindings: { bias: bias && read('f32'), y: readWrite('f32') },
		main: `y[0] = ${bias ? 'bias[0]' : '1.0'};`,
	}),
});

/** A kernel with parameters that its launch leaves out. */
export const sparse = defineKernel({
	name: 'test.sparse',
	params: { a: 'u32?', b: 'u32?' },
	define: (_: NoVariant) => ({ bindings: { y: readWrite('f32') }, main: 'y[0] = f32(p.a + p.b);' }),
});
