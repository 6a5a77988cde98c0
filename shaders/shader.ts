/**
 * Definitions of kernels. One definition yields the WGSL around the handwritten part, the position of each parameter in
 * memory, and the TypeScript type of a launch.
 *
 * A definition holds the body of `main` and the functions beside it. They can use:
 *   p           the parameters, a uniform struct: see parameters.ts for their types. At most 512 bytes.
 *   the buffers by their names, arrays of the type that the binding gives.
 *   i           the number of the invocation, if the definition gives `invocations`; those beyond the count have returned.
 *   groupIndex  the number of the workgroup. A grid with more than 65,535 workgroups in x is folded into y and may then exceed
 *               the work, so a kernel without `invocations` compares this number with its bounds.
 *   lid         the number of the invocation in its workgroup; subgroupLane in its subgroup; wid and nwg are workgroup_id and
 *               num_workgroups.
 * `enable f16` is added if the source uses f16.
 *
 * A written buffer is never bound twice in one dispatch; a buffer that is only read may be (x * x). A kernel that updates its
 * input is a variant with one `readWrite` binding. Views travel as parameters, never as the offset of a binding.
 */
import { layoutParameters, type ParameterLayout, type Parameters } from './parameters';

/**
 * The type of an element in a storage buffer. Arithmetic on `f16` storage is always done in f32. bool is stored as u32, uint8 as
 * i32.
 */
export type StorageType = 'f32' | 'f16' | 'i32' | 'u32';

export type Access = 'read' | 'read_write';

export interface ShaderSource {
	readonly code: string;
	/** Access of the storage buffers at bindings 1, 2, ... */
	readonly bindings: readonly Access[];
	/** The names of these bindings. */
	readonly names: readonly string[];
	/** The parts of the code that a user wrote, by name. Errors count the lines of these. */
	readonly written?: Readonly<Record<string, string>> | undefined;
}

/** A variant key: plain values only, so that equal variants make equal pipelines. Never a shape. */
export type Variant = Readonly<Record<string, string | number | boolean>>;

/** For a kernel with one variant. */
export type NoVariant = Readonly<Record<never, never>>;

/** The invocations of a workgroup, unless a kernel says otherwise. */
export const WORKGROUP_SIZE = 64;

/** The components of a vector. */
export const LANES = ['x', 'y', 'z', 'w'] as const;

/** The numbers from 0 to `count` - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** An unrolled loop: the text of each line i below `count`. */
export const lines = (count: number, line: (i: number) => string): string => range(count).map(line).join('\n');

/** A storage buffer: an array of elements of a WGSL type. */
export interface Binding {
	readonly access: Access;
	readonly type: string;
}

/** The storage buffers of a variant by name, in the order of their bindings; false if the variant does not have one. */
export type Bindings = Readonly<Record<string, Binding | false>>;

export function read(type: string): Binding {
	return { access: 'read', type };
}

export function readWrite(type: string): Binding {
	return { access: 'read_write', type };
}

/** The result of a definition for one variant. */
export interface KernelSource<B extends Bindings> {
	readonly bindings: B;
	readonly workgroupSize?: number;
	/**
	 * A WGSL expression for the number of invocations with work: `main` gets its own number as `i`, and the others return at once.
	 */
	readonly invocations?: string | undefined;
	/** WGSL extensions other than f16. */
	readonly enable?: readonly string[];
	/** Declarations beside `main`. */
	readonly functions?: string;
	/** The body of `main`. */
	readonly main: string;
	/** The parts of the code that a user wrote, by name. */
	readonly written?: Readonly<Record<string, string>>;
}

interface Definition<V extends Variant, P extends Parameters, B extends Bindings> {
	/** `family.kernel`, unique: the first part of the pipeline key and the name in profiles. */
	readonly name: string;
	readonly params: P;
	/**
	 * Whether a launch with much work is cut into several, so that no dispatch lasts long enough for the system to reset the GPU:
	 * for products, convolutions, attention. The kernel must find its work by `groupIndex` or `i` alone, in a grid of one
	 * dimension.
	 */
	readonly divisible?: boolean;
	/**
	 * Whether the kernel calls `reportIndex(index: i32)` for an index out of range. A launch then carries the check of its indices.
	 */
	readonly reportsIndices?: boolean;
	/** Whether other kernels do its work if it does not compile. */
	readonly isOptional?: boolean;
	define(variant: V): KernelSource<B>;
}

export interface Kernel<V extends Variant = Variant, P extends Parameters = Parameters, B extends Bindings = Bindings>
	extends Definition<V, P, B> {
	source(variant: V): ShaderSource;
	readonly layout: ParameterLayout;
	/** The words of the parameters that the launch path fills; -1 where the kernel has none. */
	readonly firstGroupAt: number;
	readonly reportAt: number;
}

/** The parameters that the launch path fills. */
const FIRST_GROUP = 'firstGroup';
const REPORT = 'report';

/** The last binding of a kernel that reports indices, which the launch path fills, too. */
export const INDEX_RECORDS = 'indexRecords';

/** Every kernel that was defined, for tests of them all. */
export const definedKernels: Kernel[] = [];

export function defineKernel<V extends Variant, const P extends Parameters, B extends Bindings>(
	definition: Definition<V, P, B>,
): Kernel<V, P, B> {
	const kernel = makeKernel(definition);
	definedKernels.push(kernel);
	return kernel;
}

/** A kernel that a program composes while it runs; `definedKernels` does not hold it. */
export function makeKernel<V extends Variant, const P extends Parameters, B extends Bindings>(
	definition: Definition<V, P, B>,
): Kernel<V, P, B> {
	const { params, divisible, reportsIndices } = definition;
	const layout = layoutParameters({
		...params,
		...(divisible && { [FIRST_GROUP]: 'u32' }),
		...(reportsIndices && { [REPORT]: 'u32' }),
	});
	const wordOf = (name: string) => layout.fields.find((field) => field.name === name)?.at ?? -1;
	const kernel: Kernel<V, P, B> = {
		...definition,
		layout,
		firstGroupAt: wordOf(FIRST_GROUP),
		reportAt: wordOf(REPORT),
		source: (variant) => sourceOf(kernel, kernel.define(variant)),
	};
	return kernel;
}

/**
 * The built-in values that `main` may use. `lid` comes from a vector because lavapipe computes `local_invocation_index` with two
 * integer divisions for each invocation.
 */
const BUILTINS = [
	['wid', 'workgroup_id', 'vec3<u32>'],
	['nwg', 'num_workgroups', 'vec3<u32>'],
	['localId', 'local_invocation_id', 'vec3<u32>'],
	['subgroupLane', 'subgroup_invocation_id', 'u32'],
] as const;

/**
 * A launch's record of bad indices holds the largest of them, so it does not depend on timing. 0 means none; -2^31 is reported as
 * -2^31 + 1. Launches without a check share record 0.
 */
const REPORT_INDEX = `
fn reportIndex(index: i32) {
	atomicMax(&${INDEX_RECORDS}[p.${REPORT}], max(bitcast<u32>(index) ^ 0x80000000u, 1u));
}
`;

const COMMENT = /\/\/.*|\/\*[\s\S]*?\*\//g;

function mentions(code: string, name: string): boolean {
	return new RegExp(`\\b${name}\\b`).test(code);
}

function sourceOf<V extends Variant, P extends Parameters, B extends Bindings>(
	{ layout, divisible, reportsIndices }: Kernel<V, P, B>,
	{ bindings, workgroupSize = WORKGROUP_SIZE, invocations, enable = [], functions = '', main, written }: KernelSource<B>,
): ShaderSource {
	const all: Bindings = reportsIndices ? { ...bindings, [INDEX_RECORDS]: readWrite('atomic<u32>') } : bindings;
	const bound = Object.entries(all).flatMap(([name, binding]) => (binding === false ? [] : [{ name, ...binding }]));
	let body = main;
	if (invocations !== undefined) {
		body = `\tlet i = groupIndex * ${workgroupSize}u + lid;\n\tif (i >= ${invocations}) {\n\t\treturn;\n\t}\n${body}`;
	}
	if (mentions(body, 'groupIndex')) {
		body = `\tlet groupIndex = ${divisible ? `p.${FIRST_GROUP} + ` : ''}wid.x + wid.y * nwg.x;\n${body}`;
	}
	if (mentions(body, 'lid')) body = `\tlet lid = localId.x;\n${body}`;
	const builtins = BUILTINS.filter(([name]) => mentions(body, name)).map(
		([name, builtin, type]) => `@builtin(${builtin}) ${name}: ${type}`,
	);
	const declarations = bound.map(
		({ name, access, type }, i) => `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<${type}>;\n`,
	);
	const code = `${layout.wgsl}${layout.words > 0 ? '\n@group(0) @binding(0) var<uniform> p: Params;' : ''}
${declarations.join('')}${reportsIndices ? REPORT_INDEX : ''}
${functions}
@compute @workgroup_size(${workgroupSize})
fn main(${builtins.join(', ')}) {
${body}
}
`;
	const extensions = mentions(code.replace(COMMENT, ''), 'f16') ? ['f16', ...enable] : enable;
	return {
		code: extensions.map((extension) => `enable ${extension};\n`).join('') + code,
		bindings: bound.map(({ access }) => access),
		names: bound.map(({ name }) => name),
		written,
	};
}
