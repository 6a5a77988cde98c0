/** A file's contents, carried by the bundle: see textImports in build.mjs. */
declare module '*?text' {
	const text: string;
	export default text;
}
