/** The state of the training loop and its callbacks in a checkpoint. */
import type { DeviceName } from '../backends/contract';
import { ArgumentError } from '../core/errors';
import { checkState, isCount, isListOf, isNumber, isObject, orNull } from '../core/state';
import { moveToDevice } from '../data/batch';
import { Tensor } from '../tensor';
import type { Callback } from './callbacks';
import type { CheckpointTree } from './checkpointTree';
import type { EpochRecord, Setting } from './history';

interface CallbackState {
	readonly name: string;
	readonly state: CheckpointTree;
}

/** The loop's part of a checkpoint. */
export interface LoopState {
	readonly epoch: number;
	readonly step: number;
	readonly batch: number;
	readonly samples: number;
	readonly rates: readonly number[];
	readonly epochSeconds: number;
	readonly stopReason: string | null;
	readonly records: EpochRecord[];
	readonly meters: CheckpointTree;
	readonly loader: CheckpointTree;
	readonly validationLoader: CheckpointTree;
	readonly callbacks: readonly CallbackState[];
	readonly batchSize: number | null;
	readonly accumulateSteps: number;
	/** The number of samples per epoch, if known. Missing in older checkpoints. */
	readonly samplesPerEpoch?: number | null;
	readonly shuffle?: Setting;
}

/** Checks the loop's part of a checkpoint. Throws an ArgumentError that names `source` if it is forged or of another kind. */
export function checkLoopState(source: string, state: unknown): LoopState {
	const isRecord = (record: unknown) =>
		isObject(record) && isCount(record.epoch) && isCount(record.step) && Object.values(record).every(isNumber);
	const isCallback = (callback: unknown) => isObject(callback) && typeof callback.name === 'string' && 'state' in callback;
	checkState<Omit<LoopState, 'samplesPerEpoch' | 'shuffle'>>(source, state, {
		epoch: isCount,
		step: isCount,
		batch: isCount,
		samples: isCount,
		rates: isListOf(isNumber),
		epochSeconds: isNumber,
		stopReason: orNull((reason) => typeof reason === 'string'),
		records: isListOf(isRecord),
		meters: orNull(isObject),
		loader: orNull(isObject),
		validationLoader: orNull(isObject),
		callbacks: isListOf(isCallback),
		batchSize: orNull(isCount),
		accumulateSteps: isCount,
	});
	return state as LoopState;
}

/** Throws unless a position within an epoch means the same in both runs, which needs the same batches. */
export function requireSamePosition(saved: LoopState, own: Pick<LoopState, (typeof POSITION)[number]>, source: string): void {
	if (saved.batch === 0) return;
	const differing = POSITION.filter((name) => saved[name] !== undefined && saved[name] !== own[name]);
	if (differing.length === 0) return;
	const listed = (of: typeof own) => differing.map((name) => `${name} ${of[name]}`).join(' and ');
	throw new ArgumentError(
		`${source} was saved within an epoch, at batch ${saved.batch} of ${listed(saved)}; resume with the same settings, not with ${listed(own)}`,
	);
}

const POSITION = ['batchSize', 'accumulateSteps', 'samplesPerEpoch', 'shuffle'] as const;

export async function callbackStates(callbacks: readonly Callback[]): Promise<CallbackState[]> {
	const states: CallbackState[] = [];
	for (const callback of callbacks) states.push({ name: nameOf(callback), state: (await callback.stateDict?.()) ?? null });
	return states;
}

/** Restores each callback's state. New callbacks start without one. */
export async function restoreCallbacks(callbacks: readonly Callback[], states: readonly CallbackState[]): Promise<void> {
	const saved = new Map<string, CheckpointTree>();
	const counts = new Map<string, number>();
	for (const { name, state } of states) saved.set(numbered(name, counts), state);
	counts.clear();
	for (const callback of callbacks) {
		const state = saved.get(numbered(nameOf(callback), counts));
		if (state !== undefined && state !== null) await callback.loadStateDict?.(state);
	}
}

function nameOf(callback: Callback): string {
	return callback.constructor.name;
}

/** Appends the count of earlier callbacks with the same name, because a run may have several loggers. */
function numbered(name: string, counts: Map<string, number>): string {
	const count = counts.get(name) ?? 0;
	counts.set(name, count + 1);
	return `${name} ${count}`;
}

/** Returns the tree with its tensors on `device`. */
export async function onDevice(tree: CheckpointTree, device: DeviceName): Promise<CheckpointTree> {
	if (tree instanceof Tensor) return (await moveToDevice([tree], device))[0]!;
	if (typeof tree !== 'object' || tree === null) return tree;
	if (Array.isArray(tree)) return Promise.all(tree.map((item) => onDevice(item, device)));
	const entries = Object.entries(tree).map(async ([key, value]) => [key, await onDevice(value ?? null, device)] as const);
	return Object.fromEntries(await Promise.all(entries));
}
