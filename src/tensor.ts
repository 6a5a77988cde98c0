/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `Tensor`: a view (shape, strides, offset) of a storage on a device, plus its place on the tape.
 *
 * A tensor is a handle. Its storage counts the handles and the tape's saved references. When the last one goes, the
 * memory returns to the backend's pool at once. A handle ends by `dispose()` (or `using`), at the end of
 * the `tidy` that made it, or by the garbage collector. This file imports no operation: `methods.ts` adds them.
 */

import type { Backend, DeviceName, OwnedStorage, View } from './backends/contract';
import { layoutKernels } from './backends/kernels';
import { activeBackend, backendOf } from './backends/registry';
import { witness } from './core/capture';
import type { DType, TypedArray } from './core/dtype';
import { ArgumentError, DisposedError, formatShape } from './core/errors';
import { formatValues } from './core/format';
import { numbersOf } from './core/halves';
import { allocationSite, noteRead } from './core/leakWarning';
import { leaveToCollector, memoryWatcher, releaseReference, type StorageClaims } from './core/memoryPressure';
import { onTensorCreated, onTensorDisposed, runOperation } from './core/scope';
import { contiguousStrides, isContiguous, numel, type Shape } from './core/shape';

/** Where a gradient goes next: an output of a node. A leaf has its own node, which accumulates into `.grad`. */
export interface GradEdge {
	readonly node: GradNode;
	readonly index: number;
}

/** The part of a node on the tape that the tensor layer uses; src/autograd/tape.ts has the rest. */
export interface GradNode {
	/** Later nodes have larger numbers, so descending order is a reverse topological order. */
	readonly sequence: number;
	readonly operation: string;
	readonly isLeaf: boolean;
	/** Hooks that see, and may replace, the gradient of an output, by output index: see `registerHook`. */
	hooks: Map<number, Set<{ readonly hook: GradientHook }>> | null;
	/** Tensors that also receive the gradient of an output in `.grad`, by output index: see `retainGrad`. */
	retained: Map<number, Tensor> | null;
}

/** The link from a view to its base, the tensor that owns the memory; src/autograd/views.ts has the rest. */
export interface Viewing {
	/** The tensor that owns the memory; never a view itself. */
	readonly base: Tensor;
	/** The base's `writes` when the view got its place on the tape. */
	seen: number;
	/** Derives the view's place on the tape again from its base. Errors name `operation`. */
	renew(view: Tensor, operation: string): void;
}

/**
 * Receives a gradient in a backward walk. If it returns a tensor, that replaces the gradient. To store the gradient, `keep` it.
 */
export type GradientHook = (gradient: Tensor) => unknown;

/** Nested arrays of numbers or booleans, as `tensor()` takes and `toArray()` gives them. */
export type NestedArray = number | boolean | readonly NestedArray[];

interface Hold {
	storage: OwnedStorage | null;
	/** Whether the handle is registered with the garbage collector. */
	watched: boolean;
}

/** Throws a DeviceLostError with the name `operation` if the tensor's device is lost. */
export function requireDevice(operation: string, x: Tensor): void {
	const { loss } = x.storage.owner;
	if (loss !== undefined) throw loss.at(operation, `the tensor of shape ${formatShape(x.shape)} is gone: `);
}

/** Marks the memory of `x` as written in place by `operation`, so that a graph that saved it throws. */
export function markWritten(x: Tensor, operation: string): void {
	const { storage } = x;
	storage.version++;
	storage.lastWriter = operation;
}

const dropped = new FinalizationRegistry<StorageClaims>((claims) => {
	onTensorDisposed();
	releaseReference(claims);
});

/**
 * An array of numbers with any number of dims, on a device. `tensor()`, `zeros()`, `randn()` and other functions make tensors.
 */
export class Tensor {
	/** The size of each dim. */
	readonly shape: Shape;
	/** The distance in memory, in elements, between adjacent elements along each dim. */
	readonly strides: readonly number[];
	/** The position of the first element in the memory that views share. */
	readonly offset: number;
	/** The type of the elements. */
	readonly dtype: DType;
	/** The link to the base if this tensor is a view; else null. @internal */
	viewing: Viewing | null = null;
	/** The number of recorded in-place operations that have written into this tensor, directly or through a view. @internal */
	writes = 0;
	/** Whether scopes leave this handle alone: see `keep`. @internal */
	kept = false;
	/** A user's label, shown in messages. */
	name = '';
	#edge: GradEdge | null = null;
	#grad: Tensor | null = null;
	readonly #hold: Hold;

	/** Only for the library. Takes a reference to `storage`. */
	constructor(storage: OwnedStorage, shape: Shape, strides: readonly number[] = contiguousStrides(shape), offset = 0) {
		this.shape = shape;
		this.strides = strides;
		this.offset = offset;
		this.dtype = storage.dtype;
		const { claims } = storage;
		if (claims.references === 0) {
			claims.site = allocationSite(claims.bytes);
			if (memoryWatcher !== null) memoryWatcher.taken(claims);
		}
		claims.references++;
		this.#hold = { storage, watched: false };
		onTensorCreated(this);
	}

	/** The memory behind the view. Throws a DisposedError if the tensor was disposed of. @internal */
	get storage(): OwnedStorage {
		const storage = this.#hold.storage;
		if (storage === null) {
			const name = this.name === '' ? '' : ` '${this.name}'`;
			throw new DisposedError(
				`tensor${name} of shape ${formatShape(this.shape)} was disposed of: return it from tidy(), or keep() it, to use it afterwards`,
			);
		}
		if (witness !== null) witness.used(this, storage);
		return storage;
	}

	/** The gradient that `backward()` accumulated into this leaf (or this tensor, after `retainGrad()`); else null. */
	get grad(): Tensor | null {
		if (witness !== null) witness.gradRead(this, this.#grad);
		return this.#grad;
	}

	set grad(grad: Tensor | null) {
		if (witness !== null) witness.gradSet(this, grad);
		this.#grad = grad;
	}

	/** Frees the gradient. @internal */
	clearGrad(): void {
		if (witness !== null) witness.gradCleared(this);
		this.#grad?.dispose();
		this.#grad = null;
	}

	/** Whether `dispose()` or the end of a `tidy` has freed this handle. */
	get isDisposed(): boolean {
		return this.#hold.storage === null;
	}

	/** Where the elements are: 'cpu' or 'webgpu'. */
	get device(): DeviceName {
		return this.storage.device;
	}

	/** The backend that computes with the tensor: the one that owns the memory, or its meta device. @internal */
	get backend(): Backend {
		return activeBackend(this.storage.owner);
	}

	/** The number of dims. */
	get ndim(): number {
		return this.shape.length;
	}

	/** The number of elements. */
	get size(): number {
		return numel(this.shape);
	}

	/** This tensor's place on the tape, or null if it requires no gradient. @internal */
	get edge(): GradEdge | null {
		this.renew('backward');
		return this.#edge;
	}

	/** @internal */
	set edge(edge: GradEdge | null) {
		this.#edge = edge;
		if (this.viewing !== null) this.viewing.seen = this.viewing.base.writes;
	}

	/**
	 * As `edge`, but if the base was written since, it returns the base's place: enough to know what a gradient can reach.
	 *
	 * @internal
	 */
	get reach(): GradEdge | null {
		return this.#isBehind ? this.viewing!.base.#edge : this.#edge;
	}

	/** Updates a view's place on the tape after writes into its base. Errors name `operation`. @internal */
	renew(operation: string): void {
		if (this.#isBehind) this.viewing!.renew(this, operation);
	}

	get #isBehind(): boolean {
		return this.viewing !== null && this.viewing.seen !== this.viewing.base.writes;
	}

	/** Whether `backward()` computes a gradient for this tensor. Set it on leaves, such as parameters or inputs under study. */
	get requiresGrad(): boolean {
		return this.reach !== null;
	}

	/** Whether the user made the tensor, not a recorded operation. `backward()` gives `.grad` to leaves. */
	get isLeaf(): boolean {
		return this.reach === null || this.reach.node.isLeaf;
	}

	/** Whether the elements are in row-major order, without gaps. */
	get isContiguous(): boolean {
		return isContiguous(this.shape, this.strides);
	}

	/** Frees the memory now. Views and saved references keep the storage alive. A second call does nothing. */
	dispose(): void {
		const hold = this.#hold;
		if (hold.storage === null) return;
		if (hold.watched) dropped.unregister(hold);
		const storage = hold.storage;
		hold.storage = null;
		onTensorDisposed();
		releaseReference(storage.claims);
	}

	/** Leaves the handle to the garbage collector: see scope.ts. @internal */
	leave(): void {
		const hold = this.#hold;
		const { claims } = this.storage;
		hold.watched = true;
		dropped.register(this, claims, hold);
		leaveToCollector(claims);
	}

	/**
	 * Gives this handle the memory of `other`, which must have the same shape, and disposes of `other`: see Module.to. @internal
	 */
	adopt(other: Tensor): void {
		const storage = other.storage;
		storage.claims.references++;
		const hold = this.#hold;
		if (hold.watched) dropped.unregister(hold);
		if (hold.storage !== null) releaseReference(hold.storage.claims);
		hold.storage = storage;
		if (hold.watched) this.leave();
		const self = this as { -readonly [K in 'strides' | 'offset' | 'dtype']: Tensor[K] };
		self.strides = other.strides;
		self.offset = other.offset;
		self.dtype = other.dtype;
		other.dispose();
	}

	/** Converts to a string only: JavaScript's arithmetic and comparisons would silently give NaN and false. */
	[Symbol.toPrimitive](hint: string): string {
		if (hint !== 'number') return this.toString();
		throw new ArgumentError(
			'JavaScript operators such as -, * and < do not compute with tensors. Use methods: x.sub(y), x.mul(2), x.lt(1); for a number, await x.item()',
		);
	}

	/** Lets `using` call `dispose()`. */
	[Symbol.dispose](): void {
		this.dispose();
	}

	/** The elements in row-major order, as the typed array of the dtype (bool: Uint8Array; float16 and bfloat16: Float32Array). */
	async data(): Promise<TypedArray> {
		noteRead();
		const storage = this.storage;
		const backend = this.backend;
		const size = this.size;
		let values: TypedArray;
		if (this.isContiguous && this.offset === 0 && storage.length === size) {
			values = await backend.read(storage);
		} else {
			const packed = runOperation('data', () => backend.allocate(size, this.dtype, this.shape));
			packed.claims.references++;
			try {
				runOperation('data', () => layoutKernels(backend).copy({ x: this }, { y: packedView(packed, this.shape) }, {}));
				values = await backend.read(packed);
			} finally {
				releaseReference(packed.claims);
			}
		}
		return numbersOf(this.dtype, values);
	}

	/** The single element of the tensor. Throws an ArgumentError if the tensor has more or none. */
	async item(): Promise<number> {
		if (this.size !== 1) {
			throw new ArgumentError(
				`item: the tensor has shape ${formatShape(this.shape)}; only one element can become a number. Use data() or toArray()`,
			);
		}
		return (await this.data())[0]!;
	}

	/** The elements as nested arrays (a bare number for a scalar); bool elements are booleans. */
	async toArray(): Promise<NestedArray> {
		const values = await this.data();
		const bool = this.dtype === 'bool';
		let next = 0;
		const nest = (dim: number): NestedArray => {
			if (dim === this.ndim) {
				const value = values[next++]!;
				return bool ? value !== 0 : value;
			}
			return Array.from({ length: this.shape[dim]! }, () => nest(dim + 1));
		};
		return nest(0);
	}

	/** Prints values, shape, dtype and device to the console, on every device. */
	async print(): Promise<void> {
		console.log(formatValues(await this.data(), this));
	}

	/**
	 * Values, shape, dtype and device. The values of a WebGPU tensor are not available without waiting: the text then shows
	 * how to read them instead.
	 */
	toString(): string {
		if (this.isDisposed) return `Tensor(shape=${formatShape(this.shape)}, dtype=${this.dtype}, disposed)`;
		const storage = this.storage;
		const values = storage.hostData?.() ?? null;
		return formatValues(values && numbersOf(this.dtype, values), this, storage);
	}

	[Symbol.for('nodejs.util.inspect.custom')](): string {
		return this.toString();
	}
}

function packedView(storage: OwnedStorage, shape: Shape): View {
	return { storage, dtype: storage.dtype, shape, strides: contiguousStrides(shape), offset: 0 };
}

/** A fresh contiguous tensor on `device` with undefined elements, for kernels to fill. */
export function empty(shape: Shape, dtype: DType, device: DeviceName): Tensor {
	return new Tensor(backendOf(device).allocate(numel(shape), dtype, shape), shape);
}

/** A fresh contiguous tensor on the device of `like`. */
export function emptyOn(like: Tensor, shape: Shape, dtype: DType = like.dtype): Tensor {
	return new Tensor(like.backend.allocate(numel(shape), dtype, shape), shape);
}

/** A contiguous copy, off the tape. */
export function copyOf(x: Tensor): Tensor {
	const y = emptyOn(x, x.shape);
	layoutKernels(x.backend).copy({ x }, { y }, {});
	return y;
}

/** x itself if it is contiguous, else a contiguous copy, off the tape. */
export function packed(x: Tensor): Tensor {
	return x.isContiguous ? x : copyOf(x);
}

/** Another view of the same storage; it has no place on the tape yet. */
export function viewOf(x: Tensor, shape: Shape, strides: readonly number[], offset: number): Tensor {
	return new Tensor(x.storage, shape, strides, offset);
}
