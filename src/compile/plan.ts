/** A recorded call that can be replayed. */
import type { Backend, OwnedStorage } from '../backends/contract';
import type { LaunchPlan } from '../backends/contract/replay';
import { defaultGenerator } from '../core/generator';
import { releaseReference } from '../core/memoryPressure';
import { Tensor } from '../tensor';
import { keep } from '../tidy';
import { Conditions } from './conditions';
import { type CallRecording, type Item, type Part, type Role, resolve, type SlotView } from './recording';

/** Memory from outside that the launches bind. */
type OuterSlot = { readonly slot: number; readonly role: Exclude<Role, { kind: 'temporary' | 'fresh' | 'constant' }> };

export class CallPlan {
	readonly conditions: Conditions;
	readonly launches: LaunchPlan;
	readonly #program: readonly Item[];
	/** The program for fused launches. */
	readonly #fusedProgram: readonly Item[];
	readonly #outer: readonly OuterSlot[];
	readonly #writes: readonly { readonly slot: number; readonly count: number; readonly writer: string }[];
	readonly #constants: readonly Tensor[];
	readonly #draws: number;
	readonly #result: Part;

	constructor(
		private readonly backend: Backend,
		recording: CallRecording,
		earlier: CallRecording,
		fuse: boolean,
	) {
		const { roles, launches } = recording;
		const temporaries = roles.flatMap(({ kind }, slot) => (kind === 'temporary' ? [slot] : []));
		const program = withAllocations(recording);
		this.#program = program;
		this.#fusedProgram = aroundBarriers(program, launches.position);
		const barriers = program.flatMap((item) => (isBarrier(item) ? [item.at] : []));
		this.launches = launches.plan(new Set(temporaries), fuse ? barriers : null);
		this.#outer = roles.flatMap((role, slot) =>
			role.kind === 'temporary' || role.kind === 'fresh' || role.kind === 'constant' ? [] : [{ slot, role }],
		);
		this.#writes = [...recording.writes].map(([slot, count]) => {
			return { slot, count, writer: launches.slots[slot]!.storage.lastWriter };
		});
		this.#constants = launches.slots.flatMap(({ dtype, length, data }, slot) => {
			if (roles[slot]!.kind !== 'constant') return [];
			const constant = keep(new Tensor(backend.upload(data!, dtype), [length]));
			this.launches.bind(slot, constant.storage);
			return [constant];
		});
		this.conditions = new Conditions(backend, recording, earlier);
		this.#draws = recording.draws;
		this.#result = recording.result;
	}

	replay(args: readonly Tensor[]): unknown {
		const { launches } = this;
		const program = launches.fuse() ? this.#fusedProgram : this.#program;
		const fresh = new Map<number, OwnedStorage>();
		const bound = new Map<number, OwnedStorage>();
		const tensors: Tensor[] = [];
		const make = ({ slot, shape, strides, offset }: SlotView) =>
			new Tensor((fresh.get(slot) ?? bound.get(slot))!, shape, strides, offset);
		const part = (described: Part): unknown => {
			switch (described.kind) {
				case 'constant':
					return described.value;
				case 'list':
					return described.items.map(part);
				case 'object':
					return Object.fromEntries(described.keys.map((key, i) => [key, part(described.items[i]!)]));
				case 'outer':
					return resolve(described.tensor, args);
				case 'grad':
					return resolve(described.owner, args).grad;
				default:
					if (tensors[described.number] === undefined) {
						tensors[described.number] = make(described.view);
						tensors[described.number]!.kept = described.kept;
					}
					return tensors[described.number];
			}
		};
		for (const { slot, role } of this.#outer) bound.set(slot, storageOf(role, args));
		for (const [slot, storage] of bound) launches.bind(slot, storage);
		try {
			launches.start(defaultGenerator.next(this.#draws));
			let position = 0;
			for (const item of program) {
				launches.run(position, item.at);
				position = item.at;
				switch (item.kind) {
					case 'call':
						item.fn();
						break;
					case 'clear':
						resolve(item.owner, args).clearGrad();
						break;
					case 'assign':
						resolve(item.owner, args).grad = item.view && keep(make(item.view));
						break;
					case 'mode':
						item.module.training = item.training;
						break;
					default: {
						const { dtype, length } = item;
						const storage = this.backend.allocate(length, dtype);
						// The replay's own reference, until its launches are encoded.
						storage.claims.references++;
						fresh.set(item.slot, storage);
						launches.bind(item.slot, storage);
					}
				}
			}
			launches.run(position, launches.recorded);
			for (const { slot, count, writer } of this.#writes) {
				const storage = bound.get(slot)!;
				storage.version += count;
				storage.lastWriter = writer;
			}
			return part(this.#result);
		} finally {
			launches.end();
			for (const storage of fresh.values()) releaseReference(storage.claims);
		}
	}

	dispose(): void {
		for (const constant of this.#constants) constant.dispose();
	}
}

function storageOf(role: OuterSlot['role'], args: readonly Tensor[]): OwnedStorage {
	if (role.kind === 'argument') return args[role.index]!.storage;
	if (role.kind === 'grad') return resolve(role.owner, args).grad!.storage;
	return role.storage as OwnedStorage;
}

/** The program with the allocation of results and gradients, each before the first launch or item that needs it. */
function withAllocations({ program, roles, launches }: CallRecording): Item[] {
	const items = [...program];
	roles.forEach((role, slot) => {
		if (role.kind !== 'fresh') return;
		const { first, dtype, length } = launches.slots[slot]!;
		const needs = (item: Item) => (first >= 0 && item.at > first) || (item.kind === 'assign' && item.view?.slot === slot);
		const index = items.findIndex(needs);
		const place = index < 0 ? items.length : index;
		const latest = items[index]?.at ?? Number.POSITIVE_INFINITY;
		const at = first >= 0 ? Math.min(first, latest) : Math.min(latest, items.at(-1)?.at ?? 0);
		items.splice(place, 0, { at, kind: 'allocate', slot, dtype, length });
	});
	return items;
}

/** Whether the item uses or frees what launches before it write or read. */
function isBarrier({ kind }: Item): boolean {
	return kind === 'call' || kind === 'clear';
}

/**
 * The program for launches that keep their order only across barriers: between two barriers all memory is there from the start, and gradients
 * are replaced at the end.
 */
function aroundBarriers(program: readonly Item[], end: number): Item[] {
	const result: Item[] = [];
	let waiting: Item[] = [];
	let start = 0;
	const pass = (at: number) => {
		for (const item of waiting) result.push({ ...item, at });
		waiting = [];
		start = at;
	};
	for (const item of program) {
		if (item.kind === 'allocate') result.push({ ...item, at: start });
		else if (isBarrier(item)) {
			pass(item.at);
			result.push(item);
		} else waiting.push(item);
	}
	pass(end);
	return result;
}
