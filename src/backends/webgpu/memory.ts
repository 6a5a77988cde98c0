/**
 * GPU memory: storages, the pool of their buffers, and staging buffers for readback.
 *
 * A *block* is one GPUBuffer of a size class. Storages take a block and return it. The queue runs in order, so the next
 * launch may use a returned block at once, even if earlier launches that use it have not run. But the host must not write
 * or destroy a block while launches that use it are encoded and not yet submitted: `writeBuffer` would overtake them.
 * Blocks therefore remember the last batch that uses them.
 *
 * The pool hands out the free block with the lowest number of its class. So a tensor's block depends only on which blocks
 * are free, and every step of a training loop gets the blocks of the step before, and its bind groups.
 */
import { type DType, hostBytes, type TypedArray } from '../../core/dtype';
import { DeviceError, DTypeError, formatShape } from '../../core/errors';
import { formatBytes } from '../../core/format';
import { isHalf } from '../../core/halves';
import type { AllocationSite, StorageClaims } from '../../core/memoryPressure';
import { currentCall, currentOperation } from '../../core/scope';
import { numel, type Shape } from '../../core/shape';
import type { Backend, Storage, View } from '../contract';
import type { AsyncErrors } from './asyncErrors';
import { BufferUsage } from './device';
import { FreeList } from './freeList';
import type { MemoryStatistics } from './statistics';

export interface MemoryOptions {
	/** Bytes of free blocks to keep for reuse. Beyond this the least recently used are destroyed. 512 MiB by default. */
	poolBytes?: number | undefined;
}

/** The purpose of a block, for error messages. */
interface Purpose {
	readonly operation: string;
	readonly dtype: DType;
	readonly length: number;
	/** The tensor's shape, if it is known. */
	readonly shape: Shape | undefined;
}

function described({ operation, dtype, length, shape }: Purpose): string {
	return `${operation}: a ${dtype} tensor ${shape === undefined ? '' : `${formatShape(shape)} `}of ${length} elements`;
}

export interface Block {
	/** Never reused, because it is part of the keys of bind groups. */
	readonly id: number;
	readonly buffer: GPUBuffer;
	readonly bytes: number;
	/** The last batch with launches that use it. */
	batch: number;
	/** The time of its return, counted in returns. */
	freedAt: number;
	/** The time when it was taken, counted in blocks taken for launches; 0 if it was taken for the host. */
	takenAt: number;
	/** The device's answer to its creation. A refused block is never used again. */
	state: 'asked' | 'confirmed' | 'refused';
	/** True if the values will never be written, because the device had no memory. */
	isVoid: boolean;
}

/** A buffer that was requested from the device. */
export interface Allocation {
	/** True until the device grants or refuses it. */
	isAsked: boolean;
	/** True if an earlier buffer was refused, so that nothing depends on this one any more. */
	isMoot: boolean;
}

/** The launch path. It runs nothing that needs a buffer before the device has granted the buffer. */
interface LaunchPath {
	/** The first batch that is not submitted. The host must not write or destroy blocks that it uses. */
	readonly unsubmitted: number;
	readonly bindGroups: { forget(blocks: readonly Block[]): void };
	readonly waiting: { grant(allocation: Allocation): void };
	/** Makes further launches wait for the requested buffer. */
	hold(): Allocation;
	refuse(allocation: Allocation, error: Error): void;
}

/** The error for a tensor with values that were never computed. */
export function voidError(): DeviceError {
	const name = currentOperation() || 'tensor';
	return new DeviceError(
		`${name}: a tensor has no values, because the device had no memory to compute it. Compute it again, from a smaller batch; for gradients call zeroGrad() and backward()`,
	);
}

/**
 * Runs `fn`, which uses `blocks`. Validation errors of blocks that the device refuses are ignored, because the refusal is
 * reported.
 */
export function guardUnconfirmed<T>(device: GPUDevice, asyncErrors: AsyncErrors, blocks: readonly Block[], fn: () => T): T {
	if (blocks.every(({ state }) => state === 'confirmed')) return fn();
	device.pushErrorScope('validation');
	try {
		return fn();
	} finally {
		const isExpected = () => blocks.some(({ state }) => state === 'refused');
		asyncErrors.popScope(device, (error) => (error === null || isExpected() ? null : new DeviceError(error.message)));
	}
}

/** A storage on the GPU: a whole block, padded beyond the storage's bytes. */
export class GpuStorage implements Storage, StorageClaims {
	readonly device = 'webgpu';
	version = 0;
	lastWriter = '';
	references = 0;
	readonly bytes: number;
	readonly isSeen = false;
	isEntrusted = false;
	site: AllocationSite | null = null;

	constructor(
		readonly owner: Backend,
		readonly dtype: DType,
		readonly length: number,
		/** Undefined once the storage is released. */
		public block: Block | undefined,
	) {
		this.bytes = block === undefined ? 0 : block.bytes;
	}

	get claims(): StorageClaims {
		return this;
	}

	get isVoid(): boolean {
		return this.block?.isVoid ?? false;
	}

	release(): void {
		this.owner.release(this);
	}
}

const MIB = 2 ** 20;
const SMALLEST_BLOCK = 256;
const FINE_CLASSES_FROM = MIB;
/** Lines of each part of the table in an out-of-memory error. */
const TABLE_LINES = 5;
const STORAGE_USAGE = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
const STAGING_KEPT_BYTES = 64 * MIB;

/** Bytes of one element on the GPU. bool, uint8 and int8 take a 32-bit word. */
export function gpuBytes(dtype: DType): number {
	return isHalf(dtype) ? 2 : Math.max(hostBytes(dtype), 4);
}

/** Bytes that a kernel moves if it reads or writes each element of these views once. */
export function viewBytes(...views: readonly View[]): number {
	return views.reduce((sum, { shape, dtype }) => sum + numel(shape) * gpuBytes(dtype), 0);
}

/**
 * The size class of `bytes`. Below 1 MiB there are 2 classes per octave, which waste a third at most; above there are 8, which
 * waste a ninth at most.
 */
export function sizeClass(bytes: number): number {
	if (bytes <= SMALLEST_BLOCK) return SMALLEST_BLOCK;
	const octave = 2 ** Math.floor(Math.log2(bytes));
	const step = Math.max(SMALLEST_BLOCK, octave / (bytes < FINE_CLASSES_FROM ? 2 : 8));
	return Math.ceil(bytes / step) * step;
}

export class Memory {
	/** By size class. */
	private readonly free = new Map<number, FreeList<Block>>();
	private readonly freeStaging = new Map<number, GPUBuffer[]>();
	private readonly largest: number;
	private readonly limitName: string;
	private readonly poolBytes: number;
	/** The purpose of each live block. */
	private readonly purposes = new Map<Block, Purpose>();
	private nextId = 1;
	private takes = 0;
	/** The value of `takes` at the start of the current operation, and the number of its call. */
	private takesBefore = 0;
	private call = 0;
	/** Whether the device has refused a buffer since the pool was last emptied. */
	private isShort = false;
	private clock = 0;
	private liveStorages = 0;
	private live = 0;
	private pooled = 0;
	private peak = 0;
	private staging = 0;
	private stagingFree = 0;
	private buffersCreated = 0;
	/** The first unsubmitted batch at the last trim. While it is unsubmitted, another trim can free nothing more. */
	private trimmedAt = -1;

	constructor(
		private readonly device: GPUDevice,
		private readonly asyncErrors: AsyncErrors,
		private readonly commands: LaunchPath,
		options: MemoryOptions,
	) {
		const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
		this.largest = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 16) * 16;
		this.limitName = maxBufferSize < maxStorageBufferBindingSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize';
		this.poolBytes = options.poolBytes ?? 512 * MIB;
	}

	/**
	 * A block of at least `bytes`, for launches to write. With `forHost`, the host may write it right away, because no
	 * unsubmitted launch uses it. `purpose` is for errors.
	 */
	take(bytes: number, forHost: boolean, purpose: Purpose): Block {
		if (bytes > this.largest) {
			throw new DeviceError(
				`${described(purpose)} takes ${bytes} bytes (${formatBytes(bytes)}); this adapter's ${this.limitName} allows ${this.largest} (${formatBytes(this.largest)}). Split it, or use device 'cpu'`,
			);
		}
		const size = Math.min(sizeClass(bytes), this.largest);
		this.takesBeforeOperation();
		const block = this.takeFree(size, forHost) ?? this.create(size, purpose);
		block.takenAt = forHost ? 0 : ++this.takes;
		block.isVoid = block.state === 'refused';
		this.purposes.set(block, purpose);
		this.live += size;
		if (this.live + this.pooled > this.peak) this.peak = this.live + this.pooled;
		this.liveStorages++;
		return block;
	}

	/** Returns a block to the pool. */
	give(block: Block): void {
		this.live -= block.bytes;
		this.liveStorages--;
		this.purposes.delete(block);
		if (block.state === 'refused') {
			this.commands.bindGroups.forget([block]);
			return;
		}
		block.freedAt = this.clock++;
		let list = this.free.get(block.bytes);
		if (list === undefined) {
			list = new FreeList();
			this.free.set(block.bytes, list);
		}
		list.push(block);
		this.pooled += block.bytes;
		if (this.pooled > this.poolBytes && this.trimmedAt !== this.commands.unsubmitted) this.trim(this.poolBytes * 0.75);
	}

	/** Destroys free blocks, least recently used first, until at most `target` bytes of them are left. */
	trim(target: number): void {
		const unsubmitted = this.commands.unsubmitted;
		this.trimmedAt = unsubmitted;
		const lists = [...this.free.values()];
		const candidates = lists.flatMap(({ blocks }) => blocks.filter((block) => block.batch < unsubmitted));
		candidates.sort((a, b) => a.freedAt - b.freedAt);
		const doomed = new Set<Block>();
		for (const block of candidates) {
			if (this.pooled <= target) break;
			this.pooled -= block.bytes;
			block.buffer.destroy();
			doomed.add(block);
		}
		if (doomed.size === 0) return;
		for (const list of lists) list.remove(doomed);
		this.commands.bindGroups.forget([...doomed]);
	}

	/** A mappable buffer with room for `bytes`. */
	takeStaging(bytes: number): GPUBuffer {
		const size = sizeClass(bytes);
		const free = this.freeStaging.get(size)?.pop();
		if (free !== undefined) {
			this.stagingFree -= size;
			return free;
		}
		this.staging += size;
		this.buffersCreated++;
		const usage = BufferUsage.MAP_READ | BufferUsage.COPY_DST;
		return this.createChecked(
			size,
			usage,
			() => 'data: a readback',
			() => {},
		);
	}

	/** For a buffer that never received its copy. */
	destroyStaging(buffer: GPUBuffer): void {
		this.staging -= buffer.size;
		buffer.destroy();
	}

	giveStaging(buffer: GPUBuffer): void {
		if (this.stagingFree + buffer.size > STAGING_KEPT_BYTES) {
			this.staging -= buffer.size;
			buffer.destroy();
			return;
		}
		this.stagingFree += buffer.size;
		const list = this.freeStaging.get(buffer.size);
		if (list === undefined) this.freeStaging.set(buffer.size, [buffer]);
		else list.push(buffer);
	}

	statistics(): MemoryStatistics {
		const { live, liveStorages, pooled, peak, staging, buffersCreated } = this;
		return { live, liveStorages, pooled, allocated: live + pooled, peak, staging, buffersCreated };
	}

	/** The statistics as a table, for out-of-memory errors. */
	toString(): string {
		const { live, liveStorages, pooled, peak, staging } = this;
		const line = (name: string, bytes: number, note: string) => `  ${name.padEnd(8)} ${formatBytes(bytes).padStart(10)}  ${note}`;
		return [
			line('live', live, `in ${liveStorages} storages`),
			line('pooled', pooled, `free, kept for reuse`),
			line('staging', staging, `for readback`),
			line('peak', peak, `live and pooled at once`),
			...this.usage(),
		].join('\n');
	}

	/** Lines about live blocks: a sum for each operation, and the largest tensors. */
	private usage(): string[] {
		const byOperation = new Map<string, { bytes: number; count: number }>();
		for (const [{ bytes }, { operation }] of this.purposes) {
			const sum = byOperation.get(operation) ?? { bytes: 0, count: 0 };
			byOperation.set(operation, { bytes: sum.bytes + bytes, count: sum.count + 1 });
		}
		const most = [...byOperation].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, TABLE_LINES);
		const largest = [...this.purposes].sort(([a], [b]) => b.bytes - a.bytes).slice(0, TABLE_LINES);
		return [
			'Live, by the operation that made it:',
			...most.map(([name, { bytes, count }]) => `  ${formatBytes(bytes).padStart(10)}  ${name}, ${count} tensors`),
			'The largest:',
			...largest.map(([{ bytes }, purpose]) => `  ${formatBytes(bytes).padStart(10)}  ${described(purpose)}`),
		];
	}

	private takeFree(size: number, forHost: boolean): Block | undefined {
		const list = this.free.get(size);
		if (list === undefined) return undefined;
		for (;;) {
			const block = forHost ? list.popUntouched(this.commands.unsubmitted) : list.pop();
			if (block === undefined) return undefined;
			this.pooled -= size;
			if (block.state !== 'refused') return block;
		}
	}

	private takesBeforeOperation(): number {
		const call = currentCall();
		if (call === 0 || call !== this.call) {
			this.call = call;
			this.takesBefore = this.takes;
		}
		return this.takesBefore;
	}

	private create(bytes: number, purpose: Purpose): Block {
		if (this.isShort) {
			// The memory kept for reuse may be just what is missing.
			this.isShort = false;
			this.trim(0);
		}
		this.buffersCreated++;
		const buffer = this.createChecked(
			bytes,
			STORAGE_USAGE,
			() => described(purpose),
			(isGranted) => {
				block.state = isGranted ? 'confirmed' : 'refused';
				if (!isGranted) block.isVoid = true;
			},
		);
		const block: Block = { id: this.nextId++, buffer, bytes, batch: 0, freedAt: 0, takenAt: 0, state: 'asked', isVoid: false };
		return block;
	}

	private createChecked(
		size: number,
		usage: GPUBufferUsageFlags,
		what: () => string,
		onSettled: (isGranted: boolean) => void,
	): GPUBuffer {
		this.device.pushErrorScope('out-of-memory');
		const buffer = this.device.createBuffer({ size, usage });
		const allocation = this.commands.hold();
		const takes = this.takesBeforeOperation();
		const settle = (error: GPUError | null) => {
			onSettled(error === null);
			if (error === null) this.commands.waiting.grant(allocation);
			if (error === null || allocation.isMoot) return null;
			const message = `${what()}: the GPU has no ${formatBytes(size)} left. Take smaller batches, or dispose of tensors. Its memory:\n${this}`;
			const refusal = new DeviceError(message);
			this.isShort = true;
			// The launches that would write these blocks are dropped.
			for (const block of this.purposes.keys()) if (block.takenAt > takes) block.isVoid = true;
			this.commands.refuse(allocation, refusal);
			return refusal;
		};
		// Launches that used the invalid buffer, in a program that did not wait, fail too, and may report it earlier.
		this.asyncErrors.popScope(this.device, settle, true);
		return buffer;
	}
}

/** `data` in the GPU's format: bool, uint8 and int8 widened to words, halves padded to whole words. */
export function encodeForGpu(data: TypedArray, dtype: DType): GPUAllowSharedBufferSource {
	if (dtype === 'bool') return Uint32Array.from(data, (value) => (value === 0 ? 0 : 1));
	if (dtype === 'uint8' || dtype === 'int8') return new Int32Array(data);
	if (data.byteLength % 4 === 0) return data as GPUAllowSharedBufferSource;
	const padded = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
	padded.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
	return padded;
}

/** Copies the first `length` elements of `bytes` into the host's format. */
export function decodeFromGpu(bytes: ArrayBuffer, length: number, dtype: DType): TypedArray {
	switch (dtype) {
		case 'float32':
			return new Float32Array(bytes.slice(0, length * 4));
		case 'int32':
			return new Int32Array(bytes.slice(0, length * 4));
		case 'float16':
		case 'bfloat16':
			return new Uint16Array(bytes.slice(0, length * 2));
		case 'int8':
			return new Int8Array(new Int32Array(bytes, 0, length));
		case 'uint8':
		case 'bool':
			return new Uint8Array(new Uint32Array(bytes, 0, length));
		case 'float64':
			throw new DTypeError(`float64 lives on the CPU only; convert with .to('float32')`);
	}
}
