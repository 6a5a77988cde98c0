/** Weighted sums of a few elements along one dim: what resizing consists of. */
import type { Tensor } from '../tensor';
import { tensor } from './creation';
import { add, mul } from './elementwise';
import { indexSelect } from './indexing';
import { contiguous, expand, reshape } from './layout';

/** For each output element, the index and the weight of one input element. Null weights are 1. */
export interface Tap {
	readonly indices: readonly number[];
	readonly weights: readonly number[] | null;
}

/** Replaces dim `dim` of x by the sums of its taps. */
export function resampled(x: Tensor, dim: number, taps: readonly Tap[]): Tensor {
	const from = x.shape[dim]!;
	const to = taps[0]!.indices.length;
	const terms = taps.map(({ indices, weights }) => {
		const picked = selected(x, dim, from, indices);
		if (weights === null) return picked;
		const factors = tensor(weights, {
			shape: [to, ...new Array<number>(x.ndim - dim - 1).fill(1)],
			dtype: x.dtype,
			device: x.device,
		});
		return mul(picked, factors);
	});
	return terms.reduce((sum, term) => add(sum, term));
}

function selected(x: Tensor, dim: number, from: number, indices: readonly number[]): Tensor {
	const times = indices.length / from;
	if (Number.isInteger(times) && indices.every((index, i) => index === Math.floor(i / times))) {
		if (times === 1) return x;
		const [before, after] = [x.shape.slice(0, dim), x.shape.slice(dim + 1)];
		const repeated = expand(reshape(x, [...before, from, 1, ...after]), [...before, from, times, ...after]);
		return reshape(contiguous(repeated), [...before, indices.length, ...after]);
	}
	return indexSelect(x, dim, tensor(Int32Array.from(indices), { device: x.device }));
}
