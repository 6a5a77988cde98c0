/**
 * A stand-in for a device on which everything has a shape and nothing has a value: operations run as ever, their kernels only add up what
 * they would compute, and storages what they would take. For `Module.summary`: no memory, no waiting for pipelines.
 */
import type { Claims, Site } from '../../core/collector';
import { type DType, hostBytes } from '../../core/dtype';
import { DeviceError } from '../../core/errors';
import type { Backend, DeviceName, Kernels, Storage } from '../contract';
import { flopsOf } from './flops';

/** What the stand-ins have been asked for. */
export class Tally {
	/** Of forward kernels: see flops.ts. */
	flops = 0;
	/** Bytes in storages that are held now, and the most that they have been at once. */
	live = 0;
	peak = 0;
	/** On whose behalf storages are made from now on, and how much of `live` is whose. */
	holder: unknown = null;
	readonly held = new Map<unknown, number>();

	add(holder: unknown, bytes: number): void {
		this.live += bytes;
		this.peak = Math.max(this.peak, this.live);
		this.held.set(holder, (this.held.get(holder) ?? 0) + bytes);
	}
}

class DryStorage implements Storage, Claims {
	version = 0;
	lastWriter = '';
	references = 0;
	readonly bytes = 0;
	readonly isSeen = true;
	isEntrusted = false;
	site: Site | null = null;

	constructor(
		readonly owner: Backend,
		readonly dtype: DType,
		readonly length: number,
		readonly holder: unknown,
	) {}

	get device(): DeviceName {
		return this.owner.device;
	}

	get claims(): Claims {
		return this;
	}

	release(): void {
		this.owner.release(this);
	}
}

/** Bytes of elements on a device: bool and uint8 take four on the GPU. */
export function bytesOf(device: DeviceName, dtype: DType, length: number): number {
	return length * (hostBytes(dtype) === 1 && device === 'webgpu' ? 4 : hostBytes(dtype));
}

/** Stands in for `real`, whose storages may be inputs too: they are looked at, neither read nor written. */
export function dryBackend(real: Backend, tally: Tally): Backend {
	const kernel = (name: string) => (inputs: unknown, outputs: unknown, attributes: unknown) => {
		tally.flops += flopsOf(name, inputs, outputs, attributes);
	};
	const backend: Backend = {
		device: real.device,
		loss: undefined,
		kernels: Object.fromEntries(Object.keys(real.kernels).map((name) => [name, kernel(name)])) as unknown as Kernels,
		allocate(length, dtype) {
			tally.add(tally.holder, bytesOf(real.device, dtype, length));
			return new DryStorage(backend, dtype, length, tally.holder);
		},
		upload: (data, dtype) => backend.allocate(data.length, dtype),
		release(storage) {
			tally.add((storage as DryStorage).holder, -bytesOf(real.device, storage.dtype, storage.length));
		},
		read: () => Promise.reject(new DeviceError('summary: the trial run has shapes and no values, so forward must not read any')),
		pace: () => undefined,
		throwReported() {},
	};
	return backend;
}
