/**
 * The defaults of training: the stores of checkpoints and logs, and the display of progress. In Node, `wgrad/train` replaces those of the
 * browser.
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
