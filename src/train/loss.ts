/** The objective of a step: a loss of outputs and targets, weighted by class and sample, or the user's own step. */
import { autocast } from '../autograd/autocast';
import { requireNonNegative, wrongArgument } from '../core/checks';
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape } from '../core/errors';
import type { TensorList } from '../data/batch';
import { CrossEntropyLoss, Module, NLLLoss } from '../nn';
import { tensor } from '../ops/creation';
import { clamp, eq, mul, ne, to, where } from '../ops/elementwise';
import { indexSelect } from '../ops/indexing';
import { reshape } from '../ops/layout';
import { crossEntropy, nllLoss } from '../ops/loss';
import { matmul } from '../ops/matmul';
import { mean, sum } from '../ops/reduce';
import { Tensor } from '../tensor';
import { keep } from '../tidy';

/** A loss such as `crossEntropy` or `mseLoss`, or your own function. Returns a scalar, or one loss per sample for reduction 'none'. */
export type LossFunction = (
	output: Tensor,
	target: Tensor,
	options?: { readonly reduction?: 'none'; readonly weight?: Tensor },
) => Tensor;

/** A loss as a module: `new nn.CrossEntropyLoss({ labelSmoothing: 0.1 })`. */
export type LossModule = Module & { forward(output: Tensor, target: Tensor): Tensor };

export type Loss = LossFunction | LossModule;

/** The result of a trainStep that also serves metrics, which need output and target. */
export interface StepResult {
	readonly loss: Tensor;
	readonly output?: Tensor;
	readonly target?: Tensor;
}

/** Computes the scalar loss of one batch. `fit` handles gradients, optimizer and memory. Must not be async. */
export type TrainStep<M extends Module = Module> = (model: M, batch: TensorList) => Tensor | StepResult;

/** Factors by class: for all classes in order, or for some by number; the others count 1. */
export type ClassWeight = Tensor | readonly number[] | Readonly<Record<number, number>>;

interface ObjectiveOptions {
	readonly loss?: Loss | undefined;
	readonly trainStep?: TrainStep | undefined;
	/** The factors of all classes in order, on the host. */
	readonly classWeight?: readonly number[] | undefined;
	/** Compute model and loss within `autocast`. Default false. */
	readonly mixed?: boolean;
}

/** Reads class weights as a list; classes missing from a record count 1. */
export async function classWeightList(caller: string, weight: ClassWeight | undefined): Promise<number[] | undefined> {
	if (weight === undefined) return undefined;
	const entries = weight instanceof Tensor ? Object.entries(Array.from(await weight.data())) : Object.entries(weight);
	const list: number[] = [];
	for (const [key, value] of entries) {
		const at = Number(key);
		if (!Number.isInteger(at) || at < 0)
			throw new ArgumentError(`${caller}: classWeight names the class '${key}'; classes are 0, 1, 2, ...`);
		requireNonNegative(caller, `classWeight of class ${key}`, value);
		list[at] = value;
	}
	return Array.from(list, (value) => value ?? 1);
}

type WithOptions = (output: Tensor, target: Tensor, options: { reduction?: 'none'; weight?: Tensor }) => Tensor;

/** Wraps a loss as a function of options; keeps a module's own options. */
function withOptions(loss: Loss): WithOptions {
	if (!(loss instanceof Module)) return loss;
	const { options } = loss as LossModule & { options?: object };
	return (output, target, extra) => {
		if (Object.keys(extra).length === 0) return loss.forward(output, target);
		const changed = Object.create(loss, { options: { value: { ...options, ...extra } } }) as LossModule;
		return changed.forward(output, target);
	};
}

/**
 * The target class that a classification loss ignores; null for other losses. Classification losses take `weight`, and their mean divides
 * by the weights of the targets that count.
 */
function ignoredBy(loss: Loss | undefined): number | null {
	if (loss === crossEntropy || loss === nllLoss) return -100;
	if (loss instanceof CrossEntropyLoss || loss instanceof NLLLoss) return loss.options.ignoreIndex ?? -100;
	return null;
}

/** Computes the losses of batches. */
export class Objective {
	readonly #caller: string;
	readonly #trainStep: TrainStep | undefined;
	readonly #loss: WithOptions | null;
	readonly #ignoreIndex: number | null;
	readonly #classWeight: readonly number[] | undefined;
	readonly #sums: boolean;
	readonly #mixed: boolean;
	/** The weights on the device: of the named classes followed by a 1, and of all classes. */
	#table: Tensor | null = null;
	#all: Tensor | null = null;

	constructor(caller: string, { loss, trainStep, classWeight, mixed = false }: ObjectiveOptions) {
		if ((loss === undefined) === (trainStep === undefined))
			throw new ArgumentError(`${caller}: pass either loss, such as crossEntropy, or trainStep`);
		if (loss !== undefined && typeof loss !== 'function' && !(loss instanceof Module))
			throw wrongArgument(caller, 'loss', 'a function such as crossEntropy, or a loss module', loss);
		if (typeof loss === 'function' && loss.prototype instanceof Module)
			throw new ArgumentError(`${caller}: loss ${loss.name} is a class; pass an instance: new nn.${loss.name}()`);
		if (trainStep !== undefined && classWeight !== undefined)
			throw new ArgumentError(`${caller}: classWeight belongs to loss; a trainStep must apply weights itself`);
		this.#caller = caller;
		this.#mixed = mixed;
		this.#trainStep = trainStep;
		this.#loss = loss === undefined ? null : withOptions(loss);
		this.#ignoreIndex = ignoredBy(loss);
		this.#classWeight = classWeight;
		this.#sums = loss instanceof Module && (loss as { options?: { reduction?: string } }).options?.reduction === 'sum';
	}

	/** The loss for validation, without weights. */
	plain(model: Module, batch: TensorList): StepResult {
		return this.#mixed ? autocast(() => this.#plain(model, batch)) : this.#plain(model, batch);
	}

	/** The loss for training. `sampleWeight` holds a factor per sample, [N]. */
	weighted(model: Module, batch: TensorList, sampleWeight: Tensor | null): StepResult {
		return this.#mixed ? autocast(() => this.#weighted(model, batch, sampleWeight)) : this.#weighted(model, batch, sampleWeight);
	}

	#plain(model: Module, batch: TensorList): StepResult {
		if (this.#trainStep !== undefined) return this.#own(this.#trainStep(model, batch));
		const { output, target } = this.#forward(model, batch);
		return { loss: this.#scalar(this.#loss!(output, target, {})), output, target };
	}

	#weighted(model: Module, batch: TensorList, sampleWeight: Tensor | null): StepResult {
		if (this.#classWeight === undefined && sampleWeight === null) return this.#plain(model, batch);
		if (this.#loss === null)
			throw new ArgumentError(`${this.#caller}: sampleWeight belongs to loss; a trainStep must apply weights itself`);
		const { output, target } = this.#forward(model, batch);
		const weight = this.#classWeight !== undefined && this.#ignoreIndex !== null ? { weight: this.#weightOfAll(output) } : {};
		if (sampleWeight === null && this.#ignoreIndex !== null)
			return { loss: this.#scalar(this.#loss(output, target, weight)), output, target };
		const singles = this.#perSample(this.#loss(output, target, { reduction: 'none', ...weight }), output);
		let factors = sampleWeight === null ? null : this.#sampleFactors(sampleWeight, singles);
		if (this.#classWeight !== undefined && this.#ignoreIndex === null) {
			const own = this.#weightOfTargets(target, singles);
			factors = factors === null ? own : mul(factors, own);
		}
		return { loss: mean(mul(singles, factors!)), output, target };
	}

	/**
	 * The weight of a batch in the mean over several batches: its number of samples. For classification losses, the sum of the weights of
	 * the targets that count, because their mean divides by it.
	 */
	share(batch: TensorList, sampleWeight: Tensor | null): number | Tensor {
		const samples = batch[0]!.shape[0] ?? 1;
		const target = batch.at(-1)!;
		if (this.#ignoreIndex === null || sampleWeight !== null || isFloating(target.dtype)) return samples;
		const classes = reshape(to(target, 'int32'), [-1]);
		if (this.#classWeight === undefined) return sum(to(ne(classes, this.#ignoreIndex), 'float32'));
		return sum(where(eq(classes, this.#ignoreIndex), 0, this.#lookUp(classes, target)));
	}

	/** Whether the loss sums over samples instead of averaging. Then gradients of batches add up too. */
	get sums(): boolean {
		return this.#sums;
	}

	/** Frees the weights on the device. They are uploaded again when needed. */
	dispose(): void {
		this.#table?.dispose();
		this.#all?.dispose();
		this.#table = this.#all = null;
	}

	#own(result: Tensor | StepResult): StepResult {
		if (result instanceof Promise)
			throw new ArgumentError(`${this.#caller}: trainStep must not be async: return the loss tensor, which fit reads later`);
		if (result instanceof Tensor) return { loss: this.#scalar(result) };
		if (!(result?.loss instanceof Tensor))
			throw new ArgumentError(`${this.#caller}: trainStep must return the loss, or { loss, output, target }`);
		return { ...result, loss: this.#scalar(result.loss) };
	}

	#forward(model: Module, batch: TensorList): { output: Tensor; target: Tensor } {
		if (batch.length < 2) {
			throw new ArgumentError(
				`${this.#caller}: a batch of the data has ${batch.length} field; it needs inputs and, last, the target. Without targets, pass trainStep`,
			);
		}
		return { output: outputOf(this.#caller, model, batch.slice(0, -1)), target: batch.at(-1)! };
	}

	#scalar(loss: Tensor): Tensor {
		if (loss instanceof Tensor && loss.size === 1) return loss.ndim === 0 ? loss : reshape(loss, []);
		if ((loss as unknown) instanceof Promise)
			throw wrongArgument(this.#caller, 'the loss of a batch', 'a scalar', loss, '. Write the loss without async and await');
		throw wrongArgument(this.#caller, 'the loss of a batch', 'a scalar', loss, ". Take its mean, or reduction 'mean'");
	}

	/** Reduces losses [N, ...] to means [N]. */
	#perSample(losses: Tensor, output: Tensor): Tensor {
		const samples = output.shape[0]!;
		if (losses.ndim === 0 || losses.shape[0] !== samples) {
			throw new ArgumentError(
				`${this.#caller}: sample weights need a loss that supports { reduction: 'none' }; for ${samples} samples this one returned shape ${formatShape(losses.shape)}`,
			);
		}
		return losses.ndim === 1 ? losses : mean(reshape(losses, [samples, -1]), 1);
	}

	#sampleFactors(weight: Tensor, singles: Tensor): Tensor {
		if (weight.size !== singles.size) {
			throw new ArgumentError(
				`${this.#caller}: sampleWeight has shape ${formatShape(weight.shape)} for a batch of ${singles.size} samples`,
			);
		}
		return reshape(to(weight, singles.dtype), singles.shape);
	}

	#weightOfAll(output: Tensor): Tensor {
		const classes = output.shape[output.ndim === 1 ? 0 : 1]!;
		const given = this.#classWeight!;
		if (given.length > classes)
			throw new ArgumentError(
				`${this.#caller}: classWeight has ${given.length} classes, the model's output ${formatShape(output.shape)} ${classes}`,
			);
		const { device } = output;
		this.#all ??= keep(
			tensor(
				Array.from({ length: classes }, (_, i) => given[i] ?? 1),
				{ device },
			),
		);
		return this.#all;
	}

	/** Looks up the weights of classes [M] as float32 [M]. */
	#lookUp(classes: Tensor, { device }: Tensor): Tensor {
		const given = this.#classWeight!;
		this.#table ??= keep(tensor([...given, 1], { device }));
		return indexSelect(this.#table, 0, clamp(classes, { min: 0, max: given.length }));
	}

	/** The weight of each sample's target, for losses without a `weight` option. Targets are classes, 0 or 1 as floats, or one-hot rows. */
	#weightOfTargets(target: Tensor, singles: Tensor): Tensor {
		const samples = singles.size;
		const given = this.#classWeight!;
		if (target.size === samples) return to(this.#lookUp(reshape(to(target, 'int32'), [samples]), target), singles.dtype);
		if (!isFloating(target.dtype) || target.ndim !== 2 || target.shape[1]! < given.length) {
			throw new ArgumentError(
				`${this.#caller}: classWeight takes targets [N] of classes or one-hot rows [N, C], not ${formatShape(target.shape)}`,
			);
		}
		const { device, dtype } = target;
		const column = Array.from({ length: target.shape[1]! }, (_, i) => [given[i] ?? 1]);
		return reshape(matmul(target, tensor(column, { device, dtype })), [samples]);
	}
}

/** Runs the model's forward. Throws unless it returns a tensor. */
export function outputOf(caller: string, model: Module, inputs: readonly Tensor[]): Tensor {
	const output = model.forward(...(inputs as never[]));
	if (output instanceof Tensor) return output;
	throw new ArgumentError(
		`${caller}: the model's forward returned ${Array.isArray(output) ? 'a list' : typeof output} instead of a tensor; pass a trainStep that handles it`,
	);
}
