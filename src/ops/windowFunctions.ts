/** Windows for spectra of frames, such as those of `stft`. The host computes them in float64. */
import { requireFinite, requireInteger } from '../core/checks';
import { requireFloating } from '../core/dtype';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { tensor } from './creation';
import type { RandomOptions } from './random';

export interface WindowOptions extends RandomOptions {
	/** Whether the window continues periodically, which suits spectra, or is symmetric, which suits filters. Default true. */
	readonly periodic?: boolean;
}

const OPTIONS = ['periodic', 'dtype', 'device', 'requiresGrad'] as const;

function made(name: string, length: number, options: WindowOptions, value: (fraction: number) => number): Tensor {
	const { periodic = true, dtype = 'float32', device, requiresGrad = false } = options;
	requireInteger(name, 'length', length, 0, 2 ** 31);
	requireFloating(name, dtype, 'dtype');
	const last = periodic ? length : length - 1;
	const values = Float64Array.from({ length }, (_, i) => (length === 1 ? 1 : value(i / last)));
	return tensor(values, { dtype, requiresGrad, ...(device !== undefined && { device }) });
}

const cosine = (multiple: number, fraction: number) => Math.cos(2 * Math.PI * multiple * fraction);

/** 0.5 - 0.5 cos(2 pi i / length). As `torch.hann_window`. */
export function hannWindow(length: number, options: WindowOptions = {}): Tensor {
	checkOptions('hannWindow', options, OPTIONS);
	return made('hannWindow', length, options, (t) => 0.5 - 0.5 * cosine(1, t));
}

/** 0.54 - 0.46 cos(2 pi i / length). As `torch.hamming_window`. */
export function hammingWindow(length: number, options: WindowOptions = {}): Tensor {
	checkOptions('hammingWindow', options, OPTIONS);
	return made('hammingWindow', length, options, (t) => 0.54 - 0.46 * cosine(1, t));
}

/** 0.42 - 0.5 cos(2 pi i / length) + 0.08 cos(4 pi i / length). As `torch.blackman_window`. */
export function blackmanWindow(length: number, options: WindowOptions = {}): Tensor {
	checkOptions('blackmanWindow', options, OPTIONS);
	return made('blackmanWindow', length, options, (t) => 0.42 - 0.5 * cosine(1, t) + 0.08 * cosine(2, t));
}

/** A triangle from 0 to 1 and back. As `torch.bartlett_window`. */
export function bartlettWindow(length: number, options: WindowOptions = {}): Tensor {
	checkOptions('bartlettWindow', options, OPTIONS);
	return made('bartlettWindow', length, options, (t) => 1 - Math.abs(2 * t - 1));
}

export interface KaiserOptions extends WindowOptions {
	/** The larger, the wider the main lobe and the lower the side lobes. Default 12. */
	readonly beta?: number;
}

/** I0(beta sqrt(1 - (2 i / length - 1)^2)) / I0(beta), with the Bessel function I0. As `torch.kaiser_window`. */
export function kaiserWindow(length: number, options: KaiserOptions = {}): Tensor {
	const { beta = 12, ...rest } = checkOptions('kaiserWindow', options, [...OPTIONS, 'beta']);
	requireFinite('kaiserWindow', 'beta', beta);
	return made('kaiserWindow', length, rest, (t) => bessel(beta * Math.sqrt(Math.max(0, 1 - (2 * t - 1) ** 2))) / bessel(beta));
}

/** The modified Bessel function of the first kind and order 0, by its power series. All terms are positive, so no digits cancel. */
function bessel(x: number): number {
	const square = (x / 2) ** 2;
	let [sum, term] = [1, 1];
	for (let k = 1; term > sum * 1e-17; k++) {
		term *= square / (k * k);
		sum += term;
	}
	return sum;
}
