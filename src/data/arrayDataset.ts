/** Host arrays as a dataset. Keeps samples in their compact form and converts them to floating point batch by batch. */

import type { DeviceName } from '../backends/contract';
import { deviceOfNew } from '../backends/registry';
import { requireFinite } from '../core/checks';
import {
	allocateTyped,
	type DType,
	holdsInteger,
	isFloating,
	isInteger,
	requireKnownDType,
	type TypedArray,
} from '../core/dtype';
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../core/errors';
import { isHalf } from '../core/halves';
import { checkOptions } from '../core/options';
import { checkShape, numel, type Shape } from '../core/shape';
import { tensor } from '../ops/creation';
import type { TensorList } from './batch';
import { type Dataset, requireIndices } from './dataset';

/** The typed arrays that may hold a host array. */
export type HostData =
	| Float32Array
	| Float64Array
	| Int8Array
	| Int16Array
	| Int32Array
	| Uint8Array
	| Uint8ClampedArray
	| Uint16Array
	| Uint32Array;

export interface HostArray {
	/** The elements of all samples in row-major order. Not copied. */
	readonly data: HostData | readonly number[];
	/** The shape of the whole array: [samples, ...]. Default: [data.length]. */
	readonly shape?: Shape;
	/** Default: int32 for an Int32Array, float64 for a Float64Array on the CPU, otherwise float32. */
	readonly dtype?: DType;
	/** Computes x * scale + shift for each element; floating dtypes only. Defaults 1 and 0. `scale: 1 / 255` maps pixels to 0 to 1. */
	readonly scale?: number;
	readonly shift?: number;
}

interface Column {
	readonly data: HostData;
	readonly sampleShape: Shape;
	readonly sampleSize: number;
	readonly dtype: DType | undefined;
	readonly scale: number;
	readonly shift: number;
	/** The scaled value of each byte; null unless the data are bytes with a scale. */
	readonly ofByte: Float64Array | null;
}

/**
 * Sample i is entry i along the first dim of each array:
 *
 *     new ArrayDataset({ data: pixels, shape: [60000, 1, 28, 28], scale: 1 / 255 }, { data: labels, dtype: 'int32' })
 *
 * Makes batches on the host and uploads them to the loader's device, or to the default device.
 */
export class ArrayDataset implements Dataset {
	readonly length: number;
	readonly #columns: readonly Column[];

	constructor(...arrays: readonly HostArray[]) {
		if (arrays.length === 0) throw new ArgumentError('ArrayDataset: it takes at least one { data, shape }');
		const lengths = arrays.map((array, i) => checkedShape(array, i)[0]!);
		if (lengths.some((length) => length !== lengths[0])) {
			throw new ShapeError(`ArrayDataset: the arrays must have equal numbers of samples, not ${lengths.join(', ')}`);
		}
		this.length = lengths[0]!;
		this.#columns = arrays.map(columnOf);
	}

	get(index: number, device: DeviceName = deviceOfNew()): TensorList {
		return this.#fields([index], device, ({ sampleShape }) => sampleShape);
	}

	batch(indices: ArrayLike<number>, device: DeviceName = deviceOfNew()): TensorList {
		return this.#fields(indices, device, ({ sampleShape }) => [indices.length, ...sampleShape]);
	}

	#fields(indices: ArrayLike<number>, device: DeviceName, shapeOf: (column: Column) => Shape): TensorList {
		requireIndices('ArrayDataset', indices, this.length);
		return this.#columns.map((column) => {
			const dtype = column.dtype ?? defaultDType(column.data, device);
			return tensor(rows(column, dtype, indices), { dtype, shape: shapeOf(column), device });
		});
	}
}

function checkedShape(array: HostArray, i: number): Shape {
	const name = `ArrayDataset: array ${i}`;
	const { data, shape, dtype, scale = 1, shift = 0 } = checkOptions(name, array, ['data', 'shape', 'dtype', 'scale', 'shift']);
	if (!Array.isArray(data) && (!ArrayBuffer.isView(data) || data instanceof DataView || !(Number(data.length) >= 0))) {
		throw new ArgumentError(`${name} must be { data: a typed array or numbers, shape }, not ${typeof data}`);
	}
	if (ArrayBuffer.isView(data) && /^Big/.test(data.constructor.name)) {
		throw new DTypeError(
			`${name} is a ${data.constructor.name}; there are no 64-bit integers. Use Int32Array.from(data, Number)`,
		);
	}
	const whole = shape ?? [data.length];
	checkShape(name, whole);
	if (whole.length === 0 || numel(whole) !== data.length) {
		throw new ShapeError(
			`${name}: shape ${formatShape(whole)} needs ${numel(whole)} elements, but the data has ${data.length}. Give the shape of the whole array: [samples, ...]`,
		);
	}
	if (dtype !== undefined) requireKnownDType(name, dtype);
	requireFinite(name, 'scale', scale);
	requireFinite(name, 'shift', shift);
	if ((scale !== 1 || shift !== 0) && !isFloating(dtype ?? defaultDType(data, 'cpu'))) {
		throw new DTypeError(`${name}: scale and shift need a floating dtype, such as dtype: 'float32'`);
	}
	return whole;
}

function defaultDType(data: HostArray['data'], device: DeviceName): DType {
	if (data instanceof Int32Array) return 'int32';
	return data instanceof Float64Array && device === 'cpu' ? 'float64' : 'float32';
}

function columnOf({ data, shape = [data.length], dtype, scale = 1, shift = 0 }: HostArray, i: number): Column {
	const sampleShape = shape.slice(1);
	const numbers = Array.isArray(data) ? Float64Array.from(data) : (data as HostData);
	if (dtype !== undefined && isInteger(dtype) && !(data instanceof Uint8Array && dtype !== 'int8')) {
		const odd = numbers.findIndex((value) => !holdsInteger(dtype, value));
		if (odd >= 0) {
			throw new DTypeError(
				`ArrayDataset: array ${i}: element ${odd} is ${data[odd]}, which ${dtype} cannot hold. Leave out dtype for float32`,
			);
		}
	}
	// Plain arrays become float32, as in tensor().
	const given = Array.isArray(data) ? (dtype ?? 'float32') : dtype;
	const bytes = (numbers instanceof Uint8Array || numbers instanceof Uint8ClampedArray) && (scale !== 1 || shift !== 0);
	const ofByte = bytes ? Float64Array.from({ length: 256 }, (_, byte) => byte * scale + shift) : null;
	return { data: numbers, sampleShape, sampleSize: numel(sampleShape), dtype: given, scale, shift, ofByte };
}

function rows({ data, sampleSize, scale, shift, ofByte }: Column, dtype: DType, indices: ArrayLike<number>): TypedArray {
	const length = indices.length * sampleSize;
	// tensor() converts float32 to half floats.
	const result = allocateTyped('ArrayDataset', isHalf(dtype) ? 'float32' : dtype, length);
	if (ofByte !== null) {
		for (let i = 0; i < indices.length; i++) {
			scaleBytes(data as Uint8Array, indices[i]! * sampleSize, sampleSize, ofByte, result, i * sampleSize);
		}
		return result;
	}
	const plain = scale === 1 && shift === 0 && dtype !== 'bool';
	const values = plain ? result : new Float64Array(length);
	for (let i = 0; i < indices.length; i++) {
		const start = indices[i]! * sampleSize;
		values.set(data.subarray(start, start + sampleSize), i * sampleSize);
	}
	if (dtype === 'bool') for (let i = 0; i < length; i++) result[i] = values[i] !== 0 ? 1 : 0;
	else if (!plain) for (let i = 0; i < length; i++) result[i] = values[i]! * scale + shift;
	return result;
}

// A separate function, because engines optimize loops over a single kind of array: ten times faster for a batch of images.
function scaleBytes(data: Uint8Array, start: number, size: number, table: Float64Array, to: TypedArray, at: number): void {
	for (let j = 0; j < size; j++) to[at + j] = table[data[start + j]!]!;
}
