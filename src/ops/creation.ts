/** Creates tensors from data and from formulas. Random tensors are in random.ts. */

import { setRequiresGrad } from '../autograd/tape';
import type { DeviceName } from '../backends/contract';
import { layoutKernels } from '../backends/kernels';
import { backendOf, deviceOfNew } from '../backends/registry';
import { describe, requireInteger } from '../core/checks';
import { allocateTyped, type DType, fillValue, isInteger, requireKnownDType, type TypedArray } from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { float32ToHalves, isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { currentOperation, runOperation } from '../core/scope';
import { checkShape, numel, type Shape } from '../core/shape';
import { empty, type NestedArray, Tensor } from '../tensor';
import { requireTensor } from '../tensorChecks';

export interface TensorOptions {
	/** Default float32, unless the function says otherwise. */
	readonly dtype?: DType;
	/** Default `defaultDevice()`; for `...Like` the device of the tensor. */
	readonly device?: DeviceName;
	/** Whether `backward()` computes a gradient for the tensor. Default false. */
	readonly requiresGrad?: boolean;
}

const TENSOR_OPTIONS = ['dtype', 'device', 'requiresGrad'] as const;

/** The typed arrays that `tensor` takes. It also takes a Float16Array where the platform has it. */
export type NumberArray = TypedArray | Int8Array | Uint8ClampedArray | Int16Array | Uint32Array | BigInt64Array | BigUint64Array;

export interface DataOptions extends TensorOptions {
	/** Default the shape of the nested arrays, or [length] of a typed array. */
	readonly shape?: Shape;
}

/** Pixels as in a browser's ImageData: rows from the top, four bytes (red, green, blue, alpha) per pixel. */
export interface PixelData {
	readonly width: number;
	readonly height: number;
	readonly data: Uint8ClampedArray;
}

/**
 * Creates a tensor with a copy of `data`: a number or boolean, evenly nested arrays, a typed array, or an ImageData. As `torch.tensor`.
 *
 * The default dtype is float32 for numbers (PyTorch gives int64 for integers: pass `dtype: 'int32'`) and bool for booleans. A Float32Array
 * or Float16Array gives float32, a Float64Array float64 on the CPU and float32 on WebGPU, a Uint8Array or Uint8ClampedArray uint8, an
 * Int8Array int8, and other arrays of integers int32, which must hold their values (a BigInt64Array, for example). A Uint16Array needs a
 * `dtype`, because it may hold numbers or the bits of a half-precision type. An ImageData gives uint8 of shape [height, width, 4]. `shape` gives the data, in row-major order, another shape with as many elements.
 *
 * Throws an ArgumentError for ragged arrays, a ShapeError if `shape` does not fit, and a DTypeError if the dtype cannot hold an element.
 */
export function tensor(data: NestedArray | NumberArray | PixelData, options: DataOptions = {}): Tensor {
	checkOptions('tensor', options, ['shape', 'dtype', 'device', 'requiresGrad']);
	if (isPixelData(data)) return tensor(data.data, { shape: [data.height, data.width, 4], ...options });
	const device = options.device ?? deviceOfNew();
	const typed = ArrayBuffer.isView(data);
	if (typed && (data as ArrayBufferView) instanceof DataView)
		throw new DTypeError('tensor: a DataView has no dtype. Wrap its buffer: new Uint8Array(view.buffer)');
	if (options.dtype !== undefined) requireKnownDType('tensor', options.dtype);
	const dtype = options.dtype ?? (typed ? typedDType(data, device) : leafDType(data));
	const nesting = typed ? [data.length] : nestedShape(data);
	const shape = options.shape ?? nesting;
	checkShape('tensor', shape);
	const size = numel(nesting);
	if (numel(shape) !== size) {
		throw new ShapeError(`tensor: shape ${formatShape(shape)} needs ${numel(shape)} elements; the data has ${size}`);
	}
	let values: TypedArray;
	if (typed) {
		values = convert(data, dtype);
	} else {
		const flat = new Array<number>(size);
		flatten(data, nesting, 0, flat, 0);
		values = convert(flat, dtype);
	}
	return runOperation('tensor', () => finish(new Tensor(backendOf(device).upload(values, dtype, shape), [...shape]), options));
}

/** Converts numbers to the typed array of a dtype. Throws a DTypeError if an integer dtype cannot hold one, instead of rounding it. */
function convert(values: ArrayLike<number> | BigInt64Array | BigUint64Array, dtype: DType): TypedArray {
	if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
		const result = convert(Float64Array.from(values, Number), isInteger(dtype) ? 'float64' : dtype);
		return isInteger(dtype) ? integers(values, result, dtype) : result;
	}
	if (isHalf(dtype)) return float32ToHalves(dtype, Float32Array.from(values));
	if (dtype === 'float32' && values instanceof Float32Array) return values;
	if (dtype === 'float64' && values instanceof Float64Array) return values;
	if (dtype === 'int32' && values instanceof Int32Array) return values;
	if (dtype === 'int8' && values instanceof Int8Array) return values;
	// A plain view, since the slice() of Node's Buffer does not copy.
	if (dtype === 'uint8' && values instanceof Uint8Array) return new Uint8Array(values.buffer, values.byteOffset, values.length);
	if (isInteger(dtype)) return integers(values, values, dtype);
	const result = allocateTyped(currentOperation() || 'tensor', dtype, values.length);
	if (dtype === 'bool') for (let i = 0; i < values.length; i++) result[i] = values[i] !== 0 ? 1 : 0;
	else result.set(values);
	return result;
}

/** `numbers` as an integer dtype. Throws a DTypeError if it cannot hold one; `values` are the same before their conversion to numbers. */
function integers(values: ArrayLike<number | bigint>, numbers: ArrayLike<number>, dtype: DType): TypedArray {
	const result = allocateTyped(currentOperation() || 'tensor', dtype, numbers.length);
	result.set(numbers);
	for (let i = 0; i < result.length; i++) {
		if (result[i] !== numbers[i])
			throw new DTypeError(
				`tensor: element ${i} is ${values[i]}, which ${dtype} cannot hold. Round it, or pass dtype: 'float32'`,
			);
	}
	return result;
}

/** The dtype by the name of the typed array. Names, because not every platform has Float16Array. */
const ARRAY_DTYPES: Readonly<Record<string, DType>> = {
	Float16Array: 'float32',
	Float32Array: 'float32',
	Float64Array: 'float64',
	Int8Array: 'int8',
	Uint8Array: 'uint8',
	Uint8ClampedArray: 'uint8',
	Int16Array: 'int32',
	Int32Array: 'int32',
	Uint32Array: 'int32',
	BigInt64Array: 'int32',
	BigUint64Array: 'int32',
};

function typedDType(data: ArrayBufferView, device: DeviceName): DType {
	const name = Object.prototype.toString.call(data).slice(8, -1);
	if (name === 'Uint16Array') {
		throw new DTypeError(
			"tensor: a Uint16Array may hold numbers or the bits of float16. Pass dtype: 'int32' for numbers; make a Float32Array of float16",
		);
	}
	const dtype = ARRAY_DTYPES[name] ?? 'float32';
	return dtype === 'float64' && device === 'webgpu' ? 'float32' : dtype;
}

export function isPixelData(data: unknown): data is PixelData {
	return typeof data === 'object' && data !== null && 'width' in data && 'height' in data && 'data' in data;
}

/** bool if there are leaves and all are booleans, else float32. */
function leafDType(data: NestedArray): DType {
	let some = false;
	const boolean = (item: NestedArray): boolean => {
		if (Array.isArray(item)) return item.every(boolean);
		some = true;
		return typeof item === 'boolean';
	};
	return boolean(data) && some ? 'bool' : 'float32';
}

/** The shape that the first item of each level gives. */
function nestedShape(data: NestedArray): number[] {
	const shape: number[] = [];
	for (let level: NestedArray | undefined = data; Array.isArray(level); level = level[0]) shape.push(level.length);
	return shape;
}

/** Writes the leaves in order, from position `at` on. Returns the position after the last one. */
function flatten(data: NestedArray, shape: Shape, depth: number, result: number[], at: number): number {
	if (depth === shape.length) {
		if (typeof data !== 'number' && typeof data !== 'boolean') {
			if (data instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && data instanceof SharedArrayBuffer))
				throw new ArgumentError('tensor: a buffer has no dtype. Wrap it: new Uint8Array(buffer), or new Float32Array(buffer)');
			throw new ArgumentError(
				Array.isArray(data)
					? `tensor: the arrays are nested unevenly: an array where other places at depth ${depth} hold numbers`
					: data instanceof Tensor
						? 'tensor: the data is a tensor already. Copy one with clone(), join several with stack() or cat()'
						: `tensor: data holds ${describe(data)}; it takes numbers and booleans`,
			);
		}
		result[at] = Number(data);
		return at + 1;
	}
	if (!Array.isArray(data) || data.length !== shape[depth]) {
		const found = Array.isArray(data) ? `a row of ${data.length}` : typeof data;
		throw new ArgumentError(
			`tensor: the arrays are ragged: ${found} at depth ${depth}, where the first row has ${shape[depth]} elements. Pad the rows to one length`,
		);
	}
	for (const item of data) at = flatten(item, shape, depth + 1, result, at);
	return at;
}

function finish(x: Tensor, options: TensorOptions): Tensor {
	if (options.requiresGrad === true) setRequiresGrad(x, true);
	return x;
}

function filled(operation: string, shape: Shape, value: number | boolean, dtype: DType, options: TensorOptions): Tensor {
	checkShape(operation, shape);
	requireKnownDType(operation, dtype);
	const filling = { value: fillValue(operation, dtype, value) };
	return runOperation(operation, () => {
		const y = empty([...shape], dtype, options.device ?? deviceOfNew());
		layoutKernels(y.backend).fill({}, { y }, filling);
		return finish(y, options);
	});
}

/** Creates a tensor of zeros, float32 by default. As `torch.zeros`. */
export function zeros(shape: Shape, options: TensorOptions = {}): Tensor {
	checkOptions('zeros', options, TENSOR_OPTIONS);
	return filled('zeros', shape, 0, options.dtype ?? 'float32', options);
}

/** Creates a tensor of ones, float32 by default. As `torch.ones`. */
export function ones(shape: Shape, options: TensorOptions = {}): Tensor {
	checkOptions('ones', options, TENSOR_OPTIONS);
	return filled('ones', shape, 1, options.dtype ?? 'float32', options);
}

/** Creates a tensor with `value` in every element. The default dtype is bool for a boolean, else float32. As `torch.full`. */
export function full(shape: Shape, value: number | boolean, options: TensorOptions = {}): Tensor {
	checkOptions('full', options, TENSOR_OPTIONS);
	return filled('full', shape, value, options.dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32'), options);
}

/** Creates zeros with the shape, dtype and device of `x`. As `torch.zeros_like`. */
export function zerosLike(x: Tensor, options: TensorOptions = {}): Tensor {
	checkOptions('zerosLike', options, TENSOR_OPTIONS);
	return fullAs('zerosLike', x, 0, options);
}

/** Creates ones with the shape, dtype and device of `x`. As `torch.ones_like`. */
export function onesLike(x: Tensor, options: TensorOptions = {}): Tensor {
	checkOptions('onesLike', options, TENSOR_OPTIONS);
	return fullAs('onesLike', x, 1, options);
}

/** Creates a tensor with `value` in every element and the shape, dtype and device of `x`. As `torch.full_like`. */
export function fullLike(x: Tensor, value: number | boolean, options: TensorOptions = {}): Tensor {
	checkOptions('fullLike', options, TENSOR_OPTIONS);
	return fullAs('fullLike', x, value, options);
}

function fullAs(operation: string, x: Tensor, value: number | boolean, options: TensorOptions): Tensor {
	requireTensor(operation, x);
	return filled(operation, x.shape, value, options.dtype ?? x.dtype, { device: x.device, ...options });
}

/**
 * Creates the vector start, start + step, ... of ceil((end - start) / step) numbers, which excludes `end`. `arange(end)` starts at 0. The
 * default dtype is int32 (PyTorch: int64) if all three are integers, else float32. An integer dtype truncates start and step. As
 * `torch.arange`.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(first: number, ...rest: readonly (number | TensorOptions | undefined)[]): Tensor {
	const numbers = [first, ...rest.filter((value): value is number => typeof value === 'number')];
	const given = rest.filter((value): value is TensorOptions => value !== undefined && typeof value !== 'number');
	const options = given.length === 0 ? {} : checkOptions('arange', given[0]!, TENSOR_OPTIONS);
	if (numbers.length > 3 || given.length > 1) throw new ArgumentError('arange: takes a start, an end, a step and options');
	const [start, end, step] = numbers.length === 1 ? [0, first, 1] : [first, numbers[1]!, numbers[2] ?? 1];
	if (!numbers.every(Number.isFinite) || step === 0 || (end - start) / step < 0) {
		throw new ArgumentError(
			`arange: from ${start} to ${end} in steps of ${step} never ends. The numbers must be finite, and the step must lead towards the end`,
		);
	}
	if (options.dtype !== undefined) requireKnownDType('arange', options.dtype);
	const dtype = options.dtype ?? (numbers.every(Number.isInteger) ? 'int32' : 'float32');
	if (dtype === 'bool') throw new DTypeError(`arange: dtype bool has no range. Use 'int32' or 'float32'`);
	const whole = isInteger(dtype);
	if (whole && Math.trunc(step) === 0)
		throw new ArgumentError(`arange: a step of ${step} is 0 in ${dtype}. Leave out dtype for float32`);
	const count = Math.ceil((end - start) / step);
	for (const value of whole && count > 0 ? [start, start + (count - 1) * step] : []) fillValue('arange', dtype, value);
	return runOperation('arange', () => {
		const y = empty([count], dtype, options.device ?? deviceOfNew());
		layoutKernels(y.backend).arange({}, { y }, whole ? { start: Math.trunc(start), step: Math.trunc(step) } : { start, step });
		return finish(y, options);
	});
}

/** Creates the vector of `steps` evenly spaced numbers from `start` to `end`, both included. float32 by default. As `torch.linspace`. */
export function linspace(start: number, end: number, steps: number, options: TensorOptions = {}): Tensor {
	checkOptions('linspace', options, TENSOR_OPTIONS);
	requireInteger('linspace', 'steps', steps, 0);
	const dtype = options.dtype ?? 'float32';
	if (dtype === 'bool') throw new DTypeError(`linspace: dtype bool has no range. Use 'int32' or 'float32'`);
	const step = steps > 1 ? (end - start) / (steps - 1) : 0;
	// Counts from the nearer end, so that both ends are exact and the numbers symmetric.
	const value = (i: number) => (i < steps / 2 ? start + step * i : end - step * (steps - 1 - i));
	const values = allocateTyped('linspace', 'float64', steps);
	for (let i = 0; i < steps; i++) values[i] = isInteger(dtype) ? Math.trunc(value(i)) : value(i);
	return runOperation('linspace', () => tensor(values, { ...options, dtype }));
}

/** Creates the n x m matrix (n x n by default) with ones on its main diagonal and zeros elsewhere. float32 by default. As `torch.eye`. */
export function eye(n: number, options?: TensorOptions): Tensor;
export function eye(n: number, m?: number, options?: TensorOptions): Tensor;
export function eye(n: number, second: number | TensorOptions = n, third: TensorOptions = {}): Tensor {
	const [m, options] = typeof second === 'number' ? [second, third] : [n, second];
	checkOptions('eye', options, TENSOR_OPTIONS);
	checkShape('eye', [n, m]);
	return runOperation('eye', () => {
		const y = filled('eye', [n, m], 0, options.dtype ?? 'float32', { ...options, requiresGrad: false });
		const length = Math.min(n, m);
		const diagonal = { storage: y.storage, dtype: y.dtype, shape: [length], strides: [m + 1], offset: 0 };
		layoutKernels(y.backend).fill({}, { y: diagonal }, { value: 1 });
		return finish(y, options);
	});
}
