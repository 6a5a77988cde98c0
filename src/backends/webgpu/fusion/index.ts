/** Fusion of what was recorded: fewer launches with the same results. */
import type { Gpu } from '../launch';
import type { RecordedLaunch, Recording } from '../recording';
import { type Composed, composed } from './compose';
import { grouped } from './groups';
import { headOf, type Operation, operationOf } from './operations';

export type { Composed } from './compose';

/** A launch of the recording, or one that stands for several. */
export type FusedLaunch = RecordedLaunch | Composed;

export interface Fusion {
	readonly launches: readonly FusedLaunch[];
	/** For each barrier the number of launches before it. */
	readonly positions: ReadonlyMap<number, number>;
}

/** Fuses the launches between each barrier and the next one. null if there is nothing to fuse. */
export function fused(
	gpu: Gpu,
	recording: Recording,
	temporaries: ReadonlySet<number>,
	barriers: readonly number[],
): Fusion | null {
	const { launches, slots } = recording;
	const operations = launches.map(
		(launch, i) =>
			operationOf(launch) ?? headOf(launch, (slot) => slots[slot]!.origin === 'made' && slots[slot]!.first === i, slots),
	);
	const users = new Map<number, Set<number>>();
	launches.forEach((launch, i) => {
		for (const slot of launch.slots) users.set(slot, (users.get(slot) ?? new Set()).add(i));
	});
	const result: FusedLaunch[] = [];

	const emit = (members: readonly number[]): void => {
		const isHead = (i: number) => operations[i]?.head !== undefined;
		const ordered = [...members.filter(isHead), ...members.filter((i) => !isHead(i))];
		const own = ordered.map((i) => launches[i]!);
		const known = ordered.map((i) => operations[i]);
		if (known.includes(undefined) || (own.length === 1 && known[0]!.head !== undefined)) {
			result.push(...own);
			return;
		}
		const inside = new Set(members);
		const isNeeded = (slot: number) => !temporaries.has(slot) || [...users.get(slot)!].some((i) => !inside.has(i));
		const made = composed(gpu, own, known as Operation[], slots, isNeeded, (launch) => recording.drawOf(launch));
		if (made === null) return;
		if (members.length === 1) result.push(...own);
		else if (made !== undefined) result.push(made);
		else {
			const half = members.length >> 1;
			emit(members.slice(0, half));
			emit(members.slice(half));
		}
	};

	const positions = new Map<number, number>();
	const bounds = [...new Set([0, ...barriers, launches.length])].sort((a, b) => a - b);
	bounds.forEach((start, k) => {
		positions.set(start, result.length);
		const end = bounds[k + 1];
		if (end === undefined) return;
		for (const members of grouped(launches.slice(start, end), operations.slice(start, end))) emit(members.map((i) => start + i));
	});
	return result.length === launches.length ? null : { launches: result, positions };
}
