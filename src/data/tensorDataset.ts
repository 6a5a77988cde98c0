/** Tensors as a dataset. */

import type { DeviceName } from '../backends/contract';
import { ArgumentError, formatShape, ShapeError } from '../core/errors';
import { numel } from '../core/shape';
import { tensor } from '../ops/creation';
import { indexSelect } from '../ops/indexing';
import { clone, select } from '../ops/layout';
import type { Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';
import { type MaybePromise, moveToDevice, type TensorList } from './batch';
import { type Dataset, requireIndex, requireIndices } from './dataset';

/**
 * Sample i is entry i along the first dim of each tensor. As PyTorch's TensorDataset.
 *
 * Picks batches on the tensors' device with one launch per field. The dataset keeps the tensors: do not dispose of them while it is in use.
 */
export class TensorDataset implements Dataset {
	readonly tensors: TensorList;
	readonly length: number;

	constructor(...tensors: readonly Tensor[]) {
		const first = tensors[0];
		if (first === undefined) throw new ArgumentError('TensorDataset: it takes at least one tensor');
		for (const [i, x] of tensors.entries()) {
			requireTensor('TensorDataset', x, `argument ${i}`);
			if (x.ndim === 0 || x.shape[0] !== first.shape[0]) {
				throw new ShapeError(
					`TensorDataset: all tensors must have equal numbers of samples along dim 0: ${tensors.map((x) => formatShape(x.shape)).join(', ')}`,
				);
			}
		}
		this.tensors = tensors;
		this.length = first.shape[0]!;
	}

	get(index: number, device?: DeviceName): MaybePromise<TensorList> {
		requireIndex('TensorDataset', index, this.length);
		return moveToDevice(this.tensors.map(entry(index)), device);
	}

	batch(indices: ArrayLike<number>, device?: DeviceName): MaybePromise<TensorList> {
		requireIndices('TensorDataset', indices, this.length);
		const index = Int32Array.from(indices);
		return moveToDevice(
			this.tensors.map((x) => rowsOnHost(x, index, device) ?? rowsOnDevice(x, index)),
			device,
		);
	}
}

/** A copy, because the caller owns the sample and may write to it. */
function entry(index: number) {
	return (x: Tensor): Tensor => {
		const view = select(x, 0, index);
		const copy = clone(view);
		view.dispose();
		return copy;
	};
}

function rowsOnDevice(x: Tensor, index: Int32Array): Tensor {
	using rowIndices = tensor(index, { device: x.device });
	return indexSelect(x, 0, rowIndices);
}

/** Gathers rows on the host and puts them on `device`. Returns null if the host cannot see the tensor's elements. */
function rowsOnHost(x: Tensor, index: Int32Array, device: DeviceName = x.device): Tensor | null {
	const values = x.storage.hostData?.();
	if (values === undefined || !x.isContiguous) return null;
	if (x.dtype === 'float64' && device !== 'cpu') return null;
	const size = numel(x.shape.slice(1));
	const rows = new (values.constructor as Float32ArrayConstructor)(index.length * size);
	for (let i = 0; i < index.length; i++) {
		const start = x.offset + index[i]! * size;
		rows.set(values.subarray(start, start + size) as Float32Array, i * size);
	}
	return tensor(rows, { dtype: x.dtype, shape: [index.length, ...x.shape.slice(1)], device });
}
