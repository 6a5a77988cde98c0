/** Puts another module in the place of a child. */
import { ArgumentError } from '../core/errors';
import { Module } from './module';

/**
 * Replaces `child`, which `parent` lists as `name`: in the property that holds it, or by `addModule` where the class overrides it, as
 * containers do. Throws an ArgumentError in the name of `operation` for a parent that holds it elsewhere, such as in a private field.
 */
export function replaceChild(operation: string, parent: Module, name: string, child: Module, replacement: Module): void {
	const own = parent as unknown as Record<string, unknown>;
	const property = Object.keys(own).find((key) => own[key] === child);
	if (property !== undefined) own[property] = replacement;
	else if (parent.addModule !== Module.prototype.addModule) parent.addModule(name, replacement);
	if (!parent.namedChildren().some(([key, module]) => key === name && module === replacement))
		throw new ArgumentError(
			`${operation}: ${parent.constructor.name} does not let '${name}' be replaced. Hold it in a property that is not private, or override addModule`,
		);
}
