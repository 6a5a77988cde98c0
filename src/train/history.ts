/** The result of `fit`: plain data that survives JSON. */

/** One epoch. Metrics have their names; those of the validation data have the prefix `val`: `accuracy`, `valAccuracy`. */
export interface EpochRecord {
	/** The epoch, from 1. */
	readonly epoch: number;
	/** Optimizer steps since the start of the run. */
	readonly step: number;
	/** The mean training loss over the epoch's samples, measured during training. */
	readonly loss: number;
	/** The mean loss over the validation data after the epoch. */
	readonly valLoss?: number;
	/** The learning rate of the first parameter group in the epoch's last step. Further groups: `lr1`, `lr2`, ... */
	readonly lr: number;
	/** The epoch's duration in seconds, including validation. */
	readonly seconds: number;
	readonly [metric: string]: number | undefined;
}

/** A setting of a run, for reports. */
export type Setting = string | number | boolean | null;

/** The result of `fit`. */
export interface History {
	readonly epochs: readonly EpochRecord[];
	/** The settings of the run: loss, optimizer and its options, batch size, seed, device, ... */
	readonly settings: Readonly<Record<string, Setting>>;
	/** The number of optimizer steps. */
	readonly steps: number;
	/** Whether a callback ended the run before its last epoch. */
	readonly stoppedEarly: boolean;
	/** Why the run ended early; null if it did not. */
	readonly stopReason: string | null;
	/** Seconds spent in epochs, over all parts of a resumed run. */
	readonly seconds: number;
}

/** The values of one column by epoch; NaN for epochs without it. */
export function column(history: History, name: string): number[] {
	return history.epochs.map((record) => record[name] ?? Number.NaN);
}

/** Maps `accuracy` to `valAccuracy`. */
export function validationName(name: string): string {
	return `val${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}
