/** Short-time Fourier transforms: spectra of overlapping frames of a signal, and back. */
import { requireInteger } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { requireFloatingTensor, requireRank, requireSameDevice } from '../tensorChecks';
import { inFloat32 } from './composed';
import { ones, zerosLike } from './creation';
import { div, mul, square, to } from './elementwise';
import { fft, ifft, irfft, rfft } from './fourier';
import { expand, fold, narrow, type PadMode, pad, reshape, select, squeeze, stack, transpose, unfold, unsqueeze } from './layout';

interface FrameOptions {
	/** The distance of frames. Default a quarter of nFft. */
	readonly hopLength?: number;
	/** The length of the window, which zeros on both sides fill up to nFft. Default nFft. */
	readonly winLength?: number;
	/** A factor for each element of a frame, [winLength]. Default ones. See `hannWindow`. */
	readonly window?: Tensor;
	/** Whether frame t is centred at element t * hopLength, for which the signal is padded. Default true. */
	readonly center?: boolean;
	/** Whether to divide the spectra by the square root of nFft. Default false. */
	readonly normalized?: boolean;
	/** Whether spectra have nFft / 2 + 1 elements, because the others mirror them. Default true. */
	readonly onesided?: boolean;
}

export interface StftOptions extends FrameOptions {
	/** How `center` pads. Default 'reflect'. */
	readonly padMode?: PadMode;
}

export interface IstftOptions extends FrameOptions {
	/** The length of the signal. Default all that the frames cover. */
	readonly length?: number;
}

const FRAME_OPTIONS = ['hopLength', 'winLength', 'window', 'center', 'normalized', 'onesided'] as const;

/**
 * The spectra of the frames of nFft elements of x, [L] or [B, L]: [frequencies, frames, 2] or [B, frequencies, frames, 2], with real and
 * imaginary part in the last dim. As `torch.view_as_real(torch.stft(...))`.
 */
export function stft(x: Tensor, nFft: number, options: StftOptions = {}): Tensor {
	const { padMode = 'reflect' } = checkOptions('stft', options, [...FRAME_OPTIONS, 'padMode']);
	requireFloatingTensor('stft', x);
	requireRank('stft', 'input', x, '[L] or [B, L]', 1, 2);
	const { hop, center, normalized, onesided, windowOn } = framesOf('stft', x, nFft, options);
	const covered = x.shape.at(-1)! + (center ? 2 * Math.floor(nFft / 2) : 0);
	if (covered < nFft) throw new ShapeError(`stft: ${formatShape(x.shape)} is shorter than a frame of ${nFft} elements`);
	return inFloat32('stft', [x], (wide) => {
		const side = Math.floor(nFft / 2);
		const batch = x.ndim === 1 ? unsqueeze(wide, 0) : wide;
		const padded = center ? pad(batch, [side, side], { mode: padMode }) : batch;
		const [count, length] = padded.shape as [number, number];
		const columns = unfold(reshape(padded, [count, 1, 1, length]), [1, nFft], { stride: [1, hop] });
		const frames = mul(transpose(columns, 1, 2), windowOn(wide));
		const norm = normalized ? 'ortho' : 'backward';
		const spectra = onesided ? rfft(frames, { norm }) : fft(stack([frames, zerosLike(frames)], -1), { norm });
		const result = transpose(spectra, 1, 2);
		return x.ndim === 1 ? squeeze(result, 0) : result;
	});
}

/**
 * The inverse of `stft` by least squares: from x [frequencies, frames, 2] or [B, frequencies, frames, 2] to [L] or [B, L]. The options must
 * be those of `stft`, and windows must overlap everywhere. As `torch.istft`.
 */
export function istft(x: Tensor, nFft: number, options: IstftOptions = {}): Tensor {
	const { length } = checkOptions('istft', options, [...FRAME_OPTIONS, 'length']);
	requireFloatingTensor('istft', x);
	const { hop, center, normalized, onesided, windowOn } = framesOf('istft', x, nFft, options);
	const size = onesided ? Math.floor(nFft / 2) + 1 : nFft;
	if ((x.ndim !== 3 && x.ndim !== 4) || x.shape.at(-1) !== 2 || x.shape.at(-3) !== size || x.shape.at(-2) === 0)
		throw new ShapeError(
			`istft: needs spectra [${size}, frames, 2] or [B, ${size}, frames, 2] for nFft ${nFft}, not ${formatShape(x.shape)}`,
		);
	if (length !== undefined) requireInteger('istft', 'length', length, 1);
	const frames = x.shape.at(-2)!;
	const covered = nFft + hop * (frames - 1);
	const start = center ? Math.floor(nFft / 2) : 0;
	const end = length !== undefined ? start + length : covered - start;
	if (end <= start)
		throw new ShapeError(`istft: ${frames} frames cover ${covered} elements, of which none is left without the padding`);
	return inFloat32('istft', [x], (wide) => {
		const spectra = transpose(x.ndim === 3 ? unsqueeze(wide, 0) : wide, 1, 2);
		const norm = normalized ? 'ortho' : 'backward';
		const signals = onesided ? irfft(spectra, { n: nFft, norm }) : select(ifft(spectra, { norm }), -1, 0);
		const window = windowOn(wide);
		const added = (columns: Tensor) => fold(transpose(columns, 1, 2), [1, covered], [1, nFft], { stride: [1, hop] });
		const sums = added(mul(signals, window));
		const weights = added(expand(square(window), [1, frames, nFft]));
		const within = (y: Tensor) => narrow(reshape(y, [y.shape[0]!, covered]), 1, start, Math.min(end, covered) - start);
		const found = div(within(sums), within(weights));
		const whole = end > covered ? pad(found, [0, end - covered]) : found;
		return x.ndim === 3 ? squeeze(whole, 0) : whole;
	});
}

function framesOf(name: string, x: Tensor, nFft: number, options: FrameOptions) {
	requireInteger(name, 'nFft', nFft, 1);
	const {
		winLength = nFft,
		hopLength = Math.floor(nFft / 4),
		window,
		center = true,
		normalized = false,
		onesided = true,
	} = options;
	requireInteger(name, 'hopLength', hopLength, 1);
	requireInteger(name, 'winLength', winLength, 1);
	if (winLength > nFft) throw new ArgumentError(`${name}: winLength ${winLength} is above nFft ${nFft}`);
	if (window !== undefined) {
		requireFloatingTensor(name, window, 'window');
		requireSameDevice(name, x, window);
		if (window.ndim !== 1 || window.size !== winLength)
			throw new ShapeError(`${name}: window must be [${winLength}], not ${formatShape(window.shape)}`);
	}
	const before = Math.floor((nFft - winLength) / 2);
	const windowOn = (like: Tensor) => {
		const given = window === undefined ? ones([winLength], { dtype: like.dtype, device: like.device }) : to(window, like.dtype);
		return winLength === nFft ? given : pad(given, [before, nFft - winLength - before]);
	};
	return { hop: hopLength, center, normalized, onesided, windowOn };
}
