/** What a DataLoader takes its samples from. */
import type { Tensor } from '../tensor';

/** One sample or one batch: the inputs first, the target last, as `fit` takes them. */
export type Fields = readonly Tensor[];

/**
 * A dataset of known length. Samples are lists of tensors, such as [image, label]; all samples have the same fields.
 *
 * A class that can make a whole batch at once (an array on the host, a tensor on the device) has `batch`, which loaders prefer.
 */
export interface Dataset {
	readonly length: number;
	/** The sample at `index`, 0 to length - 1. The caller owns the tensors. */
	get(index: number): Fields | Promise<Fields>;
	/** The samples at `indices`, stacked: each field gets a first dimension of indices.length. The caller owns the tensors. */
	batch?(indices: ArrayLike<number>): Fields | Promise<Fields>;
}
