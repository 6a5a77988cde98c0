/**
 * Types that browsers, Node or @webgpu/types declare. Public declarations name them through `Global`, so that programs whose compiler lacks
 * some of them still check.
 */

/** What instances of the global class `Name` are, or `Otherwise` where the program's compiler does not know that class. */
export type Global<Name extends string, Otherwise = never> = typeof globalThis extends {
	readonly [K in Name]: { readonly prototype: infer Instance };
}
	? Instance
	: Otherwise;
