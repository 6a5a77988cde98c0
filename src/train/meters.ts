/** Means and metrics of a pass over data, without waiting for the device at every batch. */
import { ArgumentError } from '../core/errors';
import { checkState, isCount, isListOf, isNumber, isObject } from '../core/state';
import type { Metric } from '../metrics/metric';
import { detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { keep } from '../tidy';
import type { StepLoss } from './callbacks';
import type { StepResult } from './loss';
import type { CheckpointTree } from './tree';

/** A metric of one batch: a scalar or a number, of which the mean over all samples is shown. */
export type MetricFunction = (output: Tensor, target: Tensor) => Tensor | number | Promise<number>;

export type Metrics = Readonly<Record<string, Metric<unknown> | MetricFunction>>;

/** Losses are read in groups of so many batches, one group behind, so that the device always has work. */
const BATCHES_PER_READ = 10;

type Value = Tensor | number | Promise<number>;

interface Entry {
	readonly values: readonly Value[];
	readonly samples: number;
	readonly step: number;
	readonly lr: number;
}

interface Sums {
	readonly sums: readonly number[];
	readonly samples: number;
	readonly metrics: Readonly<Record<string, CheckpointTree>>;
}

/** The pass that a metric sums up now. */
const owners = new WeakMap<Metric<unknown>, Meters>();

/** The loss and the metrics of a pass. */
export class Meters {
	readonly #caller: string;
	/** Functions by name, whose values are averaged; the loss is the first value of every entry. */
	readonly #functions: [string, MetricFunction][] = [];
	readonly #metrics: [string, Metric<unknown>][] = [];
	#sums: number[];
	#samples = 0;
	#pending: Entry[] = [];
	#reading: Promise<StepLoss[]> | null = null;

	constructor(caller: string, metrics: Metrics = {}) {
		this.#caller = caller;
		if (Array.isArray(metrics))
			throw new ArgumentError(`${caller}: metrics come by name, { accuracy: new Accuracy() }, not as a list`);
		for (const [name, metric] of Object.entries(metrics)) {
			if (/^class\b/.test(String(metric)))
				throw new ArgumentError(
					`${caller}: metric '${name}' is a class; pass an instance: new ${(metric as { name?: string }).name}()`,
				);
			if (typeof metric === 'function') this.#functions.push([name, metric]);
			else if (typeof metric?.update === 'function') this.#metrics.push([name, metric]);
			else
				throw new ArgumentError(
					`${caller}: metric '${name}' must be an object of wgrad/metrics or a function, not ${typeof metric}`,
				);
			if (['epoch', 'step', 'loss', 'valLoss', 'lr', 'seconds'].includes(name) || !/^\D/.test(name))
				throw new ArgumentError(`${caller}: a metric cannot be named '${name}'`);
		}
		this.#sums = [0, ...this.#functions.map(() => 0)];
	}

	/**
	 * Takes in one batch, unrecorded. Throws where another pass is in the midst of the same metric object: it would sum up both. The tensors
	 * that it returns are to be kept until `add`.
	 */
	measure({ loss, output, target }: StepResult): Value[] {
		if (this.#metrics.length + this.#functions.length > 0 && (output === undefined || target === undefined)) {
			throw new ArgumentError(
				`${this.#caller}: metrics need the output and the target: let trainStep return { loss, output, target }`,
			);
		}
		for (const [name, metric] of this.#metrics) {
			if ((owners.get(metric) ?? this) !== this) {
				throw new ArgumentError(
					`${this.#caller}: the metric '${name}' is in use by another fit or evaluate that still runs; give each an object of its own`,
				);
			}
			owners.set(metric, this);
			metric.update(detach(output!), detach(target!));
		}
		return [detach(loss), ...this.#functions.map(([name, metric]) => this.#call(name, metric, output!, target!))];
	}

	#call(name: string, metric: MetricFunction, output: Tensor, target: Tensor): Value {
		// A function that waits still needs its arguments when the batch is gone.
		const own = [keep(detach(output)), keep(detach(target))] as const;
		const release = () => {
			for (const tensor of own) tensor.dispose();
		};
		const value = metric(...own);
		if (value instanceof Promise) {
			const result = value.finally(release);
			// Awaited when its group is read, if that comes.
			result.catch(() => {});
			return result;
		}
		if (value instanceof Tensor && value.size === 1) {
			const result = own.includes(value) ? detach(value) : value;
			release();
			return result;
		}
		release();
		if (typeof value === 'number') return value;
		throw new ArgumentError(
			`${this.#caller}: metric '${name}' must give a scalar tensor or a number for a batch, not ${value instanceof Tensor ? `shape [${value.shape}]` : typeof value}`,
		);
	}

	add(values: readonly Value[], samples: number, step: number, lr: number): void {
		this.#pending.push({ values, samples, step, lr });
	}

	/** Whether enough batches have come for a read. */
	get due(): boolean {
		return this.#pending.length >= BATCHES_PER_READ;
	}

	/** Starts reading what is pending, and waits for the group before it. */
	async turn(): Promise<StepLoss[]> {
		const before = this.#reading;
		const next = this.#read(this.#pending.splice(0), before);
		// Awaited at the next turn; until then nobody listens.
		next.catch(() => {});
		this.#reading = next;
		return (await before) ?? [];
	}

	/** Waits for everything. */
	async flush(): Promise<StepLoss[]> {
		const [first, second] = [await this.turn(), (await this.#reading) ?? []];
		this.#reading = null;
		return [...first, ...second];
	}

	async #read(entries: readonly Entry[], before: Promise<unknown> | null): Promise<StepLoss[]> {
		const values = await Promise.all(
			entries.map((entry) => Promise.all(entry.values.map((value) => (value instanceof Tensor ? value.item() : value)))),
		);
		for (const { values } of entries) for (const value of values) if (value instanceof Tensor) value.dispose();
		await before;
		const steps: StepLoss[] = [];
		entries.forEach(({ samples, step, lr }, i) => {
			values[i]!.forEach((value, j) => {
				this.#sums[j]! += value * samples;
			});
			this.#samples += samples;
			const [loss, last] = [values[i]![0]!, steps.at(-1)];
			if (last?.step !== step) steps.push({ step, loss, samples, lr });
			else {
				const total = last.samples + samples;
				steps[steps.length - 1] = { step, loss: (last.loss * last.samples + loss * samples) / total, samples: total, lr };
			}
		});
		return steps;
	}

	/** Samples whose losses have been read. */
	get samples(): number {
		return this.#samples;
	}

	/** The mean loss, the means of functions and the values of metrics, after `flush`. */
	async results(): Promise<Record<string, unknown>> {
		const means = this.#sums.map((sum) => sum / this.#samples);
		const result: Record<string, unknown> = { loss: means[0]! };
		for (const [i, [name]] of this.#functions.entries()) result[name] = means[i + 1]!;
		for (const [name, metric] of this.#metrics) {
			result[name] = await metric.compute();
			owners.delete(metric);
		}
		return result;
	}

	/** Forgets everything, and gives memory back; metrics that another pass is using stay as they are. */
	reset(): void {
		for (const [, metric] of this.#metrics) {
			if ((owners.get(metric) ?? this) !== this) continue;
			owners.delete(metric);
			metric.reset();
		}
		for (const { values } of this.#pending.splice(0)) for (const value of values) if (value instanceof Tensor) value.dispose();
		this.#reading = null;
		this.#sums = this.#sums.map(() => 0);
		this.#samples = 0;
	}

	/** Whether `stateDict` can be had: metrics of a user's own may have no state. */
	get hasState(): boolean {
		return this.#metrics.every(([, metric]) => metric.stateDict !== undefined);
	}

	/** Sums and metrics so far, after `flush`. */
	stateDict(): CheckpointTree {
		const [stateless] = this.#metrics.find(([, metric]) => metric.stateDict === undefined) ?? [];
		if (stateless !== undefined) {
			throw new ArgumentError(
				`${this.#caller}: metric '${stateless}' has no stateDict, which a checkpoint within an epoch needs; give it one, or save after epochs only`,
			);
		}
		const metrics = this.#metrics.map(([name, metric]) => [name, metric.stateDict!()]);
		return { sums: [...this.#sums], samples: this.#samples, metrics: Object.fromEntries(metrics) };
	}

	loadStateDict(state: CheckpointTree): void {
		const { sums, samples, metrics } = checkState<Sums>(`${this.#caller}: the metrics of the checkpoint`, state, {
			sums: isListOf(isNumber),
			samples: isCount,
			metrics: isObject,
		});
		if (sums.length !== this.#sums.length || this.#metrics.some(([name]) => !Object.hasOwn(metrics, name)))
			throw new ArgumentError(
				`${this.#caller}: the checkpoint lies within an epoch that had other metrics; resume with the same`,
			);
		this.#sums = [...sums];
		this.#samples = samples;
		for (const [name, metric] of this.#metrics) {
			metric.loadStateDict?.(metrics[name] as never);
			owners.set(metric, this);
		}
	}
}
