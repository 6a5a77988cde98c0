/**
 * Deno, whose WebGPU is wgpu with naga, as Firefox's is. For programs of this repository only. The npm package `deno` cannot be installed on
 * systems for which it has no binary, so deno/package.json takes the binaries themselves, where they fit.
 */
import { createRequire } from 'node:module';
import { arch } from 'node:os';

/** Path of Deno's executable, or undefined where there is none for this system. */
export function findDeno() {
	try {
		return createRequire(import.meta.url).resolve(`@deno/linux-${arch()}-glibc/deno`);
	} catch {
		return undefined;
	}
}
