/** Sentences of an artificial language: a random phrase, repeated. */
import { type Device, randint, type Tensor, tidy } from 'wgrad';
import { MASK } from './model';

/** Draws int32 [count, phrase * times] of tokens above MASK. */
export function drawPhrases(
	count: number,
	{ vocabulary, phrase, times }: { readonly vocabulary: number; readonly phrase: number; readonly times: number },
	device: Device,
): Tensor {
	return tidy(() => randint(MASK + 1, vocabulary, [count, phrase], { device }).repeat([1, times]));
}
