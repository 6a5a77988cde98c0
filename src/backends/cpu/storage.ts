/** Storages in host memory, and the walks over views that the reference kernels use. */
import { allocateTyped, type DType, type TypedArray } from '../../core/dtype';
import { isHalf, numbersOf, roundToHalf, storedArray } from '../../core/halves';
import type { AllocationSite, StorageClaims } from '../../core/memoryPressure';
import { currentOperation } from '../../core/scope';
import type { Shape } from '../../core/shape';
import type { Backend, Kernels, Storage, View } from '../contract';

/** Releasing the last reference does nothing: the engine's garbage collector frees the typed array. */
class HostClaims implements StorageClaims {
	references = 0;
	readonly isSeen = true;
	isEntrusted = false;
	site: AllocationSite | null = null;

	constructor(readonly bytes: number) {}

	release(): void {}
}

function zeros(dtype: DType, length: number): TypedArray {
	return allocateTyped(currentOperation() || 'tensor', dtype, length);
}

/** Whether any storage has been of half precision yet: until then no kernel has anything to round. */
let holdsHalves = false;

export class CpuStorage implements Storage {
	readonly device = 'cpu';
	version = 0;
	lastWriter = '';
	readonly claims: StorageClaims;
	/** The elements as kernels read and write them: those of half-precision types as a Float32Array. */
	readonly data: TypedArray;

	/** `data` is the storage's own from now on; undefined makes zeros. */
	constructor(
		readonly owner: Backend,
		readonly dtype: DType,
		readonly length: number,
		data?: TypedArray,
	) {
		const half = isHalf(dtype);
		if (half) holdsHalves = true;
		this.data = data === undefined ? zeros(half ? 'float32' : dtype, length) : numbersOf(dtype, data);
		this.claims = new HostClaims(this.data.byteLength);
	}

	hostData(): TypedArray {
		return storedArray(this.dtype, this.data);
	}
}

type AnyKernel = (
	inputs: unknown,
	outputs: Readonly<Record<string, View | readonly View[] | undefined>>,
	attributes: unknown,
) => void;

/** Wraps kernels to round half-precision outputs: the kernels themselves compute with the numbers of the Float32Array. */
export function roundingHalves(kernels: Partial<Kernels>): Partial<Kernels> {
	const rounding = (kernel: AnyKernel): AnyKernel => {
		return (inputs, outputs, attributes) => {
			kernel(inputs, outputs, attributes);
			if (!holdsHalves) return;
			for (const view of Object.values(outputs).flatMap((value) => value ?? [])) {
				if (isHalf(view.dtype)) roundToHalf(view.dtype, cpuData(view) as Float32Array);
			}
		};
	};
	const entries = Object.entries(kernels).map(([name, kernel]) => [name, rounding(kernel as AnyKernel)]);
	return Object.fromEntries(entries) as Partial<Kernels>;
}

/** All elements of the storage behind a view; apply the view's offset and strides to index it. */
export function cpuData(view: View): TypedArray {
	return (view.storage as CpuStorage).data;
}

/** Stores a value in two parts; the second holds the rounding error of the first. */
export function storeParts(data: TypedArray, high: number, low: number, value: number): void {
	data[high] = value;
	data[low] = Number.isFinite(value) ? value - data[high]! : 0;
}

/**
 * Calls `visit(position, index)` for every element of a view in row-major order of its logical shape: `position` indexes
 * the storage, `index` counts 0, 1, 2, ...
 */
export function forEachPosition(
	view: { readonly shape: Shape; readonly strides: readonly number[]; readonly offset: number },
	visit: (position: number, index: number) => void,
): void {
	const { shape, strides } = view;
	const rank = shape.length;
	let count = 1;
	for (const size of shape) count *= size;
	const counter = new Array<number>(rank).fill(0);
	let position = view.offset;
	for (let index = 0; index < count; index++) {
		visit(position, index);
		for (let d = rank - 1; d >= 0; d--) {
			position += strides[d]!;
			if (++counter[d]! < shape[d]!) break;
			position -= strides[d]! * shape[d]!;
			counter[d] = 0;
		}
	}
}

/** The storage positions of all elements of a view, in row-major order of its logical shape. */
export function positions(view: {
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
}): Int32Array {
	let count = 1;
	for (const size of view.shape) count *= size;
	const result = new Int32Array(count);
	forEachPosition(view, (position, index) => {
		result[index] = position;
	});
	return result;
}
