/**
 * Which recorded operations become one kernel, and in which order the launches then run.
 *
 * Operations with the same number of elements join if they share a slot. Element i of the one must then depend on element i of the other
 * only: whatever one of them writes, the others read or write at the same places or far from it. And no launch between them may depend on
 * the one and be needed by the other.
 */
import type { RecordedLaunch } from '../recording';
import { areApart, commonSizes, type IndexMap, isConstant, isSame } from './maps';
import type { Operation } from './operations';

/** The operations of one kernel at most, and their arithmetic for an element. */
const MOST = { operations: 2048, flops: 4096 };
/** Operations that only read the same slot join if they are so near to each other: their other slots need memory for longer. */
const NEAR = 32;

interface Use {
	readonly map: IndexMap;
	isWritten: boolean;
}

interface Cluster {
	/** Launches in recorded order. */
	members: number[];
	/** For a cluster of operations: their elements, and how they use slots. */
	readonly size: number;
	flops: number;
	readonly uses: Map<number, Use[]>;
	readonly bends: Map<string, readonly number[]>;
	/** The kernel of which the operations are the epilogue. */
	head: Operation['head'];
}

/** The launches in their new order; those of a list become one. */
export function grouped(launches: readonly RecordedLaunch[], operations: readonly (Operation | undefined)[]): number[][] {
	const after = successors(launches);
	const clusters = launches.map((_, i) => clusterOf(i, operations[i]));
	const touching = new Map<number, Set<Cluster>>();
	operations.forEach((operation, i) => {
		if (operation === undefined) return;
		for (const slot of clusters[i]!.uses.keys()) {
			const known = touching.get(slot) ?? new Set();
			touching.set(slot, known);
			for (const other of [...known].reverse()) {
				const own = clusters[i]!;
				if (other === own || !areCompatible(own, other, i) || isBetween(own, other, clusters, after, i)) continue;
				const [kept, gone] = other.members.length >= own.members.length ? [other, own] : [own, other];
				join(kept, gone);
				for (const member of gone.members) clusters[member] = kept;
				for (const touched of gone.uses.keys()) {
					touching.get(touched)?.delete(gone);
					touching.get(touched)?.add(kept);
				}
			}
			known.add(clusters[i]!);
		}
	});
	return inOrder(clusters, after);
}

function clusterOf(i: number, operation: Operation | undefined): Cluster {
	const cluster: Cluster = {
		members: [i],
		size: operation?.size ?? -1,
		flops: operation?.flops ?? 0,
		uses: new Map(),
		bends: new Map(),
		head: operation?.head,
	};
	if (operation === undefined) return cluster;
	for (const { slot, map } of operation.inputs) addUse(cluster, slot, map, false);
	addUse(cluster, operation.output.slot, operation.output.map, true);
	return cluster;
}

function addUse({ uses, bends }: Cluster, slot: number, map: IndexMap, isWritten: boolean): void {
	const list = uses.get(slot) ?? [];
	uses.set(slot, list);
	const known = list.find((use) => isSame(use.map, map));
	if (known !== undefined) known.isWritten ||= isWritten;
	else list.push({ map, isWritten });
	if (map.sizes.length > 1 && !isConstant(map)) bends.set(map.sizes.join(), map.sizes);
}

/** The launches that must come after each launch, because they use a slot that it writes, or write a slot that it uses. */
function successors(launches: readonly RecordedLaunch[]): Set<number>[] {
	const after = launches.map(() => new Set<number>());
	const writer = new Map<number, number>();
	const readers = new Map<number, number[]>();
	launches.forEach(({ slots, pipeline }, i) => {
		slots.forEach((slot, binding) => {
			if (slot < 0) return;
			const last = writer.get(slot);
			if (last !== undefined && last !== i) after[last]!.add(i);
			if (pipeline.layout.bindings[binding] === 'read') {
				readers.set(slot, [...(readers.get(slot) ?? []), i]);
				return;
			}
			for (const reader of readers.get(slot) ?? []) if (reader !== i) after[reader]!.add(i);
			readers.set(slot, []);
			writer.set(slot, i);
		});
	});
	return after;
}

function areCompatible(a: Cluster, b: Cluster, now: number): boolean {
	if (a.size !== b.size || a.flops + b.flops > MOST.flops || a.members.length + b.members.length > MOST.operations) return false;
	if (a.head !== undefined && b.head !== undefined) return false;
	if (!canFollow(a, b) || !canFollow(b, a)) return false;
	let isLinked = false;
	for (const [slot, uses] of a.uses) {
		for (const other of b.uses.get(slot) ?? []) {
			for (const use of uses) {
				if (!use.isWritten && !other.isWritten) continue;
				isLinked = true;
				if (!isSame(use.map, other.map) && !areApart(use.map, other.map)) return false;
			}
		}
	}
	if (!isLinked && now - Math.max(...(a.members.at(-1) === now ? b : a).members.slice(-1)) > NEAR) return false;
	return commonSizes([...a.bends.values(), ...b.bends.values()], a.size) !== undefined;
}

/** Whether the operations of `b` neither write what the kernel of `a` uses, nor use what it writes besides its output. */
function canFollow({ head }: Cluster, b: Cluster): boolean {
	if (head === undefined) return true;
	const isWritten = (slot: number) => b.uses.get(slot)?.some((use) => use.isWritten) ?? false;
	return !head.written.some((slot) => b.uses.has(slot)) && !head.others.some(isWritten);
}

/** Whether a launch outside of both depends on one and comes before the other. `now` is the last launch that may be in a cluster of several. */
function isBetween(a: Cluster, b: Cluster, clusters: readonly Cluster[], after: readonly Set<number>[], now: number): boolean {
	const seen = new Set<Cluster>([a, b]);
	const stack: Cluster[] = [];
	let isFound = false;
	const visit = (from: Cluster, isOutside: boolean): void => {
		for (const member of from.members) {
			for (const next of after[member]!) {
				if (next > now) continue;
				const cluster = clusters[next]!;
				if (isOutside && (cluster === a || cluster === b)) isFound = true;
				if (seen.has(cluster)) continue;
				seen.add(cluster);
				stack.push(cluster);
			}
		}
	};
	visit(a, false);
	visit(b, false);
	while (stack.length > 0 && !isFound) visit(stack.pop()!, true);
	return isFound;
}

function join(kept: Cluster, gone: Cluster): void {
	kept.members = [...kept.members, ...gone.members].sort((x, y) => x - y);
	kept.flops += gone.flops;
	kept.head ??= gone.head;
	for (const [slot, uses] of gone.uses) for (const { map, isWritten } of uses) addUse(kept, slot, map, isWritten);
}

/** Clusters so that each comes after those that it depends on; among those that could come next, the one that ends first. */
function inOrder(clusters: readonly Cluster[], after: readonly Set<number>[]): number[][] {
	const missing = new Map<Cluster, number>();
	const next = new Map<Cluster, Set<Cluster>>();
	for (const cluster of clusters) next.set(cluster, new Set());
	clusters.forEach((cluster, i) => {
		for (const j of after[i]!) if (clusters[j] !== cluster) next.get(cluster)!.add(clusters[j]!);
	});
	for (const list of next.values()) for (const cluster of list) missing.set(cluster, (missing.get(cluster) ?? 0) + 1);
	const ready = [...next.keys()].filter((cluster) => missing.get(cluster) === undefined);
	const result: number[][] = [];
	while (ready.length > 0) {
		let best = 0;
		for (let k = 1; k < ready.length; k++) if (ready[k]!.members.at(-1)! < ready[best]!.members.at(-1)!) best = k;
		const [cluster] = ready.splice(best, 1);
		result.push(cluster!.members);
		for (const other of next.get(cluster!)!) {
			const rest = missing.get(other)! - 1;
			missing.set(other, rest);
			if (rest === 0) ready.push(other);
		}
	}
	return result;
}
