/**
 * The parameters of a kernel: their types, the WGSL struct that declares them, and where the host writes each of them.
 *
 * A type is WGSL's own name for it, with four exceptions:
 *   bool   a u32 that is 0 or 1.
 *   bits   the bits of a float32 as a u32, for NaN and infinities: a shader can neither write them nor tell them from other
 *          floats.
 *   view   shape, strides, offset and rank of up to eight dims, a struct `View`. Dims beyond the rank are 0, and so is a
 *          missing offset.
 *   T?     a T that a launch may leave out. The shader then finds 0.
 * A list may be shorter than its vector or array; the rest is 0.
 */

type Scalar = 'u32' | 'i32' | 'f32';

type ParameterType = Scalar | 'bool' | 'bits' | `vec4<${Scalar}>` | `array<vec4<${Scalar}>, ${number}>` | 'view';

/** The parameters of a kernel: their types by name. The order does not matter. */
export type Parameters = Readonly<Record<string, ParameterType | `${ParameterType}?`>>;

/** The dims of a view as kernels walk them, outermost first. */
export interface ViewValue {
	readonly shape: readonly number[];
	readonly strides: readonly number[];
	readonly offset?: number | undefined;
}

export type ParameterValue = number | boolean | readonly number[] | ViewValue | undefined;

type ValueOf<T> = T extends Scalar | 'bits'
	? number
	: T extends 'bool'
		? boolean
		: T extends 'view'
			? ViewValue
			: readonly number[];

/** The values of a launch's parameters, by name. */
export type ParameterValues<P extends Parameters> = {
	readonly [K in keyof P as P[K] extends `${string}?` ? never : K]: ValueOf<P[K]>;
} & {
	readonly [K in keyof P as P[K] extends `${string}?` ? K : never]?:
		| (P[K] extends `${infer T}?` ? ValueOf<T> : never)
		| undefined;
};

export const MAX_VIEW_DIMS = 8;

/** The word at which each member of the WGSL struct `View` begins. */
export const VIEW_WORDS = { shape: 0, strides: MAX_VIEW_DIMS, offset: 2 * MAX_VIEW_DIMS, rank: 2 * MAX_VIEW_DIMS + 1 };

/** How the host writes a field: as an integer modulo 2^32, as 0 or 1, as a float32, as several numbers, or as a view. */
export type Writing = 'integer' | 'boolean' | 'float' | 'integers' | 'floats' | 'view';

interface ParameterField {
	readonly name: string;
	readonly writing: Writing;
	/** Its first word in the struct. */
	readonly at: number;
	/** The number of its words. */
	readonly words: number;
}

export interface ParameterLayout {
	readonly fields: readonly ParameterField[];
	/** The number of words of the whole struct. */
	readonly words: number;
	/** The declaration of `Params`. */
	readonly wgsl: string;
}

const VIEW_STRUCT = `struct View {
	shape: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 2>,
	offset: u32,
	rank: u32,
}
`;

interface Memory {
	readonly wgsl: string;
	readonly writing: Writing;
	/** In words. */
	readonly align: number;
	readonly words: number;
}

/** Size and alignment by WGSL's rules for the uniform address space. */
function memoryOf(type: string): Memory {
	switch (type) {
		case 'f32':
			return { wgsl: 'f32', writing: 'float', align: 1, words: 1 };
		case 'u32':
		case 'i32':
			return { wgsl: type, writing: 'integer', align: 1, words: 1 };
		case 'bool':
			return { wgsl: 'u32', writing: 'boolean', align: 1, words: 1 };
		case 'bits':
			return { wgsl: 'u32', writing: 'float', align: 1, words: 1 };
		case 'view':
			// The struct's 18 words, rounded up to its alignment.
			return { wgsl: 'View', writing: 'view', align: 4, words: 20 };
		default: {
			const count = /^array<.*, (\d+)>$/.exec(type)?.[1] ?? '1';
			return { wgsl: type, writing: type.includes('f32') ? 'floats' : 'integers', align: 4, words: 4 * Number(count) };
		}
	}
}

/** Lays out parameters in the given order. */
export function layoutParameters(parameters: Parameters): ParameterLayout {
	let end = 0;
	let members = '';
	const fields = Object.entries(parameters).map(([name, type]): ParameterField => {
		const { wgsl, writing, align, words } = memoryOf(type.replace('?', ''));
		const at = Math.ceil(end / align) * align;
		end = at + words;
		members += `\t${name}: ${wgsl},\n`;
		return { name, writing, at, words };
	});
	const hasView = fields.some(({ writing }) => writing === 'view');
	if (end === 0) return { fields, words: 0, wgsl: '' };
	return { fields, words: end, wgsl: `${hasView ? VIEW_STRUCT : ''}struct Params {\n${members}}` };
}

/**
 * `fn name(k: u32) -> u32`: the position of element (or line) k of a view of at least one dim, in the order of its dims. The view
 * is a parameter.
 *
 * The outermost dim needs no division, so the loop stops before it.
 */
export function offsetFunction(name: string, view: string): string {
	return /* wgsl */ `
fn ${name}(k: u32) -> u32 {
	var rest = k;
	var at = p.${view}.offset;
	for (var d = p.${view}.rank; d > 1u; d--) {
		let size = p.${view}.shape[(d - 1u) / 4u][(d - 1u) % 4u];
		at += (rest % size) * p.${view}.strides[(d - 1u) / 4u][(d - 1u) % 4u];
		rest /= size;
	}
	return at + rest * p.${view}.strides[0].x;
}
`;
}
