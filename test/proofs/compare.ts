/** Compares arrays for the proofs, and draws their incoming gradients. */
import { type Tensor, tensor } from 'wgrad';
import { stream } from '../ops/database';

export interface Allowed {
	readonly relative: number;
	readonly absolute: number;
}

/**
 * Throws with the worst element unless |actual - expected| <= absolute + relative * |expected|. NaN equals NaN, and infinities
 * their like.
 */
export function requireClose(
	what: string,
	actual: ArrayLike<number>,
	expected: ArrayLike<number>,
	{ relative, absolute }: Allowed,
): void {
	if (actual.length !== expected.length)
		throw new Error(`${what}: ${actual.length} elements where ${expected.length} were expected`);
	let worst = -1;
	let excess = 1;
	let count = 0;
	for (let i = 0; i < actual.length; i++) {
		const [a, e] = [actual[i]!, expected[i]!];
		if (Object.is(a, e) || a === e) continue;
		const ratio =
			Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) / (absolute + relative * Math.abs(e)) : Number.POSITIVE_INFINITY;
		if (ratio <= 1) continue;
		count++;
		if (ratio > excess || worst < 0) {
			worst = i;
			excess = ratio;
		}
	}
	if (worst >= 0) {
		throw new Error(
			`${what}: ${count} of ${actual.length} elements differ; worst at ${worst}: ${actual[worst]} instead of ${expected[worst]}, ${excess.toPrecision(3)} times what is allowed (relative ${relative}, absolute ${absolute})`,
		);
	}
}

/** A fixed random gradient for each output, exact in float32; `round` rounds its values further. */
export function cotangents(outputs: readonly Tensor[], round?: (values: readonly number[]) => readonly number[]): Tensor[] {
	return outputs.map((output, i) => {
		const next = stream(`cotangent ${i} of ${output.shape}`);
		const values = Array.from({ length: output.size }, () => Math.fround((next() < 0.5 ? -1 : 1) * (0.5 + next())));
		return tensor(round?.(values) ?? values, { shape: output.shape, dtype: output.dtype, device: output.device });
	});
}

export function differentiableInputs(inputs: readonly Tensor[]): Tensor[] {
	return inputs.filter((input) => input.requiresGrad);
}
