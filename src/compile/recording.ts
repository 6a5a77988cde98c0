/**
 * One recorded call of a compiled function. It runs as usual; the recording notes the launches, the tensors from outside that the call uses,
 * what it does to gradients, and its calls into library code with host state (`live`).
 *
 * A replay must do what the call would do. So whatever a replay could not repeat makes the recording refuse, with a reason.
 */
import { currentAutocast } from '../autograd/modes';
import type { Backend, OwnedStorage, Storage } from '../backends/contract';
import type { LaunchRecording } from '../backends/contract/replay';
import { launchRecorder } from '../backends/replay';
import { setWitness, type Witness } from '../core/capture';
import type { DType } from '../core/dtype';
import { defaultGenerator, type GeneratorState } from '../core/generator';
import { Tensor } from '../tensor';
import { tidied } from '../tidy';

/** A tensor from outside: an argument, by its number, or another one. */
export type Outer = number | Tensor;

/** A tensor on the memory of a slot. */
export interface SlotView {
	readonly slot: number;
	readonly shape: readonly number[];
	readonly strides: readonly number[];
	readonly offset: number;
}

/** What a replay does besides launches, before launch `at`. */
export type Item = { readonly at: number } & (
	| { readonly kind: 'call'; readonly of: object; readonly method: string; readonly fn: () => void }
	| { readonly kind: 'clear'; readonly owner: Outer }
	| { readonly kind: 'assign'; readonly owner: Outer; readonly view: SlotView | null }
	| { readonly kind: 'mode'; readonly module: { training: boolean }; readonly training: boolean }
	| { readonly kind: 'allocate'; readonly slot: number; readonly dtype: DType; readonly length: number }
);

/** Where a replay finds the memory of a slot. */
export type Role =
	| { readonly kind: 'temporary' }
	/** Memory of its own, for a result or a gradient. */
	| { readonly kind: 'fresh' }
	| { readonly kind: 'constant' }
	| { readonly kind: 'argument'; readonly index: number }
	/** The gradient that a tensor has before the call. */
	| { readonly kind: 'grad'; readonly owner: Outer }
	| { readonly kind: 'persistent'; readonly storage: Storage };

/** A part of the result. */
export type Part =
	| { readonly kind: 'constant'; readonly value: unknown }
	| { readonly kind: 'list'; readonly items: readonly Part[] }
	| { readonly kind: 'object'; readonly keys: readonly string[]; readonly items: readonly Part[] }
	| { readonly kind: 'outer'; readonly tensor: Outer }
	/** The gradient that the call has assigned to the tensor. */
	| { readonly kind: 'grad'; readonly owner: Outer }
	| { readonly kind: 'tensor'; readonly number: number; readonly view: SlotView; readonly kept: boolean };

/** What a gradient must look like. */
export interface Layout {
	readonly dtype: DType;
	readonly shape: readonly number[];
	readonly strides: readonly number[];
	readonly offset: number;
	readonly requiresGrad: boolean;
}

interface Entry {
	readonly grad: Tensor;
	readonly storage: OwnedStorage;
	readonly layout: Layout;
}

interface Use {
	readonly storage: OwnedStorage;
	readonly version: number;
	readonly requiresGrad: boolean;
}

class Refusal {
	constructor(readonly reason: string) {}
}

export class CallRecording implements Witness {
	/** Why the call cannot be replayed. */
	reason: string | null = null;
	/** Whether it computed on the CPU. */
	usesCpu = false;
	readonly launches: LaunchRecording;
	/** The memory of the arguments. */
	readonly storages: readonly OwnedStorage[];
	readonly program: Item[] = [];
	readonly uses = new Map<Tensor, Use>();
	readonly modes = new Map<{ training: boolean }, boolean>();
	/** The gradients before the call that it depends on, by owner. */
	readonly entries = new Map<Tensor, Entry | null>();
	roles: Role[] = [];
	result: Part = { kind: 'constant', value: undefined };
	/** How often the call wrote into memory from outside, by slot. */
	readonly writes = new Map<number, number>();
	/** The random keys that the call took. */
	draws = 0;
	readonly #cleared = new Set<Tensor>();
	readonly #made = new Set<object>();
	readonly #madeLive = new Set<object>();
	/** The handles in `.grad` of tensors from outside, by handle. */
	readonly #gradients = new Map<object, Tensor>();
	/** Gradients of tensors that the call makes. */
	readonly #orphans = new Set<Tensor>();
	readonly #liveWrites = new Map<Storage, number>();
	readonly #setModes = new Set<object>();
	#live: string | null = null;

	constructor(
		backend: Backend,
		readonly args: readonly Tensor[],
	) {
		this.storages = args.map(({ storage }) => storage);
		this.launches = backend.record!(launchRecorder);
	}

	/** Runs `fn` under `tidy` and records it. */
	run<R>(fn: () => R): R {
		const random = defaultGenerator.getState();
		const before = setWitness(this);
		const restoreChance = this.#watchChance();
		let result: R;
		try {
			result = tidied(() => {
				const returned = fn();
				this.#attempt(() => {
					this.result = this.#part(returned, new Map());
				});
				return returned;
			});
		} finally {
			restoreChance();
			setWitness(before);
			this.launches.stop();
		}
		this.#attempt(() => this.#finish(random));
		return result;
	}

	/** A choice by `Math.random` may be the same in the first calls, and another one later. Returns a function that ends the watch. */
	#watchChance(): () => void {
		const { random } = Math;
		if (Object.getOwnPropertyDescriptor(Math, 'random')?.writable !== true) return () => {};
		Math.random = () => {
			this.refuse('it calls Math.random(). Draw with rand(), or outside and pass the number as an argument');
			return random();
		};
		return () => {
			Math.random = random;
		};
	}

	made(tensor: object): void {
		(this.#live === null ? this.#made : this.#madeLive).add(tensor);
	}

	used(handle: object, memory: object): void {
		const tensor = handle as Tensor;
		const storage = memory as OwnedStorage;
		if (storage.device === 'cpu') {
			this.usesCpu = true;
			this.refuse('it computes on the CPU');
		} else if (this.#live !== null) {
			if (this.#made.has(tensor) && !this.#gradients.has(tensor))
				this.refuse(`${this.#live} uses a tensor of the call that is not a gradient`);
		} else if (this.#madeLive.has(tensor)) {
			this.refuse('it uses a tensor that an optimizer or a scaler has made in the same call');
		} else if (!this.#made.has(tensor) && !this.uses.has(tensor)) {
			this.uses.set(tensor, { storage, version: storage.version, requiresGrad: tensor.requiresGrad });
		}
	}

	gradRead(owner: object, grad: object | null): void {
		const tensor = owner as Tensor;
		if (this.#isInner(tensor) || this.entries.has(tensor) || this.#cleared.has(tensor)) return;
		this.entries.set(tensor, grad === null ? null : this.#entryOf(grad as Tensor));
	}

	gradSet(owner: object, grad: object | null): void {
		const tensor = owner as Tensor;
		if (this.#isInner(tensor)) {
			if (grad !== null) this.#orphans.add(grad as Tensor);
			return;
		}
		// A gradient that is replaced unread may be any.
		if (!this.entries.has(tensor)) this.#cleared.add(tensor);
		if (this.#live !== null) return;
		if (grad !== null && !this.#made.has(grad)) {
			this.refuse('it assigns a gradient that it has not made');
			return;
		}
		const at = this.launches.position;
		this.program.push({
			at,
			kind: 'assign',
			owner: this.#outer(tensor),
			view: grad === null ? null : this.#viewOf(grad as Tensor),
		});
		if (grad !== null) this.#gradients.set(grad, tensor);
	}

	gradCleared(owner: object): void {
		const tensor = owner as Tensor;
		if (this.#isInner(tensor)) return;
		if (!this.entries.has(tensor)) this.#cleared.add(tensor);
		if (this.#live === null) this.program.push({ at: this.launches.position, kind: 'clear', owner: this.#outer(tensor) });
	}

	modeRead(owner: object, training: boolean): void {
		const module = owner as { training: boolean };
		if (this.#live === null && !this.modes.has(module) && !this.#setModes.has(module)) this.modes.set(module, training);
	}

	modeSet(owner: object, training: boolean): void {
		if (this.#live !== null) return;
		const module = owner as { training: boolean };
		this.#setModes.add(module);
		this.program.push({ at: this.launches.position, kind: 'mode', module, training });
	}

	live(of: object, method: string, fn: () => void): void {
		if (this.#live !== null) {
			fn();
			return;
		}
		const name = `${of.constructor.name}.${method}`;
		const versions = new Map([...this.uses.values()].map(({ storage }) => [storage, storage.version]));
		const { counter } = defaultGenerator.getState();
		this.#live = name;
		this.launches.isPaused = true;
		try {
			fn();
		} finally {
			this.#live = null;
			this.launches.isPaused = false;
		}
		if (defaultGenerator.getState().counter !== counter) this.refuse(`${name} draws random numbers`);
		for (const [storage, version] of versions) {
			const more = storage.version - version;
			if (more > 0) this.#liveWrites.set(storage, (this.#liveWrites.get(storage) ?? 0) + more);
		}
		this.program.push({ at: this.launches.position, kind: 'call', of, method, fn });
	}

	refuse(reason: string): void {
		this.reason ??= reason;
	}

	/** The first difference to an earlier recording of the same signature, or null. */
	difference(earlier: CallRecording): string | null {
		const found = this.launches.difference(earlier.launches);
		if (found !== null) return found;
		if (!sameLists(this.roles, earlier.roles)) return 'it uses other tensors from outside';
		if (!sameLists(this.program, earlier.program, ['fn']))
			return 'it does something else with gradients, optimizers or schedules';
		if (!same(this.result, earlier.result)) return 'it returns something else';
		if (this.draws !== earlier.draws) return 'it draws another number of random tensors';
		if (!same([...this.writes], [...earlier.writes])) return 'it writes into other tensors';
		if (!same(this.#entryList(), earlier.#entryList())) return 'it reads other gradients';
		return null;
	}

	#entryList(): unknown[] {
		return [...this.entries].map(([owner, entry]) => [this.#outer(owner), entry?.layout ?? null]);
	}

	#attempt(fn: () => void): void {
		if (this.reason !== null) return;
		try {
			fn();
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			this.refuse(error.reason);
		}
	}

	#entryOf(grad: Tensor): Entry | null {
		if (grad.isDisposed) {
			this.refuse('it finds a gradient that was disposed of');
			return null;
		}
		const before = setWitness(null);
		const { storage } = grad;
		setWitness(before);
		for (const entry of this.entries.values()) if (entry?.storage === storage) this.refuse('two gradients share their memory');
		return { grad, storage, layout: layoutOf(grad) };
	}

	#isInner(tensor: Tensor): boolean {
		return this.#made.has(tensor) || this.#madeLive.has(tensor);
	}

	#outer(tensor: Tensor): Outer {
		const index = this.args.indexOf(tensor);
		return index < 0 ? tensor : index;
	}

	/** A tensor of the call as a view of a slot. */
	#viewOf(tensor: Tensor): SlotView {
		const { storage, shape, strides, offset } = tensor;
		return { slot: this.launches.slotOf(storage), shape, strides, offset };
	}

	/** Describes a part of the result. `seen` numbers the tensors. */
	#part(value: unknown, seen: Map<Tensor, Part>): Part {
		if (value instanceof Tensor) {
			const known = seen.get(value);
			if (known !== undefined) return known;
			const part = this.#tensorPart(value, seen.size);
			seen.set(value, part);
			return part;
		}
		if (typeof value === 'function') throw new Refusal('it returns a function');
		if (typeof value !== 'object' || value === null) return { kind: 'constant', value };
		if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => this.#part(item, seen)) };
		if (Object.getPrototypeOf(value) !== Object.prototype)
			throw new Refusal(`it returns a ${value.constructor?.name ?? 'special object'}; return tensors in arrays or plain objects`);
		const keys = Object.keys(value);
		return { kind: 'object', keys, items: Object.values(value).map((item) => this.#part(item, seen)) };
	}

	#tensorPart(tensor: Tensor, number: number): Part {
		const owner = this.#gradients.get(tensor);
		if (owner !== undefined) return { kind: 'grad', owner: this.#outer(owner) };
		if (this.#madeLive.has(tensor)) throw new Refusal('it returns a tensor that an optimizer has made');
		if (!this.#made.has(tensor)) return { kind: 'outer', tensor: this.#outer(tensor) };
		if (tensor.requiresGrad)
			throw new Refusal('it returns a tensor that requires a gradient. Return its detach(), or call it under noGrad');
		return { kind: 'tensor', number, view: this.#viewOf(tensor), kept: tensor.kept };
	}

	#finish(random: GeneratorState): void {
		this.draws = defaultGenerator.getState().counter - random.counter;
		if (this.draws < 0 || !this.launches.drawsFrom(random, this.draws)) throw new Refusal('it seeds the random numbers');
		for (const [tensor, use] of this.uses) this.#requireUnchanged(tensor, use);
		for (const [owner, entry] of this.entries) {
			const isCleared = this.program.some((item) => item.kind === 'clear' && item.owner === this.#outer(owner));
			if (entry?.grad.isDisposed && !isCleared) throw new Refusal('it disposes of a gradient by hand; call zeroGrad()');
		}
		for (const gradient of this.#gradients.keys())
			if ((gradient as Tensor).requiresGrad) throw new Refusal('its gradients require gradients (createGraph)');
		sortAssignments(this.program);
		const fresh = new Set<number>();
		const add = (part: Part) => {
			if (part.kind === 'tensor') fresh.add(part.view.slot);
			else if (part.kind === 'list' || part.kind === 'object') part.items.forEach(add);
		};
		add(this.result);
		for (const item of this.program) if (item.kind === 'assign' && item.view !== null) fresh.add(item.view.slot);
		const orphans = new Set([...this.#orphans].map((tensor) => (tensor.isDisposed ? null : tensor.storage)));
		this.roles = this.launches.slots.map(({ storage, origin, isReleased, isWritten }, slot): Role => {
			if (origin === 'outer') return this.#outerRole(storage);
			if (origin === 'uploaded') {
				if (isWritten || fresh.has(slot)) throw new Refusal('it writes into, or returns, a tensor made from numbers of the host');
				return { kind: 'constant' };
			}
			if (fresh.has(slot)) return { kind: 'fresh' };
			if (!isReleased && !orphans.has(storage as OwnedStorage)) throw new Refusal('it keeps a tensor that it makes');
			return { kind: 'temporary' };
		});
		for (const { storage, version } of this.uses.values()) {
			const more = storage.version - version - (this.#liveWrites.get(storage) ?? 0);
			if (more > 0) this.writes.set(this.launches.slotOf(storage), more);
		}
	}

	/** A tensor from outside must be the same after the call, apart from its values. */
	#requireUnchanged(tensor: Tensor, { storage, requiresGrad }: Use): void {
		if (tensor.isDisposed) {
			if ([...this.entries.values()].some((entry) => entry?.grad === tensor)) return;
			throw new Refusal('it disposes of a tensor that it has not made');
		}
		if (tensor.storage !== storage) throw new Refusal('it moves a tensor to other memory');
		if (tensor.requiresGrad !== requiresGrad) throw new Refusal('it adds a tensor from outside to the graph; use detach()');
		if (requiresGrad && !tensor.isLeaf) throw new Refusal('it continues a graph that was recorded outside; use detach()');
	}

	#outerRole(storage: Storage): Role {
		const users = [...this.uses].filter(([, use]) => use.storage === storage).map(([tensor]) => tensor);
		if (users.length === 0) throw new Refusal('it uses memory that no tensor of the call holds');
		const indices = users.map((tensor) => this.args.indexOf(tensor));
		if (indices.every((index) => index >= 0)) return { kind: 'argument', index: Math.min(...indices) };
		for (const [owner, entry] of this.entries)
			if (users.length === 1 && users[0] === entry?.grad) return { kind: 'grad', owner: this.#outer(owner) };
		return { kind: 'persistent', storage };
	}
}

/** The tensor that `outer` stands for in a call with `args`. */
export function resolve(outer: Outer, args: readonly Tensor[]): Tensor {
	return typeof outer === 'number' ? args[outer]! : outer;
}

/**
 * Sorts assignments to gradients before one launch by slot: a backward pass visits parameters in the order in which their nodes were made,
 * which changes when they are frozen and released.
 */
function sortAssignments(program: Item[]): void {
	const slotOf = (item: Item): number => (item.kind === 'assign' ? (item.view?.slot ?? -1) : -1);
	for (let start = 0, end = 0; start < program.length; start = Math.max(end, start + 1)) {
		const first = program[start]!;
		for (end = start; program[end]?.kind === 'assign' && program[end]!.at === first.at; ) end++;
		const run = program.slice(start, end);
		const owners = new Set(run.map((item) => item.kind === 'assign' && item.owner));
		if (owners.size === run.length) program.splice(start, run.length, ...run.sort((a, b) => slotOf(a) - slotOf(b)));
	}
}

function layoutOf({ dtype, shape, strides, offset, requiresGrad }: Tensor): Layout {
	return { dtype, shape, strides, offset, requiresGrad };
}

/** Whether a call within another mode could be recorded. */
export function modeRefusal(): string | null {
	return currentAutocast() === null ? null : 'it is called within autocast. Use autocast inside the function';
}

/** Compares plain data; other objects, such as tensors and modules, by identity. */
function same(a: unknown, b: unknown, ignored: readonly string[] = []): boolean {
	if (Object.is(a, b)) return true;
	if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
	if (Array.isArray(a)) return Array.isArray(b) && sameLists(a, b, ignored);
	if (Object.getPrototypeOf(a) !== Object.prototype || Object.getPrototypeOf(b) !== Object.prototype) return false;
	const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
	const keys = Object.keys(x).filter((key) => !ignored.includes(key));
	const others = Object.keys(y).filter((key) => !ignored.includes(key));
	return keys.length === others.length && keys.every((key) => same(x[key], y[key], ignored));
}

function sameLists(a: readonly unknown[], b: readonly unknown[], ignored: readonly string[] = []): boolean {
	return a.length === b.length && a.every((value, i) => same(value, b[i], ignored));
}
