/** Checks options objects, the last argument of most functions. Rejects non-objects and unknown keys, so that a misspelt option throws. */
import { describe, wrongArgument } from './checks';
import { ArgumentError } from './errors';

/** Returns the options. Throws an ArgumentError that names `operation` unless they are a plain object. */
export function requireOptions<O extends object>(operation: string, options: O): O {
	if (!isPlainObject(options)) {
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

/**
 * The arguments after the required ones: the first options by position, in PyTorch's order, then an object of the others. P lists the
 * types of those that may come by position.
 */
export type Leading<P extends readonly unknown[], O> =
	| [...P, options?: O]
	| (P extends readonly [...infer Head, unknown] ? Leading<Head, O> : never);

/** Reads arguments of type `Leading` into one options object. `names` are the options that may come by position. */
export function leadingOptions<O extends object>(
	operation: string,
	given: readonly unknown[],
	names: readonly (keyof O & string)[],
): O {
	let end = given.length;
	while (end > 0 && given[end - 1] === undefined) end--;
	if (end === 0) return {} as O;
	const last = given[end - 1];
	const hasObject = isPlainObject(last);
	if (hasObject && end === 1) return last as O;
	const count = hasObject ? end - 1 : end;
	if (count > names.length)
		throw new ArgumentError(
			`${operation}: only ${names.join(', ')} come by position, so ${describe(given[names.length])} must be in the options, { name: value }`,
		);
	const options: Partial<Record<keyof O & string, unknown>> = hasObject ? { ...(last as O) } : {};
	for (let i = 0; i < count; i++) {
		const name = names[i]!;
		if (given[i] === undefined) continue;
		if (given[i] === null) throw wrongArgument(operation, name, 'a value', null, '. For the default write undefined');
		if (options[name] !== undefined) throw new ArgumentError(`${operation}: ${name} is given by position and in the options`);
		options[name] = given[i];
	}
	return options as O;
}

/** Whether the value can be an options object. Tensors and arrays have the symbols. */
function isPlainObject(value: unknown): value is object {
	return typeof value === 'object' && value !== null && !(Symbol.iterator in value) && !(Symbol.toPrimitive in value);
}
