/**
 * Several elementwise operations in one kernel: their expressions come from the same tables as those of single kernels, one after the other
 * (see elementwise.wgsl.ts). `compile` composes these kernels from what it recorded.
 *
 * A thread computes quads, four elements of the space that all operations share. It loads what earlier launches wrote, computes each
 * operation once, and stores what later launches read; everything else stays in registers. The access of each operand is a letter as in
 * elementwise.wgsl.ts: f, c, s in a linear kernel, v, r in rows.
 *
 * The results have the bits of the single kernels. Values keep the type in which they would be stored. A value passes through integer
 * arithmetic that compilers cannot see through, so that none contracts a product and the sum that follows it.
 */
import type { Frame } from './elementwise.wgsl';
import { mathFunctions } from './math.wgsl';
import type { Parameters } from './parameters';
import { PHILOX } from './random.wgsl';
import { type Binding, LANES, makeKernel, range, read, readWrite, type StorageType, WORKGROUP_SIZE } from './shader';

/** What one operation computes. */
export type StepFrame = Pick<Frame, 'operands' | 'output' | 'functions' | 'parameters' | 'value'>;

/** The elements of a buffer that a quad reads or writes. */
export interface Place {
	readonly buffer: number;
	readonly mode: 'f' | 'c' | 's' | 'v' | 'r';
	/** Its number among the offsets. */
	readonly offset: number;
	/** For s, v and r: which strides it walks by. */
	readonly walk: number;
}

export interface Step {
	readonly label: string;
	readonly frame: StepFrame;
	/** The values that it takes: results of steps, or values loaded from places. */
	readonly inputs: readonly { readonly step?: number; readonly place?: number }[];
	/** The numbers of the uniform parameters s and t, and of the key of a random operation. */
	readonly s: number;
	readonly t: number;
	readonly key: number;
}

export interface FusedProgram {
	/** An epilogue (see fusedEpilogue.wgsl.ts) is linear. */
	readonly kind: 'linear' | 'rows';
	/** For an epilogue: the place whose value the kernel before hands over, and the type of that value. */
	readonly given?: number;
	readonly givenType?: StorageType;
	readonly buffers: readonly { readonly type: StorageType; readonly isVector: boolean; readonly isWritten: boolean }[];
	readonly places: readonly Place[];
	/** The places that are read before anything is written. */
	readonly loads: readonly number[];
	readonly steps: readonly Step[];
	/** A step of -1 is the value that was handed over. */
	readonly stores: readonly { readonly place: number; readonly step: number }[];
	readonly walks: number;
	readonly numbers: number;
	readonly keys: number;
}

/** Dropout: a draw for each element. s is the count of the draws that drop an element, t the factor of the others. */
export function dropoutFrame(input: StorageType, output: StorageType): StepFrame {
	return {
		operands: { x: { stored: input, computed: 'f32', isOutput: false } },
		output,
		functions: PHILOX.replace('philox(block', 'philox(key: vec4<u32>, block')
			.replace('/** p.key is', '/** The key is')
			.replaceAll('p.key', 'key'),
		value: 'select(vec4(0.0), x * bitcast<f32>(p.t), (philox(key, quad) >> vec4(8u)) >= vec4(p.s))',
	};
}

/** The vec4s that hold `count` words. */
const quads = (count: number) => Math.max(1, Math.ceil(count / 4));
export const word = (name: string, i: number) => `p.${name}[${i >> 2}].${LANES[i & 3]}`;

/** The parameters of a program: the frame's own, then as many offsets, strides, numbers and keys as it has. */
export function paramsOf({ kind, places, walks, numbers, keys }: FusedProgram): Parameters {
	const params: Record<string, Parameters[string]> = { size: 'u32', quads: 'u32', each: 'u32', rank: 'u32?' };
	if (kind === 'rows') params.inner = 'u32';
	params.offsets = `array<vec4<u32>, ${quads(places.length)}>`;
	if (walks > 0) {
		params.sizes = 'array<vec4<u32>, 2>';
		params.strides = `array<vec4<u32>, ${8 * quads(walks)}>`;
	}
	if (numbers > 0) params.numbers = `array<vec4<u32>, ${quads(numbers)}>`;
	if (keys > 0) params.keys = `array<vec4<u32>, ${keys}>`;
	return params;
}

/** The functions of all steps. Equal ones are declared once; others of the same name get another. */
export class Functions {
	readonly #byCode = new Map<string, string>();
	readonly #names = new Map<string, string>();
	#helpers = '';
	#bodies = '';

	/** The name of the function for a frame, and which arguments it takes besides the operands. */
	add({ label, frame }: Step): { name: string; extra: ('s' | 't' | 'key' | 'quad')[] } {
		const { operands, output, parameters } = frame;
		let value = this.#withHelpers(frame.functions ?? '', frame.value);
		value = value.replaceAll(/p\.([st]) \| p\.integer[ST]/g, 'p.$1').replaceAll(/p\.([st])\b/g, '$1Bits');
		const extra = (['s', 't', 'key', 'quad'] as const).filter((name) =>
			name === 's' || name === 't'
				? value.includes(`${name}Bits`) || (parameters !== undefined && new RegExp(`\\b${name}\\b`).test(value))
				: new RegExp(`\\b${name}\\b`).test(value),
		);
		const types = { s: 'sBits: u32', t: 'tBits: u32', key: 'key: vec4<u32>', quad: 'quad: u32' };
		const present = Object.entries(operands).flatMap(([name, operand]) =>
			operand === false ? [] : [`${name}: vec4<${operand.computed}>`],
		);
		const head = `(${[...present, ...extra.map((name) => types[name])].join(', ')}) -> vec4<${output}> {\n`;
		const scalars = (['s', 't'] as const)
			.filter((name) => parameters !== undefined && extra.includes(name))
			.map((name) => `\tlet ${name} = bitcast<${parameters}>(${name}Bits);\n`);
		const code = `${head}${scalars.join('')}\treturn vec4<${output}>(${value});\n}\n`;
		let name = this.#byCode.get(code);
		if (name === undefined) {
			name = this.#unused(`${label.replaceAll(/\W+/g, '_')}_step`);
			this.#byCode.set(code, name);
			this.#bodies += `fn ${name}${code}`;
		}
		return { name, extra };
	}

	get code(): string {
		return `${mathFunctions(this.#helpers + this.#bodies)}${this.#helpers}${this.#bodies}`;
	}

	/** Declares what a frame brings along, and returns its value with the names under which that is declared. */
	#withHelpers(functions: string, value: string): string {
		let [code, result] = [functions, value];
		for (const [, name] of functions.matchAll(/\bfn (\w+)\(/g)) {
			const known = this.#names.get(`${name} ${functions}`);
			if (known === undefined && !this.#taken.has(name!)) continue;
			const other = known ?? this.#unused(name!);
			code = code.replaceAll(new RegExp(`\\b${name}\\(`, 'g'), `${other}(`);
			result = result.replaceAll(new RegExp(`\\b${name}\\(`, 'g'), `${other}(`);
			this.#names.set(`${name} ${functions}`, other);
		}
		if (functions !== '' && !this.#declared.has(functions)) {
			this.#declared.add(functions);
			for (const [, name] of functions.matchAll(/\bfn (\w+)\(/g)) {
				if (this.#names.has(`${name} ${functions}`)) continue;
				this.#taken.add(name!);
				this.#names.set(`${name} ${functions}`, name!);
			}
			this.#helpers += code;
		}
		return result;
	}

	readonly #taken = new Set<string>();
	readonly #declared = new Set<string>();

	#unused(name: string): string {
		let result = name;
		for (let i = 2; this.#taken.has(result); i++) result = `${name}${i}`;
		this.#taken.add(result);
		return result;
	}
}

/** Code that computes the steps from the loaded values `x0`, `x1`, ...; the results are `v0`, `v1`, ... */
export function stepLines(
	{ steps, places, buffers, given: start, givenType }: FusedProgram,
	functions: Functions,
	indent: string,
): string {
	return steps
		.map((step, k) => {
			const { name, extra } = functions.add(step);
			const operands = Object.values(step.frame.operands).filter((operand) => operand !== false);
			const given = operands.map((operand, i) => {
				const { step: from, place } = step.inputs[i]!;
				const loaded = place === start ? givenType : buffers[places[place ?? -1]?.buffer ?? -1]?.type;
				const [value, type] = from === undefined ? [`x${place}`, loaded] : [`v${from}`, steps[from]!.frame.output];
				const stored = operand.isOutput ? step.frame.output : operand.stored;
				const bits = type === stored ? value : `bitcast<vec4<${stored}>>(${value})`;
				return operand.computed === stored ? bits : `vec4<${operand.computed}>(${bits})`;
			});
			const arguments_ = { s: word('numbers', step.s), t: word('numbers', step.t), key: `p.keys[${step.key}]`, quad: 'quad' };
			const call = `${name}(${[...given, ...extra.map((argument) => arguments_[argument])].join(', ')})`;
			return `${indent}let v${k} = ${rounded(step.frame.output, call)};`;
		})
		.join('\n');
}

/** Nothing of the arithmetic before reaches across; `zero` is 0, which compilers do not know. */
const ROUNDED = `
fn rounded(x: vec4<f32>, zero: vec4<u32>) -> vec4<f32> {
	return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) + zero);
}
`;

/** Without this, compilers widen a number as if it had not been narrowed before. */
const ROUNDED_HALF = `
fn roundedHalf(x: vec4<f16>, zero: vec4<u32>) -> vec4<f16> {
	return bitcast<vec4<f16>>(bitcast<vec2<u32>>(x) + zero.xy);
}
`;

/** The value as it would be loaded after a store. */
export function rounded(type: StorageType | undefined, value: string): string {
	return type === 'f32' ? `rounded(${value}, zero)` : type === 'f16' ? `roundedHalf(${value}, zero)` : value;
}

/** The functions of `rounded` that the code calls. */
export function roundingFunctions(code: string): string {
	return `${code.includes('rounded(') ? ROUNDED : ''}${code.includes('roundedHalf(') ? ROUNDED_HALF : ''}`;
}

export const walkAt = (walk: number, dim: string) =>
	`p.strides[${walk > 3 ? `${8 * (walk >> 2)}u + ` : ''}${dim}].${LANES[walk & 3]}`;

export function load(program: FusedProgram, number: number, position: string, indent: string): string {
	const { buffer, mode } = program.places[number]!;
	const { type } = program.buffers[buffer]!;
	const at = `${indent}let x${number}`;
	if (mode === 's') return `${at} = vec4<${type}>(${LANES.map((lane) => `b${buffer}[at${number}.${lane}]`).join(', ')});`;
	if (mode === 'c' || mode === 'r') return `${at} = vec4(b${buffer}[${position}]);`;
	return `${at} = b${buffer}[${position}];`;
}

function linearMain(program: FusedProgram, functions: Functions): string {
	const { places, loads, stores, walks } = program;
	const strided = places.flatMap(({ mode }, i) => (mode === 's' ? [i] : []));
	const offset = (i: number) => word('offsets', places[i]!.offset);
	const of = (...modes: string[]) => loads.filter((i) => modes.includes(places[i]!.mode));
	const lines = [
		'	let zero = vec4(p.size >> 31u);',
		...of('c').map((i) => load(program, i, offset(i), '\t')),
		`	let first = groupIndex * p.each * ${WORKGROUP_SIZE}u + lid;`,
		`	let last = min(p.quads, first + p.each * ${WORKGROUP_SIZE}u);`,
		`	for (var quad = first; quad < last; quad += ${WORKGROUP_SIZE}u) {`,
	];
	if (walks > 0) {
		const each = range(walks);
		lines.push(
			'		var rest = min(vec4(quad * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.size - 1u));',
			...each.map((w) => `		var walk${w} = vec4(0u);`),
			'		for (var d = p.rank - 1u; d > 0u; d--) {',
			'			let size = p.sizes[d / 4u][d % 4u];',
			'			let next = rest / vec4(size);',
			'			let coordinate = rest - next * size;',
			...each.map((w) => `			walk${w} += coordinate * ${walkAt(w, 'd')};`),
			'			rest = next;',
			'		}',
			...each.map((w) => `		walk${w} += rest * ${walkAt(w, '0u')};`),
			...strided.map((i) => `		let at${i} = vec4(${offset(i)}) + walk${places[i]!.walk};`),
		);
	}
	lines.push(
		...of('s').map((i) => load(program, i, '', '\t\t')),
		...of('f').map((i) => load(program, i, `${offset(i)} + quad`, '\t\t')),
		stepLines(program, functions, '\t\t'),
		...stores
			.filter(({ place }) => places[place]!.mode === 'f')
			.map(({ place, step }) => `		b${places[place]!.buffer}[${offset(place)} + quad] = ${stored(program, place, step)};`),
	);
	const scattered = stores.filter(({ place }) => places[place]!.mode === 's');
	if (scattered.length > 0) {
		lines.push(
			...scattered.map(({ place, step }) => `		let y${place} = ${stored(program, place, step)};`),
			'		let end = min(4u, p.size - quad * 4u);',
			'		for (var lane = 0u; lane < end; lane++) {',
			...scattered.map(({ place }) => `			b${places[place]!.buffer}[at${place}[lane]] = y${place}[lane];`),
			'		}',
		);
	}
	return [...lines, '	}', ''].join('\n');
}

/** The result of a step in the type of the buffer, which may have been declared for another use of its bits. */
export function stored({ places, buffers, steps }: FusedProgram, place: number, step: number): string {
	const { type } = buffers[places[place]!.buffer]!;
	if (step < 0) return `x${place}`;
	return type === steps[step]!.frame.output ? `v${step}` : `bitcast<vec4<${type}>>(v${step})`;
}

function rowsMain(program: FusedProgram, functions: Functions): string {
	const { places, loads, stores, walks } = program;
	const at = (i: number) => `${word('offsets', places[i]!.offset)} + walk${places[i]!.walk}`;
	const of = (mode: string) => loads.filter((i) => places[i]!.mode === mode);
	const each = range(walks);
	return [
		'	let zero = vec4(p.size >> 31u);',
		'	var rest = i / p.each;',
		'	let row = rest;',
		'	let chunk = i - rest * p.each;',
		...each.map((w) => `	var walk${w} = 0u;`),
		'	for (var d = p.rank - 2u; d > 0u; d--) {',
		'		let size = p.sizes[d / 4u][d % 4u];',
		'		let next = rest / size;',
		...each.map((w) => `		walk${w} += (rest - next * size) * ${walkAt(w, 'd')};`),
		'		rest = next;',
		'	}',
		...each.map((w) => `	walk${w} += rest * ${walkAt(w, '0u')};`),
		...of('r').map((i) => load(program, i, at(i), '\t')),
		'	for (var j = chunk; j < p.inner; j += p.each) {',
		'		let quad = row * p.inner + j;',
		...of('v').map((i) => load(program, i, `${at(i)} + j`, '\t\t')),
		stepLines(program, functions, '\t\t'),
		...stores.map(({ place, step }) => `		b${places[place]!.buffer}[${at(place)} + j] = ${stored(program, place, step)};`),
		'	}',
		'',
	].join('\n');
}

/** The operations of a program, for readers of its code. */
export const labelsOf = ({ steps }: FusedProgram): string =>
	steps
		.map(({ label }) => label)
		.filter((label, i, all) => label !== all[i - 1])
		.slice(0, 40)
		.join(', ');

/** The kernel of a program. Its buffers are `b0`, `b1`, ... */
export function fusedKernel(program: FusedProgram) {
	return makeKernel({
		name: 'fused.elementwise',
		isOptional: true,
		params: paramsOf(program),
		define() {
			const functions = new Functions();
			const main = program.kind === 'rows' ? rowsMain(program, functions) : linearMain(program, functions);
			const bindings: Record<string, Binding> = {};
			program.buffers.forEach(({ type, isVector, isWritten }, i) => {
				bindings[`b${i}`] = (isWritten ? readWrite : read)(isVector ? `vec4<${type}>` : type);
			});
			return {
				bindings,
				invocations: program.kind === 'rows' ? 'p.quads' : undefined,
				functions: `${roundingFunctions(main)}${functions.code}`,
				main: `	// ${labelsOf(program)}\n${main}`,
			};
		},
	});
}
