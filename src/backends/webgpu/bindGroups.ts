/**
 * A cache of bind groups, keyed by the layout and the buffers. Creating a bind group costs two to three times a launch, and each
 * training step binds the same buffers as the step before.
 *
 * The cap works by generations: a full young generation becomes the old one, and the old one's entries that nobody asked for
 * meanwhile are dropped. So the recently used groups stay, and a hit in the young generation needs no bookkeeping.
 */
import { INDEX_RECORDS } from '../../../shaders/shader';
import { ArgumentError, DeviceError, DisposedError } from '../../core/errors';
import { addMemoryPressure, removeMemoryPressure } from '../../core/memoryPressure';
import type { Storage } from '../contract';
import type { AsyncErrors } from './asyncErrors';
import { type Block, type GpuStorage, guardUnconfirmed, voidError } from './memory';
import { MAX_PARAM_BYTES } from './parameters';
import type { Pipeline } from './pipelines';

/** The weight of a bind group for the garbage collector: lavapipe maps pages for each, and a process may have 65,530 maps. */
const GROUP_BYTES = 16 * 1024;

/** Storages by the names of a kernel's bindings. */
type Buffers = Readonly<Record<string, Storage | undefined>>;

interface Entry {
	readonly group: GPUBindGroup;
	readonly blocks: readonly Block[];
}

interface Population {
	alive: number;
}

const collected = new FinalizationRegistry<Population>((population) => {
	population.alive--;
	removeMemoryPressure(GROUP_BYTES);
});

export class BindGroups {
	private young = new Map<string, Entry>();
	private old = new Map<string, Entry>();
	created = 0;
	/** Counts bind groups that the garbage collector has not freed yet; WebGPU has no other way to free them. */
	private readonly population: Population = { alive: 0 };

	constructor(
		private readonly device: GPUDevice,
		/** The buffer of the parameters, bound with a dynamic offset. */
		private readonly parameters: GPUBuffer,
		/** The storage that every launch binds under the name INDEX_RECORDS. */
		private readonly indexRecords: Storage,
		/** Bind groups to keep. */
		private readonly cap: number,
		/** The number of bind groups, kept or not yet collected, that the driver can bear. */
		private readonly mostAlive: number,
		private readonly asyncErrors: AsyncErrors,
	) {}

	/**
	 * The bind group for `buffers`, which are keyed by the names of the pipeline's bindings. Marks their blocks as used by `batch`.
	 */
	get(pipeline: Pipeline, buffers: Buffers, batch: number): GPUBindGroup {
		const { layout, names, key: kernel } = pipeline;
		let key = `${layout.id}`;
		for (let i = 0; i < names.length; i++) {
			const block = this.block(names[i]!, buffers, kernel);
			if (block.isVoid) throw voidError();
			block.batch = batch;
			key += `,${block.id}`;
		}
		const hit = this.young.get(key);
		return hit !== undefined ? hit.group : this.find(key, pipeline, buffers);
	}

	private block(name: string, buffers: Buffers, kernel: string): Block {
		const storage = (name === INDEX_RECORDS ? this.indexRecords : buffers[name]) as GpuStorage | undefined;
		if (storage?.block !== undefined) return storage.block;
		if (storage !== undefined) throw new DisposedError(`${kernel}: buffer ${name} was released or is not on the GPU`);
		throw new ArgumentError(`${kernel}: this variant needs a buffer ${name}`);
	}

	/** Drops bind groups that use one of `blocks`. */
	forget(blocks: readonly Block[]): void {
		const gone = new Set(blocks);
		for (const generation of [this.young, this.old]) {
			for (const [key, entry] of generation) {
				if (entry.blocks.some((block) => gone.has(block))) generation.delete(key);
			}
		}
	}

	private find(key: string, pipeline: Pipeline, buffers: Buffers): GPUBindGroup {
		const entry = this.old.get(key) ?? this.create(pipeline, buffers);
		if (this.young.size >= this.cap / 2) {
			this.old = this.young;
			this.young = new Map();
		}
		this.young.set(key, entry);
		return entry.group;
	}

	private create({ layout, names, key: kernel }: Pipeline, buffers: Buffers): Entry {
		for (const name of Object.keys(buffers)) {
			if (buffers[name] !== undefined && !names.includes(name)) {
				throw new ArgumentError(`${kernel}: this variant has no buffer ${name}`);
			}
		}
		const blocks = names.map((name) => this.block(name, buffers, kernel));
		const written = (i: number) => layout.bindings[i] !== 'read';
		if (blocks.some((block, i) => blocks.indexOf(block) !== i && (written(i) || written(blocks.indexOf(block))))) {
			throw new ArgumentError(
				`${kernel}: a written buffer is bound twice; an in-place kernel needs a variant with one read_write binding`,
			);
		}
		const entries: GPUBindGroupEntry[] = [{ binding: 0, resource: { buffer: this.parameters, size: MAX_PARAM_BYTES } }];
		for (const block of blocks) entries.push({ binding: entries.length, resource: { buffer: block.buffer } });
		const { population } = this;
		if (population.alive >= this.mostAlive) {
			throw new DeviceError(
				`${kernel}: ${population.alive} bind groups wait for the garbage collector, more than this software adapter can hold. Put the body of the loop into tidy(() => ...), or await a result now and then`,
			);
		}
		population.alive++;
		this.created++;
		const descriptor = { label: kernel, layout: layout.group, entries };
		const group = guardUnconfirmed(this.device, this.asyncErrors, blocks, () => this.device.createBindGroup(descriptor));
		collected.register(group, population);
		addMemoryPressure(GROUP_BYTES);
		return { group, blocks };
	}
}
