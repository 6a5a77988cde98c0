/**
 * In-place operations: they overwrite a tensor's elements and return it. Nothing of them goes on the tape, so a tensor that requires a
 * gradient takes them only under `noGrad`, and only if it is a leaf; what the tape has saved notices that it was overwritten.
 */
import { isGradEnabled } from '../autograd/modes';
import type { View } from '../backends/contract';
import type { BinaryOp } from '../backends/contract/elementwise';
import { fillValue, isFloating, isInt32 } from '../core/dtype';
import { ArgumentError, AutogradError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { runOperation } from '../core/operation';
import { checkOptions } from '../core/options';
import { closeScope, openScope } from '../scope';
import { emptyOn, Tensor } from '../tensor';
import type { AddOptions, DivOptions } from './elementwise/binary';
import { to } from './elementwise/cast';
import { broadcastView, converted, type Operand, requireSameDevice, requireTensor, resultType, scalarFor } from './operands';
import { requireDistinct, requireDivisor } from './requirements';

/** Checks that `x` may be written, runs `write` with its temporaries disposed of, and marks the storage as written. */
function inPlace(operation: string, x: Tensor, write: () => void): Tensor {
	requireTensor(operation, x);
	if (!x.isLeaf) {
		throw new AutogradError(
			`${operation}: the tensor is the result of '${x.edge!.node.operation}', whose gradient needs it. Write to its detach().clone(), or use the operation without _`,
		);
	}
	if (x.requiresGrad && isGradEnabled()) {
		throw new AutogradError(`${operation}: the tensor is a leaf that requires a gradient. Write to it under noGrad(() => ...)`);
	}
	requireDistinct(operation, x);
	const scope = openScope();
	try {
		runOperation(operation, write);
	} finally {
		closeScope(scope, () => false);
	}
	x.storage.version++;
	x.storage.lastWriter = operation;
	return x;
}

/**
 * `x` for a kernel that writes contiguous memory: x itself or, where it is strided or in the storage of one of `others` (a kernel binds a
 * buffer once), a copy. `putBack` ends the write.
 */
export function takeOut(operation: string, x: Tensor, ...others: readonly Tensor[]): Tensor {
	requireDistinct(operation, x);
	if (x.isContiguous && others.every(({ storage }) => storage !== x.storage)) return x;
	const packed = emptyOn(x, x.shape);
	x.backend.kernels.copy({ x }, { y: packed }, {});
	return packed;
}

/** Copies what a kernel wrote into `takeOut`'s copy, if that made one, back to `x`, and marks x as written. */
export function putBack(operation: string, packed: Tensor, x: Tensor): void {
	if (packed !== x) {
		x.backend.kernels.copyInto({ x: packed }, { y: x }, {});
		packed.dispose();
	}
	x.storage.version++;
	x.storage.lastWriter = operation;
}

/** The source with x's shape and dtype, in memory that the write does not touch. */
function sourceFor(operation: string, x: Tensor, source: Tensor): View {
	requireTensor(operation, source, 'source');
	requireSameDevice(operation, x, source);
	const extra = source.ndim - x.ndim;
	if (extra > 0 || source.shape.some((size, d) => size !== 1 && size !== x.shape[d - extra])) {
		throw new ShapeError(
			`${operation}: shape ${formatShape(source.shape)} does not broadcast to ${formatShape(x.shape)}; an in-place result keeps the shape of its tensor`,
		);
	}
	let values = converted(source, x.dtype);
	if (values.storage === x.storage) {
		values = emptyOn(x, source.shape);
		x.backend.kernels.copy({ x: source }, { y: values }, {});
	}
	return broadcastView(values, x.shape);
}

/** Copies the elements of `source`, broadcast and converted to the dtype of `x`, into `x`. A CPU source is uploaded to WebGPU. */
export function copy_(x: Tensor, source: Tensor): Tensor {
	return copied('copy_', x, source);
}

function copied(operation: string, x: Tensor, source: Tensor): Tensor {
	return inPlace(operation, x, () => {
		requireTensor(operation, source, 'source');
		const near =
			x.device === 'webgpu' && source.device === 'cpu'
				? to(source.dtype === 'float64' ? converted(source, 'float32') : source, 'webgpu')
				: source;
		const view = sourceFor(operation, x, near);
		x.backend.kernels.copyInto({ x: view }, { y: x }, {});
	});
}

function arithmetic(operation: string, op: BinaryOp, x: Tensor, other: Operand): Tensor {
	return inPlace(operation, x, () => {
		if (typeof other !== 'number') requireTensor(operation, other, 'other');
		const result = resultType(x, other);
		const floating = isFloating(result) || op === 'div';
		if ((floating && !isFloating(x.dtype)) || (result !== 'bool' && x.dtype === 'bool')) {
			throw new DTypeError(
				`${operation}: the result is ${floating ? 'floating' : result} and does not fit into a tensor of ${x.dtype}. Use the operation without _`,
			);
		}
		if (op === 'sub' && (x.dtype === 'bool' || (typeof other !== 'number' && other.dtype === 'bool')))
			throw new DTypeError(`${operation}: is not defined on bool. Convert with .to('int32')`);
		if (typeof other === 'number') {
			x.backend.kernels.binaryScalarInPlace({}, { x }, { op, scalar: scalarFor(x.dtype, other) });
		} else {
			x.backend.kernels.binaryInPlace({ b: sourceFor(operation, x, other) }, { a: x }, { op });
		}
	});
}

function scaledArithmetic(operation: string, op: 'add' | 'sub', x: Tensor, other: Operand, alpha: number): Tensor {
	if (alpha === 1) return arithmetic(operation, op, x, other);
	if (typeof alpha !== 'number') throw new ArgumentError(`${operation}: alpha must be a number, not ${typeof alpha}`);
	requireTensor(operation, x);
	if (!isFloating(x.dtype) && !isInt32(alpha))
		throw new ArgumentError(`${operation}: alpha ${alpha} must be a whole number for a tensor of ${x.dtype}`);
	if (typeof other === 'number') return arithmetic(operation, op, x, other * alpha);
	requireTensor(operation, other, 'other');
	const scope = openScope();
	try {
		// In the dtype of both, which holds the product of a whole number and a fraction.
		const dtype = resultType(x, other);
		const product = emptyOn(other, other.shape, dtype);
		other.backend.kernels.binaryScalar(
			{ x: converted(other, dtype) },
			{ y: product },
			{ op: 'mul', scalar: scalarFor(dtype, alpha), scalarFirst: false },
		);
		return arithmetic(operation, op, x, product);
	} finally {
		closeScope(scope, () => false);
	}
}

/** x += alpha * other. */
export function add_(x: Tensor, other: Operand, options: AddOptions = {}): Tensor {
	checkOptions('add_', options, ['alpha']);
	return scaledArithmetic('add_', 'add', x, other, options.alpha ?? 1);
}

/** x -= alpha * other. */
export function sub_(x: Tensor, other: Operand, options: AddOptions = {}): Tensor {
	checkOptions('sub_', options, ['alpha']);
	return scaledArithmetic('sub_', 'sub', x, other, options.alpha ?? 1);
}

/** x *= other. */
export function mul_(x: Tensor, other: Operand): Tensor {
	return arithmetic('mul_', 'mul', x, other);
}

/** x /= other, for floating x; with a `roundingMode`, which keeps whole numbers whole, also for int32. */
export function div_(x: Tensor, other: Operand, options: DivOptions = {}): Tensor {
	const { roundingMode = null } = checkOptions('div_', options, ['roundingMode']);
	if (roundingMode === null) return arithmetic('div_', 'div', x, other);
	if (roundingMode !== 'trunc' && roundingMode !== 'floor')
		throw new ArgumentError(`div_: roundingMode '${String(roundingMode)}' is not 'trunc', 'floor' or null`);
	requireTensor('div_', x);
	requireDivisor('div_', x.dtype, other);
	return arithmetic('div_', roundingMode === 'trunc' ? 'truncDiv' : 'floorDiv', x, other);
}

/** Every element becomes `value`: a number, a boolean or a scalar tensor. */
export function fill_(x: Tensor, value: number | boolean | Tensor): Tensor {
	if (value instanceof Tensor) {
		if (value.ndim !== 0)
			throw new ShapeError(`fill_: the value must be a number or a scalar tensor, not one of ${formatShape(value.shape)}`);
		return copied('fill_', x, value);
	}
	requireTensor('fill_', x);
	const filling = { value: fillValue('fill_', x.dtype, value) };
	return inPlace('fill_', x, () => {
		x.backend.kernels.fill({}, { y: x }, filling);
	});
}

/** Every element becomes 0. */
export function zero_(x: Tensor): Tensor {
	return inPlace('zero_', x, () => {
		x.backend.kernels.fill({}, { y: x }, { value: 0 });
	});
}
