/** The reference for shaders/pixels.wgsl.ts. */
import type { PixelKernels } from '../contract/pixels';
import { cpuData } from './storage';

export const pixels: PixelKernels = {
	pixels({ x }, { y }) {
		const words = cpuData(x);
		const out = cpuData(y);
		const [channels, height, width] = y.shape as [number, number, number];
		const [, pitch] = x.shape as [number, number];
		const area = height * width;
		for (let row = 0; row < height; row++) {
			for (let column = 0; column < width; column++) {
				const word = words[row * pitch + column]!;
				const bytes = [word & 255, (word >> 8) & 255, (word >> 16) & 255, (word >>> 24) & 255] as const;
				const at = row * width + column;
				if (channels === 1) out[at] = (0.299 * bytes[0] + 0.587 * bytes[1] + 0.114 * bytes[2]) / 255;
				else for (let c = 0; c < channels; c++) out[c * area + at] = bytes[c]! / 255;
			}
		}
	},
};
