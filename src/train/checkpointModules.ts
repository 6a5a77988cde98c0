/** Runs modules of a model under `checkpoint`, by name. */
import { checkpoint } from '../autograd/checkpoint';
import { noGrad } from '../autograd/modes';
import { describe } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Module } from '../nn';
import { copy_ } from '../ops/inplace';
import { clone } from '../ops/layout';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';

/**
 * Makes the forward of each module whose path matches compute again in the backward pass instead of keeping its activations. In a pattern,
 * * stands for one part of a path: 'blocks.*'. Returns a function that ends it.
 */
export function checkpointModules(model: Module, patterns: readonly string[]): () => void {
	if (!Array.isArray(patterns) || !patterns.every((pattern) => typeof pattern === 'string'))
		throw new ArgumentError(
			`fit: checkpoint must be a list of paths of modules, such as ['blocks.*'], not ${describe(patterns)}`,
		);
	const named = model.namedModules();
	const chosen = new Set<Module>();
	for (const pattern of patterns) {
		const parts = pattern.split('.').map((part) => part.replace(/[^*]+/g, escaped).replaceAll('*', '[^.]*'));
		const expression = new RegExp(`^${parts.join('\\.')}$`);
		const found = named.filter(([path]) => expression.test(path));
		if (found.length === 0)
			throw new ArgumentError(
				`fit: no module matches '${pattern}' of checkpoint; the model has: ${named.flatMap(([path]) => path || []).join(', ')}`,
			);
		for (const [, module] of found) chosen.add(module);
	}
	const undo = [...chosen].map(checkpointForward);
	return () => {
		for (const restore of undo) restore();
	};
}

function escaped(text: string): string {
	return text.replace(/[\\^$.+?()[\]{}|]/g, '\\$&');
}

function checkpointForward(module: Module): () => void {
	const own = module as unknown as { forward: (...inputs: unknown[]) => Tensor };
	const before = Object.getOwnPropertyDescriptor(own, 'forward');
	const forward = own.forward;
	own.forward = (...inputs) => {
		let isFirst = true;
		const run = (...tensors: Tensor[]) => {
			const given = [...tensors];
			const compute = () =>
				forward.apply(
					module,
					inputs.map((input) => (input instanceof Tensor ? given.shift()! : input)),
				);
			if (!isFirst) return keepingBuffers(module, compute);
			isFirst = false;
			return compute();
		};
		return checkpoint(run, ...inputs.filter((input) => input instanceof Tensor));
	};
	return () => {
		if (before === undefined) delete (own as { forward?: unknown }).forward;
		else Object.defineProperty(own, 'forward', before);
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
