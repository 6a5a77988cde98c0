/** The steps of a run under `compile`, and the validation's forward passes. */
import { noGrad } from '../autograd/modes';
import { type Compiled, type CompileReport, compiled } from '../compile';
import type { TensorList } from '../data/batch';
import type { Module } from '../nn';
import { clone, detach } from '../ops/layout';
import { Tensor } from '../tensor';
import type { GradientPlan, Gradients, StepRunner } from './gradients';
import type { Objective, StepResult } from './loss';

/** Signatures to keep plans for: full and last batches, with and without gradients before them. */
const SIGNATURES = 8;

type StepArguments = [fields: TensorList, weights: Tensor | null, share: Tensor | string, isFirst: boolean, isLast: boolean];

/**
 * A compiled step returns what the meters measure, and they measure it afterwards: metrics keep values on the host, and may read back. A
 * step that cannot be replayed runs as usual.
 */
export class CompiledSteps {
	readonly #step: Compiled<StepArguments, StepResult>;

	/** `takeStep` steps the optimizer once all gradients are there. */
	constructor(
		private readonly plan: GradientPlan,
		gradients: Gradients,
		takeStep: () => void,
	) {
		const run = (...[fields, weights, text, isFirst, isLast]: StepArguments): StepResult => {
			const share = typeof text === 'string' ? shareOf(text) : text;
			const result = gradients.backward({ fields, weights, samples: 0 }, share, isFirst);
			const measured = this.#measured(result);
			if (isLast) takeStep();
			return measured;
		};
		this.#step = compiled(run, { signatures: SIGNATURES, fuse: false, name: "the step of 'fit'", isQuiet: true });
	}

	readonly run: StepRunner = ({ fields, weights }, share, isFirst, isLast) =>
		this.#step(fields, weights, share instanceof Tensor ? share : String(share), isFirst, isLast);

	report(): CompileReport {
		return this.#step.report();
	}

	dispose(): void {
		this.#step.dispose();
	}

	/** The result without its graph. What shares memory with a tensor that the step changes is copied. */
	#measured({ loss, output, target }: StepResult): StepResult {
		const { model, optimizer, meters } = this.plan;
		if (!meters.needsOutput || output === undefined || target === undefined) return { loss: detach(loss) };
		const params = optimizer.paramGroups.flatMap((group) => group.params);
		const changing = new Set([...params, ...model.buffers()].map(({ storage }) => storage));
		const apart = (x: Tensor) => (changing.has(x.storage) ? noGrad(() => clone(x)) : detach(x));
		return { loss: detach(loss), output: apart(output), target: target.requiresGrad ? apart(target) : target };
	}
}

/** A share as text, so that it belongs to the signature with all its digits. */
function shareOf(text: string): number | null {
	return text === 'null' ? null : Number(text);
}

export type CompiledForward = Compiled<[fields: TensorList], StepResult>;

/** The forward pass of validation. Call it in inference mode. */
export function compiledForward(model: Module, objective: Objective, needsOutput: boolean): CompiledForward {
	const run = (fields: TensorList): StepResult => {
		const { loss, output, target } = objective.plain(model, fields);
		if (!needsOutput || output === undefined || target === undefined) return { loss: detach(loss) };
		return { loss: detach(loss), output: detach(output), target };
	};
	return compiled(run, { signatures: SIGNATURES, fuse: false, name: "the validation of 'fit'", isQuiet: true });
}
