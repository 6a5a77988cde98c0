/** Where the weights of a Keras layer stand in a module of wgrad, and how their dims are ordered there. */
import { numel, type Shape } from '../../core/shape';
import { permute, reshape } from '../../ops/layout';
import type { Tensor } from '../../tensor';

/** A weight of a Keras layer. */
export interface WeightSpec {
	/** As Keras calls it: kernel. */
	readonly name: string;
	/** Whether Keras trains it. Default true. */
	readonly trained?: boolean;
	/** Between the names of layer and weight, in .h5 files: lstm_cell. */
	readonly path2?: string;
	/** The part of the layer that holds it, in .keras files: cell. */
	readonly path3?: string;
}

/** A weight of a Keras layer and the tensors that hold it. */
export interface Slot {
	/** In Keras. */
	readonly shape: Shape;
	readonly targets: readonly Tensor[];
	/** The values of the targets. */
	read(weight: Tensor): readonly Tensor[];
	/** The value of the weight. `isState`: the values are an optimizer's state. */
	write(values: readonly Tensor[], isState: boolean): Tensor;
}

/**
 * A weight that has shape `shape` in Keras. Its dims, permuted by `dims`, give the dims of `target`, which may have merged some of them.
 */
export function slot(target: Tensor, shape: Shape = target.shape, dims: readonly number[] = shape.map((_, dim) => dim)): Slot {
	const inverse = dims.map((_, dim) => dims.indexOf(dim));
	return {
		shape,
		targets: [target],
		read: (weight) => [reshape(permute(weight, dims), target.shape)],
		write: ([value]) => {
			const split = dims.map((dim) => shape[dim]!);
			return permute(reshape(value!, split), inverse);
		},
	};
}

/** A matrix that Keras stores as [inputs, outputs] and wgrad as [outputs, inputs]. The first `inputs` dims in Keras are inputs. */
export function transposed(target: Tensor, shape: Shape, inputs = 1): Slot {
	const merged = [numel(shape.slice(0, inputs)), numel(shape.slice(inputs))];
	const inner = slot(target, merged, [1, 0]);
	return {
		...inner,
		shape,
		read: (weight) => inner.read(reshape(weight, merged)),
		write: (values, isState) => reshape(inner.write(values, isState), shape),
	};
}
