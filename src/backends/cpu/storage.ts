/** Storages in host memory, and the walks over views that the reference kernels use. */
import type { Claims, Site } from '../../core/collector';
import type { DType, TypedArray } from '../../core/dtype';
import type { Shape } from '../../core/shape';
import type { Backend, Storage, View } from '../contract';

/** Releasing the last reference does nothing: the engine's garbage collector frees the typed array. */
class HostClaims implements Claims {
	references = 0;
	readonly isSeen = true;
	isEntrusted = false;
	site: Site | null = null;

	constructor(readonly bytes: number) {}

	release(): void {}
}

export class CpuStorage implements Storage {
	readonly device = 'cpu';
	version = 0;
	lastWriter = '';
	readonly claims: Claims;

	constructor(
		readonly owner: Backend,
		readonly dtype: DType,
		readonly data: TypedArray,
	) {
		this.claims = new HostClaims(data.byteLength);
	}

	get length(): number {
		return this.data.length;
	}

	hostData(): TypedArray {
		return this.data;
	}
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
