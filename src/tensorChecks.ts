/**
 * Checks of tensor arguments. Each throws an error that says which argument of which operation is wrong, and what to do. Operations run
 * them at every call, so a check that passes allocates nothing.
 */
import { describe, wrongArgument } from './core/checks';
import { type DType, isFloating, isInt32, requireFloating } from './core/dtype';
import { ArgumentError, DeviceError, DTypeError, formatShape, ShapeError } from './core/errors';
import { isExpanded, type Shape, sameShape } from './core/shape';
import { requireDevice, Tensor } from './tensor';

/** Throws an ArgumentError unless `value` is a tensor, and a DeviceLostError if its device is lost. */
export function requireTensor(operation: string, value: unknown, argument = 'input'): asserts value is Tensor {
	if (!(value instanceof Tensor)) throw wrongArgument(operation, argument, 'a tensor', value, '. Make one with tensor()');
	requireDevice(operation, value);
}

/** Throws an ArgumentError unless `values` is an array of tensors. For functions that put a single tensor into an array themselves. */
export function requireTensors(operation: string, argument: string, values: unknown): asserts values is readonly Tensor[] {
	if (Array.isArray(values) && values.every(isTensor)) return;
	throw wrongArgument(operation, argument, 'a tensor or an array of tensors', values);
}

/** The tensors of one or of an iterable of them, such as `model.parameters()`. Throws an ArgumentError for anything else. */
export function requireParameters(operation: string, parameters: unknown): Tensor[] {
	if (parameters instanceof Tensor) return [parameters];
	const list =
		typeof parameters === 'object' && parameters !== null && Symbol.iterator in parameters
			? [...(parameters as Iterable<unknown>)]
			: null;
	if (list?.every(isTensor)) return list;
	throw wrongArgument(operation, 'parameters', 'a list of tensors, such as model.parameters()', parameters);
}

function isTensor(value: unknown): value is Tensor {
	return value instanceof Tensor;
}

/** Throws unless `value` is a tensor of a floating dtype. */
export function requireFloatingTensor(operation: string, value: unknown, argument = 'input'): asserts value is Tensor {
	requireTensor(operation, value, argument);
	requireFloating(operation, value.dtype, argument);
}

/** Throws an ArgumentError unless every operand is a tensor or a number, and at least one is a tensor. */
export function requireOperands(operation: string, ...operands: readonly unknown[]): void {
	let some = false;
	for (const operand of operands) {
		if (operand instanceof Tensor) some = true;
		else if (typeof operand !== 'number')
			throw new ArgumentError(`${operation}: takes tensors and numbers, not ${describe(operand)}`);
	}
	if (!some) throw new ArgumentError(`${operation}: at least one operand must be a tensor. For numbers alone use Math`);
}

/** Throws a DeviceError unless all tensors are on one device. */
export function requireSameDevice(operation: string, ...tensors: readonly Tensor[]): void {
	const first = tensors[0];
	for (const tensor of tensors) {
		if (tensor.device !== first!.device) {
			throw new DeviceError(
				`${operation}: tensors are on different devices: ${formatShape(first!.shape)} on ${first!.device}, ${formatShape(tensor.shape)} on ${tensor.device}. Move one with .to('${first!.device}'). Tensors made before init() are on the CPU: call await init() first`,
			);
		}
	}
}

/** Throws a DTypeError unless all tensors have one dtype. */
export function requireSameDType(operation: string, ...tensors: readonly Tensor[]): void {
	const first = tensors[0]!;
	for (const tensor of tensors) {
		if (tensor.dtype === first.dtype) continue;
		// Integers become floating: weights that became integers would lose their fractions.
		const common = isFloating(first.dtype) ? first.dtype : tensor.dtype;
		throw new DTypeError(
			`${operation}: dtypes differ: ${first.dtype} ${formatShape(first.shape)} and ${tensor.dtype} ${formatShape(tensor.shape)}. Convert one with .to('${common}')`,
		);
	}
}

/** Throws a ShapeError unless `x` has `shape`. The message names `beside`, the tensor that decides the shape. */
export function requireShape(
	operation: string,
	argument: string,
	x: Tensor,
	shape: Shape,
	beside: Tensor,
	besideName = 'input',
): void {
	if (sameShape(x.shape, shape)) return;
	throw new ShapeError(
		`${operation}: ${argument} ${formatShape(x.shape)} must have shape ${formatShape(shape)} for ${besideName} ${formatShape(beside.shape)}`,
	);
}

/** Throws a ShapeError unless `x` has at least `least` and at most `most` dims. `form` describes its shape in the message. */
export function requireRank(operation: string, argument: string, x: Tensor, form: string, least: number, most = least): void {
	if (x.ndim >= least && x.ndim <= most) return;
	throw new ShapeError(`${operation}: ${argument} must be ${form}, not ${x.ndim === 0 ? 'a scalar' : formatShape(x.shape)}`);
}

/** Throws a ShapeError if `x` is expanded: a write would reach one element several times. */
export function requireDistinct(operation: string, x: Tensor): void {
	if (isExpanded(x.shape, x.strides)) {
		throw new ShapeError(
			`${operation}: the tensor of shape ${formatShape(x.shape)} is expanded: several of its elements share memory. Clone it first`,
		);
	}
}

/** Throws an ArgumentError unless `factor` is a number, and an int32 if `dtype` is no floating type. */
export function requireFactor(operation: string, name: string, factor: unknown, dtype: DType): asserts factor is number {
	if (typeof factor !== 'number') throw wrongArgument(operation, name, 'a number', factor);
	if (!isFloating(dtype) && !isInt32(factor)) throw wrongArgument(operation, name, `a whole number for ${dtype}`, factor);
}

/** Throws an ArgumentError if integers are divided by the number 0. */
export function requireDivisor(operation: string, dtype: DType, divisor: Tensor | number): void {
	if (divisor === 0 && !isFloating(dtype))
		throw new ArgumentError(`${operation}: division of ${dtype} by zero. Convert with .to('float32') for infinity and NaN`);
}

/** Throws an ArgumentError unless `state` is an object of tensors by name. */
export function requireState(operation: string, state: unknown): asserts state is Readonly<Record<string, Tensor>> {
	if (typeof state !== 'object' || state === null)
		throw new ArgumentError(
			`${operation}: it takes tensors by name, such as module.stateDict() or what io.loadSafetensors(bytes) gives, not ${describe(state)}`,
		);
	if (state instanceof Promise) throw new ArgumentError(`${operation}: it takes tensors by name, not a promise. Await it first`);
	if (state instanceof Map)
		throw new ArgumentError(`${operation}: it takes tensors by name in an object, not a Map. Pass Object.fromEntries(map)`);
	if (typeof (state as { stateDict?: unknown }).stateDict === 'function')
		throw new ArgumentError(`${operation}: it takes tensors by name, not a module. Pass its stateDict()`);
	if (ArrayBuffer.isView(state) || state instanceof ArrayBuffer)
		throw new ArgumentError(`${operation}: it takes tensors by name, not bytes. Read them with io.loadSafetensors(bytes)`);
	if (state instanceof Tensor)
		throw new ArgumentError(`${operation}: it takes tensors by name, not one tensor. Name it: { name: tensor }`);
	for (const [name, value] of Object.entries(state))
		if (!(value instanceof Tensor)) throw wrongArgument(operation, `'${name}'`, 'a tensor', value);
}
