/**
 * Elementwise kernels: element i of the output comes from elements i of up to three inputs. elementwiseFunctions.wgsl.ts holds
 * the functions, always on four elements, a quad, at once; this file loads and stores the quads. Workgroups of 64.
 *
 * `access` is a frame, then a mode for each input and for the output. The host collapses adjacent dimensions before it chooses;
 * rank, sizes and strides are data.
 *   linear.*  A thread computes `each` quads of the output, a workgroup's width apart.
 *     f flat     : in the output's order and aligned: vec4 loads and stores without index arithmetic. The last quad may reach up
 *                  to three elements beyond the end, into the padding of the storage. If those elements belong to a tensor, the
 *                  output is s.
 *     c constant : one element for all, loaded once.
 *     s strided  : any strides: four scalar loads or stores, with positions computed as a vector, and one division for
 *                  each dimension except the first.
 *   rows.*    For inputs that repeat, if the innermost dimension is a multiple of 4: a bias over a feature map, a mean over a
 *             row. A thread computes quads of one row, `chunks` apart, and divides only to find its row.
 *     v vector   : consecutive and aligned.
 *     r repeated : one element for the whole row, loaded once.
 *
 * Dimension d has size `sizes[d / 4][d % 4]` and the steps `strides[d]`, for inputs 0 to 2 in x, y and z and for the output in w.
 * In rows the innermost dimension is separate, and steps and offsets of vector operands count quads.
 *
 * With `inPlace` the first operand is read from the output's binding, with the output's mode.
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
import {
	type Binding,
	defineKernel,
	type Kernel,
	type KernelSource,
	LANES,
	read,
	readWrite,
	type StorageType,
	type Variant,
	WORKGROUP_SIZE,
} from './shader';

export type ElementAccess = `linear.${string}` | `rows.${string}`;

/** The type of an element. 'u8' and 'i8' are stored as i32; results are taken modulo 256. */
export type ElementType = StorageType | 'u8' | 'i8';

function storageOf(type: ElementType): StorageType {
	return type === 'u8' || type === 'i8' ? 'i32' : type;
}

/** The type that an operand has in arithmetic: its storage type widened, or its bare bits. */
type Computed = 'f32' | 'f16' | 'i32' | 'u32';

/** An input; the expression uses its name. */
export interface Operand {
	readonly stored: StorageType;
	readonly computed: Computed;
	readonly isOutput: false;
}

/** The old value of the tensor that the kernel updates in place; always the first operand. */
interface OutputOperand {
	readonly computed: Computed;
	readonly isOutput: true;
}

/** Operands by name; false if the variant does not have one. */
export type Operands = Readonly<Record<string, Operand | OutputOperand | false>>;

/** What a kernel of this file computes. */
export interface Frame<O extends Operands = Operands> {
	readonly access: ElementAccess;
	readonly operands: O;
	readonly output: StorageType;
	/** Functions that `value` calls, other than those of math.wgsl.ts. */
	readonly functions?: string | undefined;
	/** The type of the uniform parameters s and t. */
	readonly parameters?: 'f32' | 'i32';
	/** The result, a vec4 of any type that converts to the output's. */
	readonly value: string;
}

/** An operand as the frame sees it: the variable of its position, its data, and its access mode. */
interface Input {
	readonly name: string;
	readonly computed: Computed;
	readonly component: string;
	readonly data: string;
	readonly mode: string;
}

/** The parameters of every kernel in this frame. */
export const ELEMENTWISE_PARAMS = {
	/** Offsets of inputs 0 to 2 in x, y and z, and of the output in w. */
	offsets: 'vec4<u32>',
	size: 'u32',
	/** For rows: the number of chunks of all rows. */
	quads: 'u32',
	/** For rows: the number of chunks of a row. */
	each: 'u32',
	/** The uniform parameters s and t, as floats or as integers. A missing one is 0. */
	s: 'bits?',
	t: 'bits?',
	integerS: 'u32?',
	integerT: 'u32?',
	rank: 'u32?',
	/** For rows: the number of quads of a row. */
	inner: 'u32?',
	sizes: 'array<vec4<u32>, 2>?',
	strides: 'array<vec4<u32>, 8>?',
} as const;

/** The buffers of a kernel in this frame: its operands by name, and `out`. */
type QuadBindings<O extends Operands> = {
	readonly [K in keyof O]: O[K] extends Operand ? Binding : Binding | false;
} & { readonly out: Binding };

type ElementwiseKernel<V extends Variant, O extends Operands = Operands> = Kernel<V, typeof ELEMENTWISE_PARAMS, QuadBindings<O>>;

function loadStrided({ name, computed, component, data }: Input): string {
	return `let ${name}Quad = vec4<${computed}>(vec4(${LANES.map((lane) => `${data}[${component}At.${lane}]`).join(', ')}));`;
}

function linearMain(inputs: readonly Input[], target: Input): string {
	const strided = [...new Set([...inputs, target].filter(({ mode }) => mode === 's').map(({ component }) => component))];
	return wgsl`
${inputs
	.filter(({ mode }) => mode === 'c')
	.map(({ name, computed, component, data }) => `	let ${name}Quad = vec4<${computed}>(vec4(${data}[p.offsets.${component}]));`)
	.join('\n')}
	let offsets = p.offsets;
	let first = groupIndex * p.each * ${WORKGROUP_SIZE}u + lid;
	// One condition and no return, because software adapters compile every exit of a loop as a separate mask.
	let last = min(p.quads, first + p.each * ${WORKGROUP_SIZE}u);
	for (var i = first; i < last; i += ${WORKGROUP_SIZE}u) {
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
${inputs
	.filter(({ mode }) => mode === 's')
	.map((place) => `		${loadStrided(place)}`)
	.join('\n')}
${inputs
	.filter(({ mode }) => mode === 'f')
	.map(({ name, computed, component, data }) => `		let ${name}Quad = vec4<${computed}>(${data}[offsets.${component} + i]);`)
	.join('\n')}
		let value = compute(${inputs.map(({ name }) => `${name}Quad`).join(', ')});
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

function rowsMain(inputs: readonly Input[]): string {
	return wgsl`
	var rest = i / p.each;
	let chunk = i - rest * p.each;
	var at = p.offsets;
	for (var d = p.rank - 2u; d > 0u; d--) {
		let size = p.sizes[d / 4u][d % 4u];
		let next = rest / size;
		at += (rest - next * size) * p.strides[d];
		rest = next;
	}
	at += rest * p.strides[0];
${inputs
	.filter(({ mode }) => mode === 'r')
	.map(({ name, computed, component, data }) => `	let ${name}Quad = vec4<${computed}>(vec4(${data}[at.${component}]));`)
	.join('\n')}
	for (var j = chunk; j < p.inner; j += p.each) {
${inputs
	.filter(({ mode }) => mode === 'v')
	.map(({ name, computed, component, data }) => `		let ${name}Quad = vec4<${computed}>(${data}[at.${component} + j]);`)
	.join('\n')}
		out[at.w + j] = compute(${inputs.map(({ name }) => `${name}Quad`).join(', ')});
	}
`;
}

function quadSource<O extends Operands>({
	access,
	operands,
	output,
	functions = '',
	parameters,
	value,
}: Frame<O>): KernelSource<QuadBindings<O>> {
	const [kind, modes] = access.split('.') as [string, string];
	const present = Object.entries(operands).flatMap(([name, operand]) => (operand === false ? [] : [{ name, operand }]));
	const target: Input = { name: 'out', computed: 'u32', component: 'w', data: 'out', mode: modes[present.length]! };
	const inputs = present.map(
		({ name, operand: { computed, isOutput } }, k): Input =>
			isOutput ? { ...target, name, computed } : { name, computed, component: LANES[k]!, data: name, mode: modes[k]! },
	);
	const vector = (mode: string, type: StorageType) => (mode === 'f' || mode === 'v' ? `vec4<${type}>` : type);
	const bindings: Record<string, Binding> = {};
	present.forEach(({ name, operand }, k) => {
		if (!operand.isOutput) bindings[name] = read(vector(modes[k]!, operand.stored));
	});
	bindings.out = readWrite(vector(target.mode, output));
	return {
		bindings: bindings as QuadBindings<O>,
		invocations: kind === 'rows' ? 'p.quads' : undefined,
		functions: wgsl`
${mathFunctions(functions + value)}
${functions}
fn compute(${inputs.map(({ name, computed }) => `${name}: vec4<${computed}>`).join(', ')}) -> vec4<${output}> {
#if ${parameters === 'f32'}
	let s = bitcast<f32>(p.s);
	let t = bitcast<f32>(p.t);
#elif ${parameters === 'i32'}
	let s = bitcast<i32>(p.integerS);
	let t = bitcast<i32>(p.integerT);
#endif
	return vec4<${output}>(${value});
}
`,
		main: kind === 'rows' ? rowsMain(inputs) : linearMain(inputs, target),
	};
}

/** A kernel in the frame of this file. */
export function defineElementwiseKernel<V extends Variant, O extends Operands>(
	name: string,
	frame: (variant: V) => Frame<O>,
): ElementwiseKernel<V, O> {
	const kernel = defineKernel({ name, params: ELEMENTWISE_PARAMS, define: (variant: V) => quadSource(frame(variant)) });
	frames.set(kernel as unknown as Kernel, frame as (variant: never) => Frame);
	return kernel;
}

const frames = new Map<Kernel, (variant: never) => Frame>();

/** What a variant of a kernel in this frame computes; undefined for other kernels. fused.wgsl.ts joins several. */
export function frameOf(kernel: Kernel, variant: Variant): Frame | undefined {
	return frames.get(kernel)?.(variant as never);
}

/** f16 is computed in f32. u8 and i8 are computed in i32, and so is a bool in arithmetic. */
function arithmetic(type: ElementType): 'f32' | 'i32' {
	return type === 'f32' || type === 'f16' ? 'f32' : 'i32';
}

export function operand(type: ElementType): Operand {
	return { stored: storageOf(type), computed: arithmetic(type), isOutput: false };
}

function outputOperand(type: ElementType): OutputOperand {
	return { computed: arithmetic(type), isOutput: true };
}

/** An operand that is only copied, so that its bits matter and its type does not. */
export function copiedOperand(type: 'u32' | 'f16'): Operand {
	return { stored: type, computed: type, isOutput: false };
}

/** The stored form of a bool. */
function stored(condition: string): string {
	return `select(vec4(0u), vec4(1u), ${condition})`;
}

/** A number as the output stores it: as a bool (nonzero) or modulo 256 for uint8 and int8. */
function storedAs(type: ElementType, value: string): string {
	if (type === 'u8') return `(${value}) & vec4(255)`;
	if (type === 'i8') return `((${value}) << vec4(24u)) >> vec4(24u)`;
	return type === 'u32' ? stored(`(${value}) != vec4(0)`) : value;
}

function expression({ value, integer = value }: ExpressionRow, type: ElementType): string {
	return arithmetic(type) === 'i32' ? integer : value;
}

type UnaryVariant = { op: UnaryName; type: ElementType; access: ElementAccess };

export const unary = defineElementwiseKernel('elementwise.unary', ({ op, type, access }: UnaryVariant) => {
	const row: UnaryRow = UNARY[op];
	const isInteger = arithmetic(type) === 'i32';
	return {
		access,
		operands: { x: operand(type) },
		output: storageOf(type),
		functions: isInteger ? '' : row.functions,
		parameters: arithmetic(type),
		value: storedAs(type, (isInteger ? row.integer : row.value)!),
	};
});

type UnaryGradVariant = { op: DerivativeName; type: StorageType; access: ElementAccess };

export const unaryGrad = defineElementwiseKernel('elementwise.unaryGrad', ({ op, type, access }: UnaryGradVariant) => {
	const row: UnaryRow = UNARY[op];
	return {
		access,
		operands: { g: operand(type), x: operand(type) },
		output: type,
		functions: row.functions,
		parameters: 'f32',
		value: row.gradient!,
	};
});

type PredicateVariant = { op: PredicateName; type: StorageType; access: ElementAccess };

export const predicate = defineElementwiseKernel('elementwise.predicate', ({ op, type, access }: PredicateVariant) => {
	const value = stored(expression(PREDICATE[op], type));
	return { access, operands: { x: operand(type) }, output: 'u32', value };
});

function binaryValue(op: BinaryName, type: ElementType): string {
	return storedAs(type, expression(BINARY[op], type));
}

function binaryFunctions(op: BinaryName, type: ElementType): string {
	const { integerFunctions = '' }: ExpressionRow = BINARY[op];
	return arithmetic(type) === 'i32' ? integerFunctions : '';
}

type BinaryVariant = { op: BinaryName; type: ElementType; access: ElementAccess; inPlace: boolean };

export const binary = defineElementwiseKernel('elementwise.binary', ({ op, type, access, inPlace }: BinaryVariant) => ({
	access,
	operands: { a: inPlace ? outputOperand(type) : operand(type), b: operand(type) },
	output: storageOf(type),
	functions: binaryFunctions(op, type),
	value: binaryValue(op, type),
}));

/** `scalar` tells on which side of the operator the number s is. */
type BinaryScalarVariant = {
	op: BinaryName;
	type: ElementType;
	access: ElementAccess;
	inPlace: boolean;
	scalar: 'left' | 'right';
};

export const binaryScalar = defineElementwiseKernel(
	'elementwise.binaryScalar',
	({ op, type, access, inPlace, scalar }: BinaryScalarVariant) => {
		const computed = arithmetic(type);
		const [a, b] = scalar === 'left' ? ['vec4(s)', 'x'] : ['x', 'vec4(s)'];
		return {
			access,
			operands: { x: inPlace ? outputOperand(type) : operand(type) },
			output: storageOf(type),
			functions: wgsl`${binaryFunctions(op, type)}
fn combine(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<${type === 'f16' ? 'f32' : storageOf(type)}> {
	return ${binaryValue(op, type)};
}
`,
			parameters: computed,
			value: `combine(${a}, ${b})`,
		};
	},
);

type CompareVariant = { op: CompareName; type: StorageType; access: ElementAccess };

function holds(op: CompareName, type: StorageType): string {
	const computed = arithmetic(type);
	const value = expression(COMPARE[op], type);
	return wgsl`${value.includes('unordered') ? UNORDERED : ''}
fn holds(a: vec4<${computed}>, b: vec4<${computed}>) -> vec4<bool> {
	return ${value};
}
`;
}

export const compare = defineElementwiseKernel('elementwise.compare', ({ op, type, access }: CompareVariant) => ({
	access,
	operands: { a: operand(type), b: operand(type) },
	output: 'u32',
	functions: holds(op, type),
	value: stored('holds(a, b)'),
}));

export const compareScalar = defineElementwiseKernel('elementwise.compareScalar', ({ op, type, access }: CompareVariant) => ({
	access,
	operands: { x: operand(type) },
	output: 'u32',
	functions: holds(op, type),
	parameters: arithmetic(type),
	value: stored('holds(x, vec4(s))'),
}));

/** Elements are only moved, so that their width matters and their type does not. */
export type MoveVariant = { type: 'u32' | 'f16'; access: ElementAccess };

/** The bits of s or t, as a float32 or an integer; the other kind is 0. */
export function scalarBits(type: MoveVariant['type'], name: 's' | 't'): string {
	return type === 'f16' ? `vec4(f16(bitcast<f32>(p.${name})))` : `vec4(p.${name} | p.integer${name.toUpperCase()})`;
}

/** Whether a and b are tensors; if not, they are the numbers s and t. */
type WhereVariant = MoveVariant & { a: boolean; b: boolean };

export const where = defineElementwiseKernel('elementwise.where', ({ type, access, a, b }: WhereVariant) => ({
	access,
	operands: { condition: copiedOperand('u32'), a: a && copiedOperand(type), b: b && copiedOperand(type) },
	output: type,
	value: `select(${b ? 'b' : scalarBits(type, 't')}, ${a ? 'a' : scalarBits(type, 's')}, condition != vec4(0u))`,
}));

type CombineVariant = { op: CombineName; type: ElementType; access: ElementAccess };

export const combine = defineElementwiseKernel('elementwise.combine', ({ op, type, access }: CombineVariant) => ({
	access,
	operands: { a: operand(type), b: operand(type) },
	output: storageOf(type),
	parameters: arithmetic(type),
	value: storedAs(type, COMBINE[op]),
}));

type TernaryVariant = { op: TernaryName; type: ElementType; access: ElementAccess };

export const ternary = defineElementwiseKernel('elementwise.ternary', ({ op, type, access }: TernaryVariant) => ({
	access,
	operands: { a: operand(type), b: operand(type), c: operand(type) },
	output: storageOf(type),
	parameters: arithmetic(type),
	value: storedAs(type, TERNARY[op]),
}));

type CastVariant = { from: StorageType; to: ElementType; access: ElementAccess };

const TO_INTEGER = `
fn toInteger(x: vec4<f32>) -> vec4<i32> {
	let y = vec4<i32>(clamp(x, vec4(-2147483648.0), vec4(2147483520.0)));
	return select(select(y, vec4(2147483647), x >= vec4(2147483648.0)), vec4(0), isNan(x));
}
`;

export const cast = defineElementwiseKernel('elementwise.cast', ({ from, to, access }: CastVariant) => {
	const floating = arithmetic(from) === 'f32';
	const toInteger = floating && storageOf(to) === 'i32';
	const value = to === 'u32' ? stored(floating ? 'isTrue(x)' : 'x != vec4(0)') : storedAs(to, toInteger ? 'toInteger(x)' : 'x');
	return {
		access,
		operands: { x: operand(from) },
		output: storageOf(to),
		functions: toInteger ? TO_INTEGER : '',
		value,
	};
});
