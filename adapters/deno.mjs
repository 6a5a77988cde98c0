/**
 * Finds Deno, for programs of this repository only. Deno and Firefox share one WebGPU: wgpu, with the shader compiler naga. The npm package
 * `deno` fails to install on systems without a binary, so deno/package.json depends on the optional packages of the binaries instead.
 */
import { createRequire } from 'node:module';
import { arch } from 'node:os';

/** Returns the path of Deno's executable, or undefined if there is none for this system. */
export function findDeno() {
	try {
		return createRequire(import.meta.url).resolve(`@deno/linux-${arch()}-glibc/deno`);
	} catch {
		return undefined;
	}
}
