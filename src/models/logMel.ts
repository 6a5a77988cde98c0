/** Log-mel spectrograms, as Hugging Face's WhisperFeatureExtractor computes them. Radford et al. 2022. */
import { tensor } from '../ops/creation';
import { add, clamp, div, log10, maximum, square, sub } from '../ops/elementwise';
import { narrow } from '../ops/layout';
import { matmul } from '../ops/matmul';
import { amax, sum } from '../ops/reduce';
import { stft } from '../ops/stft';
import { hannWindow } from '../ops/windowFunctions';
import type { Tensor } from '../tensor';
import { tidy } from '../tidy';

/** Samples per second. */
export const SAMPLE_RATE = 16000;
const FRAME = 400;
/** Samples from one frame to the next. */
export const HOP = 160;

/** The spectrogram [bins, L / HOP] of samples [L]. */
export function logMel(samples: Tensor, bins: number): Tensor {
	const { device } = samples;
	return tidy(() => {
		const spectra = stft(samples, FRAME, { hopLength: HOP, window: hannWindow(FRAME, { device }) });
		const power = sum(square(narrow(spectra, 1, 0, spectra.shape[1]! - 1)), -1);
		const filters = tensor(melFilters(bins), { shape: [bins, FRAME / 2 + 1], dtype: 'float32', device });
		const log = log10(clamp(matmul(filters, power), { min: 1e-10 }));
		return div(add(maximum(log, sub(amax(log), 8)), 4), 4);
	});
}

/** Slaney's scale: even up to 1000 Hz, then logarithmic. */
function toMel(hertz: number): number {
	return hertz < 1000 ? (3 * hertz) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4);
}

function toHertz(mel: number): number {
	return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
}

/** Triangles over the frequencies of a spectrum, each of area 1 in hertz, [bins, frequencies]. */
function melFilters(bins: number): Float64Array {
	const count = FRAME / 2 + 1;
	const nyquist = SAMPLE_RATE / 2;
	const edges = Array.from({ length: bins + 2 }, (_, i) => toHertz((toMel(nyquist) * i) / (bins + 1)));
	return Float64Array.from({ length: bins * count }, (_, n) => {
		const [low, middle, high] = edges.slice(Math.floor(n / count), Math.floor(n / count) + 3) as [number, number, number];
		const hertz = (nyquist * (n % count)) / (count - 1);
		return (Math.max(0, Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle))) * 2) / (high - low);
	});
}
