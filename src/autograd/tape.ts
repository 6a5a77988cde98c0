/**
 * The tape: nodes and what they save. Operations go on it in operation.ts, in-place writes in ops/inplace.ts.
 *
 * A node holds the rule for its gradients and what that needs. A saved tensor is not a handle but a counted reference to
 * the storage with the version that it had, so that dropping handles is safe and overwriting is noticed.
 */
import type { DeviceName, OwnedStorage } from '../backends/contract';
import { noteModelChange } from '../core/capture';
import { requireFunction } from '../core/checks';
import { type DType, isFloating } from '../core/dtype';
import { AutogradError, formatShape } from '../core/errors';
import { leaveToCollector, releaseReference, type StorageClaims } from '../core/memoryPressure';
import type { ScopedNode } from '../core/scope';
import type { Shape } from '../core/shape';
import { type GradEdge, type GradientHook, type GradNode, Tensor } from '../tensor';
import { callerStack, isWatching } from './anomaly';
import { isGradEnabled } from './modes';

let sequence = 0;

/** The gradient of each input; null if the input has no gradient or needs none. */
export type InputGradients = readonly (Tensor | null)[];

/** How a node computes gradients in a backward walk, as static data. The node itself holds saved tensors and attributes. */
export interface Rule<A> {
	/**
	 * The gradients of the inputs, or null. `needs` has the shape and dtype of each input with a wanted gradient, else null. A walk that
	 * is not recorded may use fused kernels.
	 */
	pullBack(
		gradients: readonly (Tensor | null)[],
		saved: readonly (Tensor | null)[],
		attributes: A,
		needs: readonly (OutputInfo | null)[],
		name: string,
		isRecorded: boolean,
	): InputGradients;
	/** What the operation calls its saved tensors, in order, if it has names for them. */
	readonly savedNames?: readonly string[];
}

interface Saved {
	readonly storage: OwnedStorage;
	readonly shape: Shape;
	readonly strides: readonly number[];
	readonly offset: number;
	readonly version: number;
	readonly edge: GradEdge | null;
}

/** A saved tensor as `graph` sees it. */
interface SavedView {
	readonly name: string;
	readonly shape: Shape;
	readonly storage: OwnedStorage;
}

/** Throws an AutogradError if the memory of a tensor was written after `operation` saved it at `version`. */
export function requireUnwritten(
	operation: string,
	shape: Shape,
	version: number,
	storage: Pick<OwnedStorage, 'version' | 'lastWriter'>,
): void {
	if (storage.version === version) return;
	throw new AutogradError(
		`backward: '${operation}' saved a tensor of shape ${formatShape(shape)} that '${storage.lastWriter}' has overwritten since (version ${storage.version}, saved at ${version}). Clone it before the in-place write`,
	);
}

export interface OutputInfo {
	readonly shape: Shape;
	readonly dtype: DType;
}

/** Releases the saved tensors of a node that was collected. Holds claims instead of the node, because that would keep the node alive. */
const droppedNodes = new FinalizationRegistry<StorageClaims[]>((claims) => {
	for (const claim of claims.splice(0)) releaseReference(claim);
});

/** Replaces saving while a `checkpoint` runs, which computes tensors again, or a `saveOnCpu`, which moves them to the host. */
export interface SaveHook {
	/** The public function that replaces saving. */
	readonly operation: 'checkpoint' | 'saveOnCpu';
	/** Notes a tensor that a node saves. In the backward walk the returned function returns it, or an equal one, for `operation`. */
	pack(tensor: Tensor): (operation: string) => Tensor;
	/** Notes that a node has packed tensors. The node calls the returned function when it is released. */
	attach(): () => void;
}

let saveHook: SaveHook | null = null;

/** Whether a hook replaces saving. */
export function isSaving(): boolean {
	return saveHook !== null;
}

/** Runs `fn` with another way of saving. */
export function withSaveHook<T>(hook: SaveHook | null, fn: () => T): T {
	const before = saveHook;
	saveHook = hook;
	try {
		return fn();
	} finally {
		saveHook = before;
	}
}

/** One recorded operation. */
export class TapeNode implements GradNode, ScopedNode {
	readonly sequence = sequence++;
	readonly isLeaf = false;
	retained: GradNode['retained'] = null;
	hooks: GradNode['hooks'] = null;
	/** Where the operation was called, while `detectAnomaly` watches. */
	readonly caller = isWatching() ? callerStack() : '';
	#saved: (Saved | null)[] | null = null;
	#packed: {
		readonly by: SaveHook['operation'];
		readonly restore: (((operation: string) => Tensor) | null)[];
		readonly detach: () => void;
	} | null = null;
	readonly #claims: StorageClaims[] = [];
	/** Whether the node is registered with `droppedNodes`. */
	#watched = false;
	// Released with the saved tensors, because the attributes of a user's operation may hold handles.
	#attributes: unknown;
	#released = false;
	readonly #rule: Rule<unknown>;

	constructor(
		readonly operation: string,
		/** The destination of each input's gradient, or null if it is not wanted. */
		readonly edges: readonly (GradEdge | null)[],
		/** Absent for an optional output that the call did not give. */
		readonly outputs: readonly (OutputInfo | undefined)[],
		rule: Rule<unknown>,
		attributes: unknown,
	) {
		this.#rule = rule;
		this.#attributes = attributes;
	}

	get released(): boolean {
		return this.#released;
	}

	/** The gradients of the inputs. Throws an AutogradError when the node was released, or a saved tensor overwritten. */
	pullBack(gradients: readonly (Tensor | null)[], needs: readonly (OutputInfo | null)[], isRecorded: boolean): InputGradients {
		const saved = this.#unpack();
		return this.#rule.pullBack(gradients, saved, this.#attributes, needs, this.operation, isRecorded);
	}

	save(tensors: readonly (Tensor | null)[]): void {
		if (saveHook !== null) {
			const hook = saveHook;
			const restore = tensors.map((tensor) => tensor && hook.pack(tensor));
			this.#packed = { by: hook.operation, restore, detach: hook.attach() };
			return;
		}
		this.#saved = tensors.map((tensor) => {
			if (tensor === null) return null;
			const { storage, shape, strides, offset, edge } = tensor;
			storage.claims.references++;
			this.#claims.push(storage.claims);
			return { storage, shape, strides, offset, version: storage.version, edge };
		});
	}

	leave(): void {
		if (this.#claims.length === 0) return;
		this.#watched = true;
		droppedNodes.register(this, this.#claims, this);
		for (const claim of this.#claims) leaveToCollector(claim);
	}

	/** The function that replaced saving, or null. */
	get packedBy(): SaveHook['operation'] | null {
		return this.#packed?.by ?? null;
	}

	/** Shows the saved tensors, with the memory that they hold, to `graph`. Empty if they were released or packed. */
	savedTensors(): SavedView[] {
		const names = this.#rule.savedNames;
		return (this.#saved ?? []).flatMap((saved, i) =>
			saved === null ? [] : [{ name: names?.[i] ?? `saved ${i}`, shape: saved.shape, storage: saved.storage }],
		);
	}

	/** The saved tensors as handles again, at their old places on the tape. */
	#unpack(): (Tensor | null)[] {
		if (this.released) {
			throw new AutogradError(
				`backward: the graph through '${this.operation}' was already walked and freed. Pass { retainGraph: true } to the first backward() to walk it twice`,
			);
		}
		if (this.#packed !== null) return this.#packed.restore.map((restore) => restore?.(this.operation) ?? null);
		return (this.#saved ?? []).map((saved) => {
			if (saved === null) return null;
			requireUnwritten(this.operation, saved.shape, saved.version, saved.storage);
			const tensor = new Tensor(saved.storage, saved.shape, saved.strides, saved.offset);
			tensor.edge = saved.edge;
			return tensor;
		});
	}

	/** Frees the saved tensors; the node cannot be walked afterwards. */
	release(): void {
		if (this.#released) return;
		this.#released = true;
		this.#attributes = null;
		this.#saved = null;
		this.#packed?.detach();
		this.#packed = null;
		if (this.#watched) droppedNodes.unregister(this);
		for (const claim of this.#claims.splice(0)) releaseReference(claim);
	}
}

/** The node of a leaf. It accumulates gradients into the leaf's `.grad`. */
export class LeafNode implements GradNode {
	readonly sequence = sequence++;
	readonly operation = 'leaf';
	readonly isLeaf = true;
	readonly retained = null;
	hooks: GradNode['hooks'] = null;
	/** Called when a walk has completed `.grad`: see addPostAccumulateHook. */
	readonly afterwards = new Set<{ readonly hook: PostAccumulateHook }>();

	constructor(readonly tensor: Tensor) {}
}

/** Receives a leaf whose `.grad` a backward walk has completed. */
export type PostAccumulateHook = (leaf: Tensor) => void;

/** Throws an AutogradError if a gradient would have to flow from `device` back to `x` on another one. */
export function requireOwnGradient(operation: string, x: Tensor, device: DeviceName): void {
	if (x.device !== device && x.requiresGrad && isGradEnabled()) {
		throw new AutogradError(
			`${operation}: a gradient cannot flow from ${device} back to ${x.device}. Move the tensor before requiresGrad_(), or use its detach()`,
		);
	}
}

/** Makes a leaf require a gradient, or stop doing so. */
export function setRequiresGrad(tensor: Tensor, on: boolean): void {
	if (on === tensor.requiresGrad) return;
	if (!tensor.isLeaf) {
		throw new AutogradError(
			`requiresGrad_: only a leaf can stop requiring a gradient; this is the result of '${tensor.reach!.node.operation}'. Use detach()`,
		);
	}
	if (on && !isFloating(tensor.dtype)) {
		throw new AutogradError(`requiresGrad_: only floating tensors have gradients; this one is ${tensor.dtype}`);
	}
	tensor.edge = on ? { node: new LeafNode(tensor), index: 0 } : null;
}

/**
 * Sets whether a leaf requires a gradient, by default true, and returns it. Throws for integers, and for false on a result. As
 * `torch.Tensor.requires_grad_`.
 */
export function requiresGrad_<T extends Tensor>(tensor: T, on = true): T {
	setRequiresGrad(tensor, on);
	return tensor;
}

/** Makes `backward()` fill `.grad` of a tensor that is not a leaf. Returns the tensor. As `torch.Tensor.retain_grad`. */
export function retainGrad<T extends Tensor>(tensor: T): T {
	const { edge } = tensor;
	if (edge === null)
		throw new AutogradError('retainGrad: the tensor requires no gradient; call requiresGrad_() on what it is computed from');
	if (edge.node instanceof TapeNode) {
		edge.node.retained ??= new Map();
		edge.node.retained.set(edge.index, tensor);
	}
	return tensor;
}

export interface HookHandle {
	/** Removes the hook. */
	remove(): void;
}

/** Adds a hook to a set. The returned handle removes it. */
export function addHook<H>(operation: string, hooks: Set<{ readonly hook: H }>, hook: H): HookHandle {
	requireFunction(operation, 'hook', hook);
	const entry = { hook };
	hooks.add(entry);
	noteModelChange();
	return {
		remove: () => {
			if (hooks.delete(entry)) noteModelChange();
		},
	};
}

/**
 * Calls `hook` with the gradient of `tensor` in each backward walk. If it returns a tensor of the same shape and dtype, that replaces the
 * gradient. A hook that stores the gradient must `keep` it. As `torch.Tensor.register_hook`.
 */
export function registerHook(tensor: Tensor, hook: GradientHook): HookHandle {
	if (tensor.edge === null)
		throw new AutogradError('registerHook: the tensor requires no gradient; call requiresGrad_() on what it is computed from');
	const { node, index } = tensor.edge;
	node.hooks ??= new Map();
	const hooks = node.hooks.get(index) ?? new Set();
	node.hooks.set(index, hooks);
	return addHook('registerHook', hooks, hook);
}

/**
 * Calls `hook` as soon as a `backward()` has completed `.grad` of a leaf, while the walk goes on. As
 * `torch.Tensor.register_post_accumulate_grad_hook`.
 *
 * @internal
 */
export function addPostAccumulateHook(leaf: Tensor, hook: PostAccumulateHook): HookHandle {
	const node = leaf.edge?.node;
	if (!(node instanceof LeafNode))
		throw new AutogradError('addPostAccumulateHook: the tensor is no leaf that requires a gradient; call requiresGrad_() on it');
	return addHook('addPostAccumulateHook', node.afterwards, hook);
}

// Not the tensor itself, because a node that held its outputs would keep dropped handles alive.
export function outputInfo(tensor: Tensor): OutputInfo;
export function outputInfo(tensor: Tensor | null | undefined): OutputInfo | undefined;
export function outputInfo(tensor: Tensor | null | undefined): OutputInfo | undefined {
	return tensor == null ? undefined : { shape: tensor.shape, dtype: tensor.dtype };
}
