/** Types for the package, which ships none. */
declare module 'wgsl-preprocessor' {
	/** Template tag that resolves `#if`, `#elif`, `#else` and `#endif`, each followed by a template expression. */
	export function wgsl(strings: TemplateStringsArray, ...values: unknown[]): string;
}
