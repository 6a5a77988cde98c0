/**
 * Options objects, the last argument of most functions. One that is none, or has a name that is not known, is refused in words: a
 * misspelt option would otherwise count for nothing, and null would fail inside, where JavaScript takes it apart.
 */
import { ArgumentError } from './errors';

/** Throws an ArgumentError, in the name of `operation`, for options that are no object. Gives the options. */
export function requireOptions<O extends object>(operation: string, options: O): O {
	// Tensors and lists have these symbols.
	if (typeof options !== 'object' || options === null || Symbol.iterator in options || Symbol.toPrimitive in options) {
		const given =
			options === null || options === undefined
				? String(options)
				: Array.isArray(options)
					? 'an array'
					: typeof options === 'object'
						? `a ${options.constructor.name}`
						: `${typeof options} ${String(options)}`;
		const cure = typeof options === 'number' ? '. Several sizes or dims go into one array before it' : '';
		throw new ArgumentError(`${operation}: options come as an object, { name: value }, not as ${given}${cure}`);
	}
	return options;
}

/** As `requireOptions`, and throws for names beside `names`, which the compiler holds to be all of `O`. */
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

/** The options of these names alone: what a layer hands on to its parts. */
export function pickOptions<O extends object, Name extends keyof O>(options: O, ...names: readonly Name[]): Pick<O, Name> {
	const picked: Partial<O> = {};
	for (const name of names) if (options[name] !== undefined) picked[name] = options[name];
	return picked as Pick<O, Name>;
}
