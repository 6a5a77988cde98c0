/**
 * The families of kernels in a program. A module names the families that it launches (src/backends/kernels.ts), so a bundle holds the kernels of
 * these only.
 */
import type { Backend, Kernels } from './index';

/** The kernels of one family: the reference, and the function that makes those of a GPU. */
export interface KernelFamily<K, G> {
	readonly cpu: K;
	readonly webgpu: (gpu: G) => K;
}

type AnyFamily = KernelFamily<Partial<Kernels>, never>;

const known: AnyFamily[] = [];
const listeners = new Set<(family: AnyFamily) => void>();

/** Adds a family to the program, and returns the function that finds its kernels in a backend. */
export function defineFamily<K extends Partial<Kernels>, G>(cpu: K, webgpu: (gpu: G) => K): (backend: Backend) => K {
	const family: AnyFamily = { cpu, webgpu };
	known.push(family);
	for (const hear of listeners) hear(family);
	return (backend) => backend.kernels as unknown as K;
}

/** The kernels of all families so far, each made by `make`. */
export function kernelsOfFamilies<G>(make: (family: KernelFamily<Partial<Kernels>, G>) => Partial<Kernels>): Kernels {
	return Object.assign({}, ...known.map((family) => make(family as unknown as KernelFamily<Partial<Kernels>, G>))) as Kernels;
}

/** Calls `hear` for each family that a module adds from now on, until the returned function is called. */
export function onFamily(hear: (family: AnyFamily) => void): () => void {
	listeners.add(hear);
	return () => listeners.delete(hear);
}
