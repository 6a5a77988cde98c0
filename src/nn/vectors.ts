/** Parameters as one vector, and sequences as one batch. */
import { noGrad } from '../autograd/modes';
import { requireFinite } from '../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import { sameShape } from '../core/shape';
import { composed } from '../ops/composed';
import { copy_ } from '../ops/inplace';
import { cat, narrow, pad, reshape, stack } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireParameters, requireTensor } from '../tensorChecks';
import { tidy } from '../tidy';

/** All parameters in order, flattened into one vector. Differentiable. As `torch.nn.utils.parameters_to_vector`. */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
	const list = requireParameters('parametersToVector', parameters);
	return composed('parametersToVector', () => cat(list.map((parameter) => reshape(parameter, [-1]))));
}

/** Copies consecutive parts of a vector into the parameters. As `torch.nn.utils.vector_to_parameters`. */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
	requireTensor('vectorToParameters', vector, 'vector');
	const list = requireParameters('vectorToParameters', parameters);
	const total = list.reduce((sum, { size }) => sum + size, 0);
	if (vector.ndim !== 1 || vector.size !== total)
		throw new ShapeError(`vectorToParameters: the vector must be [${total}], not ${formatShape(vector.shape)}`);
	noGrad(() =>
		tidy(() => {
			let start = 0;
			for (const parameter of list) {
				copy_(parameter, reshape(narrow(vector, 0, start, parameter.size), parameter.shape));
				start += parameter.size;
			}
		}),
	);
}

export interface PadSequenceOptions {
	/** Whether the result is [B, T, ...] instead of [T, B, ...]. Default false. */
	readonly batchFirst?: boolean;
	/** Default 0. */
	readonly paddingValue?: number;
}

/** Stacks sequences [T, ...] of different lengths, padded at their ends to the longest. As `torch.nn.utils.rnn.pad_sequence`. */
export function padSequence(sequences: readonly Tensor[], options: PadSequenceOptions = {}): Tensor {
	const { batchFirst = false, paddingValue = 0 } = checkOptions('padSequence', options, ['batchFirst', 'paddingValue']);
	requireFinite('padSequence', 'paddingValue', paddingValue);
	if (!Array.isArray(sequences) || sequences.length === 0)
		throw new ArgumentError('padSequence: needs an array of at least one tensor');
	for (const sequence of sequences) requireTensor('padSequence', sequence);
	const first = sequences[0]!;
	const odd = sequences.find(({ ndim, shape }) => ndim === 0 || !sameShape(shape.slice(1), first.shape.slice(1)));
	if (odd !== undefined)
		throw new ShapeError(`padSequence: ${formatShape(first.shape)} and ${formatShape(odd.shape)} must be equal except in dim 0`);
	const longest = Math.max(...sequences.map(({ shape }) => shape[0]!));
	return composed('padSequence', () =>
		stack(
			sequences.map((sequence) => {
				const missing = longest - sequence.shape[0]!;
				if (missing === 0) return sequence;
				const sides = [...new Array<number>(2 * sequence.ndim - 1).fill(0), missing];
				return pad(sequence, sides, { value: paddingValue });
			}),
			batchFirst ? 0 : 1,
		),
	);
}
