/**
 * The meta device, as PyTorch's: it computes shapes but no values. Operations run as usual, but their kernels only count the work that they would
 * do, and storages only count their bytes. `Module.summary` uses it, so that it needs no memory and waits for no pipelines.
 */
import { type DType, hostBytes } from '../../core/dtype';
import { DeviceError } from '../../core/errors';
import type { AllocationSite, StorageClaims } from '../../core/memoryPressure';
import type { Backend, DeviceName, Kernels, Storage } from '../contract';
import { flopsOf } from './flops';

/** The work and the memory that a trial run asked for. */
export class Tally {
	/** Of forward kernels: see flops.ts. */
	flops = 0;
	/** Bytes of the current storages, and their peak. */
	live = 0;
	peak = 0;
	/** The module that allocates now, and the bytes each module holds. */
	holder: unknown = null;
	readonly held = new Map<unknown, number>();

	add(holder: unknown, bytes: number): void {
		this.live += bytes;
		this.peak = Math.max(this.peak, this.live);
		this.held.set(holder, (this.held.get(holder) ?? 0) + bytes);
	}
}

class MetaStorage implements Storage, StorageClaims {
	version = 0;
	lastWriter = '';
	references = 0;
	readonly bytes = 0;
	readonly isSeen = true;
	isEntrusted = false;
	site: AllocationSite | null = null;

	constructor(
		readonly owner: Backend,
		readonly dtype: DType,
		readonly length: number,
		readonly holder: unknown,
	) {}

	get device(): DeviceName {
		return this.owner.device;
	}

	get claims(): StorageClaims {
		return this;
	}

	release(): void {
		this.owner.release(this);
	}
}

/** Bytes of elements on a device: bool, uint8 and int8 take four bytes on the GPU. */
export function bytesOf(device: DeviceName, dtype: DType, length: number): number {
	return length * (hostBytes(dtype) === 1 && device === 'webgpu' ? 4 : hostBytes(dtype));
}

/** The meta device of `real`. Storages of `real` may be inputs: it neither reads nor writes them. */
export function metaBackend(real: Backend, tally: Tally): Backend {
	const kernel = (name: string) => (inputs: unknown, outputs: unknown, attributes: unknown) => {
		tally.flops += flopsOf(name, inputs, outputs, attributes);
	};
	const backend: Backend = {
		device: real.device,
		loss: undefined,
		hasFloat16: real.hasFloat16,
		kernels: Object.fromEntries(Object.keys(real.kernels).map((name) => [name, kernel(name)])) as unknown as Kernels,
		allocate(length, dtype) {
			tally.add(tally.holder, bytesOf(real.device, dtype, length));
			return new MetaStorage(backend, dtype, length, tally.holder);
		},
		upload: (data, dtype) => backend.allocate(data.length, dtype),
		allocateForHost: (length, dtype) => backend.allocate(length, dtype),
		write: () => undefined,
		release(storage) {
			tally.add((storage as MetaStorage).holder, -bytesOf(real.device, storage.dtype, storage.length));
		},
		read: () =>
			Promise.reject(new DeviceError('summary: the trial run computes shapes but no values, so forward must not read values')),
		pace: () => undefined,
		throwReported() {},
	};
	return backend;
}
