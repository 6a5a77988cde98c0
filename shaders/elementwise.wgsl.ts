/**
 * Elementwise kernels: element i of the output from elements i of up to three inputs. What is computed stands in
 * elementwiseFunctions.wgsl.ts, always on four elements at once; this file is how those get in and out.
 *
 * A thread computes `each` quads of four elements, a workgroup's width apart; workgroups of 64. Access, from fast to general:
 *   flat    : all operands contiguous, each at an offset that is a multiple of 4. vec4 loads and stores, no index arithmetic. The
 *             last quad may reach up to three elements behind the end: a storage is a multiple of 16 bytes, and the host takes
 *             `strided` where those elements belong to somebody else.
 *   rows    : the innermost dimension has a multiple of 4 elements, in which every operand is either consecutive and aligned (vec4
 *             loads) or repeated (one element for all: a bias over a feature map, a scalar tensor). One division per outer
 *             dimension and quad. Most broadcasts are this.
 *   strided : any strides. Four scalar loads, with their positions computed as vectors.
 *
 * The host collapses adjacent dimensions before it chooses, so that few are left; rank and sizes are data, not variants.
 * Dimension d has size `sizes[d / 4][d % 4]` and, for the operands a, b, c and the output in x, y, z, w, strides `strides[d]`.
 * In `rows` sizes and offsets count quads, those of repeated operands single elements, and `repeated` says which those are.
 *
 * In place: with `inPlace` the first operand is read from the output's binding.
 */
import { wgsl } from 'wgsl-preprocessor';
import {
	BINARY,
	type BinaryName,
	COMBINE,
	type CombineName,
	COMPARE,
	type CompareName,
	DERIVATIVE,
	type DerivativeName,
	INTEGER_BINARY,
	INTEGER_COMPARE,
	INTEGER_POWER,
	INTEGER_PREDICATE,
	INTEGER_UNARY,
	LOCAL_FUNCTIONS,
	PREDICATE,
	type PredicateName,
	TERNARY,
	type TernaryName,
	UNARY,
	type UnaryName,
	UNORDERED,
} from './elementwiseFunctions.wgsl';
import { mathFunctions } from './math.wgsl';
import type { Access, ShaderSource, ShaderTemplate, StorageType } from './shader';

export type ElementAccess = 'flat' | 'rows' | 'strided';

/** What arithmetic an operand takes part in: its storage type widened, or its bare bits. */
type Computed = 'f32' | 'f16' | 'i32' | 'u32';

interface Operand {
	/** The name in the expression. */
	readonly name: string;
	readonly stored: StorageType;
	readonly computed: Computed;
}

interface Frame {
	readonly access: ElementAccess;
	readonly operands: readonly Operand[];
	readonly output: StorageType;
	/** Whether the first operand is the output's old value. */
	readonly inPlace?: boolean;
	/** Functions that `value` calls besides those of math.wgsl.ts. */
	readonly functions?: string;
	/** What the uniform parameters s and t are. */
	readonly parameters?: 'f32' | 'i32';
	/** The result, a vec4 of any type that converts to the output's. */
	readonly value: string;
}

const COMPONENTS = ['x', 'y', 'z', 'w'];

function declare(operand: Operand, binding: number, vector: boolean): string {
	return `@group(0) @binding(${binding}) var<storage, read> ${operand.name}Data: array<${vector ? `vec4<${operand.stored}>` : operand.stored}>;`;
}

/** A vec4 of an operand's elements, by access. */
function load({ name, computed }: Operand, access: ElementAccess, component: string, data: string): string {
	switch (access) {
		case 'flat':
			return `let ${name} = vec4<${computed}>(${data}[p.offsets.${component} + i]);`;
		case 'rows':
			return wgsl`
		let ${name}Repeated = p.repeated.${component} != 0u;
		let ${name}Quad = vec4<${computed}>(${data}[select(at.${component}, at.${component} >> 2u, ${name}Repeated)]);
		let ${name} = select(${name}Quad, vec4(${name}Quad[at.${component} & 3u]), ${name}Repeated);`;
		case 'strided':
			return wgsl`
		let ${name} = vec4<${computed}>(vec4(${['x', 'y', 'z', 'w'].map((lane) => `${data}[${component}At.${lane}]`).join(', ')}));`;
	}
}

export function elementwiseSource(frame: Frame): ShaderSource {
	const { access, operands, output, inPlace = false } = frame;
	const bound = inPlace ? operands.slice(1) : operands;
	const vector = access !== 'strided';
	const functions = (frame.functions ?? '') + frame.value;
	const half = [...operands.map((operand) => operand.stored), output].includes('f16');
	// Position components that are used: one for each operand, and w for the output.
	const used = [...operands.map((_, i) => (inPlace && i === 0 ? 'w' : COMPONENTS[i]!)), 'w'].filter((c, i, all) => all.indexOf(c) === i);
	const code = wgsl`
#if ${half}
enable f16;
#endif
struct Params {
	size: u32,
	quads: u32,
	each: u32,
	rank: u32,
	offsets: vec4<u32>,
	p0: u32,
	p1: u32,
#if ${access !== 'flat'}
	repeated: vec4<u32>,
	sizes: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 8>,
#endif
}

@group(0) @binding(0) var<uniform> p: Params;
${bound.map((operand, i) => declare(operand, i + 1, vector)).join('\n')}
@group(0) @binding(${bound.length + 1}) var<storage, read_write> out: array<${vector ? `vec4<${output}>` : output}>;
${mathFunctions(functions)}
${frame.functions ?? ''}
fn compute(${operands.map(({ name, computed }) => `${name}: vec4<${computed}>`).join(', ')}) -> vec4<${output}> {
#if ${frame.parameters === 'f32'}
	let s = bitcast<f32>(p.p0);
	let t = bitcast<f32>(p.p1);
#elif ${frame.parameters === 'i32'}
	let s = bitcast<i32>(p.p0);
	let t = bitcast<i32>(p.p1);
#endif
	return vec4<${output}>(${frame.value});
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) wid: vec3<u32>,
	@builtin(num_workgroups) nwg: vec3<u32>,
	@builtin(local_invocation_index) lid: u32,
) {
	let first = (wid.x + wid.y * nwg.x) * p.each * 64u + lid;
	for (var k = 0u; k < p.each; k++) {
		let i = first + k * 64u;
		if (i >= p.quads) {
			return;
		}
#if ${access === 'rows'}
		var at = p.offsets;
		var rest = i;
		for (var d = p.rank - 1u; d > 0u; d--) {
			let size = p.sizes[d / 4u][d % 4u];
			let next = rest / size;
			at += (rest - next * size) * p.strides[d];
			rest = next;
		}
		at += rest * p.strides[0];
#elif ${access === 'strided'}
		var rest = min(vec4(i * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.size - 1u));
${used.map((c) => `		var ${c}At = vec4(p.offsets.${c});`).join('\n')}
		for (var d = p.rank - 1u; d > 0u; d--) {
			let size = vec4(p.sizes[d / 4u][d % 4u]);
			let next = rest / size;
			let coordinate = rest - next * size;
${used.map((c) => `			${c}At += coordinate * p.strides[d].${c};`).join('\n')}
			rest = next;
		}
${used.map((c) => `		${c}At += rest * p.strides[0].${c};`).join('\n')}
#endif
		${operands.map((operand, i) => (inPlace && i === 0 ? load(operand, access, 'w', 'out') : load(operand, access, COMPONENTS[i]!, `${operand.name}Data`))).join('\n\t\t')}
		let value = compute(${operands.map(({ name }) => name).join(', ')});
#if ${access === 'flat'}
		out[p.offsets.w + i] = value;
#elif ${access === 'rows'}
		out[at.w] = value;
#else
		out[wAt.x] = value.x;
		if (i * 4u + 3u < p.size) {
			out[wAt.y] = value.y;
			out[wAt.z] = value.z;
			out[wAt.w] = value.w;
		} else {
			if (i * 4u + 1u < p.size) {
				out[wAt.y] = value.y;
			}
			if (i * 4u + 2u < p.size) {
				out[wAt.z] = value.z;
			}
		}
#endif
	}
}
`;
	const bindings: Access[] = [...bound.map((): Access => 'read'), 'read_write'];
	return { code, bindings };
}

/** f16 is computed in f32, and bool, where it takes part in arithmetic, in i32. */
function arithmetic(type: StorageType): 'f32' | 'i32' {
	return type === 'f32' || type === 'f16' ? 'f32' : 'i32';
}

function operand(name: string, stored: StorageType): Operand {
	return { name, stored, computed: arithmetic(stored) };
}

/** A bool as it is stored. */
function stored(condition: string): string {
	return `select(vec4(0u), vec4(1u), ${condition})`;
}

/** A number as the output stores it: a bool by whether it is not 0. */
function storedAs(type: StorageType, value: string): string {
	return type === 'u32' ? stored(`(${value}) != vec4(0)`) : value;
}

export type UnaryVariant = { op: UnaryName; type: StorageType; access: ElementAccess };

export const unary: ShaderTemplate<UnaryVariant> = {
	name: 'elementwise.unary',
	source({ op, type, access }) {
		const integer = arithmetic(type) === 'i32';
		return elementwiseSource({
			access,
			operands: [operand('x', type)],
			output: type,
			functions: integer ? '' : LOCAL_FUNCTIONS[op],
			parameters: arithmetic(type),
			value: (integer ? INTEGER_UNARY[op] : UNARY[op])!,
		});
	},
};

export type UnaryGradVariant = { op: DerivativeName; type: StorageType; access: ElementAccess };

export const unaryGrad: ShaderTemplate<UnaryGradVariant> = {
	name: 'elementwise.unaryGrad',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: [operand('g', type), operand('x', type)],
			output: type,
			functions: LOCAL_FUNCTIONS[op],
			parameters: 'f32',
			value: DERIVATIVE[op],
		}),
};

export type PredicateVariant = { op: PredicateName; type: StorageType; access: ElementAccess };

export const predicate: ShaderTemplate<PredicateVariant> = {
	name: 'elementwise.predicate',
	source({ op, type, access }) {
		const value = stored((arithmetic(type) === 'i32' ? INTEGER_PREDICATE : PREDICATE)[op]);
		return elementwiseSource({ access, operands: [operand('x', type)], output: 'u32', value });
	},
};

function binaryValue(op: BinaryName, type: StorageType): string {
	return storedAs(type, (arithmetic(type) === 'i32' && INTEGER_BINARY[op]) || BINARY[op]);
}

function binaryFunctions(op: BinaryName, type: StorageType): string {
	return op === 'pow' && arithmetic(type) === 'i32' ? INTEGER_POWER : '';
}

export type BinaryVariant = { op: BinaryName; type: StorageType; access: ElementAccess; inPlace: boolean };

export const binary: ShaderTemplate<BinaryVariant> = {
	name: 'elementwise.binary',
	source: ({ op, type, access, inPlace }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type)],
			output: type,
			inPlace,
			functions: binaryFunctions(op, type),
			value: binaryValue(op, type),
		}),
};

/** `scalar` says on which side of the operator the number s stands. */
export type BinaryScalarVariant = { op: BinaryName; type: StorageType; access: ElementAccess; inPlace: boolean; scalar: 'left' | 'right' };

export const binaryScalar: ShaderTemplate<BinaryScalarVariant> = {
	name: 'elementwise.binaryScalar',
	source: ({ op, type, access, inPlace, scalar }) => {
		const computed = arithmetic(type);
		const [a, b] = scalar === 'left' ? ['vec4(s)', 'x'] : ['x', 'vec4(s)'];
		return elementwiseSource({
			access,
			operands: [operand('x', type)],
			output: type,
			inPlace,
			functions: wgsl`${binaryFunctions(op, type)}
fn combine(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<${type === 'f16' ? 'f32' : type}> {
	return ${binaryValue(op, type)};
}
`,
			parameters: computed,
			value: `combine(${a}, ${b})`,
		});
	},
};

export type CompareVariant = { op: CompareName; type: StorageType; access: ElementAccess };

function compareFrame({ op, type, access }: CompareVariant, withScalar: boolean): Frame {
	const computed = arithmetic(type);
	const table = computed === 'i32' ? INTEGER_COMPARE : COMPARE;
	const unordered = computed === 'f32' && table[op].includes('unordered') ? UNORDERED : '';
	const functions = wgsl`${unordered}
fn holds(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<bool> {
	return ${table[op]};
}
`;
	return {
		access,
		operands: withScalar ? [operand('a', type)] : [operand('a', type), operand('b', type)],
		output: 'u32',
		functions,
		parameters: computed,
		value: stored(withScalar ? 'holds(a, vec4(s))' : 'holds(a, b)'),
	};
}

export const compare: ShaderTemplate<CompareVariant> = {
	name: 'elementwise.compare',
	source: (variant) => elementwiseSource(compareFrame(variant, false)),
};

export const compareScalar: ShaderTemplate<CompareVariant> = {
	name: 'elementwise.compareScalar',
	source: (variant) => elementwiseSource(compareFrame(variant, true)),
};

/** Numbers are only moved, so that their type does not matter, only their width. */
export type MoveVariant = { type: 'u32' | 'f16'; access: ElementAccess };

/** Which of a and b are tensors; the others are numbers, whose bits (of a float32 for f16) are p0 and p1. */
export type WhereVariant = MoveVariant & { a: boolean; b: boolean };

export const where: ShaderTemplate<WhereVariant> = {
	name: 'elementwise.where',
	source({ type, access, a, b }) {
		const number = (word: string) => (type === 'f16' ? `vec4(f16(bitcast<f32>(${word})))` : `vec4(${word})`);
		const operands: Operand[] = [{ name: 'condition', stored: 'u32', computed: 'u32' }];
		if (a) operands.push({ name: 'a', stored: type, computed: type });
		if (b) operands.push({ name: 'b', stored: type, computed: type });
		const value = `select(${b ? 'b' : number('p.p1')}, ${a ? 'a' : number('p.p0')}, condition != vec4(0u))`;
		return elementwiseSource({ access, operands, output: type, value });
	},
};

export type CombineVariant = { op: CombineName; type: StorageType; access: ElementAccess };

export const combine: ShaderTemplate<CombineVariant> = {
	name: 'elementwise.combine',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type)],
			output: type,
			parameters: arithmetic(type),
			value: storedAs(type, COMBINE[op]),
		}),
};

export type TernaryVariant = { op: TernaryName; type: StorageType; access: ElementAccess };

export const ternary: ShaderTemplate<TernaryVariant> = {
	name: 'elementwise.ternary',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type), operand('c', type)],
			output: type,
			parameters: arithmetic(type),
			value: TERNARY[op],
		}),
};

export type CastVariant = { from: StorageType; to: StorageType; access: ElementAccess };

const TO_INTEGER = `
fn toInteger(x: vec4<f32>) -> vec4<i32> {
	let y = vec4<i32>(clamp(x, vec4(-2147483648.0), vec4(2147483520.0)));
	return select(select(y, vec4(2147483647), x >= vec4(2147483648.0)), vec4(0), isNan(x));
}
`;

export const cast: ShaderTemplate<CastVariant> = {
	name: 'elementwise.cast',
	source({ from, to, access }) {
		const floating = arithmetic(from) === 'f32';
		const toInteger = floating && to === 'i32';
		const value = to === 'u32' ? stored(floating ? 'isTrue(x)' : 'x != vec4(0)') : toInteger ? 'toInteger(x)' : 'x';
		return elementwiseSource({ access, operands: [operand('x', from)], output: to, functions: toInteger ? TO_INTEGER : '', value });
	},
};
