/** Promotion, conversion and broadcasting of operands, and the way back for their gradients. */

import type { View } from '../backends/contract';
import { elementwiseKernels } from '../backends/kernels';
import { category, type DType, isFloating, promoteScalar, widerType, wrapped } from '../core/dtype';
import { isHalf, nearestHalf } from '../core/halves';
import { runOperation } from '../core/scope';
import { broadcastStrides, type Shape, sameShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';
import { to } from './elementwise/cast';
import { sumTo } from './layout/views';

export { sumTo };

/** A number becomes a parameter of the kernel, never a tensor. */
export type Operand = Tensor | number;

/** The common dtype of operands. Scalar tensors decide only the category (bool, integer, floating). As `torch.result_type`. */
export function typeOfResult(...operands: readonly Operand[]): DType {
	let result: DType | undefined;
	let scalar: DType | undefined;
	for (const operand of operands) {
		if (typeof operand === 'number') continue;
		if (operand.ndim > 0) result = result === undefined ? operand.dtype : widerType(result, operand.dtype);
		else scalar = scalar === undefined ? operand.dtype : widerType(scalar, operand.dtype);
	}
	let dtype = result ?? scalar ?? 'float32';
	if (result !== undefined && scalar !== undefined && category(scalar) > category(result)) dtype = scalar;
	for (const operand of operands) if (typeof operand === 'number') dtype = promoteScalar(dtype, operand);
	return dtype;
}

/** The dtype in which a function such as exp computes: float32 for bool and integers, else `dtype` itself. */
export function floatingType(dtype: DType): DType {
	return isFloating(dtype) ? dtype : 'float32';
}

/** Converts the tensors to their common dtype, differentiably. Throws unless all are on one device. */
export function promote(operation: string, ...tensors: readonly Tensor[]): Tensor[] {
	for (const tensor of tensors) requireTensor(operation, tensor);
	requireSameDevice(operation, ...tensors);
	const dtype = typeOfResult(...tensors);
	return runOperation(operation, () => tensors.map((tensor) => to(tensor, dtype)));
}

/** x in another dtype, off the tape, for use inside `forward`. Returns x itself if it has the dtype. */
export function converted(x: Tensor, dtype: DType): Tensor {
	if (x.dtype === dtype) return x;
	const y = emptyOn(x, x.shape, dtype);
	elementwiseKernels(x.backend).cast({ x }, { y }, {});
	return y;
}

/** A view of x, broadcast to `shape`. */
export function broadcastView(x: Tensor, shape: Shape): View {
	if (sameShape(x.shape, shape)) return x;
	return { storage: x.storage, dtype: x.dtype, shape, strides: broadcastStrides(x.shape, x.strides, shape), offset: x.offset };
}

/** The value with which a kernel for `dtype` computes. uint8 and int8 take numbers modulo 256, as PyTorch does. */
export function scalarFor(dtype: DType, value: number): number {
	if (dtype === 'uint8' || dtype === 'int8') return wrapped(dtype, value);
	return dtype === 'float32' ? Math.fround(value) : value;
}

/** The value that a tensor of `dtype` stores for a number, so that comparisons with stored values are exact. */
export function storedAs(dtype: DType, value: number): number {
	if (isHalf(dtype)) return nearestHalf(dtype, value);
	return dtype === 'float32' ? Math.fround(value) : value;
}

/** The gradient of an input, from the gradient of its broadcast and promoted form. */
export function gradientFor(gradient: Tensor, input: { readonly shape: Shape; readonly dtype: DType }): Tensor {
	const summed = sumTo(gradient, input.shape);
	return summed.dtype === input.dtype ? summed : to(summed, input.dtype);
}
