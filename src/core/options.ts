/** Checks options objects, the last argument of most functions. Rejects non-objects and unknown keys, so that a misspelt option throws. */
import { describe } from './checks';
import { ArgumentError } from './errors';

/** Returns the options. Throws an ArgumentError that names `operation` unless they are a plain object. */
export function requireOptions<O extends object>(operation: string, options: O): O {
	// Tensors and arrays have these symbols.
	if (typeof options !== 'object' || options === null || Symbol.iterator in options || Symbol.toPrimitive in options) {
		const cure = typeof options === 'number' ? '. Several sizes or dims go into one array before it' : '';
		throw new ArgumentError(`${operation}: options come as an object, { name: value }, not as ${describe(options)}${cure}`);
	}
	return options;
}

/** Like `requireOptions`, and also throws on keys outside `names`. The type makes `names` list every key of `O`. */
export function checkOptions<O extends object, const Names extends readonly (keyof O & string)[]>(
	operation: string,
	options: O,
	names: Names & ([keyof O] extends [Names[number]] ? unknown : 'an option is missing from this list'),
): O {
	requireOptions(operation, options);
	for (const name in options) {
		if (!names.includes(name)) {
			throw new ArgumentError(`${operation}: there is no option '${name}'; its options are ${names.join(', ')}`);
		}
	}
	return options;
}

/** Picks the named options that are present, for a layer that passes them to its parts. */
export function pickOptions<O extends object, Name extends keyof O>(options: O, ...names: readonly Name[]): Pick<O, Name> {
	const picked: Partial<O> = {};
	for (const name of names) if (options[name] !== undefined) picked[name] = options[name];
	return picked as Pick<O, Name>;
}
