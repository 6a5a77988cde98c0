/**
 * The one seam between operations and devices: what a storage is, what a view of it is, and the typed list of kernels
 * that every backend must have. A kernel that a backend lacks is a compile error.
 *
 * A kernel takes its inputs, its outputs and its attributes as three plain objects. Operations check arguments and
 * allocate outputs; kernels trust what they get. Unless a kernel's own comment says otherwise: inputs may have any strides
 * and offset, outputs are fresh, contiguous, at offset 0 and share no storage with an input, and every size may be 0.
 */
import type { Claims } from '../core/collector';
import type { DType, TypedArray } from '../core/dtype';
import type { DeviceLostError } from '../core/errors';
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

/** A run of elements on a device. Tensors count their references to it; the last one to go releases it. */
export interface Storage {
	readonly device: DeviceName;
	/** The backend that made it and takes it back. */
	readonly owner: Backend;
	readonly dtype: DType;
	/** Elements, not bytes. */
	readonly length: number;
	/** Raised by every in-place write, so that a saved tensor can tell that it was overwritten. */
	version: number;
	/** The in-place operation that wrote last, for the message of that error. */
	lastWriter: string;
	/** The references to it. */
	readonly claims: Claims;
	/** Its elements were never computed, because the device had no memory: every use of it throws. */
	readonly isVoid?: boolean;
	/** The elements, where the host can see them without waiting. */
	hostData?(): TypedArray;
}

/** Which elements of a storage a tensor consists of. Element (i, j, ...) is at offset + i * strides[0] + j * strides[1] + ... */
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
	/** Why the device is gone, with everything on it; undefined while it works. */
	readonly loss: DeviceLostError | undefined;
	readonly kernels: Kernels;
	/** A storage whose contents are not defined. Throws a DeviceError when it does not fit the device. `shape` is for errors. */
	allocate(length: number, dtype: DType, shape?: Shape): Storage;
	/** A storage that holds a copy of `data` (whose typed array is that of `dtype`, see core/dtype). `shape` is for errors. */
	upload(data: TypedArray, dtype: DType, shape?: Shape): Storage;
	/** The last reference is gone: the memory may be reused at once. */
	release(storage: Storage): void;
	/** A copy of the whole storage, once everything that was launched before has run. */
	read(storage: Storage): Promise<TypedArray>;
	/**
	 * What a loop that launches and never reads should wait for before it goes on, so that the event loop turns and the device is not left
	 * behind; undefined most of the time.
	 */
	pace(): Promise<void> | undefined;
	/** Throws the first error that has arrived from the device and that nobody has been told of. Does not wait for others. */
	throwReported(): void;
}
