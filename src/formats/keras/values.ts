/**
 * Tensors on their way through a Keras model. Keras has channels last, the kernels have them first: a value says which it is, so that
 * the channels move only where a layer needs them elsewhere. Moving makes a view.
 */
import { permute } from '../../ops/layout';
import type { Tensor } from '../../tensor';

export interface Value {
	readonly tensor: Tensor;
	/** Whether the last dim of Keras is dim 1 here. */
	readonly moved: boolean;
}

export function plain(tensor: Tensor): Value {
	return { tensor, moved: false };
}

export function moved(tensor: Tensor): Value {
	return { tensor, moved: tensor.ndim > 2 };
}

/** The tensor with its dims in the order of Keras. */
export function asKeras({ tensor, moved }: Value): Tensor {
	if (!moved) return tensor;
	const dims = tensor.shape.map((_, dim) => dim);
	return permute(tensor, [0, ...dims.slice(2), 1]);
}

/** The tensor with the last dim of Keras at dim 1. */
export function channelsFirst({ tensor, moved }: Value): Tensor {
	if (moved || tensor.ndim <= 2) return tensor;
	const dims = tensor.shape.map((_, dim) => dim);
	return permute(tensor, [0, tensor.ndim - 1, ...dims.slice(1, -1)]);
}

/** The dim of `value` that is dim `axis` of Keras. */
export function dimOf({ tensor, moved }: Value, axis: number): number {
	const dim = axis < 0 ? axis + tensor.ndim : axis;
	if (!moved || dim === 0) return dim;
	return dim === tensor.ndim - 1 ? 1 : dim + 1;
}

/** Applies a function of each element. */
export function mapped(value: Value, fn: (x: Tensor) => Tensor): Value {
	return { tensor: fn(value.tensor), moved: value.moved };
}
