/**
 * The one seam between operations and devices: storages, views of storages, and the typed list of kernels
 * that every backend must have. A kernel that a backend lacks is a compile error.
 *
 * A kernel takes its inputs, its outputs and its attributes as three plain objects. Operations check arguments and
 * allocate outputs; kernels check nothing. These rules hold unless a kernel's own comment says
 * otherwise. Inputs may have any strides and offset. Outputs are new and contiguous, and start at offset 0. No output shares
 * storage with an input. Every size may be 0.
 */
import type { DType, TypedArray } from '../../core/dtype';
import type { DeviceLostError } from '../../core/errors';
import type { Shape } from '../../core/shape';
import type { AttentionKernels } from './attention';
import type { ConvKernels } from './conv';
import type { CustomKernels } from './custom';
import type { ElementwiseKernels } from './elementwise';
import type { EmbeddingKernels } from './embedding';
import type { GradScalerKernels } from './gradScaler';
import type { IndexingKernels } from './indexing';
import type { LayoutKernels } from './layout';
import type { LinalgKernels } from './linalg';
import type { LineKernels } from './lines';
import type { LossKernels } from './loss';
import type { MatmulKernels } from './matmul';
import type { NormKernels } from './norm';
import type { OptimizerKernels } from './optimizer';
import type { PixelKernels } from './pixels';
import type { PoolKernels } from './pool';
import type { QuantizedKernels } from './quantized';
import type { RandomKernels } from './random';
import type { ReduceKernels } from './reduce';
import type { LaunchRecorder, LaunchRecording } from './replay';
import type { RnnKernels } from './rnn';
import type { SampleKernels } from './sample';
import type { SoftmaxKernels } from './softmax';
import type { DeviceName, Storage, View } from './storage';

export type { DeviceName, Storage, View };

/** A storage, and the backend that made it and that releases it. */
export interface OwnedStorage extends Storage {
	readonly owner: Backend;
}

export interface Kernels
	extends ElementwiseKernels,
		ReduceKernels,
		LineKernels,
		MatmulKernels,
		ConvKernels,
		PixelKernels,
		PoolKernels,
		SoftmaxKernels,
		NormKernels,
		AttentionKernels,
		EmbeddingKernels,
		IndexingKernels,
		LayoutKernels,
		QuantizedKernels,
		RandomKernels,
		RnnKernels,
		SampleKernels,
		LinalgKernels,
		LossKernels,
		OptimizerKernels,
		GradScalerKernels,
		CustomKernels {}

export interface Backend {
	readonly device: DeviceName;
	/** The error that explains why the device was lost, with everything on it; undefined while it works. */
	readonly loss: DeviceLostError | undefined;
	/** Whether it allocates float16 storages; if not, that throws. */
	readonly hasFloat16: boolean;
	readonly kernels: Kernels;
	/** A storage with undefined contents. Throws a DeviceError if the device has no room for it. `shape` is for errors. */
	allocate(length: number, dtype: DType, shape?: Shape): OwnedStorage;
	/** A storage that holds a copy of `data`, the typed array that core/dtype assigns to `dtype`. `shape` is for errors. */
	upload(data: TypedArray, dtype: DType, shape?: Shape): OwnedStorage;
	/**
	 * The pixels of a picture that the browser shows, as int32 [height, P] with P of at least `width`: see PixelKernels. Copies on the device, without
	 * the host. Throws what the browser throws. Only devices that can do so have it.
	 */
	uploadPicture?(picture: object, width: number, height: number): { readonly storage: OwnedStorage; readonly pitch: number };
	/** A storage with undefined contents, to be filled by `write`. Throws as `allocate`. */
	allocateForHost(length: number, dtype: DType, shape?: Shape): OwnedStorage;
	/**
	 * Copies `data` to the elements from `at` on of a storage that `allocateForHost` made and no launch uses yet. Await the promise, if there is
	 * one, before the next write: it bounds the memory of writes under way. `at` is even unless the elements have 4 bytes on the device.
	 */
	write(storage: Storage, data: TypedArray, at: number): Promise<void> | undefined;
	/** Takes a storage without references back; its memory may be reused at once. */
	release(storage: Storage): void;
	/** Starts to record launches, for a replay; see replay.ts. Only devices that can replay have it. */
	record?(recorder: LaunchRecorder): LaunchRecording;
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
