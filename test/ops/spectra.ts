/** Fourier transforms. PyTorch's complex tensors enter and leave as pairs of numbers. */
import * as w from 'wgrad';
import type { InputSpec, OpEntry, Options, Refusal, Sample, Tolerance } from './database';

const floats = (...shape: number[]): InputSpec => ({ shape });

const tolerance: Tolerance = { relative: 2e-5, absolute: 2e-5, reason: 'sums of up to 270 numbers of both signs, in float32' };

const refuse = (label: string, shape: readonly number[], call: (x: w.Tensor) => unknown, message: RegExp): Refusal => ({
	label,
	call: (device) => call(w.zeros(shape, { device })),
	message,
});

/** The options as arguments of PyTorch. */
function named({ n, dim, norm }: Options): string {
	const given = [n !== undefined && `n=${n}`, dim !== undefined && `dim=${dim}`, norm !== undefined && `norm='${norm}'`];
	return given
		.filter(Boolean)
		.map((part) => `, ${part}`)
		.join('');
}

type Name = 'fft' | 'ifft' | 'rfft' | 'irfft';

const transform = (name: Name, samples: readonly Sample[], refusals: readonly Refusal[]): OpEntry => ({
	name: `fft.${name}`,
	family: 'matmul',
	call: ([x], options) => w.fft[name](x!, options),
	gradient: 'yes',
	samples,
	tolerance,
	torch: (options) => {
		const input = name === 'rfft' ? 'x[0]' : 'torch.view_as_complex(x[0])';
		const call = `torch.fft.${name}(${input}${named(options)})`;
		return name === 'irfft' ? call : `torch.view_as_real(${call})`;
	},
	refusals,
});

const complex: readonly Sample[] = [
	{ label: 'even', inputs: [floats(2, 6, 2)] },
	{ label: 'odd', inputs: [floats(5, 2)], options: { norm: 'ortho' } },
	{ label: 'another dim', inputs: [floats(4, 3, 2)], options: { dim: 0, norm: 'forward' } },
	{ label: 'filled', inputs: [floats(3, 2)], options: { n: 5 } },
	{ label: 'cut', inputs: [floats(5, 2)], options: { n: 4 } },
	{ label: 'one', inputs: [floats(1, 2)] },
];

const needsPairs = (name: Name): Refusal =>
	refuse('no pairs', [4], (x) => w.fft[name](x), new RegExp(`fft.${name}: needs complex numbers as \\[\\.\\.\\., n, 2\\]`));

export const spectra: OpEntry[] = [
	transform(
		'fft',
		[
			...complex,
			{ label: 'two steps', inputs: [floats(270, 2)], gradient: false },
			{ label: 'a large prime', inputs: [floats(131, 2)], gradient: false },
		],
		[
			needsPairs('fft'),
			refuse(
				'norm',
				[4, 2],
				(x) => w.fft.fft(x, { norm: 'both' as 'ortho' }),
				/fft.fft: norm must be 'backward', 'ortho' or 'forward'/,
			),
			refuse('nothing', [0, 2], (x) => w.fft.fft(x), /fft.fft: dim 0 of \[0\] is too short for a transform. Give n/),
		],
	),
	transform('ifft', complex, [needsPairs('ifft')]),
	transform(
		'rfft',
		[
			{ label: 'even', inputs: [floats(2, 6)] },
			{ label: 'odd', inputs: [floats(5)], options: { norm: 'ortho' } },
			{ label: 'another dim', inputs: [{ shape: [4, 3], layout: 'transposed' }], options: { dim: 0, norm: 'forward' } },
			{ label: 'filled', inputs: [floats(3)], options: { n: 8 } },
			{ label: 'long', inputs: [floats(520)], gradient: false },
		],
		[refuse('n of 0', [4], (x) => w.fft.rfft(x, { n: 0 }), /fft.rfft: n must be a whole number of at least 1, not 0/)],
	),
	transform(
		'irfft',
		[
			{ label: 'even', inputs: [floats(2, 4, 2)] },
			{ label: 'odd', inputs: [floats(3, 2)], options: { n: 5, norm: 'ortho' } },
			{ label: 'another dim', inputs: [floats(3, 2, 2)], options: { dim: 0 } },
			{ label: 'long', inputs: [floats(262, 2)], options: { n: 521 }, gradient: false },
		],
		[needsPairs('irfft'), refuse('one', [1, 2], (x) => w.fft.irfft(x), /fft.irfft: dim 0 of \[1\] is too short/)],
	),
	{
		name: 'stft',
		family: 'matmul',
		call: ([x, window], { nFft, ...options }) => w.stft(x!, nFft as number, { ...options, ...(window && { window }) }),
		gradient: 'yes',
		samples: [
			{ label: 'one signal', inputs: [floats(11)], options: { nFft: 4 } },
			{
				label: 'batch, window',
				inputs: [floats(2, 13), { shape: [6], low: 0.5, high: 1 }],
				options: { nFft: 6, hopLength: 2, normalized: true },
			},
			{
				label: 'not centred, short window',
				inputs: [floats(9), { shape: [3], low: 0.5, high: 1 }],
				options: { nFft: 5, winLength: 3, hopLength: 2, center: false, onesided: false },
			},
		],
		tolerance,
		torch: ({ nFft, hopLength, winLength, center = true, normalized = false, onesided = true }) =>
			`torch.view_as_real(torch.stft(x[0], ${nFft}, hop_length=${hopLength ?? 'None'}, win_length=${winLength ?? 'None'}, window=x[1] if len(x) > 1 else None, center=${center ? 'True' : 'False'}, normalized=${normalized ? 'True' : 'False'}, onesided=${onesided ? 'True' : 'False'}, return_complex=True))`,
		refusals: [
			refuse('short', [3], (x) => w.stft(x, 8, { center: false }), /stft: \[3\] is shorter than a frame of 8 elements/),
			refuse('window', [9], (x) => w.stft(x, 4, { window: x }), /stft: window must be \[4\], not \[9\]/),
			refuse('image', [1, 2, 3], (x) => w.stft(x, 2), /stft: input must be \[L\] or \[B, L\]/),
		],
	},
	{
		name: 'istft',
		family: 'matmul',
		call: ([x, window], { nFft, ...options }) => w.istft(x!, nFft as number, { ...options, ...(window && { window }) }),
		gradient: 'yes',
		samples: [
			{ label: 'one signal', inputs: [floats(3, 5, 2)], options: { nFft: 4 } },
			{
				label: 'batch, window',
				inputs: [floats(2, 4, 4, 2), { shape: [6], low: 0.5, high: 1 }],
				options: { nFft: 6, hopLength: 2, length: 5, normalized: true },
			},
		],
		tolerance,
		torch: ({ nFft, hopLength, length, normalized = false }) =>
			`torch.istft(torch.view_as_complex(x[0]), ${nFft}, hop_length=${hopLength ?? 'None'}, window=x[1] if len(x) > 1 else None, length=${length ?? 'None'}, normalized=${normalized ? 'True' : 'False'})`,
		refusals: [refuse('sizes', [4, 5, 2], (x) => w.istft(x, 4), /istft: needs spectra \[3, frames, 2\] or \[B, 3, frames, 2\]/)],
	},
];
