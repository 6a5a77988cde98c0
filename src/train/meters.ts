/** Averages losses and metrics over a pass, without waiting for the device at every batch. */
import { wrongArgument } from '../core/checks';
import { ArgumentError } from '../core/errors';
import { checkState, isCount, isListOf, isNumber, isObject } from '../core/state';
import type { Metric } from '../metrics/metric';
import { detach } from '../ops/layout';
import { Tensor } from '../tensor';
import { keep } from '../tidy';
import type { StepLoss } from './callbacks';
import type { CheckpointTree } from './checkpointTree';
import type { StepResult } from './loss';

/** A metric of one batch, as a scalar tensor or a number. The result is its mean over all samples. */
export type MetricFunction = (output: Tensor, target: Tensor) => Tensor | number | Promise<number>;

export type Metrics = Readonly<Record<string, Metric<unknown> | MetricFunction>>;

/** The number of batches per read of losses. Reads lag one group behind, so that the device always has work. */
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

/** The pass that currently uses a metric. */
const owners = new WeakMap<Metric<unknown>, Meters>();

/** The loss and metrics of a pass. */
export class Meters {
	readonly #caller: string;
	/** Metric functions by name, to be averaged. The loss is the first value of every entry. */
	readonly #functions: [string, MetricFunction][] = [];
	readonly #metrics: [string, Metric<unknown>][] = [];
	#sums: number[];
	#samples = 0;
	#pending: Entry[] = [];
	#reading: Promise<StepLoss[]> | null = null;

	constructor(caller: string, metrics: Metrics = {}) {
		this.#caller = caller;
		if (Array.isArray(metrics))
			throw new ArgumentError(`${caller}: metrics must be named, { accuracy: new Accuracy() }, not a list`);
		for (const [name, metric] of Object.entries(metrics)) {
			if (/^class\b/.test(String(metric)))
				throw new ArgumentError(
					`${caller}: metric '${name}' is a class; pass an instance: new ${(metric as { name?: string }).name}()`,
				);
			if (typeof metric === 'function') this.#functions.push([name, metric]);
			else if (typeof metric?.update === 'function') this.#metrics.push([name, metric]);
			else throw wrongArgument(caller, `metric '${name}'`, 'an object of wgrad/metrics or a function', metric);
			if (['epoch', 'step', 'loss', 'valLoss', 'lr', 'seconds'].includes(name) || !/^\D/.test(name))
				throw new ArgumentError(`${caller}: a metric cannot be named '${name}'`);
		}
		this.#sums = [0, ...this.#functions.map(() => 0)];
	}

	/** Whether there are metrics, which take outputs and targets. */
	get needsOutput(): boolean {
		return this.#metrics.length + this.#functions.length > 0;
	}

	/**
	 * Measures one batch without recording. Throws if another pass is using the same metric object, which would mix the two. Keep the
	 * returned tensors until `add`.
	 */
	measure({ loss, output, target }: StepResult): Value[] {
		if (this.needsOutput && (output === undefined || target === undefined)) {
			throw new ArgumentError(
				`${this.#caller}: metrics need the output and the target: return { loss, output, target } from trainStep`,
			);
		}
		for (const [name, metric] of this.#metrics) {
			if ((owners.get(metric) ?? this) !== this) {
				throw new ArgumentError(
					`${this.#caller}: the metric '${name}' is in use by another fit or evaluate that still runs; give each its own object`,
				);
			}
			owners.set(metric, this);
			metric.update(detach(output!), detach(target!));
		}
		return [detach(loss), ...this.#functions.map(([name, metric]) => this.#call(name, metric, output!, target!))];
	}

	#call(name: string, metric: MetricFunction, output: Tensor, target: Tensor): Value {
		// An async function still needs its arguments after the batch is gone.
		const own = [keep(detach(output)), keep(detach(target))] as const;
		const release = () => {
			for (const tensor of own) tensor.dispose();
		};
		const value = metric(...own);
		if (value instanceof Promise) {
			const result = value.finally(release);
			// Awaited when its group is read, if ever.
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
		throw wrongArgument(this.#caller, `the result of metric '${name}'`, 'a scalar tensor or a number', value);
	}

	add(values: readonly Value[], samples: number, step: number, lr: number): void {
		this.#pending.push({ values, samples, step, lr });
	}

	/** Whether enough batches are pending for a read. */
	get due(): boolean {
		return this.#pending.length >= BATCHES_PER_READ;
	}

	/** Starts reading the pending group and waits for the previous one. */
	async turn(): Promise<StepLoss[]> {
		const before = this.#reading;
		const next = this.#read(this.#pending.splice(0), before);
		// Awaited at the next turn; until then nobody handles the rejection.
		next.catch(() => {});
		this.#reading = next;
		return (await before) ?? [];
	}

	/** Waits for all pending reads. */
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

	/** The number of samples with losses read. */
	get samples(): number {
		return this.#samples;
	}

	/** The mean loss, the means of functions and the values of metrics. Call it after `flush`. */
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

	/** Resets everything and frees memory, except for metrics that another pass is using. */
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

	/** Whether `stateDict` works: a user's own metrics may have no state. */
	get hasState(): boolean {
		return this.#metrics.every(([, metric]) => metric.stateDict !== undefined);
	}

	/** The sums and metrics so far. Call it after `flush`. */
	stateDict(): CheckpointTree {
		const [stateless] = this.#metrics.find(([, metric]) => metric.stateDict === undefined) ?? [];
		if (stateless !== undefined) {
			throw new ArgumentError(
				`${this.#caller}: metric '${stateless}' has no stateDict, which a checkpoint within an epoch needs; implement it, or save after epochs only`,
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
				`${this.#caller}: the checkpoint was saved within an epoch with other metrics; resume with the same metrics`,
			);
		this.#sums = [...sums];
		this.#samples = samples;
		for (const [name, metric] of this.#metrics) {
			metric.loadStateDict?.(metrics[name] as never);
			owners.set(metric, this);
		}
	}
}
