/** What a run of `fit` tells afterwards: plain data, that JSON keeps. */

/** One epoch. Metrics stand under their names, those of the validation with `val` and a capital before: `accuracy`, `valAccuracy`. */
export interface EpochRecord {
	/** From 1 on. */
	readonly epoch: number;
	/** Optimizer steps since the beginning of the run. */
	readonly step: number;
	/** The mean of the training losses over the epoch's samples, each measured as training passed it. */
	readonly loss: number;
	/** The mean loss over the validation data, after the epoch. */
	readonly valLoss?: number;
	/** The learning rate of the epoch's last step, of the first parameter group. Those of further groups are `lr1`, `lr2`, ... */
	readonly lr: number;
	/** How long the epoch took, validation included. */
	readonly seconds: number;
	readonly [metric: string]: number | undefined;
}

/** A setting of a run, as reports show it. */
export type Setting = string | number | boolean | null;

/** What `fit` returns. */
export interface History {
	readonly epochs: readonly EpochRecord[];
	/** What the run was made with: loss, optimizer and its options, batch size, seed, device, ... */
	readonly settings: Readonly<Record<string, Setting>>;
	/** Optimizer steps taken. */
	readonly steps: number;
	/** Whether a callback ended the run before its last epoch. */
	readonly stoppedEarly: boolean;
	/** Why it ended early, in words; null when it did not. */
	readonly stopReason: string | null;
	/** Time spent in epochs, over all parts of a run that was resumed. */
	readonly seconds: number;
}

/** The values of one column, by epoch; NaN where an epoch has none. */
export function column(history: History, name: string): number[] {
	return history.epochs.map((record) => record[name] ?? Number.NaN);
}

/** `accuracy` as `valAccuracy`. */
export function validationName(name: string): string {
	return `val${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}
