/**
 * `saveOnCpu` moves what the tape saves to the host between the forward and the backward pass.
 *
 * The host gets a GPU buffer only after a wait, but the copy that it will get is made on the GPU, in order with the launches. So the memory
 * of a saved tensor is free for the next launch once its copy is encoded: in the middle of the forward pass. The wait comes once, before
 * the backward pass, which uploads each tensor when a node needs it; an upload needs no wait.
 *
 * Memory moves once nothing but the tape holds it. So parameters and others that stay on the GPU anyway are not copied.
 */
import type { OwnedStorage } from '../backends/contract';
import type { TypedArray } from '../core/dtype';
import { AutogradError, formatShape } from '../core/errors';
import { addHostBytes } from '../core/memoryPressure';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { isGradEnabled, synchronous } from './modes';
import { isSaving, requireUnwritten, type SaveHook, withSaveHook } from './tape';

/** Smaller memory stays, because its copy would cost more than it frees. */
const LEAST_BYTES = 4096;
/** Nodes between two searches for memory that nothing else holds any more. */
const NODES = 32;

const collected = new FinalizationRegistry<{ bytes: number }>((moved) => {
	addHostBytes(-moved.bytes);
});

type SavedView = Pick<Tensor, 'shape' | 'strides' | 'offset' | 'edge'> & { readonly version: number };

/** Memory that nodes saved: on the GPU, then on the host, then on the GPU again. */
class SavedMemory {
	#onGpu: Tensor | null;
	#onHost: TypedArray | null = null;
	/** What is counted as on the host; an object of its own, for the garbage collector. */
	readonly #moved = { bytes: 0 };
	#nodes = 0;
	readonly #source: Pick<OwnedStorage, 'version' | 'lastWriter'>;
	readonly #layout: Pick<OwnedStorage, 'owner' | 'dtype' | 'length'>;

	constructor(storage: OwnedStorage) {
		const { owner, dtype, length } = storage;
		this.#layout = { owner, dtype, length };
		this.#source = storage;
		this.#onGpu = heldTensor(storage);
	}

	/** Whether nothing but this holds the memory. */
	get isAlone(): boolean {
		return this.#onGpu?.storage.claims.references === 1;
	}

	/** Whether no node needs it any more. */
	get isUnused(): boolean {
		return this.#nodes === 0;
	}

	/** Starts the copy to the host and frees the memory on the GPU. Resolves when the copy has arrived. */
	async move(): Promise<void> {
		const { storage } = this.#onGpu!;
		const values = storage.owner.read(storage);
		this.#moved.bytes = storage.claims.bytes;
		addHostBytes(this.#moved.bytes);
		collected.register(this, this.#moved);
		this.#onGpu!.dispose();
		this.#onGpu = null;
		const arrived = await values;
		if (!this.isUnused) this.#onHost = arrived;
	}

	/** A tensor of this memory, as it was saved. */
	restore({ shape, strides, offset, edge, version }: SavedView, operation: string): Tensor {
		requireUnwritten(operation, shape, version, this.#source);
		this.#onGpu ??= heldTensor(this.#upload(shape));
		const tensor = new Tensor(this.#onGpu.storage, shape, strides, offset);
		tensor.edge = edge;
		return tensor;
	}

	#upload(shape: readonly number[]): OwnedStorage {
		if (this.#onHost === null)
			throw new AutogradError(
				`backward: a saved tensor of shape ${formatShape(shape)} is still on its way to the host. Await the promise of saveOnCpu() before backward()`,
			);
		const { owner, dtype } = this.#layout;
		const storage = owner.upload(this.#onHost, dtype, shape);
		this.#leaveHost();
		return storage;
	}

	#leaveHost(): void {
		this.#onHost = null;
		addHostBytes(-this.#moved.bytes);
		this.#moved.bytes = 0;
	}

	attach(): void {
		this.#nodes++;
	}

	detach(): void {
		if (--this.#nodes > 0) return;
		this.#onGpu?.dispose();
		this.#onGpu = null;
		this.#leaveHost();
	}
}

function heldTensor(storage: OwnedStorage): Tensor {
	const tensor = new Tensor(storage, [storage.length]);
	tensor.kept = true;
	return tensor;
}

/** What the nodes of one forward pass save. */
export class HostSaves implements SaveHook {
	readonly operation = 'saveOnCpu';
	readonly #memories = new Map<OwnedStorage, SavedMemory>();
	/** Memory that may move. */
	readonly #waiting = new Set<SavedMemory>();
	/** The memory of the next node. */
	#packed: SavedMemory[] = [];
	#nodes = 0;
	readonly #copies: Promise<void>[] = [];

	/** Runs a part of the forward pass. Within a checkpoint, which saves nothing, it changes nothing. */
	run<T>(fn: () => T): T {
		if (!isGradEnabled() || isSaving()) return fn();
		const result = withSaveHook(this, () => tidy(fn));
		this.#move();
		return result;
	}

	pack(tensor: Tensor): (operation: string) => Tensor {
		const { storage, shape, strides, offset, edge } = tensor;
		let memory = this.#memories.get(storage);
		if (memory === undefined) {
			memory = new SavedMemory(storage);
			this.#memories.set(storage, memory);
			if (storage.device !== 'cpu' && storage.claims.bytes >= LEAST_BYTES && !tensor.kept) this.#waiting.add(memory);
		}
		this.#packed.push(memory);
		const view = { shape, strides, offset, edge, version: storage.version };
		return (operation) => memory.restore(view, operation);
	}

	attach(): () => void {
		const memories = new Set(this.#packed);
		this.#packed = [];
		for (const memory of memories) memory.attach();
		if (++this.#nodes % NODES === 0) this.#move();
		return () => {
			for (const memory of memories) memory.detach();
		};
	}

	/** Resolves when everything that moves is on the host. */
	async ready(): Promise<void> {
		this.#move();
		this.#memories.clear();
		this.#waiting.clear();
		await Promise.all(this.#copies.splice(0));
	}

	#move(): void {
		for (const memory of this.#waiting) {
			if (!memory.isAlone && !memory.isUnused) continue;
			this.#waiting.delete(memory);
			if (memory.isUnused) continue;
			const copy = memory.move();
			// `ready` reports the error, if anybody still asks.
			copy.catch(() => {});
			this.#copies.push(copy);
		}
	}
}

/**
 * Runs `fn` and moves the tensors that it saves for the gradient to the host, until the backward pass needs them: GPU memory for time. A
 * tensor moves when nothing but the tape holds it, so wrap the parts of `fn` in `tidy`. Resolves to the result of `fn`, which must not be async,
 * when all of them have arrived; `backward()` must wait for that. As `torch.autograd.graph.save_on_cpu`.
 *
 * ```ts
 * const loss = await saveOnCpu(() => crossEntropy(model.forward(x), y));
 * loss.backward();
 * ```
 */
export async function saveOnCpu<T>(fn: () => T): Promise<T> {
	const saves = new HostSaves();
	const result = saves.run(() => synchronous('saveOnCpu', fn));
	await saves.ready();
	return result;
}
