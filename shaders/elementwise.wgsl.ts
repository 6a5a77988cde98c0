/**
 * Elementwise kernels: element i of the output from elements i of up to three inputs. What is computed stands in
 * elementwiseFunctions.wgsl.ts, always on four elements, a quad, at once; this file is how those get in and out. Workgroups of 64.
 *
 * `access` is a frame and, for each input and then the output, a mode. The host collapses adjacent dimensions before it chooses;
 * rank, sizes and strides are data.
 *   linear.*  A thread computes `each` quads of the output, a workgroup's width apart.
 *     f flat     : in the output's order and aligned: vec4 loads and stores without index arithmetic. The last quad may reach up to
 *                  three elements behind the end, into the padding of the storage: where those elements are somebody's, the output is s.
 *     c constant : one element for all, loaded once.
 *     s strided  : any strides: four scalar loads or stores, whose positions are computed as a vector, with a division for
 *                  each dimension but the first.
 *   rows.*    Where an input is repeated and the innermost dimension is a multiple of 4: a bias over a feature map, a mean over a
 *             row. A thread computes quads of one row, `chunks` apart, and divides only to find its row.
 *     v vector   : consecutive and aligned.
 *     r repeated : one element for the whole row, loaded once.
 *
 * Dimension d has size `sizes[d / 4][d % 4]` and, for inputs 0 to 2 and the output in x, y, z, w, the steps `strides[d]`. In rows
 * the innermost dimension is apart, and steps and offsets of vector operands count quads.
 *
 * In place: with `inPlace` the first operand is read from the output's binding, with the output's mode.
 */
import { wgsl } from 'wgsl-preprocessor';
import {
	BINARY,
	type BinaryName,
	COMBINE,
	COMPARE,
	type CombineName,
	type CompareName,
	type DerivativeName,
	type ExpressionRow,
	PREDICATE,
	type PredicateName,
	TERNARY,
	type TernaryName,
	UNARY,
	UNORDERED,
	type UnaryName,
	type UnaryRow,
} from './elementwiseFunctions.wgsl';
import { mathFunctions } from './math.wgsl';
import type { Access, ShaderSource, ShaderTemplate, StorageType } from './shader';

export type ElementAccess = `linear.${string}` | `rows.${string}`;

/** What an element is: 'u8' is stored as i32, and what is written is taken modulo 256. */
export type ElementType = StorageType | 'u8';

function storageOf(type: ElementType): StorageType {
	return type === 'u8' ? 'i32' : type;
}

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
	readonly functions?: string | undefined;
	/** What the uniform parameters s and t are. */
	readonly parameters?: 'f32' | 'i32';
	/** The result, a vec4 of any type that converts to the output's. */
	readonly value: string;
}

/** An operand as the frame sees it: where its position is kept, where its data is, and in which mode it is accessed. */
interface Place {
	readonly name: string;
	readonly computed: Computed;
	readonly component: string;
	readonly data: string;
	readonly mode: string;
}

const LANES = ['x', 'y', 'z', 'w'];

function loadStrided({ name, computed, component, data }: Place): string {
	return `let ${name} = vec4<${computed}>(vec4(${LANES.map((lane) => `${data}[${component}At.${lane}]`).join(', ')}));`;
}

function linearMain(places: readonly Place[], target: Place): string {
	const strided = [...new Set([...places, target].filter(({ mode }) => mode === 's').map(({ component }) => component))];
	return wgsl`
${places
	.filter(({ mode }) => mode === 'c')
	.map(({ name, computed, component, data }) => `	let ${name} = vec4<${computed}>(vec4(${data}[p.offsets.${component}]));`)
	.join('\n')}
	let offsets = p.offsets;
	let first = (wid.x + wid.y * nwg.x) * p.each * 64u + lid;
	// One condition, and no return: software adapters compile every way out of a loop as a mask of its own.
	let last = min(p.quads, first + p.each * 64u);
	for (var i = first; i < last; i += 64u) {
#if ${strided.length > 0}
		var rest = min(vec4(i * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.size - 1u));
${strided.map((c) => `		var ${c}At = vec4(offsets.${c});`).join('\n')}
		for (var d = p.rank - 1u; d > 0u; d--) {
			let size = p.sizes[d / 4u][d % 4u];
			let next = rest / vec4(size);
			let coordinate = rest - next * size;
${strided.map((c) => `			${c}At += coordinate * p.strides[d].${c};`).join('\n')}
			rest = next;
		}
${strided.map((c) => `		${c}At += rest * p.strides[0].${c};`).join('\n')}
#endif
${places
	.filter(({ mode }) => mode === 's')
	.map((place) => `		${loadStrided(place)}`)
	.join('\n')}
${places
	.filter(({ mode }) => mode === 'f')
	.map(({ name, computed, component, data }) => `		let ${name} = vec4<${computed}>(${data}[offsets.${component} + i]);`)
	.join('\n')}
		let value = compute(${places.map(({ name }) => name).join(', ')});
#if ${target.mode === 'f'}
		out[offsets.w + i] = value;
#else
		let end = min(4u, p.size - i * 4u);
		for (var lane = 0u; lane < end; lane++) {
			out[wAt[lane]] = value[lane];
		}
#endif
	}
`;
}

function rowsMain(places: readonly Place[]): string {
	return wgsl`
	let unit = (wid.x + wid.y * nwg.x) * 64u + lid;
	if (unit >= p.quads) {
		return;
	}
	var rest = unit / p.each;
	let chunk = unit - rest * p.each;
	var at = p.offsets;
	for (var d = p.rank - 2u; d > 0u; d--) {
		let size = p.sizes[d / 4u][d % 4u];
		let next = rest / size;
		at += (rest - next * size) * p.strides[d];
		rest = next;
	}
	at += rest * p.strides[0];
${places
	.filter(({ mode }) => mode === 'r')
	.map(({ name, computed, component, data }) => `	let ${name} = vec4<${computed}>(vec4(${data}[at.${component}]));`)
	.join('\n')}
	for (var j = chunk; j < p.inner; j += p.each) {
${places
	.filter(({ mode }) => mode === 'v')
	.map(({ name, computed, component, data }) => `		let ${name} = vec4<${computed}>(${data}[at.${component} + j]);`)
	.join('\n')}
		out[at.w + j] = compute(${places.map(({ name }) => name).join(', ')});
	}
`;
}

export function elementwiseSource(frame: Frame): ShaderSource {
	const { access, operands, output, inPlace = false } = frame;
	const [kind, modes] = access.split('.') as [string, string];
	const target: Place = { name: 'out', computed: 'u32', component: 'w', data: 'out', mode: modes[operands.length]! };
	const places = operands.map(
		({ name, computed }, i): Place =>
			inPlace && i === 0
				? { ...target, name, computed }
				: { name, computed, component: LANES[i]!, data: `${name}Data`, mode: modes[i]! },
	);
	const vector = (mode: string, type: StorageType) => (mode === 'f' || mode === 'v' ? `vec4<${type}>` : type);
	const bound = operands.flatMap(({ name, stored }, i) =>
		inPlace && i === 0 ? [] : [`var<storage, read> ${name}Data: array<${vector(modes[i]!, stored)}>;`],
	);
	const functions = (frame.functions ?? '') + frame.value;
	const code = wgsl`
#if ${[...operands.map((operand) => operand.stored), output].includes('f16')}
enable f16;
#endif
struct Params {
	offsets: vec4<u32>,
	size: u32,
	quads: u32,
	each: u32,
	p0: u32,
	p1: u32,
#if ${kind === 'rows' || modes.includes('s')}
	rank: u32,
	inner: u32,
	sizes: array<vec4<u32>, 2>,
	strides: array<vec4<u32>, 8>,
#endif
}

@group(0) @binding(0) var<uniform> p: Params;
${bound.map((declaration, i) => `@group(0) @binding(${i + 1}) ${declaration}`).join('\n')}
@group(0) @binding(${bound.length + 1}) var<storage, read_write> out: array<${vector(target.mode, output)}>;
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
${kind === 'rows' ? rowsMain(places) : linearMain(places, target)}
}
`;
	const bindings: Access[] = [...bound.map((): Access => 'read'), 'read_write'];
	return { code, bindings };
}

/** f16 is computed in f32; u8, and bool where it takes part in arithmetic, in i32. */
function arithmetic(type: ElementType): 'f32' | 'i32' {
	return type === 'f32' || type === 'f16' ? 'f32' : 'i32';
}

function operand(name: string, type: ElementType): Operand {
	return { name, stored: storageOf(type), computed: arithmetic(type) };
}

/** A bool as it is stored. */
function stored(condition: string): string {
	return `select(vec4(0u), vec4(1u), ${condition})`;
}

/** A number as the output stores it: a bool by whether it is not 0, uint8 modulo 256. */
function storedAs(type: ElementType, value: string): string {
	if (type === 'u8') return `(${value}) & vec4(255)`;
	return type === 'u32' ? stored(`(${value}) != vec4(0)`) : value;
}

function expression({ value, integer = value }: ExpressionRow, type: ElementType): string {
	return arithmetic(type) === 'i32' ? integer : value;
}

export type UnaryVariant = { op: UnaryName; type: ElementType; access: ElementAccess };

export const unary: ShaderTemplate<UnaryVariant> = {
	name: 'elementwise.unary',
	source({ op, type, access }) {
		const row: UnaryRow = UNARY[op];
		const isInteger = arithmetic(type) === 'i32';
		return elementwiseSource({
			access,
			operands: [operand('x', type)],
			output: storageOf(type),
			functions: isInteger ? '' : row.functions,
			parameters: arithmetic(type),
			value: storedAs(type, (isInteger ? row.integer : row.value)!),
		});
	},
};

export type UnaryGradVariant = { op: DerivativeName; type: StorageType; access: ElementAccess };

export const unaryGrad: ShaderTemplate<UnaryGradVariant> = {
	name: 'elementwise.unaryGrad',
	source({ op, type, access }) {
		const row: UnaryRow = UNARY[op];
		return elementwiseSource({
			access,
			operands: [operand('g', type), operand('x', type)],
			output: type,
			functions: row.functions,
			parameters: 'f32',
			value: row.gradient!,
		});
	},
};

export type PredicateVariant = { op: PredicateName; type: StorageType; access: ElementAccess };

export const predicate: ShaderTemplate<PredicateVariant> = {
	name: 'elementwise.predicate',
	source({ op, type, access }) {
		const value = stored(expression(PREDICATE[op], type));
		return elementwiseSource({ access, operands: [operand('x', type)], output: 'u32', value });
	},
};

function binaryValue(op: BinaryName, type: ElementType): string {
	return storedAs(type, expression(BINARY[op], type));
}

function binaryFunctions(op: BinaryName, type: ElementType): string {
	const { integerFunctions = '' }: ExpressionRow = BINARY[op];
	return arithmetic(type) === 'i32' ? integerFunctions : '';
}

export type BinaryVariant = { op: BinaryName; type: ElementType; access: ElementAccess; inPlace: boolean };

export const binary: ShaderTemplate<BinaryVariant> = {
	name: 'elementwise.binary',
	source: ({ op, type, access, inPlace }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type)],
			output: storageOf(type),
			inPlace,
			functions: binaryFunctions(op, type),
			value: binaryValue(op, type),
		}),
};

/** `scalar` says on which side of the operator the number s stands. */
export type BinaryScalarVariant = {
	op: BinaryName;
	type: ElementType;
	access: ElementAccess;
	inPlace: boolean;
	scalar: 'left' | 'right';
};

export const binaryScalar: ShaderTemplate<BinaryScalarVariant> = {
	name: 'elementwise.binaryScalar',
	source: ({ op, type, access, inPlace, scalar }) => {
		const computed = arithmetic(type);
		const [a, b] = scalar === 'left' ? ['vec4(s)', 'x'] : ['x', 'vec4(s)'];
		return elementwiseSource({
			access,
			operands: [operand('x', type)],
			output: storageOf(type),
			inPlace,
			functions: wgsl`${binaryFunctions(op, type)}
fn combine(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<${type === 'f16' ? 'f32' : storageOf(type)}> {
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
	const holds = expression(COMPARE[op], type);
	const unordered = holds.includes('unordered') ? UNORDERED : '';
	const functions = wgsl`${unordered}
fn holds(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<bool> {
	return ${holds};
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

export type CombineVariant = { op: CombineName; type: ElementType; access: ElementAccess };

export const combine: ShaderTemplate<CombineVariant> = {
	name: 'elementwise.combine',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type)],
			output: storageOf(type),
			parameters: arithmetic(type),
			value: storedAs(type, COMBINE[op]),
		}),
};

export type TernaryVariant = { op: TernaryName; type: ElementType; access: ElementAccess };

export const ternary: ShaderTemplate<TernaryVariant> = {
	name: 'elementwise.ternary',
	source: ({ op, type, access }) =>
		elementwiseSource({
			access,
			operands: [operand('a', type), operand('b', type), operand('c', type)],
			output: storageOf(type),
			parameters: arithmetic(type),
			value: storedAs(type, TERNARY[op]),
		}),
};

export type CastVariant = { from: StorageType; to: ElementType; access: ElementAccess };

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
		const toInteger = floating && storageOf(to) === 'i32';
		const value = to === 'u32' ? stored(floating ? 'isTrue(x)' : 'x != vec4(0)') : storedAs(to, toInteger ? 'toInteger(x)' : 'x');
		return elementwiseSource({
			access,
			operands: [operand('x', from)],
			output: storageOf(to),
			functions: toInteger ? TO_INTEGER : '',
			value,
		});
	},
};
