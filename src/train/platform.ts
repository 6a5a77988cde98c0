/**
 * The differences between Node and browsers: the store of files, and the display of progress. `wgrad/train` in Node replaces these
 * defaults.
 */
import type { Callback } from './callbacks';
import { ConsoleProgress } from './progress';
import { BrowserStore, type CheckpointStore, type LogStore } from './store';

export interface Platform {
	readonly checkpoints: CheckpointStore;
	readonly logs: LogStore;
	/** The display of `verbose` 1 or 2. */
	progress(verbose: 1 | 2): Callback;
}

const browserStore = new BrowserStore();

let current: Platform = {
	checkpoints: browserStore,
	logs: browserStore,
	progress: () => new ConsoleProgress(),
};

export function platform(): Platform {
	return current;
}

export function setPlatform(next: Platform): void {
	current = next;
}
