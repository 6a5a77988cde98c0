/** Kernels that users write: WGSL for the GPU and a JavaScript function for the CPU. */
import type { TypedArray } from '../../core/dtype';
import type { Shape } from '../../core/shape';
import type { View } from './storage';

/** The type of the elements of a buffer in a kernel: float32, int32, or bool as 0 and 1. */
export type KernelElement = 'f32' | 'i32' | 'u32';

/** The type of a parameter in a kernel. A bool is a u32 that is 0 or 1 there. */
export type KernelParameter = 'f32' | 'i32' | 'u32' | 'bool' | 'vec4<f32>' | 'vec4<i32>' | 'vec4<u32>';

export type KernelValue = number | boolean | readonly number[];

/** A tensor as the reference on the CPU sees it: its elements in order, without gaps. */
export interface KernelArray {
	/** A Float32Array or Float64Array for f32, an Int32Array for i32, a Uint8Array for u32. */
	readonly data: TypedArray;
	readonly shape: Shape;
}

type Arrays = Readonly<Record<string, KernelArray>>;

/** What the backends need of a user's kernel. */
export interface CustomKernel {
	readonly name: string;
	readonly inputs: Readonly<Record<string, KernelElement>>;
	readonly outputs: Readonly<Record<string, KernelElement>>;
	readonly params: Readonly<Record<string, KernelParameter>>;
	readonly workgroupSize: number;
	/** Declarations beside `main`, and its body, in WGSL. */
	readonly functions: string;
	readonly main: string;
	cpu(inputs: Arrays, outputs: Arrays, params: Readonly<Record<string, KernelValue>>): void;
}

export interface CustomAttributes {
	readonly kernel: CustomKernel;
	readonly params: Readonly<Record<string, KernelValue>>;
	/** How much the grid holds: invocations, each with its number `i`; or workgroups. */
	readonly work: { readonly invocations: number } | { readonly workgroups: number };
}

export interface CustomKernels {
	/** Runs a user's kernel. All inputs are contiguous and start at offset 0. */
	custom(inputs: Readonly<Record<string, View>>, outputs: Readonly<Record<string, View>>, attributes: CustomAttributes): void;
}
