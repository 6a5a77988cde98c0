/**
 * The one seam between operations and devices: storages, views of storages, and the typed list of kernels
 * that every backend must have. A kernel that a backend lacks is a compile error.
 *
 * A kernel takes its inputs, its outputs and its attributes as three plain objects. Operations check arguments and
 * allocate outputs; kernels check nothing. Unless a kernel's own comment says otherwise: inputs may have any strides
 * and offset; outputs are fresh, contiguous, at offset 0 and share no storage with an input; every size may be 0.
 */
import type { DType, TypedArray } from '../core/dtype';
import type { DeviceLostError } from '../core/errors';
import type { StorageClaims } from '../core/memoryPressure';
import type { Shape } from '../core/shape';
import type { AttentionKernels } from './contract/attention';
import type { ConvKernels } from './contract/conv';
import type { ElementwiseKernels } from './contract/elementwise';
import type { EmbeddingKernels } from './contract/embedding';
import type { IndexingKernels } from './contract/indexing';
import type { LayoutKernels } from './contract/layout';
import type { LossKernels } from './contract/loss';
import type { MatmulKernels } from './contract/matmul';
import type { NormKernels } from './contract/norm';
import type { OptimizerKernels } from './contract/optimizer';
import type { PoolKernels } from './contract/pool';
import type { RandomKernels } from './contract/random';
import type { ReduceKernels } from './contract/reduce';
import type { RnnKernels } from './contract/rnn';
import type { SampleKernels } from './contract/sample';
import type { SoftmaxKernels } from './contract/softmax';

export type DeviceName = 'cpu' | 'webgpu';

/** A run of elements on a device. Tensors count their references to it; dropping the last reference releases it. */
export interface Storage {
	readonly device: DeviceName;
	/** The backend that made this storage and that releases it. */
	readonly owner: Backend;
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

export interface Kernels
	extends ElementwiseKernels,
		ReduceKernels,
		MatmulKernels,
		ConvKernels,
		PoolKernels,
		SoftmaxKernels,
		NormKernels,
		AttentionKernels,
		EmbeddingKernels,
		IndexingKernels,
		LayoutKernels,
		RandomKernels,
		RnnKernels,
		SampleKernels,
		LossKernels,
		OptimizerKernels {}

export interface Backend {
	readonly device: DeviceName;
	/** The error that explains why the device was lost, with everything on it; undefined while it works. */
	readonly loss: DeviceLostError | undefined;
	readonly kernels: Kernels;
	/** A storage with undefined contents. Throws a DeviceError if the device has no room for it. `shape` is for errors. */
	allocate(length: number, dtype: DType, shape?: Shape): Storage;
	/** A storage that holds a copy of `data`, the typed array that core/dtype assigns to `dtype`. `shape` is for errors. */
	upload(data: TypedArray, dtype: DType, shape?: Shape): Storage;
	/** Takes a storage without references back; its memory may be reused at once. */
	release(storage: Storage): void;
	/** A copy of the whole storage, made after all earlier launches have run. */
	read(storage: Storage): Promise<TypedArray>;
	/**
	 * The promise that a loop of launches without reads should await, so that the event loop turns and the device can catch up.
	 * undefined most of the time.
	 */
	pace(): Promise<void> | undefined;
	/** Throws the first error that the device has reported and that no caller has seen. Does not wait for further reports. */
	throwReported(): void;
}
