/** Repeats elements next to each other. */
import { describe, requireInteger } from '../../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { normalizeDim } from '../../core/shape';
import { Tensor } from '../../tensor';
import { requireTensor } from '../../tensorChecks';
import { composed } from '../composed';
import { cloneIfShared, expand, reshape, unsqueeze } from '../layout/views';
import { expandIndex, gathered } from './gather';

/**
 * Repeats each element `repeats` times along `dim`, or in the flattened tensor without `dim`. A list of repeats has a number for each
 * element along the dim. As `torch.repeat_interleave`.
 */
export function repeatInterleave(x: Tensor, repeats: number | readonly number[] | Int32Array, dim?: number): Tensor {
	requireTensor('repeatInterleave', x);
	const at = dim === undefined ? 0 : normalizeDim('repeatInterleave', dim, x.ndim);
	const counts = typeof repeats === 'number' ? repeats : countsOf(repeats);
	return composed('repeatInterleave', () => {
		const line = dim === undefined || x.ndim === 0 ? reshape(x, [-1]) : x;
		const size = line.shape[at]!;
		if (typeof counts !== 'number') return byCounts(line, counts, at);
		requireInteger('repeatInterleave', 'repeats', counts, 0);
		const each = expand(unsqueeze(line, at + 1), line.shape.toSpliced(at + 1, 0, counts));
		return cloneIfShared(x, reshape(each, line.shape.with(at, size * counts)));
	});
}

function countsOf(repeats: unknown): readonly number[] {
	if (Array.isArray(repeats) || repeats instanceof Int32Array) return [...repeats];
	const cure = repeats instanceof Tensor ? '. Read it first: await repeats.data()' : '';
	throw new ArgumentError(`repeatInterleave: repeats must be a whole number or a list of them, not ${describe(repeats)}${cure}`);
}

function byCounts(x: Tensor, counts: readonly number[], dim: number): Tensor {
	for (const count of counts) requireInteger('repeatInterleave', 'repeats', count, 0);
	if (counts.length !== x.shape[dim])
		throw new ShapeError(
			`repeatInterleave: ${counts.length} repeats for dim ${dim} of ${formatShape(x.shape)}; give one for each of its ${x.shape[dim]} elements`,
		);
	const positions = Int32Array.from(counts.flatMap((count, i) => new Array<number>(count).fill(i)));
	const index = new Tensor(x.backend.upload(positions, 'int32'), [positions.length]);
	return gathered('repeatInterleave', x, dim, expandIndex(index, dim, x.shape));
}
