/** What operations of several operands have in common: promotion, devices, broadcasting, and the way back for gradients. */
import type { View } from '../backends/contract';
import { runOperation } from '../core/currentOperation';
import { category, type DType, isFloating, promoteScalar, promoteTypes } from '../core/dtype';
import { float16Bits, float16Value } from '../core/float16';
import { broadcastStrides, type Shape, sameShape } from '../core/shape';
import { emptyOn, type Tensor } from '../tensor';
import { requireSameDevice, requireTensor } from '../tensorChecks';
import { to } from './elementwise/cast';
import { sumTo } from './layout/views';

export { sumTo };

/** A number goes into the kernel's parameters and never becomes a tensor. */
export type Operand = Tensor | number;

/** The dtype in which operands meet: as PyTorch's `result_type`, where scalar tensors give way within their category. */
export function resultType(...operands: readonly Operand[]): DType {
	let result: DType | undefined;
	let scalar: DType | undefined;
	for (const operand of operands) {
		if (typeof operand === 'number') continue;
		if (operand.ndim > 0) result = result === undefined ? operand.dtype : promoteTypes(result, operand.dtype);
		else scalar = scalar === undefined ? operand.dtype : promoteTypes(scalar, operand.dtype);
	}
	let dtype = result ?? scalar ?? 'float32';
	if (result !== undefined && scalar !== undefined && category(scalar) > category(result)) dtype = scalar;
	for (const operand of operands) if (typeof operand === 'number') dtype = promoteScalar(dtype, operand);
	return dtype;
}

/** The floating dtype in which a function like exp computes `dtype`: bool and whole numbers become float32. */
export function floatingType(dtype: DType): DType {
	return isFloating(dtype) ? dtype : 'float32';
}

/** The tensors in their common dtype, differentiably. They must be on one device. */
export function promote(operation: string, ...tensors: readonly Tensor[]): Tensor[] {
	for (const tensor of tensors) requireTensor(operation, tensor);
	requireSameDevice(operation, ...tensors);
	const dtype = resultType(...tensors);
	return runOperation(operation, () => tensors.map((tensor) => to(tensor, dtype)));
}

/** x in another dtype, off the tape: for the inside of `forward`. Gives x itself when nothing changes. */
export function converted(x: Tensor, dtype: DType): Tensor {
	if (x.dtype === dtype) return x;
	const y = emptyOn(x, x.shape, dtype);
	x.backend.kernels.cast({ x }, { y }, {});
	return y;
}

/** x, seen as if it had `shape`, which it broadcasts to. */
export function broadcastView(x: Tensor, shape: Shape): View {
	if (sameShape(x.shape, shape)) return x;
	return { storage: x.storage, dtype: x.dtype, shape, strides: broadcastStrides(x.shape, x.strides, shape), offset: x.offset };
}

/** A number as kernels compute with it: those of float16 do so in float32. uint8 takes it modulo 256, as PyTorch does. */
export function scalarFor(dtype: DType, value: number): number {
	if (dtype === 'uint8') return value & 255;
	return dtype === 'float32' ? Math.fround(value) : value;
}

/** A number as a tensor of `dtype` would hold it, so that a comparison with what was stored holds exactly. */
export function storedAs(dtype: DType, value: number): number {
	if (dtype === 'float16') return float16Value(float16Bits(value));
	return dtype === 'float32' ? Math.fround(value) : value;
}

/** The gradient of an input of that shape and dtype, from the gradient of what it was broadcast and promoted to. */
export function gradientFor(gradient: Tensor, input: { readonly shape: Shape; readonly dtype: DType }): Tensor {
	const summed = sumTo(gradient, input.shape);
	return summed.dtype === input.dtype ? summed : to(summed, input.dtype);
}
