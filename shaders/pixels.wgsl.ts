/**
 * Pixels as planes: y[c, h, w] = byte c of x[h, w], divided by 255. An invocation has a pixel and writes it to one, three or four planes.
 *
 * x is [H, pitch], a word for each pixel, red in its lowest byte: the bytes of an ImageData, or of a texture in rgba8unorm copied to a buffer,
 * whose rows WebGPU begins at multiples of 256 bytes. y [C, H, W] is contiguous.
 */
import { wgsl } from 'wgsl-preprocessor';
import { defineKernel, read, readWrite } from './shader';

export type PixelsVariant = { channels: 1 | 3 | 4 };

const STORES = {
	1: 'y[i] = (0.299 * rgba.x + 0.587 * rgba.y + 0.114 * rgba.z) / 255.0;',
	3: 'y[i] = rgba.x / 255.0;\n	y[i + p.n] = rgba.y / 255.0;\n	y[i + 2u * p.n] = rgba.z / 255.0;',
	4: 'y[i] = rgba.x / 255.0;\n	y[i + p.n] = rgba.y / 255.0;\n	y[i + 2u * p.n] = rgba.z / 255.0;\n	y[i + 3u * p.n] = rgba.w / 255.0;',
};

export const pixelsKernel = defineKernel({
	name: 'pixel.planes',
	params: {
		/** H * W. */
		n: 'u32',
		width: 'u32',
		pitch: 'u32',
	},
	define: ({ channels }: PixelsVariant) => ({
		bindings: { x: read('u32'), y: readWrite('f32') },
		invocations: 'p.n',
		main: wgsl`
	let row = i / p.width;
	let word = x[row * p.pitch + i - row * p.width];
	let rgba = vec4<f32>((vec4<u32>(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
	${STORES[channels]}
`,
	}),
});
