/** Sentences of a made-up language: a phrase drawn at random, said again and again. */
import { type Device, randint, type Tensor, tidy } from 'wgrad';
import { MASK } from './model';

/** [count, phrase * times] int32 of tokens above MASK. */
export function drawPhrases(
	count: number,
	{ vocabulary, phrase, times }: { readonly vocabulary: number; readonly phrase: number; readonly times: number },
	device: Device,
): Tensor {
	return tidy(() => randint(MASK + 1, vocabulary, [count, phrase], { device }).repeat([1, times]));
}
