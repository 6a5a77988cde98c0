/** Replaces the forward of modules that an option of `fit` names. */
import { requireListOf } from '../core/checks';
import { ArgumentError } from '../core/errors';
import type { Module } from '../nn';

/** Any forward. */
export type Forward = (...inputs: unknown[]) => unknown;

/**
 * Gives each module with a path that matches a pattern the forward that `replace` makes of its own. In a pattern, * stands for one part of a path:
 * 'blocks.*'. `option` names the patterns in errors. Returns a function that ends it.
 */
export function replaceForwards(
	option: string,
	model: Module,
	patterns: readonly string[],
	replace: (module: Module, forward: Forward) => Forward,
): () => void {
	const undo = [...chosenModules(option, model, patterns)].map((module) => {
		const own = module as unknown as { forward: Forward };
		const before = Object.getOwnPropertyDescriptor(own, 'forward');
		own.forward = replace(module, own.forward);
		return () => {
			if (before === undefined) delete (own as { forward?: unknown }).forward;
			else Object.defineProperty(own, 'forward', before);
		};
	});
	return () => {
		for (const restore of undo.reverse()) restore();
	};
}

function chosenModules(option: string, model: Module, patterns: readonly string[]): Set<Module> {
	const isText = (pattern: unknown) => typeof pattern === 'string';
	requireListOf('fit', option, patterns, isText, "a list of paths of modules, such as ['blocks.*']");
	const named = model.namedModules();
	const chosen = new Set<Module>();
	for (const pattern of patterns) {
		const parts = pattern.split('.').map((part) => part.replace(/[^*]+/g, escaped).replaceAll('*', '[^.]*'));
		const expression = new RegExp(`^${parts.join('\\.')}$`);
		const found = named.filter(([path]) => expression.test(path));
		if (found.length === 0)
			throw new ArgumentError(
				`fit: no module matches '${pattern}' of ${option}; the model has: ${named.flatMap(([path]) => path || []).join(', ')}`,
			);
		for (const [, module] of found) chosen.add(module);
	}
	return chosen;
}

function escaped(text: string): string {
	return text.replace(/[\\^$.+?()[\]{}|]/g, '\\$&');
}
