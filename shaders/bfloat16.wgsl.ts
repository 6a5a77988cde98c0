/**
 * Conversion between bfloat16 storage and the float32 that kernels compute with. A bfloat16 is the upper half of a float32; two share a
 * word, the first in its lower half.
 *
 * unpack  one invocation a word: a word of bfloat16 becomes two words of float32.
 * pack    one invocation a word: two words of float32 become one of bfloat16, rounded to nearest, ties to even. NaN stays NaN.
 *
 * All buffers hold bits, because WGSL lets compilers change NaN and subnormal floats. The packed words start at `firstWord`, the float32 at
 * 0. `count` is the number of float32; if it is odd, the last upper half belongs to no element.
 *
 * Ladder: one variant. Both are bound by memory.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, type NoVariant, read, readWrite } from './shader';

const PARAMS = { firstWord: 'u32', count: 'u32' } as const;

export const unpack = defineKernel({
	name: 'bfloat16.unpack',
	params: PARAMS,
	define: (_: NoVariant) => ({
		bindings: { packed: read('u32'), singles: readWrite('u32') },
		invocations: '(p.count + 1u) / 2u',
		main: wgsl`
	let word = packed[p.firstWord + i];
	singles[2u * i] = word << 16u;
	if (2u * i + 1u < p.count) {
		singles[2u * i + 1u] = word & 0xffff0000u;
	}
`,
	}),
});

export const pack = defineKernel({
	name: 'bfloat16.pack',
	params: PARAMS,
	define: (_: NoVariant) => ({
		bindings: { singles: read('u32'), packed: readWrite('u32') },
		invocations: '(p.count + 1u) / 2u',
		functions: wgsl`
fn upperHalf(word: u32) -> u32 {
	if ((word & 0x7fffffffu) > 0x7f800000u) {
		return select(0x7fc0u, word >> 16u, (word & 0xffffu) == 0u);
	}
	return (word + 0x7fffu + ((word >> 16u) & 1u)) >> 16u;
}
`,
		main: wgsl`
	var word = upperHalf(singles[2u * i]);
	if (2u * i + 1u < p.count) {
		word |= upperHalf(singles[2u * i + 1u]) << 16u;
	}
	packed[p.firstWord + i] = word;
`,
	}),
});
