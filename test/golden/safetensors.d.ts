/** Golden files bundled with a test, for browsers: `import file from './x.safetensors' with { type: 'bytes' }`. */
declare module '*.safetensors' {
	const bytes: Uint8Array;
	export default bytes;
}
