/** The arithmetic of the backward walk, made of kernels, because the tape cannot import operations. */
import { elementwiseKernels, layoutKernels } from '../backends/kernels';
import type { DType } from '../core/dtype';
import type { Shape } from '../core/shape';
import { copyOf, emptyOn, markWritten, type Tensor } from '../tensor';
import { defineOperation } from './operation';

/** Ones of an output's shape, dtype and device. */
export function onesLikeOutput(output: Tensor): Tensor {
	const y = emptyOn(output, output.shape);
	layoutKernels(y.backend).fill({}, { y }, { value: 1 });
	return y;
}

/** Zeros of a shape, in the dtype and on the device of another gradient, for an output that nothing depends on. */
export function zeroGradient(shape: Shape, like: Tensor): Tensor {
	const y = emptyOn(like, shape);
	layoutKernels(y.backend).fill({}, { y }, { value: 0 });
	return y;
}

/** a + b, of equal shape and dtype, differentiable. */
export function addGradients(a: Tensor, b: Tensor): Tensor {
	return addOperation({ a, b }, {});
}

const addOperation = defineOperation({
	name: 'add',
	inputs: ['a', 'b'],
	forward: ({ a, b }) => {
		const y = emptyOn(a, a.shape);
		elementwiseKernels(a.backend).binary({ a, b }, { y }, { op: 'add' });
		return y;
	},
	vjp: (gradient) => ({ a: gradient, b: gradient }),
});

/** x in another dtype, differentiable where both are floating. */
export function cast(x: Tensor, dtype: DType): Tensor {
	return castOperation({ x }, { dtype });
}

const castOperation = defineOperation({
	name: 'to',
	inputs: ['x'],
	forward: ({ x }, { dtype }: { readonly dtype: DType }) => {
		const y = emptyOn(x, x.shape, dtype);
		elementwiseKernels(x.backend).cast({ x }, { y }, {});
		return y;
	},
	vjp: (gradient, _, _attributes, needs) => ({ x: cast(gradient, needs.x.dtype) }),
});

/** A contiguous copy in its own memory, differentiable. */
export function copyGradient(x: Tensor): Tensor {
	return copyOperation({ x }, {});
}

const copyOperation = defineOperation({
	name: 'clone',
	inputs: ['x'],
	forward: ({ x }) => copyOf(x),
	vjp: (gradient) => ({ x: gradient }),
});

/** target += x, in place. */
export function addInto(target: Tensor, x: Tensor): void {
	elementwiseKernels(target.backend).binaryInPlace({ b: x }, { a: target }, { op: 'add' });
	markWritten(target, 'backward');
}
