/** Several transforms as one. */
import { ArgumentError } from '../../core/errors';
import { defaultGenerator } from '../../core/generator';
import { tidy } from '../../tidy';
import type { Transform } from './transform';

/** One transform that runs `transforms` in order; what lies between them is disposed of. As `torchvision.transforms.Compose`. */
export function compose(...transforms: readonly Transform[]): Transform {
	for (const transform of transforms) {
		if (typeof transform !== 'function') throw new ArgumentError('compose: takes transforms, such as randomHorizontalFlip()');
	}
	return (batch, { generator = defaultGenerator } = {}) =>
		tidy(() => transforms.reduce((fields, transform) => transform(fields, { generator }), batch));
}
