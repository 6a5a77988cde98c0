/**
 * The record of one kernel launch, and what launchers (`<family>.ts` beside this file) see of the runtime.
 *
 * A record is plain data and complete: replaying a list of records repeats the work, so nothing about a launch may live
 * outside of it.
 */
import type { Parameters, ParameterValues } from '../../../shaders/parameters';
import type { Bindings, Kernel, ShaderTemplate, Variant } from '../../../shaders/shader';
import type { IndexCheck } from '../../core/indexCheck';
import type { Storage, View } from '../contract';

/** A storage for each buffer of the kernel; those that only some variants have may be left out for the others. */
export type LaunchBuffers<B extends Bindings> = {
	readonly [K in keyof B as false extends B[K] ? never : K]: Storage;
} & {
	readonly [K in keyof B as false extends B[K] ? K : never]?: Storage | undefined;
};

export interface Launch<V extends Variant = Variant, P extends Parameters = Parameters, B extends Bindings = Bindings> {
	readonly kernel: Kernel<V, P, B>;
	readonly variant: NoInfer<V>;
	/** Storages by the names of the kernel's bindings; one that is written is bound once. */
	readonly buffers: NoInfer<LaunchBuffers<B>>;
	/** Values by the names of the kernel's parameters. */
	readonly params: NoInfer<ParameterValues<P>>;
	/** Workgroups in x, y, z. A grid in x alone may exceed 65,535: it is folded into y (see shaders/shader.ts). */
	readonly grid: readonly [x: number, y?: number, z?: number];
	/** Floating-point operations, and bytes read and written at least once: for the profile and the roofline. */
	readonly flops: number;
	readonly bytes: number;
	/** The number of the first workgroup: of one part of a launch that was divided. */
	readonly firstGroup?: number;
	/** What the indices must be that the kernel reports. */
	readonly check?: IndexCheck | undefined;
}

/** A launch of a kernel that is not defined by `defineKernel`. */
export interface PositionalLaunch<V extends Variant = Variant> {
	readonly kernel: ShaderTemplate<V> & { readonly layout?: undefined };
	readonly variant: V;
	/** Storages bound at 1, 2, ... in the order of the shader's `bindings`; one that is written is bound once. */
	readonly buffers: readonly Storage[];
	/** The words of the shader's `Params`, each an unsigned 32-bit integer; floats through `floatBits`, negatives through `>>> 0`. */
	readonly params: readonly number[];
	readonly grid: readonly [x: number, y?: number, z?: number];
	readonly flops: number;
	readonly bytes: number;
	/**
	 * Whether the kernel's last parameter is the number of its first workgroup, which `params` leaves out: then a launch with much
	 * work is cut into several, so that no dispatch lasts long enough for the system to reset the GPU.
	 */
	readonly divisible?: boolean;
	/** What the kernel's indices must be, if it takes some and binds `Gpu.indexRecords`: the launch gets a word behind its params for them. */
	readonly check?: IndexCheck | undefined;
}

/** A launch of any kernel. */
export type AnyLaunch = Launch | PositionalLaunch;

/** The runtime as launchers see it. */
export interface Gpu {
	/**
	 * Encodes a launch; it runs after all earlier ones. A grid with a zero is nothing to do and returns at once. The record
	 * may wait for its pipeline to compile, so neither it nor its arrays may change afterwards.
	 */
	launch<V extends Variant>(record: PositionalLaunch<V>): void;
	launch<V extends Variant, P extends Parameters, B extends Bindings>(record: Launch<V, P, B>): void;
	/** A temporary storage for partial results: the caller releases it right after the last launch that uses it. */
	scratch(length: number, dtype: 'float32' | 'int32'): Storage;
	release(storage: Storage): void;
	/** Where kernels report indices that are out of range: the last buffer of each that does. See shaders/reportIndex.ts. */
	readonly indexRecords: Storage;
	readonly limits: GPUSupportedLimits;
	readonly features: ReadonlySet<string>;
	/** True on lavapipe, SwiftShader and their like, where the same kernel variants do not win as on GPUs. */
	readonly isSoftware: boolean;
	/** Invocations of a subgroup, where subgroups may be used and the adapter has only one size of them; else 0. */
	readonly subgroupSize: number;
}

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The bits of a float32 as a parameter word. */
export function floatBits(value: number): number {
	floats[0] = value;
	return words[0]!;
}

/** Storage type of a view on the GPU. */
export function storageType(view: { readonly dtype: View['dtype'] }): 'f32' | 'f16' | 'i32' | 'u32' {
	switch (view.dtype) {
		case 'float16':
			return 'f16';
		case 'int32':
		case 'uint8':
			return 'i32';
		case 'bool':
			return 'u32';
		default:
			return 'f32';
	}
}
