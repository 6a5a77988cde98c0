/**
 * What a shader template is, for every family.
 *
 * Conventions that the launch path relies on:
 * - One bind group. `@group(0) @binding(0)` is `var<uniform> p: Params`, a struct of 32-bit scalars and vectors that the
 *   host fills word by word in declaration order (so mind WGSL's alignment: put vec4 first); at most 512 bytes.
 *   Bindings 1, 2, ... are storage buffers in the order of `bindings`.
 * - No buffer that is written is bound twice in one dispatch (read twice it may be: x * x). A kernel that updates its input is a variant with one `read_write` binding.
 * - The entry point is `main`. Views travel as an element offset and strides in `Params`, never as a binding offset.
 * - A grid may be folded: one with more than 65,535 workgroups in x arrives as (x, y) and the flat workgroup number is
 *   `wid.x + wid.y * nwg.x`, which may exceed the work, so kernels compare it with their bounds.
 * - Kernels that can run long (products, convolutions, attention) end `Params` with `firstGroup`, which they add to the flat
 *   workgroup number: the launch path cuts long launches and sets it.
 */

/** What an element is in a storage buffer. Arithmetic on `f16` storage is always done in f32. bool is stored as u32, uint8 as i32. */
export type StorageType = 'f32' | 'f16' | 'i32' | 'u32';

export type Access = 'read' | 'read_write';

export interface ShaderSource {
	readonly code: string;
	/** Access of the storage buffers at bindings 1, 2, ... */
	readonly bindings: readonly Access[];
}

/** A variant key: plain values only, so that equal variants make equal pipelines. Never a shape. */
export type Variant = Readonly<Record<string, string | number | boolean>>;

export interface ShaderTemplate<V extends Variant> {
	/** `family.kernel`, unique: the first part of the pipeline key and the name in profiles. */
	readonly name: string;
	source(variant: V): ShaderSource;
}
