/**
 * Prevents two runs from changing the same object: a running `fit` claims the model with its parts, the optimizer and all other stateful
 * objects.
 */
import { ArgumentError } from '../core/errors';
import type { Module } from '../nn';
import type { FitOptions } from './options';

const claimed = new WeakSet<object>();

/** Whether a `fit` trains this model or one that contains it. */
export function isTraining(model: Module): boolean {
	return claimed.has(model);
}

/** Claims the objects that a run changes. Returns a function that releases them. Throws if another run has claimed one of them. */
export function claim(
	caller: string,
	model: Module,
	options: Pick<FitOptions, 'optimizer' | 'scheduler' | 'ema' | 'callbacks'>,
): () => void {
	const { optimizer, scheduler, ema, callbacks = [] } = options;
	const parameters = new Set([...model.parameters(), ...optimizer.paramGroups.flatMap(({ params }) => params)]);
	const stateful = callbacks.filter((callback) => typeof callback === 'object' && callback.stateDict !== undefined);
	const things: [what: string, thing: object][] = [
		['the model', model],
		...model
			.modules()
			.slice(1)
			.map((part): [string, object] => [`a part of the model, ${part.constructor.name},`, part]),
		['the optimizer', optimizer],
	];
	for (const parameter of parameters) things.push([`a parameter of shape [${parameter.shape}]`, parameter]);
	if (scheduler !== undefined) things.push(['the scheduler', 'scheduler' in scheduler ? scheduler.scheduler : scheduler]);
	if (ema !== undefined) things.push(['the average of the weights', ema]);
	for (const callback of stateful) things.push([`the callback ${callback.constructor.name}`, callback]);
	const taken = things.find(([, thing]) => claimed.has(thing));
	if (taken !== undefined) {
		throw new ArgumentError(
			`${caller}: ${taken[0]} belongs to a fit that still runs. Await it first, or give each run its own model, optimizer and callbacks`,
		);
	}
	for (const [, thing] of things) claimed.add(thing);
	return () => {
		for (const [, thing] of things) claimed.delete(thing);
	};
}
