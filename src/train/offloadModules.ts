/** Moves what modules of a model save for the backward pass to the host, by name. */
import { HostSaves } from '../autograd/saveOnCpu';
import type { Module } from '../nn';
import { replaceForwards } from './chosenModules';

export class Offload {
	#saves: HostSaves | null = null;

	constructor(
		private readonly model: Module,
		private readonly patterns: readonly string[],
	) {}

	/** Begins with the modules that the patterns match. Returns a function that ends it. */
	start(): () => void {
		return replaceForwards('offload', this.model, this.patterns, (module, forward) => (...inputs) => {
			const compute = () => forward.apply(module, inputs);
			return this.#saves === null ? compute() : this.#saves.run(compute);
		});
	}

	/**
	 * Runs a forward pass. Resolves to its result when what the modules saved is on the host. Other uses of the model, between the steps,
	 * move nothing.
	 */
	async forward<T>(fn: () => T): Promise<T> {
		const saves = new HostSaves();
		this.#saves = saves;
		let result: T;
		try {
			result = fn();
		} finally {
			this.#saves = null;
		}
		await saves.ready();
		return result;
	}
}
