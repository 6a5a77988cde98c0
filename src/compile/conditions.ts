/** Checks whether a replay would do what the call would do. The library checks all state that it knows. */
import type { Backend, Kernels, OwnedStorage } from '../backends/contract';
import { modelChanges } from '../core/capture';
import { sameShape } from '../core/shape';
import type { Tensor } from '../tensor';
import { type CallRecording, type Layout, type Outer, resolve } from './recording';

export class Conditions {
	/** Tensors from outside that must still have the same memory. */
	readonly #held: readonly { readonly tensor: Tensor; readonly storage: OwnedStorage; readonly requiresGrad: boolean }[];
	readonly #heldStorages: ReadonlySet<unknown>;
	/** Arguments that must have the same memory. */
	readonly #pinned: readonly { readonly index: number; readonly storage: unknown }[];
	readonly #modes: readonly (readonly [module: { training: boolean }, training: boolean])[];
	readonly #entries: readonly { readonly owner: Outer; readonly layout: Layout | null; readonly storage: OwnedStorage | null }[];
	readonly #changes = modelChanges();
	/** `tune` and `useTuning` replace them: other variants are other launches. */
	readonly #kernels: Kernels;

	constructor(
		private readonly backend: Backend,
		recording: CallRecording,
		/**
		 * A recording that did the same. An argument or a gradient with the same memory in both may be used under another name, too, so that
		 * no other can take its place.
		 */
		earlier: CallRecording | null = null,
	) {
		const { roles, args, storages } = recording;
		this.#kernels = backend.kernels;
		const entries = new Set([...recording.entries.values()].map((entry) => entry?.grad));
		this.#held = [...recording.uses]
			.filter(([tensor]) => !args.includes(tensor) && !entries.has(tensor))
			.map(([tensor, { storage, requiresGrad }]) => ({ tensor, storage, requiresGrad }));
		const persistent = new Set(roles.flatMap((role) => (role.kind === 'persistent' ? [role.storage] : [])));
		this.#heldStorages = new Set([...persistent, ...this.#held.map(({ storage }) => storage)]);
		this.#pinned = storages.flatMap((storage, index) =>
			persistent.has(storage) || earlier?.storages[index] === storage ? [{ index, storage }] : [],
		);
		this.#modes = [...recording.modes];
		const others = [...(earlier?.entries.values() ?? [])];
		this.#entries = [...recording.entries].map(([owner, entry], i) => ({
			owner: args.includes(owner) ? args.indexOf(owner) : owner,
			layout: entry?.layout ?? null,
			storage: entry !== null && others[i]?.storage === entry.storage ? entry.storage : null,
		}));
	}

	hold(args: readonly Tensor[], backend: Backend): boolean {
		if (backend !== this.backend || backend.kernels !== this.#kernels || this.#changes !== modelChanges()) return false;
		for (const { tensor, storage, requiresGrad } of this.#held) {
			if (tensor.isDisposed || tensor.storage !== storage || tensor.requiresGrad !== requiresGrad || storage.isVoid) return false;
		}
		for (const [module, training] of this.#modes) if (module.training !== training) return false;
		for (const { index, storage } of this.#pinned) if (args[index]!.storage !== storage) return false;
		for (const [i, { storage }] of args.entries()) {
			if (storage.owner !== this.backend || storage.isVoid) return false;
			if (this.#heldStorages.has(storage) && !this.#pinned.some(({ index }) => index === i)) return false;
		}
		const memories = new Set<unknown>();
		for (const { owner, layout, storage } of this.#entries) {
			const { grad } = resolve(owner, args);
			if (grad === null || layout === null) {
				if (grad !== layout) return false;
				continue;
			}
			if (grad.isDisposed || !hasLayout(grad, layout) || grad.storage.isVoid || !this.#isApart(grad, args)) return false;
			if (storage !== null && grad.storage !== storage) return false;
			if (memories.has(grad.storage)) return false;
			memories.add(grad.storage);
		}
		return true;
	}

	/** Whether the memory of a gradient is none of the other tensors'. */
	#isApart({ storage }: Tensor, args: readonly Tensor[]): boolean {
		return storage.owner === this.backend && !this.#heldStorages.has(storage) && args.every((other) => other.storage !== storage);
	}
}

function hasLayout(tensor: Tensor, layout: Layout): boolean {
	return (
		tensor.dtype === layout.dtype &&
		sameShape(tensor.shape, layout.shape) &&
		sameShape(tensor.strides, layout.strides) &&
		tensor.offset === layout.offset &&
		tensor.requiresGrad === layout.requiresGrad
	);
}
