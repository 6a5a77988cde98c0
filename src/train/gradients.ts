/** The gradients of a group of batches. */
import { noGrad } from '../autograd/modes';
import { drawFrom, type Generator } from '../core/generator';
import type { TensorList } from '../data/batch';
import type { Module } from '../nn';
import { add, div, mul, to } from '../ops/elementwise';
import type { CommonOptions, Optimizer } from '../optim';
import type { GradScaler } from '../optim/gradScaler';
import { Tensor, viewOf } from '../tensor';
import { tidy } from '../tidy';
import type { Objective, StepResult } from './loss';
import type { Meters } from './meters';
import type { Offload } from './offloadModules';

/** What the gradients depend on. */
export interface GradientPlan {
	readonly model: Module;
	readonly optimizer: Optimizer<CommonOptions>;
	readonly objective: Objective;
	readonly meters: Meters;
	/** Of a run in float16. */
	readonly scaler: GradScaler | undefined;
	readonly offload: Offload | null;
	/** The generator of this run's steps, and of nothing else. */
	readonly generator: Generator;
}

export interface Batch {
	readonly fields: TensorList;
	readonly weights: Tensor | null;
	readonly samples: number;
}

export type Share = number | Tensor | null;

/** Computes the gradients of a batch in another way, and steps the optimizer after the last one of a group. */
export type StepRunner = (batch: Batch, share: Share, isFirst: boolean, isLast: boolean) => StepResult;

/** A forward pass: what it returned, and the loss to differentiate. */
interface Forward {
	readonly result: StepResult;
	readonly loss: Tensor;
}

export class Gradients {
	constructor(private readonly plan: GradientPlan) {}

	/** Computes loss and gradients of one batch. Returns the values that the meters keep. */
	ofBatch(batch: Batch, share: Share = null, isFirst = true) {
		return this.#measured(this.backward(batch, share, isFirst));
	}

	/** As `ofBatch`, without the meters. */
	backward(batch: Batch, share: Share, isFirst: boolean): StepResult {
		return this.#backward(this.#forward(batch, share), isFirst);
	}

	/** Accumulates the gradients of several batches as if they were one. With `step`, it computes them, and steps the optimizer. */
	ofGroup(group: readonly Batch[], step: StepRunner | null = null) {
		const shares = this.#shares(group);
		const last = group.length - 1;
		const values = group.map((batch, i) =>
			tidy(() =>
				step === null ? this.ofBatch(batch, shares[i]!, i === 0) : this.#measured(step(batch, shares[i]!, i === 0, i === last)),
			),
		);
		disposeAll(shares);
		return values;
	}

	/** As `ofGroup`, but waits between each forward and backward pass for the host to get what modules have saved. */
	async ofOffloadedGroup(group: readonly Batch[]) {
		const { offload, generator } = this.plan;
		const shares = this.#shares(group);
		const values = [];
		for (const [i, batch] of group.entries()) {
			const pass = await offload!.forward(() =>
				drawFrom(generator, () => tidy(() => ownHandles(this.#forward(batch, shares[i]!)))),
			);
			values.push(drawFrom(generator, () => tidy(() => this.#measured(this.#backward(pass, i === 0)))));
			disposeAll([pass.loss, ...Object.values(pass.result)]);
		}
		disposeAll(shares);
		return values;
	}

	#shares(group: readonly Batch[]): readonly Share[] {
		const { objective } = this.plan;
		if (objective.sums || group.length === 1) return group.map(() => null);
		return noGrad(() => tidy(() => fractions(group.map(({ fields, weights }) => objective.share(fields, weights)))));
	}

	#forward({ fields, weights }: Batch, share: Share): Forward {
		const { model, objective } = this.plan;
		const result = objective.weighted(model, fields, weights);
		return { result, loss: share === null ? result.loss : mul(result.loss, share) };
	}

	#measured(result: StepResult) {
		return noGrad(() => this.plan.meters.measure(result));
	}

	#backward({ result, loss }: Forward, isFirst: boolean): StepResult {
		const { optimizer, scaler } = this.plan;
		if (isFirst) optimizer.zeroGrad();
		(scaler === undefined ? loss : scaler.scale(to(loss, 'float32'))).backward();
		return result;
	}
}

/** The same with handles of its own, for the caller to dispose of: a trainStep may return tensors of the user. */
function ownHandles({ result, loss }: Forward): Forward {
	const entries = Object.entries(result).map(([name, value]) => [name, value instanceof Tensor ? handleOf(value) : value]);
	return { result: Object.fromEntries(entries) as StepResult, loss: handleOf(loss) };
}

function handleOf(x: Tensor): Tensor {
	const handle = viewOf(x, x.shape, x.strides, x.offset);
	handle.edge = x.edge;
	return handle;
}

function disposeAll(values: readonly unknown[]): void {
	for (const value of values) if (value instanceof Tensor) value.dispose();
}

/** Divides shares by their total. All shares are numbers, or all are tensors. */
function fractions(shares: readonly (number | Tensor)[]): (number | Tensor)[] {
	const onHost = shares.filter((share) => typeof share === 'number');
	if (onHost.length === shares.length) {
		const total = onHost.reduce((sum, share) => sum + share, 0);
		return onHost.map((share) => share / total);
	}
	const tensors = shares as readonly Tensor[];
	const total = tensors.reduce((sum, share) => add(sum, share));
	return tensors.map((share) => div(share, total));
}
