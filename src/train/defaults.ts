/**
 * What training uses unless a call says otherwise: the stores of checkpoints and logs, and the display of progress. `wgrad/train` in
 * Node replaces the browser's.
 */
import type { Callback } from './callbacks';
import { ConsoleProgress } from './progress';
import { BrowserStore, type CheckpointStore, type LogStore } from './store';

export interface Defaults {
	readonly checkpoints: CheckpointStore;
	readonly logs: LogStore;
	/** The display of `verbose` 1 or 2. */
	progress(verbose: 1 | 2): Callback;
}

const browserStore = new BrowserStore();

let current: Defaults = {
	checkpoints: browserStore,
	logs: browserStore,
	progress: () => new ConsoleProgress(),
};

export function defaults(): Defaults {
	return current;
}

export function setDefaults(next: Defaults): void {
	current = next;
}
