/** Combines transforms. */
import { ArgumentError } from '../../core/errors';
import { defaultGenerator } from '../../core/generator';
import { tidy } from '../../tidy';
import type { Transform } from './transform';

/** Makes a transform that runs `transforms` in order and disposes of the results in between. As `torchvision.transforms.Compose`. */
export function compose(...transforms: readonly Transform[]): Transform {
	for (const transform of transforms) {
		if (typeof transform !== 'function') throw new ArgumentError('compose: takes transforms, such as randomHorizontalFlip()');
	}
	return (batch, { generator = defaultGenerator } = {}) =>
		tidy(() => transforms.reduce((fields, transform) => transform(fields, { generator }), batch));
}
