/** Runs modules of a model under `checkpoint`, by name. */
import { checkpoint } from '../autograd/checkpoint';
import { noGrad } from '../autograd/modes';
import type { Module } from '../nn';
import { copy_ } from '../ops/inplace';
import { clone } from '../ops/layout';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import { type Forward, replaceForwards } from './chosenModules';

/**
 * Makes the forward of each module with a matching path compute again in the backward pass instead of keeping its activations. Returns a
 * function that ends it.
 */
export function checkpointModules(model: Module, patterns: readonly string[]): () => void {
	return replaceForwards('checkpoint', model, patterns, checkpointForward);
}

function checkpointForward(module: Module, forward: Forward): Forward {
	return (...inputs) => {
		let isFirst = true;
		const run = (...tensors: Tensor[]) => {
			const given = [...tensors];
			const compute = () =>
				forward.apply(
					module,
					inputs.map((input) => (input instanceof Tensor ? given.shift()! : input)),
				) as Tensor;
			if (!isFirst) return keepingBuffers(module, compute);
			isFirst = false;
			return compute();
		};
		return checkpoint(run, ...inputs.filter((input) => input instanceof Tensor));
	};
}

/** The first run has updated running statistics already. */
function keepingBuffers<T>(module: Module, compute: () => T): T {
	const buffers = module.buffers();
	const values = noGrad(() => buffers.map((buffer) => clone(buffer)));
	const result = compute();
	noGrad(() =>
		tidy(() => {
			for (const [i, buffer] of buffers.entries()) copy_(buffer, values[i]!);
		}),
	);
	return result;
}
