/** Storages and views of them: what kernels know about tensors. */
import type { DType, TypedArray } from '../../core/dtype';
import type { StorageClaims } from '../../core/memoryPressure';
import type { Shape } from '../../core/shape';

export type DeviceName = 'cpu' | 'webgpu';

/** A run of elements on a device. Tensors count their references to it; dropping the last reference releases it. */
export interface Storage {
	readonly device: DeviceName;
	readonly dtype: DType;
	/** Elements, not bytes. */
	readonly length: number;
	/** Every in-place write raises it, so that backward() notices that a saved tensor has changed. */
	version: number;
	/** The in-place operation that wrote last; the error about a changed saved tensor names it. */
	lastWriter: string;
	/** The number of references to this storage. */
	readonly claims: StorageClaims;
	/** True if the device had no memory to compute the elements. Every use of the storage then throws. */
	readonly isVoid?: boolean;
	/** The elements, if the host can read them without waiting. */
	hostData?(): TypedArray;
}

/**
 * The elements of a storage that a tensor consists of. Element (i, j, ...) is at offset + i * strides[0] + j * strides[1] + ...
 */
export interface View {
	readonly storage: Storage;
	readonly dtype: DType;
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
}
