/** Products with quantised matrices beside the same products in float32. */
import { linear, noGrad, quantizedLinear, quantizeWeight, randn } from 'wgrad';
import type { Case } from './cases';

const WIDTH = 2048;

/** One line is a step of generation, 64 lines a prompt. */
function product(lines: number, bits: 32 | 8 | 4): Case {
	return {
		name: `linear ${lines}x${WIDTH} to ${WIDTH}, ${bits} bits`,
		family: 'quantized',
		flops: 2 * lines * WIDTH ** 2,
		slowReference: true,
		prepare: (device) => {
			const x = randn([lines, WIDTH], { device });
			const weight = randn([WIDTH, WIDTH], { device });
			if (bits === 32) return () => noGrad(() => linear(x, weight));
			const codes = quantizeWeight(weight, { bits, groupSize: 32 });
			return () => noGrad(() => quantizedLinear(x, codes));
		},
	};
}

export const quantizedCases: readonly Case[] = [1, 64].flatMap((lines) =>
	([32, 8, 4] as const).map((bits) => product(lines, bits)),
);
