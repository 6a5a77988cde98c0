/**
 * The record of one kernel launch, and the part of the runtime that launchers (`<family>.ts` beside this file) see.
 *
 * A record is plain data and complete: replaying a list of records repeats the work. So everything about a launch must be
 * in its record.
 */
import type { Parameters, ParameterValues } from '../../../shaders/parameters';
import type { Bindings, Kernel, Variant } from '../../../shaders/shader';
import type { IndexCheck } from '../../core/indexCheck';
import type { Storage, View } from '../contract';
import type { Decisions } from './decisions';
import type { Block } from './memory';
import type { Pipeline } from './pipelines';

/** A storage for each buffer of the kernel. Buffers that only some variants have are optional. */
export type LaunchBuffers<B extends Bindings> = {
	readonly [K in keyof B as false extends B[K] ? never : K]: Storage;
} & {
	readonly [K in keyof B as false extends B[K] ? K : never]?: Storage | undefined;
};

export interface Launch<V extends Variant = Variant, P extends Parameters = Parameters, B extends Bindings = Bindings> {
	readonly kernel: Kernel<V, P, B>;
	readonly variant: NoInfer<V>;
	/** Storages by the names of the kernel's bindings. A written storage is bound once. */
	readonly buffers: NoInfer<LaunchBuffers<B>>;
	/** Values by the names of the kernel's parameters. */
	readonly params: NoInfer<ParameterValues<P>>;
	/** Workgroups in x, y, z. A grid in x alone may exceed 65,535: it is folded into y (see shaders/shader.ts). */
	readonly grid: readonly [x: number, y?: number, z?: number];
	/** Floating-point operations, and bytes read or written at least once, for the profile and the roofline. */
	readonly flops: number;
	readonly bytes: number;
	/** The parameters as the GPU gets them, in place of `params`, for a launch that is repeated. */
	readonly words?: Uint32Array;
	/** The number of the first workgroup; a divided launch sets it for each part. */
	readonly firstGroup?: number;
	/** The check of the indices that the kernel reports. */
	readonly check?: IndexCheck | undefined;
	/** The operation that launches, by default the one that runs. A launch that is repeated later carries it along. */
	readonly operation?: string;
}

/** A launch as the hook sees it, with the operation that made it. */
export interface LaunchRecord extends Launch {
	readonly operation: string;
	readonly pipeline: string;
}

/** A launch with what the launch path has looked up for it, for repetitions with other parameters. */
export interface PreparedLaunch {
	readonly record: Launch;
	readonly pipeline: Pipeline;
	readonly group: GPUBindGroup;
	readonly x: number;
	readonly y: number;
	readonly z: number;
}

/** The runtime as launchers see it. */
export interface Gpu {
	/**
	 * Encodes a launch, which runs after all earlier ones. A grid with a zero launches nothing. The record may wait for its
	 * pipeline to compile, so neither it nor its arrays may change afterwards.
	 */
	launch<V extends Variant, P extends Parameters, B extends Bindings>(record: Launch<V, P, B>): void;
	/** Looks up what `launch` would; null if the launch would do nothing. */
	prepare<V extends Variant, P extends Parameters, B extends Bindings>(record: Launch<V, P, B>): PreparedLaunch | null;
	/** As `launch`, with other parameters. `blocks` are the blocks of its buffers. They must still be those of the preparation. */
	relaunch(prepared: PreparedLaunch, params: Launch['params'], blocks: readonly Block[]): void;
	/** A temporary storage for partial results: the caller releases it right after the last launch that uses it. */
	scratch(length: number, dtype: 'float32' | 'int32'): Storage;
	release(storage: Storage): void;
	readonly limits: GPUSupportedLimits;
	readonly features: ReadonlySet<string>;
	/** True on lavapipe, SwiftShader and similar adapters, where other kernel variants win than on GPUs. */
	readonly isSoftware: boolean;
	/** The size of a subgroup if the adapter has subgroups of one size only; else 0. */
	readonly subgroupSize: number;
	/** Decisions that a measurement has made in place of the launchers' rules. */
	readonly decisions?: Decisions | undefined;
}

/** Storage type of a view on the GPU. */
export function storageType(view: { readonly dtype: View['dtype'] }): 'f32' | 'f16' | 'i32' | 'u32' {
	switch (view.dtype) {
		case 'float16':
			return 'f16';
		case 'int32':
		case 'int8':
		case 'uint8':
			return 'i32';
		case 'bool':
			return 'u32';
		default:
			return 'f32';
	}
}
