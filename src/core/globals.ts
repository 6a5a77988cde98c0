/**
 * Types that browsers, Node or @webgpu/types declare. Public declarations name them through `Global`, so that programs compile without
 * those declarations.
 */

/** The instance type of the global class `Name`, or `Otherwise` if the compiler does not know that class. */
export type Global<Name extends string, Otherwise = never> = typeof globalThis extends {
	readonly [K in Name]: { readonly prototype: infer Instance };
}
	? Instance
	: Otherwise;
