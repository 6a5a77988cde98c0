/** What differs between Node and browsers: where files are, and how progress is shown. `wgrad/train` of Node sets its own. */
import type { Callback } from './callbacks';
import { ConsoleProgress } from './progress';
import { BrowserStore, type CheckpointStore, type LogStore } from './store';

export interface Platform {
	readonly checkpoints: CheckpointStore;
	readonly logs: LogStore;
	/** What `verbose` 1 or 2 shows. */
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
