/** Channels into pixels and back. */
import { pixelShuffle, pixelUnshuffle, zeros } from 'wgrad';
import type { OpEntry } from './database';

export const pixels: OpEntry[] = [
	{
		name: 'pixelShuffle',
		family: 'layout',
		call: ([x], { factor }) => pixelShuffle(x!, factor as number),
		gradient: 'yes',
		samples: [
			{ label: 'twice', inputs: [{ shape: [2, 8, 3, 1] }], options: { factor: 2 } },
			{ label: 'three times', inputs: [{ shape: [1, 9, 2, 2] }], options: { factor: 3 } },
			{ label: 'one image', inputs: [{ shape: [4, 2, 3] }], options: { factor: 2 } },
			{ label: 'transposed', inputs: [{ shape: [1, 4, 3, 2], layout: 'transposed' }], options: { factor: 2 } },
			{ label: 'no images', inputs: [{ shape: [0, 4, 3, 2] }], options: { factor: 2 }, gradient: false },
		],
		torch: ({ factor }) => `F.pixel_shuffle(x[0], ${factor})`,
		refusals: [
			{
				label: 'channels',
				call: (device) => pixelShuffle(zeros([1, 6, 2, 2], { device }), 2),
				message: /pixelShuffle: 6 channels of \[1, 6, 2, 2\] are no multiple of upscaleFactor\^2, 4/,
			},
			{
				label: 'factor',
				call: (device) => pixelShuffle(zeros([1, 4, 2, 2], { device }), 1.5),
				message: /pixelShuffle: upscaleFactor is 1\.5/,
			},
		],
	},
	{
		name: 'pixelUnshuffle',
		family: 'layout',
		call: ([x], { factor }) => pixelUnshuffle(x!, factor as number),
		gradient: 'yes',
		samples: [
			{ label: 'twice', inputs: [{ shape: [2, 2, 4, 2] }], options: { factor: 2 } },
			{ label: 'strided', inputs: [{ shape: [3, 3, 3], layout: 'strided' }], options: { factor: 3 } },
		],
		torch: ({ factor }) => `F.pixel_unshuffle(x[0], ${factor})`,
		refusals: [
			{
				label: 'sizes',
				call: (device) => pixelUnshuffle(zeros([1, 1, 4, 3], { device }), 2),
				message: /pixelUnshuffle: height and width of \[1, 1, 4, 3\] are no multiples of downscaleFactor 2/,
			},
		],
	},
];
