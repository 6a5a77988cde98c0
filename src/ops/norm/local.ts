/** Normalization by neighbouring channels and by length, composed of other operations. */
import { requireInteger } from '../../core/checks';
import { checkOptions } from '../../core/options';
import type { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { inFloat32 } from '../composed';
import { add, clamp, div, mul, pow, square } from '../elementwise';
import { narrow, pad, reshape } from '../layout';
import { type Dims, norm } from '../reduce';
import { checkNormInput } from './groups';

export interface LocalResponseNormOptions {
	/** Default 1e-4. */
	readonly alpha?: number;
	/** Default 0.75. */
	readonly beta?: number;
	/** Default 1. */
	readonly k?: number;
}

/**
 * x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta for floating x, [N, C, ...]. Missing neighbours count as 0.
 * Krizhevsky et al. 2012. As `torch.nn.functional.local_response_norm`.
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
	const { alpha = 1e-4, beta = 0.75, k = 1 } = checkOptions('localResponseNorm', options, ['alpha', 'beta', 'k']);
	const [batch, channels, spatial] = checkNormInput('localResponseNorm', x, 3);
	requireInteger('localResponseNorm', 'size', size, 1);
	return inFloat32('localResponseNorm', [x], (wide) => {
		const squares = pad(reshape(square(wide), [batch, channels, spatial]), [
			0,
			0,
			Math.floor(size / 2),
			Math.floor((size - 1) / 2),
		]);
		let total = narrow(squares, 1, 0, channels);
		for (let shift = 1; shift < size; shift++) total = add(total, narrow(squares, 1, shift, channels));
		return div(wide, pow(add(mul(reshape(total, x.shape), alpha / size), k), beta));
	});
}

export interface NormalizeOptions {
	/** The order of the norm. Default 2. */
	readonly p?: number;
	/** Default 1. */
	readonly dim?: Dims;
	/** The least divisor. Default 1e-12. */
	readonly eps?: number;
}

/** x / max(norm of x over dim, eps). As `torch.nn.functional.normalize`. */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
	const { p = 2, dim = 1, eps = 1e-12 } = checkOptions('normalize', options, ['p', 'dim', 'eps']);
	requireTensor('normalize', x);
	return inFloat32('normalize', [x], (wide) => div(wide, clamp(norm(wide, dim, { p, keepdim: true }), { min: eps })));
}
