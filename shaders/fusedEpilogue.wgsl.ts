/**
 * Elementwise operations as the epilogue of another kernel, such as a product: the stores of that kernel become calls of `finish`, which computes
 * the operations and stores their results. `compile` composes these kernels from what it recorded.
 */
import {
	Functions,
	type FusedProgram,
	labelsOf,
	load,
	paramsOf,
	rounded,
	roundingFunctions,
	stepLines,
	stored,
	walkAt,
	word,
} from './fused.wgsl';
import type { Parameters } from './parameters';
import { type Binding, type Kernel, LANES, makeKernel, range, read, readWrite, type Variant } from './shader';

/** The body of `finish(at, value)`: `at` counts quads, or elements, which are then in all lanes of a vector. */
function finishBody(program: FusedProgram, functions: Functions, isQuad: boolean): string {
	const { places, loads, stores, walks, given, givenType } = program;
	const offset = (i: number) => word('offsets', places[i]!.offset);
	const strided = places.flatMap(({ mode }, i) => (mode === 's' ? [i] : []));
	const each = range(walks);
	const position = (i: number) => ({ s: `at${i}`, c: offset(i) })[places[i]!.mode as string] ?? `${offset(i)} + at`;
	const value = isQuad ? 'value' : 'vec4(value)';
	const lines = [
		'	let zero = vec4(p.size >> 31u);',
		`	let quad = ${isQuad ? 'at' : 'at / 4u'};`,
		`	let x${given} = ${rounded(givenType, value)};`,
	];
	if (walks > 0) {
		const type = isQuad ? 'vec4<u32>' : 'u32';
		lines.push(
			`	var rest = ${isQuad ? 'min(vec4(at * 4u) + vec4(0u, 1u, 2u, 3u), vec4(p.size - 1u))' : 'at'};`,
			...each.map((w) => `	var walk${w} = ${type}(0u);`),
			'	for (var d = p.rank - 1u; d > 0u; d--) {',
			`		let size = ${type}(p.sizes[d / 4u][d % 4u]);`,
			'		let next = rest / size;',
			'		let coordinate = rest - next * size;',
			...each.map((w) => `		walk${w} += coordinate * ${walkAt(w, 'd')};`),
			'		rest = next;',
			'	}',
			...each.map((w) => `	walk${w} += rest * ${walkAt(w, '0u')};`),
			...strided.map((i) => `	let at${i} = ${type}(${offset(i)}) + walk${places[i]!.walk};`),
		);
	}
	lines.push(
		...loads.map((i) =>
			isQuad ? load(program, i, position(i), '\t') : `	let x${i} = vec4(b${places[i]!.buffer}[${position(i)}]);`,
		),
		stepLines(program, functions, '\t'),
	);
	for (const { place: i, step } of stores) {
		const result = stored(program, i, step);
		const { mode, buffer } = places[i]!;
		// Only draws differ between the lanes of one element.
		if (!isQuad) lines.push(`	b${buffer}[${position(i)}] = (${result})${program.keys > 0 ? '[at % 4u]' : '.x'};`);
		else if (mode !== 's') lines.push(`	b${buffer}[${position(i)}] = ${result};`);
		else lines.push(`	let y${i} = ${result};`, ...LANES.map((lane) => `	b${buffer}[at${i}.${lane}] = y${i}.${lane};`));
	}
	return lines.join('\n');
}

/** The name of an epilogue's parameter, apart from those of the kernel before. */
const named = (name: string) => `fused${name[0]!.toUpperCase()}${name.slice(1)}`;

/** An epilogue's parameters by the names that they have in its kernel. */
export function epilogueValues<V>(values: Readonly<Record<string, V>>): Record<string, V> {
	return Object.fromEntries(Object.entries(values).map(([name, value]) => [named(name), value]));
}

function declaredIn(code: string): string[] {
	return [...code.matchAll(/\b(?:fn|alias|struct|const|var<[^>]*>) (\w+)/g)].map(([, name]) => name!);
}

/** The WGSL type of the elements of the kernel's buffer `out`; undefined if it has no such buffer. */
export function storedType(kernel: Kernel, variant: Variant, out: string): string | undefined {
	const { bindings, functions = '' } = kernel.define(variant);
	const binding = bindings[out];
	return binding ? resolved(binding.type, functions) : undefined;
}

function resolved(type: string, functions: string): string {
	const aliases = new Map([...functions.matchAll(/\balias (\w+) = ([^;]+);/g)].map(([, name, of]) => [name!, of!]));
	let result = type;
	while (aliases.has(result)) result = aliases.get(result)!;
	return result;
}

/**
 * A kernel that ends with the program, in place of its stores to the buffer `out`, and the names of the buffers that it still has. undefined if
 * the kernel does more with `out` than store there, or declares what the program declares too.
 */
export function withEpilogue(kernel: Kernel, variant: Variant, out: string, program: FusedProgram) {
	const source = kernel.define(variant);
	const { bindings, functions = '', main } = source;
	const binding = bindings[out];
	if (!binding) return undefined;
	const type = resolved(binding.type, functions);
	const pattern = new RegExp(`\\b${out}\\[([^\\][]+)\\] = ([^;]+);`, 'g');
	const [ownFunctions, ownMain] = [functions, main].map((code) => code.replaceAll(pattern, 'finish($1, $2);')) as [
		string,
		string,
	];
	const own = ownFunctions + ownMain;
	if (new RegExp(`\\b${out}\\[`).test(own) || !own.includes('finish(')) return undefined;
	const composed = new Functions();
	const body = finishBody(program, composed, type.startsWith('vec4'))
		.replaceAll(/\bp\.(size|rank|sizes|strides|offsets|numbers|keys)\b/g, (_, name: string) => `p.${named(name)}`)
		.replaceAll(/\bb(\d+)\[/g, 'fused$1[');
	const finish = `${roundingFunctions(body)}${composed.code}\nfn finish(at: u32, value: ${type}) {\n${body}\n}\n`;
	const mine = new Set(declaredIn(finish));
	if (declaredIn(functions).some((name) => mine.has(name))) return undefined;
	const kept: Record<string, Binding> = {};
	for (const [name, other] of Object.entries(bindings)) if (other !== false && name !== out) kept[name] = other;
	const names = Object.keys(kept);
	program.buffers.forEach(({ type: element, isVector, isWritten }, i) => {
		kept[`fused${i}`] = (isWritten ? readWrite : read)(isVector ? `vec4<${element}>` : element);
	});
	const { size, rank, offsets, sizes, strides, numbers, keys } = paramsOf(program);
	const extra = Object.entries({ size, rank, offsets, sizes, strides, numbers, keys }).flatMap(([name, value]) =>
		value === undefined ? [] : [[name, value] as const],
	);
	const made = makeKernel({
		name: `fused.${kernel.name}`,
		isOptional: true,
		params: { ...kernel.params, ...epilogueValues(Object.fromEntries(extra)) } as Parameters,
		divisible: kernel.divisible ?? false,
		reportsIndices: kernel.reportsIndices ?? false,
		define: () => ({
			...source,
			bindings: kept,
			functions: `${ownFunctions}${finish}`,
			main: `	// Then ${labelsOf(program)}.\n${ownMain}`,
		}),
	});
	return { kernel: made, names };
}
