/** The lookup of rows in a table, and its gradient. */

import { defineOperation } from '../autograd/operation';
import { embeddingKernels } from '../backends/kernels';
import { ArgumentError, formatShape } from '../core/errors';
import { checkOptions } from '../core/options';
import { checkShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireRank, requireTensor } from '../tensorChecks';
import { eq } from './elementwise';
import { checkIndices, maskedFill } from './indexing/gather';
import { contiguous, reshape, unsqueeze } from './layout';

export interface EmbeddingOptions {
	/** The row of the padding token, which gets no gradient. A negative index counts from the end. Default none. */
	paddingIdx?: number;
}

/**
 * Returns the rows of `weight` [rows, columns] at the int32 `indices`: [...indices.shape, columns]. An index out of range throws: on WebGPU
 * at the next read, `sync()` or `step()`. As `torch.nn.functional.embedding`.
 */
export function embedding(indices: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
	const { paddingIdx } = checkOptions('embedding', options, ['paddingIdx']);
	return lookUp('embedding', indices, weight, paddingIdx);
}

/** `embedding` for an operation of another name. */
export function lookUp(operation: string, indices: Tensor, weight: Tensor, paddingIdx: number | undefined): Tensor {
	requireTensor(operation, indices, 'indices');
	requireTensor(operation, weight, 'weight');
	requireRank(operation, 'weight', weight, '[rows, columns]', 2);
	const [rows, columns] = weight.shape as [number, number];
	const check = checkIndices(operation, weight, indices, rows, `the rows of ${formatShape(weight.shape)}`);
	const shape = [...indices.shape, columns];
	checkShape(operation, shape);
	let padding = -1;
	if (paddingIdx !== undefined) {
		if (!Number.isInteger(paddingIdx) || paddingIdx < -rows || paddingIdx >= rows) {
			throw new ArgumentError(`${operation}: paddingIdx ${paddingIdx} is out of range for ${rows} rows`);
		}
		padding = paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
	}
	return rowsOperation({ weight, indices }, { padding }, { check });
}

/** `padding` is the row without a gradient, or -1 for none. */
interface LookupAttributes {
	readonly padding: number;
}

const rowsOperation = defineOperation({
	name: 'embedding',
	inputs: ['weight'],
	constants: ['indices'],
	forward: ({ weight, indices }, _: LookupAttributes, check) => {
		const columns = weight.shape[1]!;
		const y = emptyOn(weight, [indices.size, columns]);
		embeddingKernels(weight.backend).embedding({ weight, index: reshape(indices, [-1]) }, { y }, { check });
		return reshape(y, [...indices.shape, columns]);
	},
	saves: ['indices'],
	vjp: (gradient, { indices }, { padding }, needs): { weight: Tensor } => ({
		weight: tableGradient({ gradient, indices }, { padding, rows: needs.weight.shape[0]! }),
	}),
});

/** Adds the gradients of all occurrences of each row. It is linear, and its VJP looks rows up again, with 0 for padding. */
const tableGradient = defineOperation({
	name: 'embedding',
	inputs: ['gradient'],
	constants: ['indices'],
	forward: ({ gradient, indices }, { padding, rows }: LookupAttributes & { readonly rows: number }) => {
		const columns = gradient.shape.at(-1)!;
		const dWeight = emptyOn(gradient, [rows, columns]);
		const source = reshape(contiguous(gradient), [indices.size, columns]);
		embeddingKernels(gradient.backend).embeddingGrad(
			{ index: reshape(indices, [-1]), gradient: source },
			{ dWeight },
			{ paddingIdx: padding },
		);
		return dWeight;
	},
	saves: ['indices'],
	vjp: (table, { indices }, { padding }): { gradient: Tensor } => {
		const found = rowsOperation({ weight: table, indices }, { padding });
		return { gradient: padding < 0 ? found : maskedFill(found, unsqueeze(eq(indices, padding), -1), 0) };
	},
});
