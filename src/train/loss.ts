/** What a step minimises: a loss of outputs against targets, with weights of classes and samples, or a step of the user's own. */
import { isFloating } from '../core/dtype';
import { ArgumentError, formatShape } from '../core/errors';
import type { Fields } from '../data/dataset';
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

/** A loss like the library's own (`crossEntropy`, `mseLoss`, ...) or a function of yours; it returns a scalar, for 'none' one loss a sample. */
export type LossFunction = (
	output: Tensor,
	target: Tensor,
	options?: { readonly reduction?: 'none'; readonly weight?: Tensor },
) => Tensor;

/** A loss as a module: `new nn.CrossEntropyLoss({ labelSmoothing: 0.1 })`. */
export type LossModule = Module & { forward(output: Tensor, target: Tensor): Tensor };

export type Loss = LossFunction | LossModule;

/** What a step of the user's own may return besides the loss: metrics need output and target. */
export interface StepResult {
	readonly loss: Tensor;
	readonly output?: Tensor;
	readonly target?: Tensor;
}

/** Computes the loss of one batch, a scalar; gradients, optimizer and memory are `fit`'s business. Not async. */
export type TrainStep<M extends Module = Module> = (model: M, batch: Fields) => Tensor | StepResult;

/** Factors by class: all classes in order, or some by their number; classes that are not named count 1. */
export type ClassWeight = Tensor | readonly number[] | Readonly<Record<number, number>>;

export interface ObjectiveOptions {
	readonly loss?: Loss | undefined;
	readonly trainStep?: TrainStep | undefined;
	/** All factors in order, on the host. */
	readonly classWeight?: readonly number[] | undefined;
}

/** Class weights as a list; a record's gaps count 1. */
export async function classWeightList(caller: string, weight: ClassWeight | undefined): Promise<number[] | undefined> {
	if (weight === undefined) return undefined;
	const entries = weight instanceof Tensor ? Object.entries(Array.from(await weight.data())) : Object.entries(weight);
	const list: number[] = [];
	for (const [key, value] of entries) {
		const at = Number(key);
		if (!Number.isInteger(at) || at < 0)
			throw new ArgumentError(`${caller}: classWeight names the class '${key}'; classes are 0, 1, 2, ...`);
		if (!(value >= 0)) throw new ArgumentError(`${caller}: classWeight of class ${key} must be at least 0, not ${value}`);
		list[at] = value;
	}
	return Array.from(list, (value) => value ?? 1);
}

type WithOptions = (output: Tensor, target: Tensor, options: { reduction?: 'none'; weight?: Tensor }) => Tensor;

/** A loss as a function of options; a module's own options stay. */
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
 * The targets that a loss of classes ignores; null for other losses. Such losses take `weight`, and their mean divides by the weights of
 * the targets that count.
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
	/** The weights on the device: of the classes that were named, with a 1 after them; and of all classes. */
	#table: Tensor | null = null;
	#all: Tensor | null = null;

	constructor(caller: string, { loss, trainStep, classWeight }: ObjectiveOptions) {
		if ((loss === undefined) === (trainStep === undefined))
			throw new ArgumentError(`${caller}: pass either loss, such as crossEntropy, or trainStep`);
		if (loss !== undefined && typeof loss !== 'function' && !(loss instanceof Module))
			throw new ArgumentError(`${caller}: loss must be a function such as crossEntropy, or a loss module, not ${typeof loss}`);
		if (typeof loss === 'function' && loss.prototype instanceof Module)
			throw new ArgumentError(`${caller}: loss ${loss.name} is a class; pass an instance: new nn.${loss.name}()`);
		if (trainStep !== undefined && classWeight !== undefined)
			throw new ArgumentError(`${caller}: classWeight belongs to loss; a trainStep of your own weighs for itself`);
		this.#caller = caller;
		this.#trainStep = trainStep;
		this.#loss = loss === undefined ? null : withOptions(loss);
		this.#ignoreIndex = ignoredBy(loss);
		this.#classWeight = classWeight;
		this.#sums = loss instanceof Module && (loss as { options?: { reduction?: string } }).options?.reduction === 'sum';
	}

	/** The loss as validation shows it: without weights of classes and samples. */
	plain(model: Module, batch: Fields): StepResult {
		if (this.#trainStep !== undefined) return this.#own(this.#trainStep(model, batch));
		const { output, target } = this.#forward(model, batch);
		return { loss: this.#scalar(this.#loss!(output, target, {})), output, target };
	}

	/** The loss as training minimises it. `sampleWeight` holds a factor for each sample, [N]. */
	weighted(model: Module, batch: Fields, sampleWeight: Tensor | null): StepResult {
		if (this.#classWeight === undefined && sampleWeight === null) return this.plain(model, batch);
		if (this.#loss === null)
			throw new ArgumentError(`${this.#caller}: sampleWeight belongs to loss; a trainStep of your own weighs for itself`);
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
	 * By how much a batch counts in the mean over several batches: its number of samples; of losses of classes, the weights of those targets
	 * that count, for by their sum the mean divides.
	 */
	share(batch: Fields, sampleWeight: Tensor | null): number | Tensor {
		const samples = batch[0]!.shape[0] ?? 1;
		const target = batch.at(-1)!;
		if (this.#ignoreIndex === null || sampleWeight !== null || isFloating(target.dtype)) return samples;
		const classes = reshape(to(target, 'int32'), [-1]);
		if (this.#classWeight === undefined) return sum(to(ne(classes, this.#ignoreIndex), 'float32'));
		return sum(where(eq(classes, this.#ignoreIndex), 0, this.#lookUp(classes, target)));
	}

	/** Whether losses of batches add up instead of being means: then so do their gradients. */
	get sums(): boolean {
		return this.#sums;
	}

	/** Gives the memory of the weights back; they are made again when they are needed. */
	dispose(): void {
		this.#table?.dispose();
		this.#all?.dispose();
		this.#table = this.#all = null;
	}

	#own(result: Tensor | StepResult): StepResult {
		if (result instanceof Promise)
			throw new ArgumentError(`${this.#caller}: trainStep must not be async: it returns the loss, which fit reads later`);
		if (result instanceof Tensor) return { loss: this.#scalar(result) };
		if (!(result?.loss instanceof Tensor))
			throw new ArgumentError(`${this.#caller}: trainStep must return the loss, or { loss, output, target }`);
		return { ...result, loss: this.#scalar(result.loss) };
	}

	#forward(model: Module, batch: Fields): { output: Tensor; target: Tensor } {
		if (batch.length < 2) {
			throw new ArgumentError(
				`${this.#caller}: a batch of the data has ${batch.length} field; it takes inputs and, last, the target. Without targets pass trainStep`,
			);
		}
		return { output: outputOf(this.#caller, model, batch.slice(0, -1)), target: batch.at(-1)! };
	}

	#scalar(loss: Tensor): Tensor {
		if (loss instanceof Tensor && loss.size === 1) return loss.ndim === 0 ? loss : reshape(loss, []);
		if ((loss as unknown) instanceof Promise)
			throw new ArgumentError(
				`${this.#caller}: the loss of a batch must be a scalar, not a promise. Make the loss without async and await`,
			);
		const found = loss instanceof Tensor ? `a tensor of shape ${formatShape(loss.shape)}` : typeof loss;
		throw new ArgumentError(
			`${this.#caller}: the loss of a batch must be a scalar, not ${found}. Take its mean, or reduction 'mean'`,
		);
	}

	/** Losses [N, ...] as their means [N]. */
	#perSample(losses: Tensor, output: Tensor): Tensor {
		const samples = output.shape[0]!;
		if (losses.ndim === 0 || losses.shape[0] !== samples) {
			throw new ArgumentError(
				`${this.#caller}: weighted samples need a loss that obeys { reduction: 'none' }; of ${samples} samples this one gave shape ${formatShape(losses.shape)}`,
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

	/** The weights of classes [M], as a float32 tensor [M]. */
	#lookUp(classes: Tensor, { device }: Tensor): Tensor {
		const given = this.#classWeight!;
		this.#table ??= keep(tensor([...given, 1], { device }));
		return indexSelect(this.#table, 0, clamp(classes, { min: 0, max: given.length }));
	}

	/** The weight of each sample's target, for losses that take no weight: classes, 0 or 1 as floats, or one-hot rows. */
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

/** What a model makes of inputs; an error in words when it is no tensor. */
export function outputOf(caller: string, model: Module, inputs: readonly Tensor[]): Tensor {
	const output = model.forward(...(inputs as never[]));
	if (output instanceof Tensor) return output;
	throw new ArgumentError(
		`${caller}: the model's forward gave ${Array.isArray(output) ? 'a list' : typeof output} instead of a tensor; pass a trainStep that knows what to do with it`,
	);
}
