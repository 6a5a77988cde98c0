/** Attributions averaged over noisy copies of the input. */
import { noGrad } from '../autograd/modes';
import { requireFunction, requireInteger, requireNonNegative, requireOneOf } from '../core/checks';
import { checkOptions } from '../core/options';
import { add, div, mul, sub } from '../ops/elementwise';
import { randnLike } from '../ops/random';
import type { Tensor } from '../tensor';
import { requireFloatingTensor } from '../tensorChecks';
import { tidy } from '../tidy';
import { type SaliencyOptions, saliency } from './gradients';
import type { Interpretable } from './model';

export interface NoiseOptions {
	/** What becomes of the samples: their mean, the mean of their squares, or their variance (divided by n). Default 'smoothgrad'. */
	readonly ntType?: 'smoothgrad' | 'smoothgrad_sq' | 'vargrad';
	/** Noisy copies. Default 5. */
	readonly ntSamples?: number;
	/** The standard deviation of the noise, in the input's units. Default 1. */
	readonly stdevs?: number;
}

const NOISE_OPTIONS = ['ntType', 'ntSamples', 'stdevs'] as const;

/**
 * Calls `attribute` with noisy copies of the input, and combines what it returns, in that shape. The noise is normal and comes from the
 * default generator, so `manualSeed` repeats it. Smilkov et al. 2017, Adebayo et al. 2018. As `captum.attr.NoiseTunnel`.
 *
 * ```ts
 * noiseTunnel((x) => integratedGradients(model, x, { target: 3 }), image, { ntSamples: 10, stdevs: 0.1 });
 * ```
 */
export function noiseTunnel(attribute: (noisy: Tensor) => Tensor, input: Tensor, options: NoiseOptions = {}): Tensor {
	const { ntType = 'smoothgrad', ntSamples = 5, stdevs = 1 } = checkOptions('noiseTunnel', options, NOISE_OPTIONS);
	requireFunction('noiseTunnel', 'attribute', attribute, 'a function from a noisy input to attributions');
	requireFloatingTensor('noiseTunnel', input);
	requireOneOf('noiseTunnel', 'ntType', ntType, ['smoothgrad', 'smoothgrad_sq', 'vargrad']);
	requireInteger('noiseTunnel', 'ntSamples', ntSamples, 1);
	requireNonNegative('noiseTunnel', 'stdevs', stdevs);
	return tidy(() => {
		let center: Tensor | null = null;
		let squares: Tensor | null = null;
		for (let i = 0; i < ntSamples; i++) {
			const [before, squaresBefore]: [Tensor | null, Tensor | null] = [center, squares];
			[center, squares] = tidy((): [Tensor, Tensor | null] => {
				const noisy = noGrad(() => add(input, mul(randnLike(input), stdevs)));
				let found = attribute(noisy);
				requireFloatingTensor('noiseTunnel', found, 'what attribute returns');
				return noGrad(() => {
					if (ntType === 'smoothgrad_sq') found = mul(found, found);
					if (before === null) return [mul(found, 1), ntType === 'vargrad' ? mul(found, 0) : null];
					// Welford's update, because a difference of means of squares cancels.
					const off = sub(found, before);
					const moved = add(before, div(off, i + 1));
					return [moved, squaresBefore === null ? null : add(squaresBefore, mul(off, sub(found, moved)))];
				});
			});
		}
		return ntType === 'vargrad' ? noGrad(() => div(squares!, ntSamples)) : center!;
	});
}

export interface SmoothGradOptions extends SaliencyOptions, NoiseOptions {}

/** The mean saliency over noisy copies of the input [N, ...], which shows less grain than the saliency itself. See `noiseTunnel`. */
export function smoothGrad(model: Interpretable, input: Tensor, options: SmoothGradOptions = {}): Tensor {
	const { ntType, ntSamples, stdevs, ...rest } = checkOptions('smoothGrad', options, [
		'target',
		'additionalForwardArgs',
		'abs',
		...NOISE_OPTIONS,
	]);
	const noise = {
		...(ntType && { ntType }),
		...(ntSamples !== undefined && { ntSamples }),
		...(stdevs !== undefined && { stdevs }),
	};
	return noiseTunnel((noisy) => saliency(model, noisy, rest), input, noise);
}
