/** The contents of a file, included in the bundle: see textImports in build.mjs. */
declare module '*?text' {
	const text: string;
	export default text;
}
