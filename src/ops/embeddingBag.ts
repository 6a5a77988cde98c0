/** The sum, mean or maximum of the rows of a table in bags of indices. */
import { requireOneOf } from '../core/checks';
import { requireDType } from '../core/dtype';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { checkOptions } from '../core/options';
import type { Tensor } from '../tensor';
import { requireRank, requireSameDevice, requireShape, requireTensor } from '../tensorChecks';
import { inFloat32 } from './composed';
import { arange, ones, zeros } from './creation';
import { add, clamp, div, mul, ne, to, where } from './elementwise';
import { lookUp } from './embedding';
import { searchsorted } from './indexing';
import { checkBounds, expandIndex, scatterAdded } from './indexing/gather';
import { unsqueeze } from './layout';
import { any, max, sum } from './reduce';

export interface EmbeddingBagOptions {
	/** The start of each bag in a vector of indices, int32 [bags], ascending from 0. Only for a vector, which needs it. */
	readonly offsets?: Tensor | null;
	/** How to combine the rows of a bag. 'max' takes indices [bags, length]. Default 'mean'. */
	readonly mode?: 'sum' | 'mean' | 'max';
	/** Factors of the rows, with the shape of the indices. Only for mode 'sum'. Default none. */
	readonly perSampleWeights?: Tensor | null;
	/** A row to skip, also in the count of the mean. A negative index counts from the end. Default none. */
	readonly paddingIdx?: number;
}

const MODES = ['sum', 'mean', 'max'] as const;

/**
 * Returns the sum, mean or maximum, [bags, columns], of the rows of `weight` [rows, columns] at the int32 `indices` of each bag. Bags are the
 * rows of indices [bags, length], or the parts of a vector that begin at `offsets`. An empty bag gives zeros. Indices and offsets out of
 * range throw: on WebGPU at the next read, `sync()` or `step()`. As `torch.nn.functional.embedding_bag`.
 */
export function embeddingBag(indices: Tensor, weight: Tensor, options: EmbeddingBagOptions = {}): Tensor {
	const names = ['offsets', 'mode', 'perSampleWeights', 'paddingIdx'] as const;
	const { offsets = null, mode = 'mean', perSampleWeights = null, paddingIdx } = checkOptions('embeddingBag', options, names);
	requireTensor('embeddingBag', indices, 'indices');
	requireTensor('embeddingBag', weight, 'weight');
	requireSameDevice('embeddingBag', weight, indices);
	requireOneOf('embeddingBag', 'mode', mode, MODES);
	if ((indices.ndim !== 1 && indices.ndim !== 2) || (indices.ndim === 1) !== (offsets !== null)) {
		throw new ShapeError(
			`embeddingBag: indices are [bags, length] without offsets, or a vector with them, not ${formatShape(indices.shape)} ${offsets === null ? 'without' : 'with'} offsets`,
		);
	}
	if (offsets !== null) requireOffsets(offsets, weight, mode);
	if (perSampleWeights !== null) {
		requireTensor('embeddingBag', perSampleWeights, 'perSampleWeights');
		if (mode !== 'sum') throw new ArgumentError(`embeddingBag: perSampleWeights are for mode 'sum', not '${mode}'`);
		requireShape('embeddingBag', 'perSampleWeights', perSampleWeights, indices.shape, indices, 'indices');
	}
	return inFloat32('embeddingBag', [weight, perSampleWeights], (table, factors) => {
		let rows = lookUp('embeddingBag', indices, table, paddingIdx);
		if (factors !== null) rows = mul(rows, unsqueeze(factors, -1));
		const padding = paddingIdx !== undefined && paddingIdx < 0 ? paddingIdx + table.shape[0]! : paddingIdx;
		const counted = padding === undefined ? null : unsqueeze(ne(indices, padding), -1);
		if (mode === 'max') return largest(rows, counted);
		if (counted !== null) rows = where(counted, rows, 0);
		const inBags = offsets === null ? (x: Tensor) => sum(x, 1) : added(offsets, indices.size);
		const total = inBags(rows);
		if (mode === 'sum') return total;
		const { dtype, device } = table;
		const each = counted === null ? ones([...indices.shape, 1], { dtype, device }) : to(counted, dtype);
		return div(total, clamp(inBags(each), { min: 1 }));
	});
}

function requireOffsets(offsets: Tensor, weight: Tensor, mode: string): void {
	requireTensor('embeddingBag', offsets, 'offsets');
	requireSameDevice('embeddingBag', weight, offsets);
	requireDType('embeddingBag', offsets.dtype, ['int32'], 'offsets');
	requireRank('embeddingBag', 'offsets', offsets, 'a vector', 1);
	if (mode === 'max')
		throw new ArgumentError("embeddingBag: mode 'max' takes indices [bags, length]; pad the bags and pass paddingIdx");
}

/** The maxima over dim 1. Zeros for a bag without rows that count. */
function largest(rows: Tensor, counted: Tensor | null): Tensor {
	const [bags, length, columns] = rows.shape as [number, number, number];
	if (length === 0) return zeros([bags, columns], { dtype: rows.dtype, device: rows.device });
	if (counted === null) return max(rows, 1).values;
	const found = max(where(counted, rows, Number.NEGATIVE_INFINITY), 1).values;
	return where(any(counted, 1), found, 0);
}

/** A function that sums [size, ...] over the parts that begin at `offsets`. */
function added(offsets: Tensor, size: number): (x: Tensor) => Tensor {
	const { device } = offsets;
	checkBounds(offsets, {
		operation: 'embeddingBag',
		least: 0,
		count: size + 1,
		ascending: true,
		noun: 'offset',
		rule: `is out of range: offsets begin with 0, never fall, and end at most at ${size}, the number of indices`,
	});
	const bag = add(searchsorted(offsets, arange(size, { dtype: 'int32', device }), { right: true }), -1);
	return (x) => scatterAdded('embeddingBag', x, 0, expandIndex(bag, 0, x.shape), [offsets.size, x.shape[1]!]);
}
