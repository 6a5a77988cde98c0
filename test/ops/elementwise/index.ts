/** Elementwise operations, by kind. */
import type { OpEntry } from '../database';
import { arithmetic } from './binary';
import { clamp } from './clamp';
import { logic } from './logic';
import { shrinking } from './shrinking';
import { unary } from './unary';

/** Samples with integer inputs only have no gradient to check. */
function withoutEmptyGradients(entry: OpEntry): OpEntry {
	const samples = entry.samples.map((sample) =>
		sample.inputs.every(({ dtype = 'float32' }) => dtype === 'int32' || dtype === 'bool')
			? { ...sample, gradient: false }
			: sample,
	);
	return { ...entry, samples };
}

export const elementwise: OpEntry[] = [...unary, ...shrinking, clamp, ...arithmetic, ...logic].map(withoutEmptyGradients);
